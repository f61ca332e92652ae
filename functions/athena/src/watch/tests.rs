//! The watch against an Athena in memory: what it finds, what it asks, and what it says when it cannot see.

use std::cell::RefCell;

use guardrail::{Event, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::aws::CallCounter;
use lambda::fakes::{FakeBus, FakeLedger, FakeParameters, FakeTrail, ManualClock, block_on, failed};
use lambda::settings::WatchSettings;
use lambda::watch::Watch;
use lambda::{CallErrorKind, Clock, Handler, Invocation, Outbox, Owners, Parameters, Problems};
use serde_json::Value;

use super::FUNCTION;
use crate::fakes::{FakeAthena, LIMIT, MODE, sandbox};
use crate::observe::Observer;

const START: &str = "2026-11-21T12:00:00Z";

type Function = Watch<Observer<FakeAthena, ManualClock>, FakeParameters, FakeLedger, FakeBus, FakeTrail, ManualClock>;

/// A sandbox with one workgroup `etl`, a limit of ten minutes, enforced.
struct Stage {
    clock: ManualClock,
    athena: FakeAthena,
    parameters: FakeParameters,
    ledger: FakeLedger,
    bus: FakeBus,
    watch: RefCell<Function>,
}

impl Stage {
    fn new() -> Self {
        Self::with_vigil(true)
    }

    fn with_vigil(vigil: bool) -> Self {
        let clock = ManualClock::at(START);
        let athena = FakeAthena::new(&clock);
        athena.workgroup("etl");
        let (parameters, ledger, bus) = (FakeParameters::default(), FakeLedger::default(), FakeBus::default());
        parameters.put(LIMIT, "10m");
        parameters.put(MODE, "enforce");
        let watch = RefCell::new(Watch {
            function: FUNCTION,
            sight: Observer::new(athena.clone(), clock.clone()),
            parameters: Parameters::new(parameters.clone(), Service::Athena),
            outbox: Outbox::new(ledger.clone(), bus.clone()),
            owners: Owners::new(FakeTrail::default(), Service::Athena),
            clock: clock.clone(),
            calls: CallCounter::default(),
            sandbox: sandbox(),
            settings: WatchSettings { sweep_interval: SignedDuration::from_secs(60), vigil },
        });
        Self { clock, athena, parameters, ledger, bus, watch }
    }

    /// The same sandbox seen by a function that has just started.
    fn cold_start(&self) {
        let mut watch = self.watch.borrow_mut();
        watch.sight = Observer::new(self.athena.clone(), self.clock.clone());
        watch.outbox = Outbox::new(self.ledger.clone(), self.bus.clone());
        watch.parameters = Parameters::new(self.parameters.clone(), Service::Athena);
    }

    fn handle(&self, event: Value) -> Result<(), Problems> {
        let now = self.clock.now();
        let invocation =
            Invocation { id: "run".to_owned(), event, now, deadline: now + SignedDuration::from_secs(175) };
        block_on(self.watch.borrow_mut().handle(invocation))
    }

    fn sweep(&self) -> Result<(), Problems> {
        self.handle(sample("sweep"))
    }

    /// A sweep that teaches the function what there is, and ends at once.
    fn sweep_without_vigil(&self) {
        self.watch.borrow_mut().settings.vigil = false;
        self.sweep().unwrap();
        self.watch.borrow_mut().settings.vigil = true;
    }

    fn wait(&self, seconds: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_secs(seconds));
    }

    /// The findings published, as `resource/level`, in order.
    fn found(&self) -> Vec<String> {
        let ids = self.bus.ids();
        let prefix = "athena-query-runtime/";
        ids.iter().filter_map(|id| id.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// The findings of another guardrail published, as `resource/level[/episode]`, in order.
    fn found_of(&self, guardrail: &str) -> Vec<String> {
        let prefix = format!("{guardrail}/");
        self.bus.ids().iter().filter_map(|id| id.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    fn set(&self, guardrail: &str, setting: &str, value: &str) {
        self.parameters.put(&format!("/sandbox-guardrails/athena/{guardrail}/{setting}"), value);
    }

    /// Runs something and gives the calls to Athena it made, as (lists, gets).
    fn calls(&self, run: impl FnOnce()) -> (usize, usize) {
        let count =
            || (self.athena.count("athena:ListQueryExecutions"), self.athena.count("athena:BatchGetQueryExecution"));
        let (lists, gets) = count();
        run();
        (count().0 - lists, count().1 - gets)
    }
}

fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/athena-watch/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn each_level_is_found_once_however_often_it_is_seen() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 0, None);
    for second in 0..12 * 60 {
        if second % 20 == 0 {
            stage.sweep().unwrap();
        }
        if second % 180 == 0 {
            stage.cold_start();
        }
        stage.wait(1);
    }
    let found = stage.found();
    // The breach is asked for again while the query is still there, always under the same id.
    assert_eq!(found[..3], ["q/75", "q/95", "q/100"]);
    assert!(found[3..].iter().all(|id| id == "q/100"), "{found:?}");
    let findings = stage.ledger.ids().into_iter().filter(|(id, _)| id.starts_with("athena-query-runtime")).count();
    assert_eq!(findings, 3);
}

#[test]
fn queries_that_end_in_time_and_workgroups_that_are_off_are_no_findings() {
    let stage = Stage::new();
    stage.parameters.put(&format!("{MODE}/loading"), "off");
    stage.athena.query("etl", "in-time", 590, Some(9));
    stage.athena.query("loading", "unwatched", 6000, None);
    stage.athena.query("etl", "ended", 6000, Some(0));
    stage.sweep().unwrap();
    assert_eq!(stage.found(), ["in-time/95", "in-time/75"]);
}

#[test]
fn a_vigil_reports_the_breach_at_the_moment_of_the_limit() {
    let stage = Stage::new();
    stage.athena.query("etl", "first", 590, None);
    stage.athena.query("etl", "second", 560, None);
    stage.athena.query("etl", "later", 470, None);
    let began = stage.clock.now();
    stage.sweep().unwrap();
    let breaches: Vec<_> = stage
        .bus
        .events
        .borrow()
        .iter()
        .filter_map(|event| match event {
            Event::Finding(f) if f.level.percent == 100 => {
                Some((f.resource.id.clone(), f.header.occurred_at.duration_since(began).as_secs()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(breaches, [("first".to_owned(), 10), ("second".to_owned(), 40)]);
}

#[test]
fn a_limit_that_passes_while_the_sweep_is_reporting_is_not_left_to_the_next_one() {
    for left in 0..40 {
        let stage = Stage::new();
        stage.athena.query("etl", "q", 599, None);
        stage.clock.step_by(SignedDuration::from_millis(100));
        stage.clock.set(stage.clock.now() + SignedDuration::from_millis(25 * left - 100));
        stage.sweep().unwrap();
        assert!(stage.found().contains(&"q/100".to_owned()), "the sweep began {} ms on", 25 * left);
    }
}

#[test]
fn with_the_vigil_off_or_in_observe_mode_no_run_stays_awake() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 590, None);
    let began = stage.clock.now();
    stage.sweep().unwrap();
    assert_eq!(stage.clock.now(), began);

    let stage = Stage::new();
    stage.parameters.put(MODE, "observe");
    stage.athena.query("etl", "q", 590, None);
    stage.sweep().unwrap();
    assert_eq!(stage.clock.now(), began);
}

#[test]
fn a_limit_raised_during_a_vigil_moves_the_moment() {
    let stage = Stage::new();
    stage.athena.query("etl", "waker", 530, None);
    stage.athena.query("etl", "q", 520, None);
    // The vigil wakes after 70 s, when what it read is over a minute old, and reads that the limit is now higher.
    stage.watch.borrow_mut().parameters = Parameters::new(stage.parameters.clone(), Service::Athena);
    block_on(stage.watch.borrow_mut().parameters.current(stage.clock.now())).unwrap();
    stage.parameters.put(LIMIT, "20m");
    stage.sweep().unwrap();
    assert!(!stage.found().iter().any(|id| id.ends_with("/100")), "{:?}", stage.found());
}

#[test]
fn a_limit_lowered_below_the_elapsed_time_breaches_at_the_next_look() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 300, None);
    stage.sweep().unwrap();
    assert!(stage.found().is_empty());
    stage.parameters.put(&format!("{LIMIT}/etl"), "5m");
    stage.wait(60);
    stage.sweep().unwrap();
    assert_eq!(stage.found(), ["q/100", "q/95", "q/75"]);
}

#[test]
fn a_changed_parameter_is_in_force_at_once() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 300, None);
    stage.sweep().unwrap();
    stage.parameters.put(LIMIT, "5m");
    stage.handle(sample("limit-changed")).unwrap();
    assert_eq!(stage.found(), ["q/100", "q/95", "q/75"]);
}

#[test]
fn a_cold_sweep_pages_to_the_horizon_and_a_warm_one_only_to_what_is_new() {
    let stage = Stage::with_vigil(false);
    for n in 0..10_000 {
        // One every ten seconds: the newest 3,600 lie within the ten hours that a query can live, 4,320 within this day.
        let age = 10 * n;
        stage.athena.query("etl", &format!("past-{n}"), age, if n < 40 { None } else { Some(-age / 2) });
    }
    let (lists, gets) = stage.calls(|| stage.sweep().unwrap());
    assert!(lists <= 88 && gets <= 87, "{lists} lists and {gets} gets for 4,320 of 10,000 queries");
    assert_eq!(stage.calls(|| stage.sweep().unwrap()), (1, 1));
    for n in 0..30 {
        stage.athena.query("etl", &format!("new-{n}"), 0, None);
    }
    assert_eq!(stage.calls(|| stage.sweep().unwrap()), (1, 2), "40 active and 30 new");
    for n in 30..130 {
        stage.athena.query("etl", &format!("new-{n}"), 0, Some(0));
    }
    let (lists, gets) = stage.calls(|| stage.sweep().unwrap());
    assert!(lists <= 3 && gets <= 4, "{lists} lists and {gets} gets for 70 active and 100 new");
    assert_eq!(stage.calls(|| stage.sweep().unwrap()), (1, 2), "those that ended are not asked about again");
}

#[test]
fn a_listing_that_breaks_off_is_done_again_from_the_top() {
    let stage = Stage::with_vigil(false);
    for n in 0..200 {
        stage.athena.query("etl", &format!("q{n}"), n, Some(0));
    }
    stage.athena.query("etl", "old", 700, None);
    stage.athena.fail("athena:BatchGetQueryExecution", CallErrorKind::Throttled, 1);
    assert_eq!(stage.sweep().unwrap_err().worst(), "Throttled");
    assert!(stage.found().is_empty());
    stage.sweep().unwrap();
    assert_eq!(stage.found(), ["old/100", "old/95", "old/75"]);
}

#[test]
fn ids_whose_look_up_failed_are_asked_again() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "old", 700, None);
    stage.athena.fail("athena:BatchGetQueryExecution", CallErrorKind::Unavailable, 1);
    stage.sweep().unwrap_err();
    stage.sweep().unwrap();
    assert_eq!(stage.found().len(), 3);
}

