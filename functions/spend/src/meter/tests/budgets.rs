//! Budgets that are set, raised, missing and in another currency, and the locks that they ask for.

use guardrail::Mode;

use super::*;

/// A budget changes, and the event comes.
fn set(hub: &FakeHub, setting: &str, value: &str) {
    hub.pass(60);
    hub.put(setting, value);
    hub.meter(parameter_changed()).unwrap();
}

/// The locks asked for since this was last asked, as `retail`, each as often as it was asked for.
fn asked(hub: &FakeHub) -> Vec<String> {
    let told = hub.findings("spend-budget").into_iter();
    let asked = told.filter(|told| told.wants_action() && !told.held_back).map(|told| told.header.sandbox.alias);
    let asked = asked.collect();
    hub.bus.take();
    asked
}

/// The lock of an account is seen to hold.
fn settle(hub: &FakeHub, account: &str) {
    let mut known = hub.account(account);
    let levels = known.periods.values_mut().flat_map(|judged| judged.levels.values_mut());
    levels.for_each(|reached| reached.settled_at = Some(hub.clock.now()));
    hub.book.put(crate::figures::account_page(account), &known);
}

#[test]
fn a_raised_budget_is_obeyed_at_once_and_what_is_reached_again_is_a_finding_of_its_own() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "760")]);
    set(&hub, "limit", "1200 USD");
    assert_eq!(hub.levels(), ["retail 50", "retail 75"]);
    deliver(&hub, "run-2", &[spent(RETAIL, "900")]);
    let ids: Vec<String> = hub.findings("spend-budget").into_iter().map(|found| found.header.id).collect();
    assert_eq!(
        ids,
        [
            "spend-budget/111111111111/50/2026-11-01T00:00:00Z",
            "spend-budget/111111111111/75/2026-11-01T00:00:00Z",
            // Since the moment at which the other budget had cleared it.
            "spend-budget/111111111111/75/2026-11-10T06:02:00Z",
        ]
    );
    let told = hub.spends().pop().unwrap();
    let budget = told.budget.unwrap();
    assert_eq!((budget.budget.to_string().as_str(), budget.percent, budget.level), ("1200.00 USD/month", 75, Some(75)));
    // A lost event heals with the next sweep.
    hub.put("limit", "900 USD");
    hub.next_sweep();
    assert_eq!(hub.levels().last().unwrap(), "retail 100");
}

#[test]
fn a_business_units_budget_holds_for_the_sandboxes_that_the_register_gives_it() {
    let hub = stage();
    hub.parameters.put(&format!("/sandbox-guardrails/spend/sandboxes/{TRADING}"), r#"{"business_unit": "Desk 7"}"#);
    hub.parameters.put(
        &format!("/sandbox-guardrails/spend/sandboxes/{STRANGER}"),
        r#"{"business_unit": "Desk 7", "alias": "quiet", "region": "us-east-1"}"#,
    );
    hub.put("limit/business-unit/Desk-7", "100 USD");
    deliver(&hub, "run-1", &[spent(RETAIL, "60"), spent(TRADING, "60"), spent(STRANGER, "60")]);
    assert_eq!(hub.levels(), ["trading 50", "quiet 50"]);
    let units: Vec<_> = hub.spends().into_iter().map(|told| told.business_unit).collect();
    assert_eq!(units, [None, Some("Desk 7".to_owned()), Some("Desk 7".to_owned())]);
    let quiet = &hub.findings("spend-budget")[1];
    assert_eq!((quiet.header.sandbox.region.as_str(), quiet.scope.as_deref()), ("us-east-1", Some(STRANGER)));
}

#[test]
fn a_sandbox_without_a_budget_is_reported_and_never_asked_to_lock() {
    let hub = FakeHub::at(MORNING);
    hub.put("mode", "enforce");
    hub.put(&format!("limit/{TRADING}"), "1000 USD");
    deliver(&hub, "run-1", &[spent(RETAIL, "40000"), spent(TRADING, "1")]);
    assert_eq!(hub.levels().len(), 5);
    assert!(hub.findings("spend-budget").iter().all(|found| !found.wants_action()));
    let unset = hub.findings("spend-budget-set");
    assert_eq!(unset.len(), 1);
    assert_eq!(unset[0].message, "sandbox `111111111111` has the budget `missing`, allowed is `set`; reported only");
    assert_eq!(hub.spends()[0].budget, None);
    assert!(hub.spends()[0].message.contains("; it has no budget"), "{}", hub.spends()[0].message);
    // It is one condition, however long it lasts and whoever looks.
    for _ in 0..40 {
        hub.next_sweep();
    }
    assert_eq!(hub.findings("spend-budget-set").len(), 1);
    // Somebody sets one: then what was spent is held against it.
    hub.bus.take();
    set(&hub, &format!("limit/{RETAIL}"), "1000 USD");
    assert_eq!(asked(&hub), ["retail"]);
}

#[test]
fn a_budget_in_another_currency_is_told_by_name_and_holds_nobody() {
    let hub = stage();
    hub.put(&format!("limit/{RETAIL}"), "1000 EUR/quarter");
    deliver(&hub, "run-1", &[spent(RETAIL, "90000"), spent(TRADING, "600")]);
    for _ in 0..14 {
        hub.next_sweep();
    }
    assert_eq!(hub.levels(), ["trading 50"]);
    let rejected = hub.rejected();
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0].parameter, format!("/sandbox-guardrails/spend/spend-budget/limit/{RETAIL}"));
    assert_eq!(
        (rejected[0].value.as_str(), rejected[0].expected.as_str(), rejected[0].in_force.as_str()),
        ("1000.00 EUR/quarter", "a budget in USD, the currency of the bill", "no budget")
    );
    let unset: Vec<String> = hub.findings("spend-budget-set").into_iter().map(|found| found.resource.id).collect();
    assert_eq!(unset, [RETAIL]);
    assert_eq!(hub.spends()[0].budget, None);
}

