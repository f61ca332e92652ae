//! From a value as a file holds it to what it means: each column has one meaning, and takes all forms known of it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use ahash::RandomState;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// A value as a file holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raw<'a> {
    /// Text, which may be empty.
    Text(&'a [u8]),
    /// A double.
    Double(f64),
    /// Digits, and how many of them are decimals.
    Decimal(i128, i32),
    /// Microseconds since 1970, in UTC.
    Time(i64),
}

/// A value that is not what its column promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) found: String,
    pub(crate) expected: &'static str,
}

impl Wrong {
    pub(crate) fn new(found: impl fmt::Display, expected: &'static str) -> Self {
        Self { found: found.to_string(), expected }
    }

    /// A text, shortened to what a message has room for.
    pub(crate) fn text(found: &[u8], expected: &'static str) -> Self {
        const SHOWN: usize = 80;
        let shown = found.get(..SHOWN).unwrap_or(found);
        Self::new(String::from_utf8_lossy(shown), expected)
    }
}

impl Raw<'_> {
    pub(crate) fn wrong(self, expected: &'static str) -> Wrong {
        match self {
            Self::Text(text) => Wrong::text(text, expected),
            Self::Double(double) => Wrong::new(double, expected),
            Self::Decimal(digits, _) => Wrong::new(digits, expected),
            Self::Time(micros) => Wrong::new(format_args!("{micros} µs"), expected),
        }
    }
}

/// What a column's values mean.
pub(crate) trait Convert {
    /// The meaning of one, small and copied at will.
    type Value: Copy;

    /// What a line without a value means.
    fn nothing(&self) -> Self::Value;

    /// What this value means.
    fn convert(&mut self, raw: Raw<'_>) -> Result<Self::Value, Wrong>;

    /// All values of the column's dictionary were converted; they may come again until the column ends.
    fn dictionary_done(&mut self) {}
}

/// The different texts of a column, each with a number: 0 is the empty one.
#[derive(Debug)]
pub(crate) struct Names {
    ids: HashMap<Box<[u8]>, u32, RandomState>,
    names: Vec<Box<str>>,
    last: u32,
}

impl Default for Names {
    fn default() -> Self {
        Self { ids: [(Box::default(), 0)].into_iter().collect(), names: vec![Box::default()], last: 0 }
    }
}

impl Names {
    /// The number of a text.
    pub(crate) fn id(&mut self, text: &[u8]) -> Result<u32, Wrong> {
        // Neighbouring lines often say the same.
        if self.get(self.last).as_bytes() != text {
            self.last = match self.ids.get(text) {
                Some(&id) => id,
                None => self.insert(std::str::from_utf8(text).map_err(|_| Wrong::text(text, "text in UTF-8"))?),
            };
        }
        Ok(self.last)
    }

    /// The number of a name.
    pub(crate) fn id_of(&mut self, name: &str) -> u32 {
        match self.ids.get(name.as_bytes()) {
            Some(&id) => id,
            None => self.insert(name),
        }
    }

    fn insert(&mut self, name: &str) -> u32 {
        let id = self.names.len() as u32;
        self.names.push(name.into());
        self.ids.insert(name.as_bytes().into(), id);
        id
    }

    /// The text of a number.
    pub(crate) fn get(&self, id: u32) -> &str {
        self.names.get(id as usize).map(AsRef::as_ref).unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

impl Convert for Names {
    type Value = u32;

    fn nothing(&self) -> u32 {
        0
    }

    fn convert(&mut self, raw: Raw<'_>) -> Result<u32, Wrong> {
        match raw {
            Raw::Text(text) => self.id(text),
            other => Err(other.wrong("text")),
        }
    }
}

/// A moment: when it is, and the number of its day. Where a line does not tell, the day is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Microseconds since 1970, in UTC.
    pub(crate) micros: i64,
    pub(crate) day: u32,
}

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
const A_TIME: &str = "a time from 2000 to 2099 such as `2026-11-01T00:00:00Z`";

/// The days that a line may be of, as days since 1970: those of a century.
const CENTURY: Range<i64> = 10_957..47_482;

/// The different days of a column, each with a number from 1: 0 is none.
#[derive(Debug, Default)]
pub(crate) struct Days {
    days: Vec<i64>,
    /// The numbers of all days of the century, or 0.
    ids: Vec<u32>,
    last: (i64, u32),
    last_text: Vec<u8>,
    last_moment: Moment,
}

impl Days {
    /// The moment that a text tells.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<Moment, Wrong> {
        if self.last_text != text {
            self.last_moment = self.read_new(text)?;
            self.last_text.clear();
            self.last_text.extend_from_slice(text);
        }
        Ok(self.last_moment)
    }

