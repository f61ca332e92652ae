//! Systems Manager from the tests' side: set calendars, and ask what they say.

use jiff::Timestamp;

use super::{Calendar, CalendarEvent, CalendarKind, CalendarSpec, CalendarState, Ssm, state};
use crate::accounts::Place;
use crate::world::World;

/// The Systems Manager of one account in one Region. Nothing done here counts as a call or meets a fault.
#[derive(Debug, Clone)]
pub struct SsmHandle {
    world: World,
    place: Place,
}

impl SsmHandle {
    pub(crate) fn new(world: World, place: Place) -> SsmHandle {
        SsmHandle { world, place }
    }

    /// Sets a calendar; its transitions from now on are announced.
    pub fn set_calendar(&self, spec: CalendarSpec) {
        self.ssm(|ssm, now| ssm.calendars.insert(spec.name.clone(), Calendar { spec, announced: now }));
    }

    /// Sets a calendar that is open but for these events.
    pub fn close_during(&self, name: &str, events: Vec<CalendarEvent>) {
        self.set_calendar(CalendarSpec { name: name.to_owned(), kind: CalendarKind::DefaultOpen, events });
    }

    /// Deletes a calendar, and answers whether it was there.
    pub fn delete_calendar(&self, name: &str) -> bool {
        self.ssm(|ssm, _| ssm.calendars.remove(name).is_some())
    }

    /// What a calendar says now; nothing when it does not exist or cannot be read.
    pub fn state(&self, name: &str) -> Option<CalendarState> {
        self.ssm(|ssm, now| ssm.calendar(name).ok().map(|calendar| state(&[calendar], now)))
    }

    fn ssm<T>(&self, look: impl FnOnce(&mut Ssm, Timestamp) -> T) -> T {
        self.world.with(&self.place, |sandbox, now| look(&mut sandbox.ssm, now))
    }
}
