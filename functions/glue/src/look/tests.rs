//! Sweeps, signals and second looks over a Glue in memory: what is observed, at how many calls, and what is not.

use jiff::SignedDuration;
use lambda::fakes::{ManualClock, block_on};
use lambda::trigger::Envelope;

use super::*;
use crate::fakes::{FakeGlue, configuration, run, session, wanted};

/// Every guardrail that needs more calls than the lists is off.
const LISTS_ONLY: &[(&str, &str)] = &[("glue/glue-session-idle-time/mode", "off")];

/// A limit that depends on a tag.
const TAGGED: &[(&str, &str)] =
    &[("glue/glue-session-idle-time/mode", "off"), ("glue/glue-session-age/limit/user-type/analyst", "2h")];

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

fn sweep(fake: &FakeGlue, glue: &mut Glue<FakeGlue, ManualClock>, parameters: &[(&str, &str)]) -> Seen {
    sweep_until(fake, glue, parameters, SignedDuration::from_mins(1))
}

fn sweep_until(
    fake: &FakeGlue,
    glue: &mut Glue<FakeGlue, ManualClock>,
    parameters: &[(&str, &str)],
    within: SignedDuration,
) -> Seen {
    let configuration = configuration(parameters);
    let now = fake.now();
    block_on(glue.sweep(wanted(&configuration), now, now + within))
}

fn ids(seen: &Seen) -> Vec<&str> {
    let mut ids: Vec<_> = seen.observations.iter().map(|seen| seen.resource.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn of<'a>(seen: &'a Seen, id: &str) -> &'a Observation {
    seen.observations.iter().find(|observation| observation.resource.id == id).unwrap()
}

/// Nothing went wrong and nothing is missing.
fn assert_whole(seen: &Seen) {
    assert_eq!(seen.problems.to_string(), "");
    assert_eq!(seen.whole, BTreeSet::from([SESSION, JOB_RUN]));
    assert_eq!(seen.unseen, BTreeSet::new());
}

#[test]
fn a_sweep_observes_what_is_active() {
    let (fake, mut glue) = FakeGlue::new();
    for state in ["PROVISIONING", "READY", "STOPPING", "STOPPED", "FAILED", "TIMEOUT", "DREAMING"] {
        fake.session_is(state, 30, state);
    }
    for state in ["STARTING", "RUNNING", "WAITING", "STOPPING", "STOPPED", "SUCCEEDED", "DREAMING"] {
        fake.run_is("clicks", state, 45, state);
    }
    fake.job("visits");
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_whole(&seen);
    let active = ["DREAMING", "PROVISIONING", "READY"].into_iter().map(str::to_owned);
    let runs = ["DREAMING", "RUNNING", "STARTING", "WAITING"].map(|state| format!("clicks/{state}"));
    assert_eq!(ids(&seen), active.chain(runs).collect::<Vec<_>>());
    assert_eq!(seen.saw, BTreeMap::from([("sessions", 3), ("jobs", 2), ("job runs", 4)]));
    assert_eq!(
        *of(&seen, "READY"),
        Observation::new("session", "READY", "READY", fake.ago(30)).amount(Measure::Dpus, Quantity::Count(5))
    );
    assert_eq!(
        *of(&seen, "clicks/RUNNING"),
        Observation::new("job run", "clicks/RUNNING", "RUNNING", fake.ago(45))
            .within(guardrail::ScopeKind::Job, Some("clicks"))
            .amount(Measure::Dpus, Quantity::Count(10))
    );
}

