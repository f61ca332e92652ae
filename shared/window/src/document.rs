//! The window document: what may stand in it, and every fault of one that is wrong.

use std::collections::HashMap;

use jiff::civil::{Date, DateTime, Time, Weekday};

use crate::layer::{Period, Rule};
use crate::tree::{Node, clip};
use crate::zone::Zone;
use crate::{Fault, Faults};

/// The entries that a list may have. One for each hour of a year's working days is far beyond any calendar, and a
/// document must fit into an event.
pub(crate) const MOST_ENTRIES: usize = 1_000;
/// The characters that a reason may have: it is shown in one line.
pub(crate) const LONGEST_REASON: usize = 200;
/// The years that dates may lie in.
pub(crate) const YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;

/// The words for days, from Monday on.
pub(crate) const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A valid document. Its lists are in the order of the text.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) zone: Zone,
    pub(crate) rules: Vec<Rule>,
    pub(crate) closed_dates: Vec<Period>,
    pub(crate) extensions: Vec<Period>,
    pub(crate) closures: Vec<Period>,
    pub(crate) calendar: Option<String>,
}

impl Document {
    /// Reads a document; the faults are all there are.
    pub(crate) fn read(node: &Node) -> Result<Self, Faults> {
        let mut reader = Reader::default();
        let document = reader.document(node);
        match document {
            Some(document) if reader.faults.is_empty() => Ok(document),
            _ => Err(Faults(in_order(reader.faults, node))),
        }
    }
}

/// A key of an object: its name, whether it must be there, and what is expected of it.
type Key = (&'static str, bool, &'static str);

const ZONE: &str = "a name of the IANA time zone database such as `Europe/Madrid`";
const RULES: &str = "a list of rules such as `{\"days\": [\"mon\"], \"from\": \"08:00\", \"to\": \"20:00\"}`";
const CLOSED_DATES: &str = "a list of dates such as `2026-12-25` and of ranges of dates such as \
     `{\"from\": \"2026-12-30\", \"to\": \"2027-01-02\"}`";
const SPECIALS: &str = "a list of periods such as \
     `{\"from\": \"2026-11-23T20:00\", \"until\": \"2026-11-23T22:00\", \"reason\": \"quarter end\"}`";
const CALENDAR: &str = "the name of an SSM Change Calendar";
const DAY_LIST: &str = "a list of days out of `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`";
const START: &str = "a time `HH:MM` from `00:00` to `23:59`";
const END: &str = "a time `HH:MM` from `00:00` to `24:00`";
const DATE: &str = "a date `YYYY-MM-DD` of the years 2000 to 2100";
const LOCAL: &str = "a local time `YYYY-MM-DDTHH:MM` of the years 2000 to 2100, without zone or offset";
const REASON: &str = "a text of 1 to 200 characters that says why";

/// The keys of each object, in the order of the schema.
const DOCUMENT_KEYS: &[Key] = &[
    ("time_zone", true, ZONE),
    ("open", true, RULES),
    ("closed_dates", false, CLOSED_DATES),
    ("extensions", false, SPECIALS),
    ("closures", false, SPECIALS),
    ("calendar", false, CALENDAR),
];
const RULE_KEYS: &[Key] = &[("days", true, DAY_LIST), ("from", true, START), ("to", true, END)];
const RANGE_KEYS: &[Key] = &[("from", true, DATE), ("to", true, DATE)];
const SPECIAL_KEYS: &[Key] = &[("from", true, LOCAL), ("until", true, LOCAL), ("reason", true, REASON)];

/// Reads a document and collects what is wrong with it. What cannot be read is left out, so that the rest is read too.
#[derive(Default)]
struct Reader {
    faults: Vec<Fault>,
}

impl Reader {
    fn document(&mut self, node: &Node) -> Option<Document> {
        let fields = self.object("", node, DOCUMENT_KEYS, "an object, a window document")?;
        let zone = fields.get("time_zone").and_then(|node| self.zone("time_zone", node));
        let rules = self.list(&fields, "open", RULES, Self::rule);
        let closed_dates = self.list(&fields, "closed_dates", CLOSED_DATES, Self::closed_date);
        let extensions = self.list(&fields, "extensions", SPECIALS, Self::special);
        let closures = self.list(&fields, "closures", SPECIALS, Self::special);
        let calendar = fields.get("calendar").and_then(|node| self.line("calendar", node, CALENDAR));
        Some(Document { zone: zone?, rules, closed_dates, extensions, closures, calendar })
    }

    fn rule(&mut self, path: &str, node: &Node) -> Option<Rule> {
        let fields = self.object(path, node, RULE_KEYS, "a rule")?;
        let days = fields.get("days").and_then(|node| self.days(&format!("{path}.days"), node));
        let from = fields.get("from").and_then(|node| self.read(&format!("{path}.from"), node, START, time));
        let to = fields.get("to").and_then(|node| {
            // The end of the day is the midnight after it, which is how a rule holds it.
            self.read(&format!("{path}.to"), node, END, |text| {
                if text == "24:00" {
                    Some((text.to_owned(), Time::midnight()))
                } else {
                    Some((text.to_owned(), time(text)?))
                }
            })
        });
        let (days, from, (written, to)) = (days?, from?, to?);
        if from == to && written != "24:00" {
            self.fault(
                &format!("{path}.to"),
                format!("`{written}` is `from` too, expected another time; all day is `00:00` to `24:00`"),
            );
        }
        Some(Rule { days, from, to })
    }

