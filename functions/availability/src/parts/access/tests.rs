//! What IAM answers, recorded, and what we take it for: which roles are the users', which are closed, what is refused.

use std::iter::repeat_n;

use guardrail::closing::Setting;
use lambda::fakes::block_on;
use lambda::fakes::replay::{Answer, Replay};

use super::*;

const HUB: &str = "999999999999";

/// The users' roles over these answers.
fn access(user_roles: &UserRoles, answers: impl IntoIterator<Item = Answer>) -> (Access, Replay) {
    let (replay, aws) = Replay::of(answers);
    let mut closing = Closing::default();
    closing.obey(Setting::UserRoles(user_roles.clone()));
    (Access::new(&aws, &closing, HUB), replay)
}

fn below(path: &str) -> UserRoles {
    UserRoles::Path(path.to_owned())
}

fn tagged() -> UserRoles {
    UserRoles::Tag { key: "access".to_owned(), value: "sandbox".to_owned() }
}

/// Everything that is no letter or digit in its percent code, as AWS sends policies.
fn encoded(document: &Value) -> String {
    let letters = document.to_string().into_bytes().into_iter();
    letters
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// A trust policy with this principal.
fn trust(principal: &Value) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"},
    ]})
}

/// The trust policy of a role that people of this account assume.
fn people() -> String {
    encoded(&trust(&json!({"AWS": "arn:aws:iam::111111111111:root"})))
}

fn role(path: &str, name: &str, trust: &str) -> String {
    format!(
        "<member><Path>{path}</Path><RoleName>{name}</RoleName><RoleId>AROAEXAMPLE</RoleId>\
         <Arn>arn:aws:iam::111111111111:role{path}{name}</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
         <AssumeRolePolicyDocument>{trust}</AssumeRolePolicyDocument></member>"
    )
}

/// What an operation answers.
fn result(operation: &str, body: &str) -> Answer {
    let xml = format!(
        "<{operation}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{operation}Result>{body}\
         </{operation}Result><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></{operation}Response>"
    );
    Answer::Http(200, xml)
}

fn listed(roles: &[String]) -> Answer {
    result("ListRoles", &format!("<IsTruncated>false</IsTruncated><Roles>{}</Roles>", roles.concat()))
}

fn tags(tags: &[(&str, &str)]) -> Answer {
    let tag = |(key, value): &(&str, &str)| format!("<member><Key>{key}</Key><Value>{value}</Value></member>");
    let tags: String = tags.iter().map(tag).collect();
    result("ListRoleTags", &format!("<IsTruncated>false</IsTruncated><Tags>{tags}</Tags>"))
}

fn policy(document: &Value) -> Answer {
    let document = encoded(document);
    result(
        "GetRolePolicy",
        &format!(
            "<RoleName>ana</RoleName><PolicyName>{CLOSED}</PolicyName><PolicyDocument>{document}</PolicyDocument>"
        ),
    )
}

fn done(operation: &str) -> Answer {
    Answer::Http(200, format!("<{operation}Response><ResponseMetadata/></{operation}Response>"))
}

fn refusal(status: u16, code: &str) -> Answer {
    let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>as recorded</Message></Error>");
    Answer::Http(status, format!("<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"))
}

fn missing() -> Answer {
    refusal(404, "NoSuchEntity")
}

/// The fields of the forms that were sent, without the version of the API.
fn forms(replay: &Replay) -> Vec<(String, Value)> {
    let field = |field: &str| {
        let (name, value) = field.split_once('=').unwrap();
        (name.to_owned(), Value::from(percent_decoded(value).unwrap()))
    };
    let fields = |form: Value| -> Value {
        let fields = form.as_str().unwrap().split('&').map(field);
        fields.filter(|(name, _)| name != "Action" && name != "Version").collect::<serde_json::Map<_, _>>().into()
    };
    replay.requests().into_iter().map(|(operation, form)| (operation, fields(form))).collect()
}

fn sent(operation: &str, fields: Value) -> (String, Value) {
    (operation.to_owned(), fields)
}

fn open(name: &str) -> Item {
    item(name.to_owned(), false)
}

