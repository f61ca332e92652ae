//! Athena: its ten operations on workgroups and queries, with the checks, texts and order of the live service.

mod directive;
mod handle;
mod query;
mod routes;
mod workgroup;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use handle::AthenaHandle;
pub use query::{Outcome, QuerySpec, QueryState, QueryView, StatementType};
pub(crate) use routes::routes;
pub use workgroup::{WorkgroupState, WorkgroupView};

use crate::accounts::Place;
use crate::clock;
use crate::cloudtrail::Creation;
use crate::events::ServiceEvent;
use crate::input::Input;
use crate::protocol::AwsError;
use crate::quotas::Quota;
use crate::world::{Change, Service};
use query::{Echo, Query};
use workgroup::Workgroup;

/// The workgroup that always exists and that a request without one means.
const PRIMARY: &str = "primary";
/// How long Athena remembers a query.
const HISTORY: Duration = Duration::from_secs(45 * 24 * 60 * 60);
/// The most entries of one page, and the most ids of one batch.
const PAGE: usize = 50;
/// The longest SQL text.
const SQL_LENGTH: usize = 262_144;

/// The name of the workgroup that always exists.
fn primary() -> String {
    PRIMARY.to_owned()
}

/// Athena's error for a request it cannot accept.
fn invalid(message: &str) -> AwsError {
    refused("INVALID_INPUT", message)
}

/// The same with a reason of its own; the live service writes the reason twice.
fn refused(reason: &str, message: &str) -> AwsError {
    let members = [("AthenaErrorCode", reason), ("ErrorCode", reason)];
    AwsError::modelled(400, "InvalidRequestException", message, &members)
}

fn query_not_found(id: &str) -> AwsError {
    refused("QUERY_EXECUTION_NOT_FOUND", &format!("QueryExecution {id} was not found"))
}

fn workgroup_not_found() -> AwsError {
    invalid("WorkGroup is not found.")
}

/// The Athena of one account in one Region.
#[derive(Debug)]
pub(crate) struct Athena {
    /// Where results go when nobody says: the bucket the console proposes.
    results: String,
    workgroups: BTreeMap<String, Workgroup>,
    queries: HashMap<Arc<str>, Query>,
    /// How many queries there have been, so that those of one millisecond keep their order.
    submissions: u64,
    /// What a `ClientRequestToken` has started.
    tokens: HashMap<String, (Fingerprint, Arc<str>)>,
    /// Queries by the next change that has to be announced.
    due: BTreeSet<(Timestamp, Arc<str>)>,
    created: Vec<Creation>,
}

/// What has to be the same for a repeated token to mean the same query. The workgroup and the parameters do not.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint {
    sql: String,
    database: Option<String>,
    catalog: Option<String>,
    output: Option<String>,
}

impl Service for Athena {
    /// <https://docs.aws.amazon.com/athena/latest/ug/service-limits.html#service-limits-api-calls>; `ListWorkGroups`
    /// is not in the table and is held to the rate of the other lists.
    const QUOTAS: &'static [Quota] = &[
        Quota { operation: "ListWorkGroups", per_second: 5, burst: 10 },
        Quota { operation: "ListQueryExecutions", per_second: 5, burst: 10 },
        Quota { operation: "BatchGetQueryExecution", per_second: 20, burst: 40 },
        Quota { operation: "GetQueryExecution", per_second: 100, burst: 200 },
        Quota { operation: "StartQueryExecution", per_second: 20, burst: 80 },
        Quota { operation: "StopQueryExecution", per_second: 20, burst: 80 },
    ];
    const STOPS: &'static [Change] = &[("StopQueryExecution", &["QueryExecutionId"])];
    const CHANGES: &'static [Change] = &[
        ("CreateWorkGroup", &["Name"]),
        ("UpdateWorkGroup", &["WorkGroup"]),
        ("DeleteWorkGroup", &["WorkGroup"]),
        ("StartQueryExecution", &["WorkGroup"]),
    ];

    fn call(&mut self, operation: &str, input: &Map<String, Value>, now: Timestamp) -> Result<Value, AwsError> {
        let input = Input::new(input, invalid);
        match operation {
            "ListWorkGroups" => self.list_work_groups(input),
            "GetWorkGroup" => self.get_work_group(input),
            "CreateWorkGroup" => self.create_work_group(input, now),
            "UpdateWorkGroup" => self.update_work_group(input),
            "DeleteWorkGroup" => self.delete_work_group(input),
            "StartQueryExecution" => self.start_query_execution(input, now),
            "GetQueryExecution" => self.get_query_execution(input, now),
            "BatchGetQueryExecution" => self.batch_get_query_execution(input, now),
            "ListQueryExecutions" => self.list_query_executions(input, now),
            "StopQueryExecution" => self.stop_query_execution(input, now),
            _ => Err(AwsError::unknown_operation()),
        }
    }

    fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let mut events = Vec::new();
        while let Some((at, id)) = self.due.pop_first() {
            if at > now {
                self.due.insert((at, id));
                break;
            }
            if let Some(query) = self.queries.get_mut(&id) {
                // Just this change: the query's next one takes its turn among those of the other queries.
                events.extend(query.announce(at));
                self.due.extend(query.next_change().map(|next| (next, id)));
            }
        }
        events
    }

    fn next_change(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    fn active(&self, now: Timestamp) -> usize {
        self.queries.values().filter(|query| query.is_active(now)).count()
    }

    fn take_created(&mut self) -> Vec<Creation> {
        std::mem::take(&mut self.created)
    }
}

