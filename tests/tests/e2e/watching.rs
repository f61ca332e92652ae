//! What is found, how often, and where it shows.

use std::time::Duration;

use stage::SandboxOptions;
use stage::deploy::EVERY_MINUTE;
use stage::running::wait_for;
use workload_simulator::{QuerySpec, QueryState};

use crate::{hub_keys, hub_row, levels, minutes, query, sandbox, stage, view};

#[test]
fn each_level_is_found_once_and_reaches_the_hub_once() {
    let sandbox = sandbox(&SandboxOptions { mode: "observe", ..SandboxOptions::default() });
    let below = query(&sandbox, "etl", minutes(22));
    let notice = query(&sandbox, "etl", minutes(23));
    let warning = query(&sandbox, "etl", minutes(29));
    let breach = query(&sandbox, "etl", minutes(31));
    let ended = sandbox.athena.start(QuerySpec {
        workgroup: "etl".to_owned(),
        age: minutes(120),
        runs_for: Some(minutes(60)),
        ..QuerySpec::default()
    });
    for _ in 0..3 {
        sandbox.sweep().unwrap();
    }
    assert_eq!(levels(&sandbox, &below), Vec::<u64>::new());
    assert_eq!(levels(&sandbox, &notice), [75]);
    assert_eq!(levels(&sandbox, &warning), [75, 95]);
    assert_eq!(levels(&sandbox, &breach), [75, 95, 100]);
    assert_eq!(levels(&sandbox, &ended), Vec::<u64>::new());

    let row = hub_row(&sandbox, &format!("finding/athena-query-runtime/{breach}/100"));
    assert_eq!((row["severity"].as_str(), row["alias"].as_str()), (Some("breach"), Some(sandbox.alias.as_str())));
    let action = hub_row(&sandbox, &format!("action/athena-query-runtime/{breach}/100/stop"));
    assert_eq!(action["outcome"], "observed_only");
    for finding in [format!("{notice}/75"), format!("{warning}/95"), format!("{breach}/75")] {
        hub_row(&sandbox, &format!("finding/athena-query-runtime/{finding}"));
    }
    let findings = hub_keys(&sandbox).into_iter().filter(|key| key.starts_with("finding/")).count();
    assert_eq!(findings, 6, "one row for each finding: {:?}", hub_keys(&sandbox));
    assert_eq!(view(&sandbox, &breach).stop_calls, 0);
    hub_row(&sandbox, "athena-watch/heartbeat");
}

#[test]
fn the_schedule_alone_finds_and_stops_and_a_changed_limit_is_in_force_within_a_minute() {
    let sandbox = sandbox(&SandboxOptions { sweeps: EVERY_MINUTE, ..SandboxOptions::default() });
    // No signal will come for queries that began in the past: only the sweeps can see them.
    let running = query(&sandbox, "etl", minutes(10));
    let over = query(&sandbox, "adhoc", minutes(31));
    let stopped = |id: &str| view(&sandbox, id).state == QueryState::Cancelled;
    wait_for("the first sweep to stop a query", Duration::from_secs(75), || stopped(&over).then_some(())).unwrap();
    assert!(!stopped(&running));
    sandbox.limit("etl", "5m").unwrap();
    wait_for("the lowered limit to be in force", Duration::from_secs(65), || stopped(&running).then_some(())).unwrap();
}

#[test]
fn a_signal_is_enough_when_limits_are_shorter_than_a_sweep() {
    let sandbox = sandbox(&SandboxOptions { limit: "4s".to_owned(), ..SandboxOptions::default() });
    sandbox.athena.workgroup("etl");
    let id = query(&sandbox, "etl", Duration::ZERO);
    wait_for("the signal's vigil to stop the query", Duration::from_secs(30), || view(&sandbox, &id).stopped_at)
        .unwrap();
    sandbox.await_outcome(&id, "done").unwrap();
    let seen = view(&sandbox, &id);
    assert!(
        seen.stopped_at.unwrap().duration_since(seen.submitted_at).as_secs() >= 4,
        "never before its limit: {seen:?}"
    );
    assert_eq!(seen.stop_calls, 1, "two signals for each state, and still one stop");
}

#[test]
fn a_sweep_over_ten_thousand_past_queries_asks_no_more_than_it_must() {
    let sandbox = sandbox(&SandboxOptions { mode: "observe", ..SandboxOptions::default() });
    // One query every ten seconds: 3,600 of them lie within the ten hours that a query can live.
    sandbox.athena.seed_history("etl", 10_000, Duration::from_secs(10), Duration::from_secs(10));
    // They began to run in the past, so no signal tells of them.
    let active: Vec<String> = (1..=40).map(|n| query(&sandbox, "etl", Duration::from_secs(n))).collect();
    let calls = |operation: &str| stage().world().calls().count_by(&sandbox.account.id, operation);
    let count = || (calls("ListQueryExecutions"), calls("BatchGetQueryExecution"));
    let before = count();
    sandbox.sweep().unwrap();
    let cold = (count().0 - before.0, count().1 - before.1);
    assert!(cold.0 <= 75 && cold.1 <= 74, "cold: {cold:?} lists and gets");
    let before = count();
    sandbox.sweep().unwrap();
    let warm = (count().0 - before.0, count().1 - before.1);
    // Two workgroups, `etl` and `primary`, and forty active queries.
    assert!(warm.0 <= 2 && warm.1 <= 1, "warm: {warm:?} lists and gets");
    assert!(active.iter().all(|id| view(&sandbox, id).state == QueryState::Running));
}
