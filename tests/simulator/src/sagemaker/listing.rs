//! What all of SageMaker's lists have in common: filters, order and pages.
//!
//! The lists differ in which filters they know and in what they do when nothing is said; a [`Rules`] says it. A page
//! holds ten entries unless more are asked for, and a hundred at most.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::input::Input;
use crate::protocol::AwsError;

use super::invalid;

/// The entries of a page nobody gave a size. AWS documents it for some lists and gives it for all.
const PAGE: usize = 10;
/// The most entries of one page.
const MOST: i64 = 100;

/// One call: which operation, with which input, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) operation: &'a str,
    pub(super) input: Input<'a>,
    pub(super) now: Timestamp,
    members: &'a Map<String, Value>,
}

impl<'a> Request<'a> {
    pub(super) fn new(operation: &'a str, members: &'a Map<String, Value>, now: Timestamp) -> Request<'a> {
        Request { operation, input: Input::new(members, invalid), now, members }
    }

    /// What a page token is good for: the same list with the same filters in the same order.
    fn digest(&self) -> u64 {
        let asked: Vec<_> = self
            .members
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "NextToken" | "MaxResults"))
            .map(|(name, value)| (name, value.to_string()))
            .collect();
        digest(&(self.operation, asked))
    }
}

pub(super) fn digest(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// Something that can be listed.
pub(super) trait Listed {
    /// What tells it from all others: its ARN.
    fn id(&self) -> &str;
    /// What `NameContains` looks at.
    fn name(&self) -> &str;
    fn status(&self, now: Timestamp) -> &str;
    fn created_at(&self) -> Timestamp;
    fn modified_at(&self, now: Timestamp) -> Timestamp;
}

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Arn,
    CreationTime,
    LastModifiedTime,
    Name,
    Status,
}

/// Which way a list is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// What `StatusEquals` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// The list does not know it.
    Unknown,
    /// The list holds only what has the status.
    Filters,
    /// Pages are cut from all there is, and what has another status is then struck out of them: a page may be short or
    /// empty although more follow. So `ListTrainingJobs` does, as its documentation says.
    FiltersPages,
}

/// How one list behaves.
#[derive(Debug)]
pub(super) struct Rules {
    /// The output member that holds the entries.
    pub(super) member: &'static str,
    /// The filters on the creation time, after and before.
    pub(super) created: [&'static str; 2],
    /// Whether it filters by the time of the last change.
    pub(super) modified: bool,
    pub(super) name_contains: Option<&'static str>,
    pub(super) status: Status,
    /// What `SortBy` may say; the first is meant when it says nothing.
    pub(super) sorts: &'static [(&'static str, Sort)],
    /// What is meant when `SortOrder` says nothing.
    pub(super) order: Order,
}

pub(super) const BY_TIME: &[(&str, Sort)] =
    &[("CreationTime", Sort::CreationTime), ("Name", Sort::Name), ("Status", Sort::Status)];
pub(super) const BY_NAME: &[(&str, Sort)] =
    &[("Name", Sort::Name), ("CreationTime", Sort::CreationTime), ("Status", Sort::Status)];

impl Rules {
    /// A list that knows no filter and has the oldest first.
    pub(super) const PLAIN: Rules = Rules {
        member: "",
        created: ["", ""],
        modified: false,
        name_contains: None,
        status: Status::Unknown,
        sorts: &[("CreationTime", Sort::CreationTime)],
        order: Order::Ascending,
    };

    /// A list with the filters most of them have, newest first.
    pub(super) const USUAL: Rules = Rules {
        created: ["CreationTimeAfter", "CreationTimeBefore"],
        modified: true,
        name_contains: Some("NameContains"),
        status: Status::Filters,
        sorts: BY_TIME,
        order: Order::Descending,
        ..Rules::PLAIN
    };

    fn sort(&self, input: Input<'_>) -> Result<Sort, AwsError> {
        let names: Vec<&str> = self.sorts.iter().map(|(name, _)| *name).collect();
        let asked = one_of(input, "SortBy", &names)?;
        let found = self.sorts.iter().find(|(name, _)| asked.is_none_or(|asked| asked == *name));
        Ok(found.map_or(Sort::CreationTime, |(_, sort)| *sort))
    }

    fn order(&self, input: Input<'_>) -> Result<Order, AwsError> {
        Ok(match one_of(input, "SortOrder", &["Ascending", "Descending"])? {
            Some("Ascending") => Order::Ascending,
            Some(_) => Order::Descending,
            None => self.order,
        })
    }
}

/// The filters of one call. An instant is neither after nor before itself.
#[derive(Debug)]
struct Filter<'a> {
    created: [Option<Timestamp>; 2],
    modified: [Option<Timestamp>; 2],
    name_contains: Option<&'a str>,
    status: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn read(rules: &Rules, input: Input<'a>) -> Result<Filter<'a>, AwsError> {
        let [after, before] = rules.created;
        let modified = |name| if rules.modified { instant(input, name) } else { Ok(None) };
        let status = if rules.status == Status::Unknown { None } else { input.text("StatusEquals", 1..=256)? };
        Ok(Filter {
            created: [instant(input, after)?, instant(input, before)?],
            modified: [modified("LastModifiedTimeAfter")?, modified("LastModifiedTimeBefore")?],
            name_contains: rules.name_contains.map(|name| input.text(name, 0..=63)).transpose()?.flatten(),
            status,
        })
    }

    fn admits(&self, item: &impl Listed, now: Timestamp) -> bool {
        let within = |at: Timestamp, [after, before]: [Option<Timestamp>; 2]| {
            after.is_none_or(|after| at > after) && before.is_none_or(|before| at < before)
        };
        within(item.created_at(), self.created)
            && within(item.modified_at(now), self.modified)
            && self.name_contains.is_none_or(|part| item.name().contains(part))
    }

    fn admits_status(&self, item: &impl Listed, now: Timestamp) -> bool {
        self.status.is_none_or(|status| item.status(now) == status)
    }
}

