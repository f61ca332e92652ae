//! One account, day by day: which levels are found when spend comes and goes and budgets change.

mod properties;

use guardrail::{Configuration, Currency, Sandbox};
use jiff::SignedDuration;

use super::*;
use crate::fakes::{RETAIL, day, sandbox};
use crate::figures::MonthTotal;

const PATH: &str = "/sandbox-guardrails/spend/spend-budget";

/// An account of the business unit `retail`, as it is remembered from one judgement to the next.
struct Stage {
    known: Known,
    account: Account,
    parameters: BTreeMap<String, String>,
    estimate: Option<Amount>,
    now: Timestamp,
}

impl Stage {
    fn new() -> Self {
        let known = Known { sandboxes: vec![sandbox(RETAIL)], business_unit: Some("retail".to_owned()), seen_at: None };
        let enforce = [(format!("{PATH}/mode"), "enforce".to_owned())];
        let now = Timestamp::UNIX_EPOCH;
        Self { known, account: Account::default(), parameters: enforce.into(), estimate: None, now }
    }

    fn policy(&self) -> Policy {
        let values = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (configuration, faults) = Configuration::read(values);
        assert!(faults.is_empty(), "{faults:?}");
        configuration.policy(&SPEND_BUDGET)
    }

    fn put(&mut self, setting: &str, value: &str) {
        self.parameters.insert(format!("{PATH}/{setting}"), value.to_owned());
    }

    fn bill(&mut self, month: &str, money: &str) {
        let Money { amount, currency } = money.parse().unwrap();
        self.account.months.insert(day(&format!("{month}-01")), MonthTotal { total: amount, currency });
    }

    /// Something happens: `2026-11 = 500 USD` is billed, `estimate = 20` was spent since, or a parameter is set.
    fn take(&mut self, what: &str) {
        match what.split_once(" = ") {
            Some(("estimate", "none")) => self.estimate = None,
            Some(("estimate", amount)) => self.estimate = Some(amount.parse().unwrap()),
            Some((month, money)) if month.starts_with('2') => self.bill(month, money),
            Some((setting, value)) => self.put(setting, value),
            None => assert_eq!(what, ""),
        }
    }

    /// Noon of this day comes.
    fn come(&mut self, today: &str) {
        let noon = format!("{today}T12:00:00Z").parse().unwrap();
        // Of two judgements of one day the second is a second later.
        self.now = if self.now < noon { noon } else { self.now + SignedDuration::from_secs(1) };
    }

    fn today(&self) -> Date {
        self.now.to_zoned(jiff::tz::TimeZone::UTC).date()
    }

    /// Judges as the meter does; gives what is to be told, the lowest level first.
    fn judge(&mut self) -> Result<Vec<Finding>, Unheld> {
        let (policy, today) = (self.policy(), self.today());
        let subject = Subject { account: RETAIL, known: &self.known, policy: &policy };
        let mut open = Vec::new();
        for spent in subject.spent(&self.account, self.estimate.as_ref(), today)? {
            let mut findings = subject.judge(&spent, self.now, &mut Belt::new(u32::MAX));
            self.account.enter(&subject, &spent, &mut findings, today, self.now);
            let of = |finding: &Finding| self.account.reached(spent.period, finding.level.percent).unwrap().clone();
            open.extend(findings.into_iter().filter(|finding| of(finding).is_open(finding)));
        }
        open.sort_by_key(|finding| (finding.started_at, finding.level.percent));
        Ok(open)
    }

    /// Judges and tells; gives what was told that nobody had been told before, as `50/11-01`: the level and the day of
    /// its episode.
    fn tell(&mut self) -> Vec<String> {
        let open = self.judge().unwrap();
        let ids: BTreeSet<&String> = open.iter().map(|finding| &finding.header.id).collect();
        assert_eq!(ids.len(), open.len(), "one finding for each id");
        let mut new = Vec::new();
        for finding in &open {
            let episode = finding.episode.unwrap();
            let told = |judged: &Judged| {
                let reached = judged.levels.get(&finding.level.percent);
                reached.is_some_and(|reached| reached.told && reached.episode == episode)
            };
            if !self.account.periods.values().any(told) {
                new.push(format!("{}/{}", finding.level.percent, episode.strftime("%m-%d")));
            }
            self.account.note_told(finding);
        }
        new
    }

