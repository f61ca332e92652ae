//! Who is well and who is not, at and around every boundary.

use super::*;

const SILENCE: SignedDuration = SignedDuration::from_mins(15);

fn hub() -> Hub {
    Hub { account: "999999999999".to_owned(), region: "eu-west-1".to_owned() }
}

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn function(account: &str, function: &str) -> SandboxFunction {
    let [account, region, function] = [account, "eu-west-1", function].map(str::to_owned);
    SandboxFunction { account, region, function }
}

fn heartbeat(by: SandboxFunction, seconds_ago: i64) -> Sign {
    let kind = SignKind::Heartbeat { alias: format!("alias of {}", by.account) };
    Sign { by, at: ago(seconds_ago), kind }
}

fn failure(by: SandboxFunction, seconds_ago: i64) -> Sign {
    Sign { by, at: ago(seconds_ago), kind: SignKind::Failure { error: "AccessDenied: no".to_owned() } }
}

/// One function with its last heartbeat and its last failure, in seconds before now.
fn check(beat: Option<i64>, failed: Option<i64>, expected: Option<&str>) {
    check_of(function("111111111111", "athena-watch"), beat, failed, expected);
}

fn check_of(by: SandboxFunction, beat: Option<i64>, failed: Option<i64>, expected: Option<&str>) {
    let beat_sign = beat.map(|seconds| heartbeat(by.clone(), seconds));
    let failed_sign = failed.map(|seconds| failure(by.clone(), seconds));
    let mut signs: Vec<Sign> = beat_sign.into_iter().chain(failed_sign).collect();
    for _ in 0..2 {
        let health = Health::of(&signs, SILENCE, &hub(), now());
        let ailment = health.unhealthy.first().map(|unhealthy| match unhealthy.ailment {
            Ailment::Silent { .. } => "silent",
            Ailment::Failing { .. } => "failing",
        });
        assert_eq!(ailment, expected, "heartbeat {beat:?} s and failure {failed:?} s ago");
        signs.reverse();
    }
}

#[test]
fn a_watch_is_silent_after_the_silence_that_is_allowed() {
    check(Some(0), None, None);
    check(Some(900), None, None);
    check(Some(901), None, Some("silent"));
    // A clock that is ahead is not a silence.
    check(Some(-60), None, None);
}

#[test]
fn a_function_fails_from_its_failure_to_its_next_heartbeat_and_no_longer_than_the_silence() {
    check(Some(60), Some(30), Some("failing"));
    check(Some(60), Some(60), None);
    check(Some(30), Some(60), None);
    check(Some(2000), Some(30), Some("failing"));
    check(Some(2000), Some(1900), Some("silent"));
    check(None, Some(900), Some("failing"));
    check(None, Some(901), None);
}

#[test]
fn a_function_of_the_hub_may_be_silent_three_times_as_long() {
    let meter = || function("999999999999", "spend-meter");
    check_of(meter(), Some(2700), None, None);
    check_of(meter(), Some(2701), None, Some("silent"));
    check_of(meter(), Some(1800), Some(1000), Some("failing"));
    check_of(meter(), None, Some(2700), Some("failing"));
    check_of(meter(), None, Some(2701), None);
    // Of the hub's account it is only the hub's Region that is no sandbox.
    let elsewhere = SandboxFunction { region: "us-east-2".to_owned(), ..meter() };
    check_of(elsewhere, Some(901), None, Some("silent"));
}

#[test]
fn the_hub_is_no_sandbox_and_counts_as_one_that_is_not_well() {
    let signs = [
        heartbeat(function("111111111111", "athena-watch"), 5),
        heartbeat(function("999999999999", "spend-meter"), 3600),
        failure(function("999999999999", "spend-enforce"), 60),
    ];
    let health = Health::of(&signs, SILENCE, &hub(), now());
    assert_eq!((health.sandboxes, health.sandboxes_unhealthy(), health.unhealthy.len()), (1, 1, 2));
    let known = sandboxes(&signs, &hub(), now());
    assert_eq!(known.iter().map(|known| known.account.as_str()).collect::<Vec<_>>(), ["111111111111"]);
}