    fn days(&mut self, path: &str, node: &Node) -> Option<Vec<Weekday>> {
        let Node::List(nodes) = node else {
            self.unexpected(path, node, DAY_LIST);
            return None;
        };
        if nodes.is_empty() {
            self.fault(path, "is empty, expected at least one day".to_owned());
        }
        let mut days = Vec::new();
        for (index, node) in nodes.iter().enumerate().take(MOST_ENTRIES) {
            let path = format!("{path}[{index}]");
            let expected = "`mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`";
            let day = |text: &str| DAYS.iter().find(|(word, _)| *word == text).copied();
            match self.read(&path, node, expected, day) {
                Some((word, day)) if days.contains(&day) => {
                    self.fault(&path, format!("`{word}` is there before, expected each day once"));
                }
                Some((_, day)) => days.push(day),
                None => {}
            }
        }
        Some(days)
    }

    fn closed_date(&mut self, path: &str, node: &Node) -> Option<Period> {
        let (first, last) = match node {
            Node::Object(_) => {
                let fields = self.object(path, node, RANGE_KEYS, "a range of dates")?;
                let first = fields.get("from").and_then(|node| self.read(&format!("{path}.from"), node, DATE, date));
                let last = fields.get("to").and_then(|node| self.read(&format!("{path}.to"), node, DATE, date));
                let (first, last) = (first?, last?);
                if last < first {
                    self.fault(&format!("{path}.to"), format!("`{last}` is before `from`, which is `{first}`"));
                }
                (first, last)
            }
            Node::Text(_) => {
                let date = self.read(path, node, DATE, date)?;
                (date, date)
            }
            _ => {
                self.unexpected(path, node, &format!("{DATE}, or an object with the dates `from` and `to`"));
                return None;
            }
        };
        let midnight = |date| DateTime::from_parts(date, Time::midnight());
        Some(Period { from: midnight(first), to: midnight(last.tomorrow().ok()?), reason: None })
    }

    fn special(&mut self, path: &str, node: &Node) -> Option<Period> {
        let fields = self.object(path, node, SPECIAL_KEYS, "a period")?;
        let from = fields.get("from").and_then(|node| self.read(&format!("{path}.from"), node, LOCAL, local));
        let to = fields.get("until").and_then(|node| self.read(&format!("{path}.until"), node, LOCAL, local));
        let reason = fields.get("reason").and_then(|node| self.reason(&format!("{path}.reason"), node));
        let (from, to) = (from?, to?);
        if to <= from {
            let (from, to) = (from.strftime("%Y-%m-%dT%H:%M"), to.strftime("%Y-%m-%dT%H:%M"));
            self.fault(&format!("{path}.until"), format!("`{to}` is not after `from`, which is `{from}`"));
        }
        Some(Period { from, to, reason })
    }

    fn reason(&mut self, path: &str, node: &Node) -> Option<String> {
        let reason = self.line(path, node, REASON)?;
        let length = reason.chars().count();
        if length > LONGEST_REASON {
            self.fault(path, format!("has {length} characters, expected at most {LONGEST_REASON}"));
        }
        Some(reason)
    }

    fn zone(&mut self, path: &str, node: &Node) -> Option<Zone> {
        let Node::Text(name) = node else {
            self.unexpected(path, node, ZONE);
            return None;
        };
        let zone = Zone::named(name);
        if zone.is_none() {
            let meant =
                nearest(name, Zone::names()).map(|zone| format!(", did you mean `{zone}`?")).unwrap_or_default();
            let message = format!("`{}` is no time zone{meant}", clip(name));
            self.fault(path, format!("{message}; expected {ZONE}, no offset and no POSIX rule"));
        }
        zone
    }

    /// A text of one line that says something.
    fn line(&mut self, path: &str, node: &Node, expected: &str) -> Option<String> {
        let Node::Text(text) = node else {
            self.unexpected(path, node, expected);
            return None;
        };
        if text.trim().is_empty() {
            self.fault(path, format!("is empty, expected {expected}"));
        } else if text.chars().any(char::is_control) {
            self.fault(path, "has a line break or another control character, expected one line of text".to_owned());
        }
        Some(text.clone())
    }

    /// A text that `parse` understands.
    fn read<T>(&mut self, path: &str, node: &Node, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        match node {
            Node::Text(text) => {
                let value = parse(text);
                if value.is_none() {
                    self.fault(path, format!("found `{}`, expected {expected}", clip(text)));
                }
                value
            }
            _ => {
                self.unexpected(path, node, expected);
                None
            }
        }
    }