    /// The lasting period, and what was spent in it.
    fn lasting(&self) -> Spent {
        let policy = self.policy();
        let subject = Subject { account: RETAIL, known: &self.known, policy: &policy };
        subject.spent(&self.account, self.estimate.as_ref(), self.today()).unwrap().pop().unwrap()
    }

    fn standing(&self) -> BudgetStanding {
        let policy = self.policy();
        let subject = Subject { account: RETAIL, known: &self.known, policy: &policy };
        subject.standing(&self.lasting(), &self.account)
    }
}

/// Day after day something happens; which levels are told then?
fn check(days: &[(&str, &str, &str)]) -> Stage {
    let mut stage = Stage::new();
    for (today, what, told) in days {
        stage.come(today);
        stage.take(what);
        assert_eq!(stage.tell().join(" "), *told, "{today}: {what}");
        assert_eq!(stage.tell(), [""; 0], "{today}: {what}, judged again");
    }
    stage
}

const LIMIT: (&str, &str, &str) = ("2026-11-01", "limit = 1000 USD", "");

#[test]
fn each_level_is_told_once_in_a_period_at_exactly_its_share() {
    check(&[
        LIMIT,
        ("2026-11-02", "2026-11 = 499.999999 USD", ""),
        ("2026-11-03", "2026-11 = 500 USD", "50/11-01"),
        ("2026-11-04", "2026-11 = 749.99 USD", ""),
        ("2026-11-05", "2026-11 = 1600 USD", "75/11-01 100/11-01 150/11-01"),
        ("2026-11-06", "2026-11 = 2000 USD", "200/11-01"),
        ("2026-11-07", "2026-11 = 1E+9 USD", ""),
    ]);
}

#[test]
fn a_raised_budget_clears_levels_and_they_are_found_again_in_episodes_of_their_own() {
    check(&[
        LIMIT,
        ("2026-11-02", "2026-11 = 2100 USD", "50/11-01 75/11-01 100/11-01 150/11-01 200/11-01"),
        ("2026-11-03", "limit = 2500 USD", ""),
        ("2026-11-04", "2026-11 = 2600 USD", "100/11-03"),
        ("2026-11-05", "limit = 5000 USD", ""),
        ("2026-11-06", "2026-11 = 10000 USD", "75/11-05 100/11-05 150/11-03 200/11-03"),
        // What is reached under every budget is one episode.
        ("2026-11-07", "limit = 6000 USD", ""),
        ("2026-11-08", "2026-11 = 12000 USD", "200/11-07"),
    ]);
}

#[test]
fn a_lowered_budget_finds_what_is_reached_now_and_nothing_twice() {
    check(&[
        LIMIT,
        ("2026-11-02", "2026-11 = 800 USD", "50/11-01 75/11-01"),
        ("2026-11-03", "limit = 500 USD", "100/11-01 150/11-01"),
        ("2026-11-04", "limit = 400 USD", "200/11-01"),
        // A budget of the sandbox's own goes before it.
        ("2026-11-05", "limit/111111111111 = 900 USD", ""),
        ("2026-11-06", "limit/business-unit/retail = 1 USD", ""),
        ("2026-11-07", "limit/111111111111 = 400 USD", "100/11-05 150/11-05 200/11-05"),
    ]);
}

