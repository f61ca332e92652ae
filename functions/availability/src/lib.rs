//! Everything about availability: when a sandbox is open, and how it closes and opens.
//!
//! Three functions. `availability-step` ([`step`]) does one step of the workflows stop and start, which stand in
//! `infra/workflows`; it alone turns anything off or on. `availability-update` ([`update`]) takes a new window from the
//! hub. `availability-reconcile` ([`reconcile`]) compares what should be with what is, and starts the workflow that is
//! missing. When a sandbox should be open is computed by `shared/window`.

pub mod board;
pub mod book;
pub mod calendar;
mod command;
pub mod desired;
#[cfg(test)]
mod fakes;
pub mod part;
pub mod parts;
pub mod plan;
pub mod reconcile;
pub mod schedules;
pub mod settings;
pub mod step;
mod told;
pub mod update;
pub mod workflows;
