//! Everything about AWS Glue: what the guardrails see of its interactive sessions and job runs, and how they are
//! stopped.
//!
//! Two functions: `glue-watch` only reads ([`look`]), `glue-enforce` may stop sessions and job runs and nothing else
//! ([`act`]). Both see Glue through [`sessions`] and [`runs`], whose one adapter is [`client`].

pub mod act;
pub mod capacity;
pub mod client;
#[cfg(test)]
mod fakes;
pub mod look;
pub mod runs;
pub mod sessions;
pub mod state;

/// The watch.
pub mod watch {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "glue-watch";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::client::GlueClient::WATCH_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::WATCH_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
        lambda::owners::CloudTrail::ACTIONS,
    ];
}

/// The enforce.
pub mod enforce {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "glue-enforce";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::client::GlueClient::ENFORCE_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::ENFORCE_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
    ];
}
