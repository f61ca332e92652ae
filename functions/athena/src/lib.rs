//! Everything about Athena: what the guardrails see of its queries, when they are judged, how they are stopped.
//!
//! Two functions: `athena-watch` only reads ([`watch`]), `athena-enforce` may stop queries and nothing else
//! ([`enforce`]). Both see Athena through [`queries`].

pub mod enforce;
#[cfg(test)]
mod fakes;
pub mod queries;
pub mod watch;
