//! Athena's workgroups, and the queries that run in them.
//!
//! A workgroup that is disabled takes no new query and lets those go on that it has, so these are looked for in every
//! workgroup, and workgroups come before queries: what is turned off in this order leaves none behind.

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{QueryExecution, QueryExecutionState, WorkGroupState, WorkGroupSummary};
use futures_util::stream::{self, StreamExt};
use guardrail::Resource;
use guardrail::catalogue::LONGEST_ATHENA_QUERY;
use jiff::Timestamp;
use lambda::aws::instant;
use lambda::{Aws, CallError, CallErrorKind, Clock, Problems};
use serde_json::json;

use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

/// The IAM actions that a look needs.
pub const LOOK_ACTIONS: &[&str] = &[LIST_WORK_GROUPS, LIST_QUERY_EXECUTIONS, BATCH_GET_QUERY_EXECUTION];

/// The IAM actions that turning off and on needs beside.
pub const TURN_ACTIONS: &[&str] = &[UPDATE_WORK_GROUP, STOP_QUERY_EXECUTION];

/// What workgroups are called.
pub const WORKGROUP: &str = "workgroup";

/// What queries are called.
pub const QUERY: &str = "query";

const LIST_WORK_GROUPS: &str = "athena:ListWorkGroups";
const LIST_QUERY_EXECUTIONS: &str = "athena:ListQueryExecutions";
const BATCH_GET_QUERY_EXECUTION: &str = "athena:BatchGetQueryExecution";
const UPDATE_WORK_GROUP: &str = "athena:UpdateWorkGroup";
const STOP_QUERY_EXECUTION: &str = "athena:StopQueryExecution";

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 4;

/// Athena's workgroups and queries.
#[derive(Clone, Debug)]
pub struct Athena<C> {
    client: Client,
    clock: C,
}

impl<C: Clock> Athena<C> {
    /// The workgroups and queries of this account. The clock tells how far back a query can still be running.
    pub fn new(aws: &Aws, clock: C) -> Self {
        let config = aws_sdk_athena::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), clock }
    }

    /// The queries of a workgroup that wait or run.
    ///
    /// Histories come newest first and cannot be narrowed to a state: they are read back to where nothing can run any
    /// more.
    async fn active_queries(&self, workgroup: &str) -> Result<Vec<Item>, CallError> {
        let horizon = self.clock.now().checked_sub(LONGEST_ATHENA_QUERY).unwrap_or(Timestamp::MIN);
        let (mut items, mut from) = (Vec::new(), None);
        loop {
            let list = self.client.list_query_executions().work_group(workgroup).set_next_token(from).send();
            let page = match list.await.map_err(|error| CallError::of(LIST_QUERY_EXECUTIONS, &error)) {
                Ok(page) => page,
                // The workgroup was deleted since it was listed.
                Err(problem) if is_unknown(&problem) => return Ok(items),
                Err(problem) => return Err(problem),
            };
            let queries = self.queries(page.query_execution_ids.unwrap_or_default()).await?;
            let past_horizon = queries.iter().any(|query| submitted_at(query).is_some_and(|at| at < horizon));
            items.extend(queries.into_iter().filter_map(query_item));
            from = page.next_token.filter(|token| !token.is_empty() && !past_horizon);
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    /// The queries of one page, at most fifty, by their ids.
    async fn queries(&self, ids: Vec<String>) -> Result<Vec<QueryExecution>, CallError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let get = self.client.batch_get_query_execution().set_query_execution_ids(Some(ids)).send();
        let answer = get.await.map_err(|error| CallError::of(BATCH_GET_QUERY_EXECUTION, &error))?;
        let mut unprocessed = answer.unprocessed_query_execution_ids.unwrap_or_default();
        unprocessed.retain(|unprocessed| {
            let code = unprocessed.error_code.as_deref().unwrap_or_default().to_ascii_uppercase();
            !["INVALID", "NOT_FOUND", "NOTFOUND"].iter().any(|unknown| code.contains(unknown))
        });
        match unprocessed.first() {
            None => Ok(answer.query_executions.unwrap_or_default()),
            Some(first) => Err(CallError {
                operation: BATCH_GET_QUERY_EXECUTION,
                kind: CallErrorKind::Unavailable,
                message: format!(
                    "{} queries were not processed, `{}` among them",
                    unprocessed.len(),
                    first.query_execution_id.as_deref().unwrap_or_default()
                ),
            }),
        }
    }

    /// Enables or disables a workgroup. One that is so already stays so.
    async fn set(&self, workgroup: &str, state: WorkGroupState) -> Result<Turned, CallError> {
        let update = self.client.update_work_group().work_group(workgroup).state(state).send().await;
        told(update.map(drop).map_err(|error| CallError::of(UPDATE_WORK_GROUP, &error)))
    }
}

