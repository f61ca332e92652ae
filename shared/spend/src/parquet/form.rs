//! The physical forms that values have in Parquet, and what each means. Of one and the same column several are met:
//! costs as doubles, decimals and text, times as text and in four units.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::schema::types::ColumnDescriptor;

use super::Bad;
use crate::convert::{Convert, Raw, Wrong};

const JULIAN_DAY_OF_1970: i64 = 2_440_588;
const DAY: i64 = 86_400_000_000;

/// The form of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Double,
    /// Text of any length.
    Text,
    /// Text that is always so long.
    FixedText(usize),
    /// Digits of a number, of which so many are decimals.
    Digits32(i32),
    Digits64(i32),
    /// The same in as many bytes as they take, the largest first.
    Digits(i32),
    /// The same in so many bytes each.
    FixedDigits(usize, i32),
    /// Days since 1970.
    Day,
    Millis,
    Micros,
    Nanos,
    /// Nanoseconds of a day, and its Julian number.
    Int96,
}

impl Form {
    /// The form of a column; none is one that nothing is known to have.
    pub(super) fn of(column: &ColumnDescriptor) -> Option<Self> {
        let (logical, converted) = (column.logical_type_ref(), column.converted_type());
        let decimal = matches!(logical, Some(LogicalType::Decimal(_))) || converted == ConvertedType::DECIMAL;
        let scale = if decimal { column.type_scale() } else { 0 };
        let length = usize::try_from(column.type_length()).unwrap_or_default();
        match column.physical_type() {
            Type::DOUBLE => Some(Self::Double),
            Type::BYTE_ARRAY if decimal => Some(Self::Digits(scale)),
            Type::BYTE_ARRAY => Some(Self::Text),
            Type::FIXED_LEN_BYTE_ARRAY if decimal => Some(Self::FixedDigits(length, scale)),
            Type::FIXED_LEN_BYTE_ARRAY => Some(Self::FixedText(length)),
            Type::INT32 if converted == ConvertedType::DATE => Some(Self::Day),
            Type::INT32 => Some(Self::Digits32(scale)),
            Type::INT64 => Some(match (logical, converted) {
                (Some(LogicalType::Timestamp(time)), _) => match time.unit {
                    TimeUnit::MILLIS => Self::Millis,
                    TimeUnit::MICROS => Self::Micros,
                    TimeUnit::NANOS => Self::Nanos,
                },
                (_, ConvertedType::TIMESTAMP_MILLIS) => Self::Millis,
                (_, ConvertedType::TIMESTAMP_MICROS) => Self::Micros,
                _ => Self::Digits64(scale),
            }),
            Type::INT96 => Some(Self::Int96),
            Type::BOOLEAN | Type::FLOAT => None,
        }
    }

    /// Takes so many values off the front of data in the encoding `PLAIN`, and gives what each means.
    pub(super) fn take<C: Convert>(
        self,
        data: &mut &[u8],
        count: usize,
        convert: &mut C,
        values: &mut Vec<C::Value>,
    ) -> Result<(), Bad> {
        match self {
            Self::Double => fixed(data, count, |bytes| Ok(Raw::Double(f64::from_le_bytes(*bytes))), convert, values),
            Self::Digits32(scale) => {
                fixed(data, count, |it| Ok(Raw::Decimal(i128::from(i32::from_le_bytes(*it)), scale)), convert, values)
            }
            Self::Digits64(scale) => {
                fixed(data, count, |it| Ok(Raw::Decimal(i128::from(i64::from_le_bytes(*it)), scale)), convert, values)
            }
            Self::Day => fixed(data, count, |it| time(i64::from(i32::from_le_bytes(*it)), DAY), convert, values),
            Self::Millis => fixed(data, count, |it| time(i64::from_le_bytes(*it), 1000), convert, values),
            Self::Micros => fixed(data, count, |it| Ok(Raw::Time(i64::from_le_bytes(*it))), convert, values),
            Self::Nanos => {
                fixed(data, count, |it| Ok(Raw::Time(i64::from_le_bytes(*it).div_euclid(1000))), convert, values)
            }
            Self::Int96 => fixed(data, count, int96, convert, values),
            Self::Text => any_length(data, count, |text| Ok(Raw::Text(text)), convert, values),
            Self::Digits(scale) => any_length(data, count, |bytes| digits(bytes, scale), convert, values),
            Self::FixedText(length) => same_length(data, count, length, |it| Ok(Raw::Text(it)), convert, values),
            Self::FixedDigits(length, scale) => {
                same_length(data, count, length, |bytes| digits(bytes, scale), convert, values)
            }
        }
    }
}

