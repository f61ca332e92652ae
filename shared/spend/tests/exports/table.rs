//! Exports for tests: a table of texts, written as CSV and as Parquet in each of the forms that are met.

use std::io::{self, Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use parquet::basic::{Compression, Type};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use spend::{Charges, Dimensions, Fault, Question, Source, Summary, summarise};

/// A file that is held in memory.
pub(super) struct Held {
    pub(super) name: String,
    pub(super) bytes: Bytes,
    /// How much a stream gives at most at a time.
    pub(super) at_once: usize,
}

impl Held {
    pub(super) fn new(name: &str, bytes: impl Into<Bytes>) -> Self {
        Self { name: name.to_owned(), bytes: bytes.into(), at_once: usize::MAX }
    }
}

impl Source for Held {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        let (from, to) = (range.start as usize, range.end as usize);
        if to > self.bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(self.bytes.slice(from..to))
    }

    fn stream(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(Slow { stream: Cursor::new(&self.bytes[..]), at_once: self.at_once }))
    }
}

struct Slow<R> {
    stream: R,
    at_once: usize,
}

impl<R: Read> Read for Slow<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.at_once);
        self.stream.read(&mut buffer[..most])
    }
}

/// The form that a column has in Parquet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Text,
    Double,
    Float,
    Int32 {
        scale: i32,
    },
    Int64 {
        scale: i32,
    },
    DecimalBytes {
        scale: i32,
    },
    DecimalFixed {
        scale: i32,
    },
    Millis,
    Micros,
    Nanos,
    Int96,
    /// A map, of which the text is pairs such as `user_owner=alice;user_team=red`; the value `-` is null.
    Map,
}

/// How Parquet is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writing {
    pub(super) compression: Compression,
    pub(super) dictionary: bool,
    pub(super) version: WriterVersion,
    /// Lines of a row group.
    pub(super) group: usize,
    /// Lines of a page.
    pub(super) page: usize,
}

impl Default for Writing {
    fn default() -> Self {
        Self {
            compression: Compression::SNAPPY,
            dictionary: true,
            version: WriterVersion::PARQUET_1_0,
            group: 1000,
            page: 300,
        }
    }
}

/// Lines with named columns. A cell may be none, which in CSV is the empty text.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) columns: Vec<(String, Form)>,
    pub(super) lines: Vec<Vec<Option<String>>>,
}

impl Table {
    pub(super) fn new(columns: &[(&str, Form)]) -> Self {
        Self { columns: columns.iter().map(|(name, form)| ((*name).to_owned(), *form)).collect(), lines: Vec::new() }
    }

    /// Adds a line. An empty text is no value.
    pub(super) fn line(mut self, cells: &[&str]) -> Self {
        assert_eq!(cells.len(), self.columns.len(), "cells of {cells:?}");
        self.lines.push(cells.iter().map(|cell| (!cell.is_empty()).then(|| (*cell).to_owned())).collect());
        self
    }

    /// With a column in another form.
    pub(super) fn with_form(mut self, column: &str, form: Form) -> Self {
        self.columns.iter_mut().find(|(name, _)| name == column).unwrap().1 = form;
        self
    }

