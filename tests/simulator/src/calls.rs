//! The call log: who called what, with what outcome, and in which order things were changed, across all services.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::accounts::Place;
use crate::protocol::ServiceName;

/// The calls of one account to one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallCount {
    /// The account that called.
    pub account: String,
    /// The service called.
    pub service: ServiceName,
    /// The operation called.
    pub operation: String,
    /// All calls, refused ones too.
    pub total: u64,
    /// Calls by outcome: `ok`, or the error's code.
    pub outcomes: BTreeMap<String, u64>,
}

/// What one call asked to be changed. A call that names several things is as many of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangeCall {
    /// The account that called.
    pub account: String,
    /// The Region the call was meant for.
    pub region: String,
    /// The service called.
    pub service: ServiceName,
    /// The operation called.
    pub operation: String,
    /// The id of what was to be changed, as the request gives it; of an app `<domain>/<owner>/<type>/<name>`.
    pub id: String,
    /// Whether it was to be stopped, or deleted.
    pub stops: bool,
    /// When the call arrived.
    pub arrived_at: Timestamp,
    /// When the call was answered.
    pub at: Timestamp,
    /// `ok`, or the error's code.
    pub outcome: String,
}

/// Every call since the start or the last reset. Clones share the log.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    counts: BTreeMap<(String, ServiceName, String), BTreeMap<String, u64>>,
    changes: Vec<ChangeCall>,
}

impl Calls {
    /// All calls of every account to `operation`.
    pub fn count(&self, operation: &str) -> u64 {
        self.all().iter().filter(|count| count.operation == operation).map(|count| count.total).sum()
    }

    /// All calls of one account to `operation`.
    pub fn count_by(&self, account: &str, operation: &str) -> u64 {
        let matches = |count: &&CallCount| count.account == account && count.operation == operation;
        self.all().iter().filter(matches).map(|count| count.total).sum()
    }

    /// The counts of every account and operation, in order.
    pub fn all(&self) -> Vec<CallCount> {
        self.log(|log| {
            log.counts
                .iter()
                .map(|((account, service, operation), outcomes)| CallCount {
                    account: account.clone(),
                    service: *service,
                    operation: operation.clone(),
                    total: outcomes.values().sum(),
                    outcomes: outcomes.clone(),
                })
                .collect()
        })
    }

    /// Everything that calls of any account asked to be changed in any service, refused calls too, in the order in
    /// which the calls arrived. What a test arranges through a handle is not among it.
    pub fn changes(&self) -> Vec<ChangeCall> {
        let mut changes = self.log(|log| log.changes.clone());
        changes.sort_by_key(|change| change.arrived_at);
        changes
    }

    /// The changes that one account asked for.
    pub fn changes_by(&self, account: &str) -> Vec<ChangeCall> {
        let mut changes = self.changes();
        changes.retain(|change| change.account == account);
        changes
    }

    /// The changes by which something was to be stopped, or deleted.
    pub fn stops(&self) -> Vec<ChangeCall> {
        let mut changes = self.changes();
        changes.retain(|change| change.stops);
        changes
    }

    /// Forgets all calls.
    pub fn reset(&self) {
        self.log(|log| *log = Log::default());
    }

    pub(crate) fn record(&self, place: &Place, service: ServiceName, operation: &str, outcome: &str) {
        self.log(|log| {
            let key = (place.account.clone(), service, operation.to_owned());
            *log.counts.entry(key).or_default().entry(outcome.to_owned()).or_default() += 1;
        });
    }

    pub(crate) fn record_change(&self, change: ChangeCall) {
        self.log(|log| log.changes.push(change));
    }

    fn log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
