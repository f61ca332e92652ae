//! The count: lines come in columns, some thousand at a time, and are added to the sums they belong to.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use guardrail::money::Currency;

use crate::charge::{Cost, Formula, Kind, is_support};
use crate::convert::{Days, Moment, Names};
use crate::fault::{At, Fault, Problem};
use crate::groups::{Groups, NOWHERE};
use crate::layout::{Field, Layout};
use crate::number::{Numbers, Sums};
use crate::question::{Category, Question};
use crate::tags::{Remembered, Tag};

/// How many lines come at a time: few enough that their columns stay in the processor's cache.
pub(crate) const BATCH: usize = 2048;

/// A line that lasts longer says nothing about how far usage is known: some services charge a month at its beginning.
const LONGEST_USAGE: i64 = 24 * 3_600 * 1_000_000;

/// What is the same for all who count.
pub(crate) struct Task<'a> {
    pub(crate) question: &'a Question,
    pub(crate) tag: Tag,
    /// The currency of all lines, which the first one says.
    pub(crate) currency: OnceLock<Currency>,
    /// To be told how many more bytes have been dealt with.
    pub(crate) progress: &'a (dyn Fn(u64) + Sync),
}

/// The texts of columns, as numbers.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) accounts: Names,
    pub(crate) services: Names,
    pub(crate) owners: Names,
    pub(crate) units: Names,
    pub(crate) kinds: Names,
    pub(crate) classes: Names,
    pub(crate) currencies: Names,
    pub(crate) days: Days,
    /// Days of ends, which nothing is summed by.
    pub(crate) ends: Days,
    pub(crate) months: Days,
    pub(crate) remembered: Remembered,
}

/// Some lines, column by column. A column that is not needed is empty.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) account: Vec<u32>,
    pub(crate) service: Vec<u32>,
    pub(crate) owner: Vec<u32>,
    pub(crate) unit: Vec<u32>,
    pub(crate) kind: Vec<u32>,
    pub(crate) class: Vec<u32>,
    pub(crate) currency: Vec<u32>,
    pub(crate) reserved: Vec<bool>,
    pub(crate) month: Vec<Moment>,
    pub(crate) start: Vec<Moment>,
    pub(crate) end: Vec<Moment>,
    pub(crate) cost: Numbers,
    pub(crate) covered_cost: Numbers,
    pub(crate) commitment: Numbers,
    pub(crate) used_commitment: Numbers,
    pub(crate) reserved_cost: Numbers,
    pub(crate) unused_upfront: Numbers,
    pub(crate) unused_recurring: Numbers,
    pub(crate) quantity: Numbers,
    /// Where in the file each line is; not in Parquet, which has no such thing.
    pub(crate) at: Vec<u64>,
}

impl Lines {
    /// Makes room for the next lines of the same columns.
    pub(crate) fn clear(&mut self) {
        for ids in [
            &mut self.account,
            &mut self.service,
            &mut self.owner,
            &mut self.unit,
            &mut self.kind,
            &mut self.class,
            &mut self.currency,
        ] {
            ids.clear();
        }
        for moments in [&mut self.month, &mut self.start, &mut self.end] {
            moments.clear();
        }
        self.reserved.clear();
        self.at.clear();
        self.numbers_mut().into_iter().for_each(Numbers::clear);
    }

    /// Makes room for lines of other columns.
    pub(crate) fn reset(&mut self) {
        self.clear();
        self.numbers_mut().into_iter().for_each(Numbers::reset);
    }

    fn numbers_mut(&mut self) -> [&mut Numbers; 8] {
        [
            &mut self.cost,
            &mut self.covered_cost,
            &mut self.commitment,
            &mut self.used_commitment,
            &mut self.reserved_cost,
            &mut self.unused_upfront,
            &mut self.unused_recurring,
            &mut self.quantity,
        ]
    }

    /// The column of a cost.
    fn column(&self, field: Field) -> &Numbers {
        match field {
            Field::CoveredCost => &self.covered_cost,
            Field::Commitment => &self.commitment,
            Field::UsedCommitment => &self.used_commitment,
            Field::ReservedCost => &self.reserved_cost,
            Field::UnusedUpfront => &self.unused_upfront,
            Field::UnusedRecurring => &self.unused_recurring,
            _ => &self.cost,
        }
    }
}

/// What one thread has counted.
pub(crate) struct Tally<'a> {
    pub(crate) task: &'a Task<'a>,
    pub(crate) words: Words,
    pub(crate) lines: Lines,
    pub(crate) total_lines: u64,
    /// How many lines had the cost that counts.
    pub(crate) with_cost: u64,
    /// Numbers of the days on which billing months begin.
    pub(crate) months: BTreeSet<u32>,
    /// Microseconds since 1970.
    pub(crate) covered_until: Option<i64>,
    pub(crate) costs: Groups<1>,
    /// Amounts of usage, and what it cost.
    pub(crate) usage: Groups<2>,
    traits: Traits,
    /// Columns that exist only while lines are counted.
    scratch: Scratch,
    /// The numbers of what the line before said; no currency before the first line, since the empty text is none.
    currency: u32,
    month: u32,
}

