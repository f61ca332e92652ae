//! Exports in Parquet: of each row group the columns that are needed, each fetched at once and opened page by page.

mod column;
mod form;
mod hybrid;
mod leaf;
mod plain;
mod tags;

use std::io::{self, ErrorKind};
use std::ops::Range;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    FooterTail, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};

use self::column::Column;
use self::hybrid::Short;
use self::leaf::{Chunk, Leaf};
use self::tags::Tags;
use crate::charge::is_reservation;
use crate::convert::{Convert, Moment, Raw, Wrong};
use crate::fault::{At, Fault, Problem};
use crate::layout::{Field, Layout, NoLayout, Place};
use crate::number::Numbers;
use crate::source::Source;
use crate::tags::{Owners, Tag};
use crate::tally::{BATCH, Lines, Tally, Task, Words};

/// So much is read of a file's end at once: most footers are shorter.
const FOOTER: u64 = 64 * 1024;

/// The end of a footer: its length, and the letters `PAR1`.
const TAIL: usize = 8;

/// Why a column cannot be read.
#[derive(Debug)]
pub(crate) enum Bad {
    /// A page holds less than it says.
    Short,
    /// A page speaks of values that its dictionary does not have.
    Index,
    Damaged(String),
    Wrong(Wrong),
}

impl Bad {
    /// A column has none or several values for a line.
    fn nested() -> Self {
        Self::Wrong(Wrong::new("a group", "one value for each line"))
    }

    fn problem(self) -> Problem {
        match self {
            Self::Short => Problem::Damaged("a page holds less than it says".to_owned()),
            Self::Index => Problem::Damaged("a page speaks of values that its dictionary does not have".to_owned()),
            Self::Damaged(what) => Problem::Damaged(what),
            Self::Wrong(wrong) => Problem::Value(wrong.found, wrong.expected),
        }
    }
}

impl From<Wrong> for Bad {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Short> for Bad {
    fn from(Short: Short) -> Self {
        Self::Short
    }
}

impl From<ParquetError> for Bad {
    fn from(error: ParquetError) -> Self {
        Self::Damaged(error.to_string())
    }
}

/// A file that was opened.
pub(crate) struct File<'a> {
    source: &'a dyn Source,
    metadata: ParquetMetaData,
    layout: Layout,
}

fn fetch(source: &dyn Source, range: Range<u64>, at: At<'_>, column: Option<&str>) -> Result<Bytes, Fault> {
    if range.end > source.len() || range.start > range.end {
        let problem = "the file ends before what its footer speaks of";
        return Err(at.fault(column, Problem::Damaged(problem.to_owned())));
    }
    source.bytes(range).map_err(|error| at.fault(column, unreadable(&error)))
}

pub(crate) fn unreadable(error: &io::Error) -> Problem {
    match error.kind() {
        ErrorKind::UnexpectedEof => Problem::Damaged("the file ends before it should".to_owned()),
        _ => Problem::Unreadable(error.to_string()),
    }
}

