//! AWS Glue: interactive sessions with their statements, and jobs with their runs.
//!
//! Thirteen operations, with the checks, texts and order of the live service as far as they are documented or have been
//! seen in the wild. Names and session ids are compared as they are; regular expressions that only forbid control
//! characters are not checked. No code is executed.

mod directive;
mod handle;
mod job;
mod jobs;
mod paging;
mod routes;
mod run;
mod session;
mod sessions;
mod size;
mod statement;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub use handle::GlueHandle;
pub use job::{GlueJobSpec, GlueJobView};
pub(crate) use routes::routes;
pub use run::{JobRunSpec, JobRunState, JobRunView};
pub use session::{SessionSpec, SessionState, SessionView};
pub use statement::{StatementSpec, StatementState, StatementView};

use crate::accounts::Place;
use crate::cloudtrail::Creation;
use crate::events::ServiceEvent;
use crate::input::Input;
use crate::protocol::AwsError;
use crate::quotas::Quota;
use crate::world::{Change, Service};
use jobs::Jobs;
use sessions::Sessions;

/// Where CloudTrail says a call went.
const SOURCE: &str = "glue.amazonaws.com";
/// The most entries of one page of most lists.
const PAGE_LIMIT: i64 = 1_000;
const MINUTE: u64 = 60;

/// An error of Glue's model.
fn error(code: &str, message: &str) -> AwsError {
    AwsError::modelled(400, code, message, &[])
}

/// Glue's error for a request it cannot accept.
fn invalid(message: &str) -> AwsError {
    error("InvalidInputException", message)
}

fn not_found(message: &str) -> AwsError {
    error("EntityNotFoundException", message)
}

/// The AWS Glue of one account in one Region.
#[derive(Debug)]
pub(crate) struct Glue {
    place: Place,
    sessions: Sessions,
    jobs: Jobs,
}

impl Service for Glue {
    /// AWS documents that Glue's rates are per account and Region, and not what they are
    /// (<https://docs.aws.amazon.com/general/latest/gr/glue.html>): these are cautious guesses.
    const QUOTAS: &'static [Quota] = &[
        Quota { operation: "ListSessions", per_second: 5, burst: 10 },
        Quota { operation: "GetSession", per_second: 10, burst: 20 },
        Quota { operation: "CreateSession", per_second: 5, burst: 10 },
        Quota { operation: "StopSession", per_second: 5, burst: 10 },
        Quota { operation: "ListStatements", per_second: 5, burst: 10 },
        Quota { operation: "RunStatement", per_second: 10, burst: 20 },
        Quota { operation: "ListJobs", per_second: 5, burst: 10 },
        Quota { operation: "GetJobs", per_second: 5, burst: 10 },
        Quota { operation: "GetJobRuns", per_second: 10, burst: 20 },
        Quota { operation: "GetJobRun", per_second: 10, burst: 20 },
        Quota { operation: "StartJobRun", per_second: 5, burst: 10 },
        Quota { operation: "BatchStopJobRun", per_second: 5, burst: 10 },
        Quota { operation: "GetTags", per_second: 10, burst: 20 },
    ];
    const STOPS: &'static [Change] = &[("StopSession", &["Id"]), ("BatchStopJobRun", &["JobRunIds"])];
    const CHANGES: &'static [Change] =
        &[("CreateSession", &["Id"]), ("RunStatement", &["SessionId"]), ("StartJobRun", &["JobName"])];

    fn call(&mut self, operation: &str, input: &Map<String, Value>, now: Timestamp) -> Result<Value, AwsError> {
        let input = Input::new(input, invalid);
        match operation {
            "ListSessions" => self.sessions.list_sessions(input, now),
            "GetSession" => self.sessions.get_session(input, now),
            "CreateSession" => self.sessions.create_session(input, now),
            "StopSession" => self.sessions.stop_session(input, now),
            "ListStatements" => self.sessions.list_statements(input, now),
            "RunStatement" => self.sessions.run_statement(input, now),
            "ListJobs" => self.jobs.list_jobs(input),
            "GetJobs" => self.jobs.get_jobs(input),
            "GetJobRuns" => self.jobs.get_job_runs(input, now),
            "GetJobRun" => self.jobs.get_job_run(input, now),
            "StartJobRun" => self.jobs.start_job_run(input, now),
            "BatchStopJobRun" => self.jobs.batch_stop_job_run(input, now),
            "GetTags" => self.get_tags(input),
            _ => Err(AwsError::unknown_operation()),
        }
    }

    fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        self.jobs.announce(now)
    }

    fn next_change(&self) -> Option<Timestamp> {
        self.jobs.next_change()
    }

    fn active(&self, now: Timestamp) -> usize {
        let sessions = self.sessions.all().filter(|session| session.is_active(now)).count();
        sessions + self.jobs.runs().filter(|run| run.is_active(now)).count()
    }

    fn take_created(&mut self) -> Vec<Creation> {
        let mut created = std::mem::take(&mut self.sessions.created);
        created.append(&mut self.jobs.created);
        created
    }
}

