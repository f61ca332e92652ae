//! Every guardrail of the catalogue with what it lets pass and what it finds: a compliant twin, a non-compliant twin
//! and the boundary between them, under the guardrail's own default limit.
//!
//! One row for each entry says how the service describes the resources; the driver makes the twins of it. An entry
//! without a row, and a row without an entry, fail by name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod rows;

use std::collections::BTreeSet;

use guardrail::judge::{acts_at, assess};
use guardrail::measure::MeasureKind;
use guardrail::{
    Amount, Belt, Finding, Guardrail, Measure, Mode, Money, Observation, Policy, Quantity, Sandbox, Severity,
    catalogue, judge,
};
use jiff::{SignedDuration, Timestamp};

use crate::rows::ROWS;

/// One guardrail, and how resources look that it measures.
struct Row {
    id: &'static str,
    twin: Twin,
}

/// Makes resources with the measurement that is asked for, one of each kind that the guardrail measures.
enum Twin {
    /// Whose time begins at this moment.
    Time(fn(Timestamp) -> Observation),
    /// The nth of those counted together; the smaller the number, the older.
    Count(fn(u64) -> Observation),
    /// Of this size.
    Size(fn(Quantity) -> Vec<Observation>),
    /// That has spent so much.
    Money(fn(Quantity) -> Observation),
    /// With these words, and some that are allowed and some that are not.
    Words { of: fn(&[&str]) -> Vec<Observation>, allowed: &'static [&'static str], foreign: &'static [&'static str] },
}

/// When all the twins begin, unless their time does.
fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// The default policy, in the strictest mode that the guardrail knows.
fn policy(guardrail: &'static Guardrail) -> Policy {
    let mut policy = Policy::default_of(guardrail);
    policy.mode.sandbox = if guardrail.acts() { Mode::Enforce } else { Mode::Observe };
    policy.limit_is_set = true;
    policy
}

fn find(policy: &Policy, observations: &[Observation], now: Timestamp) -> Vec<Finding> {
    let sandbox = Sandbox { account: "111111111111".into(), region: "eu-west-1".into(), alias: "marketing".into() };
    judge(policy, observations, &sandbox, now, &mut Belt::new(policy.max_actions))
}

/// The levels found, the highest first.
fn percents(findings: &[Finding]) -> Vec<u16> {
    findings.iter().map(|finding| finding.level.percent).collect()
}

/// Holds what both kinds of twins must have in common, and gives the breaches of the non-compliant ones.
fn check(row: &Row) -> Vec<Finding> {
    let guardrail = catalogue::find(row.id).unwrap_or_else(|| panic!("`{}` is in the catalogue", row.id));
    let policy = policy(guardrail);
    let breaches = match (&row.twin, guardrail.measure.kind()) {
        (Twin::Time(of), MeasureKind::Time) => times(&policy, *of),
        (Twin::Count(of), MeasureKind::Count) => counts(&policy, *of),
        (Twin::Size(of), MeasureKind::Size) => sizes(&policy, *of),
        (Twin::Money(of), MeasureKind::Money) => money(&policy, *of),
        (Twin::Words { of, allowed, foreign }, MeasureKind::Words) => words(&policy, *of, allowed, foreign),
        (_, kind) => panic!("`{}` measures by {kind:?}, and its row by something else", row.id),
    };
    for breach in &breaches {
        sound(guardrail, breach);
    }
    breaches
}

