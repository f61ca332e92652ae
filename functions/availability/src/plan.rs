//! What lies ahead of a sandbox: when it opens and closes next, which warning is due, when to be woken.

use jiff::{SignedDuration, Timestamp};
use window::{State, Window};

use crate::desired::Desired;
use crate::schedules::Wake;

/// What lies ahead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The next closing of the window.
    pub closes_at: Option<Timestamp>,
    /// The next opening of the window.
    pub opens_at: Option<Timestamp>,
    /// The warning of the next closing that is due now: the latest of those whose time has come.
    pub warning_due: Option<SignedDuration>,
    /// When the next warning is due.
    pub warns_at: Option<Timestamp>,
    /// Whether the sandbox should be open now.
    is_open: bool,
}

/// What lies ahead at `now` by the window, where `wanted` should be now, with these warnings.
pub fn plan(window: Option<&Window>, wanted: Option<&Desired>, warnings: &[SignedDuration], now: Timestamp) -> Plan {
    let is_open = wanted.is_some_and(|wanted| wanted.state == State::Open);
    let Some(window) = window else { return Plan { is_open, ..Plan::default() } };
    let next = window.next_transition(now);
    let second = next.as_ref().and_then(|next| window.next_transition(next.at));
    let of = |state: State| {
        [&next, &second].into_iter().flatten().find(|transition| transition.state == state).map(|found| found.at)
    };
    let (closes_at, opens_at) = (of(State::Closed), of(State::Open));
    // A sandbox that opens for less than a warning's time is warned of its closing when it opens.
    let not_before = opens_at.filter(|opens_at| closes_at.is_some_and(|closes_at| *opens_at < closes_at));
    let moments = || {
        warnings.iter().filter_map(|warning| {
            let moment = closes_at?.checked_sub(*warning).ok()?;
            Some((*warning, not_before.map_or(moment, |opens_at| moment.max(opens_at))))
        })
    };
    let due = moments().filter(|(_, moment)| is_open && not_before.is_none() && *moment <= now);
    Plan {
        closes_at,
        opens_at,
        warning_due: due.map(|(warning, _)| warning).min(),
        warns_at: moments().map(|(_, moment)| moment).filter(|moment| *moment > now).min(),
        is_open,
    }
}

impl Plan {
    /// Whether a closing that was announced for this moment does not come: the sandbox is open and closes later, or
    /// never.
    pub fn stays_open_past(&self, moment: Timestamp) -> bool {
        self.is_open && self.closes_at.is_none_or(|closes_at| closes_at > moment)
    }

    /// When to be woken for what.
    pub fn wakes(&self) -> [(Wake, Option<Timestamp>); 3] {
        [(Wake::Opens, self.opens_at), (Wake::Closes, self.closes_at), (Wake::Warns, self.warns_at)]
    }
}

#[cfg(test)]
mod tests;
