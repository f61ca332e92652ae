//! Exports as they are met: every format, form, charge and category by tables, every fault, and sums of any numbers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]
#![allow(clippy::float_arithmetic, reason = "doubles are made here to be summed exactly there")]

mod charges;
mod exact;
mod faults;
mod formats;
mod table;
mod text;
