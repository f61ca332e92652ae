//! Owners as CloudTrail tells them: at once, later or never, at its pace and in what time a sweep has left.

use std::cell::RefCell;
use std::rc::Rc;

use guardrail::event::Event;
use serde_json::json;

use super::*;
use crate::fakes::replay::{Answer, Replay};
use crate::fakes::{FakeBus, FakeLedger, FakeTrail, ManualClock, at, block_on, breach, failed};

/// When the findings of these tests are reported; their queries were submitted at the epoch.
const START: i64 = 1800;
const MINUTE: i64 = 60;

/// A trail that notes when it was asked.
#[derive(Clone, Debug)]
struct ClockedTrail {
    trail: FakeTrail,
    clock: ManualClock,
    asked: Rc<RefCell<Vec<Timestamp>>>,
}

impl Trail for ClockedTrail {
    async fn calls(&self, event_name: &str, from: Timestamp, until: Timestamp) -> Result<Records, CallError> {
        self.asked.borrow_mut().push(self.clock.now());
        self.trail.calls(event_name, from, until).await
    }
}

/// A sandbox with a trail, and a function that looks for owners of Athena's findings.
struct Stage {
    clock: ManualClock,
    ledger: FakeLedger,
    bus: FakeBus,
    trail: ClockedTrail,
    outbox: Outbox<FakeLedger, FakeBus>,
    owners: Owners<ClockedTrail>,
}

