//! Numbers as they are summed: in fixed point where they fit, which nearly all do, and as they are where they do not.

use std::collections::HashMap;

use guardrail::money::Amount;

use crate::convert::{Convert, Raw, Wrong};
use crate::float;

/// Decimals of the fixed point. Costs have ten, and a double of a billionth has its seventeen digits within these.
/// Above the point there is room for a hundred billion.
const SCALE: i32 = 26;

/// Bits that a number in fixed point may have, so that none comes near those that stand for something else.
const BITS: u32 = 125;

/// Values from here down stand for numbers that do not fit: the first of them for the first one, and so on.
const ODD: i128 = i128::MIN;
const ODD_END: i128 = ODD + (1 << 64);

/// As many digits as an `i128` has room for, whatever they are.
const DIGITS: usize = 38;

/// As many as a `u64` has room for.
const SHORT_DIGITS: usize = 19;

static POWERS: [i128; DIGITS + 1] = {
    let mut powers = [1; DIGITS + 1];
    let mut at = 1;
    while at < powers.len() {
        #[expect(clippy::indexing_slicing, reason = "within the loop's bounds, and evaluated when it is compiled")]
        {
            powers[at] = powers[at - 1] * 10;
        }
        at += 1;
    }
    powers
};

/// A number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Number {
    /// In fixed point.
    Fixed(i128),
    /// One that has too many decimals for it, or is too large.
    Odd(Amount),
}

fn bits(number: i128) -> u32 {
    i128::BITS - number.unsigned_abs().leading_zeros()
}

fn fixed(digits: i128, decimals: i32) -> Option<i128> {
    if digits == 0 {
        return Some(0);
    }
    let shift = SCALE.checked_sub(decimals)?;
    let power = *POWERS.get(usize::try_from(shift.unsigned_abs()).ok()?)?;
    if shift >= 0 {
        (bits(digits) + bits(power) <= BITS).then(|| digits.wrapping_mul(power))
    } else {
        (digits % power == 0 && bits(digits) <= BITS).then(|| digits / power)
    }
}

impl Number {
    /// `digits` times ten to the power of minus `decimals`.
    pub(crate) fn from_decimal(digits: i128, decimals: i32) -> Self {
        match fixed(digits, decimals) {
            Some(fixed) => Self::Fixed(fixed),
            None => Self::Odd(Amount::new(digits, i64::from(decimals))),
        }
    }

    /// A double by its shortest decimal form, the one that Python's `repr` and nearly everyone prints.
    pub(crate) fn from_double(double: f64) -> Result<Self, Wrong> {
        if let Some((digits, decimals)) = float::short_decimal(double) {
            return Ok(Self::from_decimal(i128::from(digits), decimals));
        }
        if !double.is_finite() {
            return Err(Wrong::new(double, "a number"));
        }
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(double);
        Self::from_text(text.as_bytes())?.ok_or_else(|| Wrong::new(text, "a number"))
    }

    /// Text such as `0.0000166667` or `1.81E-8`. Empty text and `NULL` are none.
    pub(crate) fn from_text(text: &[u8]) -> Result<Option<Self>, Wrong> {
        if text.is_empty() || text.eq_ignore_ascii_case(b"NULL") {
            return Ok(None);
        }
        let wrong = || Wrong::text(text, "a decimal number");
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let end = rest.iter().position(|byte| matches!(byte, b'e' | b'E'));
        let (mantissa, exponent) = match end.and_then(|end| rest.split_at_checked(end)) {
            None => (rest, 0),
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent).ok_or_else(wrong)?),
        };
        let (digits, decimals) = parse_mantissa(mantissa).ok_or_else(wrong)?;
        match digits.filter(|_| decimals.abs_diff(exponent) <= LONGEST) {
            Some(digits) => {
                let digits = if negative { -digits } else { digits };
                Ok(Some(Self::from_decimal(digits, decimals - exponent)))
            }
            None => {
                let odd = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or_else(wrong)?;
                Ok(Some(Self::Odd(odd)))
            }
        }
    }
}

/// Decimals, or zeros at the end, that a number may have: as many as [`Amount`] reads.
const LONGEST: u32 = 400;

/// The digits of a number, unless they are too many, and how many of them are decimals. None is no number.
fn parse_mantissa(text: &[u8]) -> Option<(Option<i128>, i32)> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        None => (text, &[][..]),
        Some(point) => (text.get(..point)?, text.get(point + 1..)?),
    };
    let (count, decimals) = (whole.len() + fraction.len(), i32::try_from(fraction.len()).ok()?);
    if count == 0 {
        return None;
    }
    if count <= SHORT_DIGITS {
        // Nearly all are, and are added up faster.
        let more = |number: u64, byte: &u8| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0'));
        let digits = fraction.iter().try_fold(whole.iter().try_fold(0, more)?, more)?;
        return Some((Some(i128::from(digits)), decimals));
    }
    let mut digits = whole.iter().chain(fraction);
    if !digits.clone().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = digits.try_fold(0_i128, |number, byte| number.checked_mul(10)?.checked_add(i128::from(byte - b'0')));
    Some((digits, decimals))
}

fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (_e, text) = text.split_first()?;
    let text = std::str::from_utf8(text).ok()?;
    // Of the words that `parse` takes, none but signed digits gets here. Beyond four digits it is no amount of money.
    let exponent: i32 = text.parse().ok()?;
    (exponent.unsigned_abs() <= LONGEST).then_some(exponent)
}

