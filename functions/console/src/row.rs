//! What an event of the hub bus becomes: rows of the console's table.
//!
//! | `pk` | `sk` | what | kept after `occurred_at` |
//! |---|---|---|---|
//! | `<account>/<region>` | `finding/<id>`, `action/<id>`, `configuration/<parameter>/<version>`, `availability/<change>/<fact>` | what happened in a sandbox | 400 days |
//! | `<account>/<region>` | `spend/<month>` | what it has spent in a month: see `row::spend` | 400 days |
//! | `spend/<month>` | `<account>/<region>` | the same in brief, so that one query shows every sandbox's | 400 days |
//! | `<account>/<region>` | `availability`, `closing`, `window`, `lock/<name>` | where the sandbox stands: see `row::standing` | until the next, or 400 days |
//! | `<account>/<region>` | `command/<id>/answer` | what the sandbox answers to a command: see `row::answer` | 400 days |
//! | `health` | `<account>/<region>/<function>/heartbeat`, `…/failure` | the last sign of each kind of each function | 7 days |
//!
//! Beside these, [`crate::command`] writes the commands themselves.
//!
//! Signs of life and of trouble stand under one `pk`, so that the health check is one query; a sandbox's own are those
//! that begin with its account and Region. A sandbox that is dissolved counts as silent until its signs are forgotten,
//! seven days after the last, or until somebody deletes those rows.
//!
//! Rows carry the attributes that people and pages read by name, and in `detail` the whole of what was reported.
//! What the sandboxes spend is told by the hub's own functions, which therefore speak of others; everybody else speaks
//! for the sandbox alone that the event comes from.
//!
//! Everything in a row comes from its event and nothing from when it was handled, so that the order of events, and how
//! often each comes, makes no difference. Where one event says several things, each is a row of its own, which only
//! events that say the same kind of thing write.

mod answer;
mod spend;
mod standing;

use guardrail::event::{SOURCE, read_naming_fields};
use guardrail::{Event, Sandbox, SandboxSpend, Service};
use jiff::{SignedDuration, Timestamp};
use lambda::trigger::Envelope;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hub::Hub;

/// Where the signs of life and of trouble stand.
pub const HEALTH: &str = "health";

/// How long what happened is kept: thirteen months, so that a year can be compared with the one before.
const REPORTS_KEPT: Kept = Kept::For(SignedDuration::from_hours(24 * 400));

/// How long a sign of life or of trouble counts, and is kept.
pub const SIGNS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 7);

/// How far the clocks of two accounts may be apart.
const CLOCKS_APART: SignedDuration = SignedDuration::from_mins(5);

/// The longest sort key. <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const LONGEST_SORT_KEY: usize = 1024;

/// Characters of a text attribute; `detail` has the rest. An event of 256 KB thus fits into an item of 400 KB.
const LONGEST_TEXT: usize = 1000;

/// The detail type under which Lambda reports a function that failed for good.
const FUNCTION_FAILED: &str = "Lambda Function Invocation Result - Failure";

/// What the names of all our functions begin with.
const FUNCTION_PREFIX: &str = "sandbox-guardrails-";

/// A value of a row's attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A whole number; an instant is in milliseconds since the epoch.
    Number(i64),
}

/// An attribute by name; one without a value is taken out of the row, so that nothing of an older state stays.
pub type Attribute = (&'static str, Option<Cell>);

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The partition key.
    pub pk: String,
    /// The sort key.
    pub sk: String,
    /// When this state came about, to the millisecond. The newest wins.
    pub occurred_at: Timestamp,
    /// What was reported, as JSON. Between two states of one instant, which only a mistake can make, the greater wins,
    /// so that even then the order of arrival makes no difference.
    pub detail: String,
    kept: Kept,
    named: Vec<Attribute>,
}

/// How long a row is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// So long after it occurred.
    For(SignedDuration),
    /// Until a newer one takes its place, because what it says holds until then.
    UntilTheNext,
}

