//! What Glue answers about sessions, recorded, and what we take it for: pages, states, statements, tags, failures.

use std::iter::repeat_n;

use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};
use serde_json::{Value, json};

use super::*;

/// Glue over these answers.
fn glue(answers: impl IntoIterator<Item = Answer>) -> (GlueClient, Replay) {
    let (replay, aws) = Replay::of(answers);
    (GlueClient::new(&aws, "111111111111"), replay)
}

fn request(operation: &str, body: Value) -> (String, Value) {
    (operation.to_owned(), body)
}

/// A session as Glue sends it.
fn recorded(id: &str, status: &str) -> Value {
    json!({
        "Id": id, "CreatedOn": 1_795_262_400.123, "Status": status, "Role": "arn:aws:iam::111111111111:role/analyst",
        "Command": {"Name": "glueetl", "PythonVersion": "3"}, "DefaultArguments": {"--enable-glue-datacatalog": "true"},
        "Progress": 0.0, "MaxCapacity": 10.0, "GlueVersion": "4.0", "NumberOfWorkers": 5, "WorkerType": "G.2X",
        "IdleTimeout": 2880,
    })
}

/// The same as we take it.
fn taken(id: &str, status: &str, phase: Phase, known: bool) -> Session {
    Session {
        id: id.to_owned(),
        state: State { name: status.to_owned(), phase, known },
        created_at: "2026-11-21T12:00:00.123Z".parse().unwrap(),
        capacity: Capacity { dpus: Some(10), unknown_worker_type: None },
        by_statements: true,
    }
}

#[test]
fn sessions_are_listed_whole_one_page_at_a_time() {
    let (glue, replay) = glue([
        Answer::ok(&json!({"Ids": ["a", "b"], "Sessions": [recorded("a", "READY"), recorded("b", "STOPPED")],
            "NextToken": "page-2"})),
        Answer::ok(&json!({"Ids": [], "Sessions": []})),
    ]);
    let first = block_on(glue.sessions(None)).unwrap();
    let sessions = vec![taken("a", "READY", Phase::Active, true), taken("b", "STOPPED", Phase::Ended, true)];
    assert_eq!(first, SessionPage { sessions, unread: vec![], next: Some("page-2".to_owned()) });
    assert_eq!(block_on(glue.sessions(first.next.as_deref())), Ok(SessionPage::default()));
    assert_eq!(
        replay.requests(),
        [
            request("ListSessions", json!({"MaxResults": 1000})),
            request("ListSessions", json!({"MaxResults": 1000, "NextToken": "page-2"})),
        ]
    );
}

/// A session with this status is in this phase.
fn check_status(status: &str, phase: Phase, known: bool) {
    let (glue, _) = glue([Answer::ok(&json!({"Session": recorded("a", status)}))]);
    assert_eq!(block_on(glue.session("a")), Ok(Some(taken("a", status, phase, known))), "{status}");
}

#[test]
fn every_status_has_its_phase_and_an_unknown_one_is_active() {
    check_status("PROVISIONING", Phase::Active, true);
    check_status("READY", Phase::Active, true);
    check_status("STOPPING", Phase::Ending, true);
    check_status("STOPPED", Phase::Ended, true);
    check_status("FAILED", Phase::Ended, true);
    check_status("TIMEOUT", Phase::Ended, true);
    check_status("HIBERNATING", Phase::Active, false);
}

#[test]
fn only_a_ready_session_that_works_by_statements_can_be_idle() {
    let mut connected = recorded("a", "READY");
    connected["SessionType"] = json!("SPARK_CONNECT");
    let mut livy = recorded("b", "READY");
    livy["SessionType"] = json!("LIVY");
    let sessions = json!({"Sessions": [connected, livy, recorded("c", "READY"), recorded("d", "PROVISIONING")]});
    let (glue, _) = glue([Answer::ok(&sessions)]);
    let page = block_on(glue.sessions(None)).unwrap();
    let idle: Vec<_> = page.sessions.iter().map(|session| (session.id.as_str(), session.can_be_idle())).collect();
    assert_eq!(idle, [("a", false), ("b", true), ("c", true), ("d", false)]);
}

#[test]
fn a_session_without_what_it_is_judged_by_is_unread_and_the_rest_is_read() {
    let bare = |member: &str| {
        let mut session = recorded(member, "READY");
        session.as_object_mut().unwrap().remove(member);
        session
    };
    let mut small = recorded("small", "READY");
    for member in ["WorkerType", "NumberOfWorkers", "MaxCapacity"] {
        small.as_object_mut().unwrap().remove(member);
    }
    let (glue, _) = glue([
        Answer::ok(&json!({"Sessions": [bare("CreatedOn"), bare("Status"), bare("Id"), small]})),
        Answer::ok(&json!({"Session": bare("Status")})),
        Answer::ok(&json!({})),
    ]);
    let page = block_on(glue.sessions(None)).unwrap();
    assert_eq!(page.unread, ["CreatedOn", "Status"]);
    let capacity = Capacity::default();
    assert_eq!(page.sessions, [Session { capacity, ..taken("small", "READY", Phase::Active, true) }]);
    for _ in 0..2 {
        let error = block_on(glue.session("Status")).unwrap_err();
        assert_eq!((error.operation, error.kind), ("glue:GetSession", CallErrorKind::Unavailable), "{error}");
    }
}

#[test]
fn a_session_that_glue_does_not_know_is_none() {
    let (glue, replay) = glue([Answer::error(400, "EntityNotFoundException", &Value::Null)]);
    assert_eq!(block_on(glue.session("a")), Ok(None));
    assert_eq!(replay.requests(), [request("GetSession", json!({"Id": "a"}))]);
}

