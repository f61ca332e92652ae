//! The same question as SQL, for exports that are too large to be read by one function.
//!
//! Athena adds up the lines that a question does not tell apart, over a table of the export's files, and what comes back
//! is an export of fewer lines, read as every other one. So there is one place that knows which lines count and what they
//! cost; SQL only adds. The statement is in the part of Trino's SQL that DuckDB understands as well, which the local
//! stage runs it on: <https://docs.aws.amazon.com/athena/latest/ug/ddl-sql-reference.html>.

use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::Range;

use bytes::Bytes;
use jiff::civil::Date;

use crate::csv::{self, Broken, Records};
use crate::fault::{At, Fault, Problem};
use crate::layout::{Export, Field, Layout, NoLayout};
use crate::question::Question;
use crate::source::Source;
use crate::summarise::summarise;
use crate::summary::Summary;
use crate::tags::Tag;

/// Decimals that amounts are rounded to, each by itself, before they are added. Costs have ten.
const DECIMALS: u32 = 18;

/// What JSON says otherwise, of what may stand in a tag.
const ESCAPED: [(&str, &str); 5] =
    [(r"'\'", r"'\\'"), (r#"'"'"#, r#"'\"'"#), ("chr(9)", r"'\t'"), ("chr(10)", r"'\n'"), ("chr(13)", r"'\r'")];

/// The column of the answer that says how many lines were added up to one.
const LINES: &str = "lines";

/// A table over the files of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its database.
    pub database: String,
    /// Its name.
    pub name: String,
    /// Its columns, those that files are parted by included.
    pub columns: Vec<Column>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as the Data Catalog has it, such as `map<string,string>`.
    pub kind: String,
}

/// A question about one month, to be put to a table.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The SQL.
    pub sql: String,
    question: Question,
    month: Date,
    table: String,
}

impl Statement {
    /// What to ask a table, so that its answer is that to the question in the billing month that begins on this day.
    ///
    /// # Errors
    /// When the table's columns are those of no export, or one is missing that the question needs.
    pub fn of(table: &Table, question: &Question, month: Date) -> Result<Self, Fault> {
        let Table { database, name, columns } = table;
        let called = format!("table {database}.{name}");
        let tag = Tag::new(&question.owner_tag);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let layout = Layout::of(&names, question, &tag).map_err(|none| {
            let at = At::file(&called);
            match none {
                NoLayout::UnknownFormat(what) => at.fault(None, Problem::UnknownFormat(what)),
                NoLayout::MissingColumn(column) => at.fault(Some(&column), Problem::MissingColumn(column.clone())),
            }
        })?;
        Ok(Self {
            sql: Select::of(table, &layout, &tag).sql(table, &layout, month),
            question: question.clone(),
            month,
            table: called,
        })
    }

    /// Reads what the statement gave, in CSV as Athena writes it.
    ///
    /// # Errors
    /// When it cannot be read, when lines are in several currencies, or when there is no line at all: a month for which
    /// somebody asks has some, so a table without any does not know its files.
    pub fn read(&self, answer: &dyn Source) -> Result<Summary, Fault> {
        let answer = Named { name: &self.table, source: answer };
        // Lines of the answer are no lines of the export, and their numbers would mislead.
        let of_export = |fault: Fault| Fault { line: None, ..fault };
        let summary = summarise(&[&answer], &self.question, NonZeroUsize::MIN, &|_| {}).map_err(of_export)?;
        let lines = lines_in(&answer).map_err(|broken| csv::fault(&self.table, 0, broken))?;
        if lines == 0 {
            let what = format!("it has no lines of {}; are its partitions known?", self.month.strftime("%Y-%m"));
            return Err(At::file(&self.table).fault(None, Problem::Unreadable(what)));
        }
        Ok(Summary { lines, ..summary })
    }
}

/// What is read of each line, what is told of each group of lines, and what a group has in common. Names that stand for
/// neither have the number of their column in the answer.
#[derive(Default)]
struct Select {
    read: Vec<String>,
    told: Vec<String>,
    groups: Vec<String>,
}

impl Select {
    fn of(table: &Table, layout: &Layout, tag: &Tag) -> Self {
        let mut select = Self::default();
        for (field, place) in layout.places() {
            let Some(column) = table.columns.get(place.index) else { continue };
            let (source, name) = (quoted(&column.name), place.name.as_str());
            match field {
                Field::Account
                | Field::Service
                | Field::Owner
                | Field::Unit
                | Field::Kind
                | Field::Class
                | Field::Currency => select.group(&word(&source), name),
                Field::Tags => select.group_by_owner(column, name, layout.export, tag),
                // Which reservation it is makes no difference.
                Field::Reservation => {
                    select.group(&format!("CASE WHEN {} IN ('', 'NULL') THEN '' ELSE 'yes' END", word(&source)), name);
                }
                Field::Month => select.group(&day(&source), name),
                Field::Start => {
                    select.read.push(format!("{} AS starts", moment(&source)));
                    select.read.push(format!("{} AS days", day(&source)));
                    select.groups.push("days".to_owned());
                    select.told.push(format!("max(starts) AS {}", quoted(name)));
                }
                // That of the lines that tell how far usage is known. Since the group is told to begin with the latest
                // beginning of its lines, it lasts no longer than the line that this is the end of.
                Field::End if layout.place(Field::Start).is_some() => {
                    select.read.push(format!("{} AS ends", moment(&source)));
                    let short = "CAST(ends AS timestamp) <= CAST(starts AS timestamp) + INTERVAL '1' DAY";
                    select.told.push(format!("max(CASE WHEN {short} THEN ends END) AS {}", quoted(name)));
                }
                Field::End => {}
                Field::Quantity
                | Field::Cost
                | Field::CoveredCost
                | Field::Commitment
                | Field::UsedCommitment
                | Field::ReservedCost
                | Field::UnusedUpfront
                | Field::UnusedRecurring => {
                    let amount = format!("n{}", select.told.len() + 1);
                    select.read.push(format!("{} AS {amount}", number(&source)));
                    select.told.push(format!("sum({amount}) AS {}", quoted(name)));
                }
            }
        }
        select.told.push(format!("count(*) AS {LINES}"));
        select
    }

