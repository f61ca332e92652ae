//! What is told of a sandbox's spend: `Sandbox Spend`, and the lock with its reason.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use guardrail::availability::SandboxLockRequested;
use guardrail::spending::{BudgetStanding, Estimate, Projection, Savings, Share};
use guardrail::{Amount, Finding, Header, Money, Per, Sandbox, SandboxSpend};
use jiff::Timestamp;
use jiff::civil::Date;

use crate::figures::Figures;

/// The name of the lock that a budget sets.
pub const LOCK: &str = "budget";

/// Services and owners that are told of by name.
const SHARES: usize = 50;

/// What is told of a month beside its figures.
#[derive(Clone, Debug, Default)]
pub struct Besides {
    /// The business unit that pays.
    pub business_unit: Option<String>,
    /// What was spent since the export.
    pub estimate: Option<Estimate>,
    /// What the period will cost.
    pub projection: Option<Projection>,
    /// Where it stands against its budget.
    pub budget: Option<BudgetStanding>,
    /// What actions saved.
    pub savings: Savings,
}

/// What a sandbox has spent in a month.
pub fn spend(sandbox: &Sandbox, month: Date, figures: &Figures, besides: Besides, now: Timestamp) -> SandboxSpend {
    let reported = figures.total();
    let message = message(sandbox, month, &Money::new(reported.clone(), figures.currency), &besides);
    let Besides { business_unit, estimate, projection, budget, savings } = besides;
    let by_service = figures.services.iter().map(|(service, days)| (service, days.values().cloned().sum()));
    SandboxSpend {
        header: Header::new(SandboxSpend::id_of(month), sandbox, now),
        month,
        business_unit,
        currency: figures.currency,
        reported,
        covered_until: figures.covered_until,
        export: figures.version.clone(),
        estimate,
        projection,
        budget,
        services: shares(by_service),
        owners: shares(figures.owners.iter().map(|(owner, amount)| (owner, amount.clone()))),
        days: figures.days(),
        savings,
        message,
    }
}

/// The most expensive first.
fn shares<'a>(parts: impl Iterator<Item = (&'a String, Amount)>) -> Vec<Share> {
    let mut shares: Vec<Share> = parts.map(|(name, amount)| Share { name: name.clone(), amount }).collect();
    shares.sort_by(|a, b| b.amount.cmp(&a.amount).then_with(|| a.name.cmp(&b.name)));
    shares.truncate(SHARES);
    shares
}

fn message(sandbox: &Sandbox, month: Date, reported: &Money, besides: &Besides) -> String {
    let in_money = |amount: &Amount| Money::new(amount.clone(), reported.currency).brief();
    let mut said = format!("`{}` has spent {} in {}", sandbox.alias, reported.brief(), Per::Month.period(month));
    match &besides.budget {
        Some(standing) if standing.budget.per == Per::Month => {
            said.push_str(&format!(", {} % of its budget of {}", standing.percent, standing.budget.money));
        }
        Some(standing) => {
            let period = standing.budget.per.period(standing.from.unwrap_or(month));
            said.push_str(&format!(
                ", and {} in {period}, {} % of its budget of {}",
                in_money(&standing.reported),
                standing.percent,
                standing.budget.money
            ));
        }
        None => said.push_str("; it has no budget"),
    }
    if let Some(estimate) = &besides.estimate {
        let error = match &estimate.error {
            Some(error) => format!(", give or take {}", in_money(error)),
            None => String::new(),
        };
        said.push_str(&format!(
            "; since {} some {} more by estimate{error}",
            estimate.since,
            in_money(&estimate.amount)
        ));
    }
    said
}

/// What tells one state of an event from another, whenever it was told.
pub fn digest(spend: &SandboxSpend) -> u64 {
    let mut told = spend.clone();
    told.header.occurred_at = Timestamp::UNIX_EPOCH;
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&told).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

/// The id of the command that a level's lock is, without the `command/` before it. It is the same however often it is
/// sent, and another for each episode.
pub fn command_of(finding: &Finding) -> String {
    let episode = finding.episode.map(|episode| episode.strftime("%Y%m%dT%H%M%S").to_string()).unwrap_or_default();
    format!("budget-{}-{}-{episode}", finding.resource.id, finding.level.percent)
}

/// The lock that a finding asks for, as one sandbox gets it, with the moment it was first asked for.
pub fn lock(finding: &Finding, sandbox: &Sandbox, reason: &str, asked_at: Timestamp) -> SandboxLockRequested {
    SandboxLockRequested {
        header: Header::new(format!("command/{}", command_of(finding)), sandbox, asked_at),
        lock: LOCK.to_owned(),
        reason: reason.to_owned(),
        requested_by: crate::enforce::FUNCTION.to_owned(),
    }
}

/// Why a sandbox is locked: what it has spent of what, and on what most.
pub fn reason<'a>(finding: &Finding, sandbox: &Sandbox, figures: impl Iterator<Item = &'a Figures>) -> String {
    let by = if finding.measure == guardrail::Measure::EstimatedSpend { " by estimate" } else { "" };
    let mut said = format!(
        "`{}` has spent {}{by} of its budget of {} ({} % reached)",
        sandbox.alias,
        finding.measured.brief(),
        finding.limit,
        finding.level.percent
    );
    let mut services: BTreeMap<&String, Amount> = BTreeMap::new();
    for (service, days) in figures.flat_map(|figures| &figures.services) {
        let amount: Amount = days.values().cloned().sum();
        *services.entry(service).or_default() += &amount;
    }
    let most = services.into_iter().filter(|(_, amount)| !amount.is_negative() && !amount.is_zero());
    if let Some((service, amount)) = most.max_by(|a, b| a.1.cmp(&b.1)) {
        said.push_str(&format!(", most of it on {service}: {}", amount.rounded(2).with_decimals(2)));
    }
    said
}

#[cfg(test)]
mod tests;
