//! Deliveries of the cost export: which are new, and what one says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use guardrail::{Amount, Currency};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use lambda::{CallError, CallErrorKind};
use spend::{Category, Charges, Dimensions, Fault, Manifest, Question, Source, Summary};

use crate::exports::{Exports, Landed};
use crate::figures::{DayUsage, Deliveries, Delivery, Figures, Seen};
use crate::queries::Queries;
use crate::usage::Meter;

/// How long it is remembered that a delivery was dealt with whose key tells its month. After that the delivery in
/// force for the month tells.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 62);

/// How a delivery comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Files, and a manifest last that lists them.
    Manifest,
    /// One file that is everything.
    SingleFile,
}

impl Kind {
    /// How the keys end that are looked at.
    pub const fn suffixes(self) -> &'static [&'static str] {
        match self {
            // Legacy CUR writes `-Manifest.json` too, and `-RedshiftManifest.json`, which lists the same for Redshift.
            Self::Manifest => &["-Manifest.json"],
            Self::SingleFile => &[".parquet", ".csv.gz", ".csv"],
        }
    }
}

/// Which charges count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Which cost a line stands for.
    pub charges: Charges,
    /// What is left out.
    pub exclude: BTreeSet<Category>,
    /// The key of the tag that names the owner.
    pub owner_tag: String,
}

impl Counted {
    /// What is asked of a delivery.
    pub fn question(&self) -> Question {
        Question {
            charges: self.charges,
            exclude: self.exclude.clone(),
            by: Dimensions { account: true, service: true, owner: true, day: true },
            owner_tag: self.owner_tag.clone(),
            usage: true,
        }
    }
}

/// In words, which also tell one way of counting from another: `unblended without credit, tax; owner tag `owner``.
impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { charges, exclude, owner_tag } = self;
        write!(f, "{charges}")?;
        if !exclude.is_empty() {
            let excluded: Vec<&str> = exclude.iter().map(|category| category.as_str()).collect();
            write!(f, " without {}", excluded.join(", "))?;
        }
        write!(f, "; owner tag `{owner_tag}`")
    }
}

/// What a delivery says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The month that it is of.
    pub month: Date,
    /// What tells it from other deliveries of the month.
    pub version: String,
    /// What was spent.
    pub summary: Summary,
}

/// Why a delivery has no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is wrong, and reading it again would not help.
    Wrong(String),
    /// It is no newer than the delivery in force for its month.
    Superseded,
    /// It could not be read this time.
    Failed(CallError),
}

impl From<CallError> for Unread {
    fn from(error: CallError) -> Self {
        Self::Failed(error)
    }
}

impl Deliveries {
    /// What is to be read of everything that landed, in its order, the oldest first: what was not dealt with as it is,
    /// and as charges are counted now, and is newer than what is in force for its month. Of several of a month only the
    /// last: it restates what the others say.
    pub fn new_among(&self, landed: &[Landed], counted: &str) -> Vec<Landed> {
        let is_new = |landed: &&Landed| {
            let seen = self.seen.get(&landed.key);
            let known = seen.is_some_and(|seen| seen.etag == landed.etag && seen.counted == counted);
            let in_force = month_in(&landed.key).and_then(|month| self.months.get(&month));
            let newer = in_force.is_none_or(|known| known.delivered_at < landed.modified || known.counted != counted);
            !known && newer
        };
        let new: Vec<&Landed> = landed.iter().filter(is_new).collect();
        let months = new.iter().filter_map(|landed| Some((month_in(&landed.key)?, &landed.key)));
        let last: BTreeMap<Date, &String> = months.collect();
        let is_last = |landed: &&Landed| {
            let last = month_in(&landed.key).and_then(|month| last.get(&month));
            last.is_none_or(|last| **last == landed.key)
        };
        new.into_iter().filter(is_last).cloned().collect()
    }

