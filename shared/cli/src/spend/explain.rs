//! `guardrails spend explain`: what led to the lock of a sandbox, from what was told the hub.
//!
//! It reads [`rows`], makes an [`Explanation`] of them, which is the answer for machines, and [`text`] tells people.

mod rows;
mod text;

use std::collections::BTreeMap;
use std::io::Read;

use clap::Args;
use guardrail::availability::{Availability, AvailabilityChange, Change};
use guardrail::budget::Period;
use guardrail::catalogue::SPEND_BUDGET;
use guardrail::config::parameter_word;
use guardrail::spending::{BudgetStanding, Estimate, Projection, Share};
use guardrail::{
    Action, ActionKind, Amount, Budget, Currency, Finding, Measure, Mode, Outcome, Quantity, Sandbox, SandboxSpend,
};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use self::rows::Rows;
use crate::answer::{Answer, Exit, Failure, Input, Look};

const EXAMPLES: &str = r#"Examples:
  guardrails spend explain rows.json

  The rows of a sandbox, from the hub's account:
    aws dynamodb query --table-name sandbox-guardrails-console \
      --key-condition-expression "pk = :sandbox" \
      --expression-attribute-values '{":sandbox": {"S": "111122223333/eu-west-1"}}' |
      guardrails spend explain

What is told, all times in UTC:
  the budget, and where it is set
  which levels were reached when, as the cost export reported or by estimate
  who locked the sandbox and why, and when it closed
  on what the money was spent: services, users, the last days
  who released it and why, or the command that would

Exit codes:
  0  it is explained, or there is no lock to explain
  2  nothing can be explained: unreadable, not JSON, not the rows of one sandbox"#;

/// Tell what led to a budget's lock, and what would release it
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Explain {
    /// The rows of one sandbox, as `aws dynamodb query` prints them; `-` reads standard input
    #[arg(default_value = "-")]
    rows: Input,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(crate) fn run(&self, stdin: impl Read, look: Look) -> Result<Answer, Failure> {
        let (rows, mut notes) = Rows::read(&self.rows, &self.rows.read(stdin)?)?;
        let explanation = Explanation::of(&rows);
        if explanation.lock.is_some() && rows.findings.is_empty() && rows.spend.is_empty() {
            let first = "what an account in several Regions spends stands with the first of them by name";
            notes.push(format!("these rows do not tell what was spent; {first}"));
        }
        let answer = match self.json {
            true => Answer::json(&explanation, Exit::Good),
            false => Answer::new(text::tell(&explanation, look), Exit::Good),
        };
        Ok(Answer { notes, ..answer })
    }
}

/// The lock of a sandbox that spends too much.
const BUDGET_LOCK: &str = "budget";

/// What led to the lock. Fields are added, never renamed: scripts read them.
#[derive(Debug, Serialize)]
struct Explanation<'a> {
    sandbox: &'a Sandbox,
    /// Whether the budget's lock holds.
    locked: bool,
    /// Where the sandbox stands.
    state: Availability,
    /// The budget that it was held to when it was locked, or is held to now where it never was.
    budget: Option<Held<'a>>,
    /// The levels reached in the budget's period, as they were reached.
    levels: Vec<Reached<'a>>,
    /// What was done about them, as it happened.
    actions: Vec<Done<'a>>,
    /// The lock, unless there has never been one.
    lock: Option<Said<'a>>,
    /// How the sandbox closed after the lock, as it happened.
    closing: Vec<Moment<'a>>,
    /// What was spent in the month of the lock, or in the newest.
    spent: Option<Spent<'a>>,
    /// What is spent in the newest month, where that is another one.
    now: Option<Spent<'a>>,
    /// The release, unless nobody has released the lock.
    release: Option<Said<'a>>,
    /// How the sandbox opened after the release, as it happened.
    opening: Vec<Moment<'a>>,
    /// Other locks that hold. It opens when these are released too.
    other_locks: Vec<&'a str>,
    /// What to send to `console-command` to release the lock, while it holds.
    to_release: Option<Release<'a>>,
}

/// A budget and who set it.
#[derive(Debug, Serialize)]
struct Held<'a> {
    budget: &'a Budget,
    /// The same as it is now, where it was changed since.
    changed_to: Option<&'a Budget>,
    /// The days it is for: the first, and the first that is not.
    from: Option<Date>,
    until: Option<Date>,
    business_unit: Option<&'a str>,
    /// `sandbox`, `business-unit` or `all`; none where nobody has set one.
    set_for: Option<&'a str>,
    /// The parameter in the hub that says so.
    parameter: Option<String>,
}

/// A level that was reached.
#[derive(Debug, Serialize)]
struct Reached<'a> {
    at: Timestamp,
    percent: u16,
    basis: Basis,
    /// What was spent, by that basis.
    measured: String,
    /// The same to the cent.
    #[serde(skip)]
    brief: String,
    /// What it was held against.
    budget: String,
    action: ActionKind,
    mode: Mode,
    exemption: Option<&'a str>,
    finding: &'a str,
}

