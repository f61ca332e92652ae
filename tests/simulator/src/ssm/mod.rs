//! AWS Systems Manager: the state of change calendars, and nothing else of it; the stage has the rest elsewhere.
//!
//! A calendar is what a test says it is: it reads no iCalendar text, and several are open only when all are. AWS
//! documents no bound on how far ahead a transition is found; here the last one of a calendar is followed by none.

mod handle;
mod routes;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use handle::SsmHandle;
pub(crate) use routes::routes;

use crate::accounts::Place;
use crate::cloudtrail::Creation;
use crate::events::ServiceEvent;
use crate::input::Input;
use crate::protocol::AwsError;
use crate::quotas::Quota;
use crate::world::{Change, Service};

/// How the service writes an instant, with whole seconds.
const INSTANT: &str = "%Y-%m-%dT%H:%M:%SZ";
/// The most calendars of one call; AWS documents none.
const CALENDARS: usize = 100;

/// A change calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CalendarSpec {
    /// The name of its document. It takes the place of one of the same name.
    pub name: String,
    /// What it is between its events.
    pub kind: CalendarKind,
    /// When it is otherwise, in any order; they may overlap.
    pub events: Vec<CalendarEvent>,
}

impl Default for CalendarSpec {
    /// `holidays`, always open.
    fn default() -> CalendarSpec {
        CalendarSpec { name: "holidays".to_owned(), kind: CalendarKind::DefaultOpen, events: Vec::new() }
    }
}

/// What kind of document a calendar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CalendarKind {
    /// Open, and closed during its events.
    DefaultOpen,
    /// Closed, and open during its events.
    DefaultClosed,
    /// A calendar whose entries the service cannot read.
    Unsupported,
    /// A document that is no calendar.
    OtherDocument,
}

/// One event of a calendar; its end does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalendarEvent {
    /// When it begins.
    pub from: Timestamp,
    /// When it is over.
    pub until: Timestamp,
}

/// Whether a calendar lets actions proceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CalendarState {
    /// They may.
    Open,
    /// They may not.
    Closed,
}

impl CalendarState {
    fn as_str(self) -> &'static str {
        match self {
            CalendarState::Open => "OPEN",
            CalendarState::Closed => "CLOSED",
        }
    }
}

/// The Systems Manager of one account in one Region.
#[derive(Debug)]
pub(crate) struct Ssm {
    place: Place,
    calendars: BTreeMap<String, Calendar>,
}

#[derive(Debug)]
struct Calendar {
    spec: CalendarSpec,
    /// Up to when its transitions have been announced.
    announced: Timestamp,
}

impl Service for Ssm {
    /// AWS publishes no rate for it; this is a careful guess.
    const QUOTAS: &'static [Quota] = &[Quota { operation: "GetCalendarState", per_second: 5, burst: 10 }];
    const STOPS: &'static [Change] = &[];
    const CHANGES: &'static [Change] = &[];

    fn call(&mut self, operation: &str, input: &Map<String, Value>, now: Timestamp) -> Result<Value, AwsError> {
        match operation {
            "GetCalendarState" => self.get_calendar_state(Input::new(input, invalid), now),
            _ => Err(AwsError::unknown_operation()),
        }
    }

    fn announce(&mut self, now: Timestamp) -> Vec<ServiceEvent> {
        let mut events = Vec::new();
        for (name, calendar) in &mut self.calendars {
            let arn = document(&self.place, name);
            while let Some((at, state)) = transition(&[&calendar.spec], calendar.announced).filter(|next| next.0 <= now)
            {
                calendar.announced = at;
                events.push(event(&arn, at, state, transition(&[&calendar.spec], at)));
            }
        }
        events.sort_by_key(|event| event.at);
        events
    }

    fn next_change(&self) -> Option<Timestamp> {
        let next = self.calendars.values().filter_map(|calendar| transition(&[&calendar.spec], calendar.announced));
        next.map(|(at, _)| at).min()
    }

    /// A calendar is no workload.
    fn active(&self, _now: Timestamp) -> usize {
        0
    }

    fn take_created(&mut self) -> Vec<Creation> {
        Vec::new()
    }
}

impl Ssm {
    pub(crate) fn new(place: &Place) -> Ssm {
        Ssm { place: place.clone(), calendars: BTreeMap::new() }
    }

