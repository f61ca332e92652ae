//! The judgement of one guardrail through all that may be set for it, by tables and by properties.
//!
//! What each guardrail of the catalogue measures is held by `twins.rs`, counts by `counts.rs`, the other kinds of
//! measurements by `measures.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use guardrail::catalogue::ATHENA_QUERY_RUNTIME;
use guardrail::config::Parameter;
use guardrail::judge::acts_at;
use guardrail::{
    Belt, Configuration, Finding, Level, Levels, Observation, Policy, Quantity, Sandbox, ScopeKind, Severity, judge,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

const PATH: &str = "/sandbox-guardrails/athena/athena-query-runtime";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sandbox() -> Sandbox {
    Sandbox { account: "111111111111".into(), region: "eu-west-1".into(), alias: "marketing".into() }
}

fn policy(parameters: &[(&str, &str)]) -> Policy {
    let mut configuration = Configuration::default();
    for (name, value) in parameters {
        let name = if name.starts_with('/') { (*name).to_owned() } else { format!("{PATH}/{name}") };
        configuration.obey(Parameter::parse(&name, value).unwrap());
    }
    configuration.policy(&ATHENA_QUERY_RUNTIME)
}

fn query(id: &str, workgroup: &str, started_at: i64) -> Observation {
    Observation::new("query", id, "RUNNING", at(started_at)).within(ScopeKind::Workgroup, Some(workgroup))
}

fn find(policy: &Policy, observations: &[Observation], now: i64) -> Vec<Finding> {
    judge(policy, observations, &sandbox(), at(now), &mut Belt::new(policy.max_actions))
}

/// The compliant twin, the non-compliant twin and the boundary of every level.
#[test]
fn a_query_is_found_at_each_level_from_exactly_there_on() {
    let policy = policy(&[("limit", "100s"), ("mode", "enforce")]);
    let check = |elapsed: i64, expected: &[u16]| {
        let found = find(&policy, &[query("q", "etl", 0)], elapsed);
        let percents: Vec<_> = found.iter().map(|finding| finding.level.percent).collect();
        assert_eq!(percents, expected, "after {elapsed} s of 100 s");
    };
    check(0, &[]);
    check(-5, &[]);
    check(74, &[]);
    check(75, &[75]);
    check(94, &[75]);
    check(95, &[95, 75]);
    check(99, &[95, 75]);
    check(100, &[100, 95, 75]);
    check(101, &[100, 95, 75]);
    check(100_000, &[100, 95, 75]);
}

#[test]
fn each_workgroup_has_its_own_limit_and_mode() {
    let policy = policy(&[
        ("limit", "100s"),
        ("limit/etl", "1000s"),
        ("mode", "enforce"),
        ("mode/adhoc", "observe"),
        ("mode/loading", "off"),
    ]);
    let queries = ["etl", "primary", "adhoc", "loading"].map(|workgroup| query(workgroup, workgroup, 0));
    let found = find(&policy, &queries, 100);
    let breaches: Vec<_> = found
        .iter()
        .filter(|finding| finding.level.severity == Severity::Breach)
        .map(|finding| (finding.resource.id.as_str(), finding.wants_action()))
        .collect();
    assert_eq!(breaches, [("adhoc", false), ("primary", true)]);
}

#[test]
fn an_exempt_query_is_found_and_not_acted_on_until_the_exemption_expires() {
    let exemption = r#"{"scope":"et?","owner":"jo@bank","reason":"year end","expires":"1970-01-01T00:03:20Z"}"#;
    let policy =
        policy(&[("limit", "100s"), ("mode", "enforce"), ("/sandbox-guardrails/exemptions/year-end", exemption)]);
    let breach = |now| find(&policy, &[query("q", "etl", 0)], now).remove(0);
    assert_eq!(breach(199).exemption.as_deref(), Some("year-end"));
    assert!(!breach(199).wants_action());
    assert!(breach(200).wants_action(), "an exemption is over at the instant it expires");
    assert_eq!(acts_at(&policy, &query("q", "etl", 150), at(160)), None);
    assert_eq!(acts_at(&policy, &query("q", "other", 150), at(160)), Some(at(250)));
}

#[test]
fn an_exemption_of_an_owner_does_not_cover_what_has_no_known_owner() {
    let exemption = r#"{"resource_owner":"*","owner":"jo@bank","reason":"x","expires":"2100-01-01T00:00:00Z"}"#;
    let policy = policy(&[("limit", "100s"), ("mode", "enforce"), ("/sandbox-guardrails/exemptions/all", exemption)]);
    assert!(find(&policy, &[query("q", "etl", 0)], 100)[0].wants_action());
    let owned = Observation { owner: Some("ana".into()), ..query("q", "etl", 0) };
    assert!(!find(&policy, &[owned], 100)[0].wants_action());
    let tagged = query("q", "etl", 0).tagged([("owner", "ana"), ("cost-center", "7")]);
    assert!(!find(&policy, &[tagged], 100)[0].wants_action());
}

#[test]
fn the_belt_lets_the_worst_through_and_says_so_of_the_rest() {
    let policy = policy(&[("limit", "100s"), ("mode", "enforce"), ("max_actions", "2")]);
    let queries: Vec<_> = (0..4).map(|n| query(&format!("q{n}"), "etl", n * 10)).collect();
    let mut belt = Belt::new(policy.max_actions);
    let mut held = |now| -> Vec<(String, bool)> {
        judge(&policy, &queries, &sandbox(), at(now), &mut belt)
            .into_iter()
            .filter(|finding| finding.level.percent == 100)
            .map(|finding| (finding.resource.id, finding.held_back))
            .collect()
    };
    let expect = |ids: &[(&str, bool)]| ids.iter().map(|(id, held)| ((*id).to_owned(), *held)).collect::<Vec<_>>();
    assert_eq!(held(200), expect(&[("q0", false), ("q1", false), ("q2", true), ("q3", true)]));
    // A later look of the same run lets the same through, and no more.
    assert_eq!(held(210), expect(&[("q0", false), ("q1", false), ("q2", true), ("q3", true)]));
    let message = find(&policy, &queries, 200).into_iter().find(|finding| finding.held_back).unwrap().message;
    assert_eq!(
        message,
        "query `q2` in `etl` has run 3m of the 1m 40s allowed (100 % reached); \
         held back to the next run, this one has asked for all the actions it may"
    );
}

#[test]
fn ids_tell_guardrail_resource_and_level() {
    let policy = policy(&[("limit", "100s")]);
    let ids: Vec<_> = find(&policy, &[query("q", "etl", 0)], 96).into_iter().map(|f| f.header.id).collect();
    assert_eq!(ids, ["athena-query-runtime/q/95", "athena-query-runtime/q/75"]);
}

fn arbitrary_queries() -> impl Strategy<Value = Vec<Observation>> {
    let one = (0..20_u8, prop::sample::select(vec!["etl", "adhoc", "primary"]), 0..5_000_i64);
    prop::collection::vec(one, 0..30).prop_map(|queries| {
        queries
            .into_iter()
            .enumerate()
            .map(|(n, (_, workgroup, start))| query(&format!("q{n}"), workgroup, start))
            .collect()
    })
}

fn ids(findings: &[Finding]) -> Vec<(&str, bool)> {
    findings.iter().map(|finding| (finding.header.id.as_str(), finding.held_back)).collect()
}

proptest! {
    #[test]
    fn the_order_of_observations_does_not_matter(
        (queries, shuffled) in arbitrary_queries().prop_flat_map(|q| (Just(q.clone()), Just(q).prop_shuffle())),
        max_actions in 1..5_u32,
    ) {
        let policy = policy(&[("limit", "1000s"), ("mode", "enforce"), ("max_actions", &max_actions.to_string())]);
        prop_assert_eq!(find(&policy, &queries, 5_000), find(&policy, &shuffled, 5_000));
    }

    #[test]
    fn a_raised_limit_never_adds_a_finding(queries in arbitrary_queries(), limit in 1..5_000_i64, more in 0..5_000_i64) {
        let found = |limit: i64| {
            let policy = policy(&[("limit", &format!("{limit}s"))]);
            find(&policy, &queries, 5_000).into_iter().map(|finding| finding.header.id).collect::<Vec<_>>()
        };
        let (low, high) = (found(limit), found(limit + more));
        prop_assert!(high.iter().all(|id| low.contains(id)));
    }

    #[test]
    fn nothing_below_its_limit_ever_wants_action(queries in arbitrary_queries(), limit in 1..5_000_i64, now in 0..10_000_i64) {
        let policy = policy(&[("limit", &format!("{limit}s")), ("mode", "enforce")]);
        for finding in find(&policy, &queries, now) {
            prop_assert_eq!(finding.wants_action(), now - finding.started_at.as_second() >= limit && finding.level.percent == 100);
        }
    }

    #[test]
    fn a_vigil_wakes_at_the_first_instant_that_is_a_breach(start in 0..5_000_i64, millis in 1..5_000_000_i64) {
        let policy = {
            let mut policy = policy(&[("mode", "enforce")]);
            policy.limit.sandbox = Quantity::Duration(SignedDuration::from_millis(millis));
            policy
        };
        let query = query("q", "etl", start);
        let due = acts_at(&policy, &query, at(0)).unwrap();
        let wants = |now| judge(&policy, std::slice::from_ref(&query), &sandbox(), now, &mut Belt::new(1)).iter().any(Finding::wants_action);
        prop_assert!(wants(due));
        prop_assert!(!wants(due - SignedDuration::from_nanos(1)));
    }

    #[test]
    fn no_more_than_the_belt_is_let_through(queries in arbitrary_queries(), max_actions in 1..40_u32) {
        let policy = policy(&[("limit", "1000s"), ("mode", "enforce"), ("max_actions", &max_actions.to_string())]);
        let found = find(&policy, &queries, 10_000);
        let breaches = found.iter().filter(|finding| finding.wants_action()).count();
        let held = ids(&found).into_iter().filter(|(_, held)| *held).count();
        prop_assert_eq!(held, breaches.saturating_sub(max_actions as usize));
    }

    #[test]
    fn levels_that_parse_are_written_back_the_same(percents in prop::collection::btree_set(1..1_000_u16, 0..9)) {
        let mut percents = percents;
        percents.insert(100);
        let percents: Vec<u16> = percents.into_iter().collect();
        let levels = Levels::new(&percents).unwrap();
        prop_assert_eq!(Levels::parse(&levels.to_string()), Some(levels.clone()));
        let breach = |level: &Level| level.severity == Severity::Breach;
        prop_assert!(levels.iter().all(|level| breach(&level) == (level.percent >= 100)));
    }
}