#[test]
fn calls_are_made_only_for_what_a_guardrail_wants() {
    let off = |ids: &[&'static str]| ids.iter().map(|id| (*id, "off")).collect::<Vec<_>>();
    let sessions = [
        "glue/glue-session-age/mode",
        "glue/glue-session-idle-time/mode",
        "glue/glue-session-count/mode",
        "glue/glue-session-dpus/mode",
    ];
    let runs = ["glue/glue-job-runtime/mode", "glue/glue-concurrent-job-runs/mode", "glue/glue-job-dpus/mode"];
    let check = |parameters: &[(&str, &str)], expected: &[(&'static str, usize)]| {
        let (fake, mut glue) = FakeGlue::new();
        fake.session_is("ana", 30, "READY");
        fake.run_is("clicks", "jr_1", 45, "RUNNING");
        sweep(&fake, &mut glue, parameters);
        assert_eq!(fake.take_calls(), expected, "{parameters:?}");
    };
    let lists = [("glue:GetJobRuns", 1), ("glue:ListJobs", 1), ("glue:ListSessions", 1)];
    check(LISTS_ONLY, &lists);
    check(&[], &[lists[0], lists[1], lists[2], ("glue:ListStatements", 1)]);
    check(TAGGED, &[lists[0], ("glue:GetTags", 2), lists[1], lists[2]]);
    check(&off(&runs), &[("glue:ListSessions", 1), ("glue:ListStatements", 1)]);
    check(&off(&sessions), &[("glue:GetJobRuns", 1), ("glue:ListJobs", 1)]);
    check(&off(&[&sessions[..], &runs[..]].concat()), &[]);
}

#[test]
fn a_session_is_idle_since_its_last_statement_ended() {
    let (fake, mut glue) = FakeGlue::new();
    let idle_since = |seen: &Seen, id: &str| match of(seen, id).readings.get(&Measure::IdleTime) {
        Some(guardrail::Reading::Since(moment)) => Some(*moment),
        _ => None,
    };
    for id in ["untouched", "used", "busy", "connected"] {
        fake.session_is(id, 180, "READY");
    }
    fake.connect("connected");
    fake.session_is("starting", 5, "PROVISIONING");
    (0..7).for_each(|statement| fake.statement("used", Some(100 - statement)));
    fake.statement("busy", Some(150));
    fake.statement("busy", None);
    let seen = sweep(&fake, &mut glue, &[]);
    assert_whole(&seen);
    assert_eq!(idle_since(&seen, "untouched"), Some(fake.ago(180)));
    assert_eq!(idle_since(&seen, "used"), Some(fake.ago(94)));
    assert_eq!(idle_since(&seen, "busy"), None);
    assert_eq!(idle_since(&seen, "connected"), None);
    assert_eq!(idle_since(&seen, "starting"), None);
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!(calls["glue:ListStatements"], 1 + 3 + 1, "7 statements are 3 pages");

    // The next sweep reads on from the last page, and finds what has changed.
    fake.pass(1);
    fake.finish_statements("busy");
    fake.statement("used", Some(0));
    let seen = sweep(&fake, &mut glue, &[]);
    assert_eq!(idle_since(&seen, "untouched"), Some(fake.ago(181)));
    assert_eq!(idle_since(&seen, "used"), Some(fake.now()));
    assert_eq!(idle_since(&seen, "busy"), Some(fake.now()));
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!(calls["glue:ListStatements"], 3);
}

#[test]
fn a_statement_under_way_is_not_passed_by_later_ones() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 180, "READY");
    fake.statement("ana", None);
    // Cancelled while they waited behind the first.
    (0..5).for_each(|_| fake.statement("ana", Some(10)));
    for _ in 0..3 {
        let seen = sweep(&fake, &mut glue, &[]);
        assert!(!of(&seen, "ana").readings.contains_key(&Measure::IdleTime));
        fake.pass(1);
    }
    fake.finish_statements("ana");
    let seen = sweep(&fake, &mut glue, &[]);
    assert_eq!(of(&seen, "ana").moment(Measure::IdleTime), Some(fake.now()));
}

#[test]
fn statements_that_come_newest_first_cost_one_call() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 180, "READY");
    (0..7).for_each(|statement| fake.statement("ana", Some(100 - statement)));
    fake.turn_statements("ana");
    let seen = sweep(&fake, &mut glue, &[]);
    assert_eq!(of(&seen, "ana").moment(Measure::IdleTime), Some(fake.ago(94)));
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!(calls["glue:ListStatements"], 1);
}

#[test]
fn statements_are_read_anew_when_the_page_is_refused() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 180, "READY");
    (0..4).for_each(|statement| fake.statement("ana", Some(100 - statement)));
    sweep(&fake, &mut glue, &[]);
    fake.take_calls();
    fake.fail("glue:ListStatements", "ana", CallErrorKind::Invalid, 1);
    let seen = sweep(&fake, &mut glue, &[]);
    assert_whole(&seen);
    assert_eq!(of(&seen, "ana").moment(Measure::IdleTime), Some(fake.ago(97)));
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!(calls["glue:ListStatements"], 1 + 2);
}