impl Athena {
    pub(crate) fn new(place: &Place, now: Timestamp) -> Athena {
        let results = format!("s3://aws-athena-query-results-{}-{}/", place.account, place.region);
        let primary = Workgroup::with_results(PRIMARY, &results, now);
        Athena {
            results,
            workgroups: BTreeMap::from([(PRIMARY.to_owned(), primary)]),
            queries: HashMap::new(),
            submissions: 0,
            tokens: HashMap::new(),
            due: BTreeSet::new(),
            created: Vec::new(),
        }
    }

    fn list_work_groups(&self, input: Input<'_>) -> Result<Value, AwsError> {
        let page = page_size(input, 1)?;
        let after = input.text("NextToken", 1..=1_024)?.map(|token| name_of(token, &self.workgroups)).transpose()?;
        let mut rest = self.workgroups.values().filter(|workgroup| after.is_none_or(|after| *workgroup.name > *after));
        let shown: Vec<&Workgroup> = rest.by_ref().take(page).collect();
        let mut output =
            json!({ "WorkGroups": shown.iter().map(|workgroup| workgroup.summarise()).collect::<Vec<_>>() });
        if let (Some(last), Some(_), Value::Object(output)) = (shown.last(), rest.next(), &mut output) {
            output.insert("NextToken".to_owned(), token_of(&last.name).into());
        }
        Ok(output)
    }

    fn get_work_group(&self, input: Input<'_>) -> Result<Value, AwsError> {
        let workgroup = self.workgroups.get(workgroup_name(input, "WorkGroup")?).ok_or_else(workgroup_not_found)?;
        Ok(json!({ "WorkGroup": workgroup.describe() }))
    }

    fn create_work_group(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let name = workgroup_name(input, "Name")?;
        let mut workgroup = Workgroup::new(name, now);
        workgroup.configure(input)?;
        if self.workgroups.contains_key(name) {
            return Err(invalid("WorkGroup is already created"));
        }
        self.workgroups.insert(name.to_owned(), workgroup);
        Ok(json!({}))
    }

    fn update_work_group(&mut self, input: Input<'_>) -> Result<Value, AwsError> {
        let name = workgroup_name(input, "WorkGroup")?;
        self.workgroups.get_mut(name).ok_or_else(workgroup_not_found)?.update(input)?;
        Ok(json!({}))
    }

    fn delete_work_group(&mut self, input: Input<'_>) -> Result<Value, AwsError> {
        let name = workgroup_name(input, "WorkGroup")?;
        let recursive = input.flag("RecursiveDeleteOption")?.unwrap_or_default();
        if name == PRIMARY {
            return Err(invalid("The primary workgroup cannot be deleted."));
        }
        let workgroup = self.workgroups.get(name).ok_or_else(workgroup_not_found)?;
        if !recursive && !workgroup.history.is_empty() {
            return Err(invalid("WorkGroup is not empty"));
        }
        let history = self.workgroups.remove(name).map(|workgroup| workgroup.history).unwrap_or_default();
        for id in history.into_values() {
            self.queries.remove(&id);
        }
        self.tokens.retain(|_, (_, id)| self.queries.contains_key(id));
        Ok(json!({}))
    }