/// What is known of names, by their numbers.
#[derive(Default)]
struct Traits {
    kinds: Vec<Kind>,
    /// Whether a kind of line is left out.
    left_out: Vec<bool>,
    /// Whether a service is AWS Support.
    support: Vec<bool>,
    /// Whether a class of line corrects an earlier bill.
    correction: Vec<bool>,
}

#[derive(Default)]
struct Scratch {
    skip: Vec<bool>,
    slots: Vec<u32>,
    /// Lines that are no usage.
    no_usage: Vec<bool>,
    usage_slots: Vec<u32>,
    days: Vec<u32>,
    seen: Vec<bool>,
}

impl<'a> Tally<'a> {
    pub(crate) fn new(task: &'a Task<'a>) -> Self {
        Self {
            task,
            words: Words::default(),
            lines: Lines::default(),
            total_lines: 0,
            with_cost: 0,
            months: BTreeSet::new(),
            covered_until: None,
            costs: Groups::default(),
            usage: Groups::default(),
            traits: Traits::default(),
            scratch: Scratch::default(),
            currency: NOWHERE,
            month: 0,
        }
    }

    /// Counts the lines that have come, and makes room for more.
    pub(crate) fn count(&mut self, layout: &Layout, at: At<'_>) -> Result<(), Fault> {
        let lines = self.lines.cost.values.len();
        self.total_lines += lines as u64;
        self.with_cost += std::mem::take(&mut self.lines.cost.present);
        self.check_currency(layout, at)?;
        self.note_months();
        self.traits.update(&self.words, self.task.question);
        self.note_coverage();
        self.leave_out(lines);
        self.add_costs(layout, at, lines)?;
        if self.task.question.usage {
            self.add_usage(layout, lines);
        }
        self.lines.clear();
        Ok(())
    }

    fn check_currency(&mut self, layout: &Layout, at: At<'_>) -> Result<(), Fault> {
        let Some(line) = self.lines.currency.iter().position(|id| *id != self.currency) else { return Ok(()) };
        for (line, &id) in self.lines.currency.iter().enumerate().skip(line) {
            if id == self.currency {
                continue;
            }
            let at = At { line: self.lines.at.get(line).copied(), ..at };
            let name = self.words.currencies.get(id);
            let wrong = || Problem::Value(name.to_owned(), "a currency such as `USD`");
            let found = name.parse().map_err(|_| at.fault(layout.name(Field::Currency), wrong()))?;
            let before = *self.task.currency.get_or_init(|| found);
            if before != found {
                return Err(at.fault(layout.name(Field::Currency), Problem::Currencies { before, found }));
            }
            self.currency = id;
        }
        Ok(())
    }

    fn note_months(&mut self) {
        for month in &self.lines.month {
            if month.day != self.month {
                self.month = month.day;
                self.months.insert(month.day);
            }
        }
    }

    fn note_coverage(&mut self) {
        let Lines { kind, start, end, .. } = &self.lines;
        let mut latest = self.covered_until.unwrap_or(i64::MIN);
        for ((&kind, start), end) in kind.iter().zip(start).zip(end) {
            if end.micros > latest
                && end.day > 0
                && start.day > 0
                && end.micros.saturating_sub(start.micros) <= LONGEST_USAGE
                && self.traits.is_usage(kind)
            {
                latest = end.micros;
            }
        }
        self.covered_until = (latest > i64::MIN).then_some(latest);
    }

    /// Finds the lines that do not count.
    fn leave_out(&mut self, lines: usize) {
        let exclude = &self.task.question.exclude;
        let skip = &mut self.scratch.skip;
        skip.clear();
        if exclude.is_empty() {
            return;
        }
        let mark = |skip: &mut Vec<bool>, column: &[u32], marked: &[bool]| {
            for (skip, &id) in skip.iter_mut().zip(column) {
                *skip |= marked.get(id as usize).copied().unwrap_or_default();
            }
        };
        skip.resize(lines, false);
        mark(skip, &self.lines.kind, &self.traits.left_out);
        if exclude.contains(&Category::Support) {
            mark(skip, &self.lines.service, &self.traits.support);
        }
        if exclude.contains(&Category::Refund) {
            mark(skip, &self.lines.class, &self.traits.correction);
        }
    }

    fn add_costs(&mut self, layout: &Layout, at: At<'_>, lines: usize) -> Result<(), Fault> {
        let Self { lines: columns, words, scratch, .. } = self;
        let by = self.task.question.by;
        let asked = |asked: bool, column| if asked { column } else { &[][..] };
        scratch.days.clear();
        if by.day || self.task.question.usage {
            scratch.days.extend(columns.start.iter().map(|start| start.day));
        }
        let columns = [
            asked(by.account, &columns.account),
            asked(by.service, &columns.service),
            asked(by.owner, &columns.owner),
            asked(by.day, &scratch.days),
        ];
        let sizes = words.sizes();
        self.costs.find(columns, sizes, &scratch.skip, lines, &mut scratch.slots);
        let formula = Formula::of(layout.export, self.task.question.charges);
        if formula == Formula::Spread {
            self.check_columns(layout, at)?;
        }
        let [costs] = &mut self.costs.sums;
        add(costs, &self.scratch.slots, &self.lines, formula, &self.traits);
        Ok(())
    }