/// A time is a breach at exactly its limit and not a nanosecond before, and so is each level at its share of it.
fn times(policy: &Policy, of: fn(Timestamp) -> Observation) -> Vec<Finding> {
    let (id, seen) = (policy.guardrail.id, [of(noon())]);
    kinds(policy.guardrail, &seen);
    let Quantity::Duration(limit) = policy.limit.sandbox else { panic!("`{id}` is limited in time") };
    let after = |elapsed| find(policy, &seen, noon() + elapsed);
    for percent in policy.guardrail.default_levels {
        let share = SignedDuration::from_nanos_i128(limit.as_nanos() * i128::from(*percent) / 100);
        let at = percents(&after(share));
        assert_eq!(at.first(), Some(percent), "`{id}`: {percent} % is found at {share:#}");
        let before = percents(&after(share - SignedDuration::from_nanos(1)));
        assert!(!before.contains(percent), "`{id}`: {percent} % is not found before {share:#}");
    }
    assert!(after(SignedDuration::ZERO).is_empty(), "`{id}`: the compliant twin");
    assert_eq!(percents(&after(limit * 2)).first(), Some(&100), "`{id}`: the non-compliant twin");

    let due = policy.guardrail.acts().then_some(noon() + limit);
    assert_eq!(acts_at(policy, &seen[0], noon()), due, "`{id}`: a vigil wakes at the limit");
    unread(policy, &seen, noon() + limit);
    breaches(policy, &seen, noon() + limit)
}

/// At the limit all are allowed; of one more, that one is the breach: the newest.
fn counts(policy: &Policy, of: fn(u64) -> Observation) -> Vec<Finding> {
    let id = policy.guardrail.id;
    let Quantity::Count(limit) = policy.limit.sandbox else { panic!("`{id}` is limited in number") };
    let of_number = |number: u64| (0..number).map(of).collect::<Vec<_>>();
    let found = |number| find(policy, &of_number(number), noon());
    kinds(policy.guardrail, &of_number(limit));
    for percent in policy.guardrail.default_levels.iter().filter(|percent| **percent < 100) {
        let share = (limit * u64::from(*percent)).div_ceil(100);
        assert_eq!(percents(&found(share)), [*percent], "`{id}`: {percent} % is found at {share}");
        assert!(found(share - 1).is_empty(), "`{id}`: the compliant twin");
    }
    assert!(!percents(&found(limit)).contains(&100), "`{id}`: the limit itself is allowed");
    let breaches = breaches(policy, &of_number(limit + 1), noon());
    let victims: Vec<_> = breaches.iter().map(|finding| &finding.resource).collect();
    assert_eq!(victims, [&of(limit).resource], "`{id}`: the newest is beyond the limit");
    never_acts(policy, &of_number(limit + 1));
    breaches
}

/// What is at the limit is allowed, one more is a breach.
fn sizes(policy: &Policy, of: fn(Quantity) -> Vec<Observation>) -> Vec<Finding> {
    let id = policy.guardrail.id;
    let (unit, limit): (fn(u64) -> Quantity, u64) = match policy.limit.sandbox {
        Quantity::Count(limit) => (Quantity::Count, limit),
        Quantity::Bytes(limit) => (Quantity::Bytes, limit),
        _ => panic!("`{id}` is limited in size"),
    };
    kinds(policy.guardrail, &of(unit(limit)));
    let mut found_beyond = Vec::new();
    for (seen, beyond) in of(unit(limit)).into_iter().zip(of(unit(limit + 1))) {
        let found = |seen: &Observation| find(policy, std::slice::from_ref(seen), noon());
        assert!(!percents(&found(&seen)).contains(&100), "`{id}`: the limit itself is allowed");
        assert_eq!(percents(&found(&beyond)).first(), Some(&100), "`{id}`: one more is a breach");
        found_beyond.extend(breaches(policy, std::slice::from_ref(&beyond), noon()));
        unread(policy, &[beyond], noon());
    }
    for percent in policy.guardrail.default_levels.iter().filter(|percent| **percent < 100) {
        let share = (limit * u64::from(*percent)).div_ceil(100);
        let found = |size| percents(&find(policy, &of(unit(size)), noon()));
        assert_eq!(found(share).first(), Some(percent), "`{id}`: {percent} % is found at {share}");
        assert!(!found(share - 1).contains(percent), "`{id}`: {percent} % is not found below {share}");
    }
    assert!(find(policy, &of(unit(limit / 2)), noon()).is_empty(), "`{id}`: the compliant twin");
    never_acts(policy, &of(unit(limit + 1)));
    found_beyond
}