/// A look at roles chosen so, that gets these answers, finds these.
fn check_look(user_roles: &UserRoles, answers: impl IntoIterator<Item = Answer>, found: &[Item]) -> Replay {
    let (access, replay) = access(user_roles, answers);
    assert_eq!(block_on(access.look()), Ok(found.to_vec()));
    replay
}

#[test]
fn roles_below_a_path_are_read_page_by_page_and_each_says_whether_it_is_closed() {
    let page = format!(
        "<IsTruncated>true</IsTruncated><Marker>page-2</Marker><Roles>{}</Roles>",
        role("/users/", "ana", &people())
    );
    let replay = check_look(
        &below("/users/"),
        [result("ListRoles", &page), listed(&[role("/users/data/", "ben", &people())]), missing(), policy(&closed())],
        &[open("ana"), item("ben".to_owned(), true)],
    );
    assert_eq!(
        forms(&replay),
        [
            sent("ListRoles", json!({"PathPrefix": "/users/"})),
            sent("ListRoles", json!({"PathPrefix": "/users/", "Marker": "page-2"})),
            sent("GetRolePolicy", json!({"RoleName": "ana", "PolicyName": CLOSED})),
            sent("GetRolePolicy", json!({"RoleName": "ben", "PolicyName": CLOSED})),
        ]
    );
}

#[test]
fn roles_with_a_tag_are_asked_for_it_one_by_one() {
    let roles = ["ana", "ben", "gone", "eva"].map(|name| role("/", name, &people()));
    let answers = [
        listed(&roles),
        tags(&[("owner", "ana"), ("access", "sandbox")]),
        tags(&[("access", "production")]),
        missing(),
        tags(&[]),
        missing(),
    ];
    let replay = check_look(&tagged(), answers, &[open("ana")]);
    assert_eq!(forms(&replay)[..2], [sent("ListRoles", json!({})), sent("ListRoleTags", json!({"RoleName": "ana"}))]);
}

/// The only role beside `ana` is never closed, nor asked about.
fn check_spared(path: &str, name: &str, trust: &str) {
    let roles = [role(path, name, trust), role("/users/", "ana", &people())];
    let replay = check_look(&tagged(), [listed(&roles), tags(&[("access", "sandbox")]), missing()], &[open("ana")]);
    assert_eq!(forms(&replay).len(), 3, "{path}{name}");
}

#[test]
fn roles_of_guardrails_services_and_for_breaking_the_glass_are_spared() {
    check_spared("/sandbox-guardrails/", "athena-watch", &people());
    check_spared("/aws-service-role/rds.amazonaws.com/", "AWSServiceRoleForRDS", &people());
    check_spared("/users/", "ops-break-glass-1", &people());
    // Spared before anything else is asked of it.
    check_spared("/sandbox-guardrails/", "unreadable", "%7B");
}

/// A role with this principal is a user's, or the hub's.
fn check_trust(principal: &Value, is_users: bool) {
    let hubs = role("/users/", "x", &encoded(&trust(principal)));
    let found: &[Item] = if is_users { &[open("x"), open("ana")] } else { &[open("ana")] };
    check_look(&below("/users/"), [listed(&[hubs, role("/users/", "ana", &people())]), missing(), missing()], found);
}

#[test]
fn roles_that_let_the_hub_in_are_spared() {
    check_trust(&json!({"AWS": HUB}), false);
    check_trust(&json!({"AWS": "arn:aws:iam::999999999999:root"}), false);
    check_trust(&json!({"AWS": "arn:aws-cn:iam::999999999999:role/console"}), false);
    check_trust(&json!({"AWS": ["111111111111", "arn:aws:sts::999999999999:assumed-role/console/x"]}), false);
    check_trust(&json!({"AWS": "arn:aws:iam::999999999998:root"}), true);
    check_trust(&json!({"AWS": "arn:aws:iam::111111111111:role/999999999999"}), true);
    check_trust(&json!({"Service": "glue.amazonaws.com"}), true);
    check_trust(&json!({"Federated": "arn:aws:iam::111111111111:saml-provider/idp"}), true);
    check_trust(&json!("*"), true);
}