#[test]
fn a_function_is_forgotten_seven_days_after_its_last_sign() {
    const WEEK: i64 = 7 * 24 * 60 * 60;
    check(Some(WEEK - 1), None, Some("silent"));
    check(Some(WEEK), None, None);
    check(None, Some(WEEK), None);
    let forgotten = [heartbeat(function("1", "athena-watch"), WEEK)];
    assert_eq!(Health::of(&forgotten, SILENCE, &hub(), now()).sandboxes, 0);
}

#[test]
fn sandboxes_are_counted_and_functions_are_named() {
    let health = Health::of(
        &[
            failure(function("222222222222", "emr-enforce"), 5),
            heartbeat(function("222222222222", "athena-watch"), 3600),
            heartbeat(function("111111111111", "athena-watch"), 5),
            failure(function("333333333333", "athena-enforce"), 10),
            heartbeat(function("222222222222", "emr-watch"), 20),
        ],
        SILENCE,
        &hub(),
        now(),
    );
    let named = health.unhealthy.iter().map(|unhealthy| {
        let SandboxFunction { account, function, .. } = &unhealthy.function;
        (account.as_str(), function.as_str(), unhealthy.alias.as_deref(), unhealthy.ailment.to_string())
    });
    let named: Vec<_> = named.collect();
    let alias = Some("alias of 222222222222");
    let expected: Vec<(&str, &str, Option<&str>, String)> = vec![
        ("222222222222", "athena-watch", alias, "it has been silent since 2026-11-20T11:00:00Z".to_owned()),
        ("222222222222", "emr-enforce", alias, "it failed at 2026-11-20T11:59:55Z: AccessDenied: no".to_owned()),
        ("333333333333", "athena-enforce", None, "it failed at 2026-11-20T11:59:50Z: AccessDenied: no".to_owned()),
    ];
    assert_eq!((health.sandboxes, health.sandboxes_unhealthy(), named), (3, 2, expected));
}

#[test]
fn the_metrics_are_one_line_of_the_embedded_metric_format() {
    let health = Health::of(&[failure(function("111111111111", "athena-enforce"), 5)], SILENCE, &hub(), now());
    let line = health.metrics(now());
    assert!(!line.contains('\n'));
    let expected = json!({
        "_aws": {
            "Timestamp": 1_795_176_000_000_i64,
            "CloudWatchMetrics": [{
                "Namespace": "SandboxGuardrails",
                "Dimensions": [[]],
                "Metrics": [
                    {"Name": "SandboxesUnhealthy", "Unit": "Count"},
                    {"Name": "SandboxesSeen", "Unit": "Count"},
                ],
            }],
        },
        "SandboxesUnhealthy": 1,
        "SandboxesSeen": 1,
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), expected);
}

#[test]
fn a_sandbox_is_known_by_any_sign_and_named_by_a_heartbeat() {
    const WEEK: i64 = 7 * 24 * 60 * 60;
    let [one, two, three] = ["111111111111", "222222222222", "333333333333"].map(|account| function(account, "watch"));
    let mut signs = vec![
        failure(one.clone(), 5),
        heartbeat(one, 20),
        failure(two, 5),
        heartbeat(three.clone(), WEEK),
        heartbeat(SandboxFunction { region: "us-east-2".to_owned(), ..three }, WEEK - 1),
    ];
    for _ in 0..2 {
        let known: Vec<_> =
            sandboxes(&signs, &hub(), now()).into_iter().map(|known| (known.region, known.alias)).collect();
        let expected = [
            ("eu-west-1", "alias of 111111111111"),
            ("eu-west-1", "222222222222"),
            ("us-east-2", "alias of 333333333333"),
        ];
        assert_eq!(known, expected.map(|(region, alias)| (region.to_owned(), alias.to_owned())));
        signs.reverse();
    }
}
