//! Athena, which is asked for what exports say that are too large to be read here.

use std::time::Duration;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::{AthenaError, QueryExecution, QueryExecutionContext, QueryExecutionState};
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::{Aws, CallError, CallErrorKind, Clock, SystemClock};
use spend::sql::{Column, Statement, Table};
use spend::{Fault, Problem, Question, Summary};

use crate::object::{GET as GET_OBJECT, Object};
use crate::settings::AthenaSettings;

/// Answers questions about exports of any size.
pub trait Queries {
    /// What the export says of the billing month that begins on this day: the same as if its files were read.
    fn summarise(
        &self,
        question: &Question,
        month: Date,
        deadline: Timestamp,
    ) -> impl Future<Output = Result<Summary, CallError>>;
}

/// How long to wait before a query is looked at first, and how long at most between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The catalog that tables stand in unless somebody sets up others.
const CATALOG: &str = "AwsDataCatalog";

const START: &str = "athena:StartQueryExecution";
const LOOK: &str = "athena:GetQueryExecution";
const STOP: &str = "athena:StopQueryExecution";
const DESCRIBE: &str = "athena:GetTableMetadata";

/// Athena over a table of the export's files.
#[derive(Clone, Debug)]
pub struct AthenaQueries<C> {
    athena: Client,
    s3: aws_sdk_s3::Client,
    settings: Option<AthenaSettings>,
    clock: C,
}

impl AthenaQueries<SystemClock> {
    /// The IAM actions that its use needs. Athena looks into the catalog, reads the export and writes the result with
    /// the rights of whoever asks: <https://docs.aws.amazon.com/athena/latest/ug/security-iam-athena.html>.
    pub const ACTIONS: &[&str] = &[
        START,
        LOOK,
        STOP,
        DESCRIBE,
        "glue:GetDatabase",
        "glue:GetTable",
        "glue:GetPartitions",
        "s3:GetBucketLocation",
        "s3:ListBucket",
        "s3:PutObject",
        GET_OBJECT,
    ];
}

impl<C: Clock> AthenaQueries<C> {
    /// Athena as it is set up; where it is not, every question is refused.
    pub fn new(aws: &Aws, settings: Option<AthenaSettings>, clock: C) -> Self {
        let athena = aws_sdk_athena::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        let s3 = aws_sdk_s3::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        let (athena, s3) = (Client::from_conf(athena), aws_sdk_s3::Client::from_conf(s3));
        Self { athena, s3, settings, clock }
    }

    async fn table(&self, settings: &AthenaSettings) -> Result<Table, CallError> {
        let AthenaSettings { database, table, .. } = settings;
        let described = self.athena.get_table_metadata().catalog_name(CATALOG).database_name(database);
        let described = described.table_name(table).send().await;
        let described = described.map_err(|error| denied_in_words(CallError::of(DESCRIBE, &error)))?.table_metadata;
        let columns = described.into_iter().flat_map(|table| {
            let (columns, parts) = (table.columns.unwrap_or_default(), table.partition_keys.unwrap_or_default());
            columns.into_iter().chain(parts)
        });
        let column = |column: aws_sdk_athena::types::Column| Column {
            name: column.name,
            kind: column.r#type.unwrap_or_default(),
        };
        Ok(Table { database: database.clone(), name: table.clone(), columns: columns.map(column).collect() })
    }

    /// Starts a query and gives its id. That it starts once, however often the call is tried, is seen to by the SDK.
    async fn start(&self, settings: &AthenaSettings, sql: &str) -> Result<String, CallError> {
        let context = QueryExecutionContext::builder().catalog(CATALOG).database(&settings.database).build();
        let start =
            self.athena.start_query_execution().work_group(&settings.workgroup).query_execution_context(context);
        let started = start.query_string(sql).send().await.map_err(|error| CallError::of(START, &error))?;
        started.query_execution_id.ok_or_else(|| invalid(START, "the query has no id".to_owned()))
    }

    /// Waits for the end of a query, and gives how it ended.
    async fn ended(&self, id: &str, deadline: Timestamp) -> Result<QueryExecution, CallError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let now = self.clock.now();
            if now >= deadline {
                let message = format!("query `{id}` has not ended in the time that there was");
                return Err(CallError { operation: LOOK, kind: CallErrorKind::Unavailable, message });
            }
            self.clock.sleep_until(now.checked_add(pause).unwrap_or(deadline).min(deadline)).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            let look = self.athena.get_query_execution().query_execution_id(id).send().await;
            let look = look.map_err(|error| CallError::of(LOOK, &error))?;
            if let Some(query) = look.query_execution.filter(has_ended) {
                return Ok(query);
            }
        }
    }

    async fn stop(&self, id: &str) {
        let stopped = self.athena.stop_query_execution().query_execution_id(id).send().await;
        if let Err(error) = stopped.map_err(|error| CallError::of(STOP, &error)) {
            // It costs what it reads and disturbs nobody.
            tracing::warn!(query.id = id, %error, "query could not be stopped and goes on");
        }
    }
}

