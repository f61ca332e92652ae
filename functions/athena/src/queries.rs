//! Athena's queries, as the guardrails see them.

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionState};
use guardrail::{Measure, Observation, Quantity, ScopeKind};
use jiff::Timestamp;
use lambda::aws::instant;
use lambda::{Aws, CallError, CallErrorKind};

/// How many ids `ListQueryExecutions` gives and `BatchGetQueryExecution` takes at most.
/// <https://docs.aws.amazon.com/athena/latest/APIReference/API_BatchGetQueryExecution.html>
pub const BATCH: usize = 50;

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Its execution id.
    pub id: String,
    /// The workgroup it runs in.
    pub workgroup: String,
    /// Its state in Athena's words. One that this version does not know counts as still active.
    pub state: String,
    /// Whether that state is terminal.
    pub ended: bool,
    /// When it was submitted. Its time in the queue counts.
    pub submitted_at: Timestamp,
    /// What it has read so far, in bytes, where Athena says so.
    pub scanned: Option<u64>,
}

impl From<&Query> for Observation {
    fn from(query: &Query) -> Self {
        let seen = Self::new("query", &query.id, &query.state, query.submitted_at)
            .within(ScopeKind::Workgroup, Some(&query.workgroup));
        let seen = match query.scanned {
            Some(bytes) => seen.amount(Measure::BytesScanned, Quantity::Bytes(bytes)),
            None => seen,
        };
        match query.state.as_str() {
            "QUEUED" => seen.since(Measure::QueueTime, query.submitted_at),
            _ => seen,
        }
    }
}

/// A workgroup's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workgroup {
    /// Its name.
    pub name: String,
    /// Whether it takes queries, in Athena's words.
    pub state: String,
    /// When it was made; Athena does not say so of the workgroup `primary`.
    pub created_at: Option<Timestamp>,
    /// Whether its settings hold against those of its clients.
    pub enforced: bool,
    /// What a query may scan before Athena itself ends it, in bytes.
    pub cutoff: Option<u64>,
}

impl From<&Workgroup> for Observation {
    fn from(workgroup: &Workgroup) -> Self {
        let created_at = workgroup.created_at.unwrap_or(Timestamp::UNIX_EPOCH);
        Self::new("workgroup", &workgroup.name, &workgroup.state, created_at)
            .within(ScopeKind::Workgroup, Some(&workgroup.name))
            .words(Measure::WorkgroupConfiguration, [if workgroup.enforced { "enforced" } else { "not enforced" }])
            .words(Measure::ScanCutoff, [if workgroup.cutoff.is_some() { "set" } else { "missing" }])
    }
}

/// A page of a workgroup's history, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Query ids.
    pub ids: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// What Athena knows of the ids asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The queries.
    pub queries: Vec<Query>,
    /// Ids that Athena does not know.
    pub missing: Vec<String>,
    /// Ids that Athena could not look up this time.
    pub unprocessed: Vec<String>,
}

/// Sees queries.
pub trait Queries {
    /// The names of all workgroups.
    fn workgroups(&self) -> impl Future<Output = Result<Vec<String>, CallError>>;

    /// A workgroup's settings; `None` when it has gone.
    fn workgroup(&self, name: &str) -> impl Future<Output = Result<Option<Workgroup>, CallError>>;

    /// A page of a workgroup's history.
    fn list(&self, workgroup: &str, from: Option<&str>) -> impl Future<Output = Result<Page, CallError>>;

    /// At most [`BATCH`] queries by id.
    fn get(&self, ids: &[String]) -> impl Future<Output = Result<Batch, CallError>>;
}

/// Stops queries.
pub trait StopQueries: Queries {
    /// Tells Athena to stop a query. Stopping one that has ended is not an error.
    fn stop(&self, id: &str) -> impl Future<Output = Result<(), CallError>>;
}

/// Amazon Athena.
#[derive(Clone, Debug)]
pub struct Athena(Client);

impl Athena {
    /// The IAM actions that a watch needs.
    pub const WATCH_ACTIONS: &[&str] = &[
        "athena:ListWorkGroups",
        "athena:GetWorkGroup",
        "athena:ListQueryExecutions",
        "athena:BatchGetQueryExecution",
    ];

    /// The IAM actions that an enforce needs; it lists what a query is counted with.
    pub const ENFORCE_ACTIONS: &[&str] =
        &["athena:ListQueryExecutions", "athena:BatchGetQueryExecution", "athena:StopQueryExecution"];

