//! The domain of the guardrails: observations in, findings out.
//!
//! Pure code: no AWS type, no async, no clock, no environment. What the edge (`shared/lambda`) and the service rooms
//! (`functions/*`) read from AWS becomes an [`Observation`]; what Parameter Store says becomes a [`Policy`]; [`judge()`]
//! holds one against the other and answers with [`Finding`]s. Every word used here is explained in `ARCHITECTURE.md`.

pub mod availability;
pub mod budget;
pub mod catalogue;
pub mod closing;
pub mod config;
pub mod event;
pub mod exemption;
pub mod judge;
pub mod level;
pub mod measure;
pub mod money;
pub mod observation;
pub mod owner;
pub mod quantity;
pub mod register;
pub mod spending;

pub use budget::{Budget, Per};
pub use catalogue::{ActionKind, Guardrail, Kind, Service};
pub use config::{Configuration, Mode, Policy};
pub use event::{Action, ConfigurationRejected, Event, Finding, Header, Heartbeat, Outcome, Resource, Sandbox};
pub use exemption::Exemption;
pub use judge::{Belt, judge};
pub use level::{Level, Levels, Severity};
pub use measure::Measure;
pub use money::{Amount, Currency, Money};
pub use observation::{Observation, Reading, ScopeKind, Scopes};
pub use quantity::Quantity;
pub use register::Registered;
pub use spending::SandboxSpend;
