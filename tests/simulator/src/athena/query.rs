//! One query's life, told entirely by instants: when it was submitted, leaves the queue and ends, and how.
//!
//! Its state at any moment follows from them, so nothing has to happen for a query to make progress.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock;
use crate::events::ServiceEvent;

/// The longest a DML query can run: the ceiling of the quota "DML query timeout"
/// (<https://docs.aws.amazon.com/general/latest/gr/athena.html>).
const DML_LIMIT: Duration = Duration::from_secs(240 * 60);
/// The longest a DDL query can run: the default of the quota "DDL query timeout".
const DDL_LIMIT: Duration = Duration::from_secs(600 * 60);
/// What a query reads in a second unless told otherwise: 100 MB.
const SCAN_RATE: u64 = 100_000_000;

/// The states of a query, as Athena writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum QueryState {
    /// Waits for its turn.
    Queued,
    /// Runs.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
    /// Was stopped, by somebody or by a limit of the service.
    Cancelled,
}

impl QueryState {
    /// Whether a query in this state has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, QueryState::Succeeded | QueryState::Failed | QueryState::Cancelled)
    }

    fn as_str(self) -> &'static str {
        match self {
            QueryState::Queued => "QUEUED",
            QueryState::Running => "RUNNING",
            QueryState::Succeeded => "SUCCEEDED",
            QueryState::Failed => "FAILED",
            QueryState::Cancelled => "CANCELLED",
        }
    }
}

/// The kinds of statement Athena tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StatementType {
    /// Changes the catalogue.
    Ddl,
    /// Reads or writes data.
    Dml,
    /// Shows, describes.
    Utility,
}

impl StatementType {
    fn as_str(self) -> &'static str {
        match self {
            StatementType::Ddl => "DDL",
            StatementType::Dml => "DML",
            StatementType::Utility => "UTILITY",
        }
    }

    fn limit(self) -> Duration {
        match self {
            StatementType::Ddl => DDL_LIMIT,
            StatementType::Dml | StatementType::Utility => DML_LIMIT,
        }
    }
}

/// How a query ends when nobody stops it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// In `SUCCEEDED`.
    #[default]
    Succeeds,
    /// In `FAILED`.
    Fails,
}

/// A query to be started, possibly in the past.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuerySpec {
    /// The workgroup it runs in; created when it does not exist.
    pub workgroup: String,
    /// Its SQL, which is not executed.
    pub sql: String,
    /// What kind of statement it is; told from the SQL's first word unless given.
    pub statement_type: Option<StatementType>,
    /// How long ago it was submitted.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub age: Duration,
    /// How long it waits before it runs.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub queue: Duration,
    /// How long it runs; until it is stopped or the service's limit ends it when not given.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::optional")]
    pub runs_for: Option<Duration>,
    /// How it ends.
    pub outcome: Outcome,
    /// How long it goes on after it was told to stop; longer than a test lasts is a query that cannot be stopped.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub cancel_takes: Duration,
    /// Bytes it reads in a second of running.
    pub scan_rate: u64,
    /// Who started it: an ARN, a session name, or `studio:<profile>`; the account's root when not given.
    pub started_by: Option<String>,
}

impl Default for QuerySpec {
    /// A `SELECT` in `primary` that starts now and runs until it is stopped.
    fn default() -> QuerySpec {
        QuerySpec {
            workgroup: super::primary(),
            sql: "SELECT 1".to_owned(),
            statement_type: None,
            age: Duration::ZERO,
            queue: Duration::ZERO,
            runs_for: None,
            outcome: Outcome::Succeeds,
            cancel_takes: Duration::ZERO,
            scan_rate: SCAN_RATE,
            started_by: None,
        }
    }
}

/// What can be seen of a query now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueryView {
    /// Its id.
    pub id: String,
    /// Its workgroup.
    pub workgroup: String,
    /// Its SQL.
    pub sql: String,
    /// What kind of statement it is.
    pub statement_type: StatementType,
    /// Its state.
    pub state: QueryState,
    /// Why it is in that state, where Athena says so.
    pub state_change_reason: Option<String>,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it began to run, if it has.
    pub started_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub completed_at: Option<Timestamp>,
    /// When it was first told to stop, if it was while it could still obey.
    pub stopped_at: Option<Timestamp>,
    /// How often it was told to stop, after its end too.
    pub stop_calls: u32,
    /// What it has read so far.
    pub data_scanned_in_bytes: u64,
}