    /// A client.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_athena::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self(Client::from_conf(config))
    }
}

impl Queries for Athena {
    async fn workgroups(&self) -> Result<Vec<String>, CallError> {
        let pages = self.0.list_work_groups().into_paginator().send();
        let pages: Result<Vec<_>, _> = pages.collect().await;
        let pages = pages.map_err(|error| CallError::of("athena:ListWorkGroups", &error))?;
        let workgroups = pages.into_iter().flat_map(|page| page.work_groups.unwrap_or_default());
        Ok(workgroups.filter_map(|workgroup| workgroup.name).collect())
    }

    async fn workgroup(&self, name: &str) -> Result<Option<Workgroup>, CallError> {
        let answer = match self.0.get_work_group().work_group(name).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let problem = CallError::of("athena:GetWorkGroup", &error);
                // Athena has no code of its own for a workgroup that is not there.
                let gone = problem.kind == CallErrorKind::Missing || problem.message.contains("is not found");
                return if gone { Ok(None) } else { Err(problem) };
            }
        };
        let Some(workgroup) = answer.work_group else { return Ok(None) };
        let settings = workgroup.configuration;
        Ok(Some(Workgroup {
            name: workgroup.name,
            state: workgroup.state.map_or_else(String::new, |state| state.as_str().to_owned()),
            created_at: workgroup.creation_time.and_then(instant),
            // Athena's own default: a workgroup's settings hold unless somebody said otherwise.
            enforced: settings.as_ref().and_then(|settings| settings.enforce_work_group_configuration).unwrap_or(true),
            cutoff: settings
                .and_then(|settings| settings.bytes_scanned_cutoff_per_query)
                .and_then(|bytes| u64::try_from(bytes).ok()),
        }))
    }

    async fn list(&self, workgroup: &str, from: Option<&str>) -> Result<Page, CallError> {
        let list = self.0.list_query_executions().work_group(workgroup).set_next_token(from.map(str::to_owned)).send();
        let page = list.await.map_err(|error| CallError::of("athena:ListQueryExecutions", &error))?;
        Ok(Page { ids: page.query_execution_ids.unwrap_or_default(), next: page.next_token })
    }

    async fn get(&self, ids: &[String]) -> Result<Batch, CallError> {
        let get = self.0.batch_get_query_execution().set_query_execution_ids(Some(ids.to_vec())).send();
        let answer = get.await.map_err(|error| CallError::of("athena:BatchGetQueryExecution", &error))?;
        let mut batch = Batch::default();
        for execution in answer.query_executions.unwrap_or_default() {
            let Some(id) = execution.query_execution_id.clone() else {
                continue;
            };
            match read(execution) {
                Some(query) => batch.queries.push(query),
                None => {
                    tracing::warn!(query.id = id, "query has no submission time and cannot be judged yet");
                    batch.unprocessed.push(id);
                }
            }
        }
        for unprocessed in answer.unprocessed_query_execution_ids.unwrap_or_default() {
            let code = unprocessed.error_code.unwrap_or_default().to_ascii_uppercase();
            let Some(id) = unprocessed.query_execution_id else {
                continue;
            };
            if code.contains("INVALID") || code.contains("NOT_FOUND") || code.contains("NOTFOUND") {
                batch.missing.push(id);
            } else {
                batch.unprocessed.push(id);
            }
        }
        Ok(batch)
    }
}

impl StopQueries for Athena {
    async fn stop(&self, id: &str) -> Result<(), CallError> {
        let stop = self.0.stop_query_execution().query_execution_id(id).send();
        stop.await.map(drop).map_err(|error| CallError::of("athena:StopQueryExecution", &error))
    }
}

fn read(execution: QueryExecution) -> Option<Query> {
    let status = execution.status?;
    let state = status.state?;
    let scanned = execution.statistics.and_then(|statistics| statistics.data_scanned_in_bytes);
    let ended =
        matches!(state, QueryExecutionState::Succeeded | QueryExecutionState::Failed | QueryExecutionState::Cancelled);
    Some(Query {
        id: execution.query_execution_id?,
        workgroup: execution.work_group?,
        state: state.as_str().to_owned(),
        ended,
        submitted_at: instant(status.submission_date_time?)?,
        scanned: scanned.and_then(|bytes| u64::try_from(bytes).ok()),
    })
}

#[cfg(test)]
mod tests;
