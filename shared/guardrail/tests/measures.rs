//! Properties of what is measured, whichever guardrail measures it: times, sizes, words, and the end of exemptions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

use std::collections::{BTreeMap, BTreeSet};

use guardrail::config::Parameter;
use guardrail::judge::{acts_at, assess};
use guardrail::measure::MeasureKind;
use guardrail::{
    Belt, Configuration, Exemption, Finding, Guardrail, Measure, Mode, Observation, Policy, Quantity, Sandbox,
    ScopeKind, Severity, catalogue, judge,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn sandbox() -> Sandbox {
    Sandbox { account: "111111111111".into(), region: "eu-west-1".into(), alias: "marketing".into() }
}

/// The guardrails that measure so.
fn guardrails(kind: MeasureKind) -> Vec<&'static Guardrail> {
    let guardrails: Vec<_> = catalogue::all().filter(|guardrail| guardrail.measure.kind() == kind).collect();
    assert!(!guardrails.is_empty());
    guardrails
}

fn any_of(kind: MeasureKind) -> impl Strategy<Value = &'static Guardrail> {
    prop::sample::select(guardrails(kind))
}

/// The strictest mode that the guardrail knows, under this limit.
fn policy(guardrail: &'static Guardrail, limit: Quantity) -> Policy {
    let mut policy = Policy::default_of(guardrail);
    policy.limit.sandbox = limit;
    policy.mode.sandbox = if guardrail.acts() { Mode::Enforce } else { Mode::Observe };
    policy
}

fn find(policy: &Policy, observations: &[Observation], now: Timestamp) -> Vec<Finding> {
    judge(policy, observations, &sandbox(), now, &mut Belt::new(policy.max_actions))
}

fn percents(findings: &[Finding]) -> Vec<u16> {
    findings.iter().map(|finding| finding.level.percent).collect()
}

fn ids(findings: Vec<Finding>) -> BTreeSet<String> {
    findings.into_iter().map(|finding| finding.header.id).collect()
}

fn resource(guardrail: &Guardrail, n: usize) -> Observation {
    Observation::new(guardrail.resources[n % guardrail.resources.len()], format!("r{n}"), "RUNNING", at(0))
}

/// A resource whose time begins at this second.
fn timed(guardrail: &Guardrail, n: usize, since: i64) -> Observation {
    resource(guardrail, n).since(guardrail.measure, at(since))
}

fn seconds(seconds: i64) -> Quantity {
    Quantity::Duration(SignedDuration::from_secs(seconds))
}

/// An amount in the unit that the guardrail is limited in.
fn size(guardrail: &Guardrail, amount: u64) -> Quantity {
    match guardrail.default_limit.quantity() {
        Quantity::Bytes(_) => Quantity::Bytes(amount),
        _ => Quantity::Count(amount),
    }
}

fn sized(guardrail: &Guardrail, n: usize, amount: u64) -> Observation {
    resource(guardrail, n).amount(guardrail.measure, size(guardrail, amount))
}

fn worded(guardrail: &Guardrail, words: &BTreeSet<String>) -> Observation {
    resource(guardrail, 0).words(guardrail.measure, words.iter().cloned())
}

fn arbitrary_words() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[abc]\\.[xy]{1,2}", 0..6)
}

fn arbitrary_patterns() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[abc]\\.(\\*|[xy?]{1,2})", 1..5)
}

fn shuffled(observations: Vec<Observation>) -> impl Strategy<Value = (Vec<Observation>, Vec<Observation>)> {
    (Just(observations.clone()), Just(observations).prop_shuffle())
}

/// A guardrail, and resources of it with these measurements, in two orders.
fn in_two_orders(
    kind: MeasureKind,
    of: fn(&Guardrail, usize, u16) -> Observation,
) -> impl Strategy<Value = (&'static Guardrail, (Vec<Observation>, Vec<Observation>))> {
    (any_of(kind), prop::collection::vec(any::<u16>(), 0..20)).prop_flat_map(move |(guardrail, measured)| {
        let seen = measured.into_iter().enumerate().map(|(n, measured)| of(guardrail, n, measured)).collect();
        (Just(guardrail), shuffled(seen))
    })
}