/// What a level was held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Basis {
    /// What the cost export says.
    Reported,
    /// The same and what the usage since lets estimate.
    Estimated,
}

/// What was done about a level.
#[derive(Debug, Serialize)]
struct Done<'a> {
    at: Timestamp,
    action: ActionKind,
    outcome: Outcome,
    reason: &'a str,
    finding: &'a str,
}

/// A command that was obeyed.
#[derive(Debug, Serialize)]
struct Said<'a> {
    at: Timestamp,
    requested_by: Option<&'a str>,
    reason: Option<&'a str>,
}

/// A change of availability.
#[derive(Debug, Serialize)]
struct Moment<'a> {
    at: Timestamp,
    change: Change,
    message: &'a str,
}

/// What was spent in a month.
#[derive(Debug, Serialize)]
struct Spent<'a> {
    #[serde(serialize_with = "year_and_month")]
    month: Date,
    currency: Currency,
    reported: &'a Amount,
    covered_until: Timestamp,
    estimate: Option<&'a Estimate>,
    projection: Option<&'a Projection>,
    standing: Option<&'a BudgetStanding>,
    services: &'a [Share],
    owners: &'a [Share],
    days: &'a BTreeMap<Date, Amount>,
}

/// A month by its first day, as `2026-11`.
fn year_and_month<S: Serializer>(first: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&first.strftime("%Y-%m"))
}

/// A command for `console-command`. What only a person can say is left to be filled in.
#[derive(Debug, Serialize)]
struct Release<'a> {
    command: &'static str,
    lock: &'static str,
    reason: &'static str,
    sandboxes: [&'a str; 1],
    region: &'a str,
    requested_by: &'static str,
}

impl<'a> Explanation<'a> {
    fn of(rows: &'a Rows) -> Self {
        let (lock, release) = newest_lock(rows);
        let last = last_level(rows, lock).and_then(budget_of);
        let of_the_period = |finding: &&Finding| {
            let period = budget_of(finding).map(|(_, period)| period);
            period.is_some() && period == last.map(|(_, period)| period)
        };
        let levels: Vec<&Finding> = rows.findings.iter().filter(of_the_period).collect();
        let is_of_them = |action: &&Action| levels.iter().any(|finding| finding.header.id == action.finding);
        let actions: Vec<&Action> = rows.actions.iter().filter(is_of_them).collect();
        let newest = rows.spend.values().next_back();
        let then = lock.map_or(newest, |lock| {
            let month = lock.header.occurred_at.to_zoned(TimeZone::UTC).date().first_of_month();
            rows.spend.range(..=month).next_back().map(|(_, spend)| spend).or(newest)
        });
        let other = |name: &&str| *name != BUDGET_LOCK && rows.holds(name);
        let locked = rows.holds(BUDGET_LOCK);
        Self {
            sandbox: &rows.sandbox,
            locked,
            state: rows.standing.as_ref().map_or(Availability::Open, |standing| standing.state),
            budget: Held::of(&rows.sandbox, last, then, newest),
            levels: levels.into_iter().map(Reached::of).collect(),
            actions: actions.into_iter().map(Done::of).collect(),
            lock: lock.map(Said::of),
            closing: lock.map(|lock| rows.until(lock, Change::Closed, release)).unwrap_or_default(),
            spent: then.map(Spent::of),
            now: newest.filter(|newest| then.is_none_or(|then| then.month != newest.month)).map(Spent::of),
            release: release.map(Said::of),
            opening: release.map(|release| rows.until(release, Change::Opened, None)).unwrap_or_default(),
            other_locks: rows.locks.keys().map(String::as_str).filter(other).collect(),
            to_release: locked.then_some(Release {
                command: "release",
                lock: BUDGET_LOCK,
                reason: "<why it may open>",
                sandboxes: [&rows.sandbox.account],
                region: &rows.sandbox.region,
                requested_by: "<who answers for it>",
            }),
        }
    }
}

impl Rows {
    /// What happened after this command, up to the change that it led to, and no further than to the next command.
    fn until(&self, command: &AvailabilityChange, end: Change, next: Option<&AvailabilityChange>) -> Vec<Moment<'_>> {
        let at = |change: &AvailabilityChange| change.header.occurred_at;
        let after = self.changes.iter().filter(|change| at(change) >= at(command));
        let before = after.take_while(|change| next.is_none_or(|next| at(change) < at(next)));
        let mut moments = Vec::new();
        for change in before.filter(|change| change.lock.is_none() && speaks_of_the_way(change.change)) {
            moments.push(Moment { at: at(change), change: change.change, message: &change.message });
            if change.change == end {
                break;
            }
        }
        moments
    }
}