#[test]
fn one_workgroup_that_cannot_be_listed_does_not_hide_the_others() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("adhoc", "seen", 700, None);
    stage.athena.query("etl", "also", 700, None);
    stage.athena.fail("athena:ListQueryExecutions", CallErrorKind::Denied, 1);
    let problems = stage.sweep().unwrap_err();
    assert_eq!(problems.worst(), "AccessDenied");
    assert_eq!(stage.found().len(), 3);
    assert!(!stage.bus.ids().iter().any(|id| id.starts_with("heartbeat")), "no sign of life while something is unseen");
}

#[test]
fn a_guardrail_that_cannot_see_fails_loudly() {
    for operation in ["athena:ListWorkGroups", "athena:ListQueryExecutions", "athena:BatchGetQueryExecution"] {
        let stage = Stage::new();
        stage.athena.query("etl", "q", 700, None);
        stage.athena.fail(operation, CallErrorKind::Denied, 1);
        let problems = stage.sweep().unwrap_err();
        assert!(problems.to_string().contains(operation), "{problems}");
        assert!(stage.bus.ids().is_empty());
    }
    let stage = Stage::new();
    stage.athena.query("etl", "q", 700, None);
    stage.parameters.deny();
    assert_eq!(stage.sweep().unwrap_err().worst(), "AccessDenied");
    assert!(stage.found().is_empty(), "without its limits a cold function judges nothing");
}