#[test]
fn a_session_whose_statements_cannot_be_read_is_still_observed() {
    let (fake, mut glue) = FakeGlue::new();
    for id in ["ana", "ben"] {
        fake.session_is(id, 180, "READY");
    }
    fake.fail("glue:ListStatements", "ana", CallErrorKind::Throttled, 1);
    let seen = sweep(&fake, &mut glue, &[]);
    assert_eq!(ids(&seen), ["ana", "ben"]);
    assert_eq!(of(&seen, "ana").moment(Measure::IdleTime), None);
    assert_eq!(of(&seen, "ben").moment(Measure::IdleTime), Some(fake.ago(180)));
    assert_eq!(seen.unseen, BTreeSet::from(["ana".to_owned()]));
    assert_eq!(seen.problems.worst(), "Throttled");
    assert!(seen.whole.contains(SESSION), "it is counted all the same");
}

#[test]
fn tags_tell_scopes_and_owner_and_are_read_once() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 30, "READY");
    fake.tag("ana", "owner", "ana@bank.example");
    fake.tag("ana", "project", "churn");
    for run in ["jr_1", "jr_2"] {
        fake.run_is("clicks", run, 45, "RUNNING");
    }
    fake.tag("clicks", "user-type", "analyst");
    for calls in [2, 0] {
        let seen = sweep(&fake, &mut glue, TAGGED);
        assert_whole(&seen);
        assert_eq!(of(&seen, "ana").owner.as_deref(), Some("ana@bank.example"));
        let scopes = &of(&seen, "clicks/jr_2").scopes;
        let words: Vec<_> = scopes.iter().map(|(kind, scope)| (kind.as_str(), scope.as_str())).collect();
        assert_eq!(words, [("job", "clicks"), ("user-type", "analyst")]);
        let made: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
        assert_eq!(made.get("glue:GetTags").copied().unwrap_or_default(), calls);
    }
}

#[test]
fn what_is_known_of_a_session_ends_with_it() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("notebook", 30, "READY");
    for (state, owner) in [("READY", "ana"), ("STOPPED", "ana"), ("READY", "ben")] {
        fake.session_is("notebook", 0, state);
        fake.tag("notebook", "owner", owner);
        let seen = sweep(&fake, &mut glue, TAGGED);
        let owners: Vec<_> = seen.observations.iter().filter_map(|seen| seen.owner.as_deref()).collect();
        assert_eq!(owners, if state == "READY" { vec![owner] } else { vec![] });
    }
}

#[test]
fn what_cannot_be_read_is_not_held_against_the_limit_of_others() {
    let (fake, mut glue) = FakeGlue::new();
    for id in ["ana", "ben"] {
        fake.session_is(id, 30, "READY");
    }
    for job in ["clicks", "visits"] {
        fake.run_is(job, "jr_1", 45, "RUNNING");
    }
    fake.fail("glue:GetTags", "ana", CallErrorKind::Denied, 1);
    fake.fail("glue:GetTags", "clicks", CallErrorKind::Denied, 1);
    let seen = sweep(&fake, &mut glue, TAGGED);
    assert_eq!(ids(&seen), ["ben", "visits/jr_1"]);
    assert_eq!(seen.unseen, BTreeSet::from(["ana".to_owned(), "clicks/jr_1".to_owned()]));
    assert_eq!((seen.whole, seen.problems.worst()), (BTreeSet::new(), "AccessDenied"));
    assert_whole(&sweep(&fake, &mut glue, TAGGED));
}

#[test]
fn a_list_that_fails_leaves_the_rest_and_says_so() {
    let (fake, mut glue) = FakeGlue::new();
    fake.session_is("ana", 30, "READY");
    fake.run_is("clicks", "jr_1", 45, "RUNNING");
    fake.fail("glue:ListSessions", "", CallErrorKind::Denied, 1);
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_eq!((ids(&seen), seen.problems.worst()), (vec!["clicks/jr_1"], "AccessDenied"));
    assert_eq!(seen.whole, BTreeSet::from([JOB_RUN]));

    // The jobs that are known are looked at even when they cannot be listed.
    fake.fail("glue:ListJobs", "", CallErrorKind::Unavailable, 1);
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_eq!((ids(&seen), seen.problems.worst()), (vec!["ana", "clicks/jr_1"], "Unavailable"));
    assert_eq!(seen.whole, BTreeSet::from([SESSION]));

    fake.job("visits");
    fake.fail("glue:GetJobRuns", "clicks", CallErrorKind::Throttled, 1);
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_eq!((ids(&seen), seen.problems.worst()), (vec!["ana"], "Throttled"));
    assert_eq!(seen.unseen, BTreeSet::from(["clicks/jr_1".to_owned()]));
    assert_eq!(seen.whole, BTreeSet::from([SESSION]));
    assert_whole(&sweep(&fake, &mut glue, LISTS_ONLY));
}