impl<C: Clock> Switch for Athena<C> {
    const PART: Part = Part::Athena;

    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let pages: Result<Vec<_>, _> = self.client.list_work_groups().into_paginator().send().collect().await;
        let pages = pages.map_err(|error| CallError::of(LIST_WORK_GROUPS, &error))?;
        let workgroups = pages.into_iter().flat_map(|page| page.work_groups.unwrap_or_default());
        let mut items: Vec<Item> = workgroups.filter_map(workgroup_item).collect();

        let queries: Vec<_> = stream::iter(&items)
            .map(|workgroup| self.active_queries(&workgroup.resource.id))
            .buffered(CALLS_AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        items.extend(queries.into_iter().filter_map(|queries| problems.keep(queries)).flatten());
        problems.into_result().map(|()| items)
    }

    async fn turn_off(&self, item: &Item, _now: Timestamp) -> Result<Turned, CallError> {
        let Resource { kind, id } = &item.resource;
        match kind.as_str() {
            WORKGROUP => self.set(id, WorkGroupState::Disabled).await,
            QUERY => {
                // Athena takes it for one that has ended, too.
                let stop = self.client.stop_query_execution().query_execution_id(id).send().await;
                told(stop.map(drop).map_err(|error| CallError::of(STOP_QUERY_EXECUTION, &error)))
            }
            _ => Ok(Turned::Refused(format!("`{kind}` is nothing that Athena has"))),
        }
    }

    async fn turn_on(&self, item: &TurnedOff) -> Result<Turned, CallError> {
        match item.resource.kind.as_str() {
            WORKGROUP => self.set(&item.resource.id, WorkGroupState::Enabled).await,
            kind => Ok(Turned::Refused(format!("a {kind} that was stopped does not go on"))),
        }
    }
}

/// What became of an order.
fn told(order: Result<(), CallError>) -> Result<Turned, CallError> {
    match order {
        Ok(()) => Ok(Turned::Told),
        Err(problem) if is_unknown(&problem) => Ok(Turned::Gone),
        Err(problem) => Err(problem),
    }
}

/// Whether Athena does not know what was asked about. It has no code for this, only sentences: "WorkGroup etl is not
/// found.", "QueryExecution q-1 was not found".
fn is_unknown(problem: &CallError) -> bool {
    let says = |sentence: &str| problem.message.contains(sentence);
    problem.kind == CallErrorKind::Missing
        || problem.kind == CallErrorKind::Invalid && (says("is not found") || says("was not found"))
}

fn workgroup_item(workgroup: WorkGroupSummary) -> Option<Item> {
    let id = workgroup.name?;
    let state = workgroup.state;
    let phase = match &state {
        Some(WorkGroupState::Enabled) => Phase::On,
        Some(WorkGroupState::Disabled) => Phase::Off,
        _ => {
            // Better disabled in vain than open to queries.
            tracing::warn!(workgroup.name = id, workgroup.state = ?state, "workgroup is in an unknown state: it is on");
            Phase::On
        }
    };
    Some(Item {
        resource: Resource { kind: WORKGROUP.to_owned(), id },
        phase,
        state: state.map_or_else(|| "none".to_owned(), |state| state.as_str().to_owned()),
        finishes: false,
        memo: Some(json!({})),
    })
}

/// A query, unless it has ended. One in a state that this version does not know counts as running.
fn query_item(query: QueryExecution) -> Option<Item> {
    let id = query.query_execution_id?;
    let state = query.status.and_then(|status| status.state);
    match &state {
        Some(QueryExecutionState::Succeeded | QueryExecutionState::Failed | QueryExecutionState::Cancelled) => {
            return None;
        }
        Some(QueryExecutionState::Queued | QueryExecutionState::Running) => {}
        _ => tracing::warn!(query.id = id, query.state = ?state, "query is in an unknown state and counts as on"),
    }
    Some(Item {
        resource: Resource { kind: QUERY.to_owned(), id },
        phase: Phase::On,
        state: state.map_or_else(|| "none".to_owned(), |state| state.as_str().to_owned()),
        finishes: true,
        memo: None,
    })
}

fn submitted_at(query: &QueryExecution) -> Option<Timestamp> {
    query.status.as_ref()?.submission_date_time.and_then(instant)
}

#[cfg(test)]
mod tests;
