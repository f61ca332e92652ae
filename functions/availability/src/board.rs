//! All parts of a sandbox behind one port, so that workflow steps and reconcile are the same for each.

use guardrail::closing::{Closing, Part};
use jiff::Timestamp;
use lambda::{Aws, CallError, Problems, SystemClock};

use crate::part::{Item, Switch, Turned, TurnedOff};
use crate::parts::access::Access;
use crate::parts::athena::Athena;
use crate::parts::emr::Emr;
use crate::parts::glue::Glue;
use crate::parts::jobs::Jobs;
use crate::parts::notebooks::Notebooks;
use crate::parts::rds::Rds;
use crate::parts::studio::Studio;

/// Sees what is on in each part.
pub trait Board {
    /// Everything in a part that is not off for good, see [`Switch::look`].
    ///
    /// # Errors
    /// What could not be seen.
    fn look(&self, part: Part, closing: &Closing) -> impl Future<Output = Result<Vec<Item>, Problems>>;
}

/// Turns things off and on.
pub trait Switchboard: Board {
    /// Turns something in a part off, see [`Switch::turn_off`].
    ///
    /// # Errors
    /// When the call failed and trying again may help.
    fn turn_off(
        &self,
        part: Part,
        closing: &Closing,
        item: &Item,
        now: Timestamp,
    ) -> impl Future<Output = Result<Turned, CallError>>;

    /// Turns something in a part on again, see [`Switch::turn_on`].
    ///
    /// # Errors
    /// When the call failed and trying again may help.
    fn turn_on(
        &self,
        part: Part,
        closing: &Closing,
        item: &TurnedOff,
    ) -> impl Future<Output = Result<Turned, CallError>>;
}

/// The parts' services.
#[derive(Clone, Debug)]
pub struct Services {
    aws: Aws,
    account: String,
    hub_account: String,
}

impl Services {
    /// The services of `account`, which is this one; `hub_account` is never locked out.
    pub fn new(aws: &Aws, account: impl Into<String>, hub_account: impl Into<String>) -> Self {
        Self { aws: aws.clone(), account: account.into(), hub_account: hub_account.into() }
    }
}

/// Does the same with the service of whichever part it is. A client is made for each call, which is cheap: they share
/// their connections.
macro_rules! of_part {
    ($self:ident, $part:ident, $closing:ident, |$service:ident| $call:expr) => {
        match $part {
            Part::Access => {
                let $service = Access::new(&$self.aws, $closing, &$self.hub_account);
                $call
            }
            Part::Studio => {
                let $service = Studio::new(&$self.aws);
                $call
            }
            Part::Notebooks => {
                let $service = Notebooks::new(&$self.aws);
                $call
            }
            Part::Jobs => {
                let $service = Jobs::new(&$self.aws, &$self.account);
                $call
            }
            Part::Emr => {
                let $service = Emr::new(&$self.aws, $closing.lifts_protection);
                $call
            }
            Part::Athena => {
                let $service = Athena::new(&$self.aws, SystemClock);
                $call
            }
            Part::Glue => {
                let $service = Glue::new(&$self.aws, SystemClock);
                $call
            }
            Part::Rds => {
                let $service = Rds::new(&$self.aws);
                $call
            }
        }
    };
}

impl Board for Services {
    async fn look(&self, part: Part, closing: &Closing) -> Result<Vec<Item>, Problems> {
        // Boxed, because each service's futures are large and only one of them is needed.
        of_part!(self, part, closing, |service| Box::pin(service.look()).await)
    }
}

impl Switchboard for Services {
    async fn turn_off(&self, part: Part, closing: &Closing, item: &Item, now: Timestamp) -> Result<Turned, CallError> {
        of_part!(self, part, closing, |service| Box::pin(service.turn_off(item, now)).await)
    }

    async fn turn_on(&self, part: Part, closing: &Closing, item: &TurnedOff) -> Result<Turned, CallError> {
        of_part!(self, part, closing, |service| Box::pin(service.turn_on(item)).await)
    }
}