    fn start_query_execution(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let sql = input.required_text("QueryString", 1..=SQL_LENGTH)?;
        let workgroup = input.text("WorkGroup", 1..=128)?.unwrap_or(PRIMARY);
        let parameters = input.texts("ExecutionParameters", 1..=usize::MAX)?.unwrap_or_default();
        let context = input.object("QueryExecutionContext")?;
        let database = context.map(|context| context.text("Database", 1..=255)).transpose()?.flatten();
        let catalog = context.map(|context| context.text("Catalog", 1..=256)).transpose()?.flatten();
        let results = input.object("ResultConfiguration")?;
        let output = results.map(|results| results.text("OutputLocation", 0..=usize::MAX)).transpose()?.flatten();
        let reuse = input.object("ResultReuseConfiguration")?.and_then(|_| input.member("ResultReuseConfiguration"));
        let token = input
            .text("ClientRequestToken", 32..=128)?
            .ok_or_else(|| invalid("clientRequestToken is null or empty"))?;

        let group = self.workgroups.get(workgroup).ok_or_else(workgroup_not_found)?;
        if group.state == WorkgroupState::Disabled {
            return Err(invalid("WorkGroup is disabled."));
        }
        if output.is_some_and(|output| output.strip_prefix("s3://").is_none_or(str::is_empty)) {
            return Err(invalid("outputLocation is not a valid S3 path."));
        }
        let effective = if group.enforced() { group.output_location() } else { output.or(group.output_location()) };
        let effective: Arc<str> = effective
            .ok_or_else(|| {
                invalid(
                    "No output location provided. An output location is required either through the Workgroup result \
                     configuration setting or as an API input.",
                )
            })?
            .into();

        let fingerprint = Fingerprint {
            sql: sql.to_owned(),
            database: database.map(str::to_owned),
            catalog: catalog.map(str::to_owned),
            // A workgroup that enforces its settings does not look at the request's.
            output: output.filter(|_| !group.enforced()).map(str::to_owned),
        };
        if let Some((known, id)) = self.tokens.get(token) {
            return if *known == fingerprint {
                Ok(json!({ "QueryExecutionId": **id }))
            } else {
                Err(refused("IDEMPOTENT_PARAMETER_MISMATCH", "Idempotent parameters do not match"))
            };
        }
        let echo = Echo {
            database: fingerprint.database.clone(),
            catalog: fingerprint.catalog.clone(),
            execution_parameters: parameters.into_iter().map(str::to_owned).collect(),
            result_reuse: reuse.cloned(),
        };
        let spec = QuerySpec { workgroup: workgroup.to_owned(), sql: sql.to_owned(), ..directive::read(sql) };
        let id = self.submit(&spec, effective, echo, now);
        self.tokens.insert(token.to_owned(), (fingerprint, Arc::clone(&id)));
        Ok(json!({ "QueryExecutionId": *id }))
    }

    /// Takes a query on, in a workgroup that is there or comes into being.
    fn submit(&mut self, spec: &QuerySpec, output: Arc<str>, echo: Echo, now: Timestamp) -> Arc<str> {
        let id: Arc<str> = Uuid::new_v4().to_string().into();
        let group = self
            .workgroups
            .entry(spec.workgroup.clone())
            .or_insert_with(|| Workgroup::with_results(&spec.workgroup, &self.results, now));
        let query = Query::new(Arc::clone(&id), Arc::clone(&group.name), spec, output, group.cutoff(), now);
        self.created.push(creation(&query, spec, &echo));
        let query = query.with_echo(echo);
        self.submissions += 1;
        group.history.insert((query.submitted_at(), self.submissions), Arc::clone(&id));
        self.due.extend(query.next_change().map(|next| (next, Arc::clone(&id))));
        self.queries.insert(Arc::clone(&id), query);
        id
    }

    /// The query, unless it is unknown or older than Athena remembers.
    fn query(&self, id: &str, now: Timestamp) -> Result<&Query, AwsError> {
        self.queries
            .get(id)
            .filter(|query| query.submitted_at() > clock::before(now, HISTORY))
            .ok_or_else(|| query_not_found(id))
    }

    /// Changes a query and puts it where its next change belongs.
    fn interfere(&mut self, id: &str, now: Timestamp, change: impl FnOnce(&mut Query)) -> Result<(), AwsError> {
        self.query(id, now)?;
        if let Some(query) = self.queries.get_mut(id) {
            if let Some(next) = query.next_change() {
                self.due.remove(&(next, Arc::clone(query.id())));
            }
            change(query);
            self.due.extend(query.next_change().map(|next| (next, Arc::clone(query.id()))));
        }
        Ok(())
    }

    fn get_query_execution(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let query = self.query(query_id(input)?, now)?;
        Ok(json!({ "QueryExecution": query.describe(now) }))
    }

    fn batch_get_query_execution(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let name = "QueryExecutionIds";
        let ids = input.texts(name, 1..=PAGE)?.ok_or_else(|| input.missing(name))?;
        let mut found = Vec::new();
        let mut unknown = Vec::new();
        for id in ids {
            match self.query(id, now) {
                Ok(query) => found.push(query.describe(now)),
                Err(_) => unknown.push(json!({
                    "QueryExecutionId": id,
                    "ErrorCode": "QUERY_EXECUTION_NOT_FOUND",
                    "ErrorMessage": format!("QueryExecution {id} was not found"),
                })),
            }
        }
        Ok(json!({ "QueryExecutions": found, "UnprocessedQueryExecutionIds": unknown }))
    }

