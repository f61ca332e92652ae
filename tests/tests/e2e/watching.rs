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
    let of_queries = |key: &String| key.starts_with("finding/athena-query-runtime/");
    let findings = hub_keys(&sandbox).into_iter().filter(of_queries).count();
    assert_eq!(findings, 6, "one row for each finding: {:?}", hub_keys(&sandbox));
    assert_eq!(view(&sandbox, &breach).stop_calls, 0);
    hub_row(&sandbox, "athena-watch/heartbeat");
}

#[test]
fn what_waits_scans_or_crowds_too_much_and_loose_workgroups_are_found() {
    let limit = |guardrail: &str| format!("{}/limit", crate::path(guardrail));
    let sandbox = sandbox(
        &SandboxOptions::default()
            .with(&limit("athena-query-queue-time"), "5m")
            .with(&limit("athena-query-bytes-scanned"), "1 GB")
            .with(&limit("athena-concurrent-queries"), "2")
            .with(&limit("athena-workgroup-daily-bytes"), "1 GB"),
    );
    let start = |workgroup: &str, minutes_ago: u64, queued: bool, rate: u64| {
        sandbox.athena.start(QuerySpec {
            workgroup: workgroup.to_owned(),
            age: minutes(minutes_ago),
            queue: if queued { minutes(600) } else { Duration::ZERO },
            scan_rate: rate,
            ..QuerySpec::default()
        })
    };
    sandbox.athena.configure_workgroup("loose", false, None);
    sandbox.athena.configure_workgroup("strict", true, Some(10_000_000));
    // The newest of three, so that it is also the one beyond the cap.
    let _ = (start("adhoc", 4, false, 0), start("adhoc", 3, false, 0));
    let newest = start("adhoc", 2, false, 20_000_000);
    let waits = start("loose", 6, true, 0);
    sandbox.sweep().unwrap();
    let breaches = |guardrail: &str| -> Vec<String> {
        let found = crate::findings(&sandbox, guardrail).into_iter();
        let found = found.filter(|(_, finding)| finding["level"]["percent"] == 100);
        let mut found: Vec<String> =
            found.map(|(_, finding)| finding["resource"]["id"].as_str().unwrap().to_owned()).collect();
        found.sort();
        found
    };
    assert_eq!(breaches("athena-query-queue-time"), [waits]);
    assert_eq!(breaches("athena-query-bytes-scanned"), [newest.as_str()]);
    assert_eq!(breaches("athena-concurrent-queries"), [newest.as_str()]);
    for guardrail in ["athena-workgroup-configuration", "athena-workgroup-cutoff"] {
        let found = breaches(guardrail);
        assert!(found.contains(&"loose".to_owned()) && !found.contains(&"strict".to_owned()), "{guardrail}: {found:?}");
    }
    // Two minutes at this rate are more than the day allows, provided that the day began before.
    let began = stage::timeline::now().as_second().rem_euclid(86_400) > 180;
    assert_eq!(breaches("athena-workgroup-daily-bytes"), if began { vec!["adhoc"] } else { vec![] });
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
    // One query every ten seconds, of which those matter that lie within the ten hours that a query can live, or within
    // this day in UTC: the bytes of a day are counted from its beginning.
    sandbox.athena.seed_history("etl", 10_000, Duration::from_secs(10), Duration::from_secs(10));
    // They began to run in the past, so no signal tells of them.
    let active: Vec<String> = (1..=40).map(|n| query(&sandbox, "etl", Duration::from_secs(n))).collect();
    let calls = |operation: &str| stage().world().calls().count_by(&sandbox.account.id, operation);
    let count = || (calls("ListQueryExecutions"), calls("BatchGetQueryExecution"));
    let before = count();
    let seconds_of_today = u64::try_from(stage::timeline::now().as_second().rem_euclid(86_400)).unwrap();
    sandbox.sweep().unwrap();
    let cold = (count().0 - before.0, count().1 - before.1);
    let pages = seconds_of_today.max(36_000) / 10 / 50 + 4;
    assert!(cold.0 <= pages && cold.1 <= pages, "cold: {cold:?} lists and gets, {pages} pages matter");
    let before = count();
    sandbox.sweep().unwrap();
    let warm = (count().0 - before.0, count().1 - before.1);
    // Two workgroups, `etl` and `primary`, and forty active queries.
    assert!(warm.0 <= 2 && warm.1 <= 1, "warm: {warm:?} lists and gets");
    assert!(active.iter().all(|id| view(&sandbox, id).state == QueryState::Running));
}