    /// Whether the columns are there that the kinds of these lines need.
    fn check_columns(&mut self, layout: &Layout, at: At<'_>) -> Result<(), Fault> {
        let seen = &mut self.scratch.seen;
        seen.clear();
        seen.resize(self.traits.kinds.len(), false);
        for (&kind, &slot) in self.lines.kind.iter().zip(&self.scratch.slots) {
            if let Some(seen) = seen.get_mut(kind as usize) {
                *seen |= slot != NOWHERE;
            }
        }
        let kinds = self.traits.kinds.iter().zip(seen).filter(|(_, seen)| **seen);
        match kinds.flat_map(|(kind, _)| Cost::of(*kind).fields()).find_map(|field| layout.missing(field)) {
            None => Ok(()),
            Some(name) => Err(at.fault(Some(name), Problem::MissingColumn(name.to_owned()))),
        }
    }

    fn add_usage(&mut self, layout: &Layout, lines: usize) {
        let Self { lines: columns, words, scratch, traits, .. } = self;
        let no_usage = &mut scratch.no_usage;
        no_usage.clear();
        no_usage.resize(lines, false);
        for (index, no_usage) in no_usage.iter_mut().enumerate() {
            let is = |column: &[u32], what: &[bool]| {
                column.get(index).and_then(|id| what.get(*id as usize)).copied().unwrap_or_default()
            };
            let kind = columns.kind.get(index).is_some_and(|kind| traits.is_usage(*kind));
            let skipped = scratch.skip.get(index).copied().unwrap_or_default();
            let day = scratch.days.get(index).is_some_and(|day| *day > 0);
            *no_usage = !kind || skipped || !day || is(&columns.class, &traits.correction);
        }
        let sizes = words.usage_sizes();
        let keys = [&columns.account[..], &columns.service, &columns.unit, &scratch.days];
        self.usage.find(keys, sizes, no_usage, lines, &mut scratch.usage_slots);
        let [quantities, costs] = &mut self.usage.sums;
        quantities.add_all(&scratch.usage_slots, &columns.quantity);
        let formula = Formula::of(layout.export, self.task.question.charges);
        add(costs, &scratch.usage_slots, columns, formula, traits);
    }
}

impl Words {
    /// How many numbers there are for what costs are summed by.
    pub(crate) fn sizes(&self) -> [usize; 4] {
        [self.accounts.len(), self.services.len(), self.owners.len(), self.days.len()]
    }

    /// How many numbers there are for what usage is summed by.
    pub(crate) fn usage_sizes(&self) -> [usize; 4] {
        [self.accounts.len(), self.services.len(), self.units.len(), self.days.len()]
    }
}

impl Traits {
    fn update(&mut self, words: &Words, question: &Question) {
        for id in self.kinds.len()..words.kinds.len() {
            let kind = Kind::of(words.kinds.get(id as u32));
            self.kinds.push(kind);
            self.left_out.push(kind.category().is_some_and(|category| question.exclude.contains(&category)));
        }
        for id in self.support.len()..words.services.len() {
            self.support.push(is_support(words.services.get(id as u32)));
        }
        for id in self.correction.len()..words.classes.len() {
            self.correction.push(words.classes.get(id as u32) == "Correction");
        }
    }

    fn is_usage(&self, kind: u32) -> bool {
        self.kinds.get(kind as usize).is_some_and(|kind| kind.is_usage())
    }
}

/// Adds the cost of each line to its slot.
fn add(sums: &mut Sums, slots: &[u32], lines: &Lines, formula: Formula, traits: &Traits) {
    if formula == Formula::OneColumn {
        sums.add_all(slots, &lines.cost);
        return;
    }
    for (line, (&slot, &kind)) in slots.iter().zip(&lines.kind).enumerate() {
        let kind = traits.kinds.get(kind as usize).copied().unwrap_or(Kind::Other);
        let value = |field| lines.column(field).values.get(line).copied().unwrap_or_default();
        match Cost::of(kind) {
            Cost::Nothing => {}
            Cost::In(field) => sums.add(slot, value(field), lines.column(field)),
            Cost::Sum(one, other) => {
                sums.add(slot, value(one), lines.column(one));
                sums.add(slot, value(other), lines.column(other));
            }
            Cost::Difference(all, without) => {
                sums.add(slot, value(all), lines.column(all));
                sums.subtract(slot, value(without), lines.column(without));
            }
            Cost::UnlessReserved => {
                if !lines.reserved.get(line).copied().unwrap_or_default() {
                    sums.add(slot, value(Field::Cost), &lines.cost);
                }
            }
        }
    }
}