#[test]
fn a_sweep_without_time_stops_and_says_so() {
    let (fake, mut glue) = FakeGlue::new();
    (0..9).for_each(|id| fake.session_is(&format!("s{id}"), 30, "READY"));
    (0..9).for_each(|job| fake.run_is(&format!("j{job}"), "jr_1", 45, "RUNNING"));
    fake.hurry(SignedDuration::from_secs(1));
    let seen = sweep_until(&fake, &mut glue, LISTS_ONLY, SignedDuration::from_secs(12));
    assert!(seen.problems.to_string().contains("not everything was read in the time there was"), "{}", seen.problems);
    assert_eq!(seen.whole, BTreeSet::from([SESSION]));
    assert!((9..18).contains(&seen.observations.len()), "{:?}", ids(&seen));
    fake.hurry(SignedDuration::ZERO);
    assert_whole(&sweep(&fake, &mut glue, LISTS_ONLY));
}

#[test]
fn a_cold_sweep_reads_back_to_the_longest_run_and_a_warm_one_only_what_is_new() {
    let (fake, mut glue) = FakeGlue::new();
    // A run every ten minutes for twelve days, of which one hangs since the sixth and the newest is at work.
    for run in 0..12 * 144 {
        fake.run_is("clicks", &format!("jr_{run:04}"), run * 10, if run == 6 * 144 { "RUNNING" } else { "SUCCEEDED" });
    }
    fake.run_is("clicks", "jr_0000", 0, "RUNNING");
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_whole(&seen);
    assert_eq!(ids(&seen), ["clicks/jr_0000", "clicks/jr_0864"]);
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!(calls["glue:GetJobRuns"], 6, "eight days are 1,152 runs");

    fake.pass(1);
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_whole(&seen);
    assert_eq!(ids(&seen), ["clicks/jr_0000", "clicks/jr_0864"]);
    let warm = [("glue:GetJobRun", 1), ("glue:GetJobRuns", 1), ("glue:ListJobs", 1), ("glue:ListSessions", 1)];
    assert_eq!(fake.take_calls(), warm);

    fake.run_is("clicks", "jr_0864", 0, "STOPPED");
    sweep(&fake, &mut glue, LISTS_ONLY);
    fake.take_calls();
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_eq!(ids(&seen), ["clicks/jr_0000"]);
    assert_eq!(fake.take_calls(), warm[1..]);
}

#[test]
fn a_job_that_could_not_be_read_at_first_is_read_wholly_later() {
    let (fake, mut glue) = FakeGlue::new();
    fake.run_is("clicks", "jr_old", 2 * DAY, "RUNNING");
    for run in 0..30 {
        fake.run_is("clicks", &format!("jr_{run}"), 30 + run, "SUCCEEDED");
    }
    fake.fail("glue:GetJobRuns", "clicks", CallErrorKind::Throttled, 1);
    assert_eq!(sweep(&fake, &mut glue, LISTS_ONLY).problems.worst(), "Throttled");
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_whole(&seen);
    assert_eq!(ids(&seen), ["clicks/jr_old"]);
}

#[test]
fn runs_that_have_vanished_are_not_looked_for_beyond_the_longest_run() {
    let (fake, mut glue) = FakeGlue::new();
    for run in 0..12 {
        fake.run_is("clicks", &format!("jr_{run}"), run, "RUNNING");
    }
    sweep(&fake, &mut glue, LISTS_ONLY);
    fake.delete_job("clicks");
    for run in 0..20 * 24 {
        fake.run_is("clicks", &format!("jr_new_{run}"), run * HOUR, "SUCCEEDED");
    }
    fake.take_calls();
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_whole(&seen);
    assert_eq!(ids(&seen), Vec::<&str>::new());
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!((calls["glue:GetJobRuns"], calls["glue:GetJobRun"]), (1, 12));
}

#[test]
fn more_new_runs_than_a_page_are_all_seen() {
    let (fake, mut glue) = FakeGlue::new();
    fake.job("clicks");
    fake.run_is("clicks", "old", 3 * DAY, "SUCCEEDED");
    assert_whole(&sweep(&fake, &mut glue, LISTS_ONLY));
    fake.pass(1);
    (0..450).for_each(|run| fake.run_is("clicks", &format!("jr_{run}"), 0, "WAITING"));
    fake.take_calls();
    assert_eq!(sweep(&fake, &mut glue, LISTS_ONLY).observations.len(), 450);
    // With so many active the newest are no use by themselves: whole pages, and no call for a single run.
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!((calls["glue:GetJobRuns"], calls.get("glue:GetJobRun")), (4, None));
    fake.pass(20);
    assert_eq!(sweep(&fake, &mut glue, LISTS_ONLY).observations.len(), 450);
    let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
    assert_eq!((calls["glue:GetJobRuns"], calls.get("glue:GetJobRun")), (3, None));
}