/// The parts of a request that only come back in the answers.
#[derive(Debug, Clone, Default)]
pub(super) struct Echo {
    pub(super) database: Option<String>,
    pub(super) catalog: Option<String>,
    pub(super) execution_parameters: Vec<String>,
    pub(super) result_reuse: Option<Value>,
}

#[derive(Debug)]
pub(super) struct Query {
    id: Arc<str>,
    workgroup: Arc<str>,
    sql: Arc<str>,
    kind: StatementType,
    echo: Echo,
    output: Arc<str>,
    submitted_at: Timestamp,
    leaves_queue_at: Timestamp,
    end: End,
    scan_rate: u64,
    cancel_takes: Duration,
    stopped_at: Option<Timestamp>,
    stop_calls: u32,
    /// How many of the state changes up to now have been announced.
    announced: usize,
}

/// How and when the query ends as things stand.
#[derive(Debug)]
struct End {
    at: Timestamp,
    state: QueryState,
    reason: Option<&'static str>,
}

/// The error of every query that fails: a user's error of a documented type.
const FAILURE: &str = "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.default.missing' does not exist";
const FAILURE_CATEGORY: u32 = 2;
const FAILURE_TYPE: u32 = 1301;

impl Query {
    /// A query that starts as `spec` says, seen from `now`, and is cut off once it has read `cutoff` bytes.
    pub(super) fn new(
        id: Arc<str>,
        workgroup: Arc<str>,
        spec: &QuerySpec,
        output: Arc<str>,
        cutoff: Option<u64>,
        now: Timestamp,
    ) -> Query {
        let kind = spec.statement_type.unwrap_or_else(|| statement(&spec.sql).0);
        let scan_rate = if kind == StatementType::Dml { spec.scan_rate } else { 0 };
        let submitted_at = clock::before(now, spec.age);
        let leaves_queue_at = clock::after(submitted_at, spec.queue);
        let limit = (kind.limit(), QueryState::Cancelled, Some("Query timeout"));
        let own = spec.runs_for.map(|runs_for| match spec.outcome {
            Outcome::Succeeds => (runs_for, QueryState::Succeeded, None),
            Outcome::Fails => (runs_for, QueryState::Failed, Some(FAILURE)),
        });
        let cut = cutoff
            .and_then(|bytes| (scan_rate > 0).then(|| bytes.saturating_mul(1_000).div_ceil(scan_rate)))
            .map(|millis| {
                (Duration::from_millis(millis), QueryState::Cancelled, Some("Bytes scanned limit was exceeded"))
            });
        // Whichever comes first ends it; on a tie its own end does.
        let (runs_for, state, reason) = [own, cut].into_iter().flatten().fold(limit, |first, other| {
            if other.0 < first.0 || (other.0 == first.0 && first.1 == QueryState::Cancelled) { other } else { first }
        });
        let end = End { at: clock::after(leaves_queue_at, runs_for), state, reason };
        let mut query = Query {
            id,
            workgroup,
            sql: Arc::from(spec.sql.as_str()),
            kind,
            echo: Echo::default(),
            output,
            submitted_at,
            leaves_queue_at,
            end,
            scan_rate,
            cancel_takes: spec.cancel_takes,
            stopped_at: None,
            stop_calls: 0,
            announced: 0,
        };
        // What happened before anybody was looking is not announced.
        query.announced = query.changes().filter(|(at, _)| *at < now).count();
        query
    }

