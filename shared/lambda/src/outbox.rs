//! The outbox: nothing is lost, nothing shows twice.
//!
//! The order is always the same: an entry in the ledger as `pending`, then published, then marked as published. A crash
//! in between leaves an entry pending, and the next sweep publishes it again under the same id; whoever listens upserts
//! by id.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::config::Rejected;
use guardrail::{ConfigurationRejected, Event, Finding, Sandbox};
use jiff::{SignedDuration, Timestamp};

use crate::bus::Bus;
use crate::ledger::{Claim, Ledger, Recorded};
use crate::{CallError, Problems};

/// An entry younger than this may still be on its way to the bus; an older one is taken for stranded.
const STRANDED_AFTER: SignedDuration = SignedDuration::from_secs(10);

/// A breach that is still there this long after an action was asked for is asked for again.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(50);

/// How long the memory of what was reported is kept; the longest-lived resource is forgotten well before.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// A condition that nobody has seen for this long has ended; that it lasts is noted anew well before.
const EPISODE_GAP: SignedDuration = SignedDuration::from_hours(2);

/// How often it is noted that a condition lasts.
const EPISODE_NOTED: SignedDuration = SignedDuration::from_mins(30);

/// How many ledger writes are under way at once.
const WRITES_AT_ONCE: usize = 8;

/// Reports findings and actions through the ledger and the bus.
#[derive(Debug)]
pub struct Outbox<L, B> {
    ledger: L,
    bus: B,
    /// When each finding was last reported, and whether it was held back. It only saves asking the ledger again.
    reported: BTreeMap<String, Reported>,
    /// Until when each pulse, and each event told once, need not be tried. It only saves asking the ledger again.
    settled: BTreeMap<String, Timestamp>,
    /// The conditions that last, by the id that their findings have without an episode.
    episodes: BTreeMap<String, Episode>,
}

/// A condition that lasts.
#[derive(Clone, Copy, Debug)]
struct Episode {
    began: Timestamp,
    /// When the ledger was last told that it lasts.
    noted: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Reported {
    at: Timestamp,
    held_back: bool,
}

impl Reported {
    fn of(finding: &Finding) -> Self {
        Self { at: finding.header.occurred_at, held_back: finding.held_back }
    }
}

impl<L: Ledger, B: Bus> Outbox<L, B> {
    /// An outbox over this ledger and this bus.
    pub fn new(ledger: L, bus: B) -> Self {
        Self { ledger, bus, reported: BTreeMap::new(), settled: BTreeMap::new(), episodes: BTreeMap::new() }
    }

    /// The ledger underneath.
    pub fn ledger(&self) -> &L {
        &self.ledger
    }

    /// Reports findings, each once; gives how many were new.
    ///
    /// A breach that was held back and is not any more, or that is still there well after its action was asked for, is
    /// reported again under its id, so that a lost request heals by itself.
    ///
    /// # Errors
    /// What could not be recorded or published. It is found again, or is pending, at the next sweep.
    pub async fn report(&mut self, mut findings: Vec<Finding>, now: Timestamp) -> Result<usize, Problems> {
        self.reported.retain(|_, reported| now.duration_since(reported.at) < REMEMBERED);
        let mut problems = Problems::default();
        problems.keep(self.find_episodes(&mut findings, now).await);
        let mut new = 0;
        let mut events = Vec::new();
        let unseen = findings.into_iter().filter(|finding| {
            self.reported.get(&finding.header.id).is_none_or(|reported| asks_again(finding, *reported, now))
        });
        let unseen: Vec<Event> = unseen.map(Event::from).collect();
        let ledger = &self.ledger;
        let recorded: Vec<_> = stream::iter(&unseen)
            .map(|event| async move { (event, ledger.record(event, now).await) })
            .buffered(WRITES_AT_ONCE)
            .collect()
            .await;
        for (event, recorded) in recorded {
            let Event::Finding(finding) = event else { continue };
            let known = match problems.keep(recorded) {
                None => continue,
                Some(Recorded::New) => {
                    new += 1;
                    events.push(event.clone());
                    Reported::of(finding)
                }
                Some(Recorded::Known(known)) => {
                    let Event::Finding(known) = *known else { continue };
                    let reported = Reported::of(&known);
                    if asks_again(finding, reported, now) {
                        let again = Event::from(owned_like(finding.clone(), known));
                        if problems.keep(self.ledger.supersede(&again, now).await).is_none() {
                            continue;
                        }
                        events.push(again);
                        Reported::of(finding)
                    } else {
                        reported
                    }
                }
            };
            self.reported.insert(finding.header.id.clone(), known);
        }
        problems.keep(self.publish(events, now).await);
        problems.into_result().map(|()| new)
    }