/// Why an event does not become a row. Trying it again would not help.
#[derive(Debug, thiserror::Error)]
pub enum Ignored {
    /// The detail is not what its type promises, or the type is unknown.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
    /// The event speaks for another sandbox than the one it comes from.
    #[error("it speaks for `{claimed}` and comes from `{origin}`")]
    Forged {
        /// For whom it speaks.
        claimed: String,
        /// Where it comes from.
        origin: String,
    },
    /// The event tells what is spent, and does not come from the hub.
    #[error("it tells what is spent, which is for the hub to tell, and comes from `{0}`")]
    Rumour(String),
    /// Lambda reports a function that is none of the guardrails.
    #[error("`{0}` is not a function of the guardrails")]
    Foreign(String),
    /// The event is dated in the future. Since the newest wins, it would keep what happens until then out.
    #[error("it is dated `{0}`, which is in the future")]
    Future(Timestamp),
    /// A command, which the hub itself sends.
    #[error("`{0}` is a command and reports nothing")]
    Command(&'static str),
    /// The event's id is too long for a key.
    #[error("`id` makes a key of {0} bytes, which is too long")]
    TooLong(usize),
}

impl Row {
    /// The rows of this event, handled at `now` in this hub.
    ///
    /// # Errors
    /// Why there are none.
    pub fn all_of(envelope: &Envelope, hub: &Hub, now: Timestamp) -> Result<Vec<Self>, Ignored> {
        let rows = match (envelope.source.as_str(), envelope.detail_type.as_str()) {
            (SOURCE, detail_type) => Self::of_report(detail_type, envelope, hub)?,
            ("lambda", FUNCTION_FAILED) => vec![Self::of_failure(envelope)?],
            (source, detail_type) => {
                let message = format!("unknown detail type `{detail_type}` of source `{source}`");
                return Err(Ignored::Malformed(serde::de::Error::custom(message)));
            }
        };
        for row in &rows {
            if row.occurred_at > now.checked_add(CLOCKS_APART).unwrap_or(Timestamp::MAX) {
                return Err(Ignored::Future(row.occurred_at));
            }
            if row.sk.len() > LONGEST_SORT_KEY {
                return Err(Ignored::TooLong(row.sk.len()));
            }
        }
        Ok(rows)
    }

    /// Every attribute beside the key.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> {
        let expires_at = match self.kept {
            Kept::For(time) => Some(Cell::Number(self.occurred_at.as_second().saturating_add(time.as_secs()))),
            Kept::UntilTheNext => None,
        };
        let always = [
            ("occurred_at", instant(self.occurred_at)),
            // In seconds, as DynamoDB's time to live wants them.
            ("expires_at", expires_at),
            ("detail", Some(Cell::Text(self.detail.clone()))),
        ];
        self.named.iter().cloned().chain(always)
    }

    fn of_report(detail_type: &str, envelope: &Envelope, hub: &Hub) -> Result<Vec<Self>, Ignored> {
        let event = Event::from_detail(detail_type, envelope.detail.clone())?;
        let header = event.header();
        let Sandbox { account, region, alias } = &header.sandbox;
        let origin = if tells_spend(&event) {
            of_hub(envelope, hub)?;
            place(account, region)
        } else {
            origin_of(envelope, account, region)?
        };
        let (pk, sk, kept) = match &event {
            Event::Heartbeat(heartbeat) => {
                let sk = format!("{origin}/{}/heartbeat", heartbeat.function);
                (HEALTH.to_owned(), sk, Kept::For(SIGNS_KEPT))
            }
            Event::Finding(_) => (origin, format!("finding/{}", header.id), REPORTS_KEPT),
            Event::Action(_) => (origin, format!("action/{}", header.id), REPORTS_KEPT),
            Event::ConfigurationRejected(_) => (origin, kind_first("configuration/", &header.id), REPORTS_KEPT),
            Event::AvailabilityChange(_) => (origin, kind_first("availability/", &header.id), REPORTS_KEPT),
            Event::SandboxSpend(spend) => (origin, SandboxSpend::id_of(spend.month), REPORTS_KEPT),
            Event::AvailabilityUpdateRequested(_) | Event::SandboxLockRequested(_) | Event::SandboxLockReleased(_) => {
                return Err(Ignored::Command(event.detail_type()));
            }
        };
        let row = |sk: String, kept: Kept, said: Vec<Attribute>| {
            let mut named = vec![
                ("detail_type", text(detail_type)),
                ("id", text(&header.id)),
                ("account", text(account)),
                ("region", text(region)),
                ("alias", text(alias)),
            ];
            named.extend(said);
            let detail = envelope.detail.to_string();
            Self { pk: pk.clone(), sk, occurred_at: header.occurred_at, detail, kept, named }
        };
        let mut rows = vec![row(sk, kept, attributes_of(&event))];
        if let Event::AvailabilityChange(change) = &event {
            rows.extend(standing::of(change).map(|(sk, kept, said)| row(sk, kept, said)));
        }
        if let Event::SandboxSpend(spend) = &event {
            let of_sandbox = row(place(account, region), REPORTS_KEPT, attributes_of(&event));
            let detail = spend::in_brief(&envelope.detail);
            rows.push(Self { pk: SandboxSpend::id_of(spend.month), detail, ..of_sandbox });
        }
        rows.extend(answer::in_event(&event).map(|(sk, said)| row(sk, REPORTS_KEPT, said)));
        Ok(rows)
    }