#[test]
fn any_statement_of_a_trust_policy_may_let_the_hub_in() {
    let hub = |effect: &str| json!({"Effect": effect, "Principal": {"AWS": HUB}, "Action": "sts:AssumeRole"});
    let check = |statement: Value, expected: bool| {
        assert_eq!(trusts(&json!({"Statement": statement}), HUB), expected, "{statement}");
    };
    check(hub("Allow"), true);
    check(json!([{"Effect": "Allow", "Principal": "*"}, hub("Allow")]), true);
    check(json!([hub("Deny")]), false);
    check(json!([{"Effect": "Allow", "NotPrincipal": {"AWS": HUB}}]), false);
    check(json!([]), false);
    assert!(!trusts(&json!({}), HUB));
}

/// A role whose closing policy is this is open or closed.
fn check_policy(answer: Answer, is_closed: bool) {
    let roles = listed(&[role("/users/", "ana", &people())]);
    check_look(&below("/users/"), [roles, answer], &[item("ana".to_owned(), is_closed)]);
}

#[test]
fn a_role_is_closed_by_our_policy_to_the_letter_only() {
    check_policy(policy(&closed()), true);
    let reordered = r#"{ "Statement": [ {"Resource": "*", "Action": "*", "Effect": "Deny", "Sid": "SandboxIsClosed"} ],
        "Version": "2012-10-17" }"#;
    assert_eq!(read(reordered), Some(closed()));
    let mut weaker = closed();
    weaker["Statement"][0]["Condition"] = json!({"StringNotEquals": {"aws:username": "ana"}});
    check_policy(policy(&weaker), false);
    let mut allows = closed();
    allows["Statement"][0]["Effect"] = json!("Allow");
    check_policy(policy(&allows), false);
    check_policy(policy(&revoked(Timestamp::UNIX_EPOCH)), false);
    check_policy(
        result("GetRolePolicy", "<RoleName>a</RoleName><PolicyName>b</PolicyName><PolicyDocument>%7</PolicyDocument>"),
        false,
    );
    check_policy(missing(), false);
}

/// A look that gets these answers fails so, under this operation.
fn check_failure(
    user_roles: &UserRoles,
    answers: impl IntoIterator<Item = Answer>,
    operation: &str,
    kind: CallErrorKind,
    says: &str,
) {
    let (access, _) = access(user_roles, answers);
    let problem = block_on(access.look()).unwrap_err().into_first().unwrap();
    assert_eq!((problem.operation, problem.kind), (operation, kind), "{problem}");
    assert!(problem.message.contains(says), "{problem}");
}

#[test]
fn what_is_not_seen_wholly_is_not_seen_at_all() {
    let ana = || role("/users/", "ana", &people());
    let denied = || refusal(403, "AccessDenied");
    let users = below("/users/");
    check_failure(&users, [denied()], LIST_ROLES, CallErrorKind::Denied, "AccessDenied");
    check_failure(&users, [listed(&[ana(), ana()]), missing(), denied()], GET_ROLE_POLICY, CallErrorKind::Denied, "");
    check_failure(&tagged(), [listed(&[ana()]), denied()], LIST_ROLE_TAGS, CallErrorKind::Denied, "");
    check_failure(&users, repeat_n(refusal(400, "Throttling"), 6), LIST_ROLES, CallErrorKind::Throttled, "");
    let unreadable = listed(&[ana(), role("/users/", "odd", "%7B%22")]);
    check_failure(&users, [unreadable, missing()], LIST_ROLES, CallErrorKind::Unavailable, "role `odd`");
}

#[test]
fn users_without_a_role_are_a_problem() {
    let says = "`user_roles` is `/users/`, and there is no such role";
    check_failure(&below("/users/"), [listed(&[])], LIST_ROLES, CallErrorKind::Missing, says);
    let spared = listed(&[role("/users/", "break-glass", &people())]);
    check_failure(&below("/users/"), [spared], LIST_ROLES, CallErrorKind::Missing, says);
    let says = "`user_roles` is `tag:access=sandbox`";
    let other = listed(&[role("/", "ana", &people())]);
    check_failure(&tagged(), [other, tags(&[])], LIST_ROLES, CallErrorKind::Missing, says);
}

