//! The ports of this room, between whose steps something happens: see `lambda::fakes::interrupted`.

use std::collections::BTreeMap;
use std::time::Duration;

use guardrail::{Event, Heartbeat, Sandbox};
use jiff::Timestamp;
use jiff::civil::Date;
use lambda::CallError;
use lambda::bus::Buses;
use lambda::fakes::interrupted::{Interrupted, Interruption};
use serde_json::Value;
use spend::{Question, Summary};

use super::console::FakeBuses;
use crate::exports::{Exports, Landed};
use crate::known::{Console, LockRow};
use crate::queries::Queries;

async fn live<R>(interruption: &impl Interruption, doing: impl Future<Output = R>) -> R {
    interruption.befall().await;
    let result = doing.await;
    interruption.befall().await;
    result
}

impl<E: Exports, I: Interruption> Exports for Interrupted<E, I> {
    type File = E::File;

    async fn landed(&self, suffixes: &[&str]) -> Result<Vec<Landed>, CallError> {
        live(&self.interruption, self.inner.landed(suffixes)).await
    }

    async fn whole(&self, key: &str) -> Result<Option<(Landed, Vec<u8>)>, CallError> {
        live(&self.interruption, self.inner.whole(key)).await
    }

    async fn file(&self, key: &str) -> Result<Option<Self::File>, CallError> {
        live(&self.interruption, self.inner.file(key)).await
    }
}

impl<Q: Queries, I: Interruption> Queries for Interrupted<Q, I> {
    async fn summarise(&self, question: &Question, month: Date, until: Timestamp) -> Result<Summary, CallError> {
        live(&self.interruption, self.inner.summarise(question, month, until)).await
    }
}

impl<N: Console, I: Interruption> Console for Interrupted<N, I> {
    async fn heartbeats(&self) -> Result<Vec<Heartbeat>, CallError> {
        live(&self.interruption, self.inner.heartbeats()).await
    }

    async fn lock(&self, sandbox: &Sandbox, name: &str) -> Result<Option<LockRow>, CallError> {
        live(&self.interruption, self.inner.lock(sandbox, name)).await
    }

    async fn windows(&self, sandboxes: &[Sandbox]) -> Result<BTreeMap<String, Value>, CallError> {
        live(&self.interruption, self.inner.windows(sandboxes)).await
    }
}

/// The buses, between whose steps something happens. `Buses` and `Interrupted` are both of another crate.
#[derive(Clone, Debug)]
pub(crate) struct InterruptedBuses<I> {
    pub(crate) inner: FakeBuses,
    pub(crate) interruption: I,
}

impl<I: Interruption> Buses for InterruptedBuses<I> {
    async fn publish_to(&self, region: &str, events: &[(String, Event)], within: Duration) -> Vec<(usize, CallError)> {
        live(&self.interruption, self.inner.publish_to(region, events, within)).await
    }
}
