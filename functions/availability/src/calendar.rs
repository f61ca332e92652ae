//! The SSM Change Calendar that a window may name: it closes what the rules open, as a closed date does.

use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::CalendarState;
use lambda::{Aws, CallError, CallErrorKind};
use window::Calendar;

/// Asks calendars.
pub trait Calendars {
    /// What the calendar of this name or ARN says now.
    ///
    /// # Errors
    /// When it cannot be asked, or does not exist.
    fn state(&self, name: &str) -> impl Future<Output = Result<Calendar, CallError>>;
}

/// Systems Manager.
#[derive(Clone, Debug)]
pub struct ChangeCalendars(Client);

const GET: &str = "ssm:GetCalendarState";

impl ChangeCalendars {
    /// The IAM actions it needs.
    pub const ACTIONS: &[&str] = &[GET];

    /// A client.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_ssm::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self(Client::from_conf(config))
    }
}

impl Calendars for ChangeCalendars {
    async fn state(&self, name: &str) -> Result<Calendar, CallError> {
        let answer = self.0.get_calendar_state().calendar_names(name).send().await;
        match answer.map_err(|error| CallError::of(GET, &error))?.state {
            Some(CalendarState::Open) => Ok(Calendar::Open),
            Some(CalendarState::Closed) => Ok(Calendar::Closed),
            state => {
                let message = format!("calendar `{name}` is {state:?}, expected OPEN or CLOSED");
                Err(CallError { operation: GET, kind: CallErrorKind::Invalid, message })
            }
        }
    }
}

#[cfg(test)]
mod tests;
