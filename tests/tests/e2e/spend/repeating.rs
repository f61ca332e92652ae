//! However often an event comes, and however late, what it stands for is told once; and what no event tells is found.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stage::deploy::sample_event;
use stage::exports::{BUCKET, Delivery};
use stage::running::{REGION, wait_for};

use super::{AT_MOST, METER, Metered, line, month, quiet};

/// Hears everything that is told of sandboxes on the hub's bus from now on.
pub(super) struct Hearing<'a> {
    hub: &'a Metered,
    name: String,
    queue: String,
    heard: Vec<Value>,
}

impl<'a> Hearing<'a> {
    /// Begins to hear, under a name that nobody else has.
    pub(super) fn begin(hub: &'a Metered, name: &str) -> Self {
        let account = &hub.hub.account;
        let queue = account.json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name})).unwrap();
        let arn = format!("arn:aws:sqs:{REGION}:{}:{name}", account.id);
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn},
        ]});
        let attributes = json!({"QueueUrl": queue["QueueUrl"], "Attributes": {"Policy": policy.to_string()}});
        account.json("sqs", "AmazonSQS.SetQueueAttributes", &attributes).unwrap();
        let bus = "sandbox-guardrails";
        let pattern = json!({"source": ["sandbox.guardrails"]}).to_string();
        let rule = json!({"Name": name, "EventBusName": bus, "EventPattern": pattern});
        account.json("events", "AWSEvents.PutRule", &rule).unwrap();
        let target = json!({"Rule": name, "EventBusName": bus, "Targets": [{"Id": "queue", "Arn": arn}]});
        account.json("events", "AWSEvents.PutTargets", &target).unwrap();
        let queue = queue["QueueUrl"].as_str().unwrap().to_owned();
        Self { hub, name: name.to_owned(), queue, heard: Vec::new() }
    }

    /// How often each thing was told of an account so far: by the event's id.
    pub(super) fn of(&mut self, account: &str) -> BTreeMap<String, u32> {
        loop {
            let asked = json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10});
            let answer = self.hub.hub.account.json("sqs", "AmazonSQS.ReceiveMessage", &asked).unwrap();
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                break;
            }
            for message in messages {
                let handle = json!({"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]});
                self.hub.hub.account.json("sqs", "AmazonSQS.DeleteMessage", &handle).unwrap();
                self.heard.push(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap());
            }
        }
        let mut times = BTreeMap::new();
        for event in self.heard.iter().filter(|event| event["detail"]["sandbox"]["account"] == account) {
            *times.entry(event["detail"]["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        times
    }
}

impl Drop for Hearing<'_> {
    fn drop(&mut self) {
        let bus = "sandbox-guardrails";
        let account = &self.hub.hub.account;
        let targets = json!({"Rule": self.name, "EventBusName": bus, "Ids": ["queue"]});
        let _ = account.json("events", "AWSEvents.RemoveTargets", &targets);
        let _ = account.json("events", "AWSEvents.DeleteRule", &json!({"Name": self.name, "EventBusName": bus}));
    }
}

/// How many runs of the meter have ended well.
fn runs(hub: &Metered) -> usize {
    let log = hub.hub.account.log(METER).unwrap();
    log.iter().filter(|line| line.contains("spend was judged")).count()
}

#[test]
fn the_same_manifest_twenty_times_is_told_once() {
    let (hub, _turn) = quiet();
    let payer = hub.payer(&[("limit", "100 USD/month"), ("mode", "observe")]);
    let mut hearing = Hearing::begin(hub, "twenty-times");
    let (before, this) = (month(1), month(0));
    let old = Delivery::new(before, "the one before", vec![line(&payer, before, "AWSGlue", "70")]);
    let new = Delivery::new(this, "the one", vec![line(&payer, this, "AWSGlue", "210").by("ann")]);
    let ran = runs(hub);
    let awake = hub.awake();
    hub.land(|hub| hub.deliver(&old).unwrap());
    hub.land(|hub| hub.deliver(&new).unwrap());
    hub.await_spent(&payer, before, "70");
    hub.await_spent(&payer, this, "210");
    hub.await_levels(&payer, &[50, 75, 100, 150, 200]);
    for _ in 0..10 {
        hub.hub.put_manifest(&old).unwrap();
        hub.hub.put_manifest(&new).unwrap();
    }
    // Each event comes twice.
    let all = wait_for("all runs", AT_MOST, || (runs(hub) >= ran + 44).then_some(()));
    all.unwrap_or_else(|error| panic!("{error}: {} after {ran}; {}", runs(hub), hub.what_is(&payer)));
    drop(awake);
    hub.sweep().unwrap();
    let told = hearing.of(&payer);
    let told_of = |id: &str| told.get(id).copied().unwrap_or_default();
    assert_eq!(told_of(&format!("spend/{}", before.strftime("%Y-%m"))), 1, "{told:#?}");
    let findings: Vec<u32> =
        told.iter().filter(|(id, _)| id.starts_with("spend-budget/")).map(|(_, times)| *times).collect();
    assert_eq!(findings, [1, 1, 1, 1, 1], "{told:#?}");
    // The month that lasts is told with an estimate, which grows: once an hour.
    assert!(told_of(&format!("spend/{}", this.strftime("%Y-%m"))) <= 2, "{told:#?}");
    assert_eq!(hub.levels(&payer), [50, 75, 100, 150, 200]);
    assert_eq!(hub.ledger(&payer).len(), 5, "{:?}", hub.ledger(&payer));
}

#[test]
fn lost_events_heal_and_late_ones_put_nothing_back() {
    let (hub, _turn) = quiet();
    let payer = hub.payer(&[("limit", "1000 USD/month")]);
    let mut hearing = Hearing::begin(hub, "late");
    let month = month(2);
    // As an export lands that keeps every delivery under keys of its own.
    let land = |folder: &str, cost: &str| {
        let delivery = Delivery::new(month, folder, vec![line(&payer, month, "AWSGlue", cost)]);
        let apart = |key: &str| key.replace("BILLING_PERIOD", &format!("{folder}/BILLING_PERIOD"));
        let (manifest, content) = delivery.manifest();
        let content = apart(&String::from_utf8(content).unwrap()).into_bytes();
        hub.land(|hub| {
            for (key, content) in delivery.files().unwrap() {
                hub.account.put_object(BUCKET, &apart(&key), content).unwrap();
            }
            hub.account.put_object(BUCKET, &apart(&manifest), content).unwrap();
        });
        let mut event = sample_event("spend-meter", "export-delivered").unwrap();
        event["detail"]["object"]["key"] = json!(apart(&manifest));
        event
    };
    let first = land("first", "10");
    let second = land("second", "8");
    let notify = |event: &Value| hub.hub.account.invoke(METER, event).unwrap();
    notify(&second);
    hub.await_spent(&payer, month, "8");
    notify(&first);
    notify(&second);
    land("third", "12");
    hub.sweep().unwrap();
    let told = hub.await_spent(&payer, month, "12");
    assert_eq!(told.export, "third");
    notify(&first);
    hub.sweep().unwrap();
    hub.await_spent(&payer, month, "12");
    let told = hearing.of(&payer);
    assert_eq!(told.get(&format!("spend/{}", month.strftime("%Y-%m"))), Some(&2), "{told:#?}");
}