impl<C: Clock> Queries for AthenaQueries<C> {
    async fn summarise(&self, question: &Question, month: Date, deadline: Timestamp) -> Result<Summary, CallError> {
        let Some(settings) = &self.settings else {
            let message = "the export is larger than `ATHENA_ABOVE_MB`, and `ATHENA_WORKGROUP`, `ATHENA_DATABASE` and \
                           `ATHENA_TABLE` do not say where Athena is to be asked";
            return Err(invalid(START, message.to_owned()));
        };
        let table = self.table(settings).await?;
        let statement = Statement::of(&table, question, month).map_err(|fault| unread(DESCRIBE, &fault))?;
        let id = self.start(settings, &statement.sql).await?;
        let query = match self.ended(&id, deadline).await {
            Ok(query) => query,
            Err(problem) => {
                self.stop(&id).await;
                return Err(problem);
            }
        };
        let Place { bucket, key } = result_of(&id, &query)?;
        let Some(answer) = Object::find(&self.s3, &bucket, &key).await? else {
            let message = format!("the result of query `{id}` is not at `s3://{bucket}/{key}`");
            return Err(CallError { operation: GET_OBJECT, kind: CallErrorKind::Missing, message });
        };
        let reading = tokio::task::spawn_blocking(move || statement.read(&answer));
        let read = reading.await.map_err(|error| invalid(GET_OBJECT, format!("the reader ended: {error}")))?;
        read.map_err(|fault| unread(GET_OBJECT, &fault))
    }
}

/// Where a result lies.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    bucket: String,
    key: String,
}

impl Place {
    fn of(location: &str) -> Option<Self> {
        let (bucket, key) = location.strip_prefix("s3://")?.split_once('/')?;
        Some(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

/// A state that this version does not know is no end.
fn has_ended(query: &QueryExecution) -> bool {
    use QueryExecutionState::{Cancelled, Failed, Succeeded};
    matches!(query.status.as_ref().and_then(|status| status.state.as_ref()), Some(Succeeded | Failed | Cancelled))
}

/// Where the result lies of a query that has ended.
fn result_of(id: &str, query: &QueryExecution) -> Result<Place, CallError> {
    let status = query.status.as_ref();
    let state = status.and_then(|status| status.state.as_ref());
    if state == Some(&QueryExecutionState::Succeeded) {
        let location = query.result_configuration.as_ref().and_then(|result| result.output_location.as_deref());
        let nowhere = || {
            let message = format!("the result of query `{id}` is in no bucket; the workgroup must write it to one");
            invalid(LOOK, message)
        };
        return location.and_then(Place::of).ok_or_else(nowhere);
    }
    let reason = status.and_then(|status| status.state_change_reason.as_deref()).unwrap_or("Athena gives no reason");
    let retryable = status.and_then(|status| status.athena_error.as_ref()).is_some_and(AthenaError::retryable);
    let kind = if says_denied(reason) {
        CallErrorKind::Denied
    } else if retryable || state == Some(&QueryExecutionState::Cancelled) {
        CallErrorKind::Unavailable
    } else {
        CallErrorKind::Invalid
    };
    let state = state.map_or("over", QueryExecutionState::as_str);
    Err(CallError { operation: START, kind, message: format!("query `{id}` is {state}: {reason}") })
}

/// Of a right that is missing in the Glue Data Catalog Athena speaks as of any other trouble with it.
fn denied_in_words(error: CallError) -> CallError {
    let kind = if says_denied(&error.message) { CallErrorKind::Denied } else { error.kind };
    CallError { kind, ..error }
}

fn says_denied(said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    ["access denied", "permission", "not authorized"].iter().any(|words| said.contains(words))
}

fn unread(operation: &'static str, fault: &Fault) -> CallError {
    let kind = match fault.problem {
        Problem::Unreadable(_) => CallErrorKind::Unavailable,
        _ => CallErrorKind::Invalid,
    };
    CallError { operation, kind, message: fault.to_string() }
}

fn invalid(operation: &'static str, message: String) -> CallError {
    CallError { operation, kind: CallErrorKind::Invalid, message }
}

#[cfg(test)]
mod tests;
