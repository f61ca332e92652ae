//! One delivery is read from the bucket, and says what was spent, or why it cannot be read.

use lambda::fakes::block_on;

use super::*;
use crate::fakes::exports::{FakeExports, FakeQueries, Line, csv};
use crate::fakes::{FakeHub, RETAIL, STRANGER, TRADING};

const LINES: [Line<'static>; 4] = [
    (RETAIL, "AmazonAthena", "jo", "2026-11-03", "1.25"),
    (RETAIL, "AmazonAthena", "ana", "2026-11-04", "1.81E-8"),
    (RETAIL, "AmazonSageMaker", "jo", "2026-11-04", "10"),
    (STRANGER, "AmazonS3", "", "2026-11-04", "99"),
];

/// A bucket, and a reader of it.
struct Stage {
    hub: FakeHub,
    known: Deliveries,
}

impl Stage {
    fn new() -> Self {
        Self { hub: FakeHub::at("2026-11-05T06:00:00Z"), known: Deliveries::default() }
    }

    fn reader(&self) -> Reader<FakeExports, FakeQueries> {
        let charges = self.hub.charges.get();
        Reader {
            exports: self.hub.exports.clone(),
            queries: self.hub.queries.clone(),
            kind: self.hub.kind.get(),
            counted: Counted { charges, exclude: BTreeSet::new(), owner_tag: "owner".to_owned() },
            athena_above: self.hub.athena_above.get(),
        }
    }

    /// What landed under a key, as the bucket lists it.
    fn listed(&self, key: &str) -> Landed {
        let landed = block_on(self.hub.exports.landed(&[key])).unwrap();
        landed.into_iter().next().unwrap()
    }

    fn read_as(&self, landed: &Landed) -> Result<Read, Unread> {
        block_on(self.reader().read(landed, &self.known, moment("2026-11-05T07:00:00Z")))
    }

    fn read(&self, key: &str) -> Result<Read, Unread> {
        self.read_as(&self.listed(key))
    }

    /// Puts what was read in force.
    fn obey(&mut self, key: &str, read: &Read) {
        let landed = self.listed(key);
        let counted = self.reader().counted.to_string();
        let delivery = Delivery { version: read.version.clone(), counted, ..in_force(&landed) };
        self.known.months.insert(read.month, delivery);
    }