#[test]
fn a_warm_function_goes_on_with_the_limits_it_knew_and_still_fails() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 590, None);
    stage.sweep().unwrap();
    stage.parameters.deny();
    stage.wait(60);
    stage.sweep().unwrap_err();
    assert!(stage.found().contains(&"q/100".to_owned()));
}

#[test]
fn what_was_not_published_is_published_at_the_next_sweep_and_shows_once() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 600, None);
    stage.bus.refuse(&["athena-query-runtime/q/95"]);
    stage.sweep().unwrap_err();
    assert_eq!(stage.found(), ["q/100", "q/75"]);
    stage.bus.refuse(&[]);
    stage.wait(20);
    stage.cold_start();
    stage.sweep().unwrap();
    assert_eq!(stage.found(), ["q/100", "q/75", "q/95"]);
    assert!(stage.ledger.ids().iter().all(|(_, pending)| !pending));
}

#[test]
fn what_could_not_be_recorded_is_found_again() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 450, None);
    stage.ledger.fail_next(1);
    stage.sweep().unwrap_err();
    assert!(stage.found().is_empty());
    stage.sweep().unwrap();
    assert_eq!(stage.found(), ["q/75"]);
}

#[test]
fn a_signal_looks_at_the_query_it_names_and_keeps_vigil_for_it() {
    let stage = Stage::new();
    let id = "0d5c1a3b-7f43-4b0e-8a1d-2f6f1c9e0a01";
    stage.parameters.put(LIMIT, "40s");
    stage.athena.query("etl", id, 0, None);
    stage.athena.query("etl", "another", 3000, None);
    assert_eq!(stage.calls(|| stage.handle(sample("query-queued")).unwrap()), (0, 2));
    assert_eq!(stage.found(), [format!("{id}/100"), format!("{id}/95"), format!("{id}/75")]);
    assert_eq!(stage.clock.now(), START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(40));
}

