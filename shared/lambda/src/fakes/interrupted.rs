//! Ports between whose steps something happens: the process is killed, or it is somebody else's turn.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use guardrail::{ActionKind, Event, Finding, Policy, Resource, Service};
use jiff::Timestamp;
use serde_json::Value;

use crate::CallError;
use crate::book::{Book, Read, ReadAll};
use crate::bus::Bus;
use crate::ledger::{Claim, Ledger, Recorded};
use crate::room::{Act, Acted, Look};

/// What befalls a run between its steps.
pub trait Interruption {
    /// Happens before every step and after it.
    fn befall(&self) -> impl Future<Output = ()>;
}

/// A port between whose steps something happens.
#[derive(Clone, Debug)]
pub struct Interrupted<T, I> {
    /// The port.
    pub inner: T,
    /// What happens.
    pub interruption: I,
}

impl<T, I: Interruption> Interrupted<T, I> {
    async fn live<R>(&self, doing: impl Future<Output = R>) -> R {
        self.interruption.befall().await;
        let result = doing.await;
        self.interruption.befall().await;
        result
    }
}

/// Death after so many steps; without a number everybody lives on.
#[derive(Clone, Debug, Default)]
pub struct Mortality(pub Rc<Cell<Option<u32>>>);

impl Interruption for Mortality {
    async fn befall(&self) {
        match self.0.get() {
            // Whoever is killed never comes back from here.
            Some(0) => std::future::pending().await,
            Some(left) => self.0.set(Some(left - 1)),
            None => {}
        }
    }
}

/// Somebody else's turn: [`interleave`] decides whose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turns;

impl Interruption for Turns {
    async fn befall(&self) {
        let mut waited = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Runs futures to their end, each step that of the one that `turns` names next (modulo their number); when it has
/// named its last, in turn. They may wait for [`Turns`] and for nothing else.
pub fn interleave<F: Future>(runs: impl IntoIterator<Item = F>, turns: &[usize]) -> Vec<F::Output> {
    let mut waiting: Vec<(usize, Pin<Box<F>>)> = runs.into_iter().map(Box::pin).enumerate().collect();
    let mut done = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    for turn in turns.iter().copied().chain(0..) {
        if waiting.is_empty() {
            break;
        }
        let chosen = turn % waiting.len();
        let ready = waiting.get_mut(chosen).map(|(index, run)| (*index, run.as_mut().poll(&mut context)));
        if let Some((index, Poll::Ready(output))) = ready {
            done.push((index, output));
            waiting.remove(chosen);
        }
    }
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, output)| output).collect()
}

impl<L: Ledger, I: Interruption> Ledger for Interrupted<L, I> {
    async fn record(&self, event: &Event, now: Timestamp) -> Result<Recorded, CallError> {
        self.live(self.inner.record(event, now)).await
    }

    async fn supersede(&self, event: &Event, now: Timestamp) -> Result<(), CallError> {
        self.live(self.inner.supersede(event, now)).await
    }

    async fn published(&self, event: &Event, now: Timestamp) -> Result<(), CallError> {
        self.live(self.inner.published(event, now)).await
    }

    async fn pending(&self, before: Timestamp) -> Result<Vec<Result<Event, CallError>>, CallError> {
        self.live(self.inner.pending(before)).await
    }

    async fn find(&self, id: &str) -> Result<Option<Event>, CallError> {
        self.live(self.inner.find(id)).await
    }

    async fn claim(&self, claim: &Claim<'_>, now: Timestamp) -> Result<bool, CallError> {
        self.live(self.inner.claim(claim, now)).await
    }

    async fn release(&self, claim: &Claim<'_>) -> Result<(), CallError> {
        self.live(self.inner.release(claim)).await
    }

    async fn episode(&self, condition: &str, seen_since: Timestamp, now: Timestamp) -> Result<Timestamp, CallError> {
        self.live(self.inner.episode(condition, seen_since, now)).await
    }

    async fn end_episode(&self, condition: &str) -> Result<(), CallError> {
        self.live(self.inner.end_episode(condition)).await
    }

    async fn unowned(&self) -> Result<Vec<Finding>, CallError> {
        self.live(self.inner.unowned()).await
    }

    async fn give_up_owner(&self, finding: &str) -> Result<(), CallError> {
        self.live(self.inner.give_up_owner(finding)).await
    }
}

impl<B: Bus, I: Interruption> Bus for Interrupted<B, I> {
    async fn publish(&self, events: &[Event]) -> Vec<(usize, CallError)> {
        self.live(self.inner.publish(events)).await
    }
}

impl<K: Book, I: Interruption> Book for Interrupted<K, I> {
    async fn read(&self, page: &str) -> Result<Option<Read>, CallError> {
        self.live(self.inner.read(page)).await
    }

    async fn write(&self, page: &str, content: &Value, over: u64, until: Option<Timestamp>) -> Result<bool, CallError> {
        self.live(self.inner.write(page, content, over, until)).await
    }
}

impl<K: ReadAll, I: Interruption> ReadAll for Interrupted<K, I> {
    async fn read_all(&self, pages: &BTreeSet<String>) -> Result<BTreeMap<String, Read>, CallError> {
        self.live(self.inner.read_all(pages)).await
    }
}

impl<A: Act, I: Interruption> Act for Interrupted<A, I> {
    const SERVICE: Service = A::SERVICE;

    async fn look(
        &mut self,
        policy: &Policy,
        resources: &[Resource],
        with_peers: bool,
        now: Timestamp,
    ) -> Result<Look, CallError> {
        self.interruption.befall().await;
        let look = self.inner.look(policy, resources, with_peers, now).await;
        self.interruption.befall().await;
        look
    }

    async fn act(&mut self, policy: &Policy, resources: &[Resource], attempt: u32) -> Vec<Result<Acted, CallError>> {
        self.interruption.befall().await;
        let acted = self.inner.act(policy, resources, attempt).await;
        self.interruption.befall().await;
        acted
    }

    fn attempts(&self, action: ActionKind) -> u32 {
        self.inner.attempts(action)
    }
}