    fn read_new(&mut self, text: &[u8]) -> Result<Moment, Wrong> {
        let micros = match usual(text) {
            Some(micros) => micros,
            None if text.is_empty() || text.eq_ignore_ascii_case(b"NULL") => return Ok(Moment::default()),
            None => unusual(text).ok_or_else(|| Wrong::text(text, A_TIME))?,
        };
        self.moment(micros).ok_or_else(|| Wrong::text(text, A_TIME))
    }

    /// The moment so many microseconds since 1970.
    #[inline]
    fn moment(&mut self, micros: i64) -> Option<Moment> {
        let day = micros.div_euclid(DAY);
        if self.last.0 != day {
            self.last = (day, self.id_of(day)?);
        }
        Some(Moment { micros, day: self.last.1 })
    }

    fn id_of(&mut self, day: i64) -> Option<u32> {
        if self.ids.is_empty() {
            self.ids = vec![0; (CENTURY.end - CENTURY.start) as usize];
        }
        let id = usize::try_from(day - CENTURY.start).ok().and_then(|index| self.ids.get_mut(index))?;
        if *id == 0 {
            self.days.push(day);
            *id = self.days.len() as u32;
        }
        Some(*id)
    }

    /// Our number for the day of another one's number.
    pub(crate) fn adopt(&mut self, other: &Self, id: u32) -> u32 {
        let index = id.checked_sub(1).map(|index| index as usize);
        index.and_then(|index| other.days.get(index)).and_then(|&day| self.id_of(day)).unwrap_or_default()
    }

    /// The day of a number.
    pub(crate) fn date(&self, id: u32) -> Option<Date> {
        let &day = self.days.get((id as usize).checked_sub(1)?)?;
        let midnight = Timestamp::from_microsecond(day.checked_mul(DAY)?).ok()?;
        Some(Offset::UTC.to_datetime(midnight).date())
    }

    /// How many numbers there are, that of none included.
    pub(crate) fn len(&self) -> usize {
        self.days.len() + 1
    }
}

impl Convert for Days {
    type Value = Moment;

    fn nothing(&self) -> Moment {
        Moment::default()
    }

    #[inline]
    fn convert(&mut self, raw: Raw<'_>) -> Result<Moment, Wrong> {
        match raw {
            Raw::Time(micros) => self.moment(micros).ok_or_else(|| raw.wrong(A_TIME)),
            Raw::Text(text) => self.read(text),
            other => Err(other.wrong(A_TIME)),
        }
    }
}

/// Reads `2026-11-01T00:00:00Z` and `2026-11-01T00:00:00.000Z`, which is how AWS writes every time of a report. None is
/// anything else, whether it is a time or not.
fn usual(text: &[u8]) -> Option<i64> {
    let &[a, b, c, d, b'-', e, f, b'-', g, h, b'T', i, j, b':', k, l, b':', m, n, ref rest @ ..] = text else {
        return None;
    };
    if !matches!(rest, b"Z" | b".000Z") {
        return None;
    }
    if ![a, b, c, d, e, f, g, h, i, j, k, l, m, n].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
    let (year, month, day) = (two(a, b) * 100 + two(c, d), two(e, f), two(g, h));
    let (hour, minute, second) = (two(i, j), two(k, l), two(m, n));
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = days(year, month, day);
    let next_month = || if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
    let exists = (1..=28).contains(&day) || day > 28 && date < next_month();
    exists.then_some((date * 86_400 + hour * 3600 + minute * 60 + second) * SECOND)
}

/// Days since 1970 of a day in the Gregorian calendar, by
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // A year begins with March here, so that a leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

/// Reads any other way to write a time, and a day alone, which is its midnight. Without an offset it is UTC.
fn unusual(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let moment = match text.parse::<Timestamp>() {
        Ok(moment) => moment,
        Err(_) => Offset::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()?,
    };
    Some(moment.as_microsecond())
}

#[cfg(test)]
mod tests;