    fn list_query_executions(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let page = page_size(input, 0)?;
        let name = input.text("WorkGroup", 1..=128)?.unwrap_or(PRIMARY);
        let token = input.text("NextToken", 1..=1_024)?;
        let group = self.workgroups.get(name).ok_or_else(workgroup_not_found)?;
        let before = token.map(|token| submission_of(token, name)).transpose()?.unwrap_or((Timestamp::MAX, 0));
        let oldest = (clock::before(now, HISTORY), u64::MAX).min(before);
        let mut rest = group.history.range(oldest..before).rev();
        let shown: Vec<_> = rest.by_ref().take(page).collect();
        let mut output = json!({ "QueryExecutionIds": shown.iter().map(|(_, id)| &***id).collect::<Vec<_>>() });
        if let (Some((last, _)), Some(_), Value::Object(output)) = (shown.last(), rest.next(), &mut output) {
            output.insert("NextToken".to_owned(), token_for(**last, name).into());
        }
        Ok(output)
    }

    fn stop_query_execution(&mut self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        self.interfere(query_id(input)?, now, |query| query.stop(now))?;
        Ok(json!({}))
    }
}

/// The start of a query as CloudTrail tells it: without its SQL, by design
/// (<https://docs.aws.amazon.com/athena/latest/ug/monitor-with-cloudtrail.html>).
fn creation(query: &Query, spec: &QuerySpec, echo: &Echo) -> Creation {
    Creation {
        event_source: "athena.amazonaws.com",
        event_name: "StartQueryExecution",
        at: query.submitted_at(),
        by: spec.started_by.clone(),
        request: json!({
            "queryString": "***OMITTED***",
            "queryExecutionContext": { "database": echo.database, "catalog": echo.catalog },
            "workGroup": spec.workgroup,
        }),
        response: json!({ "queryExecutionId": **query.id() }),
    }
}

fn query_id<'a>(input: Input<'a>) -> Result<&'a str, AwsError> {
    let name = "QueryExecutionId";
    let id = input.required_text(name, 1..=128)?;
    if id.contains(char::is_whitespace) { Err(input.unmatched(name, "\\S+")) } else { Ok(id) }
}

fn workgroup_name<'a>(input: Input<'a>, member: &str) -> Result<&'a str, AwsError> {
    let name = input.required_text(member, 0..=usize::MAX)?;
    let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    if (1..=128).contains(&name.len()) && name.chars().all(legal) {
        Ok(name)
    } else {
        Err(input.unmatched(member, "[a-zA-Z0-9._-]{1,128}"))
    }
}

/// How many entries a page holds; the operations disagree on the least that may be asked for.
fn page_size(input: Input<'_>, least: i64) -> Result<usize, AwsError> {
    let most = i64::try_from(PAGE).unwrap_or(i64::MAX);
    let asked = input.integer("MaxResults", least..=most)?.and_then(|count| usize::try_from(count).ok());
    Ok(asked.filter(|count| *count > 0).unwrap_or(PAGE))
}

fn malformed(token: &str) -> AwsError {
    invalid(&format!("The nextPageToken is malformed: {token}"))
}

/// A page token names the last entry shown, so that entries which come or go meanwhile shift nothing.
fn token_for((submitted_at, number): (Timestamp, u64), workgroup: &str) -> String {
    format!("{:016x}{number:016x}{:016x}", submitted_at.as_millisecond(), digest(workgroup))
}

/// The entry a page token names; a token of another workgroup is malformed.
fn submission_of(token: &str, workgroup: &str) -> Result<(Timestamp, u64), AwsError> {
    let part = |index: usize| token.get(index * 16..(index + 1) * 16).and_then(|hex| u64::from_str_radix(hex, 16).ok());
    match (part(0), part(1), part(2)) {
        (Some(millis), Some(number), Some(owner)) if token.len() == 48 && owner == digest(workgroup) => {
            let millis = i64::try_from(millis).map_err(|_| malformed(token))?;
            Ok((Timestamp::from_millisecond(millis).map_err(|_| malformed(token))?, number))
        }
        _ => Err(malformed(token)),
    }
}

fn token_of(workgroup: &str) -> String {
    format!("{:016x}", digest(workgroup))
}

/// The workgroup a page token names.
fn name_of<'a>(token: &str, workgroups: &'a BTreeMap<String, Workgroup>) -> Result<&'a str, AwsError> {
    workgroups.keys().find(|name| token_of(name) == token).map(String::as_str).ok_or_else(|| malformed(token))
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