    /// Why what landed last of each key could not be read, where it could not, and no later delivery of its month
    /// could.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        let overtaken = |key: &str, seen: &Seen| {
            let in_force = month_in(key).and_then(|month| self.months.get(&month));
            in_force.is_some_and(|known| known.delivered_at > seen.delivered_at)
        };
        let standing = self.seen.iter().filter(move |(key, seen)| !overtaken(key, seen));
        standing.filter_map(|(_, seen)| seen.fault.as_deref())
    }

    /// Notes that something that landed was dealt with.
    pub fn note(&mut self, landed: &Landed, counted: &str, fault: Option<String>) {
        let (etag, delivered_at, counted) = (landed.etag.clone(), landed.modified, counted.to_owned());
        self.seen.insert(landed.key.clone(), Seen { etag, delivered_at, counted, fault });
    }

    /// Forgets what is not there any more, and what need not be remembered.
    pub fn forget(&mut self, landed: &[Landed], now: Timestamp) {
        let there: BTreeSet<&str> = landed.iter().map(|landed| landed.key.as_str()).collect();
        self.seen.retain(|key, seen| {
            let recent = now.duration_since(seen.delivered_at) < REMEMBERED;
            there.contains(key.as_str()) && (recent || month_in(key).is_none())
        });
        // By then AWS has closed the bill, and who was in it does not change any more.
        let closed = |delivery: &&mut Delivery| now.duration_since(delivery.delivered_at) >= REMEMBERED;
        self.months.values_mut().filter(closed).for_each(|delivery| delivery.accounts.clear());
    }

    /// When cost data last came.
    pub fn last_delivered(&self) -> Option<Timestamp> {
        self.months.values().map(|delivery| delivery.delivered_at).max()
    }

    /// Whether a delivery of a month is overtaken by the one in force.
    fn overtakes(&self, month: Date, landed: &Landed, version: &str, counted: &str) -> bool {
        self.months.get(&month).is_some_and(|known: &Delivery| {
            let same = known.version == version && known.counted == counted;
            same || known.delivered_at > landed.modified
        })
    }
}

/// The month that a key tells: `…/BILLING_PERIOD=2026-11/…`, or `…/20261101-20261201/…` of legacy CUR.
fn month_in(key: &str) -> Option<Date> {
    key.split('/').find_map(|step| {
        let (year, month) = match step.strip_prefix("BILLING_PERIOD=") {
            Some(month) => month.split_once('-')?,
            None => {
                let (from, until) = step.split_once('-').filter(|(from, until)| from.len() == 8 && until.len() == 8)?;
                let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
                (digits(until) && from.ends_with("01")).then_some(())?;
                (from.get(..4)?, from.get(4..6)?)
            }
        };
        Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
    })
}

/// Reads deliveries.
#[derive(Debug)]
pub struct Reader<E, Q> {
    /// Where they land.
    pub exports: E,
    /// What reads the largest.
    pub queries: Q,
    /// How they come.
    pub kind: Kind,
    /// Which charges count.
    pub counted: Counted,
    /// Larger ones are asked of Athena.
    pub athena_above: u64,
}

impl<E: Exports, Q: Queries> Reader<E, Q> {
    /// What a delivery says, unless the one in force overtakes it.
    ///
    /// # Errors
    /// Why there are no figures.
    pub async fn read(&self, landed: &Landed, known: &Deliveries, deadline: Timestamp) -> Result<Read, Unread> {
        let counted = self.counted.to_string();
        let manifest = match self.kind {
            Kind::SingleFile => None,
            Kind::Manifest => {
                let Some((found, content)) = self.exports.whole(&landed.key).await? else {
                    // It was taken away between the list and now.
                    return Err(Unread::Superseded);
                };
                if found.etag != landed.etag {
                    // Another one has taken its place, whose own event is on its way.
                    return Err(Unread::Failed(replaced(&landed.key)));
                }
                Some(Manifest::parse(&content, &landed.key).map_err(|fault| Unread::Wrong(fault.to_string()))?)
            }
        };
        let version = manifest.as_ref().and_then(|manifest| manifest.version.clone());
        let version = version.unwrap_or_else(|| landed.etag.clone());
        let month = manifest.as_ref().and_then(|manifest| manifest.month);
        if let Some(month) = month
            && known.overtakes(month, landed, &version, &counted)
        {
            return Err(Unread::Superseded);
        }
        // The bucket that the manifest names may be the one that this one is replicated from; the keys are the same.
        let keys = manifest.map_or_else(|| vec![landed.key.clone()], |manifest| manifest.files);
        let files = self.files(&landed.key, &keys).await?;
        let bytes: u64 = files.iter().map(Source::len).sum();
        let summary = match month {
            Some(month) if bytes > self.athena_above => {
                self.queries.summarise(&self.counted.question(), month, deadline).await?
            }
            _ => summarise(files, self.counted.question()).await?,
        };
        let month = the_month(&landed.key, month, &summary)?;
        if known.overtakes(month, landed, &version, &counted) {
            return Err(Unread::Superseded);
        }
        tracing::info!(
            delivery.key = landed.key,
            delivery.version = version,
            delivery.month = %month,
            delivery.bytes = bytes,
            lines = summary.lines,
            "delivery was read"
        );
        Ok(Read { month, version, summary })
    }