    pub(super) fn with_echo(self, echo: Echo) -> Query {
        Query { echo, ..self }
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    pub(super) fn submitted_at(&self) -> Timestamp {
        self.submitted_at
    }

    pub(super) fn is_active(&self, now: Timestamp) -> bool {
        now < self.end.at
    }

    /// Tells the query to stop. It ends by itself if that comes first.
    pub(super) fn stop(&mut self, now: Timestamp) {
        self.stop_calls += 1;
        if !self.is_active(now) {
            return;
        }
        self.stopped_at.get_or_insert(now);
        let at = clock::after(now, self.cancel_takes);
        if at < self.end.at {
            self.end = End { at, state: QueryState::Cancelled, reason: Some("Query cancelled by user") };
        }
    }

    /// Ends the query now, the way it would have ended; a query without an end of its own succeeds.
    pub(super) fn finish(&mut self, now: Timestamp) {
        if !self.is_active(now) {
            return;
        }
        // It must have run to end by itself.
        self.leaves_queue_at = self.leaves_queue_at.min(now);
        self.end.at = now;
        if self.end.state == QueryState::Cancelled {
            self.end.state = QueryState::Succeeded;
            self.end.reason = None;
        }
    }

    /// The state changes of its whole life as things stand, oldest first.
    fn changes(&self) -> impl Iterator<Item = (Timestamp, QueryState)> {
        let ran = self.leaves_queue_at < self.end.at || self.end.state != QueryState::Cancelled;
        [
            Some((self.submitted_at, QueryState::Queued)),
            ran.then_some((self.leaves_queue_at, QueryState::Running)),
            Some((self.end.at, self.end.state)),
        ]
        .into_iter()
        .flatten()
    }

    fn state(&self, now: Timestamp) -> QueryState {
        self.changes().take_while(|(at, _)| *at <= now).last().map_or(QueryState::Queued, |(_, state)| state)
    }

    /// When the next change comes that has not been announced.
    pub(super) fn next_change(&self) -> Option<Timestamp> {
        self.changes().nth(self.announced).map(|(at, _)| at)
    }

    /// The events of the changes up to `now` that have not been announced.
    pub(super) fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let changes: Vec<_> = self.changes().take_while(|(at, _)| *at <= now).collect();
        let from = self.announced;
        self.announced = changes.len();
        let mut previous = None;
        let mut events = Vec::new();
        for (index, (at, state)) in changes.into_iter().enumerate() {
            if index >= from {
                events.push(self.event(at, index + 1, previous, state));
            }
            previous = Some(state);
        }
        events
    }

    /// One state change in the words of <https://docs.aws.amazon.com/athena/latest/ug/athena-events.html>.
    fn event(&self, at: Timestamp, number: usize, from: Option<QueryState>, to: QueryState) -> ServiceEvent {
        let mut detail = json!({
            "versionId": "0",
            "currentState": to.as_str(),
            "statementType": self.kind.as_str(),
            "queryExecutionId": *self.id,
            "workgroupName": *self.workgroup,
            "sequenceNumber": number.to_string(),
        });
        if let Value::Object(detail) = &mut detail {
            if let Some(from) = from {
                detail.insert("previousState".to_owned(), from.as_str().into());
            }
            if to == QueryState::Failed {
                // The event writes the error's numbers with a fraction, unlike the API.
                let error = json!({
                    "errorCategory": f64::from(FAILURE_CATEGORY),
                    "errorType": f64::from(FAILURE_TYPE),
                    "errorMessage": FAILURE,
                    "retryable": false,
                });
                detail.insert("athenaError".to_owned(), error);
            }
        }
        let resources = Vec::new();
        ServiceEvent { source: "aws.athena", detail_type: "Athena Query State Change", at, resources, detail }
    }

