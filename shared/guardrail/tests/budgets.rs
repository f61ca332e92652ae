//! Budgets: whose holds, what its levels do, and what is never held against it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that panics has failed")]

use guardrail::catalogue::SPEND_BUDGET;
use guardrail::{
    Belt, Configuration, Finding, Level, Measure, Money, Observation, Policy, Quantity, Sandbox, ScopeKind, Severity,
    judge,
};
use jiff::Timestamp;

const PATH: &str = "/sandbox-guardrails/spend/spend-budget";

/// The policy under these parameters; each must be obeyed.
fn policy(parameters: &[(&str, &str)]) -> Policy {
    let named: Vec<_> = parameters.iter().map(|(name, value)| (format!("{PATH}/{name}"), *value)).collect();
    let (configuration, faults) = Configuration::read(named.iter().map(|(name, value)| (name.as_str(), *value)));
    assert!(faults.is_empty(), "{faults:?}");
    configuration.policy(&SPEND_BUDGET)
}

/// What one parameter is rejected for.
fn rejected(name: &str, value: &str) -> String {
    let name = format!("{PATH}/{name}");
    let values = [(name.as_str(), value)];
    let (configuration, faults) = Configuration::read(values);
    configuration
        .rejected(values, &faults, Timestamp::UNIX_EPOCH)
        .pop()
        .unwrap_or_else(|| panic!("{name} = {value}"))
        .to_string()
}

fn began() -> Timestamp {
    "2026-11-01T00:00:00Z".parse().unwrap()
}

fn money(text: &str) -> Quantity {
    Quantity::Money(text.parse::<Money>().unwrap())
}

/// A sandbox of the business unit `Retail & Co`.
fn spent(reported: &str) -> Observation {
    Observation::new("sandbox", "111122223333", "billed", began())
        .within(ScopeKind::Sandbox, Some("111122223333"))
        .within(ScopeKind::BusinessUnit, Some("Retail & Co"))
        .amount(Measure::Spend, money(reported))
}

fn found(policy: &Policy, observation: &Observation) -> Vec<Finding> {
    let sandbox = Sandbox { account: "111122223333".into(), region: "eu-west-1".into(), alias: "forecast".into() };
    let mut found = judge(policy, std::slice::from_ref(observation), &sandbox, began(), &mut Belt::new(20));
    found.sort_by_key(|finding| finding.level.percent);
    found
}

/// The levels found, and the limit that they are levels of.
fn levels(policy: &Policy, reported: &str) -> (Vec<u16>, String) {
    let found = found(policy, &spent(reported));
    let limit = found.first().map(|finding| finding.limit.to_string()).unwrap_or_default();
    (found.into_iter().map(|finding| finding.level.percent).collect(), limit)
}

#[test]
fn a_sandboxs_own_budget_goes_before_its_business_units_and_that_before_everybodys() {
    let all = [
        ("limit", "1000 USD"),
        ("limit/business-unit/Retail---Co", "2000 USD"),
        ("limit/111122223333", "4000 USD/quarter"),
    ];
    for (set, limit) in
        [(0, "2000.00 USD/month"), (1, "1000.00 USD/month"), (2, "2000.00 USD/month"), (3, "4000.00 USD/quarter")]
    {
        assert_eq!(levels(&policy(&all[..set]), "100000 USD").1, limit, "the first {set} are set");
    }
    let other = [("limit/business-unit/wholesale", "5 USD"), ("limit/sandbox/999999999999", "5 USD")];
    assert_eq!(levels(&policy(&other), "2100 USD"), (vec![50, 75, 100], "2000.00 USD/month".to_owned()));
}

#[test]
fn levels_are_each_sandboxs_own_and_say_what_they_do() {
    let parameters = [
        ("limit", "1000 USD"),
        ("levels/business-unit/Retail---Co", "80,100,120:lock,300:lock"),
        ("mode/111122223333", "enforce"),
    ];
    let found = found(&policy(&parameters), &spent("1234.5678 USD"));
    let acts: Vec<_> = found.iter().map(|finding| (finding.level.percent, finding.wants_action())).collect();
    assert_eq!(acts, [(80, false), (100, false), (120, true)]);
    assert_eq!(
        found[2].message,
        "sandbox `111122223333` has spent 1234.57 USD of the 1000.00 USD/month allowed (120 % reached); to be acted on"
    );
    assert_eq!(found[2].header.id, "spend-budget/111122223333/120/2026-11-01T00:00:00Z");
    assert_eq!(found[0].level, Level { percent: 80, severity: Severity::Warning });
}

#[test]
fn an_estimate_counts_for_the_levels_that_ask_for_it_and_for_no_other() {
    let parameters = [("limit", "1000 USD"), ("levels", "50,75:estimated,100,200:lock:estimated"), ("mode", "enforce")];
    let policy = policy(&parameters);
    let observation = spent("600 USD");
    assert_eq!(levels(&policy, "600 USD").0, [50], "without an estimate nothing is known of it");
    let estimated = observation.amount(Measure::EstimatedSpend, money("2000 USD"));
    let found = found(&policy, &estimated);
    let percents: Vec<_> = found.iter().map(|finding| (finding.level.percent, finding.measured.to_string())).collect();
    let expected = [(50, "600.00 USD"), (75, "2000.00 USD"), (200, "2000.00 USD")];
    assert_eq!(percents, expected.map(|(percent, measured)| (percent, measured.to_owned())));
    assert_eq!(found[2].measure, Measure::EstimatedSpend);
    assert!(found[2].message.contains("by estimate (200 % reached)"), "{}", found[2].message);
    assert!(found[2].wants_action());
}

#[test]
fn money_of_another_currency_is_not_compared() {
    let policy = policy(&[("limit", "1 EUR"), ("mode", "enforce")]);
    assert_eq!(found(&policy, &spent("1000000 USD")), []);
}

#[test]
fn a_budget_that_nobody_set_is_reported_against_and_never_locks() {
    let found = found(&policy(&[("mode", "enforce")]), &spent("4000 USD"));
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|finding| !finding.wants_action()));
    assert_eq!(
        found[4].message,
        "sandbox `111122223333` has spent 4000.00 USD of the 2000.00 USD/month allowed, which is the default (200 % reached); \
         reported only"
    );
}

#[test]
fn bad_budgets_are_named_and_not_obeyed() {
    for (name, value) in [
        ("limit", "0 USD"),
        ("limit", "-5 USD"),
        ("limit", "1500"),
        ("limit/111122223333", "1500 USD/week"),
        ("levels", "50,75"),
        ("levels", "50:lock,100"),
        ("levels", "100:lock:lock"),
        ("levels", "100:stop"),
        ("levels/business-unit/retail", "200:lock,100"),
        ("limit/business-unit/Retail & Co", "5 USD"),
        ("limit/team/retail", "5 USD"),
    ] {
        let said = rejected(name, value);
        assert!(said.contains(value) && said.contains(name), "{said}");
    }
    assert!(rejected("limit", "1500").ends_with("in force: 2000.00 USD/month"));
    assert!(rejected("levels", "").ends_with("in force: 50,75,100,150,200:lock"));
    // Of other guardrails levels have no marks.
    let name = "/sandbox-guardrails/glue/glue-job-runtime/levels";
    assert!(Configuration::read([(name, "100:lock")]).1.contains_key(name));
}
