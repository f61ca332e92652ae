//! Levels: the rungs, in percent of the limit, at which an observation becomes a finding.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Quantity;

/// How serious a level is. Only a [`Severity::Breach`] is acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The limit is some way off.
    Notice,
    /// The last level before the limit.
    Warning,
    /// At or over the limit.
    Breach,
}

/// One rung: a percentage of the limit and what reaching it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// Percent of the limit, 1 to 1000.
    pub percent: u16,
    /// What reaching it means.
    pub severity: Severity,
}

impl Level {
    /// Whether `measured` has reached this level of `limit`. Exactly at the level counts.
    pub fn reached(self, measured: &Quantity, limit: &Quantity) -> bool {
        measured.base_units() * 100 >= limit.base_units() * i128::from(self.percent)
    }
}

/// The levels of one guardrail: ascending, and always with one at 100 %, the limit itself.
///
/// A list without 100 % would let a resource pass its limit unseen, so it cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels(Vec<Rung>);

/// One level of the list, and what is particular about it. Only levels of a budget are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rung {
    percent: u16,
    /// Whether the sandbox is locked when it is reached.
    pub locks: bool,
    /// Whether it is held against the estimate, instead of against what the cost export says.
    pub estimated: bool,
}

impl Rung {
    const fn plain(percent: u16) -> Self {
        Self { percent, locks: false, estimated: false }
    }

    /// Reads `200`, `200:lock`, `90:estimated`, `200:lock:estimated`.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim().split(':');
        let mut rung = Self::plain(words.next()?.parse().ok()?);
        for word in words {
            let mark = match word {
                "lock" => &mut rung.locks,
                "estimated" => &mut rung.estimated,
                _ => return None,
            };
            if std::mem::replace(mark, true) {
                return None;
            }
        }
        Some(rung)
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lock, estimated) = (if self.locks { ":lock" } else { "" }, if self.estimated { ":estimated" } else { "" });
        write!(f, "{}{lock}{estimated}", self.percent)
    }
}

impl Default for Levels {
    /// The limit itself and nothing below it.
    fn default() -> Self {
        Self(vec![Rung::plain(100)])
    }
}

/// How to write levels, for messages.
pub const LEVELS_SYNTAX: &str =
    "1 to 10 whole percentages of the limit, ascending, each from 1 to 1000, 100 among them, such as `75,95,100`";

/// How to write the levels of a budget, for messages.
pub const BUDGET_LEVELS_SYNTAX: &str = "1 to 10 whole percentages of the budget, ascending, each from 1 to 1000, 100 among them; with `:lock` behind those of 100 \
     or more that lock the sandbox, and `:estimated` behind those that are held against the estimate, such as `50,90:estimated,100,200:lock`";

impl Levels {
    /// Takes ascending percentages that contain 100; `None` when they are anything else.
    pub fn new(percents: &[u16]) -> Option<Self> {
        Self::of(percents.iter().copied().map(Rung::plain).collect())
    }

    /// Reads `75,95,100`; `None` when the text is not such a list.
    pub fn parse(text: &str) -> Option<Self> {
        let percents: Vec<u16> = text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?;
        Self::new(&percents)
    }

    /// Reads the levels of a budget, `50,75:estimated,100,200:lock`; `None` when the text is no such list.
    pub fn parse_of_budget(text: &str) -> Option<Self> {
        Self::of(text.split(',').map(Rung::parse).collect::<Option<_>>()?)
    }

    fn of(rungs: Vec<Rung>) -> Option<Self> {
        let ascending = rungs.is_sorted_by(|a, b| a.percent < b.percent);
        let in_range = rungs.iter().all(|rung| (1..=1000).contains(&rung.percent));
        let holds_the_limit = rungs.iter().any(|rung| rung.percent == 100);
        let locks_at_the_limit = rungs.iter().all(|rung| !rung.locks || rung.percent >= 100);
        let sound = ascending && in_range && holds_the_limit && locks_at_the_limit && rungs.len() <= 10;
        sound.then_some(Self(rungs))
    }

    /// The same, locking at these.
    #[must_use]
    pub fn locking_at(mut self, percents: &[u16]) -> Self {
        for rung in &mut self.0 {
            rung.locks = percents.contains(&rung.percent);
        }
        self
    }

    /// What is particular about a level.
    pub fn rung(&self, level: Level) -> Rung {
        let rung = self.0.iter().find(|rung| rung.percent == level.percent);
        rung.copied().unwrap_or(Rung::plain(level.percent))
    }

    /// The levels from the lowest up. 100 % and more is a breach, the highest below it the warning, the rest notices.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Level> + '_ {
        let warning = self.0.iter().rfind(|rung| rung.percent < 100);
        self.0.iter().map(move |rung| {
            let severity = match rung.percent {
                100.. => Severity::Breach,
                _ if Some(rung) == warning => Severity::Warning,
                _ => Severity::Notice,
            };
            Level { percent: rung.percent, severity }
        })
    }

    /// The bare percentages, ascending.
    pub fn percents(&self) -> Vec<u16> {
        self.0.iter().map(|rung| rung.percent).collect()
    }
}

/// The form used in parameters: `75,95,100`, `100,200:lock`.
impl fmt::Display for Levels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rungs: Vec<String> = self.0.iter().map(Rung::to_string).collect();
        f.write_str(&rungs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[(u16, Severity)]>) {
        let levels =
            Levels::parse(text).map(|levels| levels.iter().map(|l| (l.percent, l.severity)).collect::<Vec<_>>());
        assert_eq!(levels.as_deref(), expected, "levels `{text}`");
    }

    #[test]
    fn levels_are_ascending_and_hold_the_limit() {
        use Severity::{Breach, Notice, Warning};
        check("75,95,100", Some(&[(75, Notice), (95, Warning), (100, Breach)]));
        check(" 75 , 95 , 100 ", Some(&[(75, Notice), (95, Warning), (100, Breach)]));
        check("100", Some(&[(100, Breach)]));
        check("80,100,150", Some(&[(80, Warning), (100, Breach), (150, Breach)]));
        check("1,100,1000", Some(&[(1, Warning), (100, Breach), (1000, Breach)]));
        for bad in [
            "",
            "95,75,100",
            "75,75,100",
            "75,95",
            "0,100",
            "100,1001",
            "75;95;100",
            "75%,100",
            "75,,100",
            "-5,100",
            "1,2,3,4,5,6,7,8,9,10,100",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn a_level_is_reached_at_exactly_its_percentage() {
        let limit = Quantity::minutes(30);
        let at = |nanos| Quantity::Duration(jiff::SignedDuration::from_nanos(nanos));
        let level = Level { percent: 75, severity: Severity::Notice };
        let boundary = 30 * 60 * 1_000_000_000 / 100 * 75;
        assert!(!level.reached(&at(boundary - 1), &limit));
        assert!(level.reached(&at(boundary), &limit));
        assert!(level.reached(&at(boundary + 1), &limit));
    }
}
