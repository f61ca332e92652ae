//! What is told of a month, and what a lock says.

use guardrail::catalogue::SPEND_BUDGET;
use guardrail::{Belt, Budget, Currency, Measure, Mode, Observation, Policy, Quantity, judge};

use super::*;
use crate::fakes::{RETAIL, day, moment, sandbox};

/// Figures of November, of services with a sum on the 3rd and the same on the 4th.
fn figures(services: &[(&str, &str)], owners: &[(&str, &str)]) -> Figures {
    let amount = |text: &str| text.parse::<Amount>().unwrap();
    let days = |sum: &str| [day("2026-11-03"), day("2026-11-04")].map(|day| (day, amount(sum))).into();
    Figures {
        version: "run-1".to_owned(),
        delivered_at: moment("2026-11-05T06:00:00Z"),
        currency: Currency::USD,
        covered_until: moment("2026-11-05T00:00:00Z"),
        services: services.iter().map(|(service, sum)| ((*service).to_owned(), days(sum))).collect(),
        owners: owners.iter().map(|(owner, sum)| ((*owner).to_owned(), amount(sum))).collect(),
        usage: Vec::new(),
    }
}

fn november(figures: &Figures, besides: Besides) -> SandboxSpend {
    spend(&sandbox(RETAIL), day("2026-11-01"), figures, besides, moment("2026-11-05T07:00:00Z"))
}

fn standing(budget: &str, reported: &str, percent: i64) -> BudgetStanding {
    let budget: Budget = budget.parse().unwrap();
    let period = budget.per.period(day("2026-11-05"));
    BudgetStanding {
        budget,
        set_for: "all".to_owned(),
        from: period.from,
        until: period.until,
        reported: reported.parse().unwrap(),
        percent,
        level: None,
        mode: Mode::Enforce,
    }
}

fn estimate(amount: &str, error: Option<&str>) -> Estimate {
    Estimate {
        amount: amount.parse().unwrap(),
        error: error.map(|error| error.parse().unwrap()),
        learned_from: 7,
        since: moment("2026-11-05T00:00:00Z"),
        until: moment("2026-11-05T07:00:00Z"),
        basis: vec!["the rest: 1.00 USD a day".to_owned()],
    }
}

#[test]
fn a_month_is_told_with_its_parts_the_most_expensive_first() {
    let services = [("AmazonS3", "0.0000000181"), ("AmazonSageMaker", "10"), ("AmazonAthena", "1.25"), ("Tax", "-3")];
    let event = november(&figures(&services, &[("", "2"), ("jo", "14.5"), ("ana", "2")]), Besides::default());
    let parts = |shares: &[Share]| -> Vec<String> {
        shares.iter().map(|share| format!("{} {}", share.name, share.amount)).collect()
    };
    assert_eq!(parts(&event.services), ["AmazonSageMaker 20", "AmazonAthena 2.5", "AmazonS3 0.0000000362", "Tax -6"]);
    assert_eq!(parts(&event.owners), ["jo 14.5", " 2", "ana 2"]);
    assert_eq!(event.reported.to_string(), "16.5000000362");
    assert_eq!(event.days[&day("2026-11-03")].to_string(), "8.2500000181");
    assert_eq!((event.header.id.as_str(), &event.header.sandbox), ("spend/2026-11", &sandbox(RETAIL)));
    assert_eq!((event.export.as_str(), event.covered_until), ("run-1", moment("2026-11-05T00:00:00Z")));
}

#[test]
fn no_more_than_fifty_parts_are_told_by_name() {
    let parts: Vec<(String, String)> = (10..90).map(|number| (format!("s{number}"), number.to_string())).collect();
    let services: Vec<(&str, &str)> = parts.iter().map(|(name, sum)| (name.as_str(), sum.as_str())).collect();
    let event = november(&figures(&services, &services), Besides::default());
    assert_eq!((event.services.len(), event.owners.len()), (50, 50));
    assert_eq!((event.services[0].name.as_str(), event.services[49].name.as_str()), ("s89", "s40"));
    assert_eq!(event.reported, (10..90).map(|number| Amount::from(2 * number)).sum(), "what has no name here counts");
}