proptest! {
    #[test]
    fn a_time_is_a_breach_from_exactly_its_limit_on(
        guardrail in any_of(MeasureKind::Time),
        start in 0..5_000_i64,
        millis in 1..5_000_000_i64,
    ) {
        let policy = policy(guardrail, Quantity::Duration(SignedDuration::from_millis(millis)));
        let seen = timed(guardrail, 0, start);
        let due = at(start) + SignedDuration::from_millis(millis);
        let breach = |now| {
            let found = find(&policy, std::slice::from_ref(&seen), now);
            found.iter().any(|finding| finding.level.severity == Severity::Breach)
        };
        prop_assert!(breach(due));
        prop_assert!(!breach(due - SignedDuration::from_nanos(1)));
        // A vigil wakes at that very instant, and for nothing that is only reported.
        prop_assert_eq!(acts_at(&policy, &seen, at(start)), guardrail.acts().then_some(due));
    }

    #[test]
    fn a_time_that_is_not_measured_now_is_no_finding(guardrail in any_of(MeasureKind::Time), now in any::<u32>()) {
        let policy = policy(guardrail, seconds(1));
        let unread = resource(guardrail, 0);
        let always_runs = matches!(guardrail.measure, Measure::ElapsedTime | Measure::UpTime);
        let found = find(&policy, std::slice::from_ref(&unread), at(i64::from(now)));
        prop_assert_eq!(!found.is_empty(), always_runs && now > 0);
        prop_assert_eq!(acts_at(&policy, &unread, at(0)).is_some(), always_runs && guardrail.acts());
    }

    #[test]
    fn a_longer_limit_never_adds_a_finding(
        guardrail in any_of(MeasureKind::Time),
        starts in prop::collection::vec(0..5_000_i64, 0..20),
        limit in 1..5_000_i64,
        more in 0..5_000_i64,
    ) {
        let seen: Vec<_> = starts.into_iter().enumerate().map(|(n, start)| timed(guardrail, n, start)).collect();
        let found = |limit| ids(find(&policy(guardrail, seconds(limit)), &seen, at(5_000)));
        prop_assert!(found(limit + more).is_subset(&found(limit)));
    }

    #[test]
    fn the_order_of_times_does_not_matter(
        (guardrail, (seen, shuffled)) in
            in_two_orders(MeasureKind::Time, |guardrail, n, start| timed(guardrail, n, start.into())),
    ) {
        let policy = policy(guardrail, seconds(10_000));
        prop_assert_eq!(find(&policy, &seen, at(50_000)), find(&policy, &shuffled, at(50_000)));
    }

    #[test]
    fn a_size_is_a_breach_past_its_limit_only(
        guardrail in any_of(MeasureKind::Size),
        limit in 1..1_000_000_u64,
        measured in 0..2_000_000_u64,
        near in -1..=1_i64,
    ) {
        let policy = policy(guardrail, size(guardrail, limit));
        for measured in [measured, limit.saturating_add_signed(near)] {
            let found = percents(&find(&policy, &[sized(guardrail, 0, measured)], at(0)));
            let reached = |percent: u16| match percent {
                100 => measured > limit,
                below => measured * 100 >= limit * u64::from(below),
            };
            let expected = guardrail.default_levels.iter().rev().copied().filter(|percent| reached(*percent));
            prop_assert_eq!(found, expected.collect::<Vec<_>>(), "{} of {}", measured, limit);
        }
        prop_assert_eq!(acts_at(&policy, &sized(guardrail, 0, measured), at(0)), None, "a size does not grow by itself");
    }

    #[test]
    fn a_greater_limit_of_size_never_adds_a_finding(
        guardrail in any_of(MeasureKind::Size),
        amounts in prop::collection::vec(0..1_000_u64, 0..20),
        limit in 1..1_000_u64,
        more in 0..1_000_u64,
    ) {
        let seen: Vec<_> = amounts.into_iter().enumerate().map(|(n, amount)| sized(guardrail, n, amount)).collect();
        let found = |limit| ids(find(&policy(guardrail, size(guardrail, limit)), &seen, at(0)));
        prop_assert!(found(limit + more).is_subset(&found(limit)));
    }

    #[test]
    fn the_order_of_sizes_does_not_matter_and_the_largest_is_the_worst(
        (guardrail, (seen, shuffled)) in
            in_two_orders(MeasureKind::Size, |guardrail, n, amount| sized(guardrail, n, amount.into())),
    ) {
        let policy = policy(guardrail, size(guardrail, 30_000));
        let found = find(&policy, &seen, at(0));
        prop_assert_eq!(&found, &find(&policy, &shuffled, at(0)));
        prop_assert!(found.is_sorted_by(|a, b| a.measured >= b.measured));
    }

    #[test]
    fn words_are_a_breach_when_one_is_not_allowed_and_exactly_those_are_named(
        guardrail in any_of(MeasureKind::Words),
        words in arbitrary_words(),
        allowed in arbitrary_patterns(),
    ) {
        let policy = policy(guardrail, Quantity::Words(allowed.clone()));
        let found = find(&policy, &[worded(guardrail, &words)], at(0));
        // The patterns that are made here begin with a letter and a dot, and go on with letters, `?` or one `*`.
        let allows = |pattern: &str, word: &str| {
            pattern.strip_suffix('*').is_some_and(|start| word.starts_with(start))
                || pattern.len() == word.len() && pattern.bytes().zip(word.bytes()).all(|(p, w)| p == b'?' || p == w)
        };
        let foreign = words.iter().filter(|word| !allowed.iter().any(|pattern| allows(pattern, word)));
        let foreign: BTreeSet<String> = foreign.cloned().collect();
        let named: Vec<_> = found.iter().map(|finding| &finding.measured).collect();
        let expected = Quantity::Words(foreign.clone());
        prop_assert_eq!(named, if foreign.is_empty() { vec![] } else { vec![&expected] });
    }

    #[test]
    fn more_allowed_or_fewer_used_words_never_add_a_breach(
        guardrail in any_of(MeasureKind::Words),
        (words, fewer) in arbitrary_words().prop_flat_map(|words| {
            let all: Vec<_> = words.iter().cloned().collect();
            let fewer = prop::sample::subsequence(all.clone(), 0..=all.len());
            (Just(words), fewer.prop_map(|fewer| fewer.into_iter().collect::<BTreeSet<_>>()))
        }),
        allowed in arbitrary_patterns(),
        more in arbitrary_patterns(),
    ) {
        let breach = |words: &BTreeSet<String>, allowed: &BTreeSet<String>| {
            let policy = policy(guardrail, Quantity::Words(allowed.clone()));
            let seen = [worded(guardrail, words)];
            assess(&policy, &seen, at(0)).into_iter().any(|assessment| assessment.breach)
        };
        let wider = allowed.union(&more).cloned().collect();
        prop_assert!(breach(&words, &allowed) || !breach(&words, &wider));
        prop_assert!(breach(&words, &allowed) || !breach(&fewer, &allowed));
    }

    /// For whatever guardrail and by whichever pattern: before its end it is honoured, from its end on it never is.
    #[test]
    fn an_expired_exemption_is_never_honoured(
        guardrail in prop::sample::select(catalogue::all().collect::<Vec<_>>()),
        pattern in prop::sample::select(vec!["resource", "scope", "resource_owner"]),
        expires in 0..4_000_000_000_i64,
        before in 1..1_000_000_000_000_i64,
        after in 0..1_000_000_000_000_i64,
    ) {
        let expires = at(expires);
        let json = serde_json::json!({
            pattern: "*", "owner": "jo@bank", "reason": "year end", "expires": expires.to_string(),
        });
        let name = "/sandbox-guardrails/exemptions/year-end";
        let mut configuration = Configuration::default();
        configuration.obey(Parameter::parse(name, &json.to_string()).unwrap());
        let policy = configuration.policy(guardrail);
        let seen = resource(guardrail, 0).within(ScopeKind::Workgroup, Some("etl")).tagged([("owner", "ana")]);
        let expired = |now| configuration.expired(now).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();

        let now = expires - SignedDuration::from_nanos(before);
        prop_assert_eq!(policy.exempt(&seen, now), Some("year-end"));
        prop_assert!(expired(now).is_empty());
        let now = expires + SignedDuration::from_nanos(after);
        prop_assert_eq!(policy.exempt(&seen, now), None);
        prop_assert_eq!(expired(now), ["year-end"]);
        prop_assert!(assess(&policy, &[seen], now).iter().all(|assessment| assessment.exemption.is_none()));
    }
}

#[test]
fn an_exemption_concerns_the_guardrails_that_it_names() {
    let exemption = |guardrails: &[&str]| Exemption {
        guardrails: Some(guardrails.iter().map(|id| (*id).to_owned()).collect()),
        resource: Some("*".to_owned()),
        scope: None,
        resource_owner: None,
        owner: "jo@bank".to_owned(),
        reason: "year end".to_owned(),
        expires: at(1),
    };
    let count = |guardrails: &[&str]| {
        let mut configuration = Configuration::default();
        configuration.obey(Parameter::Exemption("year-end".to_owned(), exemption(guardrails)));
        let mut of_service = BTreeMap::new();
        for guardrail in catalogue::all().filter(|guardrail| !configuration.policy(guardrail).exemptions.is_empty()) {
            *of_service.entry(guardrail.service).or_insert(0) += 1;
        }
        of_service.into_iter().map(|(service, count)| (service.as_str(), count)).collect::<Vec<_>>()
    };
    assert_eq!(count(&["emr-cluster-*", "glue-session-age"]), [("emr", 5), ("glue", 1)]);
    assert_eq!(count(&["emr-cluster-age"]), [("emr", 1)]);
    assert_eq!(count(&[]), []);
}
