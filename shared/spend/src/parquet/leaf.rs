//! One column of one row group: its pages, one after the other, opened up to levels and values.

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use parquet::schema::types::ColumnDescPtr;

use super::form::Form;
use super::hybrid::Hybrid;
use super::{Bad, plain};
use crate::convert::Wrong;

/// The bytes of one column of one row group, fetched at once; offsets are the file's.
pub(super) struct Chunk {
    pub(super) begin: u64,
    pub(super) bytes: Bytes,
}

impl Length for Chunk {
    fn len(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }
}

impl Chunk {
    fn rest(&self, start: u64) -> ParquetResult<Bytes> {
        let from = start.checked_sub(self.begin).and_then(|from| usize::try_from(from).ok());
        let from = from.filter(|from| *from <= self.bytes.len());
        from.map(|from| self.bytes.slice(from..)).ok_or_else(|| ParquetError::EOF("a page lies outside".to_owned()))
    }
}

impl ChunkReader for Chunk {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(bytes::Buf::reader(self.rest(start)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut rest = self.rest(start)?;
        if length > rest.len() {
            return Err(ParquetError::EOF("a page goes beyond its column".to_owned()));
        }
        Ok(rest.split_to(length))
    }
}

/// Values of a page that are still to be taken.
pub(super) enum Values {
    /// Indices into the dictionary.
    Indices(Hybrid),
    /// The values themselves.
    Plain(Bytes),
}

/// The page that is being read.
pub(super) struct Open {
    /// How many entries are left. In a flat column each is a line.
    pub(super) left: usize,
    /// At which depth an entry begins, where the column repeats.
    pub(super) repetition: Option<Hybrid>,
    /// Whether an entry has a value, and where not, what is there; none where all have.
    pub(super) definition: Option<Hybrid>,
    pub(super) values: Values,
}

/// What comes next.
pub(super) enum Next {
    /// A page was opened.
    Page(Box<Open>),
    /// So many values, in the encoding `PLAIN`, to which the indices of pages refer.
    Dictionary(Bytes, usize),
    End,
}

/// The pages of a column in a row group.
pub(super) struct Leaf {
    pages: SerializedPageReader<Chunk>,
    column: ColumnDescPtr,
    pub(super) form: Form,
}

impl Leaf {
    pub(super) fn new(
        chunk: Chunk,
        metadata: &ColumnChunkMetaData,
        column: ColumnDescPtr,
        rows: usize,
    ) -> Result<Self, Bad> {
        let Some(form) = Form::of(&column) else {
            return Err(Wrong::new(column.physical_type(), "values of type DOUBLE or DECIMAL, times or text").into());
        };
        let pages = SerializedPageReader::new(chunk.into(), metadata, rows, None)?;
        Ok(Self { pages, column, form })
    }

    /// The level at which an entry has a value.
    pub(super) fn full(&self) -> u32 {
        u32::from(self.column.max_def_level().unsigned_abs())
    }

    /// Whether it has a value for each line at most, and no more.
    pub(super) fn is_flat(&self) -> bool {
        self.column.max_rep_level() == 0 && self.column.max_def_level() <= 1
    }

    pub(super) fn next(&mut self) -> Result<Next, Bad> {
        loop {
            let Some(page) = self.pages.get_next_page()? else { return Ok(Next::End) };
            if let Page::DictionaryPage { buf, num_values, encoding, .. } = page {
                if !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
                    return Err(Bad::Damaged(format!("a dictionary in the encoding {encoding}")));
                }
                return Ok(Next::Dictionary(buf, num_values as usize));
            }
            if page.num_values() == 0 {
                continue;
            }
            let known =
                matches!(page.encoding(), Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
            let page = if known { page } else { plain::rewrite(page, &self.column)? };
            return self.open(page).map(|open| Next::Page(Box::new(open)));
        }
    }

    fn open(&self, page: Page) -> Result<Open, Bad> {
        let (repeats, defines) = (self.column.max_rep_level(), self.column.max_def_level());
        let (left, encoding) = (page.num_values() as usize, page.encoding());
        let (mut data, repetition, definition);
        match page {
            Page::DataPage { buf, def_level_encoding, rep_level_encoding, .. } => {
                let used = [(repeats, rep_level_encoding), (defines, def_level_encoding)];
                if let Some((_, other)) = used.into_iter().find(|(most, used)| *most > 0 && *used != Encoding::RLE) {
                    return Err(Bad::Damaged(format!("levels in the encoding {other}")));
                }
                data = buf;
                repetition = levels(&mut data, repeats, None)?;
                definition = levels(&mut data, defines, None)?;
            }
            Page::DataPageV2 { buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                data = buf;
                repetition = levels(&mut data, repeats, Some(rep_levels_byte_len))?;
                definition = levels(&mut data, defines, Some(def_levels_byte_len))?;
            }
            Page::DictionaryPage { .. } => return Err(Bad::Short),
        }
        let values = if encoding == Encoding::PLAIN {
            Values::Plain(data)
        } else {
            let width = if data.is_empty() { 0 } else { u32::from(data.split_to(1).first().copied().unwrap_or(0)) };
            if width > u32::BITS {
                return Err(Bad::Damaged(format!("indices of {width} bits")));
            }
            Values::Indices(Hybrid::new(data, width))
        };
        Ok(Open { left, repetition, definition, values })
    }
}

/// Takes levels of up to `most` off the front of a page, where it has any.
fn levels(data: &mut Bytes, most: i16, length: Option<u32>) -> Result<Option<Hybrid>, Bad> {
    if most == 0 {
        // A newer page says how long they are even if they are of no use.
        let unused = length.map_or(0, |length| length as usize);
        return if unused <= data.len() { Ok(data.split_to(unused)).map(|_| None) } else { Err(Bad::Short) };
    }
    let length = match length {
        Some(length) => length,
        None => {
            let length = *data.first_chunk().ok_or(Bad::Short)?;
            bytes::Buf::advance(data, 4);
            u32::from_le_bytes(length)
        }
    };
    if length as usize > data.len() {
        return Err(Bad::Short);
    }
    let width = u16::BITS - most.unsigned_abs().leading_zeros();
    Ok(Some(Hybrid::new(data.split_to(length as usize), width)))
}
