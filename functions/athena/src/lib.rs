//! Everything about Athena: what the guardrails see of its queries and workgroups, and how queries are stopped.
//!
//! Two functions: `athena-watch` only reads ([`observe`]), `athena-enforce` may stop queries and nothing else ([`stop`]).
//! Both see Athena through [`queries`]; when something is judged, reported and acted on is the same for every service
//! and stands in `shared/lambda`.

#[cfg(test)]
mod fakes;
pub mod observe;
pub mod queries;
pub mod stop;

/// The function that watches.
pub mod watch {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "athena-watch";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::queries::Athena::WATCH_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::WATCH_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
        lambda::owners::CloudTrail::ACTIONS,
    ];

    #[cfg(test)]
    mod tests;
}

/// The function that stops.
pub mod enforce {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "athena-enforce";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::queries::Athena::ENFORCE_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::ENFORCE_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
    ];

    #[cfg(test)]
    mod tests;
}
