//! The guardrails of what a sandbox spends.

use super::{ActionKind, Amount, Bounds, COMMON, Guardrail, Service};
use crate::{Measure, ScopeKind};

const SANDBOXES: Guardrail = Guardrail {
    service: Service::Spend,
    resources: &["sandbox"],
    scopes: &[ScopeKind::Sandbox, ScopeKind::BusinessUnit],
    ..COMMON
};

/// What a sandbox spends against its budget.
pub static SPEND_BUDGET: Guardrail = Guardrail {
    id: "spend-budget",
    measure: Measure::Spend,
    title: "A sandbox spends no more than its budget",
    why: "One forgotten cluster costs a month's budget. Levels of the budget warn; the sandbox is locked at those marked so, stays \
          locked when the next period begins or the budget is raised, and opens again when somebody releases it. Where nobody has set \
          a budget, the default is what its spend is reported against, and it is never locked.",
    default_limit: Amount::DollarsAMonth(2_000),
    bounds: Bounds::Budget,
    default_levels: &[50, 75, 100, 150, 200],
    locks_at: &[200],
    action: ActionKind::Lock,
    ..SANDBOXES
};

static BUDGET_SET: Guardrail = Guardrail {
    id: "spend-budget-set",
    measure: Measure::BudgetSet,
    title: "Every sandbox has a budget in the currency of its bill",
    why: "A sandbox without a budget is never locked, whatever it spends, and one whose budget is in another currency than the bill \
          cannot be held to it.",
    default_limit: Amount::Words(&["set"]),
    bounds: Bounds::SomeOf(&["set", "missing"]),
    default_levels: &[100],
    ..SANDBOXES
};

static DATA_AGE: Guardrail = Guardrail {
    id: "spend-data-age",
    service: Service::Spend,
    resources: &["export"],
    measure: Measure::DataAge,
    title: "Cost data is never older than its limit",
    why: "AWS delivers cost data up to three times a day, hours late. When nothing comes any more, no budget is watched, and nobody \
          would notice by themselves.",
    default_limit: Amount::hours(36),
    bounds: Bounds::Between(Amount::hours(1), Amount::days(31)),
    default_levels: &[100],
    ..COMMON
};

pub(super) static GUARDRAILS: &[&Guardrail] = &[&SPEND_BUDGET, &BUDGET_SET, &DATA_AGE];
