//! `tests/bench/prices.toml`: what AWS charges, and what a sandbox does in a month.
//!
//! Money is counted in whole picodollars: the price of a GB-second has ten decimals.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use stage::template::repository;

use crate::Fault;

const PICODOLLARS: u128 = 1_000_000_000_000;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) region: String,
    pub(super) read_on: String,
    pub(super) target_usd: Money,
    pub(super) prices: BTreeMap<String, Price>,
    pub(super) month: Month,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    pub(super) usd: Money,
    pub(super) per: u128,
    pub(super) page: String,
    pub(super) confirmed_by: String,
    pub(super) free: String,
}

/// What a sandbox does in a month.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Month {
    /// Signs of life of each watch.
    pub(super) heartbeats: u64,
    /// How often each watch asks its ledger whether a finding has no owner.
    pub(super) owners_asked: u64,
    /// How often Lambda starts each watch anew.
    pub(super) cold_starts: u64,
    /// What each call to AWS takes.
    pub(super) call_milliseconds: u64,
    /// Whether the schedules are rules, which AWS does not charge; otherwise they are EventBridge Scheduler's.
    #[serde(default)]
    pub(super) scheduled_by_rules: bool,
    /// What is done for each service, by its name.
    pub(super) services: BTreeMap<String, Service>,
    /// What is done to open and close it.
    pub(super) availability: Availability,
}

/// What is done for one service in a month.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub(super) sweeps: u64,
    pub(super) signals: u64,
    /// Resources that run into their limit, each with three findings, one action and its vigils.
    pub(super) at_limit: u64,
    /// How long runs are awake for each of those.
    pub(super) vigil_seconds: u64,
}

/// What is done in a month to open and close a sandbox.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Availability {
    /// How often what should be is compared with what is, and how often of these while it is open.
    pub(super) sweeps: u64,
    pub(super) sweeps_open: u64,
    /// Of so many sweeps one has to start a process.
    pub(super) one_cold_in: u64,
    /// On how many days it opens and closes.
    pub(super) days: u64,
    /// How often it is woken on such a day, by the moments that its window names and those of the warnings.
    pub(super) wakes_a_day: u64,
    pub(super) warnings_a_day: u64,
    /// Seconds that each of what takes long takes to turn off, and to turn on.
    pub(super) closing_takes: Vec<u64>,
    pub(super) opening_takes: Vec<u64>,
    /// How long a step stays awake for what is turning, and how long the workflow then waits until it calls again.
    pub(super) awake_seconds: u64,
    pub(super) pause_seconds: u64,
}

impl Table {
    pub(super) fn read() -> Result<Self, Fault> {
        let path = repository().join("tests/bench/prices.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| Fault::of(path.display(), error))?;
        toml::from_str(&text).map_err(|error| Fault::of(path.display(), error))
    }

    pub(super) fn price(&self, name: &str) -> Result<&Price, Fault> {
        self.prices.get(name).ok_or_else(|| Fault::new(format!("prices.toml has no price `{name}`")))
    }
}

impl Month {
    pub(super) fn service(&self, name: &str) -> Result<&Service, Fault> {
        self.services.get(name).ok_or_else(|| Fault::new(format!("prices.toml does not say what `{name}` does")))
    }
}

/// Picodollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Money(pub(super) u128);

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        Self(all.map(|money| money.0).sum())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let well_formed = !whole.is_empty() && fraction.len() <= 12;
        let picodollars = well_formed.then(|| format!("{whole}{fraction:0<12}").parse().ok()).flatten();
        picodollars.map(Self).ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an amount in dollars")))
    }
}

impl Money {
    /// In dollars, every decimal.
    pub(super) fn exactly(self) -> String {
        let text = format!("{}.{:012}", self.0 / PICODOLLARS, self.0 % PICODOLLARS);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    /// In dollars with four decimals.
    pub(super) fn text(self) -> String {
        let rounded = (self.0 + PICODOLLARS / 20_000) / (PICODOLLARS / 10_000);
        format!("${}.{:04}", rounded / 10_000, rounded % 10_000)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn money(text: &str) -> Option<Money> {
        serde_json::from_value(json!(text)).ok()
    }

    #[test]
    fn amounts_are_read_to_the_last_decimal() {
        for (text, picodollars) in [("0.0000133334", 13_333_400), ("1.00", PICODOLLARS), ("2", 2 * PICODOLLARS)] {
            assert_eq!(money(text), Some(Money(picodollars)), "{text}");
        }
        assert_eq!(money("0.0000133334").map(Money::exactly).as_deref(), Some("0.0000133334"));
        assert_eq!(money("0.14005").map(Money::text).as_deref(), Some("$0.1401"));
        for text in ["", "free", "-1", "1.0000000000001", "0.1.2"] {
            assert!(money(text).is_none(), "{text}");
        }
    }
}