#[test]
fn a_restatement_that_goes_down_and_up_again_finds_nothing_twice() {
    check(&[
        LIMIT,
        ("2026-11-02", "2026-11 = 1000 USD", "50/11-01 75/11-01 100/11-01"),
        ("2026-11-03", "2026-11 = 10 USD", ""),
        ("2026-11-04", "2026-11 = 1000 USD", ""),
        // Nor where the budget had changed in between and the level was reached under both.
        ("2026-11-05", "limit = 990 USD", ""),
        ("2026-11-06", "2026-11 = 10 USD", ""),
        ("2026-11-07", "2026-11 = 1000 USD", ""),
        // Another budget clears what is not reached, also where a restatement was the reason.
        ("2026-11-08", "2026-11 = 10 USD", ""),
        ("2026-11-09", "limit = 980 USD", ""),
        ("2026-11-10", "2026-11 = 1000 USD", "50/11-09 75/11-09 100/11-09"),
    ]);
}

#[test]
fn a_new_period_finds_anew_and_an_ended_one_keeps_its_budget() {
    let mut stage = check(&[
        LIMIT,
        ("2026-11-20", "2026-11 = 800 USD", "50/11-01 75/11-01"),
        ("2026-12-01", "", ""),
        // A budget that is set later says nothing of November, and what comes late of November is held against its
        // own.
        ("2026-12-02", "limit = 100 USD", ""),
        ("2026-12-03", "2026-11 = 1100 USD", "100/11-01"),
        ("2026-12-04", "2026-12 = 60 USD", "50/12-01"),
        ("2026-12-05", "limit = 1000000 USD", ""),
        ("2026-12-06", "2026-11 = 1500 USD", "150/11-01"),
        ("2026-12-07", "2026-12 = 500000 USD", "50/12-05"),
        // Two months at once.
        ("2027-01-02", "2026-11 = 2000 USD", "200/11-01"),
        ("2027-01-03", "2026-12 = 1000000 USD", "75/12-01 100/12-01"),
        // By now AWS has closed the bill.
        ("2027-02-01", "2026-11 = 100 USD", ""),
        ("2027-02-02", "2026-11 = 9E+9 USD", ""),
    ]);
    stage.come("2027-02-03");
    assert_eq!(stage.lasting().reported.to_string(), "0.00 USD", "a month that has just begun");
}

#[test]
fn a_closed_bill_is_judged_for_62_days_after_its_end() {
    for (today, told) in [("2027-02-01", "100/11-01"), ("2027-02-02", "")] {
        let half = ("2026-11-20", "2026-11 = 800 USD", "50/11-01 75/11-01");
        check(&[LIMIT, half, (today, "2026-11 = 1000 USD", told)]);
    }
}

#[test]
fn quarters_years_and_all_of_the_time_add_their_months_up() {
    let days = |limit| {
        [("2026-10-15", "2026-09 = 300 USD", ""), ("2026-10-16", limit, ""), ("2026-10-20", "2026-10 = 400 USD", "")]
    };
    let mut quarter = days("limit = 1000 USD/quarter").to_vec();
    quarter.extend([
        ("2026-11-20", "2026-11 = 100 USD", "50/10-01"),
        ("2026-12-20", "2026-12 = 250 USD", "75/10-01"),
        ("2027-01-20", "2027-01 = 499 USD", ""),
        ("2027-01-21", "2026-12 = 500 USD", "100/10-01"),
    ]);
    check(&quarter);
    let mut year = days("limit = 1000 USD/year").to_vec();
    year[2].2 = "50/01-01";
    year.extend([("2026-12-20", "2026-12 = 50 USD", "75/01-01"), ("2027-01-20", "2027-01 = 500 USD", "50/01-01")]);
    check(&year);
    let mut total = days("limit = 1000 USD/total").to_vec();
    total[2].2 = "50/01-01";
    total.extend([("2031-01-20", "2031-01 = 300 USD", "75/01-01 100/01-01"), ("2032-01-20", "", "")]);
    let stage = check(&total);
    assert_eq!(stage.lasting().period, Period { from: None, until: None });
}