/// Whether a change tells of the way between open and closed.
fn speaks_of_the_way(change: Change) -> bool {
    match change {
        Change::Closing | Change::Closed | Change::Opening | Change::Opened | Change::Refused | Change::Failed => true,
        Change::ClosingSoon
        | Change::ClosingCalledOff
        | Change::PartClosed
        | Change::PartOpened
        | Change::Locked
        | Change::LockReleased
        | Change::WindowUpdated => false,
    }
}

/// The newest lock of the budget, and its release. A lock that is asked for again while it holds is one lock.
fn newest_lock(rows: &Rows) -> (Option<&AvailabilityChange>, Option<&AvailabilityChange>) {
    let of_budget = |change: &&AvailabilityChange| change.lock.as_deref() == Some(BUDGET_LOCK);
    // The row of the lock is there even when the sandbox's timeline has been forgotten.
    let mut told: Vec<_> = rows.changes.iter().filter(of_budget).chain(rows.locks.get(BUDGET_LOCK)).collect();
    told.sort_by_key(|change| change.header.occurred_at);
    let (mut lock, mut release) = (None, None);
    for change in told {
        match (change.change, lock, release) {
            (Change::Locked, None, _) | (Change::Locked, _, Some(_)) => (lock, release) = (Some(change), None),
            (Change::LockReleased, Some(_), None) => release = Some(change),
            _ => {}
        }
    }
    (lock, release)
}

/// The level that was reached last before the lock, or last of all.
fn last_level<'a>(rows: &'a Rows, lock: Option<&AvailabilityChange>) -> Option<&'a Finding> {
    let before = |finding: &&Finding| lock.is_none_or(|lock| finding.header.occurred_at <= lock.header.occurred_at);
    rows.findings.iter().rfind(before).or(rows.findings.last())
}

/// The budget that a level is one of, and its period.
fn budget_of(finding: &Finding) -> Option<(&Budget, Period)> {
    let Quantity::Budget(budget) = &finding.limit else { return None };
    // An episode begins with the period, or within it when the budget was changed.
    let began = finding.episode.unwrap_or(finding.header.occurred_at);
    Some((budget, budget.per.period(began.to_zoned(TimeZone::UTC).date())))
}

impl<'a> Held<'a> {
    fn of(
        sandbox: &Sandbox,
        last: Option<(&'a Budget, Period)>,
        then: Option<&'a SandboxSpend>,
        newest: Option<&'a SandboxSpend>,
    ) -> Option<Self> {
        let standing = then.and_then(|spend| spend.budget.as_ref());
        let told = standing.map(|told| (&told.budget, Period { from: told.from, until: told.until }));
        let (budget, Period { from, until }) = last.or(told)?;
        let now = newest.and_then(|spend| spend.budget.as_ref());
        let unit = newest.and_then(|spend| spend.business_unit.as_deref());
        let set_for = now.or(standing).map(|standing| standing.set_for.as_str());
        let path = format!("{}/limit", SPEND_BUDGET.parameter_path());
        let parameter = match (set_for, unit) {
            (Some("sandbox"), _) => Some(format!("{path}/{}", sandbox.account)),
            (Some("business-unit"), Some(unit)) => Some(format!("{path}/business-unit/{}", parameter_word(unit))),
            (Some("all"), _) => Some(path),
            _ => None,
        };
        let changed_to = now.map(|now| &now.budget).filter(|now| *now != budget);
        Some(Self { budget, changed_to, from, until, business_unit: unit, set_for, parameter })
    }
}

impl<'a> Reached<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            at: finding.header.occurred_at,
            percent: finding.level.percent,
            basis: if finding.measure == Measure::EstimatedSpend { Basis::Estimated } else { Basis::Reported },
            measured: finding.measured.to_string(),
            brief: finding.measured.brief().to_string(),
            budget: finding.limit.to_string(),
            action: finding.action,
            mode: finding.mode,
            exemption: finding.exemption.as_deref(),
            finding: &finding.header.id,
        }
    }
}

impl<'a> Done<'a> {
    fn of(action: &'a Action) -> Self {
        Self {
            at: action.header.occurred_at,
            action: action.action,
            outcome: action.outcome,
            reason: &action.reason,
            finding: &action.finding,
        }
    }
}

impl<'a> Said<'a> {
    fn of(change: &'a AvailabilityChange) -> Self {
        let AvailabilityChange { header, requested_by, reason, .. } = change;
        Self { at: header.occurred_at, requested_by: requested_by.as_deref(), reason: reason.as_deref() }
    }
}

impl<'a> Spent<'a> {
    fn of(spend: &'a SandboxSpend) -> Self {
        Self {
            month: spend.month,
            currency: spend.currency,
            reported: &spend.reported,
            covered_until: spend.covered_until,
            estimate: spend.estimate.as_ref(),
            projection: spend.projection.as_ref(),
            standing: spend.budget.as_ref(),
            services: &spend.services,
            owners: &spend.owners,
            days: &spend.days,
        }
    }
}

#[cfg(test)]
mod tests;
