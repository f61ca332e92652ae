//! Who started what was found, from CloudTrail, where the service itself does not say.
//!
//! People get asked, so every finding is to name somebody. But CloudTrail delivers minutes late and answers two calls a
//! second, so this comes last in a sweep and in its own time: a finding goes out without its owner, the ledger keeps it
//! at hand, and the owner follows in a later event of the same finding. What CloudTrail has not told after
//! two hours it will not tell.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::types::{LookupAttribute, LookupAttributeKey};
use guardrail::owner::{self, Owner};
use guardrail::{Finding, Resource, Service};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::bus::Bus;
use crate::ledger::{Claim, Ledger};
use crate::{Aws, CallError, CallErrorKind, Clock, Outbox, Problems};

/// CloudTrail answers two `LookupEvents` a second for an account and Region.
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html>
const PACE: Duration = Duration::from_millis(500);

/// CloudTrail typically delivers within five minutes and promises fifteen; past this it will not tell.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(2);

/// How far from a resource's start the call that created it may lie: clocks of services differ by seconds, and a
/// cluster counts from when it was accepted.
const AROUND: SignedDuration = SignedDuration::from_secs(60);

/// How long after a lookup that told nothing the same resource is looked up again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How many resources are looked up in one run, so that a storm of findings does not keep a function awake for minutes.
const LOOKED_UP_AT_MOST: usize = 10;

/// How often a function that knows of no finding without an owner asks the ledger for some.
const LEDGER_ASKED: SignedDuration = SignedDuration::from_mins(10);

/// Where a busy account had more calls than one answer holds, only those this close are asked for.
const CLOSE: SignedDuration = SignedDuration::from_secs(2);

/// Recorded calls of one name, newest first, as CloudTrail keeps them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// As many as one answer holds.
    pub records: Vec<Value>,
    /// Whether there are more.
    pub more: bool,
}

/// Looks up recorded calls.
pub trait Trail {
    /// The calls of this name between two instants.
    fn calls(
        &self,
        event_name: &str,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Future<Output = Result<Records, CallError>>;
}

/// AWS CloudTrail.
#[derive(Clone, Debug)]
pub struct CloudTrail(Client);

impl CloudTrail {
    /// The IAM actions it needs.
    pub const ACTIONS: &[&str] = &["cloudtrail:LookupEvents"];

    /// A client.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_cloudtrail::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self(Client::from_conf(config))
    }
}

impl Trail for CloudTrail {
    async fn calls(&self, event_name: &str, from: Timestamp, until: Timestamp) -> Result<Records, CallError> {
        const LOOKUP: &str = "cloudtrail:LookupEvents";
        let invalid = |error: String| CallError { operation: LOOKUP, kind: CallErrorKind::Invalid, message: error };
        let attribute = LookupAttribute::builder()
            .attribute_key(LookupAttributeKey::EventName)
            .attribute_value(event_name)
            .build()
            .map_err(|error| invalid(error.to_string()))?;
        let answer = self
            .0
            .lookup_events()
            .lookup_attributes(attribute)
            .start_time(aws_smithy_types::DateTime::from_secs(from.as_second()))
            .end_time(aws_smithy_types::DateTime::from_secs(until.as_second()))
            .send()
            .await
            .map_err(|error| CallError::of(LOOKUP, &error))?;
        let more = answer.next_token.is_some();
        let records = answer.events.unwrap_or_default().into_iter().filter_map(|event| event.cloud_trail_event);
        // A record that is no JSON names nobody; the others may.
        Ok(Records { records: records.filter_map(|record| serde_json::from_str(&record).ok()).collect(), more })
    }
}

/// Looks for owners, and remembers what it asked.
#[derive(Debug)]
pub struct Owners<T> {
    trail: T,
    service: Service,
    /// Until when the ledger need not be asked for findings without an owner.
    none_until: Timestamp,
    /// Until when CloudTrail need not be asked about a resource, by kind and id.
    asked: BTreeMap<Resource, Timestamp>,
}

impl<T: Trail> Owners<T> {
    /// The owners of what this service's findings are about.
    pub fn new(trail: T, service: Service) -> Self {
        Self { trail, service, none_until: Timestamp::MIN, asked: BTreeMap::new() }
    }

    /// Notes that findings were reported: some may have no owner.
    pub fn expect_some(&mut self) {
        self.none_until = Timestamp::MIN;
    }

