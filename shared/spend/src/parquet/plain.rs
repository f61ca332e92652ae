//! Pages in encodings that AWS does not use, but others who write such files do: the library reads them, and what it
//! read is laid down again in the encoding `PLAIN`, so that everything else knows two ways of reading and no more.

use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReaderImpl, get_column_reader, get_typed_column_reader};
use parquet::data_type::{
    AsBytes, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, Int32Type, Int64Type, Int96Type,
};
use parquet::errors::Result as ParquetResult;
use parquet::schema::types::ColumnDescPtr;

use super::Bad;

/// The same page in the encoding `PLAIN`.
pub(super) fn rewrite(page: Page, column: &ColumnDescPtr) -> Result<Page, Bad> {
    match column.physical_type() {
        Type::INT32 => rewrite_as::<Int32Type>(page, column, false),
        Type::INT64 => rewrite_as::<Int64Type>(page, column, false),
        Type::INT96 => rewrite_as::<Int96Type>(page, column, false),
        Type::DOUBLE => rewrite_as::<DoubleType>(page, column, false),
        Type::BYTE_ARRAY => rewrite_as::<ByteArrayType>(page, column, true),
        Type::FIXED_LEN_BYTE_ARRAY => rewrite_as::<FixedLenByteArrayType>(page, column, false),
        other => Err(Bad::Damaged(format!("columns of type {other} are not read"))),
    }
}

fn rewrite_as<T: DataType>(page: Page, column: &ColumnDescPtr, with_length: bool) -> Result<Page, Bad>
where
    T::T: AsBytes,
{
    let entries = page.num_values();
    let reader = get_column_reader(column.clone(), Box::new(Single(Some(page))));
    let mut reader: ColumnReaderImpl<T> = get_typed_column_reader(reader);
    let (mut definition, mut repetition, mut values) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        let (records, ..) =
            reader.read_records(entries as usize, Some(&mut definition), Some(&mut repetition), &mut values)?;
        if records == 0 {
            break;
        }
    }
    let mut buf = Vec::new();
    lay_levels(&mut buf, column.max_rep_level(), &repetition);
    lay_levels(&mut buf, column.max_def_level(), &definition);
    for value in &values {
        let bytes = value.as_bytes();
        if with_length {
            buf.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        }
        buf.extend_from_slice(bytes);
    }
    Ok(Page::DataPage {
        buf: buf.into(),
        num_values: entries,
        encoding: Encoding::PLAIN,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    })
}

/// Writes levels as runs, with their length before them.
fn lay_levels(buf: &mut Vec<u8>, most: i16, levels: &[i16]) {
    if most == 0 {
        return;
    }
    let mut runs = Vec::new();
    for run in levels.chunk_by(|one, other| one == other) {
        let mut header = (run.len() as u64) << 1;
        while header >= 0x80 {
            runs.push((header & 0x7f) as u8 | 0x80);
            header >>= 7;
        }
        runs.push(header as u8);
        // No column of an export goes as deep as 256.
        runs.extend(run.first().map(|level| level.unsigned_abs() as u8));
    }
    buf.extend_from_slice(&(runs.len() as u32).to_le_bytes());
    buf.extend_from_slice(&runs);
}

/// A column of one page.
struct Single(Option<Page>);

impl Iterator for Single {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageReader for Single {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.0.take())
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(self.0.as_ref().map(|page| PageMetadata {
            num_rows: None,
            num_levels: Some(page.num_values() as usize),
            is_dict: false,
        }))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.0 = None;
        Ok(())
    }
}
