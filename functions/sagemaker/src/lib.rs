//! Everything about Amazon SageMaker AI: what the guardrails see of it, and how what runs there is stopped.
//!
//! Two functions: `sagemaker-watch` only reads ([`look`]), `sagemaker-enforce` may stop executions of pipelines, jobs,
//! notebook instances and applications of Studio, and nothing else ([`act`]). SageMaker is many services in one, so
//! each area ([`pipelines`], [`jobs`], [`notebooks`], [`studio`], [`endpoints`], [`models`], [`tags`]) has its own port
//! and its own way of being looked at with few calls; the one adapter behind the ports is [`client`].

pub mod act;
pub mod client;
pub mod endpoints;
#[cfg(test)]
mod fakes;
mod gpus;
pub mod jobs;
mod life;
pub mod line;
pub mod look;
pub mod models;
pub mod notebooks;
pub mod pipelines;
mod refusal;
pub mod studio;
pub mod tags;

/// The function that watches.
pub mod watch {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "sagemaker-watch";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::client::SageMakerClient::WATCH_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::WATCH_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
        lambda::owners::CloudTrail::ACTIONS,
    ];
}

/// The function that stops.
pub mod enforce {
    /// The name of the function, its binary and its folder of events.
    pub const FUNCTION: &str = "sagemaker-enforce";

    /// The IAM actions that the function may call; a test holds its role to exactly these.
    pub const ACTIONS: &[&[&str]] = &[
        crate::client::SageMakerClient::ENFORCE_ACTIONS,
        lambda::parameters::ParameterStoreClient::ACTIONS,
        lambda::ledger::LedgerTable::ENFORCE_ACTIONS,
        lambda::bus::EventBus::ACTIONS,
    ];
}