    async fn files(&self, manifest: &str, keys: &[String]) -> Result<Vec<E::File>, Unread> {
        let mut files = Vec::new();
        for key in keys {
            match self.exports.file(key).await? {
                Some(file) => files.push(file),
                None if key == manifest => return Err(Unread::Superseded),
                None => return Err(Unread::Failed(missing(manifest, key))),
            }
        }
        Ok(files)
    }
}

fn replaced(key: &str) -> CallError {
    let message = format!("`{key}` was replaced while it was read");
    CallError { operation: "s3:GetObject", kind: CallErrorKind::Unavailable, message }
}

/// The file may still be on its way: a bucket that is replicated gets its files in any order.
fn missing(manifest: &str, key: &str) -> CallError {
    let message = format!("`{manifest}` lists the file `{key}`, which is not there");
    CallError { operation: "s3:GetObject", kind: CallErrorKind::Missing, message }
}

/// Reads files in threads of their own, because reading blocks.
async fn summarise<F: Source + 'static>(files: Vec<F>, question: Question) -> Result<Summary, Unread> {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let files = Arc::new(files);
    let reading = tokio::task::spawn_blocking(move || {
        let sources: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
        spend::summarise(&sources, &question, threads, &|_| {})
    });
    match reading.await {
        Ok(Ok(summary)) => Ok(summary),
        Ok(Err(fault)) => Err(unread(fault)),
        Err(error) => {
            let message = format!("the reader ended: {error}");
            Err(Unread::Failed(CallError { operation: "s3:GetObject", kind: CallErrorKind::Unavailable, message }))
        }
    }
}

/// What cannot be fetched may come another time; what is wrong stays wrong.
fn unread(fault: Fault) -> Unread {
    match fault.problem {
        spend::Problem::Unreadable(_) => {
            let message = fault.to_string();
            Unread::Failed(CallError { operation: "s3:GetObject", kind: CallErrorKind::Unavailable, message })
        }
        _ => Unread::Wrong(fault.to_string()),
    }
}

/// The month that a delivery is of: as its manifest says, or else as its lines do.
fn the_month(key: &str, said: Option<Date>, summary: &Summary) -> Result<Date, Unread> {
    let mut told = summary.months.iter();
    match (said, told.next(), told.next()) {
        (Some(month), ..) | (None, Some(&month), None) => Ok(month),
        (None, None, _) => {
            Err(Unread::Wrong(format!("`{key}` has no lines, so it does not tell which month it is of")))
        }
        (None, Some(first), Some(second)) => Err(Unread::Wrong(format!(
            "`{key}` has lines of several months, {} and {} among them; a file that comes without a manifest is of one",
            first.strftime("%Y-%m"),
            second.strftime("%Y-%m")
        ))),
    }
}

/// The figures of each of these accounts, in a delivery that landed then. One that the delivery does not name has
/// spent nothing.
pub fn figures_of(read: &Read, accounts: &BTreeSet<String>, delivered_at: Timestamp) -> BTreeMap<String, Figures> {
    let Read { month, version, summary } = read;
    let covered_until = summary.covered_until.unwrap_or_else(|| guardrail::Per::Month.period(*month).begins_at());
    let none = || Figures {
        version: version.clone(),
        delivered_at,
        currency: summary.currency.unwrap_or(Currency::USD),
        covered_until,
        services: BTreeMap::new(),
        owners: BTreeMap::new(),
        usage: Vec::new(),
    };
    let mut all: BTreeMap<String, Figures> = accounts.iter().map(|account| (account.clone(), none())).collect();
    for (key, amount) in &summary.sums {
        let Some(figures) = all.get_mut(&key.account) else { continue };
        let day = key.day.unwrap_or(*month);
        let add = |sum: &mut Amount| *sum += amount;
        add(figures.services.entry(key.service.clone()).or_default().entry(day).or_default());
        add(figures.owners.entry(key.owner.clone()).or_default());
    }
    for (key, usage) in summary.usage.iter().filter(|(key, _)| Meter::prices(&key.service)) {
        let Some(figures) = all.get_mut(&key.account) else { continue };
        figures.usage.push(DayUsage {
            service: key.service.clone(),
            unit: key.unit.clone(),
            day: key.day,
            amount: usage.amount.clone(),
            cost: usage.cost.clone(),
        });
    }
    all
}

#[cfg(test)]
mod tests;
