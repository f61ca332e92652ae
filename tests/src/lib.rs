//! The local stage: the real templates and the real binaries on one machine, without an AWS account.
//!
//! MiniStack (started by `tests/stage/launcher.py`) plays AWS, the workload simulator plays Athena, and this package
//! deploys, drives and watches them: for the end-to-end suite, for `make demo`, `make up` and `make bench`.

#![expect(clippy::indexing_slicing, reason = "a missing key of a `serde_json::Value` reads as null")]

pub mod account;
pub mod commands;
pub mod deploy;
pub mod exports;
pub mod fault;
pub mod generated;
pub mod running;
pub mod story;
pub mod template;
pub mod timeline;
pub mod workflow;

pub use account::{Account, Execution, Occurrence, allowed};
pub use deploy::{Hub, HubOptions, Sandbox, SandboxOptions};
pub use fault::Fault;
pub use running::{Options, Stage, StageError};
