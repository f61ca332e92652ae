//! Whatever comes in whatever order: every level that is reached is told, once in each episode.

use std::collections::BTreeSet;

use guardrail::Per;
use jiff::ToSpan;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// The export says what a month cost, this many months ago; not seldom the same again.
    Deliver { months_ago: i32, hundreds: i32 },
    /// Somebody sets a budget.
    Budget { hundreds: i64, per: Per },
    /// Somebody sets other levels.
    Levels { levels: &'static str },
    /// What was spent since the export is estimated, or not.
    Estimate { hundreds: Option<i64> },
    /// A mode is set.
    Mode { mode: &'static str },
    /// The locks that were asked for are seen to hold, or were released.
    Settle,
    /// Days pass.
    Pass { days: i32 },
}

fn step() -> impl Strategy<Value = Step> {
    let per = proptest::sample::select(&Per::ALL[..]);
    let levels = ["50,75,100,150,200:lock", "100", "75:estimated,100,120:lock", "50,100:lock,200:lock:estimated"];
    prop_oneof![
        6 => (0..4_i32, -2..40_i32).prop_map(|(months_ago, hundreds)| Step::Deliver { months_ago, hundreds }),
        3 => (1..20_i64, per).prop_map(|(hundreds, per)| Step::Budget { hundreds, per }),
        1 => proptest::sample::select(levels.to_vec()).prop_map(|levels| Step::Levels { levels }),
        2 => proptest::option::of(0..20_i64).prop_map(|hundreds| Step::Estimate { hundreds }),
        1 => proptest::sample::select(&["off", "observe", "enforce"][..]).prop_map(|mode| Step::Mode { mode }),
        1 => Just(Step::Settle),
        3 => (0..45_i32).prop_map(|days| Step::Pass { days }),
    ]
}

impl Stage {
    fn follow(&mut self, step: &Step) {
        match step {
            Step::Deliver { months_ago, hundreds } => {
                let month = self.today().first_of_month().saturating_sub(months_ago.months());
                self.bill(&month.strftime("%Y-%m").to_string(), &format!("{hundreds}00 USD"));
            }
            Step::Budget { hundreds, per } => self.put("limit", &format!("{hundreds}00 USD/{}", per.as_str())),
            Step::Levels { levels } => self.put("levels", levels),
            Step::Estimate { hundreds } => self.estimate = hundreds.map(|hundreds| Amount::from(hundreds * 100)),
            Step::Mode { mode } => self.put("mode", mode),
            Step::Settle => {
                let now = self.now;
                for judged in self.account.periods.values_mut() {
                    judged
                        .levels
                        .values_mut()
                        .filter(|level| level.told)
                        .for_each(|level| level.settled_at = Some(now));
                }
            }
            Step::Pass { days } => self.now += SignedDuration::from_hours(24 * i64::from(*days)),
        }
        // Every judgement has a moment of its own, as it has by any clock.
        self.now += SignedDuration::from_secs(1);
    }
}

/// Everything that was told.
#[derive(Default)]
struct Told {
    /// The first telling of each id: its period's beginning, its level, its episode.
    ids: BTreeMap<String, (Timestamp, u16, Option<Timestamp>)>,
    settled: BTreeSet<String>,
}

impl Told {
    /// Judges and tells, as the meter does.
    fn tell(&mut self, stage: &mut Stage) -> Result<(), TestCaseError> {
        let open = stage.judge().unwrap();
        let ids: BTreeSet<&String> = open.iter().map(|finding| &finding.header.id).collect();
        prop_assert_eq!(ids.len(), open.len(), "one finding for each id");
        for finding in &open {
            let id = &finding.header.id;
            let fact = (finding.started_at, finding.level.percent, finding.episode);
            match self.ids.get(id) {
                None => drop(self.ids.insert(id.clone(), fact)),
                // It is told again only to ask for a lock that nobody has seen yet.
                Some(known) => {
                    prop_assert_eq!(known, &fact, "{}", id);
                    prop_assert!(finding.wants_action() && !self.settled.contains(id), "{} is told again", id);
                }
            }
            stage.account.note_told(finding);
        }
        Ok(())
    }

    /// Whether every level that is reached is told, in the period that lasts and in those that have ended.
    fn is_complete(&self, stage: &Stage) -> Result<(), TestCaseError> {
        let policy = stage.policy();
        let subject = Subject { account: RETAIL, known: &stage.known, policy: &policy };
        for spent in subject.spent(&stage.account, stage.estimate.as_ref(), stage.today()).unwrap() {
            let levels = policy.levels.of(&subject.scopes());
            for level in levels.iter().filter(|_| subject.mode() != Mode::Off) {
                let measured = match levels.rung(level).estimated {
                    true => spent.estimated.as_ref(),
                    false => Some(&spent.reported),
                };
                let hundredfold = measured.map(|measured| &measured.amount * &Amount::from(100));
                let wanted = &spent.budget.money.amount * &Amount::from(i64::from(level.percent));
                if hundredfold.is_none_or(|hundredfold| hundredfold < wanted) {
                    continue;
                }
                let reached = stage.account.reached(spent.period, level.percent);
                let reached = reached.filter(|reached| reached.standing && reached.told);
                prop_assert!(reached.is_some(), "{} % of {:?}", level.percent, spent);
                let episode = reached.map(|reached| reached.episode);
                let told = self.ids.values().any(|fact| *fact == (spent.period.begins_at(), level.percent, episode));
                prop_assert!(told, "{} % of {:?} is told", level.percent, spent);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_level_that_is_reached_is_told_and_once_in_each_episode(steps in vec(step(), 0..40)) {
        let mut stage = Stage::new();
        stage.now = "2026-11-20T12:00:00Z".parse().unwrap();
        let mut told = Told::default();
        for step in &steps {
            stage.follow(step);
            if matches!(step, Step::Settle) {
                let standing = told.ids.keys().cloned();
                told.settled.extend(standing);
            }
            // However often it is judged.
            told.tell(&mut stage)?;
            told.tell(&mut stage)?;
            told.is_complete(&stage)?;
        }
    }
}
