//! What an operator may ask for, read and checked whole: every fault at once, each with its place.

mod budget;

use std::collections::BTreeSet;

use guardrail::availability::{AvailabilityUpdateRequested, SandboxLockReleased, SandboxLockRequested};
use guardrail::event::Header;
use guardrail::{Event, Sandbox};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use window::{Fault, Window};

pub use self::budget::{Budget, BudgetOf, Change};

/// Characters of a reason or of somebody's name. It is shown in a line of a page.
const LONGEST_TEXT: usize = 200;

/// Characters of a lock's name and of a command's id, which become parts of keys and of event ids.
const LONGEST_NAME: usize = 64;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What is to be done.
    pub order: Order,
    /// Who asks.
    pub requested_by: String,
    /// The id under which it was asked before, or is to be.
    pub id: Option<String>,
    /// The Region of the sandboxes, where it is not the hub's own.
    pub region: Option<String>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// These sandboxes are to do this.
    ToSandboxes(Task, Addressees),
    /// The hub is to hold sandboxes to another budget.
    Budget(Budget),
}

/// What a sandbox is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Obey this window document; null takes the window away.
    Update(Value),
    /// Close, and stay closed.
    Lock {
        /// The lock's name.
        lock: String,
        /// Why.
        reason: String,
    },
    /// Be held by this lock no longer.
    Release {
        /// The lock's name.
        lock: String,
        /// Why it may go.
        reason: String,
    },
}

/// Whom a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addressees {
    /// Every sandbox of the Region that has given a sign of life.
    All,
    /// These accounts.
    Accounts(BTreeSet<String>),
}

impl Asked {
    /// Reads what is asked for.
    ///
    /// # Errors
    /// Every fault: keys in the order that a command has them, what is unknown last.
    pub fn read(input: &Value) -> Result<Self, Vec<Fault>> {
        let Some(fields) = input.as_object() else {
            return Err(vec![fault("", format!("it is `{}`, expected a command", shortened(input)))]);
        };
        let mut reader = Reader { fields, known: Vec::new(), faults: Vec::new() };
        let order = reader.order();
        let requested_by = reader.sentence("requested_by");
        let id = reader.optional("id", NAME, is_name);
        let region = reader.optional("region", "a Region such as `eu-west-1`", is_region);
        let faults = reader.finish();
        match (order, requested_by) {
            (Some(order), Some(requested_by)) if faults.is_empty() => Ok(Self { order, requested_by, id, region }),
            _ => Err(faults),
        }
    }

    /// What is asked for and by whom, but not where: a command of the same id asks for the same.
    pub fn what(&self) -> Value {
        let mut what = match &self.order {
            Order::ToSandboxes(task, _) => task.what(),
            Order::Budget(budget) => budget.what(),
        };
        if let Value::Object(fields) = &mut what {
            fields.insert("requested_by".to_owned(), json!(self.requested_by));
        }
        what
    }
}

impl Task {
    fn what(&self) -> Value {
        match self {
            Self::Update(window) => json!({"command": "availability_update", "window": window}),
            Self::Lock { lock, reason } => json!({"command": "lock", "lock": lock, "reason": reason}),
            Self::Release { lock, reason } => json!({"command": "release", "lock": lock, "reason": reason}),
        }
    }

    /// The event that asks one sandbox for it, in the command of this id that was first asked for at `asked_at`.
    pub fn event(&self, id: &str, requested_by: &str, sandbox: &Sandbox, asked_at: Timestamp) -> Event {
        let header = Header::new(format!("command/{id}"), sandbox, asked_at);
        let requested_by = requested_by.to_owned();
        match self.clone() {
            Self::Update(window) => AvailabilityUpdateRequested { header, requested_by, window }.into(),
            Self::Lock { lock, reason } => SandboxLockRequested { header, lock, reason, requested_by }.into(),
            Self::Release { lock, reason } => SandboxLockReleased { header, lock, reason, requested_by }.into(),
        }
    }
}

const NAME: &str = "1 to 64 of the letters a to z and A to Z, digits, `-` and `_`";
const LOCK: &str = "1 to 64 of the letters a to z, digits and `-`, such as `budget`";

