//! Records of CSV, as RFC 4180 has them and as they are met: quoted text with commas, line ends and doubled quotes,
//! line ends of either kind, an empty line here and there.
//!
//! Of more than a hundred columns some ten are needed. The others are only counted, eight bytes at a time, so that a
//! record that is cut off or shifted is found.

use std::borrow::Cow;
use std::io::{self, Read};

use memchr::{memchr, memchr_iter, memchr2, memrchr};

/// How much is read at a time.
const BLOCK: usize = 256 * 1024;

/// No record is longer, unless a quote is never closed.
const LONGEST: usize = 16 * 1024 * 1024;

/// Why records end.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The text cannot be read.
    Read(io::Error),
    /// It is no CSV.
    Text(&'static str),
    /// A record has another number of fields than the header.
    Fields { found: usize, expected: usize },
}

/// A field's place in the text that is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    from: usize,
    to: usize,
    /// Whether it stands in quotes, and has quotes in it that are doubled.
    doubled: bool,
}

/// The text that is held: of these bytes those that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

/// Where text comes from.
pub(crate) trait Feed {
    /// Puts more text behind what is held. False is the end.
    fn feed(&mut self, held: &mut Held) -> io::Result<bool>;
}

/// From a stream, which is read into what is held.
impl<R: Read> Feed for R {
    fn feed(&mut self, held: &mut Held) -> io::Result<bool> {
        held.bytes.copy_within(held.from..held.to, 0);
        held.to -= held.from;
        held.from = 0;
        if held.to == held.bytes.len() {
            held.bytes.resize((held.to * 2).max(BLOCK), 0);
        }
        let read = fill(self, held.bytes.get_mut(held.to..).unwrap_or_default())?;
        held.to += read;
        Ok(read > 0)
    }
}

/// Reads once, whatever interrupts it.
pub(super) fn fill(reader: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Held {
    /// Takes in a piece of text that stands in `bytes` from `from` to its end. What is held goes before it, where there
    /// is room. Gives bytes back that are not needed any more.
    pub(super) fn take_in(&mut self, mut bytes: Vec<u8>, from: usize) -> Vec<u8> {
        let held = self.bytes.get(self.from..self.to).unwrap_or_default();
        match from.checked_sub(held.len()).and_then(|start| bytes.get_mut(start..from)) {
            Some(before) => {
                before.copy_from_slice(held);
                (self.from, self.to) = (from - before.len(), bytes.len());
                std::mem::swap(&mut self.bytes, &mut bytes);
            }
            None => {
                self.bytes.truncate(self.to);
                self.bytes.drain(..self.from);
                self.bytes.extend_from_slice(bytes.get(from..).unwrap_or_default());
                (self.from, self.to) = (0, self.bytes.len());
            }
        }
        bytes
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }
}

/// Reads record after record.
pub(crate) struct Records<F> {
    feed: F,
    held: Held,
    ended: bool,
    /// The line of the record taken last, and of the next, from 1.
    line: u64,
    next_line: u64,
}

/// A record that was found.
struct Found {
    /// Where it ends, its line end included.
    end: usize,
    fields: usize,
    lines: u64,
}

impl<F: Feed> Records<F> {
    pub(crate) fn new(feed: F) -> Self {
        Self { feed, held: Held::default(), ended: false, line: 0, next_line: 1 }
    }

    /// The line on which the record taken last begins.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The header: all fields of the first record.
    pub(crate) fn header(&mut self) -> Result<Vec<String>, Broken> {
        const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
        while self.held.text().len() < BYTE_ORDER_MARK.len() && self.fill()? {}
        if self.held.text().starts_with(BYTE_ORDER_MARK) {
            self.held.from += BYTE_ORDER_MARK.len();
        }
        let every: Vec<usize> = (0..MOST_COLUMNS).collect();
        let mut spans = Vec::new();
        let Some(fields) = self.take(&every, &mut spans)? else { return Ok(Vec::new()) };
        let name = |span: &Span| String::from_utf8_lossy(&self.field(*span)).into_owned();
        Ok(spans.iter().take(fields).map(name).collect())
    }

    /// Takes the next record, and gives the spans of the fields wanted, which are in order. False is the end.
    pub(crate) fn next(&mut self, wanted: &[usize], expected: usize, spans: &mut Vec<Span>) -> Result<bool, Broken> {
        match self.take(wanted, spans)? {
            None => Ok(false),
            Some(found) if found == expected => Ok(true),
            Some(found) => Err(Broken::Fields { found, expected }),
        }
    }

    /// The text of a field.
    pub(crate) fn field(&self, span: Span) -> Cow<'_, [u8]> {
        let text = self.held.bytes.get(span.from..span.to).unwrap_or_default();
        if !span.doubled {
            return Cow::Borrowed(text);
        }
        let mut single = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some(quote) = memchr(b'"', rest) {
            let (before, after) = rest.split_at(quote + 1);
            single.extend_from_slice(before);
            rest = after.strip_prefix(b"\"").unwrap_or(after);
        }
        single.extend_from_slice(rest);
        Cow::Owned(single)
    }

    /// How many fields the next record has, that is not an empty line.
    fn take(&mut self, wanted: &[usize], spans: &mut Vec<Span>) -> Result<Option<usize>, Broken> {
        loop {
            let held = self.held.text();
            if let [b'\n', ..] | [b'\r', b'\n', ..] = held {
                self.held.from += if held.starts_with(b"\n") { 1 } else { 2 };
                self.next_line += 1;
                continue;
            }
            if held.is_empty() && self.ended {
                return Ok(None);
            }
            spans.clear();
            let found = split(held, self.ended, wanted, spans).map_err(|problem| {
                self.line = self.next_line;
                Broken::Text(problem)
            })?;
            let Some(Found { end, fields, lines }) = found else {
                self.fill()?;
                continue;
            };
            for span in spans.iter_mut() {
                span.from += self.held.from;
                span.to += self.held.from;
            }
            self.held.from += end;
            self.line = self.next_line;
            self.next_line += lines;
            return Ok(Some(fields));
        }
    }

    /// Holds more text. False is the end.
    fn fill(&mut self) -> Result<bool, Broken> {
        let result = if self.held.text().len() < LONGEST {
            self.feed.feed(&mut self.held).map_err(Broken::Read)
        } else {
            Err(Broken::Text("a record has no end within 16 MiB; a quote may not be closed"))
        };
        match result {
            Ok(more) => {
                self.ended = !more;
                Ok(more)
            }
            Err(broken) => {
                self.line = self.next_line;
                Err(broken)
            }
        }
    }
}