    /// Looks for the owners of findings that have none, and tells those it finds, until `deadline`.
    ///
    /// # Errors
    /// When CloudTrail may not be read, or the ledger or the bus fails. That it is busy is no error: the next sweep goes
    /// on.
    pub async fn find<L: Ledger, B: Bus>(
        &mut self,
        outbox: &mut Outbox<L, B>,
        clock: &impl Clock,
        deadline: Timestamp,
    ) -> Result<(), Problems> {
        let now = clock.now();
        if now < self.none_until {
            return Ok(());
        }
        let unowned = outbox.ledger().unowned().await?;
        let mut by_resource: BTreeMap<Resource, Vec<Finding>> = BTreeMap::new();
        for finding in unowned.into_iter().filter(|finding| finding.service == self.service) {
            by_resource.entry(finding.resource.clone()).or_default().push(finding);
        }
        self.asked.retain(|resource, _| by_resource.contains_key(resource));
        if by_resource.is_empty() {
            self.none_until = now.checked_add(LEDGER_ASKED).unwrap_or(Timestamp::MAX);
            return Ok(());
        }
        // Whoever has waited longest comes first, so that those who are never told do not keep the others from their turn.
        let mut waiting: Vec<_> = by_resource.into_iter().collect();
        waiting.sort_by_key(|(resource, _)| self.asked.get(resource).copied());
        let mut problems = Problems::default();
        let mut looked_up = 0;
        for (resource, findings) in waiting {
            let now = clock.now();
            if self.asked.get(&resource).is_some_and(|until| now < *until) {
                continue;
            }
            if now.checked_add(SignedDuration::from_secs(2)).is_ok_and(|soon| soon >= deadline) {
                break;
            }
            if looked_up == LOOKED_UP_AT_MOST {
                break;
            }
            // Several runs may be awake at once. One of them asks; what it tells, the others do not tell again out of
            // lists that they read before.
            let again_at = now.checked_add(AGAIN_AFTER).unwrap_or(now);
            let (id, holder) = (format!("owner/{}/{}", resource.kind, resource.id), now.to_string());
            let claim = Claim { id: &id, holder: &holder, until: again_at };
            match problems.keep(outbox.ledger().claim(&claim, now).await) {
                Some(true) => {}
                Some(false) => {
                    self.asked.insert(resource, again_at);
                    continue;
                }
                None => continue,
            }
            if looked_up > 0 {
                clock.sleep(PACE).await;
            }
            looked_up += 1;
            let owner = self.look_up(&resource, &findings, clock).await;
            let mut told = false;
            if let Ok(Some(owner)) = &owner {
                told = true;
                for finding in &findings {
                    let occurred_at = clock.now();
                    let event = owned(finding.clone(), owner, occurred_at);
                    told &= problems.keep(outbox.tell(event, occurred_at).await).is_some();
                }
            }
            if !told {
                problems.keep(outbox.ledger().release(&claim).await);
            }
            match owner {
                Ok(Some(_)) => {}
                Ok(None) => {
                    for finding in findings
                        .iter()
                        .filter(|finding| now.duration_since(finding.header.occurred_at) >= GIVE_UP_AFTER)
                    {
                        problems.keep(outbox.ledger().give_up_owner(&finding.header.id).await);
                    }
                    self.asked.insert(resource, again_at);
                }
                // Two calls a second are shared by everybody who looks into this account's CloudTrail.
                Err(problem) if matches!(problem.kind, CallErrorKind::Throttled | CallErrorKind::Unavailable) => {
                    tracing::info!("owners are looked for at the next sweep, CloudTrail is busy");
                    break;
                }
                Err(problem) => {
                    problems.push(problem);
                    break;
                }
            }
        }
        problems.into_result()
    }

    async fn look_up(
        &self,
        resource: &Resource,
        findings: &[Finding],
        clock: &impl Clock,
    ) -> Result<Option<Owner>, CallError> {
        let started_at = findings.iter().map(|finding| finding.started_at).min();
        let (Some(event_name), Some(started_at)) = (owner::created_by(&resource.kind), started_at) else {
            return Ok(None);
        };
        let around = |span: SignedDuration| {
            let from = started_at.checked_sub(span).unwrap_or(started_at);
            self.trail.calls(event_name, from, started_at.checked_add(span).unwrap_or(started_at))
        };
        let owner_among =
            |records: &Records| records.records.iter().find_map(|record| owner::owner_in(record, resource));
        let wide = around(AROUND).await?;
        let owner = owner_among(&wide);
        if owner.is_some() || !wide.more {
            return Ok(owner);
        }
        clock.sleep(PACE).await;
        Ok(owner_among(&around(CLOSE).await?))
    }
}

fn owned(finding: Finding, owner: &Owner, occurred_at: Timestamp) -> Finding {
    let mut finding = finding;
    finding.header.occurred_at = occurred_at;
    finding.owner = Some(owner.name.clone());
    finding.principal.clone_from(&owner.principal);
    finding
}

#[cfg(test)]
mod tests;
