//! The simulator from outside: over HTTP as AWS clients see it, and through its handle as tests do.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, its helpers too"
)]

mod athena;
mod bus;
mod changes;
mod clients;
mod cloudtrail;
mod control;
mod emr;
mod events;
mod faults;
mod glue;
mod sagemaker;
mod ssm;
mod support;