#[test]
fn signals_that_say_nothing_are_not_tried_again() {
    for name in ["malformed", "query-unknown", "query-succeeded"] {
        let stage = Stage::new();
        stage.handle(sample(name)).unwrap();
        assert!(stage.bus.ids().is_empty(), "{name}");
    }
    for event in [Value::Null, serde_json::json!({"detail": {}}), serde_json::json!([])] {
        Stage::new().handle(event).unwrap();
    }
}

#[test]
fn a_state_that_this_version_does_not_know_counts_as_active() {
    let stage = Stage::with_vigil(false);
    stage.athena.query("etl", "q", 600, None);
    stage.athena.active_state("PREPARING");
    stage.sweep().unwrap();
    assert_eq!(stage.found().len(), 3);
}

#[test]
fn a_wrong_parameter_is_told_once_for_each_of_its_versions() {
    let stage = Stage::with_vigil(false);
    let told =
        |stage: &Stage| stage.bus.ids().into_iter().filter(|id| id.starts_with("configuration")).collect::<Vec<_>>();
    stage.parameters.put(LIMIT, "0");
    stage.sweep().unwrap();
    stage.wait(60);
    stage.sweep().unwrap();
    stage.wait(60);
    stage.cold_start();
    stage.sweep().unwrap();
    assert_eq!(told(&stage), [format!("configuration{LIMIT}/2")]);
    stage.parameters.put(LIMIT, "-1");
    stage.wait(60);
    stage.sweep().unwrap();
    assert_eq!(told(&stage).len(), 2);
    let Some(Event::ConfigurationRejected(rejected)) = stage.bus.events.borrow().last().cloned() else { panic!() };
    assert_eq!((rejected.value.as_str(), rejected.in_force.as_str()), ("-1", "10m"));
}

#[test]
fn a_sign_of_life_is_given_at_most_every_five_minutes() {
    let stage = Stage::with_vigil(false);
    for _ in 0..20 {
        stage.sweep().unwrap();
        stage.cold_start();
        stage.wait(60);
    }
    let beats = stage.bus.ids().into_iter().filter(|id| id == "heartbeat/athena-watch").count();
    assert_eq!(beats, 4);
}

#[test]
fn a_look_that_fails_during_a_vigil_is_tried_again_at_once() {
    let stage = Stage::new();
    stage.athena.query("etl", "q", 590, None);
    // The function knows the query already, so the first fault hits the sweep and the second the vigil.
    stage.sweep_without_vigil();
    stage.athena.fail("athena:BatchGetQueryExecution", CallErrorKind::Throttled, 2);
    let problems = stage.sweep();
    assert_eq!(problems, Err(failed("athena:BatchGetQueryExecution", CallErrorKind::Throttled).into()));
    assert!(stage.found().contains(&"q/100".to_owned()));
    assert_eq!(stage.clock.now(), START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(11));
}