/// Reads fields and notes what is wrong with them.
struct Reader<'a> {
    fields: &'a Map<String, Value>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn get(&mut self, key: &'static str) -> Option<&Value> {
        self.known.push(key);
        self.fields.get(key)
    }

    /// A field that must be there.
    fn required(&mut self, key: &'static str) -> Option<Value> {
        let value = self.get(key).cloned();
        if value.is_none() {
            self.faults.push(fault(key, "is missing"));
        }
        value
    }

    fn expected(&mut self, key: &str, found: &Value, expected: &str) {
        self.faults.push(fault(key, format!("is `{}`, expected {expected}", shortened(found))));
    }

    fn text(&mut self, key: &'static str, expected: &str, is_valid: impl Fn(&str) -> bool) -> Option<String> {
        let value = self.required(key)?;
        match value.as_str() {
            Some(text) if is_valid(text) => Some(text.to_owned()),
            _ => {
                self.expected(key, &value, expected);
                None
            }
        }
    }

    fn sentence(&mut self, key: &'static str) -> Option<String> {
        let is_valid = |text: &str| !text.trim().is_empty() && text.chars().count() <= LONGEST_TEXT;
        self.text(key, "text of 1 to 200 characters", is_valid)
    }

    fn optional(&mut self, key: &'static str, expected: &str, is_valid: impl Fn(&str) -> bool) -> Option<String> {
        if self.fields.contains_key(key) {
            self.text(key, expected, is_valid)
        } else {
            self.known.push(key);
            None
        }
    }

    fn order(&mut self) -> Option<Order> {
        const COMMANDS: [&str; 4] = ["availability_update", "lock", "release", "budget"];
        const NAMED: &str = "`availability_update`, `lock`, `release` or `budget`";
        let command = self.text("command", NAMED, |word| COMMANDS.contains(&word));
        let task = match command.as_deref() {
            Some("budget") => return budget::read(self).map(Order::Budget),
            Some("availability_update") => self.window().map(Task::Update),
            Some(command) => {
                let lock = self.text("lock", LOCK, is_lock);
                let reason = self.sentence("reason");
                lock.zip(reason).map(|(lock, reason)| match command {
                    "lock" => Task::Lock { lock, reason },
                    _ => Task::Release { lock, reason },
                })
            }
            None => {
                // Which of them belong cannot be told before the command is.
                self.known.extend(["window", "lock", "reason", "limit", "levels", "mode", "business_unit"]);
                None
            }
        };
        let sandboxes = self.sandboxes();
        Some(Order::ToSandboxes(task?, sandboxes?))
    }

    fn window(&mut self) -> Option<Value> {
        let window = self.required("window")?;
        if window.is_null() {
            return Some(window);
        }
        match Window::from_json(&window) {
            Ok(window) => Some(window.to_json()),
            Err(faults) => {
                self.faults.extend(faults.0.into_iter().map(|Fault { path, message }| {
                    let path = if path.is_empty() { "window".to_owned() } else { format!("window.{path}") };
                    Fault { path, message }
                }));
                None
            }
        }
    }

    fn sandboxes(&mut self) -> Option<Addressees> {
        let value = self.required("sandboxes")?;
        let accounts = match &value {
            Value::String(word) if word == "all" => return Some(Addressees::All),
            Value::Array(accounts) if !accounts.is_empty() => accounts,
            _ => {
                self.expected("sandboxes", &value, "`all`, or a list of account ids that is not empty");
                return None;
            }
        };
        let mut named = BTreeSet::new();
        for (index, account) in accounts.iter().enumerate() {
            let key = format!("sandboxes[{index}]");
            match account.as_str() {
                Some(id) if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) => {
                    if !named.insert(id.to_owned()) {
                        self.faults.push(fault(&key, format!("is `{id}`, which was named before")));
                    }
                }
                _ => self.expected(&key, account, "an account id of 12 digits, as text"),
            }
        }
        Some(Addressees::Accounts(named))
    }

    /// Every fault, with those of keys that no field was read from.
    fn finish(mut self) -> Vec<Fault> {
        let unknown = self.fields.keys().filter(|key| !self.known.contains(&key.as_str()));
        let known: Vec<String> = self.known.iter().map(|key| format!("`{key}`")).collect();
        let message = format!("is unknown, expected {}", known.join(", "));
        self.faults.extend(unknown.map(|key| fault(key, message.clone())));
        self.faults
    }
}

fn fault(path: &str, message: impl Into<String>) -> Fault {
    Fault { path: path.to_owned(), message: message.into() }
}

/// A value as an operator knows it again.
fn shortened(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(LONGEST_TEXT).collect()
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn is_lock(text: &str) -> bool {
    is_name(text) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether it has the form of a Region's name. It becomes part of a host name, so nothing else may stand in it.
fn is_region(text: &str) -> bool {
    let mut words = text.split('-').rev();
    let number = words.next().is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
    let words: Vec<&str> = words.collect();
    let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    number && words.len() >= 2 && words.iter().all(is_word) && text.len() <= LONGEST_NAME
}

#[cfg(test)]
mod tests;
