//! Reading an operation's input the way AWS does: same checks, same order, same words.
//!
//! AWS reports a value of the wrong type as `SerializationException`, and a missing or out-of-range one as the
//! service's own validation error. A service hands in how its validation error is built.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::protocol::AwsError;

const LIST: &str = "a List";
const STRUCTURE: &str = "a Structure";

/// An input object, read member by member.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    members: &'a Map<String, Value>,
    invalid: fn(&str) -> AwsError,
}

impl<'a> Input<'a> {
    /// Reads `members`; `invalid` makes the service's validation error out of a message.
    pub(crate) fn new(members: &'a Map<String, Value>, invalid: fn(&str) -> AwsError) -> Input<'a> {
        Input { members, invalid }
    }

    /// A text of `length` characters.
    pub(crate) fn text(&self, name: &str, length: RangeInclusive<usize>) -> Result<Option<&'a str>, AwsError> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::String(text)) => {
                self.within(name, "have length", text.chars().count(), &length)?;
                Ok(Some(text))
            }
            Some(other) => Err(mismatch(other, "a String")),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, name: &str, length: RangeInclusive<usize>) -> Result<&'a str, AwsError> {
        self.text(name, length)?.ok_or_else(|| self.missing(name))
    }

    /// A whole number.
    pub(crate) fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, AwsError> {
        match self.member(name) {
            None => Ok(None),
            Some(value @ Value::Number(number)) => {
                let number = number.as_i64().ok_or_else(|| mismatch(value, "an Integer"))?;
                self.within(name, "have value", number, &range)?;
                Ok(Some(number))
            }
            Some(other) => Err(mismatch(other, "an Integer")),
        }
    }

    /// A yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, AwsError> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(other) => Err(mismatch(other, "a Boolean")),
        }
    }

    /// A list of texts, `length` of them.
    pub(crate) fn texts(&self, name: &str, length: RangeInclusive<usize>) -> Result<Option<Vec<&'a str>>, AwsError> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let texts = items
                    .iter()
                    .map(|item| item.as_str().ok_or_else(|| mismatch(item, "a String")))
                    .collect::<Result<Vec<_>, _>>()?;
                self.within(name, "have length", texts.len(), &length)?;
                Ok(Some(texts))
            }
            Some(other) => Err(mismatch(other, LIST)),
        }
    }

    /// A text that is one of `allowed`.
    pub(crate) fn choice(&self, name: &str, allowed: &[&'static str]) -> Result<Option<&'static str>, AwsError> {
        self.text(name, 0..=usize::MAX)?.map(|text| self.allowed(name, text, allowed)).transpose()
    }

    /// A list of texts, each one of `allowed`.
    pub(crate) fn choices(&self, name: &str, allowed: &[&'static str]) -> Result<Option<Vec<&'static str>>, AwsError> {
        let texts = self.texts(name, 0..=usize::MAX)?;
        texts.map(|texts| texts.into_iter().map(|text| self.allowed(name, text, allowed)).collect()).transpose()
    }

    /// An instant, which JSON 1.1 carries as epoch seconds with or without a fraction.
    pub(crate) fn instant(&self, name: &str) -> Result<Option<Timestamp>, AwsError> {
        let wanted = "a Timestamp";
        match self.member(name) {
            None => Ok(None),
            Some(value @ Value::Number(number)) => {
                let since = number.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                // The nearest millisecond is the one that was meant: a binary fraction is a little off.
                let millis = since.map(|since| since.saturating_add(Duration::from_micros(500)).as_millis());
                let millis = millis.and_then(|millis| i64::try_from(millis).ok());
                let instant = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
                instant.map(Some).ok_or_else(|| mismatch(value, wanted))
            }
            Some(other) => Err(mismatch(other, wanted)),
        }
    }

    /// A list of objects, `length` of them.
    pub(crate) fn objects(
        &self,
        name: &str,
        length: RangeInclusive<usize>,
    ) -> Result<Option<Vec<Input<'a>>>, AwsError> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let objects = items
                    .iter()
                    .map(|item| match item {
                        Value::Object(members) => Ok(Input { members, invalid: self.invalid }),
                        other => Err(mismatch(other, STRUCTURE)),
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                self.within(name, "have length", objects.len(), &length)?;
                Ok(Some(objects))
            }
            Some(other) => Err(mismatch(other, LIST)),
        }
    }

    /// A nested object.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Input<'a>>, AwsError> {
        match self.member(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Input { members, invalid: self.invalid })),
            Some(other) => Err(mismatch(other, STRUCTURE)),
        }
    }

    /// The member as it came, for what is kept without being understood.
    pub(crate) fn member(&self, name: &str) -> Option<&'a Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// Everything as it came, for what writes the request down.
    pub(crate) fn echo(&self) -> Value {
        Value::Object(self.members.clone())
    }

    /// The validation error for a member that must be there.
    pub(crate) fn missing(&self, name: &str) -> AwsError {
        self.broken(&format!("Value null at '{}'", lower_camel(name)), "Member must not be null")
    }

    /// The validation error for a member that does not match `pattern`.
    pub(crate) fn unmatched(&self, name: &str, pattern: &str) -> AwsError {
        self.broken(
            &format!("Value at '{}'", lower_camel(name)),
            &format!("Member must satisfy regular expression pattern: {pattern}"),
        )
    }

    fn allowed(&self, name: &str, text: &str, allowed: &[&'static str]) -> Result<&'static str, AwsError> {
        allowed.iter().find(|each| **each == text).copied().ok_or_else(|| {
            self.broken(
                &format!("Value '{text}' at '{}'", lower_camel(name)),
                &format!("Member must satisfy enum value set: [{}]", allowed.join(", ")),
            )
        })
    }

    fn within<T: PartialOrd + std::fmt::Display>(
        &self,
        name: &str,
        what: &str,
        value: T,
        range: &RangeInclusive<T>,
    ) -> Result<(), AwsError> {
        let rule = if value < *range.start() {
            format!("Member must {what} greater than or equal to {}", range.start())
        } else if value > *range.end() {
            format!("Member must {what} less than or equal to {}", range.end())
        } else {
            return Ok(());
        };
        Err(self.broken(&format!("Value at '{}'", lower_camel(name)), &rule))
    }

    fn broken(&self, what: &str, rule: &str) -> AwsError {
        (self.invalid)(&format!("1 validation error detected: {what} failed to satisfy constraint: {rule}"))
    }
}

/// AWS's words for a JSON value where another kind was expected.
fn mismatch(value: &Value, wanted: &str) -> AwsError {
    let message = match (value, wanted) {
        (Value::Array(_), _) => "Start of list found where not expected".to_owned(),
        (Value::Object(_), _) => "Start of structure or map found where not expected.".to_owned(),
        (_, LIST) => "Expected list or null".to_owned(),
        (_, STRUCTURE) => "Expected null".to_owned(),
        (Value::String(_), _) => format!("STRING_VALUE can not be converted to {wanted}"),
        (Value::Number(_), _) => format!("NUMBER_VALUE can not be converted to {wanted}"),
        (Value::Bool(true), _) => format!("TRUE_VALUE can not be converted to {wanted}"),
        (Value::Bool(false), _) => format!("FALSE_VALUE can not be converted to {wanted}"),
        (Value::Null, _) => format!("NULL_VALUE can not be converted to {wanted}"),
    };
    AwsError::serialization(Some(&message))
}

/// `QueryExecutionId` as the messages write it: `queryExecutionId`.
pub(crate) fn lower_camel(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
