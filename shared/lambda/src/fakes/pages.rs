//! Pages in memory, which others may change meanwhile. For tests only.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failed;
use crate::book::{Book, Read, ReadAll};
use crate::{CallError, CallErrorKind};

/// A book in memory.
#[derive(Clone, Debug, Default)]
pub struct Pages {
    pages: Rc<RefCell<BTreeMap<String, Page>>>,
    conflicts: Rc<Cell<u32>>,
    unwritable: Rc<Cell<bool>>,
    unreadable: Rc<Cell<bool>>,
    writes: Rc<Cell<u32>>,
}

#[derive(Clone, Debug)]
struct Page {
    read: Read,
    until: Option<Timestamp>,
}

impl Pages {
    /// Writes a page over whatever stands there.
    #[expect(clippy::expect_used, reason = "tests write what is JSON")]
    pub fn put(&self, page: impl fmt::Display, content: &impl Serialize) {
        let content = serde_json::to_value(content).expect("JSON");
        let mut pages = self.pages.borrow_mut();
        let version = pages.get(&page.to_string()).map_or(1, |page| page.read.version + 1);
        pages.insert(page.to_string(), Page { read: Read { content, version }, until: None });
    }

    /// What stands on a page.
    #[expect(clippy::expect_used, reason = "tests read what they know to be there")]
    pub fn get<T: DeserializeOwned>(&self, page: impl fmt::Display) -> Option<T> {
        let pages = self.pages.borrow();
        let content = pages.get(&page.to_string()).map(|page| page.read.content.clone());
        content.map(|content| serde_json::from_value(content).expect("a readable page"))
    }

    /// The pages that were written, in order, with until when each is kept.
    pub fn all(&self) -> BTreeMap<String, Option<Timestamp>> {
        self.pages.borrow().iter().map(|(id, page)| (id.clone(), page.until)).collect()
    }

    /// How often each page was written, summed.
    pub fn writes(&self) -> u32 {
        self.writes.get()
    }

    /// Before each of the next writes, so many, somebody else writes the same content again.
    pub fn conflict(&self, times: u32) {
        self.conflicts.set(times);
    }

    /// Lets every reading and every writing fail from now on, or none.
    pub fn fail(&self, reading: bool, writing: bool) {
        self.unreadable.set(reading);
        self.unwritable.set(writing);
    }
}

fn fails(operation: &'static str, fails: &Cell<bool>) -> Result<(), CallError> {
    if fails.get() { Err(failed(operation, CallErrorKind::Unavailable)) } else { Ok(()) }
}

impl Book for Pages {
    async fn read(&self, page: &str) -> Result<Option<Read>, CallError> {
        fails("dynamodb:GetItem", &self.unreadable)?;
        Ok(self.pages.borrow().get(page).map(|page| page.read.clone()))
    }

    async fn write(&self, page: &str, content: &Value, over: u64, until: Option<Timestamp>) -> Result<bool, CallError> {
        fails("dynamodb:PutItem", &self.unwritable)?;
        let mut pages = self.pages.borrow_mut();
        if let left @ 1.. = self.conflicts.get() {
            self.conflicts.set(left - 1);
            let never_written = Page { read: Read { content: content.clone(), version: 0 }, until };
            pages.entry(page.to_owned()).or_insert(never_written).read.version += 1;
        }
        if pages.get(page).map_or(0, |page| page.read.version) != over {
            return Ok(false);
        }
        self.writes.set(self.writes.get() + 1);
        let read = Read { content: content.clone(), version: over + 1 };
        pages.insert(page.to_owned(), Page { read, until });
        Ok(true)
    }
}

impl ReadAll for Pages {
    async fn read_all(&self, pages: &BTreeSet<String>) -> Result<BTreeMap<String, Read>, CallError> {
        fails("dynamodb:BatchGetItem", &self.unreadable)?;
        let known = self.pages.borrow();
        let read = pages.iter().filter_map(|id| known.get(id).map(|page| (id.clone(), page.read.clone())));
        Ok(read.collect())
    }
}
