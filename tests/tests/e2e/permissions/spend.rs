//! What the roles of the hub's functions of spend need.

use guardrail::catalogue::SPEND_BUDGET;
use hub_spend::{enforce, meter};
use jiff::Timestamp;
use serde_json::{Value, json};
use stage::running::REGION;
use stage::{Fault, Hub, Sandbox};

use super::{Run, check, sweep, unique};
use crate::spend::{METER, line, metered_quietly, month, quiet};

/// Only where a query has not ended in time is it stopped, and that it cannot be is no failure: it has failed already.
const STOP: &str = "athena:StopQueryExecution";

/// Athena asks for the partitions of a table that are in the catalogue. Those of the stage's table are worked out from
/// the month, as is the advice for exports; whoever has them crawled needs it.
const PARTITIONS: &str = "glue:GetPartitions";

/// Without these Athena names the place, and not the action.
const SAID_OTHERWISE: [(&str, &str); 2] = [
    ("s3:GetBucketLocation", "Unable to verify/create output bucket cost-exports-results"),
    ("s3:PutObject", "Access denied when writing output to url: s3://cost-exports-results/"),
];

/// The hub in the place of a sandbox, whose functions are looked at.
fn as_sandbox(stage: &stage::Stage, hub: &Hub) -> Sandbox {
    let services = stage.world().account(&hub.account.id, REGION);
    Sandbox {
        account: hub.account.clone(),
        alias: "hub".to_owned(),
        athena: services.athena(),
        emr: services.emr(),
        sagemaker: services.sagemaker(),
        glue: services.glue(),
        ssm: services.ssm(),
    }
}

/// The sandbox that spends, with a limit that is none: its history has to be looked into.
fn payer() -> &'static str {
    static PAYER: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PAYER.get_or_init(|| {
        let hub = metered_quietly();
        let payer = hub.payer(&[("limit", "100 USD/month"), ("mode", "enforce")]);
        hub.payer(&[("limit", "100 USD/month"), ("limit", "never")]);
        payer
    })
}

/// A delivery that says something new, and a sweep that reads it.
fn delivered(_: &Sandbox) -> Value {
    let hub = metered_quietly();
    let month = month(0);
    let cost = unique("cost").rsplit('-').next().map(|number| format!("1.{number}1")).unwrap();
    hub.deliver(payer(), month, vec![line(payer(), month, "AWSGlue", &cost)]);
    sweep("spend-meter")
}

#[test]
fn the_meter_fails_without_any_one_of_its_actions() {
    let (hub, _turn) = quiet();
    let account = &hub.hub.account;
    let sandbox = as_sandbox(&hub.stage, &hub.hub);
    account.set_environment(METER, &[("ATHENA_ABOVE_MB", "0")]).unwrap();
    let by_name = |action: &&str| {
        ![STOP, PARTITIONS].contains(action) && SAID_OTHERWISE.iter().all(|(otherwise, _)| otherwise != action)
    };
    let actions: Vec<&str> = meter::ACTIONS.concat().into_iter().filter(by_name).collect();
    check(&sandbox, "spend-meter", &[&actions], &[Run::new(&[], delivered)]);

    let role = account.role_of(METER).unwrap();
    let policy = account.policy(&role, "spend-meter").unwrap();
    for (action, words) in SAID_OTHERWISE {
        account.take_action_away(&role, "spend-meter", action).unwrap();
        let error = account.invoke(METER, &delivered(&sandbox)).expect_err(action).to_string();
        assert!(error.contains(words), "without `{action}`: {error}");
        account.put_policy(&role, "spend-meter", &policy).unwrap();
    }
    account.take_action_away(&role, "spend-meter", STOP).unwrap();
    hub.stage.throttle(&Fault::throttling("athena", "GetQueryExecution", 1)).unwrap();
    account.invoke(METER, &delivered(&sandbox)).unwrap_err();
    hub.stage.end_faults().unwrap();
    let log = account.log(METER).unwrap();
    let warned = log.iter().rev().find(|line| line.contains("could not be stopped")).expect("it is warned of");
    assert!(warned.contains("AccessDenied") && warned.contains(STOP), "{warned}");

    account.put_policy(&role, "spend-meter", &policy).unwrap();
    account.set_environment(METER, &[("ATHENA_ABOVE_MB", "2048")]).unwrap();
    hub.sweep().unwrap();
}

/// A level that locks, found in an episode that is over: everything is read and judged again, and the answer is told.
fn asked(_: &Sandbox) -> Value {
    let mut event = stage::deploy::sample_event("spend-enforce", "breach").unwrap();
    let detail = &mut event["detail"];
    let number: i64 = unique("episode").rsplit('-').next().unwrap().parse().unwrap();
    let episode = Timestamp::from_second(number).unwrap();
    detail["id"] = json!(format!("{}/{}/200/{episode}", SPEND_BUDGET.id, payer()));
    detail["episode"] = json!(episode);
    detail["sandbox"]["account"] = json!(payer());
    detail["resource"]["id"] = json!(payer());
    detail["scope"] = json!(payer());
    event
}

#[test]
fn the_enforce_fails_without_any_one_of_its_actions() {
    let (hub, _turn) = quiet();
    let sandbox = as_sandbox(&hub.stage, &hub.hub);
    delivered(&sandbox);
    hub.sweep().unwrap();
    check(&sandbox, "spend-enforce", enforce::ACTIONS, &[Run::new(&[], asked)]);
}
