//! When a sandbox is open: the window document, its faults and its transitions, right across daylight saving.
//!
//! Pure: no clock, no environment, no files; the time zones are compiled in. `README.md` beside this crate says for
//! operators what a document means.
//!
//! The rule of edges is in `zone`, ranks are in `layer`, and [`Window`] puts them together. Nothing is worked out
//! ahead, by days or by minutes: a window knows what a moment's local time means for its entries, and which edge comes
//! next.

mod document;
mod fault;
mod layer;
mod schema;
mod transition;
mod tree;
mod window;
mod zone;

pub use fault::{Fault, Faults};
pub use schema::schema;
pub use transition::{Calendar, Cause, Skipped, State, Transition, Verdict};
pub use window::Window;