#[test]
fn a_budget_of_other_periods_has_levels_of_its_own() {
    check(&[
        ("2027-01-05", "limit = 1000 USD", ""),
        ("2027-01-06", "2027-01 = 800 USD", "50/01-01 75/01-01"),
        // January, its quarter and its year begin at the same moment; their findings are not the same.
        ("2027-01-07", "limit = 1000 USD/quarter", "50/01-07 75/01-07"),
        ("2027-01-08", "limit = 1000 USD/year", "50/01-08 75/01-08"),
        ("2027-01-09", "2027-01 = 1000 USD", "100/01-01"),
        ("2027-01-10", "limit = 1000 USD", "100/01-10"),
        ("2027-01-11", "limit = 1000 USD/year", ""),
        ("2027-02-05", "2027-02 = 500 USD", "150/01-01"),
        ("2027-02-06", "limit = 1000 USD", "50/02-01"),
    ]);
}

#[test]
fn periods_that_begin_together_never_share_an_episode() {
    check(&[
        ("2027-01-05", "limit = 1000 USD", ""),
        ("2027-01-06", "2027-01 = 10 USD", ""),
        ("2027-02-03", "limit = 1000 USD/quarter", ""),
        ("2027-02-04", "2027-02 = 790 USD", "50/01-01 75/01-01"),
        ("2027-02-05", "limit = 10000 USD/year", ""),
        // At once January, which has ended, and the year reach levels that the quarter has had at their beginning.
        ("2027-02-06", "2027-01 = 7600 USD", "50/02-06 50/02-06 75/02-06 75/02-06 100/01-01 150/01-01 200/01-01"),
    ]);
}

#[test]
fn a_budget_whose_place_another_took_is_not_held_against_when_its_period_has_ended() {
    check(&[
        ("2026-10-05", "limit = 100 USD/quarter", ""),
        ("2026-10-06", "2026-10 = 60 USD", "50/10-01"),
        ("2026-11-05", "limit = 1000 USD", ""),
        ("2026-12-05", "2026-12 = 600 USD", "50/12-01"),
        // The quarter has cost more than 600 % of what it once was to cost; nobody was held to that any more.
        ("2027-01-05", "2026-12 = 700 USD", ""),
        ("2027-01-06", "2026-12 = 750 USD", "75/12-01"),
    ]);
}

#[test]
fn a_level_that_acts_by_estimate_is_found_by_it_and_only_in_the_period_that_lasts() {
    check(&[
        LIMIT,
        ("2026-11-02", "levels = 50,75:estimated,100,200:lock:estimated", ""),
        ("2026-11-03", "2026-11 = 400 USD", ""),
        ("2026-11-04", "estimate = 340", ""),
        ("2026-11-05", "estimate = 350", "75/11-01"),
        // Without an estimate nothing is known of it, and nothing is cleared; also not when the budget changes.
        ("2026-11-06", "estimate = none", ""),
        ("2026-11-07", "limit = 990 USD", ""),
        ("2026-11-08", "estimate = 350", ""),
        ("2026-11-09", "limit = 1200 USD", ""),
        ("2026-11-10", "estimate = 500", "75/11-09"),
        ("2026-11-11", "2026-11 = 600 USD", "50/11-01"),
        // November is over: what was spent since the export is December's.
        ("2026-12-01", "estimate = 9000", "75/12-01 200/12-01"),
    ]);
}

#[test]
fn nothing_is_cleared_while_nobody_looks() {
    check(&[
        LIMIT,
        ("2026-11-02", "2026-11 = 600 USD", "50/11-01"),
        ("2026-11-03", "mode = off", ""),
        ("2026-11-04", "limit = 1100 USD", ""),
        ("2026-11-05", "2026-11 = 900 USD", ""),
        ("2026-11-06", "mode = observe", "75/11-01"),
    ]);
}

