//! All tags of each line, as a map from key to value: of these only the owner's is looked at.

use bytes::Bytes;

use super::Bad;
use super::form::{Form, next_text};
use super::leaf::{Leaf, Next, Open, Values};
use crate::convert::{Convert, Raw, Wrong};
use crate::tags::Owners;

/// The keys or the values of a map, entry by entry.
struct Side {
    leaf: Leaf,
    open: Option<Box<Open>>,
    /// Where in the dictionary's data each of its texts is.
    dictionary: Vec<Bytes>,
    /// What was found out about each of them.
    known: Vec<Option<u32>>,
}

/// An entry of the map.
struct Pair {
    /// Whether it is the first of a line.
    begins: bool,
    key: Entry,
    value: Entry,
}

/// What stands on one side of an entry.
enum Entry {
    Nothing,
    Index(u32),
    Text(Bytes),
}

impl Side {
    fn new(leaf: Leaf) -> Result<Self, Bad> {
        if leaf.form != Form::Text {
            return Err(Wrong::new("a map of other values", "a map of text, or its JSON").into());
        }
        Ok(Self { leaf, open: None, dictionary: Vec::new(), known: Vec::new() })
    }

    /// The page that the next entry is in; none behind the last one.
    fn page(&mut self) -> Result<Option<&mut Open>, Bad> {
        while self.open.as_ref().is_none_or(|open| open.left == 0) {
            match self.leaf.next()? {
                Next::Page(page) => self.open = Some(page),
                Next::Dictionary(data, count) => {
                    self.dictionary.clear();
                    let mut rest = &data[..];
                    for _ in 0..count {
                        let text = next_text(&mut rest).ok_or(Bad::Short)?;
                        self.dictionary.push(data.slice_ref(text));
                    }
                    self.known = vec![None; count];
                }
                Next::End => return Ok(None),
            }
        }
        Ok(self.open.as_deref_mut())
    }

    /// The next entry, and whether it begins a line.
    fn next(&mut self) -> Result<Option<(bool, Entry)>, Bad> {
        let full = self.leaf.full();
        let Some(open) = self.page()? else { return Ok(None) };
        open.left -= 1;
        let begins = match &mut open.repetition {
            Some(levels) => levels.one()? == 0,
            None => true,
        };
        let defined = match &mut open.definition {
            Some(levels) => levels.one()? == full,
            None => true,
        };
        if !defined {
            return Ok(Some((begins, Entry::Nothing)));
        }
        let entry = match &mut open.values {
            Values::Indices(indices) => Entry::Index(indices.one()?),
            Values::Plain(data) => {
                let mut rest = &data[..];
                let text = next_text(&mut rest).ok_or(Bad::Short)?;
                let (text, taken) = (data.slice_ref(text), data.len() - rest.len());
                bytes::Buf::advance(data, taken);
                Entry::Text(text)
            }
        };
        Ok(Some((begins, entry)))
    }

    /// What an entry's text means. Of the dictionary's texts each is asked about once, and only those that come up.
    fn look(&mut self, entry: Entry, mut mean: impl FnMut(&[u8]) -> Result<u32, Bad>) -> Result<Option<u32>, Bad> {
        match entry {
            Entry::Nothing => Ok(None),
            Entry::Text(text) => mean(&text).map(Some),
            Entry::Index(index) => {
                let known = self.known.get_mut(index as usize).ok_or(Bad::Index)?;
                if known.is_none() {
                    *known = Some(mean(self.dictionary.get(index as usize).ok_or(Bad::Index)?)?);
                }
                Ok(*known)
            }
        }
    }
}

/// The tags of a row group's lines.
pub(super) struct Tags {
    keys: Side,
    values: Side,
    /// The entry that begins the next line, which the one before ran into.
    ahead: Option<Pair>,
}

impl Tags {
    pub(super) fn new(keys: Leaf, values: Leaf) -> Result<Self, Bad> {
        Ok(Self { keys: Side::new(keys)?, values: Side::new(values)?, ahead: None })
    }

    /// The owners of the next lines.
    pub(super) fn fill(&mut self, lines: usize, owners: &mut Owners<'_>, out: &mut Vec<u32>) -> Result<(), Bad> {
        while out.len() < lines {
            let first = match self.ahead.take() {
                Some(pair) => Some(pair),
                None => self.next()?,
            };
            let Some(mut pair) = first else {
                return Err(Bad::Damaged("it has fewer values than its row group lines".to_owned()));
            };
            let mut best: Option<(u32, Entry)> = None;
            loop {
                let rank = |key: &[u8]| Ok(owners.tag.rank(key).map_or(u32::MAX, |rank| rank as u32));
                let rank = self.keys.look(pair.key, rank)?.unwrap_or(u32::MAX);
                if rank < best.as_ref().map_or(u32::MAX, |(best, _)| *best) && !matches!(pair.value, Entry::Nothing) {
                    best = Some((rank, pair.value));
                }
                match self.next()? {
                    Some(next) if !next.begins => pair = next,
                    next => {
                        self.ahead = next;
                        break;
                    }
                }
            }
            let owner = match best {
                None => None,
                Some((_, value)) => self.values.look(value, |text| Ok(owners.names.convert(Raw::Text(text))?))?,
            };
            out.push(owner.unwrap_or(0));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Pair>, Bad> {
        match (self.keys.next()?, self.values.next()?) {
            (Some((begins, key)), Some((too, value))) if begins == too => Ok(Some(Pair { begins, key, value })),
            (None, None) => Ok(None),
            _ => Err(Bad::Damaged("its keys and values do not match".to_owned())),
        }
    }
}
