//! Everything about Amazon EMR: what the guardrails see of its clusters and their steps, and how they are stopped.
//!
//! Two functions: `emr-watch` only reads ([`look`]), `emr-enforce` may terminate clusters, cancel steps and put
//! auto-termination policies, and nothing else ([`act`]). Both see EMR through [`clusters`].

pub mod act;
pub mod clusters;
#[cfg(test)]
mod fakes;
pub mod look;
mod read;
mod release;
mod vcpus;

pub use look::Emr;

/// The watch.
pub mod watch {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "emr-watch";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::clusters::ElasticMapReduce::WATCH_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::WATCH_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
        lambda::owners::CloudTrail::ACTIONS,
    ];
}

/// The enforce.
pub mod enforce {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "emr-enforce";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::clusters::ElasticMapReduce::ENFORCE_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::ENFORCE_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
    ];
}