#[test]
fn a_lock_is_asked_for_until_it_is_settled_and_then_never_again_in_its_episode() {
    let mut stage = check(&[LIMIT]);
    stage.bill("2026-11", "2000 USD");
    let asks = |stage: &mut Stage| -> Vec<String> {
        let open = stage.judge().unwrap().into_iter();
        let wanted = open.filter(Finding::wants_action).map(|finding| finding.header.id).collect();
        stage.tell();
        wanted
    };
    let first = format!("spend-budget/{RETAIL}/200/2026-11-01T00:00:00Z");
    for _ in 0..3 {
        assert_eq!(asks(&mut stage), [first.as_str()], "asked again until it is settled");
    }
    let november = stage.lasting().period;
    stage.account.reached_mut(november, 200).unwrap().settled_at = Some(stage.now);
    assert_eq!(asks(&mut stage), [""; 0]);
    // Somebody has looked, raised the budget and released the lock. That is no reason to lock again, more spend is.
    stage.come("2026-11-10");
    stage.put("limit", "1500 USD");
    assert_eq!(asks(&mut stage), [""; 0]);
    stage.come("2026-11-11");
    stage.bill("2026-11", "3000 USD");
    assert_eq!(asks(&mut stage), [format!("spend-budget/{RETAIL}/200/2026-11-10T12:00:00Z")]);
    // The next month has a lock of its own; November's, asked for and not settled, goes on.
    stage.come("2026-12-05");
    stage.bill("2026-12", "3000 USD");
    assert_eq!(
        asks(&mut stage),
        [
            format!("spend-budget/{RETAIL}/200/2026-11-10T12:00:00Z"),
            format!("spend-budget/{RETAIL}/200/2026-12-01T00:00:00Z")
        ]
    );
}

#[test]
fn a_budget_that_nobody_set_is_reported_against_and_asks_for_nothing() {
    let mut stage = Stage::new();
    stage.come("2026-11-05");
    stage.bill("2026-11", "5000 USD");
    let found = stage.judge().unwrap();
    let levels: Vec<u16> = found.iter().map(|finding| finding.level.percent).collect();
    assert_eq!(levels, [50, 75, 100, 150, 200]);
    assert!(found.iter().all(|finding| !finding.wants_action()));
    assert!(found[4].message.contains("of the 2000.00 USD/month allowed, which is the default (200 % reached)"));
    // It was not set while November lasted, so November is never held to one.
    stage.come("2026-12-05");
    stage.put("limit", "10 USD");
    assert!(stage.judge().unwrap().iter().all(|finding| !finding.wants_action()));
    stage.bill("2026-12", "20 USD");
    let asks: Vec<_> = stage.judge().unwrap().into_iter().filter(Finding::wants_action).collect();
    assert_eq!(asks.len(), 1);
    assert_eq!(asks[0].started_at.to_string(), "2026-12-01T00:00:00Z");
}

#[test]
fn an_exempt_sandbox_is_reported_and_not_locked() {
    let mut stage = check(&[LIMIT]);
    let exemption = r#"{"resource": "1111*", "owner": "jo", "reason": "year end", "expires": "2026-11-20T00:00:00Z"}"#;
    stage.parameters.insert("/sandbox-guardrails/exemptions/year-end".to_owned(), exemption.to_owned());
    stage.bill("2026-11", "2000 USD");
    stage.come("2026-11-19");
    let found = stage.judge().unwrap();
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|finding| !finding.wants_action() && finding.exemption.is_some()));
    stage.tell();
    assert_eq!(stage.judge(), Ok(vec![]));
    stage.come("2026-11-20");
    let open = stage.judge().unwrap();
    assert_eq!(open.iter().map(|finding| finding.level.percent).collect::<Vec<_>>(), [200], "it has expired");
    assert!(open[0].wants_action());
}

#[test]
fn money_that_cannot_be_compared_holds_nobody() {
    let mut stage = check(&[LIMIT, ("2026-11-02", "2026-11 = 600 USD", "50/11-01")]);
    stage.put("limit", "1000 EUR");
    let unheld = stage.judge().unwrap_err();
    assert_eq!(unheld.to_string(), "its budget is 1000.00 EUR/month, and its bill is in USD");
    stage.come("2026-12-02");
    stage.bill("2026-12", "10 EUR");
    assert_eq!(stage.tell(), [""; 0], "December is billed in euros, and November was in dollars");
    stage.bill("2026-11", "750 USD");
    assert_eq!(stage.tell(), ["75/11-01"]);
    stage.put("limit", "1000 EUR/quarter");
    let unheld = stage.judge().unwrap_err();
    assert_eq!(unheld.to_string(), "the months of its budget's period are billed in several currencies");
    // A quarter that was not held does not keep the next from being held.
    stage.come("2027-01-20");
    stage.bill("2027-01", "500 EUR");
    assert_eq!(stage.tell(), ["50/01-01"]);
}

