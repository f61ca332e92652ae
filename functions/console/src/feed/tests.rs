//! The feed from event to table, with the sample events and with every order of any events.

use std::cell::{Cell as Mutable, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use guardrail::Event;
use lambda::fakes::{block_on, failed};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::health::Sign;
use crate::row::{Cell, HEALTH};

type Rows = BTreeMap<(String, String), BTreeMap<String, Cell>>;

/// The table in memory: an update under the condition of the real one.
#[derive(Clone, Debug, Default)]
struct FakeTable {
    rows: Rc<RefCell<Rows>>,
    denied: Rc<Mutable<bool>>,
}

impl FakeTable {
    fn call(&self, operation: &'static str) -> Result<(), CallError> {
        if self.denied.get() { Err(failed(operation, CallErrorKind::Denied)) } else { Ok(()) }
    }
}

impl Table for FakeTable {
    async fn upsert(&self, row: &Row) -> Result<bool, CallError> {
        self.call("dynamodb:UpdateItem")?;
        let mut rows = self.rows.borrow_mut();
        let item = rows.entry((row.pk.clone(), row.sk.clone())).or_default();
        if let (Some(Cell::Number(at)), Some(Cell::Text(detail))) = (item.get("occurred_at"), item.get("detail"))
            && (*at, detail) >= (row.occurred_at.as_millisecond(), &row.detail)
        {
            return Ok(false);
        }
        for (name, cell) in row.attributes() {
            match cell {
                Some(cell) => drop(item.insert(name.to_owned(), cell)),
                None => drop(item.remove(name)),
            }
        }
        Ok(true)
    }

    async fn signs(&self) -> Result<Vec<Sign>, CallError> {
        self.call("dynamodb:Query")?;
        let rows = self.rows.borrow();
        let signs = rows.iter().filter(|((pk, _), _)| pk == HEALTH).map(|(_, row)| Sign::read(row).unwrap());
        Ok(signs.collect())
    }
}

fn sample(name: &str) -> Value {
    let path = format!("{}/../../events/console-feed/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What the table and the log say after these events, the last of them handled at `now`.
struct Run {
    table: FakeTable,
    metrics: Vec<u8>,
    now: Timestamp,
}

impl Run {
    fn at(now: &str) -> Self {
        Self { table: FakeTable::default(), metrics: Vec::new(), now: now.parse().unwrap() }
    }

    fn handle(&mut self, event: Value) -> Result<(), Problems> {
        let invocation = Invocation {
            id: "run".to_owned(),
            event,
            now: self.now,
            deadline: self.now + SignedDuration::from_secs(25),
        };
        let mut feed = Feed {
            table: self.table.clone(),
            metrics: &mut self.metrics,
            silence_after: SignedDuration::from_mins(15),
        };
        block_on(feed.handle(invocation))
    }

    fn rows(&self) -> Rows {
        self.table.rows.borrow().clone()
    }

    /// The table as JSON, for snapshots; the details as what they hold, since the order of their fields is not ours.
    fn table(&self) -> Value {
        let value = |name: &str, cell: &Cell| match cell {
            Cell::Text(text) if name == "detail" => serde_json::from_str(text).unwrap(),
            Cell::Text(text) => json!(text),
            Cell::Number(number) => json!(number),
        };
        let rows = self.rows().into_iter().map(|((pk, sk), row)| {
            let row: BTreeMap<_, _> = row.iter().map(|(name, cell)| (name, value(name, cell))).collect();
            (format!("{pk} | {sk}"), json!(row))
        });
        rows.collect()
    }

    /// The metrics written: unhealthy and seen, a pair for each check.
    fn measured(&self) -> Vec<(u64, u64)> {
        let lines = std::str::from_utf8(&self.metrics).unwrap().lines();
        let lines = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| (line["SandboxesUnhealthy"].as_u64().unwrap(), line["SandboxesSeen"].as_u64().unwrap()))
            .collect()
    }
}

const NOW: &str = "2026-11-20T09:35:00Z";

#[test]
fn each_report_becomes_its_row() {
    for name in ["finding", "action", "heartbeat", "configuration-rejected", "function-failed"] {
        let mut run = Run::at(NOW);
        run.handle(sample(name)).unwrap();
        insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(name, run.table()) });
        assert_eq!(run.measured(), [], "{name}");
    }
}