/// Each level is reached at exactly its share of the budget, and not a billionth before.
fn money(policy: &Policy, of: fn(Quantity) -> Observation) -> Vec<Finding> {
    let id = policy.guardrail.id;
    let Quantity::Budget(budget) = &policy.limit.sandbox else { panic!("`{id}` is limited by a budget") };
    let spent = |amount: Amount| [of(Quantity::Money(Money::new(amount, budget.money.currency)))];
    kinds(policy.guardrail, &spent(Amount::zero()));
    let found = |amount: Amount| percents(&find(policy, &spent(amount), noon()));
    for percent in policy.guardrail.default_levels {
        let share = &budget.money.amount * &Amount::new(i128::from(*percent), 2);
        assert_eq!(found(share.clone()).first(), Some(percent), "`{id}`: {percent} % is found at {share}");
        let before = found(share - Amount::new(1, 9));
        assert!(!before.contains(percent), "`{id}`: {percent} % is not found before");
    }
    assert!(
        found(Amount::zero()).is_empty() && found(Amount::from(-100_000)).is_empty(),
        "`{id}`: the compliant twins"
    );
    let double = &budget.money.amount * &Amount::from(2);
    never_acts(policy, &spent(double.clone()));
    unread(policy, &spent(double.clone()), noon());
    let of_nobody = Policy { limit_is_set: false, ..policy.clone() };
    for policy in [policy, &of_nobody] {
        for finding in find(policy, &spent(double.clone()), noon()) {
            let locks = policy.limit_is_set && policy.guardrail.locks_at.contains(&finding.level.percent);
            assert_eq!(finding.wants_action(), locks, "`{id}` locks where somebody said so, and nowhere else");
        }
    }
    let found = find(policy, &spent(double), noon());
    found.into_iter().filter(|finding| policy.guardrail.locks_at.contains(&finding.level.percent)).collect()
}

/// Each allowed word passes, and each foreign one is named: exactly those.
fn words(policy: &Policy, of: fn(&[&str]) -> Vec<Observation>, allowed: &[&str], foreign: &[&str]) -> Vec<Finding> {
    let (id, found) = (policy.guardrail.id, |words: &[&str]| find(policy, &of(words), noon()));
    assert!(!allowed.is_empty() && !foreign.is_empty(), "`{id}` has words that are allowed and some that are not");
    kinds(policy.guardrail, &of(allowed));
    for word in allowed {
        assert_eq!(found(&[word]), [], "`{id}`: `{word}` is allowed");
    }
    assert_eq!(found(allowed), [], "`{id}`: the compliant twin");
    for word in foreign {
        for words in [&[*word][..], &[allowed[0], *word]] {
            let found = found(words);
            assert_eq!(found.len(), of(words).len(), "`{id}`: `{word}` is a breach");
            for finding in found {
                assert_eq!(finding.measured, Quantity::words([*word]), "`{id}`: the foreign word is named alone");
            }
        }
    }
    unread(policy, &of(foreign), noon());
    never_acts(policy, &of(foreign));
    breaches(policy, &of(foreign), noon())
}

/// The breaches among these. Whoever assesses them again, as an enforce does, knows each by the same id.
fn breaches(policy: &Policy, seen: &[Observation], now: Timestamp) -> Vec<Finding> {
    let breaches = find(policy, seen, now).into_iter().filter(|finding| finding.level.severity == Severity::Breach);
    let breaches: Vec<_> = breaches.collect();
    let found: BTreeSet<_> = breaches.iter().map(|finding| finding.header.id.clone()).collect();
    let assessed = assess(policy, seen, now).into_iter().filter(|assessment| assessment.breach);
    assert_eq!(found, assessed.map(|assessment| assessment.breach_id(policy)).collect(), "`{}`", policy.guardrail.id);
    breaches
}