/// More columns than any export has.
const MOST_COLUMNS: usize = 16_384;

/// Finds the first record of a text. None is that it does not end here, and more may come unless this is `all`.
fn split(text: &[u8], all: bool, wanted: &[usize], spans: &mut Vec<Span>) -> Result<Option<Found>, &'static str> {
    let (mut at, mut fields, mut lines) = (0, 0, 0);
    let mut wanted = wanted.iter().copied();
    let mut next_wanted = wanted.next().unwrap_or(usize::MAX);
    loop {
        let (begin, passed) = pass(text, at, next_wanted - fields);
        fields += passed;
        let Some(Field { span, next, newlines, last }) = first_field(text, all, begin)? else { return Ok(None) };
        if fields == next_wanted {
            spans.push(span);
            next_wanted = wanted.next().unwrap_or(usize::MAX);
        }
        (at, fields, lines) = (next, fields + 1, lines + newlines);
        if last {
            return Ok(Some(Found { end: next, fields, lines: lines + 1 }));
        }
    }
}

/// Passes over fields, so many at most, and tells where the next one begins and how many it were. At a quote or a line
/// end, and near the end of the text, it stops: these need a closer look.
fn pass(text: &[u8], from: usize, most: usize) -> (usize, usize) {
    let (mut passed, mut at) = (0, from);
    while passed < most {
        let rest = text.get(at..).unwrap_or_default();
        if let Some(block) = rest.first_chunk::<32>() {
            // Written so that the compiler takes all bytes at once.
            let stop = block.iter().fold(0, |stop, &byte| stop | u8::from(byte == b'"') | u8::from(byte == b'\n'));
            let commas = block.iter().fold(0_u8, |commas, &byte| commas.wrapping_add(u8::from(byte == b',')));
            if stop == 0 && usize::from(commas) < most - passed {
                passed += usize::from(commas);
                at += block.len();
                continue;
            }
        }
        let Some(word) = rest.first_chunk() else { break };
        let word = u64::from_le_bytes(*word);
        if places(word, b'"') | places(word, b'\n') != 0 {
            break;
        }
        let mut commas = places(word, b',');
        let count = commas.count_ones() as usize;
        if passed + count >= most {
            for _ in passed + 1..most {
                commas &= commas - 1;
            }
            return (at + commas.trailing_zeros() as usize / 8 + 1, most);
        }
        passed += count;
        at += 8;
    }
    // The field that it stopped in begins behind the last comma.
    let taken = text.get(from..at).unwrap_or_default();
    (memrchr(b',', taken).map_or(from, |comma| from + comma + 1), passed)
}

