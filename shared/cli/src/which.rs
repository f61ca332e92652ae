//! Which guardrails a subcommand is about, as its options say.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use guardrail::catalogue::{self, CATALOGUE};
use guardrail::{Guardrail, Service};

/// The services of the catalogue, in its order.
pub(crate) fn services() -> impl Iterator<Item = Service> {
    CATALOGUE.iter().filter_map(|guardrails| guardrails.first()).map(|guardrail| guardrail.service)
}

/// Reads the name of a service, and offers all there are.
pub(crate) fn service() -> impl TypedValueParser<Value = Service> {
    PossibleValuesParser::new(services().map(Service::as_str))
        .try_map(|name| services().find(|service| service.as_str() == name).ok_or("no guardrail governs this service"))
}

/// Reads the id of a guardrail.
pub(crate) fn guardrail(id: &str) -> Result<&'static Guardrail, String> {
    catalogue::find(id).ok_or_else(|| "no guardrail has this id; `guardrails catalogue` lists them all".to_owned())
}