#[test]
fn a_negative_total_reaches_nothing() {
    let stage = check(&[
        LIMIT,
        ("2026-11-02", "2026-11 = -1200.55 USD", ""),
        ("2026-11-03", "limit = 0.01 USD", ""),
        ("2026-11-04", "2026-11 = -0.005 USD", ""),
    ]);
    let standing = stage.standing();
    assert_eq!((standing.percent, standing.level), (-50, None));
}

#[test]
fn an_account_without_figures_is_not_judged() {
    let mut stage = check(&[LIMIT]);
    assert_eq!(stage.judge(), Ok(vec![]));
    assert_eq!(stage.account, Account::default());
}

#[test]
fn a_held_back_finding_says_so() {
    let mut stage = check(&[LIMIT]);
    stage.bill("2026-11", "2000 USD");
    let policy = stage.policy();
    let subject = Subject { account: RETAIL, known: &stage.known, policy: &policy };
    let spent = stage.lasting();
    let held_back = |most| -> Vec<u16> {
        let found = subject.judge(&spent, stage.now, &mut Belt::new(most)).into_iter();
        found.filter(|finding| finding.held_back).map(|finding| finding.level.percent).collect()
    };
    assert_eq!((held_back(0), held_back(1)), (vec![200], vec![]));
}

/// Whose budget holds, in which parameter it stands, and how it is told.
#[test]
fn the_standing_says_whose_budget_it_is() {
    let mut stage = check(&[("2026-11-05", "2026-11 = 1999.999 USD", "50/11-01 75/11-01")]);
    for (setting, set_for, budget, percent) in [
        ("mode", "all", "2000.00 USD/month", 99),
        ("limit", "all", "1000.00 USD/month", 199),
        ("limit/business-unit/retail", "business-unit", "1000.00 USD/month", 199),
        ("limit/111111111111", "sandbox", "1000.00 USD/month", 199),
    ] {
        stage.put(setting, if setting == "mode" { "enforce" } else { "1000 USD" });
        stage.tell();
        let standing = stage.standing();
        let told = (standing.set_for.as_str(), standing.budget.to_string(), standing.percent);
        assert_eq!(told, (set_for, budget.to_owned(), percent), "{setting}");
        assert_eq!((standing.mode, standing.from), (Mode::Enforce, Some(day("2026-11-01"))));
        assert_eq!(standing.level, Some(if percent == 99 { 75 } else { 150 }));
        let policy = stage.policy();
        let subject = Subject { account: RETAIL, known: &stage.known, policy: &policy };
        let expected = if setting == "mode" { "limit" } else { setting };
        assert_eq!(subject.parameter(), format!("{PATH}/{expected}"));
        assert_eq!(subject.is_set(), setting != "mode");
    }
}

#[test]
fn findings_are_of_the_first_sandbox_and_name_the_account() {
    let mut stage = check(&[LIMIT]);
    let other = Sandbox { region: "us-east-1".to_owned(), ..sandbox(RETAIL) };
    stage.known.sandboxes.push(other);
    stage.bill("2026-11", "500 USD");
    let found = stage.judge().unwrap();
    assert_eq!((found.len(), &found[0].header.sandbox), (1, &sandbox(RETAIL)));
    assert_eq!((found[0].resource.kind.as_str(), found[0].resource.id.as_str()), ("sandbox", RETAIL));
    assert_eq!(found[0].measured, Quantity::Money(Money::new(Amount::from(500), Currency::USD)));
}