#[test]
fn an_owner_that_follows_later_is_in_the_row_whichever_comes_first() {
    let first = sample("finding");
    let mut owned = sample("finding");
    owned["detail"]["occurred_at"] = json!("2026-11-20T09:33:00Z");
    owned["detail"]["owner"] = json!("ana");
    for events in [[first.clone(), owned.clone()], [owned, first]] {
        let mut run = Run::at(NOW);
        for event in events {
            run.handle(event).unwrap();
        }
        let rows = run.rows();
        let [row] = rows.values().collect::<Vec<_>>()[..] else { panic!("{rows:?}") };
        assert_eq!(row["owner"], Cell::Text("ana".to_owned()));
    }
}

#[test]
fn each_episode_of_a_condition_has_a_row_of_its_own() {
    let mut run = Run::at(NOW);
    for began in ["2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z"] {
        let mut event = sample("finding");
        event["detail"]["id"] = json!(format!("emr-instance-types/j-1/100/{began}"));
        event["detail"]["episode"] = json!(began);
        run.handle(event).unwrap();
    }
    assert_eq!(run.rows().len(), 2);
}

#[test]
fn samples_of_reports_are_what_a_sandbox_sends() {
    for name in ["finding", "action", "heartbeat", "configuration-rejected", "forged-account"] {
        let event = sample(name);
        let detail_type = event["detail-type"].as_str().unwrap();
        let read = Event::from_detail(detail_type, event["detail"].clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), event["detail"], "{name}");
        assert_eq!(read.detail_type(), detail_type);
    }
}

#[test]
fn what_is_forged_or_malformed_is_neither_kept_nor_tried_again() {
    let mut run = Run::at(NOW);
    for event in [
        sample("forged-account"),
        sample("malformed-finding"),
        json!({"source": "sandbox.guardrails", "detail-type": "Guardrail Rumour", "detail": {}}),
        json!({"source": "sandbox.guardrails"}),
        json!("not an event"),
        json!(null),
    ] {
        run.handle(event).unwrap();
    }
    assert_eq!(run.rows(), Rows::new());
    assert_eq!(run.measured(), []);
}

#[test]
fn a_health_check_measures_every_time_and_changes_no_row() {
    let mut run = Run::at(NOW);
    let check = |run: &mut Run, now: &str| {
        run.now = now.parse().unwrap();
        run.handle(sample("health-check")).unwrap();
        *run.measured().last().unwrap()
    };
    assert_eq!(check(&mut run, NOW), (0, 0));
    run.handle(sample("heartbeat")).unwrap();
    let rows = run.rows();
    assert_eq!(check(&mut run, NOW), (0, 1));
    assert_eq!(run.rows(), rows);
    run.handle(sample("function-failed")).unwrap();
    assert_eq!(check(&mut run, NOW), (1, 1), "the watch fails");
    let mut later = sample("heartbeat");
    later["detail"]["occurred_at"] = json!("2026-11-20T09:36:00Z");
    run.handle(later).unwrap();
    assert_eq!(check(&mut run, "2026-11-20T09:36:30Z"), (0, 1), "the watch is well again");
    assert_eq!(check(&mut run, "2026-11-20T09:51:00Z"), (0, 1));
    assert_eq!(check(&mut run, "2026-11-20T09:51:01Z"), (1, 1), "the watch is silent");
    assert_eq!(check(&mut run, "2026-11-27T09:36:00Z"), (0, 0), "the sandbox is forgotten");
}

