//! Pages of lists that are kept in the order of their keys.
//!
//! A token names the last entry of its page, so entries that come or go meanwhile shift nothing. AWS documents how many
//! entries may be asked for, and neither how many come unasked nor in which order sessions and jobs are listed: here a
//! page has [`PAGE`] entries, the newest session comes first, and jobs come by name.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;

use jiff::Timestamp;
use serde_json::Value;

use super::invalid;
use crate::input::Input;
use crate::protocol::AwsError;

/// How many entries a page has when nobody says.
const PAGE: usize = 100;
/// How many digits of a token say which list it belongs to.
const SCOPE: usize = 16;

/// One page of a list, and the token of the next.
#[derive(Debug)]
pub(super) struct Page<'a, V> {
    pub(super) entries: Vec<&'a V>,
    next: Option<String>,
}

impl<'a, V> Page<'a, V> {
    /// The page a request asks for, out of the entries that are `wanted`. `scope` says which list it is, so that a
    /// token of another is refused; `most` is how many entries may be asked for.
    pub(super) fn read(
        input: Input<'_>,
        most: i64,
        scope: &str,
        entries: &'a BTreeMap<String, V>,
        wanted: impl Fn(&V) -> bool,
    ) -> Result<Page<'a, V>, AwsError> {
        let size = input.integer("MaxResults", 1..=most)?.and_then(|size| usize::try_from(size).ok()).unwrap_or(PAGE);
        let after = input.text("NextToken", 0..=400_000)?.filter(|token| !token.is_empty());
        let after = after.map(|token| key_of(token, scope)).transpose()?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = entries.range((start, Bound::Unbounded)).filter(|(_, entry)| wanted(entry));
        let shown: Vec<_> = rest.by_ref().take(size).collect();
        let last = shown.last().filter(|_| rest.next().is_some());
        let next = last.map(|(key, _)| token_for(key, scope));
        Ok(Page { entries: shown.into_iter().map(|(_, entry)| entry).collect(), next })
    }

    /// Adds the token of the next page to an answer, when there is one.
    pub(super) fn give_token(self, mut output: Value) -> Value {
        if let (Some(next), Value::Object(output)) = (self.next, &mut output) {
            output.insert("NextToken".to_owned(), next.into());
        }
        output
    }
}

/// The key by which entries come newest first; `number` keeps those of the same millisecond in order.
pub(super) fn newest_first(at: Timestamp, number: u64) -> String {
    format!("{:016x}{:016x}", i64::MAX.saturating_sub(at.as_millisecond()), u64::MAX - number)
}

fn token_for(key: &str, scope: &str) -> String {
    let key: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{:016x}{key}", digest(scope))
}

fn key_of(token: &str, scope: &str) -> Result<String, AwsError> {
    let key = || {
        let (owner, key) = token.split_at_checked(SCOPE)?;
        if u64::from_str_radix(owner, 16).ok()? != digest(scope) {
            return None;
        }
        let bytes: Option<Vec<u8>> = (0..key.len())
            .step_by(2)
            .map(|at| key.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
            .collect();
        String::from_utf8(bytes?).ok()
    };
    key().ok_or_else(|| invalid("Invalid NextToken."))
}

fn digest(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_one_list() {
        for key in ["", "job", "ä b"] {
            assert_eq!(key_of(&token_for(key, "jobs"), "jobs").unwrap(), key);
            assert!(key_of(&token_for(key, "jobs"), "sessions").is_err());
        }
        let odd = format!("{:016x}6", digest("jobs"));
        for wrong in ["x", "0123456789abcdefgh", "äöü", odd.as_str()] {
            assert!(key_of(wrong, "jobs").is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_newest_key_is_the_least() {
        let at = |millis| Timestamp::from_millisecond(millis).unwrap();
        let keys = [newest_first(at(2), 1), newest_first(at(1), 3), newest_first(at(1), 2), newest_first(at(-1), 4)];
        assert!(keys.is_sorted());
    }
}