    fn of_failure(envelope: &Envelope) -> Result<Self, Ignored> {
        let failure: FunctionFailed = read_naming_fields(&envelope.detail)?;
        let arn = &failure.request_context.function_arn;
        let foreign = || Ignored::Foreign(arn.clone());
        let [_, _, "lambda", region, account, "function", name, ..] = arn.split(':').collect::<Vec<_>>()[..] else {
            return Err(foreign());
        };
        let origin = origin_of(envelope, account, region)?;
        let function = name.strip_prefix(FUNCTION_PREFIX).ok_or_else(foreign)?;
        let said = |key: &str| failure.response_payload.get(key).and_then(Value::as_str);
        let condition = failure.request_context.condition.as_str();
        let named = vec![
            ("detail_type", text(FUNCTION_FAILED)),
            ("id", text(&failure.request_context.request_id)),
            ("account", text(account)),
            ("region", text(region)),
            ("function", text(function)),
            ("condition", text(condition)),
            ("attempts", number(failure.request_context.approximate_invoke_count)),
            // A function that Lambda never got to run, or that it ended, says nothing of its own.
            ("error_type", text(said("errorType").unwrap_or(condition))),
            ("message", text(said("errorMessage").unwrap_or("the function gave no message"))),
        ];
        let mut detail = envelope.detail.clone();
        if let Value::Object(detail) = &mut detail {
            // The event that failed and the whole answer can have 256 KB, and the health check reads its rows often.
            detail.retain(|key, _| key != "requestPayload" && key != "responsePayload");
        }
        Ok(Self {
            pk: HEALTH.to_owned(),
            sk: format!("{origin}/{function}/failure"),
            occurred_at: failure.timestamp,
            detail: detail.to_string(),
            kept: Kept::For(SIGNS_KEPT),
            named,
        })
    }
}

/// The fields of Lambda's record of a failed asynchronous invocation that are used.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionFailed {
    timestamp: Timestamp,
    request_context: RequestContext,
    /// What the function answered; absent or null when it never ran.
    #[serde(default)]
    response_payload: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: String,
    function_arn: String,
    /// `RetriesExhausted`, `EventAgeExceeded`.
    condition: String,
    approximate_invoke_count: u32,
}

/// The sandbox that the event comes from, provided that it is also the one that it speaks for.
///
/// EventBridge writes the account and Region of the sender into the envelope; a sandbox cannot choose them.
fn origin_of(envelope: &Envelope, account: &str, region: &str) -> Result<String, Ignored> {
    let (claimed, origin) = (place(account, region), sender_of(envelope));
    if claimed == origin { Ok(origin) } else { Err(Ignored::Forged { claimed, origin }) }
}

/// That an event comes from the hub itself, which may speak of any sandbox.
fn of_hub(envelope: &Envelope, hub: &Hub) -> Result<(), Ignored> {
    let sender = sender_of(envelope);
    if sender == place(&hub.account, &hub.region) { Ok(()) } else { Err(Ignored::Rumour(sender)) }
}

