//! Writes the files of an export as AWS does: Parquet compressed with Snappy, in one row group, and CSV with gzip.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use flate2::write::GzEncoder;
use jiff::Timestamp;
use jiff::civil::Date;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::Line;
use super::columns::{ALL, Column, Kind};

/// Why a file could not be written.
pub(super) type Fault = Box<dyn std::error::Error>;

/// A CSV file with these lines of a month.
pub(super) fn csv(month: Date, lines: &[&Line]) -> Result<Vec<u8>, Fault> {
    let quoted = |text: String| format!("\"{}\"", text.replace('"', "\"\""));
    let mut file = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writeln!(file, "{}", ALL.iter().map(|column| column.name).collect::<Vec<_>>().join(","))?;
    for line in lines {
        let fields = ALL.iter().map(|column| (column.text)(line, month).map(quoted).unwrap_or_default());
        writeln!(file, "{}", fields.collect::<Vec<_>>().join(","))?;
    }
    Ok(file.finish()?)
}

/// A Parquet file with these lines of a month.
pub(super) fn parquet(month: Date, lines: &[&Line]) -> Result<Vec<u8>, Fault> {
    let fields: String = ALL.iter().map(|column| column.kind.in_parquet(column.name)).collect();
    let schema = parse_message_type(&format!("message export {{ {fields} }}"))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut content = Vec::new();
    let mut file = SerializedFileWriter::new(&mut content, Arc::new(schema), Arc::new(properties))?;
    let mut group = file.next_row_group()?;
    for column in ALL {
        let texts: Vec<_> = lines.iter().map(|line| (column.text)(line, month)).collect();
        write_column(&mut group, column, &texts)?;
    }
    group.close()?;
    file.close()?;
    Ok(content)
}

type RowGroup<'a, 'b> = SerializedRowGroupWriter<'a, &'b mut Vec<u8>>;

/// Writes what a column says of each line, given as CSV files have it.
fn write_column(group: &mut RowGroup<'_, '_>, column: &Column, texts: &[Option<String>]) -> Result<(), Fault> {
    // A value that is there is defined one level deeper than one that is not.
    let levels: Vec<i16> = texts.iter().map(|text| i16::from(text.is_some())).collect();
    let given = texts.iter().flatten();
    match column.kind {
        Kind::Text => {
            let texts: Vec<ByteArray> = given.map(|text| ByteArray::from(text.as_str())).collect();
            write_values::<ByteArrayType>(group, &texts, &levels, None)
        }
        Kind::Number => {
            let numbers = given.map(|text| text.parse()).collect::<Result<Vec<f64>, _>>()?;
            write_values::<DoubleType>(group, &numbers, &levels, None)
        }
        Kind::Moment => {
            let moments = given.map(|text| text.parse().map(Timestamp::as_millisecond));
            write_values::<Int64Type>(group, &moments.collect::<Result<Vec<_>, _>>()?, &levels, None)
        }
        Kind::Tags => {
            let tags = given.map(|text| serde_json::from_str(text)).collect::<Result<Vec<_>, _>>()?;
            write_tags(group, &tags)
        }
    }
}

/// Writes a map for each line: a column of all keys, then one of all values.
fn write_tags(group: &mut RowGroup<'_, '_>, tags: &[BTreeMap<String, String>]) -> Result<(), Fault> {
    // What repeats is one level deep; an empty map is defined to the first level, a key to the second, a value to the
    // third.
    let nested = |deepest: i16| -> (Vec<i16>, Vec<i16>) {
        let of_map = |map: &BTreeMap<String, String>| {
            let entries = (0..map.len()).map(|index| (deepest, i16::from(index > 0)));
            if map.is_empty() { vec![(1, 0)] } else { entries.collect() }
        };
        tags.iter().flat_map(of_map).unzip()
    };
    let bytes = |text: &String| ByteArray::from(text.as_str());
    let (levels, repeats) = nested(2);
    let keys: Vec<ByteArray> = tags.iter().flat_map(BTreeMap::keys).map(bytes).collect();
    write_values::<ByteArrayType>(group, &keys, &levels, Some(&repeats))?;
    let (levels, repeats) = nested(3);
    let values: Vec<ByteArray> = tags.iter().flat_map(BTreeMap::values).map(bytes).collect();
    write_values::<ByteArrayType>(group, &values, &levels, Some(&repeats))
}

/// Writes the next column of the schema.
fn write_values<T: DataType>(
    group: &mut RowGroup<'_, '_>,
    values: &[T::T],
    levels: &[i16],
    repeats: Option<&[i16]>,
) -> Result<(), Fault> {
    let mut column = group.next_column()?.ok_or("the schema has no further column")?;
    column.typed::<T>().write_batch(values, Some(levels), repeats)?;
    Ok(column.close()?)
}