impl<'a> File<'a> {
    /// Reads the footer.
    pub(crate) fn open(source: &'a dyn Source, task: &Task<'_>) -> Result<Self, Fault> {
        let at = At::file(source.name());
        let damaged = |what: &dyn ToString| at.fault(None, Problem::Damaged(what.to_string()));
        let end = source.len();
        let held = fetch(source, end.saturating_sub(FOOTER)..end, at, None)?;
        let tail = held.last_chunk::<TAIL>().ok_or_else(|| damaged(&"it is shorter than a footer"))?;
        let tail = FooterTail::try_new(tail).map_err(|_| damaged(&"it does not end as Parquet does"))?;
        if tail.is_encrypted_footer() {
            return Err(at.fault(None, Problem::UnknownFormat("it is encrypted by Parquet's own means".to_owned())));
        }
        let length = tail.metadata_length() + TAIL;
        let footer = match held.len().checked_sub(length) {
            Some(from) => held.slice(from..),
            None => {
                let from = end.checked_sub(length as u64).ok_or_else(|| damaged(&"it is shorter than its footer"))?;
                fetch(source, from..end, at, None)?
            }
        };
        let options = ParquetMetaDataOptions::new()
            .with_column_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let footer = footer.get(..footer.len() - TAIL).unwrap_or_default();
        let metadata = ParquetMetaDataReader::decode_metadata_with_options(footer, Some(&options))
            .map_err(|error| damaged(&error))?;
        let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
        let columns: Vec<&str> = fields.iter().map(|field| field.name()).collect();
        let layout = Layout::of(&columns, task.question, &task.tag).map_err(|none| match none {
            NoLayout::UnknownFormat(what) => at.fault(None, Problem::UnknownFormat(what)),
            NoLayout::MissingColumn(column) => at.fault(Some(&column), Problem::MissingColumn(column.clone())),
        })?;
        Ok(Self { source, metadata, layout })
    }

    /// How many row groups it has.
    pub(crate) fn row_groups(&self) -> usize {
        self.metadata.num_row_groups()
    }

    /// How many bytes a row group has, all its columns together.
    pub(crate) fn bytes(&self, row_group: usize) -> u64 {
        u64::try_from(self.metadata.row_group(row_group).compressed_size()).unwrap_or_default()
    }

    /// Reads a row group.
    pub(crate) fn read(&self, row_group: usize, tally: &mut Tally<'_>) -> Result<(), Fault> {
        let at = At { row_group: Some(row_group), ..At::file(self.source.name()) };
        let metadata = self.metadata.row_group(row_group);
        let mut left = usize::try_from(metadata.num_rows())
            .map_err(|_| at.fault(None, Problem::Damaged("its number of lines is negative".to_owned())))?;
        let mut columns = self.columns(row_group, at)?;
        tally.lines.reset();
        while left > 0 {
            let lines = left.min(BATCH);
            columns.fill(lines, &mut tally.words, &tally.task.tag, &mut tally.lines, at)?;
            tally.count(&self.layout, at)?;
            left -= lines;
        }
        (tally.task.progress)(self.bytes(row_group));
        Ok(())
    }

    /// The leaves of a field: one, unless it is a map.
    fn leaves(&self, row_group: usize, place: &Place, at: At<'_>) -> Result<Vec<Leaf>, Fault> {
        let schema = self.metadata.file_metadata().schema_descr();
        let group = self.metadata.row_group(row_group);
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let of_place = (0..schema.num_columns()).filter(|leaf| schema.get_column_root_idx(*leaf) == place.index);
        of_place
            .map(|index| {
                let damaged = |what: &str| at.fault(Some(&place.name), Problem::Damaged(what.to_owned()));
                let chunk = group.columns().get(index).ok_or_else(|| damaged("the row group does not have it"))?;
                let begin = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
                let begin = u64::try_from(begin).map_err(|_| damaged("it begins nowhere"))?;
                let length = u64::try_from(chunk.compressed_size()).map_err(|_| damaged("it has no length"))?;
                let end = begin.checked_add(length).ok_or_else(|| damaged("it has no end"))?;
                let bytes = fetch(self.source, begin..end, at, Some(&place.name))?;
                Leaf::new(Chunk { begin, bytes }, chunk, schema.column(index), rows)
                    .map_err(|bad| at.fault(Some(&place.name), bad.problem()))
            })
            .collect()
    }