impl Stage {
    fn new() -> Self {
        let clock = ManualClock::from(at(START));
        let (ledger, bus) = (FakeLedger::default(), FakeBus::default());
        let trail = ClockedTrail { trail: FakeTrail::default(), clock: clock.clone(), asked: Rc::default() };
        Self {
            outbox: Outbox::new(ledger.clone(), bus.clone()),
            owners: Owners::new(trail.clone(), Service::Athena),
            clock,
            ledger,
            bus,
            trail,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self, seconds: i64) {
        self.clock.set(self.now() + SignedDuration::from_secs(seconds));
    }

    /// Reports the breaches of these queries, as a sweep does before it looks for owners.
    fn report(&mut self, queries: &[&str]) {
        let now = self.now();
        let findings = queries.iter().map(|query| breach(query, now)).collect();
        block_on(self.outbox.report(findings, now)).unwrap();
        self.owners.expect_some();
    }

    /// CloudTrail delivers who submitted a query, a second after the epoch.
    fn deliver(&self, query: &str, who: &str) {
        self.trail.trail.deliver(at(1), record(query, who));
    }

    fn find_until(&mut self, deadline: Timestamp) -> Result<(), Problems> {
        block_on(self.owners.find(&mut self.outbox, &self.clock, deadline))
    }

    fn find(&mut self) -> Result<(), Problems> {
        self.find_until(self.now() + SignedDuration::from_secs(100))
    }

    /// What was told of each query: who owns it.
    fn owners(&self) -> BTreeMap<String, String> {
        let events = self.bus.events.borrow();
        let owned = events.iter().filter_map(|event| match event {
            Event::Finding(finding) => Some((finding.resource.id.clone(), finding.owner.clone()?)),
            _ => None,
        });
        owned.collect()
    }

    /// The queries whose owner is still looked for.
    fn unowned(&self) -> Vec<String> {
        let unowned = block_on(self.ledger.unowned()).unwrap();
        unowned.into_iter().map(|finding| finding.resource.id).collect()
    }

    fn lookups(&self) -> usize {
        self.trail.asked.borrow().len()
    }
}

fn record(query: &str, who: &str) -> Value {
    json!({
        "eventVersion": "1.09",
        "eventName": "StartQueryExecution",
        "userIdentity": {"type": "AssumedRole", "arn": format!("arn:aws:sts::111111111111:assumed-role/DataScientist/{who}")},
        "requestParameters": {"workGroup": "etl"},
        "responseElements": {"queryExecutionId": query},
    })
}

fn pairs(owners: &[(&str, &str)]) -> BTreeMap<String, String> {
    owners.iter().map(|(query, who)| ((*query).to_owned(), (*who).to_owned())).collect()
}

#[test]
fn an_owner_that_cloudtrail_knows_is_told_at_once_in_a_newer_state_of_the_finding() {
    let mut stage = Stage::new();
    stage.deliver("q1", "ana");
    stage.report(&["q1"]);
    stage.pass(1);
    stage.find().unwrap();
    let mut told = breach("q1", at(START));
    told.header.occurred_at = at(START + 1);
    told.owner = Some("ana".to_owned());
    told.principal = Some("arn:aws:sts::111111111111:assumed-role/DataScientist/ana".to_owned());
    assert_eq!(*stage.bus.events.borrow(), [breach("q1", at(START)).into(), told.clone().into()]);
    assert_eq!(block_on(stage.ledger.find(&told.header.id)), Ok(Some(told.into())));
    assert_eq!(stage.unowned(), Vec::<String>::new());
    stage.pass(11 * MINUTE);
    stage.find().unwrap();
    assert_eq!(stage.lookups(), 1, "nobody is looked for any more");
}

#[test]
fn an_owner_that_cloudtrail_delivers_later_is_told_later() {
    let mut stage = Stage::new();
    stage.report(&["q1"]);
    stage.find().unwrap();
    stage.deliver("q1", "ana");
    // The same resource is looked up again after two minutes, not with each sweep.
    stage.pass(119);
    stage.find().unwrap();
    assert_eq!((stage.owners(), stage.lookups()), (pairs(&[]), 1));
    stage.pass(1);
    stage.find().unwrap();
    assert_eq!((stage.owners(), stage.lookups()), (pairs(&[("q1", "ana")]), 2));
}

#[test]
fn an_owner_that_never_comes_is_given_up_after_two_hours() {
    let mut stage = Stage::new();
    stage.report(&["q1"]);
    for minute in 0..120 {
        stage.find().unwrap();
        assert_eq!(stage.unowned(), ["q1"], "minute {minute}");
        stage.pass(MINUTE);
    }
    stage.find().unwrap();
    assert_eq!(stage.unowned(), Vec::<String>::new());
    assert_eq!(stage.lookups(), 61, "every other minute");
    stage.deliver("q1", "ana");
    stage.pass(20 * MINUTE);
    stage.find().unwrap();
    assert_eq!((stage.owners(), stage.lookups()), (pairs(&[]), 61));
}

#[test]
fn all_findings_of_one_resource_cost_one_lookup() {
    let mut stage = Stage::new();
    stage.deliver("q1", "ana");
    let now = stage.now();
    let at_level = |percent: u16| {
        let mut finding = breach("q1", now);
        finding.header.id = format!("athena-query-runtime/q1/{percent}");
        finding.level.percent = percent;
        finding
    };
    block_on(stage.outbox.report([75, 95, 100].map(at_level).to_vec(), now)).unwrap();
    stage.pass(1);
    stage.find().unwrap();
    assert_eq!((stage.unowned(), stage.lookups()), (vec![], 1));
    let owned = stage.bus.events.borrow().iter().filter(|event| !event.awaits_owner()).count();
    assert_eq!(owned, 3);
}

#[test]
fn no_more_than_two_calls_are_made_in_a_second() {
    let mut stage = Stage::new();
    // Where the first answer did not hold the record, a second one is asked for, at the same pace.
    crowd(&stage, "q1");
    stage.report(&["q0", "q1", "q2", "q3"]);
    stage.find().unwrap();
    let asked = stage.trail.asked.borrow();
    assert_eq!(asked.len(), 8);
    let pauses = asked.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    assert!(pauses.into_iter().all(|pause| pause >= SignedDuration::from_millis(500)), "{asked:?}");
}

#[test]
fn what_there_is_no_time_for_is_left_to_the_next_sweep() {
    let mut stage = Stage::new();
    let queries = ["q0", "q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8", "q9"];
    queries.iter().for_each(|query| stage.deliver(query, "ana"));
    stage.report(&queries);
    stage.pass(1);
    let deadline = stage.now() + SignedDuration::from_secs(4);
    stage.find_until(deadline).unwrap();
    let found = stage.owners().len();
    assert!((3..=5).contains(&found), "{found} in the two seconds that are not kept back for telling");
    assert!(stage.now() < deadline);
    stage.find_until(stage.now() + SignedDuration::from_secs(1)).unwrap();
    assert_eq!(stage.owners().len(), found, "no time at all");
    stage.find().unwrap();
    assert_eq!((stage.owners().len(), stage.lookups()), (10, 10));
}

#[test]
fn one_run_looks_up_ten_resources_and_all_have_their_turn() {
    let mut stage = Stage::new();
    let queries: Vec<_> = (0..25).map(|query| format!("q{query:02}")).collect();
    stage.report(&queries.iter().map(String::as_str).collect::<Vec<_>>());
    stage.deliver("q24", "ana");
    // Nobody tells of the others, and they are looked up again after two minutes; the last one has its turn all the same.
    for (sweep, lookups) in [10, 20, 30, 40].into_iter().enumerate() {
        stage.find().unwrap();
        assert_eq!(stage.lookups(), lookups, "sweep {sweep}");
        let expected = if sweep < 2 { pairs(&[]) } else { pairs(&[("q24", "ana")]) };
        assert_eq!(stage.owners(), expected, "sweep {sweep}");
        stage.pass(MINUTE);
    }
}

#[test]
fn a_busy_cloudtrail_is_no_error_and_is_asked_at_the_next_sweep() {
    for kind in [CallErrorKind::Throttled, CallErrorKind::Unavailable] {
        let mut stage = Stage::new();
        stage.report(&["q1", "q2"]);
        stage.trail.trail.fail(Some(kind));
        stage.find().unwrap();
        assert_eq!(stage.lookups(), 1, "it is left alone for now");
        stage.trail.trail.fail(None);
        stage.deliver("q1", "ana");
        stage.deliver("q2", "jo");
        stage.pass(1);
        stage.find().unwrap();
        assert_eq!(stage.owners(), pairs(&[("q1", "ana"), ("q2", "jo")]));
    }
}

#[test]
fn a_cloudtrail_that_may_not_be_read_is_told_loudly() {
    for kind in [CallErrorKind::Denied, CallErrorKind::Invalid] {
        let mut stage = Stage::new();
        stage.report(&["q1"]);
        stage.trail.trail.fail(Some(kind));
        for _ in 0..2 {
            assert_eq!(stage.find(), Err(failed("cloudtrail:LookupEvents", kind).into()));
            stage.pass(MINUTE);
        }
        assert_eq!(stage.unowned(), ["q1"]);
    }
}

#[test]
fn a_finding_of_another_service_is_left_to_that_ones_watch() {
    let mut stage = Stage::new();
    stage.deliver("q1", "ana");
    stage.report(&["q1"]);
    stage.owners = Owners::new(stage.trail.clone(), Service::Emr);
    stage.find().unwrap();
    assert_eq!((stage.unowned(), stage.lookups()), (vec!["q1".to_owned()], 0));
}

#[test]
fn a_function_that_has_just_started_goes_on_where_the_last_one_was() {
    let mut stage = Stage::new();
    stage.report(&["q1"]);
    stage.find().unwrap();
    stage.deliver("q1", "ana");
    stage.owners = Owners::new(stage.trail.clone(), Service::Athena);
    stage.pass(1);
    stage.find().unwrap();
    assert_eq!(stage.owners(), pairs(&[("q1", "ana")]));
}

#[test]
fn the_ledger_is_asked_for_findings_of_other_functions_every_ten_minutes() {
    let mut stage = Stage::new();
    stage.deliver("q1", "ana");
    stage.find().unwrap();
    let now = stage.now();
    // A run on a signal reports in a process of its own.
    let mut other = Outbox::new(stage.ledger.clone(), stage.bus.clone());
    block_on(other.report(vec![breach("q1", now)], now)).unwrap();
    stage.pass(599);
    stage.find().unwrap();
    assert_eq!(stage.owners(), pairs(&[]));
    stage.pass(1);
    stage.find().unwrap();
    assert_eq!(stage.owners(), pairs(&[("q1", "ana")]));
}

#[test]
fn an_owner_that_could_not_be_written_down_is_found_again() {
    let mut stage = Stage::new();
    stage.deliver("q1", "ana");
    stage.report(&["q1"]);
    stage.pass(1);
    stage.ledger.fail_next(1);
    assert_eq!(stage.find().unwrap_err().worst(), "Throttled");
    assert_eq!((stage.owners(), stage.unowned()), (pairs(&[]), vec!["q1".to_owned()]));
    stage.pass(1);
    stage.find().unwrap();
    assert_eq!(stage.owners(), pairs(&[("q1", "ana")]));
}

/// Lets others submit queries around the epoch, more than one answer holds.
fn crowd(stage: &Stage, query: &str) {
    for second in 3..60 {
        stage.trail.trail.deliver(at(second), record(&format!("{query}-{second}"), "eve"));
    }
}

#[test]
fn in_a_busy_account_the_call_is_found_by_its_moment() {
    let mut stage = Stage::new();
    crowd(&stage, "another");
    stage.deliver("q1", "ana");
    stage.report(&["q1"]);
    stage.pass(1);
    stage.find().unwrap();
    assert_eq!((stage.owners(), stage.lookups()), (pairs(&[("q1", "ana")]), 2));
}

/// The record around its text, as `LookupEvents` sends it.
fn looked_up(id: &str, text: &str) -> Value {
    json!({
        "EventId": id,
        "EventName": "RunJobFlow",
        "ReadOnly": "false",
        "AccessKeyId": "ASIAIOSFODNN7EXAMPLE",
        "EventTime": 1_763_719_201.0,
        "EventSource": "elasticmapreduce.amazonaws.com",
        "Username": "ana",
        "Resources": [{"ResourceType": "AWS::EMR::Cluster", "ResourceName": "j-1"}],
        "CloudTrailEvent": text,
    })
}

fn calls(aws: &Aws) -> Result<Records, CallError> {
    let trail = CloudTrail::new(aws);
    block_on(trail.calls("RunJobFlow", at(1_763_719_140), at(1_763_719_260)))
}

#[test]
fn records_are_read_out_of_what_cloudtrail_sends_and_one_that_is_no_json_is_left_out() {
    let first = json!({"eventName": "RunJobFlow", "responseElements": {"jobFlowId": "j-2"}});
    let second = json!({"eventName": "RunJobFlow", "responseElements": {"jobFlowId": "j-1"}});
    let mut without = looked_up("4", "");
    without.as_object_mut().unwrap().remove("CloudTrailEvent");
    let events = [
        looked_up("1", &first.to_string()),
        looked_up("2", "{\"eventName\": \"RunJobFl"),
        looked_up("3", &second.to_string()),
        without,
    ];
    let (replay, aws) = Replay::of([
        Answer::ok(&json!({"Events": events, "NextToken": "eyJOZXh0"})),
        Answer::ok(&json!({"Events": []})),
        Answer::ok(&json!({})),
    ]);
    assert_eq!(calls(&aws), Ok(Records { records: vec![first, second], more: true }));
    let request = json!({
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "RunJobFlow"}],
        "StartTime": 1_763_719_140,
        "EndTime": 1_763_719_260,
    });
    assert_eq!(replay.requests(), [("LookupEvents".to_owned(), request)]);
    assert_eq!(calls(&aws), Ok(Records::default()));
    assert_eq!(calls(&aws), Ok(Records::default()));
}

#[test]
fn failures_are_of_the_kind_that_cloudtrail_names() {
    for (status, code, kind) in [
        (400, "ThrottlingException", CallErrorKind::Throttled),
        (400, "AccessDeniedException", CallErrorKind::Denied),
        (400, "InvalidTimeRangeException", CallErrorKind::Invalid),
        (500, "InternalFailure", CallErrorKind::Unavailable),
    ] {
        let (_, aws) = Replay::of(vec![Answer::error(status, code, &Value::Null); 10]);
        let error = calls(&aws).unwrap_err();
        assert_eq!((error.operation, error.kind), ("cloudtrail:LookupEvents", kind), "{error}");
    }
}
