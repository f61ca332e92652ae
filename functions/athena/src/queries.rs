//! Athena's queries, as the guardrails see them.

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionState};
use guardrail::{Observation, Resource};
use jiff::{Timestamp, Unit};
use lambda::{Aws, CallError};

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
}

impl From<&Query> for Observation {
    fn from(query: &Query) -> Self {
        Self {
            resource: Resource { kind: "query".to_owned(), id: query.id.clone() },
            scope: Some(query.workgroup.clone()),
            owner: None,
            state: query.state.clone(),
            started_at: query.submitted_at,
        }
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
    pub const WATCH_ACTIONS: &[&str] =
        &["athena:ListWorkGroups", "athena:ListQueryExecutions", "athena:BatchGetQueryExecution"];

    /// The IAM actions that an enforce needs.
    pub const ENFORCE_ACTIONS: &[&str] = &["athena:BatchGetQueryExecution", "athena:StopQueryExecution"];

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
    // Athena sends milliseconds as a decimal fraction, which floating point turns into a little more or less.
    let submitted_at = Timestamp::from_nanosecond(status.submission_date_time?.as_nanos()).ok()?;
    let ended =
        matches!(state, QueryExecutionState::Succeeded | QueryExecutionState::Failed | QueryExecutionState::Cancelled);
    Some(Query {
        id: execution.query_execution_id?,
        workgroup: execution.work_group?,
        state: state.as_str().to_owned(),
        ended,
        submitted_at: submitted_at.round(Unit::Millisecond).ok()?,
    })
}

#[cfg(test)]
mod tests;