    fn columns(&self, row_group: usize, at: At<'_>) -> Result<Columns<'_>, Fault> {
        Ok(Columns {
            account: self.column(row_group, Field::Account, at)?,
            service: self.column(row_group, Field::Service, at)?,
            owner: self.column(row_group, Field::Owner, at)?,
            tags: self.tags(row_group, at)?,
            unit: self.column(row_group, Field::Unit, at)?,
            kind: self.column(row_group, Field::Kind, at)?,
            class: self.column(row_group, Field::Class, at)?,
            currency: self.column(row_group, Field::Currency, at)?,
            reserved: self.column(row_group, Field::Reservation, at)?,
            month: self.column(row_group, Field::Month, at)?,
            start: self.column(row_group, Field::Start, at)?,
            end: self.column(row_group, Field::End, at)?,
            cost: self.column(row_group, Field::Cost, at)?,
            covered_cost: self.column(row_group, Field::CoveredCost, at)?,
            commitment: self.column(row_group, Field::Commitment, at)?,
            used_commitment: self.column(row_group, Field::UsedCommitment, at)?,
            reserved_cost: self.column(row_group, Field::ReservedCost, at)?,
            unused_upfront: self.column(row_group, Field::UnusedUpfront, at)?,
            unused_recurring: self.column(row_group, Field::UnusedRecurring, at)?,
            quantity: self.column(row_group, Field::Quantity, at)?,
        })
    }

    fn column<V: Copy>(
        &self,
        row_group: usize,
        field: Field,
        at: At<'_>,
    ) -> Result<Option<Named<'_, Column<V>>>, Fault> {
        let Some(place) = self.layout.place(field) else { return Ok(None) };
        let mut leaves = self.leaves(row_group, place, at)?.into_iter();
        let column = match (leaves.next(), leaves.next()) {
            (Some(leaf), None) => Column::new(leaf),
            _ => Err(Bad::nested()),
        };
        let column = column.map_err(|bad| at.fault(Some(&place.name), bad.problem()))?;
        Ok(Some(Named { name: &place.name, column }))
    }

    fn tags(&self, row_group: usize, at: At<'_>) -> Result<Option<Named<'_, AllTags>>, Fault> {
        let Some(place) = self.layout.place(Field::Tags) else { return Ok(None) };
        let mut leaves = self.leaves(row_group, place, at)?.into_iter();
        let column = match (leaves.next(), leaves.next(), leaves.next()) {
            (Some(text), None, None) => Column::new(text).map(AllTags::Json),
            (Some(keys), Some(values), None) => Tags::new(keys, values).map(|tags| AllTags::Map(Box::new(tags))),
            _ => Err(Wrong::new("a group", "a map of text, or its JSON").into()),
        };
        let column = column.map_err(|bad| at.fault(Some(&place.name), bad.problem()))?;
        Ok(Some(Named { name: &place.name, column }))
    }
}

/// All tags of the lines, in one of two forms.
enum AllTags {
    Json(Column<u32>),
    Map(Box<Tags>),
}

/// A column and its name, for messages.
struct Named<'a, T> {
    name: &'a str,
    column: T,
}

/// The columns of a row group that are needed.
struct Columns<'a> {
    account: Option<Named<'a, Column<u32>>>,
    service: Option<Named<'a, Column<u32>>>,
    owner: Option<Named<'a, Column<u32>>>,
    tags: Option<Named<'a, AllTags>>,
    unit: Option<Named<'a, Column<u32>>>,
    kind: Option<Named<'a, Column<u32>>>,
    class: Option<Named<'a, Column<u32>>>,
    currency: Option<Named<'a, Column<u32>>>,
    reserved: Option<Named<'a, Column<bool>>>,
    month: Option<Named<'a, Column<Moment>>>,
    start: Option<Named<'a, Column<Moment>>>,
    end: Option<Named<'a, Column<Moment>>>,
    cost: Option<Named<'a, Column<i128>>>,
    covered_cost: Option<Named<'a, Column<i128>>>,
    commitment: Option<Named<'a, Column<i128>>>,
    used_commitment: Option<Named<'a, Column<i128>>>,
    reserved_cost: Option<Named<'a, Column<i128>>>,
    unused_upfront: Option<Named<'a, Column<i128>>>,
    unused_recurring: Option<Named<'a, Column<i128>>>,
    quantity: Option<Named<'a, Column<i128>>>,
}

