//! What DynamoDB answers, recorded, and what we take it for.

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_smithy_mocks::{MockResponseInterceptor, Rule, RuleMode, create_mock_http_client, mock};
use lambda::CallErrorKind;

use super::*;
use crate::health::SignKind;
use crate::hub::Hub;

fn table(rule: &Rule) -> ConsoleTable {
    let answers = MockResponseInterceptor::new().rule_mode(RuleMode::MatchAny).with_rule(rule);
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", None, None, "test"))
        .http_client(create_mock_http_client())
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled())
        .interceptor(answers)
        .build();
    ConsoleTable::from_client(Client::from_conf(config))
}

/// The last row of a sample event.
fn row(name: &str) -> Row {
    let path = format!("{}/../../events/console-feed/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let event = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let hub = Hub { account: "999999999999".to_owned(), region: "eu-west-1".to_owned() };
    Row::all_of(&event, &hub, "2026-11-20T09:35:00Z".parse().unwrap()).unwrap().pop().unwrap()
}

/// The body of a DynamoDB error of this type.
fn error(kind: &str) -> Option<String> {
    let namespace = if kind == "AccessDeniedException" || kind == "ThrottlingException" {
        "com.amazon.coral.service"
    } else {
        "com.amazonaws.dynamodb.v20120810"
    };
    Some(format!(r#"{{"__type":"{namespace}#{kind}","message":"as recorded"}}"#))
}

/// Every placeholder of the request is used, and every one used is given: DynamoDB refuses anything else.
fn is_complete(request: &UpdateItemInput) -> bool {
    let expression = format!("{} {IS_NEWER}", request.update_expression().unwrap());
    let used = |sigil: char| {
        let words = expression.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '#' || c == ':'));
        let mut used: Vec<_> = words.filter(|word| word.starts_with(sigil)).map(str::to_owned).collect();
        used.sort();
        used.dedup();
        used
    };
    let mut names: Vec<_> = request.expression_attribute_names().unwrap().keys().cloned().collect();
    let mut values: Vec<_> = request.expression_attribute_values().unwrap().keys().cloned().collect();
    names.sort();
    values.sort();
    names == used('#') && values == used(':')
}

#[tokio::test]
async fn a_row_is_written_under_the_condition_that_it_is_newer() {
    let reports = ["finding", "action", "heartbeat", "configuration-rejected", "function-failed"];
    for name in reports.into_iter().chain(["availability-change", "window-updated"]) {
        let rule = mock!(Client::update_item)
            .match_requests(|request| {
                let key = request.key().unwrap();
                key.contains_key("pk")
                    && key.contains_key("sk")
                    && request.table_name() == Some("sandbox-guardrails-console")
                    && request.condition_expression() == Some(IS_NEWER)
                    && is_complete(request)
            })
            .then_output(|| UpdateItemOutput::builder().build());
        assert_eq!(table(&rule).upsert(&row(name)).await, Ok(true), "{name}");
    }
}

#[tokio::test]
async fn what_an_older_state_had_and_this_one_has_not_is_removed() {
    let rule = mock!(Client::update_item)
        .match_requests(|request| {
            request.update_expression().unwrap().ends_with(" REMOVE #owner, #principal, #episode, #exemption")
        })
        .then_output(|| UpdateItemOutput::builder().build());
    assert_eq!(table(&rule).upsert(&row("finding")).await, Ok(true));
}

#[tokio::test]
async fn a_newer_state_that_is_there_is_a_success() {
    let answer = || error("ConditionalCheckFailedException");
    let rule = mock!(Client::update_item).sequence().http_status(400, answer()).build();
    assert_eq!(table(&rule).upsert(&row("finding")).await, Ok(false));
}

#[tokio::test]
async fn failures_are_of_the_kind_that_dynamodb_names() {
    for (status, code, kind) in [
        (400, "ProvisionedThroughputExceededException", CallErrorKind::Throttled),
        (400, "RequestLimitExceeded", CallErrorKind::Throttled),
        (400, "ThrottlingException", CallErrorKind::Throttled),
        (400, "AccessDeniedException", CallErrorKind::Denied),
        (400, "ResourceNotFoundException", CallErrorKind::Missing),
        (400, "ValidationException", CallErrorKind::Invalid),
        (500, "InternalServerError", CallErrorKind::Unavailable),
    ] {
        let expected = |operation| CallError { operation, kind, message: format!("{code}: as recorded") };
        let rule = mock!(Client::update_item).sequence().http_status(status, error(code)).build();
        let written = table(&rule).upsert(&row("finding")).await;
        assert_eq!(written, Err(expected("dynamodb:UpdateItem")));
        let rule = mock!(Client::query).sequence().http_status(status, error(code)).build();
        assert_eq!(table(&rule).signs().await, Err(expected("dynamodb:Query")));
    }
}

/// What a query gives back of a row: the attributes of a sign, and the sort key.
fn item(name: &str) -> HashMap<String, AttributeValue> {
    let row = row(name);
    let cells = row.attributes().filter(|(name, _)| Sign::ATTRIBUTES.contains(name));
    let cells = cells.filter_map(|(name, cell)| Some((name.to_owned(), value_of(cell?))));
    cells.chain([("sk".to_owned(), AttributeValue::S(row.sk.clone()))]).collect()
}

#[tokio::test]
async fn signs_are_read_from_every_page() {
    let rule = mock!(Client::query).then_compute_output(|request| match request.exclusive_start_key() {
        None => QueryOutput::builder()
            .items(item("heartbeat"))
            .last_evaluated_key("pk", AttributeValue::S(HEALTH.to_owned()))
            .last_evaluated_key("sk", AttributeValue::S("111111111111/eu-west-1/athena-watch/heartbeat".to_owned()))
            .build(),
        Some(_) => QueryOutput::builder().items(item("function-failed")).build(),
    });
    let signs = table(&rule).signs().await.unwrap();
    let [heartbeat, failure] = &signs[..] else { panic!("two pages of one sign each, not {signs:?}") };
    assert_eq!((&heartbeat.by, heartbeat.by.function.as_str()), (&failure.by, "athena-watch"));
    assert_eq!(heartbeat.at, row("heartbeat").occurred_at);
    assert_eq!(heartbeat.kind, SignKind::Heartbeat { alias: "marketing".to_owned() });
    assert!(matches!(&failure.kind, SignKind::Failure { error } if error.starts_with("AccessDenied: `athena:")));
}

#[tokio::test]
async fn the_query_asks_for_the_signs_and_nothing_else() {
    let rule = mock!(Client::query)
        .match_requests(|request| {
            let names = request.expression_attribute_names().unwrap();
            let read = request.projection_expression().unwrap();
            request.key_condition_expression() == Some("pk = :health")
                && request.expression_attribute_values().unwrap()[":health"] == AttributeValue::S(HEALTH.to_owned())
                && read.split(", ").all(|name| name == "sk" || names.contains_key(name))
                && names.len() == Sign::ATTRIBUTES.len()
        })
        .then_output(|| QueryOutput::builder().build());
    assert_eq!(table(&rule).signs().await, Ok(vec![]));
}

#[tokio::test]
async fn a_row_that_is_no_sign_is_an_error_that_names_it() {
    for missing in ["account", "region", "function", "alias", "occurred_at"] {
        let rule = mock!(Client::query).then_compute_output(move |_| {
            let mut item = item("heartbeat");
            item.remove(missing);
            QueryOutput::builder().items(item).build()
        });
        let error = table(&rule).signs().await.unwrap_err();
        let row = "111111111111/eu-west-1/athena-watch/heartbeat";
        assert_eq!(error.message, format!("row `{row}` of `health` has no valid `{missing}`"));
    }
}