#[test]
fn an_active_run_that_cannot_be_looked_up_stays_known() {
    let (fake, mut glue) = FakeGlue::new();
    fake.run_is("clicks", "jr_old", 2 * DAY, "RUNNING");
    (0..30).for_each(|run| fake.run_is("clicks", &format!("jr_{run}"), 30 + run, "SUCCEEDED"));
    sweep(&fake, &mut glue, LISTS_ONLY);
    fake.pass(1);
    fake.fail("glue:GetJobRun", "clicks/jr_old", CallErrorKind::Unavailable, 1);
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_eq!((ids(&seen).len(), seen.problems.worst()), (0, "Unavailable"));
    assert_eq!(seen.unseen, BTreeSet::from(["clicks/jr_old".to_owned()]));
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_whole(&seen);
    assert_eq!(ids(&seen), ["clicks/jr_old"]);
}

#[test]
fn quiet_jobs_are_asked_in_turn_and_each_within_six_minutes() {
    let (fake, mut glue) = FakeGlue::new();
    (0..12).for_each(|job| fake.job(&format!("quiet-{job:02}")));
    fake.run_is("quiet-00", "jr_0", 9 * DAY, "SUCCEEDED");
    fake.run_is("live", "jr_0", 7 * DAY, "SUCCEEDED");
    let asked = |fake: &FakeGlue| {
        let calls: BTreeMap<_, _> = fake.take_calls().into_iter().collect();
        calls["glue:GetJobRuns"]
    };
    sweep(&fake, &mut glue, LISTS_ONLY);
    assert_eq!(asked(&fake), 13);
    let mut turns = Vec::new();
    for _ in 0..5 {
        fake.pass(1);
        assert_whole(&sweep(&fake, &mut glue, LISTS_ONLY));
        turns.push(asked(&fake));
    }
    assert_eq!(turns, [1 + 2; 5]);

    // All begin at once; each is seen when its turn comes, the last six minutes after it was asked before.
    (0..12).for_each(|job| fake.run_is(&format!("quiet-{job:02}"), "jr_1", 0, "RUNNING"));
    let mut seen = Vec::new();
    for _ in 0..6 {
        fake.pass(1);
        seen.push(sweep(&fake, &mut glue, LISTS_ONLY).observations.len());
    }
    assert_eq!(seen, [2, 4, 6, 8, 10, 12]);
}

#[test]
fn a_job_that_an_event_names_is_asked_at_the_next_sweep() {
    let (fake, mut glue) = FakeGlue::new();
    (0..12).for_each(|job| fake.job(&format!("a-quiet-{job:02}")));
    fake.job("clickstream-daily");
    sweep(&fake, &mut glue, LISTS_ONLY);
    fake.run_is("clickstream-daily", "jr_1", 0, "RUNNING");
    assert_eq!(ids(&signal(&mut glue, "run-succeeded")), Vec::<&str>::new());
    assert_eq!(ids(&sweep(&fake, &mut glue, LISTS_ONLY)), ["clickstream-daily/jr_1"]);
}

#[test]
fn a_deleted_job_is_forgotten() {
    let (fake, mut glue) = FakeGlue::new();
    fake.run_is("clicks", "jr_1", 45, "RUNNING");
    sweep(&fake, &mut glue, LISTS_ONLY);
    fake.delete_job("clicks");
    let seen = sweep(&fake, &mut glue, LISTS_ONLY);
    assert_whole(&seen);
    assert_eq!((ids(&seen).len(), seen.saw["jobs"]), (0, 0));
    fake.take_calls();
    sweep(&fake, &mut glue, LISTS_ONLY);
    assert_eq!(fake.take_calls(), [("glue:ListJobs", 1), ("glue:ListSessions", 1)]);
}

#[test]
fn a_word_that_is_unknown_is_told_once_for_each_look() {
    let mut sighting = Sighting::default();
    let state = |name: &str, phase| State { name: name.to_owned(), phase, known: false };
    let large = Capacity { dpus: None, unknown_worker_type: Some("G.32X".to_owned()) };
    for id in ["a", "b"] {
        sighting.meet(SESSION, id.to_owned(), &state("DREAMING", Phase::Active), &large);
    }
    let told = BTreeSet::from([("state", "DREAMING".to_owned()), ("worker type", "G.32X".to_owned())]);
    assert_eq!((sighting.unknown, sighting.states.len()), (told, 2));
}