    pub(super) fn csv(&self) -> String {
        let quote = |text: &str| match text.contains([',', '"', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let mut csv = self.columns.iter().map(|(name, _)| quote(name)).collect::<Vec<_>>().join(",") + "\n";
        for line in &self.lines {
            let cell = |(cell, (_, form)): (&Option<String>, &(String, Form))| match form {
                Form::Map => quote(&json(cell.as_deref().unwrap_or_default())),
                _ => quote(cell.as_deref().unwrap_or_default()),
            };
            csv += &(line.iter().zip(&self.columns).map(cell).collect::<Vec<_>>().join(",") + "\n");
        }
        csv
    }

    pub(super) fn csv_gz(&self) -> Vec<u8> {
        gzip(self.csv().as_bytes())
    }

    pub(super) fn parquet(&self, writing: Writing) -> Vec<u8> {
        let field = |(name, form): &(String, Form)| match form {
            Form::Text => format!("optional binary {name} (UTF8);"),
            Form::Double => format!("optional double {name};"),
            Form::Float => format!("optional float {name};"),
            Form::Int32 { scale } => format!("optional int32 {name} (DECIMAL(9,{scale}));"),
            Form::Int64 { scale } => format!("optional int64 {name} (DECIMAL(18,{scale}));"),
            Form::DecimalBytes { scale } => format!("optional binary {name} (DECIMAL(38,{scale}));"),
            Form::DecimalFixed { scale } => {
                format!("optional fixed_len_byte_array(16) {name} (DECIMAL(38,{scale}));")
            }
            Form::Millis => format!("optional int64 {name} (TIMESTAMP(MILLIS,true));"),
            Form::Micros => format!("optional int64 {name} (TIMESTAMP(MICROS,true));"),
            Form::Nanos => format!("optional int64 {name} (TIMESTAMP(NANOS,true));"),
            Form::Int96 => format!("optional int96 {name};"),
            Form::Map => format!(
                "optional group {name} (MAP) {{ repeated group key_value {{ required binary key (UTF8); \
                 optional binary value (UTF8); }} }}"
            ),
        };
        let schema = format!("message export {{ {} }}", self.columns.iter().map(field).collect::<String>());
        let properties = WriterProperties::builder()
            .set_compression(writing.compression)
            .set_dictionary_enabled(writing.dictionary)
            .set_writer_version(writing.version)
            .set_data_page_row_count_limit(writing.page)
            .set_write_batch_size(64)
            .set_write_page_header_statistics(true)
            .build();
        let mut written = Vec::new();
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let mut file = SerializedFileWriter::new(&mut written, schema, Arc::new(properties)).unwrap();
        for lines in self.lines.chunks(writing.group) {
            let mut group = file.next_row_group().unwrap();
            for (index, (_, form)) in self.columns.iter().enumerate() {
                let cells: Vec<Option<&str>> = lines.iter().map(|line| line[index].as_deref()).collect();
                for leaf in leaves(&cells, *form) {
                    let mut column = group.next_column().unwrap().unwrap();
                    leaf.write(column.untyped(), *form);
                    column.close().unwrap();
                }
            }
            group.close().unwrap();
        }
        file.close().unwrap();
        written
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn pairs(text: &str) -> Vec<(&str, &str)> {
    text.split(';').filter_map(|pair| pair.split_once('=')).collect()
}

fn json(text: &str) -> String {
    let pairs: Vec<_> = pairs(text)
        .into_iter()
        .map(|(key, value)| (key, (value != "-").then_some(value)))
        .map(|(key, value)| format!("{}:{}", serde_json::json!(key), serde_json::json!(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

/// The values of a leaf, and their levels.
struct LeafValues<'a> {
    values: Vec<&'a str>,
    definition: Vec<i16>,
    repetition: Option<Vec<i16>>,
}

fn leaves<'a>(cells: &[Option<&'a str>], form: Form) -> Vec<LeafValues<'a>> {
    if form != Form::Map {
        return vec![LeafValues {
            values: cells.iter().flatten().copied().collect(),
            definition: cells.iter().map(|cell| i16::from(cell.is_some())).collect(),
            repetition: None,
        }];
    }
    let mut sides = [(); 2].map(|()| LeafValues { values: vec![], definition: vec![], repetition: Some(vec![]) });
    for cell in cells {
        let pairs = cell.map(pairs);
        let entries = pairs.as_deref().unwrap_or_default();
        if entries.is_empty() {
            for side in &mut sides {
                side.definition.push(i16::from(pairs.is_some()));
                side.repetition.as_mut().unwrap().push(0);
            }
        }
        for (index, (key, value)) in entries.iter().enumerate() {
            let [keys, values] = &mut sides;
            keys.values.push(key);
            keys.definition.push(2);
            values.definition.push(if *value == "-" { 2 } else { 3 });
            values.values.extend((*value != "-").then_some(*value));
            for side in [keys, values] {
                side.repetition.as_mut().unwrap().push(i16::from(index > 0));
            }
        }
    }
    sides.into()
}

impl LeafValues<'_> {
    fn write(&self, column: &mut ColumnWriter<'_>, form: Form) {
        let (definition, repetition) = (Some(&self.definition[..]), self.repetition.as_deref());
        macro_rules! write {
            ($writer:expr, $value:expr) => {{
                let values: Vec<_> = self.values.iter().map($value).collect();
                $writer.write_batch(&values, definition, repetition).unwrap();
            }};
        }
        match column {
            ColumnWriter::ByteArrayColumnWriter(writer) => match form {
                Form::DecimalBytes { scale } => write!(writer, |text| {
                    let bytes = digits(text, scale).to_be_bytes();
                    // As few bytes as keep the sign.
                    let sign = if bytes[0] >= 0x80 { 0xff } else { 0 };
                    let keep = |at: usize| bytes[at] == sign && at < 15 && (bytes[at + 1] >= 0x80) == (sign == 0xff);
                    let from = (0..16).find(|at| !keep(*at)).unwrap();
                    ByteArray::from(bytes[from..].to_vec())
                }),
                _ => write!(writer, |text| ByteArray::from(*text)),
            },
            ColumnWriter::FloatColumnWriter(writer) => write!(writer, |text| text.parse::<f32>().unwrap()),
            ColumnWriter::DoubleColumnWriter(writer) => write!(writer, |text| text.parse::<f64>().unwrap()),
            ColumnWriter::Int32ColumnWriter(writer) => {
                let Form::Int32 { scale } = form else { panic!("{form:?}") };
                write!(writer, |text| i32::try_from(digits(text, scale)).unwrap());
            }
            ColumnWriter::Int64ColumnWriter(writer) => write!(writer, |text| match form {
                Form::Int64 { scale } => i64::try_from(digits(text, scale)).unwrap(),
                Form::Millis => moment(text).as_millisecond(),
                Form::Micros => moment(text).as_microsecond(),
                _ => i64::try_from(moment(text).as_nanosecond()).unwrap(),
            }),
            ColumnWriter::Int96ColumnWriter(writer) => write!(writer, |text| {
                const DAY: i128 = 86_400_000_000_000;
                let nanos = moment(text).as_nanosecond();
                let (day, rest) = (nanos.div_euclid(DAY) + 2_440_588, nanos.rem_euclid(DAY));
                let mut value = Int96::new();
                value.set_data(rest as u32, (rest >> 32) as u32, day as u32);
                value
            }),
            ColumnWriter::FixedLenByteArrayColumnWriter(writer) => {
                let Form::DecimalFixed { scale } = form else { panic!("{form:?}") };
                write!(writer, |text| FixedLenByteArray::from(digits(text, scale).to_be_bytes().to_vec()));
            }
            _ => panic!("{:?} is not written", Type::BOOLEAN),
        }
    }
}

fn moment(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

/// A decimal number as a whole one of so many decimals.
fn digits(text: &str, scale: i32) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let zeros = "0".repeat(scale as usize - fraction.len());
    format!("{whole}{fraction}{zeros}").parse().unwrap()
}

/// What is asked in most tests: the unblended cost by everything.
pub(super) fn question() -> Question {
    Question {
        charges: Charges::Unblended,
        exclude: Default::default(),
        by: Dimensions { account: true, service: true, owner: true, day: true },
        owner_tag: "owner".to_owned(),
        usage: false,
    }
}

/// Sums up files, and holds that it does not matter how many threads do so.
pub(super) fn sum(files: &[Held], question: &Question) -> Result<Summary, Fault> {
    let sources: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
    let by = |threads: usize| summarise(&sources, question, NonZeroUsize::new(threads).unwrap(), &|_| {});
    let alone = by(1);
    let together = by(4);
    match (&alone, &together) {
        (Ok(alone), Ok(together)) => assert_eq!(alone, together),
        (alone, together) => assert_eq!(alone.is_err(), together.is_err(), "{alone:?} {together:?}"),
    }
    alone
}

/// Sums up one file.
pub(super) fn sum_one(name: &str, bytes: impl Into<Bytes>, question: &Question) -> Result<Summary, Fault> {
    sum(&[Held::new(name, bytes)], question)
}

/// The sums as lines such as `111122223333 AmazonEC2 alice 2026-11-01 12.5`; what is not told is `-`.
pub(super) fn told(summary: &Summary) -> Vec<String> {
    let word = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let day = |day: Option<jiff::civil::Date>| day.map_or("-".to_owned(), |day| day.to_string());
    let line = |(key, amount): (&spend::Key, _)| {
        format!("{} {} {} {} {amount}", word(&key.account), word(&key.service), word(&key.owner), day(key.day))
    };
    summary.sums.iter().map(line).collect()
}
