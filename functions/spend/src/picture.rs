//! The whole picture: what is read besides, once an hour and whenever something changed, to estimate, to project and to
//! tell.

use std::collections::BTreeMap;

use guardrail::spending::Estimate;
use guardrail::{Amount, Currency, Per};
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::CallError;
use lambda::book::{self, ReadAll};

use crate::estimate::{self, Facts, Recent};
use crate::figures::{Account, DELIVERIES, Deliveries, Figures, account_page, figures_page};
use crate::known::Known;
use crate::usage::{self, Hours};

/// How long a month is told of after its end, in days: by then AWS has closed the bill.
const TOLD_OF: i32 = 62;

/// What is known of every sandbox that has figures.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// The figures of recent months, by account and month.
    pub(crate) figures: BTreeMap<String, BTreeMap<Date, Figures>>,
    /// Up to when the newest delivery knows what was used, also of those who used nothing.
    covered_until: Option<Timestamp>,
    recent: BTreeMap<String, Recent>,
    organisation: BTreeMap<Currency, Recent>,
    hours: Hours,
}

/// What is remembered of those accounts that ever had figures.
pub(crate) async fn accounts(
    book: &impl ReadAll,
    of: impl Iterator<Item = &String>,
) -> Result<BTreeMap<String, Account>, CallError> {
    let pages: BTreeMap<String, &String> = of.map(|account| (account_page(account), account)).collect();
    let read = book::read_all::<Account>(book, &pages.keys().cloned().collect()).await?;
    Ok(read.into_iter().filter_map(|(page, account)| Some(((*pages.get(&page)?).clone(), account))).collect())
}

impl Picture {
    /// Reads the whole picture.
    pub(crate) async fn read(
        book: &impl ReadAll,
        accounts: &BTreeMap<String, Account>,
        today: Date,
        now: Timestamp,
    ) -> Result<Self, CallError> {
        let mut pages = BTreeMap::new();
        for (id, account) in accounts {
            for month in account.months.keys().filter(|month| is_recent(**month, today)) {
                pages.insert(figures_page(id, *month), (id, *month));
            }
        }
        let deliveries: Deliveries = book::read(book, DELIVERIES).await?.unwrap_or_default();
        // One without a line of usage knows that there was none before its month.
        let begin = |month: Date| Per::Month.period(month).begins_at();
        let covered =
            deliveries.months.iter().map(|(month, known)| known.covered_until.unwrap_or_else(|| begin(*month)));
        let covered_until = covered.max();
        let Some(covered_until) = covered_until else { return Ok(Self::default()) };
        let mut picture = Self { covered_until: Some(covered_until), ..Self::default() };
        let read = book::read_all::<Figures>(book, &pages.keys().cloned().collect()).await?;
        for (page, figures) in read {
            if let Some((id, month)) = pages.get(&page) {
                picture.figures.entry((*id).clone()).or_default().insert(*month, figures);
            }
        }
        for (id, months) in &picture.figures {
            let Some(newest) = months.values().next_back() else { continue };
            let recent = Recent::of(months.values(), covered_until);
            picture.organisation.entry(newest.currency).or_default().add(&recent);
            picture.recent.insert(id.clone(), recent);
        }
        let hours = usage::hours(estimate::looks_back(covered_until, now), now);
        let pages: BTreeMap<String, Timestamp> = hours.map(|hour| (usage::page(hour), hour)).collect();
        let read = book::read_all(book, &pages.keys().cloned().collect()).await?;
        picture.hours = read.into_iter().filter_map(|(page, hour)| Some((*pages.get(&page)?, hour))).collect();
        Ok(picture)
    }

    /// Up to when the newest delivery knows what was used.
    pub(crate) fn covered_until(&self) -> Timestamp {
        self.covered_until.unwrap_or_default()
    }

    /// What estimates of an account are made from; none without figures.
    pub(crate) fn facts<'a>(&'a self, known: &Known, id: &'a str, account: &'a Account) -> Option<Facts<'a>> {
        let newest = self.figures.get(id)?.values().next_back()?;
        Some(Facts {
            account: id,
            sandboxes: known.sandboxes.len(),
            currency: newest.currency,
            own: self.recent.get(id)?,
            organisation: self.organisation.get(&newest.currency)?,
            hours: &self.hours,
            errors: &account.errors,
        })
    }

    /// What an account has spent since its figures, or since a later moment, by estimate.
    pub(crate) fn estimate(
        &self,
        known: &Known,
        id: &str,
        account: &Account,
        since: Timestamp,
        now: Timestamp,
    ) -> Option<Estimate> {
        self.facts(known, id, account)?.estimate(self.covered_until().max(since), now)
    }

    /// The estimates of days whose cost is not known yet.
    pub(crate) fn days(&self, known: &Known, id: &str, account: &Account, now: Timestamp) -> BTreeMap<Date, Amount> {
        let facts = self.facts(known, id, account);
        facts.map(|facts| facts.days(self.covered_until(), now)).unwrap_or_default()
    }
}

/// Whether a month is still told of.
fn is_recent(month: Date, today: Date) -> bool {
    let ended = Per::Month.period(month).until.unwrap_or(month);
    ended.until(today).is_ok_and(|since| since.get_days() <= TOLD_OF)
}
