//! `spend-meter`: reads each delivery of the cost export once, and holds every sandbox's spend against its budget.
//!
//! It is woken by what lands in the export's bucket, by a changed budget, by what a guardrail's action has ended, and
//! every 15 minutes besides. Whatever woke it, it looks at everything that landed, so that a lost event heals by
//! itself, and a repeated or late one finds nothing new. It changes nothing but its own pages: what locks is
//! `spend-enforce`.
//!
//! What is known is written before it is told, and told before it counts as told; see [`lambda::outbox`].

mod judging;
mod telling;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt};
use guardrail::event::SOURCE;
use guardrail::{Header, Heartbeat, Sandbox};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lambda::aws::CallCounter;
use lambda::book::{self, Book, BookTable, ReadAll};
use lambda::bus::{Bus, EventBus};
use lambda::ledger::{Claim, Ledger, LedgerTable};
use lambda::parameters::{InForce, ParameterStore, ParameterStoreClient};
use lambda::{CallError, CallErrorKind, Clock, Handler, Invocation, Outbox, Parameters, Problems, Trigger};

use crate::deliveries::{Read, Reader, Unread, figures_of};
use crate::exports::{ExportBucket, Exports, Landed};
use crate::figures::{DELIVERIES, Deliveries, Figures, MonthTotal, change_account, figures_page};
use crate::known::{Console, ConsoleReader, Known, known};
use crate::picture::{self, Picture};
use crate::queries::{AthenaQueries, Queries};

/// The name of the function, its binary and its folder of events.
pub const FUNCTION: &str = "spend-meter";

/// The IAM actions that the function may call; a test holds its role to exactly these.
pub const ACTIONS: &[&[&str]] = &[
    ExportBucket::ACTIONS,
    AthenaQueries::ACTIONS,
    ConsoleReader::ACTIONS,
    BookTable::ACTIONS,
    BookTable::READ_ALL,
    ParameterStoreClient::ACTIONS,
    LedgerTable::WATCH_ACTIONS,
    EventBus::ACTIONS,
];

/// How often the function gives a sign of life, at most.
const HEARTBEAT_PERIOD: SignedDuration = SignedDuration::from_mins(5);

/// What is left for the writes after a delivery was read; another one is not begun with less.
const AFTERWARDS: SignedDuration = SignedDuration::from_secs(90);

/// How many pages are read or written at once.
const AT_ONCE: usize = 16;

/// The function over its ports.
#[derive(Debug)]
pub struct Meter<E, Q, N, K, P, L, B, C> {
    /// Reads deliveries.
    pub reader: Reader<E, Q>,
    /// What the console knows of the sandboxes.
    pub console: N,
    /// What is remembered.
    pub book: K,
    /// The budgets in force, and the register.
    pub parameters: Parameters<P>,
    /// Where findings and figures are told.
    pub outbox: Outbox<L, B>,
    /// The time.
    pub clock: C,
    /// Counts the calls made, for the heartbeat.
    pub calls: CallCounter,
    /// The hub itself, for what is told of the function.
    pub hub: Sandbox,
    /// What the export is called: its bucket, and the prefix that its keys begin with.
    pub export: String,
}

/// Who reads what has landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// Nobody any more.
    Done,
    /// Another run.
    Elsewhere,
}

/// What woke a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// The schedule.
    Sweep,
    /// Something that landed.
    Delivery,
    /// A changed budget.
    Budget,
}

/// What one run goes by.
struct Run {
    in_force: InForce,
    known: BTreeMap<String, Known>,
    today: Date,
}

impl<E, Q, N, K, P, L, B, C> Handler for Meter<E, Q, N, K, P, L, B, C>
where
    E: Exports,
    Q: Queries,
    N: Console,
    K: Book + ReadAll,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    type Answer = ();

    async fn handle(&mut self, invocation: Invocation) -> Result<(), Problems> {
        match Trigger::read(&invocation.event) {
            Some(Trigger::Sweep) => self.run(&invocation, Woken::Sweep).await,
            Some(Trigger::Signal(envelope)) if envelope.source == SOURCE => self.note_action(&envelope).await,
            Some(Trigger::Signal(envelope)) if envelope.source == "aws.ssm" => {
                self.run(&invocation, Woken::Budget).await
            }
            Some(Trigger::Signal(_)) => self.run(&invocation, Woken::Delivery).await,
            None => Ok(()),
        }
    }
}