/// The twins are of all the kinds that the guardrail measures, and the same of any other kind is not its concern.
fn kinds(guardrail: &'static Guardrail, seen: &[Observation]) {
    let of: BTreeSet<_> = seen.iter().map(|observation| observation.resource.kind.as_str()).collect();
    assert_eq!(of, guardrail.resources.iter().copied().collect(), "`{}` has a twin of each kind", guardrail.id);
    let mut other = seen.to_vec();
    for observation in &mut other {
        observation.resource.kind = "volume".to_owned();
    }
    let long_after = noon() + SignedDuration::from_hours(24 * 10_000);
    assert_eq!(find(&policy(guardrail), &other, long_after), [], "`{}` measures nothing else", guardrail.id);
}

/// What was not read is not judged: a cluster that works has no idle time. What runs has always run for some time.
fn unread(policy: &Policy, seen: &[Observation], now: Timestamp) {
    if matches!(policy.guardrail.measure, Measure::ElapsedTime | Measure::UpTime) {
        return;
    }
    let mut unread = seen.to_vec();
    for observation in &mut unread {
        observation.readings.clear();
    }
    assert_eq!(find(policy, &unread, now), [], "`{}`: nothing read, nothing found", policy.guardrail.id);
}

/// What does not grow by itself is not worth a vigil.
fn never_acts(policy: &Policy, seen: &[Observation]) {
    for observation in seen {
        assert_eq!(acts_at(policy, observation, noon()), None, "`{}`", policy.guardrail.id);
    }
}

/// A breach is what its guardrail says, and its message is a sentence that names resource, measured and limit.
fn sound(guardrail: &Guardrail, breach: &Finding) {
    let (id, message) = (guardrail.id, &breach.message);
    assert_eq!((breach.guardrail.as_str(), breach.service, breach.action), (id, guardrail.service, guardrail.action));
    assert_eq!(breach.wants_action(), guardrail.acts(), "`{id}`: it is acted on if that is what the guardrail does");
    let level = guardrail.locks_at.first().unwrap_or(&100);
    let begins = format!("{id}/{}/{level}", breach.resource.id);
    assert!(breach.header.id.starts_with(&begins), "`{id}`: {}", breach.header.id);
    let starts_with = format!("{} `{}`", breach.resource.kind, breach.resource.id);
    assert!(message.starts_with(&starts_with), "`{id}` names the resource first: {message}");
    for part in [breach.measured.brief().to_string(), breach.limit.to_string()] {
        assert!(message.contains(&part), "`{id}` names `{part}`: {message}");
    }
    assert!(!message.contains("  ") && !message.contains('\n'), "`{id}` is one sentence: {message}");
}

#[test]
fn every_guardrail_tells_its_twins_apart() {
    for row in ROWS.iter().copied().flatten() {
        check(row);
    }
}

#[test]
fn every_guardrail_has_one_row_and_every_row_a_guardrail() {
    let rows: Vec<&str> = ROWS.iter().copied().flatten().map(|row| row.id).collect();
    let entries: Vec<&str> = catalogue::all().map(|guardrail| guardrail.id).collect();
    let missing: Vec<_> = entries.iter().filter(|id| !rows.contains(id)).collect();
    assert!(missing.is_empty(), "these guardrails have no row: {missing:?}");
    let unknown: Vec<_> = rows.iter().filter(|id| !entries.contains(id)).collect();
    assert!(unknown.is_empty(), "these rows have no guardrail: {unknown:?}");
    assert_eq!(rows, entries, "each stands once, in the order of the catalogue");
}

/// What people read, all in one file. The first breach of each guardrail stands for all its kinds of resources.
#[test]
fn the_sentences_are_worth_reading() {
    let sentences = ROWS.iter().copied().flatten().map(|row| format!("{}\n  {}\n", row.id, check(row)[0].message));
    insta::assert_snapshot!("sentences", sentences.collect::<String>());
}