    fn group(&mut self, value: &str, name: &str) {
        let group = format!("g{}", self.told.len() + 1);
        self.read.push(format!("{value} AS {group}"));
        self.told.push(format!("{group} AS {}", quoted(name)));
        self.groups.push(group);
    }

    /// By the owner alone where the tags are a map. Where they are JSON the two engines agree on no way to name a key,
    /// so all tags of a line come back, and the reader finds the owner among them.
    fn group_by_owner(&mut self, column: &Column, name: &str, export: Export, tag: &Tag) {
        let source = quoted(&column.name);
        if !column.kind.trim_start().to_ascii_lowercase().starts_with("map") {
            return self.group(&word(&source), name);
        }
        let [plain, ..] = &tag.keys;
        let keys = tag.keys.each_ref().map(|key| format!("element_at({source}, {})", literal(key)));
        let owner = keys.join(", ");
        match export {
            // Which has no column for a single tag, so it is told as all tags are.
            Export::Focus => {
                let owner = ESCAPED.iter().fold(format!("COALESCE({owner})"), |owner, (sign, escaped)| {
                    format!("replace({owner}, {sign}, {escaped})")
                });
                let json = format!("{} || {owner} || '\"}}'", literal(&format!("{{\"{plain}\":\"")));
                self.group(&format!("COALESCE({json}, '')"), name);
            }
            Export::LegacyCsv | Export::Cur { .. } => self.group(&format!("COALESCE({owner}, '')"), &tag.flat),
        }
    }

    fn sql(&self, table: &Table, layout: &Layout, month: Date) -> String {
        let Self { read, told, groups } = self;
        format!(
            "WITH line_items AS (\n  SELECT\n    {}\n  FROM {}.{}\n  WHERE {}\n)\n\
             SELECT\n  {}\nFROM line_items\nGROUP BY {}",
            read.join(",\n    "),
            quoted(&table.database),
            quoted(&table.name),
            of_month(table, layout, month).join("\n    AND "),
            told.join(",\n  "),
            groups.join(", ")
        )
    }
}

/// What the lines of a month have in common. What files are parted by is named besides, so that others are not read:
/// `billing_period` of CUR 2.0 and FOCUS, `year` and `month` of the legacy report.
fn of_month(table: &Table, layout: &Layout, month: Date) -> Vec<String> {
    let mut conditions = Vec::new();
    if let Some(place) = layout.place(Field::Month)
        && let Some(column) = table.columns.get(place.index)
    {
        let begins = literal(&month.strftime("%Y-%m-%d").to_string());
        conditions.push(format!("{} = {begins}", day(&quoted(&column.name))));
    }
    let parted_by = |name: &str| {
        let is_text = |kind: &str| ["string", "varchar"].iter().any(|text| kind.starts_with(text));
        table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name) && is_text(&column.kind))
    };
    let parts: [(&str, &[&str]); 3] = [("billing_period", &["%Y-%m"]), ("year", &["%Y"]), ("month", &["%m", "%-m"])];
    for (name, forms) in parts.into_iter().filter(|(name, _)| parted_by(name)) {
        let mut values: Vec<_> = forms.iter().map(|form| literal(&month.strftime(form).to_string())).collect();
        values.dedup();
        conditions.push(format!("{} IN ({})", quoted(name), values.join(", ")));
    }
    conditions
}

/// A text; none is the empty one.
fn word(source: &str) -> String {
    format!("COALESCE(CAST({source} AS varchar), '')")
}

/// A moment as `2026-11-01 00:00:00`, whether the column has times or their text.
fn moment(source: &str) -> String {
    format!("NULLIF(NULLIF(replace(substr(CAST({source} AS varchar), 1, 19), 'T', ' '), ''), 'NULL')")
}

/// The day of a moment.
fn day(source: &str) -> String {
    format!("substr({}, 1, 10)", moment(source))
}

/// A number, whether the column has doubles, decimals or text. By way of text a double counts by its shortest decimal
/// form in both engines.
fn number(source: &str) -> String {
    format!("CAST(NULLIF(NULLIF(CAST({source} AS varchar), ''), 'NULL') AS decimal(38, {DECIMALS}))")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// An answer under the name of the table that gave it.
struct Named<'a> {
    name: &'a str,
    source: &'a dyn Source,
}

impl Source for Named<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn len(&self) -> u64 {
        self.source.len()
    }

    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        self.source.bytes(range)
    }

    fn stream(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        self.source.stream()
    }
}

/// How many lines of the table an answer stands for.
fn lines_in(answer: &dyn Source) -> Result<u64, Broken> {
    let mut records = Records::new(answer.stream().map_err(Broken::Read)?);
    let header = records.header()?;
    let column = header.iter().position(|name| name == LINES).ok_or(Broken::Text("its lines are not counted"))?;
    let (mut lines, mut spans) = (0_u64, Vec::new());
    while records.next(&[column], header.len(), &mut spans)? {
        let text = spans.first().map(|span| records.field(*span)).unwrap_or_default();
        let count = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<u64>().ok());
        lines = lines.saturating_add(count.ok_or(Broken::Text("a count of lines is no number"))?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