/// The end of a field that is not in quotes: a comma or a line end. Most are short, and found before a call is worth it.
fn end_of_field(text: &[u8]) -> Option<usize> {
    for (index, word) in text.as_chunks::<8>().0.iter().take(3).enumerate() {
        let word = u64::from_le_bytes(*word);
        let ends = places(word, b',') | places(word, b'\n');
        if ends != 0 {
            return Some(index * 8 + ends.trailing_zeros() as usize / 8);
        }
    }
    memchr2(b',', b'\n', text)
}

/// A bit in each of eight bytes, the lowest.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Where in eight bytes a byte is: the high bits of these. Exactly so, by
/// <https://graphics.stanford.edu/~seander/bithacks.html#ValueInWord>.
fn places(word: u64, byte: u8) -> u64 {
    const LOW: u64 = EACH * 0x7f;
    let differs = word ^ (EACH * u64::from(byte));
    !(((differs & LOW) + LOW) | differs | LOW)
}

/// A field that was found.
struct Field {
    span: Span,
    /// Where the next one begins, or the next record.
    next: usize,
    /// Line ends within it.
    newlines: u64,
    /// Whether the record ends with it.
    last: bool,
}

/// Finds the field that begins here.
fn first_field(text: &[u8], all: bool, from: usize) -> Result<Option<Field>, &'static str> {
    let rest = text.get(from..).unwrap_or_default();
    if let [b'"', quoted @ ..] = rest {
        let Some(Quoted { length, newlines, doubled }) = closing_quote(quoted, all)? else { return Ok(None) };
        let (start, close) = (from + 1, from + 1 + length);
        let (next, last) = match text.get(close + 1..).unwrap_or_default() {
            [] | [b'\r'] if all => (text.len(), true),
            [] | [b'\r'] => return Ok(None),
            [b',', ..] => (close + 2, false),
            [b'\n', ..] => (close + 2, true),
            [b'\r', b'\n', ..] => (close + 3, true),
            _ => return Err("there is text behind a closing quote"),
        };
        return Ok(Some(Field { span: Span { from: start, to: close, doubled }, next, newlines, last }));
    }
    match end_of_field(rest) {
        None if all => {
            let to = text.len();
            Ok(Some(Field { span: Span { from, to, doubled: false }, next: to, newlines: 0, last: true }))
        }
        None => Ok(None),
        Some(length) => {
            let (mut to, last) = (from + length, rest.get(length) == Some(&b'\n'));
            if last && rest.get(..length).is_some_and(|field| field.ends_with(b"\r")) {
                to -= 1;
            }
            Ok(Some(Field { span: Span { from, to, doubled: false }, next: from + length + 1, newlines: 0, last }))
        }
    }
}

/// What stands in quotes.
struct Quoted {
    length: usize,
    newlines: u64,
    doubled: bool,
}

/// Finds the end of a text in quotes, of which the first is left out.
fn closing_quote(text: &[u8], all: bool) -> Result<Option<Quoted>, &'static str> {
    let (mut inside, mut doubled, mut lines) = (true, false, false);
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        // Behind the end of the text there is nothing that is looked for.
        let mut word = [0; 8];
        let held = rest.len().min(8);
        match rest.first_chunk() {
            Some(whole) => word = *whole,
            None => word.iter_mut().zip(rest).for_each(|(byte, of_rest)| *byte = *of_rest),
        }
        let word = u64::from_le_bytes(word);
        lines |= places(word, b'\n') != 0;
        let mut quotes = places(word, b'"');
        while quotes != 0 {
            let length = at + quotes.trailing_zeros() as usize / 8;
            quotes &= quotes - 1;
            inside = !inside;
            if inside {
                doubled = true;
                continue;
            }
            // A quote ends the text, unless it is the first of two.
            match text.get(length + 1) {
                Some(b'"') => {}
                None if !all => return Ok(None),
                _ => {
                    let quoted = text.get(..length).unwrap_or_default();
                    let newlines = if lines { memchr_iter(b'\n', quoted).count() as u64 } else { 0 };
                    return Ok(Some(Quoted { length, newlines, doubled }));
                }
            }
        }
        at += held;
    }
    if all { Err("a quote is not closed before the file ends") } else { Ok(None) }
}

#[cfg(test)]
mod tests;