impl<E, Q, N, K, P, L, B, C> Meter<E, Q, N, K, P, L, B, C>
where
    E: Exports,
    Q: Queries,
    N: Console,
    K: Book + ReadAll,
    P: ParameterStore,
    L: Ledger,
    B: Bus,
    C: Clock,
{
    async fn run(&mut self, invocation: &Invocation, woken: Woken) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let calls_before = self.calls.count();
        problems.keep(self.outbox.repair(self.clock.now()).await);
        let in_force = self.parameters.fresh(self.clock.now()).await?;
        let heartbeats = self.console.heartbeats().await?;
        let known = known(&heartbeats, in_force.configuration.registered(), &self.hub);
        if woken == Woken::Sweep {
            problems.keep(self.sample(&heartbeats).await);
        }
        // What cannot be read now does not keep what is known from being judged.
        let reading = problems.keep(self.read_new(&known, invocation).await);
        let now = self.clock.now();
        // Reading takes its time, in which somebody may have set another budget.
        let in_force = self.parameters.current(now).await?;
        let run = Run { in_force, known, today: now.to_zoned(TimeZone::UTC).date() };
        // Once an hour, and when something has changed, the whole is estimated and told anew. Between, a run only asks
        // again for locks that nobody has seen yet: however often an event comes, what has landed is news once. While
        // another run reads, what is known is about to be superseded: that run tells the whole.
        let hour = now.strftime("%Y-%m-%dT%H").to_string();
        let last_hour: Option<String> = book::read(&self.book, WHOLE).await?;
        let whole =
            reading != Some(Reading::Elsewhere) && (woken == Woken::Budget || last_hour.as_ref() != Some(&hour));
        let accounts = picture::accounts(&self.book, run.known.keys()).await?;
        let picture = match whole {
            true => problems.keep(Picture::read(&self.book, &accounts, run.today, now).await),
            false => None,
        };
        let found = problems.keep(self.judge_all(&run, &accounts, picture.as_ref()).await).unwrap_or_default();
        if let Some(picture) = &picture {
            // What was found stands in it.
            let accounts = picture::accounts(&self.book, run.known.keys()).await?;
            problems.keep(self.tell_all(&run, &accounts, picture).await);
        }
        problems.keep(self.judge_data_age(&run).await);
        let rejected = run.in_force.rejected;
        problems.keep(self.outbox.tell_rejected(rejected, &self.hub, now).await);
        let took = self.clock.now().duration_since(invocation.now);
        let calls = self.calls.count() - calls_before;
        tracing::info!(sandboxes = run.known.len(), findings.open = found, whole, calls, "spend was judged");
        if whole && problems.is_empty() {
            // Not where another run has read a delivery meanwhile.
            let told = |before: Option<String>| ((before == last_hour).then(|| hour.clone()), ());
            book::change(&self.book, WHOLE, told).await?;
        }
        if woken == Woken::Sweep && problems.is_empty() {
            let saw = [("sandboxes", run.known.len()), ("findings", found)];
            let saw = saw.map(|(name, count)| (name.to_owned(), u64::try_from(count).unwrap_or(u64::MAX)));
            let heartbeat = Heartbeat {
                header: Header::new(format!("heartbeat/{FUNCTION}"), &self.hub, now),
                function: FUNCTION.to_owned(),
                saw: saw.into(),
                took,
                calls,
            };
            problems.keep(self.outbox.pulse(heartbeat, now, HEARTBEAT_PERIOD).await);
        }
        problems.into_result()
    }

    /// Reads what is new in the export's bucket. Only one run reads at a time; what lands meanwhile is seen by the one
    /// that reads.
    async fn read_new(
        &mut self,
        known: &BTreeMap<String, Known>,
        invocation: &Invocation,
    ) -> Result<Reading, Problems> {
        let landed = self.reader.exports.landed(self.reader.kind.suffixes()).await?;
        let deliveries: Deliveries = book::read(&self.book, DELIVERIES).await?.unwrap_or_default();
        if deliveries.new_among(&landed, &self.reader.counted.to_string()).is_empty() {
            return still_wrong(&deliveries).map(|()| Reading::Done);
        }
        // A run that is tried again has the request of the one that failed, and takes its claim over.
        let holder = invocation.id.split('/').next().unwrap_or_default().to_owned();
        let claim = Claim { id: "spend/reading", holder: &holder, until: invocation.deadline };
        if !self.outbox.ledger().claim(&claim, self.clock.now()).await? {
            tracing::info!("another run reads what has landed");
            return Ok(Reading::Elsewhere);
        }
        let mut problems = Problems::default();
        let latest = invocation.deadline.checked_sub(AFTERWARDS).unwrap_or(invocation.deadline);
        problems.keep(self.read_all_new(landed, known, latest).await);
        problems.keep(self.outbox.ledger().release(&claim).await);
        problems.into_result().map(|()| Reading::Done)
    }

    /// Reads everything that is new, as nobody else does meanwhile, until this moment.
    async fn read_all_new(
        &self,
        mut landed: Vec<Landed>,
        known: &BTreeMap<String, Known>,
        latest: Timestamp,
    ) -> Result<(), Problems> {
        let mut problems = Problems::default();
        let counted = self.reader.counted.to_string();
        let mut deliveries: Deliveries = book::read(&self.book, DELIVERIES).await?.unwrap_or_default();
        let mut failed = BTreeSet::new();
        loop {
            let left: Vec<Landed> = landed.iter().filter(|landed| !failed.contains(&landed.key)).cloned().collect();
            let Some(next) = deliveries.new_among(&left, &counted).into_iter().next() else { break };
            if self.clock.now() >= latest {
                tracing::warn!(delivery.key = next.key, "what is left to read waits for the next run");
                break;
            }
            if problems.keep(self.take(&next, &mut deliveries, known, latest).await).is_none() {
                // The others are read all the same; this one is tried again by the next run.
                failed.insert(next.key);
            }
            match problems.keep(self.reader.exports.landed(self.reader.kind.suffixes()).await) {
                Some(now) => landed = now,
                None => break,
            }
        }
        deliveries.forget(&landed, self.clock.now());
        problems.keep(self.keep_deliveries(&deliveries).await);
        problems.keep(still_wrong(&deliveries));
        problems.into_result()
    }

    /// Reads one delivery and puts its figures in force, if it has any.
    async fn take(
        &self,
        landed: &Landed,
        deliveries: &mut Deliveries,
        known: &BTreeMap<String, Known>,
        deadline: Timestamp,
    ) -> Result<(), Problems> {
        let counted = self.reader.counted.to_string();
        let read = match self.reader.read(landed, deliveries, deadline).await {
            Ok(read) => read,
            Err(Unread::Failed(error)) => return Err(error.into()),
            Err(Unread::Superseded) => {
                deliveries.note(landed, &counted, None);
                return Ok(self.keep_deliveries(deliveries).await?);
            }
            Err(Unread::Wrong(why)) => {
                tracing::error!(
                    delivery.key = landed.key,
                    why,
                    "delivery is wrong; the figures before it stay in force"
                );
                deliveries.note(landed, &counted, Some(why));
                return Ok(self.keep_deliveries(deliveries).await?);
            }
        };
        self.store(&read, landed, deliveries, known).await?;
        let accounts = read.summary.sums.keys().map(|key| &key.account).filter(|account| known.contains_key(*account));
        let delivery = crate::figures::Delivery {
            key: landed.key.clone(),
            version: read.version.clone(),
            delivered_at: landed.modified,
            counted: counted.clone(),
            accounts: accounts.cloned().collect(),
            covered_until: read.summary.covered_until,
        };
        deliveries.months.insert(read.month, delivery);
        deliveries.note(landed, &counted, None);
        // What was told before is not the whole any more, whatever becomes of this run.
        let since = format!("{} {}", landed.key, read.version);
        book::change(&self.book, WHOLE, |_: Option<String>| (Some(since.clone()), ())).await?;
        Ok(self.keep_deliveries(deliveries).await?)
    }

    async fn keep_deliveries(&self, deliveries: &Deliveries) -> Result<(), CallError> {
        book::change(&self.book, DELIVERIES, |_: Option<Deliveries>| (Some(deliveries.clone()), ())).await
    }

    /// Puts the figures of every known sandbox in force; of those as well that the delivery before knew and this one
    /// does not: they have spent nothing, as it turned out.
    async fn store(
        &self,
        read: &Read,
        landed: &Landed,
        deliveries: &Deliveries,
        known: &BTreeMap<String, Known>,
    ) -> Result<(), Problems> {
        let before = deliveries.months.get(&read.month).into_iter().flat_map(|delivery| &delivery.accounts);
        let told = read.summary.sums.keys().map(|key| &key.account).filter(|account| known.contains_key(*account));
        let accounts: BTreeSet<String> = before.chain(told).cloned().collect();
        let all = figures_of(read, &accounts, landed.modified);
        let stored: Vec<_> = stream::iter(all)
            .map(|(account, figures)| self.store_one(account, read.month, figures))
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        for stored in stored {
            problems.keep(stored);
        }
        problems.into_result()
    }

    async fn store_one(&self, account: String, month: Date, figures: Figures) -> Result<(), CallError> {
        let page = figures_page(&account, month);
        let in_force = book::change(&self.book, &page, |before: Option<Figures>| match before {
            Some(before) if before.delivered_at > figures.delivered_at => (None, before),
            Some(before) if before == figures => (None, before),
            _ => (Some(figures.clone()), figures.clone()),
        });
        let in_force = in_force.await?;
        let total = MonthTotal { total: in_force.total(), currency: in_force.currency };
        change_account(&self.book, &account, |account| {
            account.months.insert(month, total.clone());
            crate::estimate::learn(account, [&in_force], in_force.covered_until);
        })
        .await
    }
}

/// The page of the hour in which the whole picture was last told; of the delivery that was read since, if one was.
const WHOLE: &str = "spend/whole";

/// What has landed and could not be read is wrong until another delivery takes its place.
fn still_wrong(deliveries: &Deliveries) -> Result<(), Problems> {
    let wrong = deliveries.faults().map(|fault| {
        let message = format!("{fault}; the figures before it stay in force");
        CallError { operation: "read the cost export", kind: CallErrorKind::Invalid, message }
    });
    Problems::from(wrong.collect::<Vec<_>>()).into_result()
}

#[cfg(test)]
mod tests;
