//! CloudTrail from the tests' side: how late it is.

use std::time::Duration;

use crate::accounts::Place;
use crate::world::World;

/// The CloudTrail of one account in one Region. Nothing done here counts as a call or meets a fault.
#[derive(Debug, Clone)]
pub struct CloudTrailHandle {
    world: World,
    place: Place,
}

impl CloudTrailHandle {
    pub(crate) fn new(world: World, place: Place) -> CloudTrailHandle {
        CloudTrailHandle { world, place }
    }

    /// Lets events be seen only that long after they happened, those of the past too; AWS takes up to 15 minutes.
    pub fn set_delivery_delay(&self, delay: Duration) {
        self.world.with(&self.place, |sandbox, _| sandbox.cloudtrail.delivery_delay = delay);
    }

    /// How many events there are, seen or not.
    pub fn count(&self) -> usize {
        self.world.with(&self.place, |sandbox, _| sandbox.cloudtrail.count())
    }
}
