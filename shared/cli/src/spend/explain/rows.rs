//! The rows of one sandbox in the console's table, as `aws dynamodb query` prints them.

use std::collections::{BTreeMap, BTreeSet};

use guardrail::availability::{AvailabilityChange, Change};
use guardrail::catalogue::SPEND_BUDGET;
use guardrail::register::is_account;
use guardrail::spending::SandboxSpend;
use guardrail::{Action, Event, Finding, Sandbox};
use jiff::civil::Date;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::answer::{Failure, Input};

/// What was told of one sandbox, as far as it has to do with its budget.
#[derive(Debug)]
pub(super) struct Rows {
    /// The sandbox, by the name that the newest of the rows tells.
    pub(super) sandbox: Sandbox,
    /// What it spent, by the first day of the billing month.
    pub(super) spend: BTreeMap<Date, SandboxSpend>,
    /// The levels that it reached.
    pub(super) findings: Vec<Finding>,
    /// What was done about them.
    pub(super) actions: Vec<Action>,
    /// How it closed and opened, and which locks were set and released, as it happened. Nothing of single parts.
    pub(super) changes: Vec<AvailabilityChange>,
    /// What last became of each lock, by its name.
    pub(super) locks: BTreeMap<String, AvailabilityChange>,
    /// Where it stands between open and closed; none if it has never been closed.
    pub(super) standing: Option<AvailabilityChange>,
}

/// What `aws dynamodb query` prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    items: Vec<Item>,
    /// Present when there is more, as the service says it.
    last_evaluated_key: Option<IgnoredAny>,
    /// Present when there is more, as the command line says it.
    next_token: Option<IgnoredAny>,
}

/// The attributes of a row that are read. A row of another kind may lack all but its keys.
#[derive(Debug, Deserialize)]
struct Item {
    pk: Text,
    sk: Text,
    detail_type: Option<Text>,
    detail: Option<Text>,
}

#[derive(Debug, Deserialize)]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

impl Rows {
    /// Reads the rows. Beside them come notes: what could not be read, and that there are more rows.
    ///
    /// # Errors
    /// When it is not JSON of that shape, or not of one sandbox.
    pub(super) fn read(input: &Input, bytes: &[u8]) -> Result<(Self, Vec<String>), Failure> {
        let page: Page = serde_json::from_slice(bytes).map_err(|error| Failure::json(input, &error))?;
        let wrong = |problem: String| Failure::Rows { input: input.clone(), problem };
        let owners: BTreeSet<&str> = page.items.iter().map(|item| item.pk.text.as_str()).collect();
        let owner = match owners.iter().collect::<Vec<_>>().as_slice() {
            [] => return Err(wrong("it has no row; is the account right, and the Region?".to_owned())),
            [owner] => (**owner).to_owned(),
            [one, other, ..] => {
                return Err(wrong(format!("it has rows of `{one}` and of `{other}`, expected those of one sandbox")));
            }
        };
        let Some((account, region)) = owner.split_once('/').filter(|(account, region)| is_sandbox(account, region))
        else {
            return Err(wrong(format!(
                "its rows are of `{owner}`, expected a sandbox such as `111122223333/eu-west-1`"
            )));
        };
        let sandbox = Sandbox { account: account.to_owned(), region: region.to_owned(), alias: account.to_owned() };
        let mut rows = Self {
            sandbox,
            spend: BTreeMap::new(),
            findings: Vec::new(),
            actions: Vec::new(),
            changes: Vec::new(),
            locks: BTreeMap::new(),
            standing: None,
        };
        let mut notes = Vec::new();
        if page.last_evaluated_key.is_some() || page.next_token.is_some() {
            notes.push(format!("{input} is only a part of the sandbox's rows; let `aws` ask for all of them"));
        }
        let mut named = None;
        for item in page.items {
            let Some(event) = event_of(&item) else { continue };
            match event {
                Ok(event) => {
                    let header = event.header();
                    named = named.max(Some((header.occurred_at, header.sandbox.alias.clone())));
                    rows.add(&item.sk.text, event);
                }
                Err(problem) => notes.push(format!("row `{}` is left out: {problem}", item.sk.text)),
            }
        }
        if let Some((_, alias)) = named {
            rows.sandbox.alias = alias;
        }
        rows.findings.sort_by_key(|finding| (finding.header.occurred_at, finding.level.percent));
        rows.actions.sort_by_key(|action| action.header.occurred_at);
        rows.changes.sort_by_key(|change| change.header.occurred_at);
        Ok((rows, notes))
    }

    /// Puts what a row says where it belongs.
    fn add(&mut self, sk: &str, event: Event) {
        match event {
            Event::SandboxSpend(spend) => drop(self.spend.insert(spend.month, *spend)),
            Event::Finding(finding) => self.findings.push(finding),
            Event::Action(action) => self.actions.push(action),
            Event::AvailabilityChange(change) => match sk.split_once('/') {
                Some(("lock", name)) => drop(self.locks.insert(name.to_owned(), change)),
                Some(_) if change.part.is_none() => self.changes.push(change),
                Some(_) => {}
                None => self.standing = Some(change),
            },
            _ => {}
        }
    }

    /// Whether a lock holds, as was last told of it.
    pub(super) fn holds(&self, lock: &str) -> bool {
        self.locks.get(lock).is_some_and(|told| told.change == Change::Locked)
    }
}

/// What a row reports; none if that has nothing to do with budgets, locks, or how the sandbox closed.
fn event_of(item: &Item) -> Option<Result<Event, String>> {
    let (kind, rest) = item.sk.text.split_once('/').unwrap_or((&item.sk.text, ""));
    let told = match kind {
        "finding" | "action" => rest.strip_prefix(SPEND_BUDGET.id).is_some_and(|rest| rest.starts_with('/')),
        "spend" | "lock" | "availability" => true,
        _ => false,
    };
    if !told {
        return None;
    }
    let (Some(detail_type), Some(detail)) = (&item.detail_type, &item.detail) else {
        return Some(Err("it has no `detail` or no `detail_type`".to_owned()));
    };
    let detail = serde_json::from_str(&detail.text);
    Some(detail.and_then(|detail| Event::from_detail(&detail_type.text, detail)).map_err(|error| error.to_string()))
}

/// Whether this names a sandbox, in letters that can be pasted into a command.
fn is_sandbox(account: &str, region: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    is_account(account) && !region.is_empty() && region.chars().all(letters)
}