/// Where an entry stands in its list.
type Rank<'a> = (i64, &'a str, &'a str);

fn rank<T: Listed>(item: &T, sort: Sort, now: Timestamp) -> Rank<'_> {
    match sort {
        Sort::Arn => (0, "", item.id()),
        Sort::CreationTime => (item.created_at().as_millisecond(), "", item.id()),
        Sort::LastModifiedTime => (item.modified_at(now).as_millisecond(), "", item.id()),
        Sort::Name => (0, item.name(), item.id()),
        Sort::Status => (0, item.status(now), item.id()),
    }
}

/// The answer of a list: one page of `items`, each as `show` shows it.
pub(super) fn list<'a, T: Listed + 'a>(
    rules: &Rules,
    request: Request<'_>,
    items: impl Iterator<Item = &'a T>,
    show: impl Fn(&T) -> Value,
) -> Result<Value, AwsError> {
    let Request { input, now, .. } = request;
    let filter = Filter::read(rules, input)?;
    let (sort, order) = (rules.sort(input)?, rules.order(input)?);
    let asked = input.integer("MaxResults", 1..=MOST)?.and_then(|count| usize::try_from(count).ok());
    let digest = request.digest();
    let after = input.text("NextToken", 0..=8_192)?.map(|token| rank_of(token, digest)).transpose()?;
    let after = after.as_ref().map(|(number, text, id)| (*number, text.as_str(), id.as_str()));

    let listed =
        |item: &&T| filter.admits(*item, now) && (rules.status != Status::Filters || filter.admits_status(*item, now));
    let mut ranked: Vec<(Rank<'_>, &T)> = items.filter(listed).map(|item| (rank(item, sort, now), item)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    if order == Order::Descending {
        ranked.reverse();
    }
    // A token names the last entry of its page, so that entries which come or go meanwhile shift nothing.
    let follows = |rank: Rank<'_>| match order {
        Order::Ascending => after.is_none_or(|after| rank > after),
        Order::Descending => after.is_none_or(|after| rank < after),
    };
    let mut rest = ranked.into_iter().filter(|(rank, _)| follows(*rank));
    let page: Vec<_> = rest.by_ref().take(asked.unwrap_or(PAGE)).collect();
    let next = rest.next().and(page.last()).map(|(rank, _)| token_of(*rank, digest));
    let shown = page.iter().filter(|(_, item)| filter.admits_status(*item, now));
    let mut output = json!({ rules.member: shown.map(|(_, item)| show(item)).collect::<Vec<_>>() });
    if let (Some(next), Value::Object(output)) = (next, &mut output) {
        output.insert("NextToken".to_owned(), next.into());
    }
    Ok(output)
}

fn token_of(rank: Rank<'_>, digest: u64) -> String {
    let hex: String = json!(rank).to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{digest:016x}{hex}")
}

/// The rank a page token names; a token of another list, or of other filters, is refused.
fn rank_of(token: &str, digest: u64) -> Result<(i64, String, String), AwsError> {
    let read = || {
        let hex = token.strip_prefix(&format!("{digest:016x}"))?;
        let bytes = (0..hex.len() / 2)
            .map(|index| u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok())
            .collect::<Option<Vec<u8>>>()?;
        serde_json::from_slice(&bytes).ok()
    };
    read().ok_or_else(|| invalid("The NextToken is not valid for this request."))
}

/// A text out of a closed set.
pub(super) fn one_of<'a>(input: Input<'a>, name: &str, set: &[&str]) -> Result<Option<&'a str>, AwsError> {
    match input.text(name, 0..=usize::MAX)? {
        Some(value) if !set.contains(&value) => Err(invalid(&format!(
            "1 validation error detected: Value '{value}' at '{}' failed to satisfy constraint: Member must satisfy \
             enum value set: [{}]",
            super::names::lower_camel(name),
            set.join(", ")
        ))),
        value => Ok(value),
    }
}

/// An instant, which JSON 1.1 carries as epoch seconds with a fraction.
fn instant(input: Input<'_>, name: &str) -> Result<Option<Timestamp>, AwsError> {
    let Some(value) = input.member(name) else { return Ok(None) };
    value
        .as_f64()
        .and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok())
        .and_then(|since| Timestamp::UNIX_EPOCH.checked_add(since).ok())
        // Milliseconds are what a fraction of this size can carry exactly.
        .and_then(|at| at.round(jiff::Unit::Millisecond).ok())
        .map(Some)
        .ok_or_else(|| AwsError::serialization(Some("Expected a timestamp in epoch seconds")))
}