#[test]
fn what_could_not_be_looked_at_does_not_end_the_condition_that_it_is_in() {
    for steps in 0.. {
        let hub = FakeHub::at("2026-11-10T23:50:00Z");
        let flaky = Flaky::new(&hub, |hub, fails| hub.book.fail(false, fails));
        let mut meter = hub.meter_through(&flaky);
        let mut run = |event| block_on(meter.handle(hub.invocation(event)));
        let key = hub.exports.deliver("2026-11", "run-1", &[spent(RETAIL, "1")]);
        run(object_created(&key)).unwrap();
        assert_eq!(hub.findings("spend-budget-set").len(), 1);
        // With the day another estimate is to be remembered, which fails.
        hub.pass(900);
        flaky.left.set(Some(steps));
        let failed = run(parameter_changed()).is_err();
        let over = flaky.left.take().is_some();
        hub.pass(60);
        run(parameter_changed()).unwrap();
        assert_eq!(hub.findings("spend-budget-set").len(), 1, "after {steps} steps, failed: {failed}");
        if over {
            break;
        }
    }
}

#[test]
fn a_lock_is_asked_for_by_every_sweep_until_it_is_settled() {
    let hub = stage();
    deliver(&hub, "run-1", &[spent(RETAIL, "2000")]);
    assert_eq!(asked(&hub), ["retail"]);
    for _ in 0..15 {
        hub.next_sweep();
        assert_eq!(asked(&hub), ["retail"]);
    }
    settle(&hub, RETAIL);
    deliver(&hub, "run-2", &[spent(RETAIL, "5000")]);
    hub.next_sweep();
    assert_eq!(asked(&hub), [""; 0]);
    // The next month begins, and nothing that locked or would unlock is said.
    hub.clock.set(moment("2026-12-01T00:05:00Z"));
    hub.sweep().unwrap();
    assert_eq!(hub.levels(), [""; 0]);
}

#[test]
fn no_more_locks_are_asked_for_than_one_run_may_the_worst_first() {
    let hub = stage();
    hub.put("max_actions", "1");
    deliver(&hub, "run-1", &[spent(RETAIL, "2100"), spent(TRADING, "4500")]);
    let held_back: Vec<String> =
        hub.findings("spend-budget").into_iter().filter(|told| told.held_back).map(|told| told.header.id).collect();
    assert_eq!(held_back, [format!("spend-budget/{RETAIL}/200/2026-11-01T00:00:00Z")]);
    assert_eq!(asked(&hub), ["trading"]);
    hub.next_sweep();
    assert_eq!(asked(&hub), ["trading"], "it is still to be seen to hold");
    settle(&hub, TRADING);
    hub.next_sweep();
    assert_eq!(asked(&hub), ["retail"]);
    settle(&hub, RETAIL);
    hub.next_sweep();
    assert_eq!(asked(&hub), [""; 0]);
}

#[test]
fn only_observed_is_only_told() {
    let hub = stage();
    hub.put("mode", "observe");
    deliver(&hub, "run-1", &[spent(RETAIL, "2000")]);
    assert_eq!(hub.levels().len(), 5);
    assert_eq!(hub.spends()[0].budget.as_ref().unwrap().mode, Mode::Observe);
    hub.next_sweep();
    assert_eq!(hub.levels().len(), 5);
    hub.bus.take();
    // What was observed is acted on when somebody says so.
    set(&hub, "mode", "enforce");
    assert_eq!(asked(&hub), ["retail"]);
}

#[test]
fn a_level_that_acts_by_estimate_is_found_within_the_hour() {
    let hub = stage();
    hub.put("levels", "75:estimated,100,200:lock:estimated");
    // A hundred a day in the seven days before the 10th, as the export says at six in the morning of it.
    deliver(&hub, "run-1", &[spent(RETAIL, "700")]);
    assert_eq!(hub.levels(), [""; 0]);
    // At noon half a day is over of which the export knows nothing. The whole is estimated when an hour begins.
    hub.clock.set(moment("2026-11-10T11:01:00Z"));
    hub.sweep().unwrap();
    for _ in 0..11 {
        hub.next_sweep();
    }
    assert_eq!(hub.levels(), [""; 0]);
    hub.next_sweep();
    assert_eq!(hub.levels(), ["retail 75"]);
    let found = &hub.findings("spend-budget")[0];
    assert!(found.message.contains("by estimate (75 % reached)"), "{}", found.message);
    // Between, sweeps know of no estimate, and what another budget reaches as well is not cleared by them.
    set(&hub, "limit", "990 USD");
    for _ in 0..30 {
        hub.next_sweep();
    }
    assert_eq!(hub.levels(), ["retail 75"]);
}