impl Glue {
    pub(crate) fn new(place: &Place) -> Glue {
        Glue { place: place.clone(), sessions: Sessions::new(place), jobs: Jobs::new(place) }
    }

    fn get_tags(&self, input: Input<'_>) -> Result<Value, AwsError> {
        let name = "ResourceArn";
        let arn = input.required_text(name, 1..=10_240)?;
        if !(arn.starts_with("arn:aws") && arn.contains(":glue:")) {
            return Err(input.unmatched(name, "arn:aws(-(cn|us-gov|iso(-[bef])?))?:glue:.*"));
        }
        let ours = format!(":glue:{}:{}:", self.place.region, self.place.account);
        let resource = arn.split_once(&ours).and_then(|(_, resource)| resource.split_once('/'));
        let tags = match resource {
            Some(("session", id)) => self.sessions.get(id).map(|session| &session.tags),
            Some(("job", name)) => self.jobs.job(name).map(|job| &job.tags),
            _ => None,
        };
        let tags = tags.ok_or_else(|| not_found(&format!("Resource {arn} not found.")))?;
        Ok(json!({ "Tags": tags }))
    }
}

/// The role of what names none.
fn default_role(place: &Place) -> String {
    format!("arn:aws:iam::{}:role/service-role/AWSGlueServiceRole", place.account)
}

/// A map of texts with at most `most` entries.
fn texts_of(input: Input<'_>, name: &str, most: usize) -> Result<Option<BTreeMap<String, String>>, AwsError> {
    let (Some(object), Some(Value::Object(members))) = (input.object(name)?, input.member(name)) else {
        return Ok(None);
    };
    if members.len() > most {
        return Err(invalid(&format!(
            "1 validation error detected: Value at '{name}' failed to satisfy constraint: \
             Member must have length less than or equal to {most}"
        )));
    }
    let mut texts = BTreeMap::new();
    for key in members.keys() {
        if let Some(text) = object.text(key, 0..=usize::MAX)? {
            texts.insert(key.clone(), text.to_owned());
        }
    }
    Ok(Some(texts))
}

/// A duration that a request gives in minutes.
fn minutes(input: Input<'_>, name: &str) -> Result<Option<Duration>, AwsError> {
    let minutes = input.integer(name, 1..=i64::from(i32::MAX))?.and_then(|minutes| u64::try_from(minutes).ok());
    Ok(minutes.map(|minutes| Duration::from_secs(minutes * MINUTE)))
}

/// The duration in whole minutes, as the answers give it; a begun minute counts.
fn minutes_of(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(u128::from(MINUTE) * 1_000).try_into().unwrap_or(u64::MAX)
}

/// Whether something has all the tags that were asked for.
fn has_tags(tags: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| tags.get(key) == Some(value))
}

/// The members of an object, to be added to.
fn members_of(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloudtrail_learns_who_created_what() {
        let place = Place { account: "111111111111".into(), region: "eu-west-1".into() };
        let mut glue = Glue::new(&place);
        let ann = || Some("arn:aws:iam::111111111111:user/ann".to_owned());
        let now: Timestamp = "2026-11-01T12:00:00Z".parse().unwrap();
        let statements = vec![StatementSpec { age: Duration::from_secs(60), ..StatementSpec::default() }];
        let session = SessionSpec {
            id: Some("nb".to_owned()),
            age: Duration::from_secs(120),
            statements,
            started_by: ann(),
            ..SessionSpec::default()
        };
        glue.sessions.start(&session, now);
        let run = glue.jobs.start(&JobRunSpec { started_by: ann(), ..JobRunSpec::default() }, Default::default(), now);
        let created = glue.take_created();
        let told: Vec<_> = created.iter().map(|creation| (creation.event_name, creation.at.to_string())).collect();
        let told: Vec<_> = told.iter().map(|(name, at)| (*name, at.as_str())).collect();
        let expected = [
            ("CreateSession", "2026-11-01T11:58:00Z"),
            ("RunStatement", "2026-11-01T11:59:00Z"),
            ("CreateJob", "2026-11-01T12:00:00Z"),
            ("StartJobRun", "2026-11-01T12:00:00Z"),
        ];
        assert_eq!(told, expected);
        let by: Vec<_> = created.iter().map(|creation| creation.by.clone()).collect();
        assert_eq!(by, [ann(), None, ann(), ann()]);
        let [session, statement, job, started] = created.as_slice() else { panic!("{created:?}") };
        assert_eq!((&session.request["id"], &session.request["numberOfWorkers"]), (&json!("nb"), &json!(2)));
        assert_eq!(session.response["session"]["status"], "PROVISIONING");
        assert_eq!((&statement.request["sessionId"], &statement.response), (&json!("nb"), &json!({ "id": 0 })));
        assert_eq!(job.response, json!({ "name": "etl" }));
        assert_eq!(started.request, json!({ "jobName": "etl", "workerType": "G.1X", "numberOfWorkers": 2 }));
        assert_eq!(started.response, json!({ "jobRunId": *run }));
        assert!(glue.take_created().is_empty());
    }
}