    fn get_calendar_state(&self, input: Input<'_>, now: Timestamp) -> Result<Value, AwsError> {
        let names = input.texts("CalendarNames", 1..=CALENDARS)?.ok_or_else(|| input.missing("CalendarNames"))?;
        let at = input.text("AtTime", 0..=usize::MAX)?.map(|text| {
            text.parse::<Timestamp>().map_err(|_| invalid(&format!("AtTime {text} is not a valid ISO 8601 timestamp.")))
        });
        let at = at.transpose()?.unwrap_or(now);
        let calendars = names.into_iter().map(|name| self.calendar(name)).collect::<Result<Vec<_>, _>>()?;
        let mut output = json!({ "State": state(&calendars, at).as_str(), "AtTime": at.strftime(INSTANT).to_string() });
        if let (Some((next, _)), Value::Object(output)) = (transition(&calendars, at), &mut output) {
            output.insert("NextTransitionTime".to_owned(), next.strftime(INSTANT).to_string().into());
        }
        Ok(output)
    }

    /// The calendar of this name or ARN.
    fn calendar(&self, name: &str) -> Result<&CalendarSpec, AwsError> {
        let own = document(&self.place, "");
        let found = self.calendars.get(name.strip_prefix(&own).unwrap_or(name)).map(|calendar| &calendar.spec);
        let spec =
            found.ok_or_else(|| refused("InvalidDocument", &format!("Document with name {name} does not exist.")))?;
        match spec.kind {
            CalendarKind::DefaultOpen | CalendarKind::DefaultClosed => Ok(spec),
            CalendarKind::Unsupported => {
                let message = "The calendar entry contained in the specified SSM document isn't supported.";
                Err(refused("UnsupportedCalendarException", message))
            }
            CalendarKind::OtherDocument => {
                let message = format!("Document with name {name} is not of type ChangeCalendar.");
                Err(refused("InvalidDocumentType", &message))
            }
        }
    }
}

impl CalendarSpec {
    fn is_open(&self, at: Timestamp) -> bool {
        let during = self.events.iter().any(|event| (event.from..event.until).contains(&at));
        match self.kind {
            CalendarKind::DefaultClosed => during,
            CalendarKind::DefaultOpen => !during,
            // Nobody is told, so it never changes.
            CalendarKind::Unsupported | CalendarKind::OtherDocument => true,
        }
    }
}

/// What these calendars say together: one that is closed closes all.
fn state(calendars: &[&CalendarSpec], at: Timestamp) -> CalendarState {
    if calendars.iter().all(|calendar| calendar.is_open(at)) { CalendarState::Open } else { CalendarState::Closed }
}

/// When these calendars together change for the first time after `after`, and to what.
fn transition(calendars: &[&CalendarSpec], after: Timestamp) -> Option<(Timestamp, CalendarState)> {
    let before = state(calendars, after);
    let edges = calendars.iter().flat_map(|calendar| &calendar.events).flat_map(|event| [event.from, event.until]);
    let changes = edges.filter(|edge| *edge > after).map(|edge| (edge, state(calendars, edge)));
    changes.filter(|(_, state)| *state != before).min_by_key(|(at, _)| *at)
}

/// One transition in the words of
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/monitoring-systems-manager-event-examples.html>.
fn event(arn: &str, at: Timestamp, to: CalendarState, next: Option<(Timestamp, CalendarState)>) -> ServiceEvent {
    let mut detail = json!({ "state": to.as_str(), "atTime": at.strftime(INSTANT).to_string() });
    if let (Some((next, _)), Value::Object(detail)) = (next, &mut detail) {
        detail.insert("nextTransitionTime".to_owned(), next.strftime(INSTANT).to_string().into());
    }
    ServiceEvent {
        source: "aws.ssm",
        detail_type: "Calendar State Change",
        at,
        resources: vec![arn.to_owned()],
        detail,
    }
}

/// The ARN of a document.
fn document(place: &Place, name: &str) -> String {
    format!("arn:aws:ssm:{}:{}:document/{name}", place.region, place.account)
}

/// The error for a request that cannot be accepted. No model lists it.
fn invalid(message: &str) -> AwsError {
    AwsError::front(400, "ValidationException", message)
}

fn refused(code: &str, message: &str) -> AwsError {
    AwsError::modelled(400, code, message, &[])
}
