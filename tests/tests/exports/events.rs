//! `Object Created` on the default bus of the hub, and the patterns that rules match it with.

use std::time::Duration;

use serde_json::{Value, json};
use stage::Account;
use stage::exports::{BUCKET, Delivery};
use stage::running::wait_for;
use workload_simulator::EventFaults;

use crate::{HUB, NOVEMBER, lines, raise};

/// The messages in the queue of a rule, once there are so many of them.
fn messages(account: &Account, queue: &str, expected: usize) -> Vec<Value> {
    let mut seen = Vec::new();
    wait_for(&format!("{expected} messages in `{queue}`"), Duration::from_secs(10), || {
        let asked = json!({"QueueUrl": queue, "MaxNumberOfMessages": 10});
        let answer = account.json("sqs", "AmazonSQS.ReceiveMessage", &asked).unwrap();
        for message in answer["Messages"].as_array().into_iter().flatten() {
            seen.push(serde_json::from_str::<Value>(message["Body"].as_str().unwrap()).unwrap());
        }
        (seen.len() >= expected).then_some(())
    })
    .unwrap();
    seen
}

/// A rule on the default bus for objects of the export's bucket with such a key; gives the queue it fills.
fn rule(account: &Account, name: &str, key: &Value) -> String {
    let queue = account.json("sqs", "AmazonSQS.CreateQueue", &json!({"QueueName": name})).unwrap();
    let arn = format!("arn:aws:sqs:{}:{HUB}:{name}", account.region);
    let policy = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn},
    ]});
    let attributes = json!({"QueueUrl": queue["QueueUrl"], "Attributes": {"Policy": policy.to_string()}});
    account.json("sqs", "AmazonSQS.SetQueueAttributes", &attributes).unwrap();
    let pattern = json!({
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {"bucket": {"name": [BUCKET]}, "object": {"key": [key]}},
    });
    let rule = json!({"Name": name, "EventPattern": pattern.to_string()});
    account.json("events", "AWSEvents.PutRule", &rule).unwrap();
    let target = json!({"Rule": name, "Targets": [{"Id": "queue", "Arn": arn}]});
    account.json("events", "AWSEvents.PutTargets", &target).unwrap();
    queue["QueueUrl"].as_str().unwrap().to_owned()
}

#[test]
fn a_delivery_tells_of_each_object_twice_and_the_newest_first() {
    // Long enough for a delivery, so that all of it arrives in the order that is the wrong one.
    let disorder = EventFaults { copies: 2, reorder_within: Duration::from_secs(1), ..EventFaults::default() };
    let (_stage, hub) = raise(disorder);
    let account = &hub.account;
    let by_suffix = rule(account, "by-suffix", &json!({"suffix": "BILLING_PERIOD=2026-11/sandboxes-Manifest.json"}));
    let by_wildcard = rule(account, "by-wildcard", &json!({"wildcard": "cur/*/metadata/*=2026-11/*-Manifest.json"}));
    let by_prefix = rule(account, "by-prefix", &json!({"prefix": "cur/sandboxes/data/"}));
    let elsewhere = rule(account, "elsewhere", &json!({"prefix": "cur/sandbox/"}));
    let delivery = Delivery::new(NOVEMBER, "first", lines(NOVEMBER)).in_files(2);
    hub.deliver(&delivery).unwrap();

    let (manifest, content) = delivery.manifest();
    let told = messages(account, &by_suffix, 2);
    let event = &told[0];
    assert_eq!(event, &told[1], "the second is the first again");
    assert_eq!(event["account"], HUB);
    assert_eq!(event["resources"], json!([format!("arn:aws:s3:::{BUCKET}")]));
    assert_eq!(event["time"].as_str().map(str::len), Some("2026-11-21T19:45:42Z".len()), "{event}");
    assert_eq!(event["detail"]["reason"], "PutObject");
    let object = &event["detail"]["object"];
    assert_eq!(
        (object["key"].as_str(), object["size"].as_u64()),
        (Some(manifest.as_str()), Some(content.len() as u64))
    );
    assert!(object.get("version-id").is_none(), "the bucket keeps no versions: {event}");
    assert_eq!(messages(account, &by_wildcard, 2).len(), 2);

    let keys: Vec<String> = delivery.files().unwrap().into_iter().map(|(key, _)| key).collect();
    let told: Vec<Value> =
        messages(account, &by_prefix, 4).iter().map(|event| event["detail"]["object"]["key"].clone()).collect();
    assert_eq!(told, [1, 1, 0, 0].map(|number| json!(keys[number])));
    assert_eq!(messages(account, &elsewhere, 0), [] as [Value; 0]);
}