#[test]
fn a_table_that_cannot_be_reached_fails_the_run_and_writes_no_metric() {
    let mut run = Run::at(NOW);
    run.handle(sample("heartbeat")).unwrap();
    run.table.denied.set(true);
    for (name, operation) in [("health-check", "dynamodb:Query"), ("finding", "dynamodb:UpdateItem")] {
        let problems = run.handle(sample(name)).unwrap_err();
        assert_eq!(problems, failed(operation, CallErrorKind::Denied).into(), "{name}");
    }
    assert_eq!(run.measured(), []);
}

#[test]
fn metrics_that_cannot_be_written_fail_the_run() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (table, now) = (FakeTable::default(), NOW.parse().unwrap());
    let mut feed = Feed { table, metrics: Closed, silence_after: SignedDuration::from_mins(15) };
    let invocation = Invocation { id: "run".to_owned(), event: sample("health-check"), now, deadline: now };
    assert_eq!(block_on(feed.handle(invocation)).unwrap_err().worst(), "Unavailable");
}

/// Events of few ids and few instants, so that states of one row meet, many of them in one instant.
fn events() -> impl Strategy<Value = Vec<Value>> {
    let names =
        prop::sample::select(vec!["finding", "action", "heartbeat", "configuration-rejected", "function-failed"]);
    let event = (names, 0..3_u8, 0..4_u8, any::<bool>(), 0..3_u8).prop_map(|(name, id, instant, scoped, said)| {
        let mut event = sample(name);
        let at = json!(format!("2026-11-20T09:30:00.00{instant}Z"));
        let detail = &mut event["detail"];
        if name == "function-failed" {
            detail["timestamp"] = at;
            detail["requestContext"]["requestId"] = json!(format!("{id}{said}"));
            detail["responsePayload"] = json!({"errorMessage": format!("said {id}{said}")});
            return event;
        }
        detail["occurred_at"] = at;
        detail["sandbox"]["alias"] = json!(format!("alias {said}"));
        match name {
            "heartbeat" => detail["function"] = json!(format!("watch-{id}")),
            _ => detail["id"] = json!(format!("id-{id}")),
        }
        if name == "finding" || name == "action" {
            detail["scope"] = if scoped { json!(format!("scope {said}")) } else { json!(null) };
        }
        event
    });
    prop::collection::vec(event, 1..12)
}

proptest! {
    #[test]
    fn any_order_and_any_repetition_end_in_the_same_table(
        (once, again) in events().prop_flat_map(|events| {
            let twice = events.iter().chain(&events).cloned().collect::<Vec<_>>();
            (Just(events), Just(twice).prop_shuffle())
        })
    ) {
        let tables = [once, again].map(|events| {
            let mut run = Run::at(NOW);
            for event in events {
                run.handle(event).unwrap();
            }
            run.rows()
        });
        prop_assert_eq!(&tables[0], &tables[1]);
    }
}

fn read(table: &str, minutes: &str) -> Result<FeedSettings, String> {
    let mut environment = Environment::new(|key: &str| match key {
        "CONSOLE_TABLE" => Some(table.to_owned()),
        "SILENCE_AFTER_MINUTES" => Some(minutes.to_owned()),
        _ => None,
    });
    let settings = FeedSettings::read(&mut environment);
    environment.finish(settings).map_err(|faults| faults.to_string())
}

#[test]
fn settings_are_read_and_every_fault_is_named() {
    let settings = read("console", "15").unwrap();
    assert_eq!(settings, FeedSettings { table: "console".to_owned(), silence_after: SignedDuration::from_mins(15) });
    for minutes in ["0", "-1", "1.5", "quarter of an hour"] {
        let expected = format!(
            "the environment is not as expected: `CONSOLE_TABLE` is missing; \
             `SILENCE_AFTER_MINUTES` is `{minutes}`, expected a whole number of minutes, at least 1"
        );
        assert_eq!(read("", minutes), Err(expected));
    }
}