/// A column of numbers, some lines at a time. A line without one counts as nothing.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) values: Vec<i128>,
    /// How many lines had one.
    pub(crate) present: u64,
    odd: Vec<Amount>,
    /// How many of the odd ones belong to a dictionary and may come again.
    lasting: usize,
}

impl Numbers {
    fn entry(&mut self, number: Number) -> i128 {
        match number {
            Number::Fixed(fixed) => fixed,
            Number::Odd(amount) => {
                let index = self.odd.len() as i128;
                self.odd.push(amount);
                ODD + index
            }
        }
    }

    /// Adds the text of a line.
    pub(crate) fn push_text(&mut self, text: &[u8]) -> Result<(), Wrong> {
        let value = match Number::from_text(text)? {
            None => 0,
            Some(number) => {
                self.present += 1;
                self.entry(number)
            }
        };
        self.values.push(value);
        Ok(())
    }

    /// Makes room for the next lines of the same column.
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.odd.truncate(self.lasting);
    }

    /// Makes room for another column, or another part of it.
    pub(crate) fn reset(&mut self) {
        self.lasting = 0;
        self.clear();
    }

    fn odd(&self, value: i128) -> Option<&Amount> {
        usize::try_from(value.wrapping_sub(ODD)).ok().and_then(|index| self.odd.get(index))
    }
}

impl Convert for Numbers {
    type Value = i128;

    fn nothing(&self) -> i128 {
        0
    }

    #[inline]
    fn convert(&mut self, raw: Raw<'_>) -> Result<i128, Wrong> {
        let number = match raw {
            Raw::Double(double) => Number::from_double(double)?,
            Raw::Decimal(digits, scale) => Number::from_decimal(digits, scale),
            Raw::Text(text) => Number::from_text(text)?.unwrap_or(Number::Fixed(0)),
            Raw::Time(_) => return Err(raw.wrong("a number")),
        };
        Ok(self.entry(number))
    }

    fn dictionary_done(&mut self) {
        self.lasting = self.odd.len();
    }
}

/// Sums of numbers, one for each slot.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    fixed: Vec<i128>,
    odd: HashMap<u32, Amount>,
}

impl Sums {
    /// There are so many slots from now on.
    pub(crate) fn grow(&mut self, slots: usize) {
        self.fixed.resize(slots, 0);
    }

    /// Adds a column of numbers, each to its slot or to none.
    pub(crate) fn add_all(&mut self, slots: &[u32], numbers: &Numbers) {
        for (&slot, &value) in slots.iter().zip(&numbers.values) {
            self.add(slot, value, numbers);
        }
    }

    /// Adds one of a column's numbers to a slot. Where there is no such slot, nothing is done.
    #[inline]
    pub(crate) fn add(&mut self, slot: u32, value: i128, numbers: &Numbers) {
        let Some(sum) = self.fixed.get_mut(slot as usize) else { return };
        if value >= ODD_END
            && let Some(more) = sum.checked_add(value)
        {
            *sum = more;
        } else {
            self.add_slowly(slot, value, numbers);
        }
    }

    /// Takes one of a column's numbers off a slot.
    pub(crate) fn subtract(&mut self, slot: u32, value: i128, numbers: &Numbers) {
        match numbers.odd(value) {
            None => self.add(slot, -value, numbers),
            Some(odd) => self.add_odd(slot, -odd.clone()),
        }
    }

    #[cold]
    fn add_slowly(&mut self, slot: u32, value: i128, numbers: &Numbers) {
        match numbers.odd(value) {
            Some(odd) => self.add_odd(slot, odd.clone()),
            // The sum has no room left: it is put aside, and begun again.
            None => {
                let Some(sum) = self.fixed.get_mut(slot as usize) else { return };
                let full = std::mem::replace(sum, value);
                self.add_odd(slot, Amount::new(full, i64::from(SCALE)));
            }
        }
    }

    fn add_odd(&mut self, slot: u32, amount: Amount) {
        *self.odd.entry(slot).or_default() += &amount;
    }

    /// Adds the sum of another one's slot to one of ours.
    pub(crate) fn absorb(&mut self, slot: u32, other: &Self, other_slot: u32) {
        let mine = self.fixed.get_mut(slot as usize);
        if let (Some(sum), Some(&value)) = (mine, other.fixed.get(other_slot as usize)) {
            match sum.checked_add(value) {
                Some(more) => *sum = more,
                None => self.add_odd(slot, Amount::new(value, i64::from(SCALE))),
            }
        }
        if let Some(odd) = other.odd.get(&other_slot) {
            self.add_odd(slot, odd.clone());
        }
    }

    /// The sum of a slot.
    pub(crate) fn amount(&self, slot: u32) -> Amount {
        let fixed = self.fixed.get(slot as usize).copied().unwrap_or_default();
        let (digits, decimals) = without_zeros(fixed);
        let amount = Amount::new(digits, decimals);
        match self.odd.get(&slot) {
            None => amount,
            Some(odd) => amount + odd.clone(),
        }
    }
}

/// Digits and decimals without the zeros at the end, which would cost time as big numbers. Most have sixteen or more.
fn without_zeros(mut digits: i128) -> (i128, i64) {
    let mut decimals = SCALE;
    for step in [16, 8, 4, 2, 1] {
        let Some(&power) = POWERS.get(step as usize) else { continue };
        // A power of ten has as many factors of two, which are seen without a division.
        while decimals >= step && digits.trailing_zeros() >= step.unsigned_abs() && digits % power == 0 {
            digits /= power;
            decimals -= step;
        }
    }
    (digits, i64::from(decimals))
}

#[cfg(test)]
mod tests;
