//! The bucket of the export in memory, and Athena over it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::fakes::ManualClock;
use lambda::{CallError, CallErrorKind, Clock};
use serde_json::json;
use spend::{Question, Source, Summary};

use super::Faults;
use crate::exports::{Exports, Landed};
use crate::queries::Queries;

/// Where the export's files lie.
const FOLDER: &str = "exports/costs";

/// A line of an export: the account, the service, the owner, the day and what it cost.
pub(crate) type Line<'a> = (&'a str, &'a str, &'a str, &'a str, &'a str);

/// An export in legacy CSV's newer column names, of usage that lasted until the end of its day.
pub(crate) fn csv(currency: &str, lines: &[Line<'_>]) -> String {
    let mut text =
        "line_item_usage_account_id,line_item_product_code,resource_tags_user_owner,line_item_unblended_cost,\
                    pricing_unit,line_item_usage_amount,line_item_line_item_type,line_item_currency_code,\
                    bill_billing_period_start_date,line_item_usage_start_date,line_item_usage_end_date\n"
            .to_owned();
    for (account, service, owner, day, cost) in lines {
        let day: Date = day.parse().expect("a day");
        let (month, next) = (day.first_of_month(), day.tomorrow().expect("a day after it"));
        let from = "T00:00:00Z";
        writeln!(
            text,
            "{account},{service},{owner},{cost},Hrs,1,Usage,{currency},{month}{from},{day}{from},{next}{from}"
        )
        .expect("room");
    }
    text
}

/// The bucket of the export.
#[derive(Clone, Debug)]
pub(crate) struct FakeExports {
    files: Rc<RefCell<BTreeMap<String, (Landed, Bytes)>>>,
    clock: ManualClock,
    puts: Rc<Cell<u32>>,
    /// The keys of files that were read as lines, in order; manifests are not among them.
    pub(crate) reads: Rc<RefCell<Vec<String>>>,
    /// Of `s3:ListBucket`, `s3:HeadObject` and `s3:GetObject`.
    pub(crate) faults: Faults,
    broken: Rc<Cell<bool>>,
}

impl FakeExports {
    pub(crate) fn new(clock: ManualClock) -> Self {
        Self {
            files: Rc::default(),
            clock,
            puts: Rc::default(),
            reads: Rc::default(),
            faults: Faults::default(),
            broken: Rc::default(),
        }
    }

    /// Puts a file under a key, now.
    pub(crate) fn put(&self, key: &str, content: impl Into<Bytes>) {
        let content = content.into();
        let put = self.puts.get() + 1;
        self.puts.set(put);
        let bytes = u64::try_from(content.len()).expect("a size");
        let landed = Landed { key: key.to_owned(), etag: format!("etag-{put}"), modified: self.clock.now(), bytes };
        self.files.borrow_mut().insert(key.to_owned(), (landed, content));
    }

    /// Deletes the file under a key.
    pub(crate) fn delete(&self, key: &str) {
        self.files.borrow_mut().remove(key).expect("a file");
    }

    /// Delivers a month over the delivery before: the file, then its manifest; gives the manifest's key.
    pub(crate) fn deliver(&self, month: &str, version: &str, lines: &[Line<'_>]) -> String {
        self.deliver_in(month, "", version, &csv("USD", lines))
    }

    /// Delivers a month beside the deliveries before: below a folder of its own.
    pub(crate) fn deliver_beside(&self, month: &str, version: &str, lines: &[Line<'_>]) -> String {
        self.deliver_in(month, &format!("{version}/"), version, &csv("USD", lines))
    }

    /// Delivers a month with this content.
    pub(crate) fn deliver_in(&self, month: &str, folder: &str, version: &str, content: &str) -> String {
        let data = format!("{FOLDER}/data/BILLING_PERIOD={month}/{folder}costs-1.csv");
        self.put(&data, content.to_owned());
        let manifest = json!({"executionId": version, "dataFiles": [format!("s3://cost-exports/{data}")]});
        let key = manifest_key(month, folder);
        self.put(&key, manifest.to_string());
        key
    }

    /// Lets reading of files break off from now on, or none.
    pub(crate) fn break_off(&self, breaks: bool) {
        self.broken.set(breaks);
    }

    fn found(&self, key: &str) -> Option<(Landed, Bytes)> {
        self.files.borrow().get(key).cloned()
    }
}

/// The key of a month's manifest.
pub(crate) fn manifest_key(month: &str, folder: &str) -> String {
    format!("{FOLDER}/metadata/BILLING_PERIOD={month}/{folder}costs-Manifest.json")
}

/// A file as it was found.
#[derive(Clone, Debug)]
pub(crate) struct FakeFile {
    name: String,
    content: Bytes,
    broken: bool,
}

impl Source for FakeFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        u64::try_from(self.content.len()).expect("a size")
    }

    fn bytes(&self, range: Range<u64>) -> io::Result<Bytes> {
        if self.broken {
            return Err(io::Error::other("the answer breaks off"));
        }
        let at = |place| usize::try_from(place).map_err(io::Error::other);
        Ok(self.content.slice(at(range.start)?..at(range.end)?))
    }

    fn stream(&self) -> io::Result<Box<dyn io::Read + Send + '_>> {
        Ok(Box::new(&self.content[..]))
    }
}

