//! What several threads have counted, put together, and given out by names instead of numbers.

use std::num::NonZeroUsize;

use jiff::Timestamp;

use crate::convert::{Days, Names};
use crate::fault::Fault;
use crate::groups::{DIMENSIONS, Groups, Ids};
use crate::summarise::share;
use crate::summary::{Key, Summary, Usage, UsageKey};
use crate::tally::{Tally, Words};

/// How many groups a thread gives names to at a time.
const AT_A_TIME: usize = 8192;

impl Tally<'_> {
    /// Adds what another one has counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.total_lines += other.total_lines;
        self.with_cost += other.with_cost;
        self.covered_until = self.covered_until.max(other.covered_until);
        self.months.extend(other.months.iter().map(|&month| self.words.months.adopt(&other.words.months, month)));
        let words = &mut self.words;
        let accounts = adopt(&mut words.accounts, &other.words.accounts);
        let services = adopt(&mut words.services, &other.words.services);
        let owners = adopt(&mut words.owners, &other.words.owners);
        let units = adopt(&mut words.units, &other.words.units);
        let days = (0..other.words.days.len() as u32).map(|id| words.days.adopt(&other.words.days, id)).collect();
        add(&mut self.costs, &other.costs, [&accounts, &services, &owners, &days], words.sizes());
        add(&mut self.usage, &other.usage, [&accounts, &services, &units, &days], words.usage_sizes());
    }

    /// All of it, by names.
    pub(crate) fn into_summary(self, threads: NonZeroUsize) -> Result<Summary, Fault> {
        let Words { accounts, services, owners, units, days, months, .. } = &self.words;
        let name = |names: &Names, id| names.get(id).to_owned();
        let [costs] = &self.costs.sums;
        let groups = in_order(&self.costs, [rank(accounts), rank(services), rank(owners), rank_days(days)]);
        let sums = named(&groups, threads, |[account, service, owner, day], slot| {
            let key = Key {
                account: name(accounts, account),
                service: name(services, service),
                owner: name(owners, owner),
                day: days.date(day),
            };
            Some((key, costs.amount(slot)))
        })?;
        let [quantities, costs] = &self.usage.sums;
        let groups = in_order(&self.usage, [rank(accounts), rank(services), rank(units), rank_days(days)]);
        let usage = named(&groups, threads, |[account, service, unit, day], slot| {
            let key = UsageKey {
                account: name(accounts, account),
                service: name(services, service),
                unit: name(units, unit),
                day: days.date(day)?,
            };
            Some((key, Usage { amount: quantities.amount(slot), cost: costs.amount(slot) }))
        })?;
        Ok(Summary {
            currency: self.task.currency.get().copied(),
            months: self.months.iter().filter_map(|&month| Some(months.date(month)?.first_of_month())).collect(),
            sums: sums.into_iter().collect(),
            usage: usage.into_iter().collect(),
            covered_until: self.covered_until.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
            lines: self.total_lines,
        })
    }
}

/// Our numbers for another one's names.
fn adopt(ours: &mut Names, theirs: &Names) -> Vec<u32> {
    (0..theirs.len() as u32).map(|id| ours.id_of(theirs.get(id))).collect()
}

/// Adds another one's sums to ours, whose numbers for its names are known.
fn add<const SUMS: usize>(
    ours: &mut Groups<SUMS>,
    theirs: &Groups<SUMS>,
    adopted: [&Vec<u32>; DIMENSIONS],
    sizes: [usize; DIMENSIONS],
) {
    let groups = theirs.all();
    let mut columns: [Vec<u32>; DIMENSIONS] = Default::default();
    for (dimension, (column, ours)) in columns.iter_mut().zip(adopted).enumerate() {
        column.extend(groups.iter().map(|(ids, _)| get(ours, get(ids, dimension as u32))));
        if column.iter().all(|id| *id == 0) {
            // Nobody asked for it.
            column.clear();
        }
    }
    let mut slots = Vec::new();
    ours.find(columns.each_ref().map(Vec::as_slice), sizes, &[], groups.len(), &mut slots);
    for (ours, theirs) in ours.sums.iter_mut().zip(&theirs.sums) {
        for (&slot, (_, their_slot)) in slots.iter().zip(&groups) {
            ours.absorb(slot, theirs, *their_slot);
        }
    }
}

fn get(numbers: &[u32], id: u32) -> u32 {
    numbers.get(id as usize).copied().unwrap_or_default()
}

/// The place of each name in alphabetical order.
fn rank(names: &Names) -> Vec<u32> {
    rank_by(names.len(), |id| names.get(id))
}

fn rank_days(days: &Days) -> Vec<u32> {
    rank_by(days.len(), |id| days.date(id))
}

fn rank_by<K: Ord>(count: usize, key: impl Fn(u32) -> K) -> Vec<u32> {
    let mut order: Vec<u32> = (0..count as u32).collect();
    order.sort_by_cached_key(|&id| key(id));
    let mut ranks = vec![0; count];
    for (rank, id) in (0..).zip(order) {
        if let Some(place) = ranks.get_mut(id as usize) {
            *place = rank;
        }
    }
    ranks
}

/// Groups in the order of their names: maps are built faster from what is in order, and ranks compare faster than names.
fn in_order<const SUMS: usize>(groups: &Groups<SUMS>, ranks: [Vec<u32>; DIMENSIONS]) -> Vec<(Ids, u32)> {
    let place = |ids: Ids| {
        ranks.iter().zip(ids).fold(0_u128, |place, (ranks, id)| (place << u32::BITS) | u128::from(get(ranks, id)))
    };
    let mut ordered: Vec<(u128, Ids, u32)> =
        groups.all().into_iter().map(|(ids, slot)| (place(ids), ids, slot)).collect();
    ordered.sort_unstable_by_key(|(place, ..)| *place);
    ordered.into_iter().map(|(_, ids, slot)| (ids, slot)).collect()
}

/// Groups by names, in their order.
fn named<T: Send>(
    groups: &[(Ids, u32)],
    threads: NonZeroUsize,
    name: impl Fn(Ids, u32) -> Option<T> + Sync,
) -> Result<Vec<T>, Fault> {
    let parts: Vec<&[(Ids, u32)]> = groups.chunks(AT_A_TIME).collect();
    let name_part = |part: &&[(Ids, u32)]| part.iter().filter_map(|&(ids, slot)| name(ids, slot)).collect();
    let (_, parts): (_, Vec<Vec<T>>) = share(&parts, threads, || (), |(), part| Ok(name_part(part)))?;
    let mut all = Vec::with_capacity(groups.len());
    parts.into_iter().for_each(|part| all.extend(part));
    Ok(all)
}