/// A statement in this state that was started and completed at these numbers.
fn check_statement(state: &str, started: Value, completed: Value, under_way: bool, ended_at: Option<&str>) {
    let statement = json!({"Id": 7, "Code": "spark.sql('...').show()", "State": state, "Progress": 1.0,
        "StartedOn": started, "CompletedOn": completed, "Output": {"Data": {"TextPlain": "..."}, "Status": "ok"}});
    let (glue, _) = glue([Answer::ok(&json!({"Statements": [statement]}))]);
    let page = block_on(glue.statements("a", None)).unwrap().unwrap();
    let ended_at = ended_at.map(|instant| instant.parse().unwrap());
    assert_eq!(page.statements, [Statement { id: 7, under_way, ended_at }], "{state} {started} {completed}");
}

#[test]
fn statements_end_when_glue_says_so_in_seconds_or_milliseconds() {
    let (began, ended) = (json!(1_795_262_400_123_i64), json!(1_795_262_460_456_i64));
    check_statement("AVAILABLE", began.clone(), ended.clone(), false, Some("2026-11-21T12:01:00.456Z"));
    check_statement("ERROR", json!(1_795_262_400), json!(1_795_262_460), false, Some("2026-11-21T12:01:00Z"));
    check_statement("CANCELLED", began.clone(), json!(0), false, Some("2026-11-21T12:00:00.123Z"));
    check_statement("CANCELLED", json!(0), json!(0), false, None);
    check_statement("WAITING", json!(0), json!(0), true, None);
    check_statement("RUNNING", began.clone(), json!(0), true, None);
    check_statement("CANCELLING", began.clone(), json!(0), true, None);
    // One that Glue may learn after us: better busy in vain than stopped at work.
    check_statement("COMPILING", began, ended, true, None);
}

#[test]
fn statements_are_listed_one_page_at_a_time_while_the_session_answers() {
    let (glue, replay) = glue([
        Answer::ok(&json!({"Statements": [], "NextToken": "page-2"})),
        Answer::ok(&json!({})),
        Answer::error(400, "EntityNotFoundException", &Value::Null),
        Answer::error(400, "IllegalSessionStateException", &Value::Null),
    ]);
    let page = block_on(glue.statements("a", None)).unwrap().unwrap();
    assert_eq!(page, StatementPage { statements: vec![], next: Some("page-2".to_owned()) });
    assert_eq!(block_on(glue.statements("a", Some("page-2"))), Ok(Some(StatementPage::default())));
    assert_eq!(block_on(glue.statements("a", None)), Ok(None));
    assert_eq!(block_on(glue.statements("a", None)), Ok(None));
    assert_eq!(
        replay.requests()[..2],
        [
            request("ListStatements", json!({"SessionId": "a"})),
            request("ListStatements", json!({"SessionId": "a", "NextToken": "page-2"})),
        ]
    );
}

#[test]
fn tags_are_asked_for_by_arn() {
    let (glue, replay) = glue([Answer::ok(&json!({"Tags": {"owner": "ana"}})), Answer::ok(&json!({}))]);
    assert_eq!(block_on(glue.session_tags("a")), Ok(Tags::from([("owner".to_owned(), "ana".to_owned())])));
    assert_eq!(block_on(glue.session_tags("b")), Ok(Tags::new()));
    let arn = json!({"ResourceArn": "arn:aws:glue:eu-west-1:111111111111:session/a"});
    assert_eq!(replay.requests()[0], request("GetTags", arn));
}

#[test]
fn a_session_is_told_to_stop() {
    let (glue, replay) = glue([Answer::ok(&json!({"Id": "a"}))]);
    assert_eq!(block_on(glue.stop_session("a")), Ok(()));
    assert_eq!(replay.requests(), [request("StopSession", json!({"Id": "a"}))]);
}

#[test]
fn a_call_that_is_throttled_once_succeeds() {
    let (glue, replay) = glue([
        Answer::error(400, "ThrottlingException", &Value::Null),
        Answer::ok(&json!({"Sessions": [recorded("a", "READY")]})),
    ]);
    assert_eq!(block_on(glue.sessions(None)).map(|page| page.sessions.len()), Ok(1));
    assert_eq!(replay.requests().len(), 2);
}

/// Every operation that gets this answer to each attempt fails as this kind, under its own name.
fn check_failure(answer: &Answer, kind: CallErrorKind) {
    type Call = fn(&GlueClient) -> Result<(), CallError>;
    let calls: [(&str, Call); 5] = [
        ("glue:ListSessions", |glue| block_on(glue.sessions(None)).map(drop)),
        ("glue:GetSession", |glue| block_on(glue.session("a")).map(drop)),
        ("glue:ListStatements", |glue| block_on(glue.statements("a", None)).map(drop)),
        ("glue:GetTags", |glue| block_on(glue.session_tags("a")).map(drop)),
        ("glue:StopSession", |glue| block_on(glue.stop_session("a"))),
    ];
    for (operation, call) in calls {
        let (glue, _) = glue(repeat_n(answer.clone(), 6));
        let error = call(&glue).unwrap_err();
        assert_eq!((error.operation, error.kind), (operation, kind), "{answer:?}: {error}");
    }
}

#[test]
fn failures_have_a_kind() {
    let error = |status, code| Answer::error(status, code, &Value::Null);
    check_failure(&error(400, "ThrottlingException"), CallErrorKind::Throttled);
    check_failure(&error(400, "AccessDeniedException"), CallErrorKind::Denied);
    check_failure(&error(400, "InvalidInputException"), CallErrorKind::Invalid);
    check_failure(&error(500, "InternalServiceException"), CallErrorKind::Unavailable);
    check_failure(&Answer::Lost, CallErrorKind::Unavailable);
    check_failure(&Answer::Silence, CallErrorKind::Unavailable);
}
