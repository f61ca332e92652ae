//! Conditions that clear and come back: each episode is one finding, however many runs see it.

use super::*;
use crate::fakes::condition;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// A condition that is only reported, so that it is told once for each episode.
fn report_only(cluster: &str, second: i64) -> Finding {
    let mut finding = condition(cluster, at(second));
    finding.mode = Mode::Observe;
    finding
}

impl Stage {
    fn see(&mut self, clusters: &[&str], second: i64) -> Result<usize, Problems> {
        let findings: Vec<_> = clusters.iter().map(|cluster| report_only(cluster, second)).collect();
        self.report(&findings, second)
    }

    /// A whole sweep finds the condition in these clusters only.
    fn end(&mut self, guardrails: &[&str], found: &[&str]) -> Result<(), Problems> {
        self.end_but(guardrails, found, &[])
    }

    /// The same, and these clusters could not be read.
    fn end_but(&mut self, guardrails: &[&str], found: &[&str], unseen: &[&str]) -> Result<(), Problems> {
        let found = found.iter().map(|cluster| report_only(cluster, START).header.id).collect();
        let unseen = unseen.iter().map(|cluster| (*cluster).to_owned()).collect();
        block_on(self.outbox.end_episodes(guardrails, &found, &unseen))
    }
}

fn id_of(cluster: &str, began: i64) -> String {
    format!("emr-instance-types/{cluster}/100/{}", at(began))
}

