//! Whose it is: the owner's tag, under each of the names that exports have for it.

use std::collections::HashMap;
use std::fmt;

use ahash::RandomState;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::convert::{Convert, Names, Raw, Wrong};

/// How many different sets of tags are remembered with their owner.
const REMEMBERED: usize = 16_384;

/// The names of a tag.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    /// As the legacy report's CSV has it, such as `resourceTags/user:owner`.
    pub(crate) legacy: String,
    /// As Parquet has it where each tag has its column, such as `resource_tags_user_owner`.
    pub(crate) flat: String,
    /// As it stands among all tags, the most likely first: `user_owner`, `user:owner`, `owner`.
    pub(crate) keys: [String; 3],
}

impl Tag {
    /// The tag that users call so. Those that AWS sets begin with `aws:`.
    pub(crate) fn new(name: &str) -> Self {
        let known = ["user:", "aws:"].iter().any(|space| name.starts_with(space));
        let full = if known { name.to_owned() } else { format!("user:{name}") };
        let plain = column_name(&full);
        Self {
            legacy: format!("resourceTags/{full}"),
            flat: format!("resource_tags_{plain}"),
            keys: [plain, full, name.to_owned()],
        }
    }

    /// Which of the names it is, the most likely first.
    pub(crate) fn rank(&self, key: &[u8]) -> Option<usize> {
        self.keys.iter().position(|known| known.as_bytes() == key)
    }
}

/// A tag's key as AWS writes it in names of columns:
/// <https://docs.aws.amazon.com/cur/latest/userguide/cur-ate-run.html>.
fn column_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        if letter.is_uppercase() {
            name.push('_');
        }
        if letter.is_alphanumeric() {
            name.extend(letter.to_lowercase());
        } else {
            name.push('_');
        }
    }
    let words: Vec<_> = name.split('_').filter(|word| !word.is_empty()).collect();
    words.join("_")
}

/// The owners that lines name in JSON, as CSV has all tags of a line: `{"user_owner":"alice"}`.
#[derive(Debug, Default)]
pub(crate) struct Remembered(HashMap<Box<[u8]>, u32, RandomState>);

/// Reads owners out of all tags of a line.
pub(crate) struct Owners<'a> {
    pub(crate) tag: &'a Tag,
    pub(crate) names: &'a mut Names,
    pub(crate) remembered: &'a mut Remembered,
}

impl Owners<'_> {
    /// The number of the owner whom these tags name.
    pub(crate) fn read(&mut self, json: &[u8]) -> Result<u32, Wrong> {
        if json.is_empty() || json == b"{}" || json.eq_ignore_ascii_case(b"NULL") {
            return Ok(0);
        }
        if let Some(&owner) = self.remembered.0.get(json) {
            return Ok(owner);
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        let owner = reader.deserialize_map(&*self).and_then(|owner| reader.end().map(|()| owner));
        let owner = owner.map_err(|_| Wrong::text(json, "tags as a JSON object"))?;
        let owner = owner.map_or(0, |owner| self.names.id_of(&owner));
        if self.remembered.0.len() >= REMEMBERED {
            self.remembered.0.clear();
        }
        self.remembered.0.insert(json.into(), owner);
        Ok(owner)
    }
}

impl<'de> Visitor<'de> for &Owners<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut tags: A) -> Result<Self::Value, A::Error> {
        let mut best = None;
        while let Some(key) = tags.next_key::<std::borrow::Cow<'de, str>>()? {
            match self.tag.rank(key.as_bytes()) {
                Some(rank) if best.as_ref().is_none_or(|(found, _)| rank < *found) => {
                    best = tags.next_value::<Option<String>>()?.map(|owner| (rank, owner)).or(best);
                }
                _ => _ = tags.next_value::<IgnoredAny>()?,
            }
        }
        Ok(best.map(|(_, owner)| owner))
    }
}

impl Convert for Owners<'_> {
    type Value = u32;

    fn nothing(&self) -> u32 {
        0
    }

    fn convert(&mut self, raw: Raw<'_>) -> Result<u32, Wrong> {
        match raw {
            Raw::Text(json) => self.read(json),
            other => Err(other.wrong("tags")),
        }
    }
}

#[cfg(test)]
mod tests;