#[test]
fn one_sentence_says_it_all() {
    let figures = figures(&[("AmazonAthena", "600.004")], &[]);
    let say = |budget, estimate| november(&figures, Besides { budget, estimate, ..Besides::default() }).message;
    assert_eq!(say(None, None), "`retail` has spent 1200.01 USD in November 2026; it has no budget");
    assert_eq!(
        say(Some(standing("1500 USD", "1200.008", 80)), Some(estimate("12.345678", None))),
        "`retail` has spent 1200.01 USD in November 2026, 80 % of its budget of 1500.00 USD; \
         since 2026-11-05T00:00:00Z some 12.35 USD more by estimate"
    );
    assert_eq!(
        say(Some(standing("4500 USD/quarter", "2000", 44)), Some(estimate("12", Some("3.999")))),
        "`retail` has spent 1200.01 USD in November 2026, and 2000.00 USD in October to December 2026, 44 % of its \
         budget of 4500.00 USD; since 2026-11-05T00:00:00Z some 12.00 USD more by estimate, give or take 4.00 USD"
    );
    assert_eq!(
        say(Some(standing("50000 USD/total", "30000", 60)), None),
        "`retail` has spent 1200.01 USD in November 2026, and 30000.00 USD in everything so far, 60 % of its budget of \
         50000.00 USD"
    );
}

#[test]
fn the_same_told_later_is_the_same_and_anything_else_is_not() {
    let event = november(&figures(&[("AmazonAthena", "1")], &[]), Besides::default());
    let mut later = event.clone();
    later.header.occurred_at = moment("2026-11-09T07:00:00Z");
    assert_eq!(digest(&event), digest(&later));
    let changes: [fn(&mut SandboxSpend); 6] = [
        |event| event.reported = Amount::from(3),
        |event| event.export = "run-2".to_owned(),
        |event| event.business_unit = Some("retail".to_owned()),
        |event| event.estimate = Some(estimate("1", None)),
        |event| event.budget = Some(standing("1 USD", "2", 200)),
        |event| event.savings.actions = 1,
    ];
    let mut digests: Vec<u64> = changes
        .iter()
        .map(|change| {
            let mut changed = event.clone();
            change(&mut changed);
            digest(&changed)
        })
        .chain([digest(&event)])
        .collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 7);
}

/// The finding of a sandbox that has spent this, reported or by estimate, of 1000 USD: the highest of its levels.
fn finding(measure: Measure, spent: &str) -> Finding {
    let mut policy = Policy::default_of(&SPEND_BUDGET);
    policy.limit.sandbox = Quantity::Budget("1000 USD".parse().unwrap());
    policy.limit_is_set = true;
    if measure == Measure::EstimatedSpend {
        policy.levels.sandbox = guardrail::Levels::parse_of_budget("100,200:lock:estimated").unwrap();
    }
    let money = |text: &str| Quantity::Money(text.parse().unwrap());
    let observation = Observation::new("sandbox", RETAIL, "billed", moment("2026-11-01T00:00:00Z"));
    let observation = observation.amount(Measure::Spend, money("1000 USD")).amount(measure, money(spent));
    judge(&policy, &[observation], &sandbox(RETAIL), moment("2026-11-05T07:00:00Z"), &mut Belt::new(1)).remove(0)
}

#[test]
fn a_lock_is_the_same_however_often_it_is_asked_for() {
    let finding = finding(Measure::Spend, "2000.5 USD");
    let asked_at = moment("2026-11-05T07:00:01.5Z");
    let command = lock(&finding, &sandbox(RETAIL), "why", asked_at);
    assert_eq!(command.header.id, "command/budget-111111111111-200-20261101T000000");
    assert_eq!((command.header.occurred_at, &command.header.sandbox), (asked_at, &sandbox(RETAIL)));
    assert_eq!(
        (command.lock.as_str(), command.reason.as_str(), command.requested_by.as_str()),
        ("budget", "why", "spend-enforce")
    );
    assert_eq!(lock(&finding, &sandbox(RETAIL), "why", asked_at), command);
    let mut other = finding;
    other.episode = Some(moment("2026-11-20T10:11:12Z"));
    assert_eq!(command_of(&other), "budget-111111111111-200-20261120T101112");
}

#[test]
fn the_reason_of_a_lock_says_what_was_spent_of_what_and_on_what_most() {
    let of = |measure, spent, services: &[(&str, &str)]| {
        let months = [figures(services, &[]), figures(services, &[])];
        reason(&finding(measure, spent), &sandbox(RETAIL), months.iter())
    };
    assert_eq!(
        of(Measure::Spend, "2000.499 USD", &[("AmazonS3", "1"), ("AmazonSageMaker", "499.999")]),
        "`retail` has spent 2000.50 USD of its budget of 1000.00 USD/month (200 % reached), most of it on \
         AmazonSageMaker: 2000.00"
    );
    assert_eq!(
        of(Measure::EstimatedSpend, "2100 USD", &[("Refund", "-1")]),
        "`retail` has spent 2100.00 USD by estimate of its budget of 1000.00 USD/month (200 % reached)"
    );
    assert_eq!(
        of(Measure::Spend, "2000 USD", &[]),
        "`retail` has spent 2000.00 USD of its budget of 1000.00 USD/month (200 % reached)"
    );
}