    fn wrong(&self, key: &str) -> String {
        match self.read(key) {
            Err(Unread::Wrong(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    fn failed(&self, key: &str) -> CallError {
        match self.read(key) {
            Err(Unread::Failed(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_delivery_says_what_was_spent() {
    let stage = Stage::new();
    let key = stage.hub.exports.deliver("2026-11", "run-1", &LINES);
    let read = stage.read(&key).unwrap();
    assert_eq!((read.month, read.version.as_str(), read.summary.lines), (day("2026-11-01"), "run-1", 4));
    assert_eq!(read.summary.total().to_string(), "110.2500000181");

    let accounts = [RETAIL, TRADING].map(str::to_owned).into();
    let figures = figures_of(&read, &accounts, moment("2026-11-05T06:00:00Z"));
    assert_eq!(figures.keys().collect::<Vec<_>>(), [RETAIL, TRADING], "of nobody else");
    let retail = &figures[RETAIL];
    let days = retail.days().into_iter().map(|(day, amount)| format!("{day} {amount}")).collect::<Vec<_>>();
    assert_eq!(days, ["2026-11-03 1.25", "2026-11-04 10.0000000181"]);
    assert_eq!(retail.total().to_string(), "11.2500000181");
    assert_eq!(
        retail.owners.iter().map(|(owner, sum)| format!("{owner} {sum}")).collect::<Vec<_>>(),
        ["ana 0.0000000181", "jo 11.25"]
    );
    assert_eq!(retail.covered_until, moment("2026-11-05T00:00:00Z"));
    assert_eq!((retail.usage.len(), retail.usage[0].unit.as_str()), (3, "Hrs"));
    // Who is not named has spent nothing, as far as the delivery knows.
    let trading = &figures[TRADING];
    assert_eq!((trading.total(), trading.covered_until), (Amount::zero(), retail.covered_until));
}

#[test]
fn a_delivery_without_lines_says_that_nothing_was_spent() {
    let stage = Stage::new();
    let read = stage.read(&stage.hub.exports.deliver("2026-11", "run-1", &[])).unwrap();
    let figures = figures_of(&read, &[RETAIL.to_owned()].into(), moment("2026-11-05T06:00:00Z"));
    assert_eq!(figures[RETAIL].total(), Amount::zero());
    assert_eq!(figures[RETAIL].covered_until, moment("2026-11-01T00:00:00Z"));
    assert_eq!(figures[RETAIL].currency, Currency::USD);
}

#[test]
fn the_same_again_and_an_older_one_are_superseded_before_they_are_read() {
    let mut stage = Stage::new();
    let first = stage.hub.exports.deliver_beside("2026-11", "run-1", &LINES);
    stage.hub.pass(3600);
    let second = stage.hub.exports.deliver_beside("2026-11", "run-2", &LINES);
    let read = stage.read(&second).unwrap();
    stage.obey(&second, &read);
    stage.hub.exports.reads.borrow_mut().clear();
    assert_eq!(stage.read(&first), Err(Unread::Superseded), "it is older");
    assert_eq!(stage.read(&second), Err(Unread::Superseded), "it is in force");
    // The legacy report puts its manifest twice: beside the files, and above them.
    stage.hub.pass(5);
    let above = stage.hub.exports.deliver("2026-11", "run-2", &LINES);
    assert_eq!(stage.read(&above), Err(Unread::Superseded), "it is the same");
    assert_eq!(*stage.hub.exports.reads.borrow(), [""; 0]);
    // Counted in another way the one in force is read again, and the older one still is not.
    stage.hub.charges.set(Charges::NetUnblended);
    assert_eq!(stage.read(&first), Err(Unread::Superseded));
    assert!(matches!(stage.read(&second), Err(Unread::Wrong(why)) if why.contains("line_item_net_unblended_cost")));
}

#[test]
fn a_single_file_is_a_delivery_by_itself() {
    let mut stage = Stage::new();
    stage.hub.kind.set(Kind::SingleFile);
    stage.hub.exports.put("exports/costs.csv", csv("EUR", &LINES));
    let read = stage.read("exports/costs.csv").unwrap();
    assert_eq!((read.month, read.version.as_str()), (day("2026-11-01"), "etag-1"));
    assert_eq!(read.summary.currency, Some("EUR".parse().unwrap()));
    stage.obey("exports/costs.csv", &read);
    assert_eq!(stage.read("exports/costs.csv"), Err(Unread::Superseded));
    let listed = stage.listed("exports/costs.csv");
    stage.hub.exports.delete("exports/costs.csv");
    stage.known = Deliveries::default();
    assert_eq!(stage.read_as(&listed), Err(Unread::Superseded), "it was taken away meanwhile");
    stage.hub.exports.put("exports/costs.csv", csv("EUR", &[]));
    assert_eq!(
        stage.wrong("exports/costs.csv"),
        "`exports/costs.csv` has no lines, so it does not tell which month it is of"
    );
}

#[test]
fn each_fault_is_named() {
    let good = csv("USD", &LINES);
    let truncated = format!("PAR1{good}");
    let no_column = good.replace("line_item_unblended_cost", "line_item_other_cost");
    let no_number = good.replace("1.81E-8", "much");
    let mixed = format!("{good}{}", csv("EUR", &LINES).lines().nth(1).unwrap());
    let file = "s3://cost-exports/exports/costs/data/BILLING_PERIOD=2026-11/costs-1.csv";
    for (content, faults) in [
        (truncated.as_str(), &[file, "truncated or damaged"][..]),
        ("", &[file, "no cost export that is known"]),
        ("<html>", &[file, "no cost export that is known"]),
        (&no_column, &[file, "column `line_item_unblended_cost`", "line 1"]),
        (&no_number, &[file, "column `line_item_unblended_cost`", "line 3", "`much`"]),
        (&mixed, &[file, "line 6", "the currency is `EUR` where it was `USD`"]),
    ] {
        let stage = Stage::new();
        let key = stage.hub.exports.deliver_in("2026-11", "", "run-1", content);
        let why = stage.wrong(&key);
        assert!(faults.iter().all(|fault| why.contains(fault)), "{why}");
    }
    for (manifest, fault) in [
        ("{", "a manifest is a JSON object"),
        ("{}", "dataFiles"),
        (r#"{"dataFiles": [7]}"#, "the name of a file"),
        (r#"{"dataFiles": [], "billingPeriod": "soon"}"#, "the beginning of a month"),
    ] {
        let stage = Stage::new();
        let key = manifest_key("2026-11", "");
        stage.hub.exports.put(&key, manifest);
        let why = stage.wrong(&key);
        assert!(why.contains(fault) && why.contains(&key), "{why}");
    }
}

#[test]
fn a_file_that_is_not_there_may_still_come() {
    let stage = Stage::new();
    let key = stage.hub.exports.deliver("2026-11", "run-1", &LINES);
    let data = "exports/costs/data/BILLING_PERIOD=2026-11/costs-1.csv";
    stage.hub.exports.delete(data);
    let error = stage.failed(&key);
    assert_eq!(error.kind, CallErrorKind::Missing);
    assert_eq!(error.message, format!("`{key}` lists the file `{data}`, which is not there"));
    stage.hub.exports.put(data, csv("USD", &LINES));
    assert_eq!(stage.read(&key).unwrap().summary.lines, 4);
}

#[test]
fn what_cannot_be_fetched_may_be_fetched_another_time() {
    for call in ["s3:GetObject", "s3:HeadObject"] {
        let stage = Stage::new();
        let key = stage.hub.exports.deliver("2026-11", "run-1", &LINES);
        stage.hub.exports.faults.fail(call, 0, 1);
        assert_eq!(stage.failed(&key).kind, CallErrorKind::Unavailable, "{call}");
        assert!(stage.read(&key).is_ok(), "{call}");
    }
    let stage = Stage::new();
    let key = stage.hub.exports.deliver("2026-11", "run-1", &LINES);
    stage.hub.exports.break_off(true);
    let error = stage.failed(&key);
    assert!(error.message.contains("costs-1.csv`: it cannot be read: the answer breaks off"), "{error}");
    stage.hub.exports.break_off(false);
    assert!(stage.read(&key).is_ok());
    // Another manifest has taken its place between the list and now.
    let listed = stage.listed(&key);
    stage.hub.exports.deliver("2026-11", "run-2", &LINES);
    assert!(matches!(stage.read_as(&listed), Err(Unread::Failed(error)) if error.message.contains("was replaced")));
    // It was taken away.
    stage.hub.exports.delete(&key);
    assert_eq!(stage.read_as(&listed), Err(Unread::Superseded));
}

#[test]
fn a_large_delivery_is_asked_of_athena_and_says_the_same() {
    let stage = Stage::new();
    let key = stage.hub.exports.deliver("2026-11", "run-1", &LINES);
    let bytes = u64::try_from(csv("USD", &LINES).len()).unwrap();
    stage.hub.athena_above.set(bytes);
    let read = stage.read(&key).unwrap();
    assert_eq!(*stage.hub.queries.asked.borrow(), []);
    stage.hub.athena_above.set(bytes - 1);
    assert_eq!(stage.read(&key), Ok(read));
    assert_eq!(*stage.hub.queries.asked.borrow(), [day("2026-11-01")]);
    stage.hub.queries.faults.fail("athena:StartQueryExecution", 0, 1);
    assert_eq!(stage.failed(&key).operation, "athena:StartQueryExecution");
}