    /// The entries under a key of the document, each read by `entry`. What is not there is empty.
    fn list<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        expected: &str,
        entry: impl Fn(&mut Self, &str, &Node) -> Option<T>,
    ) -> Vec<T> {
        match fields.get(key) {
            None => Vec::new(),
            Some(Node::List(nodes)) if nodes.len() > MOST_ENTRIES => {
                self.fault(key, format!("has {} entries, expected at most {MOST_ENTRIES}", nodes.len()));
                Vec::new()
            }
            Some(Node::List(nodes)) => {
                let entries = nodes.iter().enumerate();
                entries.filter_map(|(index, node)| entry(self, &format!("{key}[{index}]"), node)).collect()
            }
            Some(node) => {
                self.unexpected(key, node, expected);
                Vec::new()
            }
        }
    }

    /// The fields of an object that has these keys and no other, each once.
    fn object<'n>(&mut self, path: &str, node: &'n Node, keys: &[Key], expected: &str) -> Option<Fields<'n>> {
        let Node::Object(members) = node else {
            self.unexpected(path, node, expected);
            return None;
        };
        let names = || keys.iter().map(|(name, _, _)| (*name).to_owned());
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in members.iter().take(MOST_ENTRIES) {
            let path = within(path, name);
            if !keys.iter().any(|(known, _, _)| known == name) {
                let meant = nearest(name, names()).map(|known| format!(", did you mean `{known}`?"));
                let known =
                    || format!(", expected {}", names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
                self.fault(&path, format!("unknown key{}", meant.unwrap_or_else(known)));
            } else if seen.contains(&name.as_str()) {
                self.fault(&path, "the key is there before, expected it once".to_owned());
            } else {
                seen.push(name);
            }
        }
        for (name, mandatory, expected) in keys {
            if *mandatory && !members.iter().any(|(member, _)| member == name) {
                self.fault(&within(path, name), format!("missing, expected {expected}"));
            }
        }
        Some(Fields(members))
    }

    fn unexpected(&mut self, path: &str, node: &Node, expected: &str) {
        self.fault(path, format!("found {node}, expected {expected}"));
    }

    fn fault(&mut self, path: &str, message: String) {
        self.faults.push(Fault { path: path.to_owned(), message });
    }
}

/// The fields of an object.
struct Fields<'n>(&'n [(String, Node)]);

impl<'n> Fields<'n> {
    fn get(&self, key: &str) -> Option<&'n Node> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// Faults in the order of the document. What is missing comes after what is there.
fn in_order(mut faults: Vec<Fault>, node: &Node) -> Vec<Fault> {
    fn walk(path: String, node: &Node, places: &mut HashMap<String, usize>) {
        let place = places.len();
        places.entry(path.clone()).or_insert(place);
        match node {
            Node::List(nodes) => {
                nodes.iter().enumerate().for_each(|(index, node)| walk(format!("{path}[{index}]"), node, places));
            }
            Node::Object(members) => members.iter().for_each(|(key, node)| walk(within(&path, key), node, places)),
            Node::Text(_) | Node::Other(_) => {}
        }
        places.insert(format!("{path} end"), places.len());
    }
    let mut places = HashMap::new();
    walk(String::new(), node, &mut places);
    faults.sort_by_key(|fault| {
        let parent = fault.path.rsplit_once('.').map_or("", |(parent, _)| parent);
        places.get(&fault.path).or_else(|| places.get(&format!("{parent} end"))).copied()
    });
    faults
}

fn within(path: &str, key: &str) -> String {
    if path.is_empty() { clip(key) } else { format!("{path}.{}", clip(key)) }
}

/// The word that somebody may have meant: the same but for its case, the same but for what stands before the last
/// slash, or a few letters away.
fn nearest(word: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let word = word.trim().to_lowercase();
    let length = word.chars().count();
    if length > 40 {
        return None;
    }
    let distance = |known: &String| {
        let known = known.to_lowercase();
        let last = known.rsplit_once('/').map(|(_, last)| last);
        if last == Some(word.as_str()) { 1 } else { strsim::osa_distance(&word, &known) }
    };
    // A third of the letters wrong is another word.
    known
        .map(|known| (distance(&known), known))
        .filter(|(distance, _)| *distance <= length / 3)
        .min()
        .map(|(_, known)| known)
}

fn time(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(digits(hour, 2)?, digits(minute, 2)?, 0, 0).ok()
}

fn date(text: &str) -> Option<Date> {
    let (year, rest) = text.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let year = digits(year, 4).filter(|year| YEARS.contains(year))?;
    Date::new(year, digits(month, 2)?, digits(day, 2)?).ok()
}

fn local(text: &str) -> Option<DateTime> {
    let (day, hour) = text.split_once('T')?;
    Some(DateTime::from_parts(date(day)?, time(hour)?))
}

/// A number of just so many digits.
fn digits<T: std::str::FromStr>(text: &str, count: usize) -> Option<T> {
    let whole = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| text.parse().ok()).flatten()
}