#[test]
fn only_the_time_of_queries_that_still_wait_is_queue_time() {
    let stage = Stage::with_vigil(false);
    for id in ["waits", "runs"] {
        stage.athena.query("etl", id, 16 * 60, None);
    }
    stage.athena.queued("waits");
    stage.sweep().unwrap();
    assert_eq!(stage.found_of("athena-query-queue-time"), ["waits/100", "waits/95", "waits/75"]);
}

#[test]
fn what_a_query_scans_is_measured_while_it_runs() {
    let stage = Stage::with_vigil(false);
    stage.set("athena-query-bytes-scanned", "limit", "1 TB");
    for (id, bytes) in [("at", 1_000_000_000_000), ("over", 1_000_000_000_001), ("half", 500_000_000_000)] {
        stage.athena.query("etl", id, 60, None);
        stage.athena.scanned(id, bytes);
    }
    stage.sweep().unwrap();
    assert_eq!(
        stage.found_of("athena-query-bytes-scanned"),
        ["over/100", "over/95", "over/75", "at/95", "at/75"],
        "what is at its limit is allowed"
    );
}

#[test]
fn the_newest_queries_beyond_a_workgroups_cap_are_breaches() {
    let stage = Stage::with_vigil(false);
    stage.set("athena-concurrent-queries", "limit", "2");
    stage.set("athena-concurrent-queries", "levels", "50,100");
    for (id, age) in [("oldest", 50), ("second", 40), ("third", 30), ("newest", 20)] {
        stage.athena.query("etl", id, age, None);
    }
    stage.athena.query("adhoc", "alone", 10, None);
    let now = stage.clock.now();
    stage.sweep().unwrap();
    let began = |age: i64| now - SignedDuration::from_secs(age);
    let expected = [
        format!("etl/50/{now}"),
        format!("newest/100/{}", began(20)),
        format!("third/100/{}", began(30)),
        format!("adhoc/50/{now}"),
    ];
    assert_eq!(stage.found_of("athena-concurrent-queries"), expected);
}

#[test]
fn a_days_bytes_are_those_of_every_query_since_midnight_and_of_no_other() {
    let stage = Stage::with_vigil(false);
    stage.set("athena-workgroup-daily-bytes", "limit", "1 TB");
    // Twelve hours after midnight: what ended today, what still runs, and what ran yesterday.
    for (id, age, ends) in
        [("ended", 11 * 3600, Some(-3600)), ("runs", 60, None), ("yesterday", 13 * 3600, Some(-7200))]
    {
        stage.athena.query("etl", id, age, ends);
        stage.athena.scanned(id, 400_000_000_000);
    }
    stage.sweep().unwrap();
    let midnight = "2026-11-21T00:00:00Z";
    assert_eq!(stage.found_of("athena-workgroup-daily-bytes"), [format!("etl/75/{midnight}")]);
    stage.athena.scanned("runs", 600_000_000_001);
    stage.wait(60);
    stage.sweep().unwrap();
    // The same bytes are counted once, however often they are seen, also when the function has just started.
    stage.wait(60);
    stage.cold_start();
    stage.sweep().unwrap();
    assert_eq!(
        stage.found_of("athena-workgroup-daily-bytes"),
        [format!("etl/75/{midnight}"), format!("etl/100/{midnight}"), format!("etl/95/{midnight}")]
    );
    // A new day begins with nothing.
    stage.wait(13 * 3600);
    stage.sweep().unwrap();
    assert_eq!(stage.found_of("athena-workgroup-daily-bytes").len(), 3);
}

#[test]
fn loose_settings_of_a_workgroup_are_a_finding_for_each_time_they_are_loose() {
    let stage = Stage::with_vigil(false);
    stage.athena.loosen("etl", true);
    let began = stage.clock.now();
    stage.sweep().unwrap();
    stage.wait(60);
    stage.sweep().unwrap();
    for guardrail in ["athena-workgroup-configuration", "athena-workgroup-cutoff"] {
        assert_eq!(stage.found_of(guardrail), [format!("etl/100/{began}")]);
    }
    // Settings are read again every quarter of an hour.
    stage.athena.loosen("etl", false);
    stage.wait(15 * 60);
    stage.sweep().unwrap();
    stage.athena.loosen("etl", true);
    stage.wait(15 * 60);
    stage.sweep().unwrap();
    let again = stage.clock.now();
    assert_eq!(stage.found_of("athena-workgroup-cutoff"), [format!("etl/100/{began}"), format!("etl/100/{again}")]);
    assert_eq!(stage.athena.count("athena:GetWorkGroup"), 3);
}