impl Columns<'_> {
    /// The next lines.
    fn fill(&mut self, count: usize, words: &mut Words, tag: &Tag, lines: &mut Lines, at: At<'_>) -> Result<(), Fault> {
        texts(&mut self.account, count, &mut words.accounts, &mut lines.account, at)?;
        texts(&mut self.service, count, &mut words.services, &mut lines.service, at)?;
        texts(&mut self.owner, count, &mut words.owners, &mut lines.owner, at)?;
        texts(&mut self.unit, count, &mut words.units, &mut lines.unit, at)?;
        texts(&mut self.kind, count, &mut words.kinds, &mut lines.kind, at)?;
        texts(&mut self.class, count, &mut words.classes, &mut lines.class, at)?;
        texts(&mut self.currency, count, &mut words.currencies, &mut lines.currency, at)?;
        texts(&mut self.reserved, count, &mut Reserved, &mut lines.reserved, at)?;
        texts(&mut self.month, count, &mut words.months, &mut lines.month, at)?;
        texts(&mut self.start, count, &mut words.days, &mut lines.start, at)?;
        texts(&mut self.end, count, &mut words.ends, &mut lines.end, at)?;
        numbers(&mut self.cost, count, &mut lines.cost, at)?;
        numbers(&mut self.covered_cost, count, &mut lines.covered_cost, at)?;
        numbers(&mut self.commitment, count, &mut lines.commitment, at)?;
        numbers(&mut self.used_commitment, count, &mut lines.used_commitment, at)?;
        numbers(&mut self.reserved_cost, count, &mut lines.reserved_cost, at)?;
        numbers(&mut self.unused_upfront, count, &mut lines.unused_upfront, at)?;
        numbers(&mut self.unused_recurring, count, &mut lines.unused_recurring, at)?;
        numbers(&mut self.quantity, count, &mut lines.quantity, at)?;
        if let Some(Named { name, column }) = &mut self.tags {
            let mut owners = Owners { tag, names: &mut words.owners, remembered: &mut words.remembered };
            let filled = match column {
                AllTags::Json(column) => column.fill(count, &mut owners, &mut lines.owner).map(drop),
                AllTags::Map(tags) => tags.fill(count, &mut owners, &mut lines.owner),
            };
            filled.map_err(|bad| at.fault(Some(name), bad.problem()))?;
        }
        Ok(())
    }
}

fn texts<C: Convert>(
    column: &mut Option<Named<'_, Column<C::Value>>>,
    count: usize,
    convert: &mut C,
    values: &mut Vec<C::Value>,
    at: At<'_>,
) -> Result<(), Fault> {
    let Some(Named { name, column }) = column else { return Ok(()) };
    column.fill(count, convert, values).map_err(|bad| at.fault(Some(name), bad.problem()))?;
    Ok(())
}

fn numbers(
    column: &mut Option<Named<'_, Column<i128>>>,
    count: usize,
    numbers: &mut Numbers,
    at: At<'_>,
) -> Result<(), Fault> {
    let Some(Named { name, column }) = column else { return Ok(()) };
    // Odd numbers are kept beside the values, so both are changed at once.
    let mut values = std::mem::take(&mut numbers.values);
    let filled = column.fill(count, numbers, &mut values);
    numbers.values = values;
    numbers.present += filled.map_err(|bad| at.fault(Some(name), bad.problem()))?;
    Ok(())
}

/// Whether a line belongs to a reservation.
struct Reserved;

impl Convert for Reserved {
    type Value = bool;

    fn nothing(&self) -> bool {
        false
    }

    fn convert(&mut self, raw: Raw<'_>) -> Result<bool, Wrong> {
        match raw {
            Raw::Text(text) => Ok(is_reservation(text)),
            other => Err(other.wrong("text")),
        }
    }
}
