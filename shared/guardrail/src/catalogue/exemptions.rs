//! The guardrail of the exemptions themselves.

use super::{Amount, Bounds, COMMON, Guardrail, Service};
use crate::Measure;

/// An exemption that has expired. It is not honoured any more; somebody should renew it or take it away.
pub static EXEMPTION_EXPIRED: Guardrail = Guardrail {
    id: "exemption-expired",
    service: Service::Exemptions,
    resources: &["exemption"],
    measure: Measure::Validity,
    title: "Exemptions are renewed or taken away when they expire",
    why: "An expired exemption is never honoured, so what it covered may be stopped from one minute to the next. Whoever answers for it \
          should know before they ask.",
    default_limit: Amount::Words(&["valid"]),
    bounds: Bounds::SomeOf(&["valid", "expired"]),
    default_levels: &[100],
    ..COMMON
};

pub(super) static GUARDRAILS: &[&Guardrail] = &[&EXEMPTION_EXPIRED];
