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
}

impl Signs for FakeTable {
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
            hub: hub(),
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

fn hub() -> Hub {
    Hub { account: "999999999999".to_owned(), region: "eu-west-1".to_owned() }
}

/// The samples of what a sandbox says, and of what the hub itself says of one.
const REPORTS: &[&str] = &[
    "action",
    "availability-change",
    "closing-soon",
    "configuration-rejected",
    "finding",
    "function-failed",
    "heartbeat",
    "lock-released",
    "part-closed",
    "sandbox-locked",
    "spend",
    "spend-action",
    "spend-finding",
    "window-rejected",
    "window-updated",
];

#[test]
fn each_report_becomes_its_row() {
    for name in REPORTS {
        let mut run = Run::at(NOW);
        run.handle(sample(name)).unwrap();
        insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(*name, run.table()) });
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

/// What stands in this row of the sample's sandbox after these events.
fn row_after(sk: &str, events: &[Value]) -> BTreeMap<String, Cell> {
    let mut run = Run::at(NOW);
    for event in events {
        run.handle(event.clone()).unwrap();
    }
    run.rows().remove(&("111111111111/eu-west-1".to_owned(), sk.to_owned())).unwrap_or_default()
}

/// A change of the sandbox as a whole at this second.
fn change(change: &str, state: &str, second: u8) -> Value {
    let mut event = sample("availability-change");
    event["detail"]["id"] = json!(format!("availability/{change}/{second}"));
    event["detail"]["occurred_at"] = json!(format!("2026-11-20T09:34:{second:02}Z"));
    event["detail"]["change"] = json!(change);
    event["detail"]["state"] = json!(state);
    event
}

#[test]
fn where_the_sandbox_stands_is_said_by_the_newest_change_of_it() {
    let check = |events: &[Value], state: &str, said: &str, since: i64| {
        let mut reversed = events.to_vec();
        reversed.reverse();
        for events in [events, &reversed] {
            let row = row_after("availability", events);
            let text = |name: &str| match row.get(name) {
                Some(Cell::Text(text)) => text.clone(),
                other => panic!("`{name}` is {other:?}"),
            };
            assert_eq!((text("state").as_str(), text("change").as_str()), (state, said));
            assert_eq!(row["occurred_at"], Cell::Number(1_795_167_240_000 + since * 1000));
            assert!(!row.contains_key("expires_at"), "it holds until the next");
        }
    };
    let (closing, closed) = (change("closing", "closing", 1), change("closed", "closed", 9));
    check(std::slice::from_ref(&closing), "closing", "closing", 1);
    check(&[closing.clone(), closed.clone()], "closed", "closed", 9);
    check(&[closing.clone(), change("failed", "closing", 5)], "closing", "failed", 5);
    let mut opening = vec![closing.clone(), closed.clone(), change("opening", "opening", 20)];
    check(&opening, "opening", "opening", 20);
    opening.push(change("opened", "open", 30));
    check(&opening, "open", "opened", 30);
    // What only a part says, what is refused, announced or asked for does not change it, however new.
    let mut part = change("part_closed", "closing", 40);
    part["detail"]["part"] = json!("notebooks");
    let others = ["refused", "closing_soon", "closing_called_off", "window_updated", "locked", "lock_released"];
    for other in others.map(|other| change(other, "open", 40)).into_iter().chain([part]) {
        check(&[closing.clone(), closed.clone(), other], "closed", "closed", 9);
    }
    assert_eq!(row_after("availability", &[sample("sandbox-locked")]), BTreeMap::new());
}

#[test]
fn a_lock_holds_until_it_is_released_and_every_lock_by_itself() {
    let lock = |sample_name: &str, lock: &str, second: u8| {
        let mut event = sample(sample_name);
        let change = event["detail"]["change"].as_str().unwrap().to_owned();
        event["detail"]["id"] = json!(format!("availability/{change}/command/{lock}-{second}"));
        event["detail"]["occurred_at"] = json!(format!("2026-11-20T09:34:{second:02}Z"));
        event["detail"]["lock"] = json!(lock);
        event
    };
    let check = |events: &[Value], name: &str, expected: Option<&str>| {
        let mut reversed = events.to_vec();
        reversed.reverse();
        for events in [events, &reversed] {
            let row = row_after(&format!("lock/{name}"), events);
            assert_eq!(row.get("status").cloned(), expected.map(|status| Cell::Text(status.to_owned())), "{name}");
            assert_eq!(row.contains_key("expires_at"), expected == Some("released"), "{name}");
        }
    };
    let locked = lock("sandbox-locked", "budget", 1);
    check(std::slice::from_ref(&locked), "budget", Some("held"));
    check(std::slice::from_ref(&locked), "audit", None);
    let released = lock("lock-released", "budget", 2);
    check(&[locked.clone(), released.clone()], "budget", Some("released"));
    let again = lock("sandbox-locked", "budget", 3);
    check(&[locked.clone(), released.clone(), again], "budget", Some("held"));
    let other = lock("lock-released", "audit", 3);
    check(&[locked, other.clone()], "budget", Some("held"));
    check(&[released, other], "audit", Some("released"));
}

#[test]
fn an_answer_to_a_command_of_the_hub_stands_beside_the_command() {
    let check = |name: &str, id: &str, sk: &str, status: Option<&str>| {
        let mut event = sample(name);
        event["detail"]["id"] = json!(id);
        let row = row_after(sk, &[event]);
        assert_eq!(row.get("status").cloned(), status.map(|status| Cell::Text(status.to_owned())), "{id}");
    };
    let (accepted, rejected) = (Some("accepted"), Some("rejected"));
    check("window-updated", "availability/window_updated/command/a-1", "command/a-1/answer", accepted);
    check("sandbox-locked", "availability/locked/command/a-1", "command/a-1/answer", accepted);
    check("lock-released", "availability/lock_released/command/a-1", "command/a-1/answer", accepted);
    check("window-rejected", "configuration/availability/window/command/a-1", "command/a-1/answer", rejected);
    // Nobody asked: a lock that was set in the sandbox, a workflow, a parameter that happens to be called so.
    check("sandbox-locked", "availability/locked/by-hand", "command/by-hand/answer", None);
    check("sandbox-locked", "availability/locked/command/", "command//answer", None);
    check("availability-change", "availability/closed/command/a-1", "command/a-1/answer", None);
    let parameter = "configuration/sandbox-guardrails/athena/athena-query-runtime/limit/command/4";
    check("configuration-rejected", parameter, "command/4/answer", None);
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
    for name in REPORTS.iter().filter(|name| **name != "function-failed").chain(&["forged-account", "forged-spend"]) {
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
        sample("forged-spend"),
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
fn the_alarm_is_for_the_hub_too_which_is_no_sandbox() {
    let mut run = Run::at(NOW);
    let of_hub = |name: &str| {
        let mut event = sample(name);
        event["account"] = json!("999999999999");
        match name {
            "heartbeat" => {
                event["detail"]["sandbox"]["account"] = json!("999999999999");
                event["detail"]["function"] = json!("spend-meter");
            }
            _ => {
                let arn = "arn:aws:lambda:eu-west-1:999999999999:function:sandbox-guardrails-spend-meter";
                event["detail"]["requestContext"]["functionArn"] = json!(arn);
            }
        }
        event
    };
    run.handle(of_hub("heartbeat")).unwrap();
    run.handle(sample("health-check")).unwrap();
    run.handle(of_hub("function-failed")).unwrap();
    run.handle(sample("health-check")).unwrap();
    assert_eq!(run.measured(), [(0, 0), (1, 0)]);
}

#[test]
fn one_query_for_a_month_shows_every_sandbox_in_brief() {
    let mut run = Run::at(NOW);
    for account in ["111111111111", "222222222222"] {
        let mut event = sample("spend");
        event["detail"]["sandbox"]["account"] = json!(account);
        run.handle(event).unwrap();
    }
    let rows = run.rows();
    let of_month: Vec<_> = rows.iter().filter(|((pk, _), _)| pk == "spend/2026-11").collect();
    assert_eq!(
        of_month.iter().map(|((_, sk), _)| sk.as_str()).collect::<Vec<_>>(),
        ["111111111111/eu-west-1", "222222222222/eu-west-1"]
    );
    let whole = &rows[&("111111111111/eu-west-1".to_owned(), "spend/2026-11".to_owned())];
    for (name, cell) in whole.iter().filter(|(name, _)| *name != "detail") {
        assert_eq!(of_month[0].1.get(name), Some(cell), "{name} stands in both");
    }
}

#[test]
fn a_table_that_cannot_be_reached_fails_the_run_and_writes_no_metric() {
    let mut run = Run::at(NOW);
    run.handle(sample("heartbeat")).unwrap();
    run.table.denied.set(true);
    for (name, operation, times) in [
        ("health-check", "dynamodb:Query", 1),
        ("finding", "dynamodb:UpdateItem", 1),
        ("sandbox-locked", "dynamodb:UpdateItem", 3),
        ("spend", "dynamodb:UpdateItem", 2),
    ] {
        let problems = run.handle(sample(name)).unwrap_err();
        let each = vec![failed(operation, CallErrorKind::Denied); times];
        assert_eq!(problems, each.into(), "{name}: every row is tried");
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
    let mut feed = Feed { table, metrics: Closed, silence_after: SignedDuration::from_mins(15), hub: hub() };
    let invocation = Invocation { id: "run".to_owned(), event: sample("health-check"), now, deadline: now };
    assert_eq!(block_on(feed.handle(invocation)).unwrap_err().worst(), "Unavailable");
}

/// Events of few ids and few instants, so that states of one row meet, many of them in one instant.
fn events() -> impl Strategy<Value = Vec<Value>> {
    let event = (prop::sample::select(REPORTS), 0..3_u8, 0..4_u8, any::<bool>(), 0..3_u8);
    let event = event.prop_map(|(name, id, instant, scoped, said)| {
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
            "spend" => {
                detail["month"] = json!(format!("2026-1{id}-01"));
                detail["business_unit"] = if scoped { json!(format!("unit {said}")) } else { json!(null) };
            }
            "window-rejected" => {
                detail["id"] = json!(format!("configuration/availability/window/command/{id}"));
            }
            _ if !detail["change"].is_null() => {
                // One kind of change takes the place of another of its row, and says something or does not.
                let others =
                    [("closed", "opened"), ("closing_soon", "closing_called_off"), ("locked", "lock_released")];
                let other = others
                    .iter()
                    .find(|(one, other)| scoped && (detail["change"] == *one || detail["change"] == *other));
                let change =
                    other.map_or(detail["change"].clone(), |(one, other)| json!(if said == 0 { one } else { other }));
                detail["id"] = json!(format!("availability/{}/command/{id}", change.as_str().unwrap()));
                detail["change"] = change;
                detail["reason"] = if scoped { json!(format!("reason {said}")) } else { json!(null) };
            }
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

fn read(table: &str, minutes: &str, account: &str) -> Result<FeedSettings, String> {
    let mut environment = Environment::new(|key: &str| match key {
        "CONSOLE_TABLE" => Some(table.to_owned()),
        "HUB_ACCOUNT" => Some(account.to_owned()),
        "AWS_REGION" => Some("eu-west-1".to_owned()),
        "SILENCE_AFTER_MINUTES" => Some(minutes.to_owned()),
        _ => None,
    });
    let settings = FeedSettings::read(&mut environment);
    environment.finish(settings).map_err(|faults| faults.to_string())
}

#[test]
fn settings_are_read_and_every_fault_is_named() {
    let silence_after = SignedDuration::from_mins(15);
    let expected = FeedSettings { table: "console".to_owned(), silence_after, hub: hub() };
    assert_eq!(read("console", "15", "999999999999"), Ok(expected));
    for minutes in ["0", "-1", "1.5", "quarter of an hour"] {
        let expected = format!(
            "the environment is not as expected: `CONSOLE_TABLE` is missing; \
             `SILENCE_AFTER_MINUTES` is `{minutes}`, expected a whole number of minutes, at least 1; \
             `HUB_ACCOUNT` is missing"
        );
        assert_eq!(read("", minutes, ""), Err(expected));
    }
}
