//! Another window: everything wrong with it is named at once and changes nothing; a good one is in force at once.

use guardrail::availability::AvailabilityUpdateRequested;
use jiff::SignedDuration;
use serde_json::{Value, json};
use stage::commands::send;
use stage::timeline::now;
use stage::{Sandbox, allowed};

use super::scene::Scene;
use super::{
    AT_MOST, ZONE, always_open, answer, await_state, extended, in_maintenance, in_zone, may_act, reconcile, set_window,
    told, what_is,
};
use crate::hub;

/// The window that the sandbox remembers.
fn in_force(sandbox: &Sandbox) -> Value {
    let pages = sandbox.ledger().unwrap();
    let page = pages.into_iter().find(|entry| entry["id"] == "availability/window");
    let content = page.map(|page| page["content"].as_str().unwrap().to_owned());
    serde_json::from_str(&content.unwrap_or_else(|| "null".to_owned())).unwrap()
}

fn with(member: &str, value: Value) -> Value {
    let mut window = in_maintenance();
    window[member] = value;
    window
}

fn rule(days: &[&str], from: &str, to: &str) -> Value {
    with("open", json!([{"days": days, "from": from, "to": to}]))
}

#[test]
fn a_window_with_faults_is_refused_with_all_of_them_and_changes_nothing() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    set_window(sandbox, "good", &always_open());
    let (before, schedules) = (in_force(sandbox), sandbox.account.schedules("sandbox-guardrails").unwrap());

    let reversed = json!({"from": "2027-01-02", "to": "2026-12-30"});
    let backwards = json!({"from": "2026-11-23T22:00", "until": "2026-11-23T20:00", "reason": "quarter end"});
    let mut all = with("time_zone", json!("Europe/Madird"));
    all["open"] = json!([
        {"days": ["mon"], "from": "08:00", "to": "25:00"},
        {"days": ["tue"], "from": "08:00", "to": "08:00"},
        {"days": [], "from": "08:00", "to": "20:00"},
    ]);
    all["closed_dates"] = json!(["2026-12-25", reversed]);
    all["extensions"] = json!([backwards]);
    all["holidays"] = json!([]);
    let everything = [
        "`time_zone`",
        "`open[0].to`: found `25:00`",
        "`open[1].to`",
        "`open[2].days`",
        "`closed_dates[1]",
        "`extensions[0]",
        "`holidays`",
    ];
    let cases: [(&str, Value, &[&str]); 9] = [
        ("zone", with("time_zone", json!("Europe/Madird")), &["`time_zone`", "`Europe/Madird`"]),
        ("key", with("holidays", json!([])), &["`holidays`"]),
        ("hour", rule(&["mon"], "08:00", "25:00"), &["`open[0].to`", "`25:00`"]),
        ("equal", rule(&["mon"], "08:00", "08:00"), &["`open[0].to`"]),
        ("days", rule(&[], "08:00", "20:00"), &["`open[0].days`"]),
        ("dates", with("closed_dates", json!([reversed])), &["`closed_dates[0]"]),
        ("extension", with("extensions", json!([backwards])), &["`extensions[0]"]),
        ("everything", all, &everything),
        ("none", json!("always"), &[]),
    ];
    for (command, window, _) in &cases {
        hub().request_window(sandbox, &format!("command/{command}"), window).unwrap();
    }
    for (command, _, faults) in &cases {
        let answer = answer(sandbox, command);
        assert_eq!(answer["status"], "rejected", "{command}: {answer:?}");
        let detail: Value = serde_json::from_str(answer["detail"].as_str().unwrap()).unwrap();
        let named = detail["expected"].as_str().unwrap();
        for fault in *faults {
            assert!(named.contains(fault), "{command}: `{fault}` in {named}");
        }
        let stays = detail["in_force"].as_str().unwrap();
        assert!(stays.contains("set by jo@bank.example"), "{command}: {stays}");
    }
    sandbox.await_rest(AT_MOST).unwrap();
    assert_eq!(in_force(sandbox), before);
    assert_eq!(sandbox.account.schedules("sandbox-guardrails").unwrap(), schedules);
    assert_eq!(told(sandbox, "window_updated").len(), 1, "{}", what_is(sandbox));
    assert_eq!(reconcile(sandbox)["desired"], "open");
    assert!(may_act(&scene.user));
}

#[test]
fn four_hundred_rules_are_accepted_and_in_force() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    // Every three minutes one, each open for two: together they are closed in one minute of three.
    let time = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let rules = (0..400_u32).map(|n| json!({"days": days, "from": time(3 * n), "to": time(3 * n + 2)}));
    let window = json!({"time_zone": ZONE, "open": rules.collect::<Vec<_>>()});
    set_window(sandbox, "rules", &window);
    assert_eq!(in_force(sandbox)["document"], window);
    // Whichever minute it is, what is judged and told is one of the rules, or that none opens it.
    let reconciled = reconcile(sandbox);
    let why = reconciled["why"].as_str().unwrap();
    let by_rule = why.starts_with("rule `open[") && reconciled["desired"] == "open";
    assert!(by_rule || why == "no rule of its window opens it now", "{reconciled}");
    let schedule = sandbox.account.schedule("sandbox-guardrails", "availability-closes").unwrap();
    let minute: u32 = schedule["ScheduleExpression"].as_str().unwrap().split(':').nth(1).unwrap().parse().unwrap();
    assert_eq!(minute % 3, 2, "{schedule}");
}