/// Gives the room one of the samples under `events/glue-watch`.
fn signal(glue: &mut Glue<FakeGlue, ManualClock>, sample: &str) -> Seen {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/glue-watch");
    let text = std::fs::read_to_string(format!("{folder}/{sample}.json")).unwrap();
    let event: Envelope = serde_json::from_str(&text).unwrap();
    let configuration = configuration(&[]);
    let now = glue.clock.now();
    block_on(glue.signal(&event, wanted(&configuration), now))
}

#[test]
fn a_signal_looks_at_the_run_it_names_and_at_nothing_else() {
    const RUN: &str = "jr_7b1c2d3e4f5061728394a5b6c7d8e9f00112233445566778899aabbccddeeff0";
    let check = |sample: &str, state: &str, observed: bool, calls: usize| {
        let (fake, mut glue) = FakeGlue::new();
        fake.run_is("clickstream-daily", RUN, 1, state);
        fake.run_is("clickstream-daily", "jr_other", 1, "RUNNING");
        let seen = signal(&mut glue, sample);
        let expected: Vec<_> = observed.then(|| format!("clickstream-daily/{RUN}")).into_iter().collect();
        assert_eq!(ids(&seen), expected, "{sample} {state}");
        assert_eq!(seen.problems.to_string(), "", "{sample} {state}");
        assert_eq!(seen.whole, BTreeSet::new(), "{sample} {state}");
        let made: usize = fake.take_calls().into_iter().map(|(_, count)| count).sum();
        assert_eq!(made, calls, "{sample} {state}");
    };
    check("run-starting", "STARTING", true, 1);
    check("run-running", "RUNNING", true, 1);
    // It has ended since: what Glue says now counts.
    check("run-running", "SUCCEEDED", false, 1);
    check("run-stopping", "STOPPING", false, 1);
    check("run-succeeded", "SUCCEEDED", false, 0);
    check("run-unknown", "RUNNING", false, 1);
    check("malformed", "RUNNING", false, 0);
    check("limit-changed", "RUNNING", false, 0);
}

#[test]
fn a_run_that_a_signal_names_and_that_cannot_be_read_is_unseen() {
    let (fake, mut glue) = FakeGlue::new();
    fake.fail("glue:GetJobRun", "", CallErrorKind::Throttled, 1);
    let seen = signal(&mut glue, "run-running");
    assert_eq!((seen.unseen.len(), seen.problems.worst()), (1, "Throttled"));
}

#[test]
fn a_second_look_sees_the_resources_due_and_drops_what_has_ended() {
    let (fake, mut glue) = FakeGlue::new();
    for id in ["ana", "ben", "cem"] {
        fake.session_is(id, 180, "READY");
    }
    for id in ["jr_1", "jr_2"] {
        fake.run_is("clicks", id, 45, "RUNNING");
    }
    sweep(&fake, &mut glue, &[]);
    fake.take_calls();
    fake.session_is("ben", 0, "STOPPING");
    fake.run_is("clicks", "jr_2", 0, "SUCCEEDED");
    fake.statement("ana", Some(2));
    let configuration = configuration(&[]);
    let due = [session("ana"), session("ben"), session("gone"), run("clicks/jr_1"), run("clicks/jr_2"), run("gone/jr")];
    let now = fake.now();
    let seen = block_on(glue.again(&due, wanted(&configuration), now));
    assert_eq!(ids(&seen), ["ana", "clicks/jr_1"]);
    assert_eq!(of(&seen, "ana").moment(Measure::IdleTime), Some(fake.ago(2)));
    assert_eq!((seen.problems.to_string(), seen.whole.len(), seen.unseen.len()), (String::new(), 0, 0));
    assert_eq!(fake.take_calls(), [("glue:GetJobRun", 3), ("glue:GetSession", 3), ("glue:ListStatements", 1)]);

    fake.fail("glue:GetSession", "ana", CallErrorKind::Unavailable, 1);
    let seen = block_on(glue.again(&due[..1], wanted(&configuration), now));
    assert_eq!((ids(&seen).len(), seen.problems.worst()), (0, "Unavailable"));
    assert_eq!(seen.unseen, BTreeSet::from(["ana".to_owned()]));
}
