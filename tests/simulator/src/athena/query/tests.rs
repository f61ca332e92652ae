//! What becomes of a query: its states over time, its figures, its cancellation.

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn query(spec: QuerySpec, cutoff: Option<u64>) -> Query {
    Query::new("id".into(), "primary".into(), &spec, "s3://results/".into(), cutoff, NOW)
}

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn a_query_queues_runs_and_ends() {
    let spec = QuerySpec { age: secs(10), queue: secs(4), runs_for: Some(secs(20)), ..QuerySpec::default() };
    let query = query(spec, None);
    let check = |at: u64, state: QueryState, queued: u64, ran: u64| {
        let now = NOW - secs(10) + secs(at);
        assert_eq!(query.state(now), state, "at {at} s");
        assert_eq!(query.times(now), (secs(queued), secs(ran)), "at {at} s");
        assert_eq!(query.view(now).data_scanned_in_bytes, ran * SCAN_RATE, "at {at} s");
    };
    check(0, QueryState::Queued, 0, 0);
    check(3, QueryState::Queued, 3, 0);
    check(4, QueryState::Running, 4, 0);
    check(10, QueryState::Running, 4, 6);
    check(24, QueryState::Succeeded, 4, 20);
    check(99, QueryState::Succeeded, 4, 20);
}

#[test]
fn the_first_of_own_end_cutoff_and_limit_ends_it() {
    let check = |runs_for: Option<u64>, cutoff: Option<u64>, sql: &str, ends_after: u64, state: QueryState| {
        let spec = QuerySpec { runs_for: runs_for.map(secs), sql: sql.to_owned(), ..QuerySpec::default() };
        let query = query(spec, cutoff);
        assert_eq!((query.end.at, query.end.state), (NOW + secs(ends_after), state), "{runs_for:?} {cutoff:?} {sql}");
    };
    check(Some(60), None, "SELECT 1", 60, QueryState::Succeeded);
    check(None, None, "SELECT 1", 240 * 60, QueryState::Cancelled);
    check(Some(300 * 60), None, "SELECT 1", 240 * 60, QueryState::Cancelled);
    check(Some(240 * 60), None, "SELECT 1", 240 * 60, QueryState::Succeeded);
    check(None, None, "CREATE TABLE t (i int)", 600 * 60, QueryState::Cancelled);
    check(Some(60), Some(3_000_000_000), "SELECT 1", 30, QueryState::Cancelled);
    check(Some(60), Some(6_000_000_000), "SELECT 1", 60, QueryState::Succeeded);
    check(Some(60), Some(10_000_000), "SHOW TABLES", 60, QueryState::Succeeded);
}

#[test]
fn a_stop_is_obeyed_once_and_in_its_own_time() {
    let mut query = query(QuerySpec { cancel_takes: secs(3), ..QuerySpec::default() }, None);
    query.stop(NOW + secs(5));
    query.stop(NOW + secs(6));
    assert_eq!(query.state(NOW + secs(7)), QueryState::Running);
    let view = query.view(NOW + secs(9));
    assert_eq!(view.state, QueryState::Cancelled);
    assert_eq!(view.completed_at, Some(NOW + secs(8)));
    assert_eq!(view.stopped_at, Some(NOW + secs(5)));
    query.stop(NOW + secs(10));
    assert_eq!(query.view(NOW + secs(10)).stop_calls, 3);
    assert_eq!(query.view(NOW + secs(10)).completed_at, Some(NOW + secs(8)));
}

#[test]
fn only_changes_from_now_on_are_announced() {
    let check = |spec: QuerySpec, expected: &[(&str, &str)]| {
        let mut query = query(spec.clone(), None);
        let events = query.announce(NOW + secs(1_000_000));
        let told: Vec<_> = events
            .iter()
            .map(|event| {
                let text = |key: &str| event.detail.get(key).and_then(Value::as_str).unwrap_or("-");
                (text("previousState").to_owned() + ">" + text("currentState"), text("sequenceNumber").to_owned())
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(told, expected, "{spec:?}");
        assert_eq!(query.announce(NOW + secs(1_000_000)), []);
    };
    let spec = QuerySpec { queue: secs(5), runs_for: Some(secs(5)), ..QuerySpec::default() };
    check(spec.clone(), &[("->QUEUED", "1"), ("QUEUED>RUNNING", "2"), ("RUNNING>SUCCEEDED", "3")]);
    check(QuerySpec { age: secs(1), ..spec.clone() }, &[("QUEUED>RUNNING", "2"), ("RUNNING>SUCCEEDED", "3")]);
    check(QuerySpec { age: secs(6), outcome: Outcome::Fails, ..spec.clone() }, &[("RUNNING>FAILED", "3")]);
    check(QuerySpec { age: secs(11), ..spec }, &[]);
}

#[test]
fn a_query_cancelled_in_the_queue_never_ran() {
    let mut query = query(QuerySpec { queue: secs(60), ..QuerySpec::default() }, None);
    query.stop(NOW + secs(1));
    let states: Vec<_> = query.changes().map(|(_, state)| state).collect();
    assert_eq!(states, [QueryState::Queued, QueryState::Cancelled]);
    assert_eq!(query.view(NOW + secs(2)).started_at, None);
}

#[test]
fn a_finished_query_ran_even_if_it_was_queued() {
    let mut query = query(QuerySpec { queue: secs(60), ..QuerySpec::default() }, None);
    query.finish(NOW + secs(1));
    let states: Vec<_> = query.changes().map(|(_, state)| state).collect();
    assert_eq!(states, [QueryState::Queued, QueryState::Running, QueryState::Succeeded]);
    assert_eq!(query.view(NOW + secs(1)).completed_at, Some(NOW + secs(1)));
}

#[test]
fn statements_are_told_by_their_first_words() {
    let check = |sql: &str, expected: (StatementType, Option<&str>)| assert_eq!(statement(sql), expected, "{sql}");
    check("select 1", (StatementType::Dml, Some("SELECT")));
    check("-- simulate: age 5m\nWITH a AS (SELECT 1) SELECT * FROM a", (StatementType::Dml, Some("SELECT")));
    check("CREATE TABLE t AS (SELECT 1)", (StatementType::Ddl, Some("CREATE_TABLE_AS_SELECT")));
    check("create external table t (i int)", (StatementType::Ddl, Some("CREATE_TABLE")));
    check("DROP TABLE t", (StatementType::Ddl, None));
    check("SHOW TABLES", (StatementType::Utility, Some("SHOW_TABLES")));
    check("", (StatementType::Utility, None));
}