#[test]
fn an_episode_is_one_finding_as_long_as_it_lasts() {
    let mut stage = Stage::new();
    // Ten hours, seen each minute; the function starts anew every 47 minutes.
    for minute in 0..600 {
        if minute % 47 == 46 {
            stage.cold_start();
        }
        let second = START + minute * MINUTE;
        assert_eq!(stage.see(&["c1"], second), Ok(usize::from(minute == 0)), "minute {minute}");
    }
    assert_eq!(stage.bus.ids(), [id_of("c1", START)]);
    let events = stage.bus.events.borrow();
    let [Event::Finding(finding)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((finding.episode, finding.waits_for_episode()), (Some(at(START)), false));
}

/// The condition is seen, ends or not, and is seen again so much later: is that another episode?
fn check(ended: bool, later: i64, another: bool) {
    for cold in [false, true] {
        let mut stage = Stage::new();
        stage.see(&["c1"], START).unwrap();
        if ended {
            stage.end(&["emr-instance-types"], &[]).unwrap();
        }
        if cold {
            stage.cold_start();
        }
        let again = START + later;
        stage.see(&["c1"], again).unwrap();
        let first = id_of("c1", START);
        let expected = if another { vec![first, id_of("c1", again)] } else { vec![first] };
        assert_eq!(stage.bus.ids(), expected, "ended {ended}, seen again after {later} s, cold {cold}");
    }
}

#[test]
fn a_condition_that_comes_back_is_another_episode() {
    // Nobody looked for a while, or looked and did not see everything.
    check(false, 10, false);
    check(false, 30 * MINUTE, false);
    check(false, 2 * HOUR, false);
    check(false, 2 * HOUR + 1, true);
    check(false, 48 * HOUR, true);
    // Somebody saw everything, and the condition was not there.
    check(true, 10, true);
    check(true, 2 * HOUR + 1, true);
}

#[test]
fn a_condition_that_ended_and_came_back_is_another_episode_for_whoever_sees_it_next() {
    let mut stage = Stage::new();
    stage.see(&["c1"], START).unwrap();
    stage.end(&["emr-instance-types"], &[]).unwrap();
    stage.see(&["c1"], START + 60).unwrap();
    stage.cold_start();
    stage.see(&["c1"], START + 120).unwrap();
    assert_eq!(stage.bus.ids(), [id_of("c1", START), id_of("c1", START + 60)]);
}

#[test]
fn only_what_was_looked_for_and_not_found_ends() {
    let mut stage = Stage::new();
    stage.see(&["c1", "c2", "c3"], START).unwrap();
    // A sweep that did not see this guardrail's resources wholly says nothing of them.
    stage.end(&[], &[]).unwrap();
    stage.end(&["emr-instance", "emr-release", "emr-instance-types-2"], &[]).unwrap();
    // A resource that could not be read may still be in its condition; one with a similar id is another.
    stage.end_but(&["emr-instance-types"], &["c1"], &["c3", "c", "c22"]).unwrap();
    stage.see(&["c1", "c2", "c3"], START + 60).unwrap();
    let first = ["c1", "c2", "c3"].map(|cluster| id_of(cluster, START));
    assert_eq!(stage.bus.ids()[..3], first);
    assert_eq!(stage.bus.ids()[3..], [id_of("c2", START + 60)]);
}

#[test]
fn an_end_that_could_not_be_noted_is_noted_the_next_time() {
    let mut stage = Stage::new();
    stage.see(&["c1"], START).unwrap();
    stage.ledger.fail_next(1);
    assert_eq!(stage.end(&["emr-instance-types"], &[]).unwrap_err().worst(), "Throttled");
    stage.end(&["emr-instance-types"], &[]).unwrap();
    stage.cold_start();
    stage.see(&["c1"], START + 60).unwrap();
    assert_eq!(stage.bus.ids(), [id_of("c1", START), id_of("c1", START + 60)]);
}

#[test]
fn a_finding_whose_episode_cannot_be_told_is_left_out_and_found_again() {
    let mut stage = Stage::new();
    stage.ledger.fail_next(1);
    let problems = stage.report(&[report_only("c1", START), breach("q1", at(START))], START).unwrap_err();
    assert_eq!(problems.worst(), "Throttled");
    // Without its episode it would have another id; what has none is reported all the same.
    assert_eq!(stage.bus.ids(), [id("q1")]);
    assert_eq!(stage.ledger.ids(), [(id("q1"), false)]);
    assert_eq!(stage.see(&["c1"], START + 60), Ok(1));
    assert_eq!(stage.bus.ids(), [id("q1"), id_of("c1", START + 60)]);
}

#[test]
fn that_a_condition_lasts_is_noted_every_half_hour() {
    let mut stage = Stage::new();
    stage.see(&["c1"], START).unwrap();
    // A ledger that cannot be written to shows whether it was asked.
    let asked = |stage: &mut Stage, second| {
        stage.ledger.fail_next(usize::MAX);
        let asked = stage.see(&["c1"], second).is_err();
        stage.ledger.fail_next(0);
        asked
    };
    assert!(!asked(&mut stage, START + 30 * MINUTE - 1));
    assert!(asked(&mut stage, START + 30 * MINUTE));
    assert!(asked(&mut stage, START + 31 * MINUTE), "what could not be noted is noted the next time");
    stage.see(&["c1"], START + 32 * MINUTE).unwrap();
    assert!(!asked(&mut stage, START + 62 * MINUTE - 1));
    assert!(asked(&mut stage, START + 62 * MINUTE));
    assert_eq!(stage.bus.ids(), [id_of("c1", START)], "nothing of it was told again");
}

#[test]
fn a_breach_of_a_condition_is_asked_again_under_the_id_of_its_episode() {
    for cold in [false, true] {
        let mut stage = Stage::new();
        let enforced = |second| [condition("c1", at(second))];
        stage.report(&enforced(START), START).unwrap();
        if cold {
            stage.cold_start();
        }
        stage.report(&enforced(START + 49), START + 49).unwrap();
        stage.report(&enforced(START + 50), START + 50).unwrap();
        assert_eq!(stage.bus.ids(), [id_of("c1", START), id_of("c1", START)], "cold {cold}");
        assert_eq!(stage.ledger.ids(), [(id_of("c1", START), false)]);
    }
}