/// The moment before which sessions are revoked by a closing at `now`.
fn check_revoked(now: &str, before: &str) {
    let condition = json!({"DateLessThan": {"aws:TokenIssueTime": before}});
    assert_eq!(revoked(now.parse().unwrap())["Statement"][0]["Condition"], condition, "{now}");
}

#[test]
fn sessions_of_the_second_of_the_closing_are_revoked() {
    check_revoked("2026-11-21T20:00:00Z", "2026-11-21T20:00:01Z");
    check_revoked("2026-11-21T20:00:00.999Z", "2026-11-21T20:00:01Z");
    check_revoked("2026-11-21T23:59:59.5Z", "2026-11-22T00:00:00Z");
}

fn closing_time() -> Timestamp {
    "2026-11-21T20:00:00Z".parse().unwrap()
}

#[test]
fn closing_revokes_sessions_first_and_closes_then() {
    let (access, replay) = access(&below("/users/"), [missing(), done("PutRolePolicy"), done("PutRolePolicy")]);
    assert_eq!(block_on(access.turn_off(&open("ana"), closing_time())), Ok(Turned::Told));
    let put = |name: &str, document: Value| {
        let fields = json!({"RoleName": "ana", "PolicyName": name, "PolicyDocument": document.to_string()});
        sent("PutRolePolicy", fields)
    };
    assert_eq!(forms(&replay)[1..], [put(REVOKED, revoked(closing_time())), put(CLOSED, closed())]);
}

#[test]
fn closing_what_is_closed_changes_nothing() {
    let (access, replay) = access(&below("/users/"), [policy(&closed())]);
    assert_eq!(block_on(access.turn_off(&open("ana"), closing_time())), Ok(Turned::Told));
    assert_eq!(forms(&replay).len(), 1);
}

/// Closing a role that gets this answer to the second policy, after the first was taken, ends so.
fn check_closing(answer: Answer, expected: Result<Turned, CallErrorKind>) {
    let (access, _) = access(&below("/users/"), [missing(), done("PutRolePolicy"), answer.clone()]);
    let outcome = block_on(access.turn_off(&open("ana"), closing_time()));
    assert_eq!(outcome.map_err(|problem| problem.kind), expected, "{answer:?}");
}

fn refused(why: &str) -> Result<Turned, CallErrorKind> {
    Ok(Turned::Refused(why.to_owned()))
}

#[test]
fn closing_is_refused_for_good_or_tried_again() {
    check_closing(missing(), Ok(Turned::Gone));
    check_closing(refusal(400, "UnmodifiableEntity"), refused("IAM lets only AWS change this role"));
    let full = "the role's inline policies leave no room for the one that closes it";
    check_closing(refusal(409, "LimitExceeded"), refused(full));
    check_closing(refusal(409, "ConcurrentModification"), Err(CallErrorKind::Invalid));
    check_closing(refusal(403, "AccessDenied"), Err(CallErrorKind::Denied));
}

/// Opening a role that gets this answer ends so.
fn check_opening(answer: Answer, expected: Result<Turned, CallErrorKind>) {
    let (access, replay) = access(&below("/users/"), [answer.clone()]);
    let item = TurnedOff { resource: open("ana").resource, memo: json!({}) };
    let outcome = block_on(access.turn_on(&item));
    assert_eq!(outcome.map_err(|problem| problem.kind), expected, "{answer:?}");
    assert_eq!(forms(&replay), [sent("DeleteRolePolicy", json!({"RoleName": "ana", "PolicyName": CLOSED}))]);
}

#[test]
fn opening_deletes_what_closes_and_keeps_what_revokes() {
    check_opening(done("DeleteRolePolicy"), Ok(Turned::Told));
    check_opening(missing(), Ok(Turned::Told));
    check_opening(refusal(400, "UnmodifiableEntity"), refused("IAM lets only AWS change this role"));
    check_opening(refusal(403, "AccessDenied"), Err(CallErrorKind::Denied));
}