#[inline]
fn fixed<const BYTES: usize, C: Convert>(
    data: &mut &[u8],
    count: usize,
    raw: impl Fn(&[u8; BYTES]) -> Result<Raw<'_>, Wrong>,
    convert: &mut C,
    values: &mut Vec<C::Value>,
) -> Result<(), Bad> {
    let (taken, rest) = count.checked_mul(BYTES).and_then(|bytes| data.split_at_checked(bytes)).ok_or(Bad::Short)?;
    values.reserve(count);
    for bytes in taken.as_chunks::<BYTES>().0 {
        values.push(convert.convert(raw(bytes)?)?);
    }
    *data = rest;
    Ok(())
}

fn any_length<'a, C: Convert>(
    data: &mut &'a [u8],
    count: usize,
    raw: impl Fn(&'a [u8]) -> Result<Raw<'a>, Wrong>,
    convert: &mut C,
    values: &mut Vec<C::Value>,
) -> Result<(), Bad> {
    for _ in 0..count {
        let bytes = next_text(data).ok_or(Bad::Short)?;
        values.push(convert.convert(raw(bytes)?)?);
    }
    Ok(())
}

fn same_length<'a, C: Convert>(
    data: &mut &'a [u8],
    count: usize,
    length: usize,
    raw: impl Fn(&'a [u8]) -> Result<Raw<'a>, Wrong>,
    convert: &mut C,
    values: &mut Vec<C::Value>,
) -> Result<(), Bad> {
    for _ in 0..count {
        let (bytes, rest) = data.split_at_checked(length).ok_or(Bad::Short)?;
        values.push(convert.convert(raw(bytes)?)?);
        *data = rest;
    }
    Ok(())
}

/// Takes a text off the front of data: its length, and it.
pub(super) fn next_text<'a>(data: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = data.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *data = rest;
    Some(text)
}

fn time(units: i64, micros: i64) -> Result<Raw<'static>, Wrong> {
    units.checked_mul(micros).map(Raw::Time).ok_or_else(|| Wrong::new(units, "a time"))
}

fn int96(bytes: &[u8; 12]) -> Result<Raw<'_>, Wrong> {
    let [a, b, c, d, e, f, g, h, day @ ..] = *bytes;
    let nanos = i64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let days = i64::from(u32::from_le_bytes(day)) - JULIAN_DAY_OF_1970;
    let micros = days.checked_mul(DAY).and_then(|micros| micros.checked_add(nanos.div_euclid(1000)));
    micros.map(Raw::Time).ok_or_else(|| Wrong::new(days, "a day"))
}

/// Digits in two's complement, the largest first.
fn digits(bytes: &[u8], scale: i32) -> Result<Raw<'_>, Wrong> {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let sign = if negative { 0xff } else { 0 };
    // What goes beyond an `i128` may only repeat the sign.
    let (beyond, bytes) = bytes.split_at_checked(bytes.len().saturating_sub(16)).unwrap_or((&[], bytes));
    let keeps_sign = beyond.is_empty() || bytes.first().is_some_and(|byte| (*byte >= 0x80) == negative);
    if !keeps_sign || beyond.iter().any(|byte| *byte != sign) {
        return Err(Wrong::new("a larger number", "a decimal of up to 38 digits"));
    }
    let all = if negative { -1 } else { 0 };
    Ok(Raw::Decimal(bytes.iter().fold(all, |all, &byte| (all << 8) | i128::from(byte)), scale))
}