#[test]
fn the_schedules_of_a_window_stand_in_its_zone_at_its_local_times() {
    let sandbox = crate::sandbox(&stage::SandboxOptions::default());
    // Somewhere it is office hours.
    let zones = ["America/New_York", "Europe/Madrid", "Asia/Tokyo", "Pacific/Auckland"];
    let (zone, today) = zones
        .into_iter()
        .map(|zone| (zone, in_zone(now(), zone)))
        .find(|(_, local)| (9..19).contains(&local.hour()))
        .unwrap();
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let window = json!({"time_zone": zone, "open": [{"days": days, "from": "08:00", "to": "20:00"}]});
    set_window(&sandbox, "office", &window);
    let (tomorrow, today) = (today.date().tomorrow().unwrap(), today.date());
    let function = "function:sandbox-guardrails-availability-reconcile";
    for (name, expression) in [
        ("availability-opens", format!("at({tomorrow}T08:00:00)")),
        ("availability-closes", format!("at({today}T20:00:00)")),
        ("availability-warns", format!("at({today}T19:30:00)")),
    ] {
        let schedule = sandbox.account.schedule("sandbox-guardrails", name).unwrap();
        assert_eq!(schedule["ScheduleExpression"], expression, "{name}");
        assert_eq!(schedule["ScheduleExpressionTimezone"], zone, "{name}");
        assert!(schedule["Target"]["Arn"].as_str().unwrap().ends_with(function), "{schedule}");
    }
    // One that somebody deletes is there again after the next look; all go with the window.
    sandbox.account.delete_schedule("sandbox-guardrails", "availability-closes").unwrap();
    reconcile(&sandbox);
    sandbox.account.schedule("sandbox-guardrails", "availability-closes").unwrap();
    set_window(&sandbox, "none", &Value::Null);
    let left = sandbox.account.schedules("sandbox-guardrails").unwrap();
    let made = |schedule: &&Value| {
        let name = schedule["Name"].as_str().unwrap();
        name.starts_with("availability-") && name != "availability-reconcile-sweep"
    };
    assert_eq!(left.iter().filter(made).count(), 0, "{left:?}");
}

#[test]
fn a_good_window_closes_and_an_extension_opens_again() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    let closed = json!({"time_zone": ZONE, "open": []});
    set_window(sandbox, "close", &closed);
    await_state(sandbox, "closed");
    scene.is_dark();
    set_window(sandbox, "extend", &extended(24 * 60));
    let row = await_state(sandbox, "open");
    assert_eq!(row["reason"], "extension `extensions[0]`: quarter end");
    assert_eq!(scene.notebook_state(), "InService");
    // Without a window, nothing closes it.
    set_window(sandbox, "close-again", &closed);
    await_state(sandbox, "closed");
    set_window(sandbox, "none", &Value::Null);
    let row = await_state(sandbox, "open");
    assert_eq!(row["reason"], "it has no window and no lock");
    assert_eq!(scene.notebook_state(), "InService");
}

#[test]
fn an_older_window_does_not_replace_a_newer_one_and_nobody_but_the_hub_sends_any() {
    let scene = Scene::small();
    let sandbox = &scene.sandbox;
    set_window(sandbox, "newer", &always_open());
    let before = in_force(sandbox);
    let mut header = sandbox.header("command/older");
    header.occurred_at = header.occurred_at.checked_sub(SignedDuration::from_hours(1)).unwrap();
    let older = AvailabilityUpdateRequested { header, requested_by: "ana".to_owned(), window: in_maintenance() };
    let kind = "Availability Update Requested";
    send(&hub().account, sandbox, kind, &older).unwrap();
    super::wait_for("the workflow of the older one", AT_MOST, || {
        let updates = sandbox.workflows("update").unwrap();
        (updates.len() == 2 && !updates.iter().any(stage::Execution::runs)).then_some(())
    })
    .unwrap();
    assert_eq!(in_force(sandbox), before);
    assert!(sandbox.workflows("update").unwrap().iter().all(|update| update.status == "SUCCEEDED"));
    super::wait_for("the answer to the older one", AT_MOST, || {
        super::row(sandbox, "command/older/answer").filter(|row| row["status"] == "rejected").map(drop)
    })
    .unwrap();

    let header = sandbox.header("command/forged");
    let forged = AvailabilityUpdateRequested { header, ..older };
    assert!(!allowed(send(&scene.user, sandbox, kind, &forged)).unwrap());
    // What is meant for another sandbox is not for this one.
    let mut strayed = forged.clone();
    strayed.header.sandbox.account = "111111111111".to_owned();
    send(&hub().account, sandbox, kind, &strayed).unwrap();
    super::wait_for("the workflow of the strayed one", AT_MOST, || {
        let updates = sandbox.workflows("update").unwrap();
        (updates.len() == 3 && !updates.iter().any(stage::Execution::runs)).then_some(())
    })
    .unwrap();
    assert_eq!(in_force(sandbox), before);
}
