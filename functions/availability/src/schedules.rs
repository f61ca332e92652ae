//! The one-shot schedules that wake reconcile at the very moment of the next opening, closing and warning.
//!
//! They are only an alarm clock. What is to be done is judged when it rings, and reconcile runs every 15 minutes
//! besides, so a schedule that is lost, late or wrong delays a transition and never makes a wrong one. Each stands in
//! the sandbox's own zone, as people read it, except in the hour that the zone repeats, which local time cannot tell.

use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, Target};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use lambda::{Aws, CallError, CallErrorKind, Problems};
use window::Window;

use crate::plan::Plan;

/// What a schedule wakes reconcile for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// The next opening.
    Opens,
    /// The next closing.
    Closes,
    /// The next warning of a closing.
    Warns,
}

impl Wake {
    /// The schedule's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opens => "availability-opens",
            Self::Closes => "availability-closes",
            Self::Warns => "availability-warns",
        }
    }
}

/// Sets schedules.
pub trait Schedules {
    /// Lets a schedule fire at `at`, told in `zone`, or takes it away. Does nothing where it is so already.
    ///
    /// # Errors
    /// When it could not be set.
    fn set(&self, wake: Wake, at: Option<Timestamp>, zone: &TimeZone) -> impl Future<Output = Result<(), CallError>>;
}

/// Sets every schedule to what lies ahead of a window; takes them all away where there is none.
///
/// # Errors
/// Those that could not be set; the others are.
pub async fn set_schedules(schedules: &impl Schedules, window: Option<&Window>, plan: &Plan) -> Result<(), Problems> {
    let zone = window.map_or(TimeZone::UTC, |window| window.time_zone().clone());
    let mut problems = Problems::default();
    for (wake, at) in plan.wakes() {
        problems.keep(schedules.set(wake, at, &zone).await);
    }
    problems.into_result()
}

/// Where the schedules stand, and what they call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The schedules' group.
    pub group: String,
    /// The ARN of the role that calls.
    pub role: String,
    /// The ARN of the function that is called, reconcile.
    pub function: String,
}

/// EventBridge Scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    client: Client,
    place: Place,
}

const GET: &str = "scheduler:GetSchedule";
const CREATE: &str = "scheduler:CreateSchedule";
const UPDATE: &str = "scheduler:UpdateSchedule";
const DELETE: &str = "scheduler:DeleteSchedule";

impl Scheduler {
    /// The IAM actions it needs. `iam:PassRole` is no call: EventBridge Scheduler asks for it when it is given the role.
    pub const ACTIONS: &[&str] = &[GET, CREATE, UPDATE, DELETE, "iam:PassRole"];

    /// The schedules at this place.
    pub fn new(aws: &Aws, place: Place) -> Self {
        let config = aws_sdk_scheduler::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), place }
    }

    fn target(&self, wake: Wake) -> Result<Target, CallError> {
        // A wake that comes late is as good as the next sweep, and no better.
        let retries = RetryPolicy::builder().maximum_event_age_in_seconds(900).maximum_retry_attempts(5).build();
        Target::builder()
            .arn(&self.place.function)
            .role_arn(&self.place.role)
            .input(format!(r#"{{"reconcile":"{}"}}"#, wake.name()))
            .retry_policy(retries)
            .build()
            .map_err(|error| invalid(CREATE, &error.to_string()))
    }
}

impl Schedules for Scheduler {
    async fn set(&self, wake: Wake, at: Option<Timestamp>, zone: &TimeZone) -> Result<(), CallError> {
        let (name, group) = (wake.name(), self.place.group.as_str());
        let there = match self.client.get_schedule().name(name).group_name(group).send().await {
            Ok(there) => Some(there),
            Err(error) => match CallError::of(GET, &error) {
                error if error.kind == CallErrorKind::Missing => None,
                error => return Err(error),
            },
        };
        let Some(at) = at else {
            return match there {
                None => Ok(()),
                Some(_) => {
                    let deleted = self.client.delete_schedule().name(name).group_name(group).send().await;
                    missing_is_fine(deleted.map(drop).map_err(|error| CallError::of(DELETE, &error)))
                }
            };
        };
        let Moment { expression, zone } = Moment::of(at, zone);
        let target = self.target(wake)?;
        let as_wanted = there.as_ref().is_some_and(|there| {
            there.schedule_expression() == Some(&expression)
                && there.schedule_expression_timezone() == Some(&zone)
                && there.target() == Some(&target)
        });
        if as_wanted {
            return Ok(());
        }
        // Scheduler may be up to a minute late by itself; a flexible window would only add to it.
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
        let window = window.map_err(|error| invalid(CREATE, &error.to_string()))?;
        match there {
            Some(_) => {
                let update = self.client.update_schedule().name(name).group_name(group).target(target);
                let update = update.schedule_expression(expression).schedule_expression_timezone(zone);
                let updated = update.flexible_time_window(window).send().await;
                updated.map(drop).map_err(|error| CallError::of(UPDATE, &error))
            }
            None => {
                let create = self.client.create_schedule().name(name).group_name(group).target(target);
                let create = create.schedule_expression(expression).schedule_expression_timezone(zone);
                let created = create.flexible_time_window(window).send().await;
                match created {
                    Ok(_) => Ok(()),
                    // Another run made it meanwhile, from the same window or from a newer one, which reconciles after.
                    Err(error) if error.as_service_error().is_some_and(|e| e.is_conflict_exception()) => Ok(()),
                    Err(error) => Err(CallError::of(CREATE, &error)),
                }
            }
        }
    }
}

/// A moment as EventBridge Scheduler takes it.
struct Moment {
    expression: String,
    zone: String,
}

impl Moment {
    /// In local time where that tells the moment, in UTC in an hour that the zone repeats.
    fn of(at: Timestamp, zone: &TimeZone) -> Self {
        let local = at.to_zoned(zone.clone());
        let name = zone.iana_name().filter(|_| !zone.to_ambiguous_timestamp(local.datetime()).is_ambiguous());
        match name {
            Some(name) => Self { expression: expression(&local.datetime()), zone: name.to_owned() },
            None => Self { expression: expression(&TimeZone::UTC.to_datetime(at)), zone: "UTC".to_owned() },
        }
    }
}

fn expression(moment: &jiff::civil::DateTime) -> String {
    format!("at({})", moment.strftime("%Y-%m-%dT%H:%M:%S"))
}

fn missing_is_fine(result: Result<(), CallError>) -> Result<(), CallError> {
    result.or_else(|error| if error.kind == CallErrorKind::Missing { Ok(()) } else { Err(error) })
}

fn invalid(operation: &'static str, message: &str) -> CallError {
    CallError { operation, kind: CallErrorKind::Invalid, message: message.to_owned() }
}

#[cfg(test)]
mod tests;