/// Whether an event is about what sandboxes spend.
fn tells_spend(event: &Event) -> bool {
    match event {
        Event::SandboxSpend(_) => true,
        Event::Finding(finding) => finding.service == Service::Spend,
        Event::Action(action) => action.service == Service::Spend,
        _ => false,
    }
}

/// The account and Region that an event comes from.
fn sender_of(envelope: &Envelope) -> String {
    let sender = envelope.account.as_ref().zip(envelope.region.as_ref());
    sender.map_or_else(|| "nowhere".to_owned(), |(account, region)| place(account, region))
}

/// The partition key of what stands about a sandbox.
fn place(account: &str, region: &str) -> String {
    format!("{account}/{region}")
}

/// A sort key that begins with the kind of event, which some ids already do.
fn kind_first(kind: &str, id: &str) -> String {
    format!("{kind}{}", id.strip_prefix(kind).unwrap_or(id))
}

/// What people and pages read of an event by name, beside what every report has.
fn attributes_of(event: &Event) -> Vec<Attribute> {
    match event {
        Event::Finding(finding) => vec![
            ("guardrail", text(&finding.guardrail)),
            ("service", word(finding.service)),
            ("level", number(finding.level.percent)),
            ("severity", word(finding.level.severity)),
            ("resource_kind", text(&finding.resource.kind)),
            ("resource", text(&finding.resource.id)),
            ("scope", finding.scope.as_deref().and_then(text)),
            ("owner", finding.owner.as_deref().and_then(text)),
            ("principal", finding.principal.as_deref().and_then(text)),
            ("state", text(&finding.state)),
            ("started_at", instant(finding.started_at)),
            ("episode", finding.episode.and_then(instant)),
            ("limit", text(&finding.limit.to_string())),
            ("measured", text(&finding.measured.to_string())),
            ("mode", word(finding.mode)),
            ("action", word(finding.action)),
            ("exemption", finding.exemption.as_deref().and_then(text)),
            ("message", text(&finding.message)),
        ],
        Event::Action(action) => vec![
            ("guardrail", text(&action.guardrail)),
            ("service", word(action.service)),
            ("finding", text(&action.finding)),
            ("resource_kind", text(&action.resource.kind)),
            ("resource", text(&action.resource.id)),
            ("scope", action.scope.as_deref().and_then(text)),
            ("owner", action.owner.as_deref().and_then(text)),
            ("action", word(action.action)),
            ("outcome", word(action.outcome)),
            ("reason", text(&action.reason)),
            ("limit", action.limit.as_ref().and_then(|limit| text(&limit.to_string()))),
            ("measured", action.measured.as_ref().and_then(|measured| text(&measured.to_string()))),
        ],
        Event::Heartbeat(heartbeat) => vec![
            ("function", text(&heartbeat.function)),
            ("took", text(&format!("{:#}", heartbeat.took))),
            ("calls", i64::try_from(heartbeat.calls).ok().map(Cell::Number)),
        ],
        Event::ConfigurationRejected(rejected) => vec![
            ("parameter", text(&rejected.parameter)),
            ("value", text(&rejected.value)),
            ("expected", text(&rejected.expected)),
            ("in_force", text(&rejected.in_force)),
        ],
        Event::AvailabilityChange(change) => standing::attributes_of(change),
        Event::SandboxSpend(spend) => spend::attributes_of(spend),
        // They never become rows.
        Event::AvailabilityUpdateRequested(_) | Event::SandboxLockRequested(_) | Event::SandboxLockReleased(_) => {
            vec![]
        }
    }
}

/// A text, shortened.
pub(crate) fn text(value: &str) -> Option<Cell> {
    Some(Cell::Text(value.chars().take(LONGEST_TEXT).collect()))
}

fn number(value: impl Into<i64>) -> Option<Cell> {
    Some(Cell::Number(value.into()))
}

/// An instant in milliseconds.
pub(crate) fn instant(value: Timestamp) -> Option<Cell> {
    number(value.as_millisecond())
}

/// The word under which a value of an enumeration travels.
fn word(value: impl Serialize) -> Option<Cell> {
    serde_json::to_value(value).ok()?.as_str().and_then(text)
}

#[cfg(test)]
mod tests;
