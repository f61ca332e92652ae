//! The edge: everything a guardrail function needs between Lambda, AWS and the pure domain in `shared/guardrail`.
//!
//! A function's `main` wires these together in about twenty lines: [`settings`] from the environment, [`aws`] clients,
//! [`parameters`] in force, the [`outbox`] over [`ledger`] and [`bus`], then [`run()`]. Only here are the clock and the
//! environment read.

pub mod aws;
pub mod batch;
pub mod book;
pub mod bus;
pub mod clock;
pub mod enforce;
#[cfg(any(test, feature = "fakes"))]
pub mod fakes;
pub mod ledger;
pub mod outbox;
pub mod owners;
pub mod parameters;
pub mod problems;
pub mod room;
pub mod run;
pub mod settings;
pub mod telemetry;
pub mod trigger;
pub mod vigil;
pub mod watch;

pub use aws::Aws;
pub use clock::{Clock, SystemClock};
pub use outbox::Outbox;
pub use owners::Owners;
pub use parameters::Parameters;
pub use problems::{CallError, CallErrorKind, Problems};
pub use run::{Handler, Invocation, run};
pub use trigger::Trigger;
