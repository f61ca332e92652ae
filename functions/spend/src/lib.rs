//! What the sandboxes spend, as the hub sees it.
//!
//! Two functions. `spend-meter` ([`meter`]) reads each delivery of the cost export once ([`deliveries`]), keeps every
//! sandbox's figures ([`figures`]), holds them against its budget ([`standing`]) and tells what it finds; it can change
//! nothing. `spend-enforce` ([`enforce`]) gets what reached a level that locks, looks and judges again, and sends the
//! lock. What was spent since the last delivery is estimated from what ran ([`usage`], [`mod@estimate`]). `README.md`
//! beside this crate is the manual.

pub mod deliveries;
pub mod enforce;
pub mod estimate;
pub mod exports;
#[cfg(test)]
mod fakes;
pub mod figures;
pub mod known;
pub mod meter;
pub mod object;
mod picture;
pub mod projection;
pub mod queries;
pub mod savings;
pub mod settings;
pub mod standing;
pub mod told;
pub mod usage;