impl Exports for FakeExports {
    type File = FakeFile;

    async fn landed(&self, suffixes: &[&str]) -> Result<Vec<Landed>, CallError> {
        self.faults.call("s3:ListBucket")?;
        let files = self.files.borrow();
        let landed = files.values().map(|(landed, _)| landed);
        let landed = landed.filter(|landed| suffixes.iter().any(|suffix| landed.key.ends_with(suffix)));
        let mut landed: Vec<Landed> = landed.cloned().collect();
        landed.sort_by(|one, other| (one.modified, &one.key).cmp(&(other.modified, &other.key)));
        Ok(landed)
    }

    async fn whole(&self, key: &str) -> Result<Option<(Landed, Vec<u8>)>, CallError> {
        self.faults.call("s3:GetObject")?;
        Ok(self.found(key).map(|(landed, content)| (landed, content.to_vec())))
    }

    async fn file(&self, key: &str) -> Result<Option<FakeFile>, CallError> {
        self.faults.call("s3:HeadObject")?;
        let Some((_, content)) = self.found(key) else { return Ok(None) };
        self.reads.borrow_mut().push(key.to_owned());
        Ok(Some(FakeFile { name: format!("s3://cost-exports/{key}"), content, broken: self.broken.get() }))
    }
}

/// Athena over the same files, which it reads at once and in the same thread.
#[derive(Clone, Debug)]
pub(crate) struct FakeQueries {
    pub(crate) exports: FakeExports,
    /// The months that were asked about, in order.
    pub(crate) asked: Rc<RefCell<Vec<Date>>>,
    /// Of `athena:StartQueryExecution`.
    pub(crate) faults: Faults,
}

impl Queries for FakeQueries {
    async fn summarise(&self, question: &Question, month: Date, _: Timestamp) -> Result<Summary, CallError> {
        self.faults.call("athena:StartQueryExecution")?;
        self.asked.borrow_mut().push(month);
        let of_month = format!("{FOLDER}/data/BILLING_PERIOD={}/", month.strftime("%Y-%m"));
        let files = self.exports.files.borrow();
        let files = files.iter().filter(|(key, _)| key.starts_with(&of_month));
        let files: Vec<FakeFile> = files
            .map(|(key, (_, content))| FakeFile { name: key.clone(), content: content.clone(), broken: false })
            .collect();
        let sources: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
        spend::summarise(&sources, question, NonZeroUsize::MIN, &|_| {}).map_err(|fault| CallError {
            operation: "athena:StartQueryExecution",
            kind: CallErrorKind::Invalid,
            message: fault.to_string(),
        })
    }
}