    /// Puts findings into the episode of their condition; one whose episode cannot be told is left out and found again.
    async fn find_episodes(&mut self, findings: &mut Vec<Finding>, now: Timestamp) -> Result<(), Problems> {
        let unknown = |finding: &&Finding| {
            let known = self.episodes.get(&finding.header.id);
            finding.waits_for_episode() && known.is_none_or(|known| now.duration_since(known.noted) >= EPISODE_NOTED)
        };
        let unknown: Vec<String> = findings.iter().filter(unknown).map(|finding| finding.header.id.clone()).collect();
        let (ledger, seen_since) = (&self.ledger, now.checked_sub(EPISODE_GAP).unwrap_or(now));
        let began: Vec<_> = stream::iter(unknown)
            .map(|condition| async move {
                let began = ledger.episode(&format!("episode/{condition}"), seen_since, now).await;
                (condition, began)
            })
            .buffered(WRITES_AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        for (condition, began) in began {
            if let Some(began) = problems.keep(began) {
                self.episodes.insert(condition, Episode { began, noted: now });
            }
        }
        findings.retain_mut(|finding| {
            if !finding.waits_for_episode() {
                return true;
            }
            let episode = self.episodes.get(&finding.header.id);
            episode.inspect(|episode| finding.begin_at(episode.began)).is_some()
        });
        problems.into_result()
    }

    /// Ends the episodes of these guardrails' conditions that were not found any more. `found` are the ids that the
    /// findings have without an episode; call it only when everything was seen but the resources `unseen`, whose
    /// conditions last.
    ///
    /// # Errors
    /// When the ledger could not be told; it is told the next time.
    pub async fn end_episodes(
        &mut self,
        guardrails: &[&str],
        found: &BTreeSet<String>,
        unseen: &BTreeSet<String>,
    ) -> Result<(), Problems> {
        let of = |condition: &str| condition.split('/').next().is_some_and(|id| guardrails.contains(&id));
        let lasts = |condition: &String| {
            found.contains(condition) || unseen.iter().any(|id| condition.contains(&format!("/{id}/")))
        };
        let ended = self.episodes.keys().filter(|condition| of(condition) && !lasts(condition));
        let ended: Vec<String> = ended.cloned().collect();
        let mut problems = Problems::default();
        for condition in ended {
            if problems.keep(self.ledger.end_episode(&format!("episode/{condition}")).await).is_some() {
                self.episodes.remove(&condition);
            }
        }
        problems.into_result()
    }

    /// Reports an event over whatever stands under its id.
    ///
    /// # Errors
    /// When it could not be recorded, or not published; then it is pending.
    pub async fn tell(&mut self, event: impl Into<Event>, now: Timestamp) -> Result<(), Problems> {
        let event = event.into();
        self.ledger.supersede(&event, now).await?;
        self.publish(vec![event], now).await
    }

    /// Reports an event if its id is new.
    ///
    /// # Errors
    /// When it could not be recorded, or not published; then it is pending.
    pub async fn tell_once(&mut self, event: impl Into<Event>, now: Timestamp) -> Result<(), Problems> {
        let event = event.into();
        if self.is_settled(&event, now) {
            return Ok(());
        }
        let recorded = self.ledger.record(&event, now).await?;
        self.settled.insert(event.header().id.clone(), Timestamp::MAX);
        match recorded {
            Recorded::New => self.publish(vec![event], now).await,
            Recorded::Known(_) => Ok(()),
        }
    }

    /// Reports parameters that are not obeyed, each wrong value once.
    ///
    /// # Errors
    /// Those that could not be recorded, or not published; then they are pending.
    pub async fn tell_rejected(
        &mut self,
        rejected: Vec<(Rejected, i64)>,
        sandbox: &Sandbox,
        now: Timestamp,
    ) -> Result<(), Problems> {
        let mut problems = Problems::default();
        for (rejected, version) in rejected {
            tracing::warn!(parameter = rejected.parameter, in_force = rejected.in_force, "parameter is not obeyed");
            let event = ConfigurationRejected::new(rejected, version, sandbox, now);
            problems.keep(self.tell_once(event, now).await);
        }
        problems.into_result()
    }

    /// Publishes an event that need not be kept, at most once in `period` whoever asks; gives whether it was.
    ///
    /// # Errors
    /// When the ledger or the bus could not be reached.
    pub async fn pulse(
        &mut self,
        event: impl Into<Event>,
        now: Timestamp,
        period: SignedDuration,
    ) -> Result<bool, Problems> {
        let event = event.into();
        if self.is_settled(&event, now) {
            return Ok(false);
        }
        let until = now.checked_add(period).unwrap_or(Timestamp::MAX);
        // Whoever pulses is the holder of its moment; another run in the same period is somebody else.
        let holder = now.to_string();
        let claimed = self.ledger.claim(&Claim { id: &event.header().id, holder: &holder, until }, now).await?;
        self.settled.insert(event.header().id.clone(), until);
        if !claimed {
            return Ok(false);
        }
        let refused: Vec<CallError> = self.bus.publish(&[event]).await.into_iter().map(|(_, error)| error).collect();
        Problems::from(refused).into_result().map(|()| true)
    }

    /// Publishes what an earlier run left pending; gives how many there were.
    ///
    /// # Errors
    /// When the ledger or an entry of it cannot be read, or an event is refused again; the rest is published.
    pub async fn repair(&mut self, now: Timestamp) -> Result<usize, Problems> {
        let before = now.checked_sub(STRANDED_AFTER).unwrap_or(now);
        let mut problems = Problems::default();
        let stranded = self.ledger.pending(before).await?;
        let stranded: Vec<Event> = stranded.into_iter().filter_map(|event| problems.keep(event)).collect();
        let count = stranded.len();
        if count > 0 {
            tracing::warn!(events = count, "stranded events were found and are published again");
        }
        problems.keep(self.publish(stranded, now).await);
        problems.into_result().map(|()| count)
    }

    fn is_settled(&self, event: &Event, now: Timestamp) -> bool {
        self.settled.get(&event.header().id).is_some_and(|until| now < *until)
    }

    async fn publish(&self, events: Vec<Event>, now: Timestamp) -> Result<(), Problems> {
        if events.is_empty() {
            return Ok(());
        }
        let refused: BTreeMap<usize, CallError> = self.bus.publish(&events).await.into_iter().collect();
        let accepted = events.iter().enumerate().filter(|(index, _)| !refused.contains_key(index));
        let marked: Vec<_> = stream::iter(accepted)
            .map(|(_, event)| async move { self.ledger.published(event, now).await })
            .buffered(WRITES_AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::from(refused.into_values().collect::<Vec<_>>());
        for result in marked {
            problems.keep(result);
        }
        problems.into_result()
    }
}

/// The finding with the owner that is known already.
fn owned_like(mut finding: Finding, known: Finding) -> Finding {
    if finding.owner.is_none() {
        finding.owner = known.owner;
        finding.principal = known.principal;
    }
    finding
}

fn asks_again(finding: &Finding, reported: Reported, now: Timestamp) -> bool {
    let waiting = reported.held_back || now.duration_since(reported.at) >= ASKED_AGAIN_AFTER;
    finding.wants_action() && !finding.held_back && waiting
}

#[cfg(test)]
mod tests;