    fn started_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.changes().find(|(at, state)| *state == QueryState::Running && *at <= now).map(|(at, _)| at)
    }

    fn completed_at(&self, now: Timestamp) -> Option<Timestamp> {
        (!self.is_active(now)).then_some(self.end.at)
    }

    fn reason(&self, now: Timestamp) -> Option<&'static str> {
        self.end.reason.filter(|_| !self.is_active(now))
    }

    /// How long it has waited and how long it has run.
    fn times(&self, now: Timestamp) -> (Duration, Duration) {
        let until = now.min(self.end.at);
        match self.started_at(now) {
            Some(started_at) => (clock::between(self.submitted_at, started_at), clock::between(started_at, until)),
            None => (clock::between(self.submitted_at, until), Duration::ZERO),
        }
    }

    fn scanned(&self, ran: Duration) -> u64 {
        u64::try_from(u128::from(self.scan_rate) * ran.as_millis() / 1_000).unwrap_or(u64::MAX)
    }

    pub(super) fn view(&self, now: Timestamp) -> QueryView {
        QueryView {
            id: self.id.to_string(),
            workgroup: self.workgroup.to_string(),
            sql: self.sql.to_string(),
            statement_type: self.kind,
            state: self.state(now),
            state_change_reason: self.reason(now).map(str::to_owned),
            submitted_at: self.submitted_at,
            started_at: self.started_at(now),
            completed_at: self.completed_at(now),
            stopped_at: self.stopped_at,
            stop_calls: self.stop_calls,
            data_scanned_in_bytes: self.scanned(self.times(now).1),
        }
    }

    /// The shape `QueryExecution`.
    pub(super) fn describe(&self, now: Timestamp) -> Value {
        let state = self.state(now);
        let (queued, ran) = self.times(now);
        let mut status = Map::from_iter([
            ("State".to_owned(), state.as_str().into()),
            ("SubmissionDateTime".to_owned(), clock::epoch_seconds(self.submitted_at)),
        ]);
        if let Some(at) = self.completed_at(now) {
            status.insert("CompletionDateTime".to_owned(), clock::epoch_seconds(at));
        }
        if let Some(reason) = self.reason(now) {
            status.insert("StateChangeReason".to_owned(), reason.into());
        }
        if state == QueryState::Failed {
            let error = json!({
                "ErrorCategory": FAILURE_CATEGORY,
                "ErrorType": FAILURE_TYPE,
                "Retryable": false,
                "ErrorMessage": FAILURE,
            });
            status.insert("AthenaError".to_owned(), error);
        }
        let mut context = Map::new();
        if let Some(database) = &self.echo.database {
            context.insert("Database".to_owned(), database.as_str().into());
        }
        if let Some(catalog) = &self.echo.catalog {
            // Athena answers the catalogue's name in lower case, whatever was asked.
            context.insert("Catalog".to_owned(), catalog.to_lowercase().into());
        }
        let reuse = || json!({ "ResultReuseByAgeConfiguration": { "Enabled": false } });
        let mut query = json!({
            "QueryExecutionId": *self.id,
            "Query": *self.sql,
            "StatementType": self.kind.as_str(),
            "ResultConfiguration": { "OutputLocation": self.output_file() },
            "ResultReuseConfiguration": self.echo.result_reuse.clone().unwrap_or_else(reuse),
            "QueryExecutionContext": context,
            "Status": status,
            "Statistics": {
                "EngineExecutionTimeInMillis": clock::millis(ran),
                "DataScannedInBytes": self.scanned(ran),
                "TotalExecutionTimeInMillis": clock::millis(queued + ran),
                "QueryQueueTimeInMillis": clock::millis(queued),
                "ResultReuseInformation": { "ReusedPreviousResult": false },
            },
            "WorkGroup": *self.workgroup,
            "EngineVersion": super::workgroup::engine_version("AUTO"),
        });
        if let Value::Object(query) = &mut query {
            if let Some(substatement) = statement(&self.sql).1 {
                query.insert("SubstatementType".to_owned(), substatement.into());
            }
            if !self.echo.execution_parameters.is_empty() {
                query.insert("ExecutionParameters".to_owned(), self.echo.execution_parameters.clone().into());
            }
        }
        query
    }

    /// The file Athena would write, named by the kind of statement.
    fn output_file(&self) -> String {
        let extension = if self.kind == StatementType::Dml { "csv" } else { "txt" };
        format!("{}/{}.{extension}", self.output.trim_end_matches('/'), self.id)
    }
}

/// What kind of statement the SQL is, and its `SubstatementType` where AWS's name for it is known.
fn statement(sql: &str) -> (StatementType, Option<&'static str>) {
    let code =
        sql.lines().map(|line| line.split_once("--").map_or(line, |(code, _)| code)).collect::<Vec<_>>().join(" ");
    let words: Vec<String> = code.split_whitespace().map(str::to_uppercase).collect();
    let word = |index: usize| words.get(index).map_or("", String::as_str).trim_start_matches('(');
    let selects = || words.iter().any(|word| word.trim_start_matches('(') == "SELECT");
    match (word(0), word(1)) {
        ("SELECT" | "WITH" | "VALUES", _) => (StatementType::Dml, Some("SELECT")),
        ("EXPLAIN", _) => (StatementType::Dml, Some("EXPLAIN")),
        ("INSERT", _) => (StatementType::Dml, Some("INSERT")),
        ("UPDATE", _) => (StatementType::Dml, Some("UPDATE")),
        ("DELETE", _) => (StatementType::Dml, Some("DELETE")),
        ("MERGE", _) => (StatementType::Dml, Some("MERGE")),
        ("UNLOAD", _) => (StatementType::Dml, None),
        ("CREATE", "TABLE") if selects() => (StatementType::Ddl, Some("CREATE_TABLE_AS_SELECT")),
        ("CREATE", "TABLE" | "EXTERNAL") => (StatementType::Ddl, Some("CREATE_TABLE")),
        ("CREATE", "DATABASE" | "SCHEMA") => (StatementType::Ddl, Some("CREATE_DATABASE")),
        ("CREATE" | "DROP" | "ALTER" | "MSCK", _) => (StatementType::Ddl, None),
        ("SHOW", "TABLES") => (StatementType::Utility, Some("SHOW_TABLES")),
        ("SHOW", "DATABASES" | "SCHEMAS") => (StatementType::Utility, Some("SHOW_DATABASES")),
        _ => (StatementType::Utility, None),
    }
}

#[cfg(test)]
mod tests;
