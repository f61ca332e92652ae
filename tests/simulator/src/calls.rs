//! The call log: who called what, with what outcome, and when exactly a workload was told to stop.

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

/// One call that asked for a workload to be stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StopCall {
    /// The account that called.
    pub account: String,
    /// The Region the call was meant for.
    pub region: String,
    /// The service called.
    pub service: ServiceName,
    /// The id of what was to be stopped.
    pub id: String,
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
    stops: Vec<StopCall>,
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

    /// Every call that asked for a workload to be stopped, oldest first.
    pub fn stops(&self) -> Vec<StopCall> {
        self.log(|log| log.stops.clone())
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

    pub(crate) fn record_stop(&self, stop: StopCall) {
        self.log(|log| log.stops.push(stop));
    }

    fn log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
