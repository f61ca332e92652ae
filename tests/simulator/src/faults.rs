//! Faults on purpose: rules that make chosen calls fail, answer late, or lose their answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::accounts::Place;
use crate::protocol::{AwsError, ServiceName};

/// One rule: which calls, counted how, and what happens to them.
///
/// Of the calls that match, the first `skip` pass; of those that follow every `every`-th is hit, `times` in all.
/// Without any of the three every matching call is hit. In JSON durations are text such as `200ms` or `PT0.2S`:
/// `{"operation": "ListQueryExecutions", "times": 3, "error": {"code": "ThrottlingException"}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultRule {
    /// Only calls of this account; of every account without it.
    pub account: Option<String>,
    /// Only calls to this service; to every service without it.
    pub service: Option<ServiceName>,
    /// Only calls to this operation; to every operation without it.
    pub operation: Option<String>,
    /// How many matching calls pass before the rule begins.
    pub skip: u32,
    /// Of the calls after that, every how manyth is hit; 0 and 1 are all.
    pub every: u32,
    /// How many calls are hit before the rule is spent.
    pub times: Option<u32>,
    /// How long the answer is held back.
    #[serde(with = "jiff::fmt::serde::unsigned_duration::friendly::compact::required")]
    pub latency: Duration,
    /// The error that is answered instead; without it the rule only delays.
    pub error: Option<FaultError>,
}

/// The error a rule answers with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultError {
    /// The error's code, such as `ThrottlingException`.
    pub code: String,
    /// The HTTP status; 400 unless told.
    #[serde(default = "bad_request")]
    pub status: u16,
    /// The text that goes with it.
    #[serde(default)]
    pub message: String,
    /// Whether the call takes effect and only its answer is replaced, as when a connection breaks after the work.
    #[serde(default)]
    pub takes_effect: bool,
}

const fn bad_request() -> u16 {
    400
}

impl FaultRule {
    /// Every call to `operation` is refused with this error.
    pub fn error(operation: &str, code: &str, status: u16) -> FaultRule {
        let error = FaultError { code: code.to_owned(), status, message: String::new(), takes_effect: false };
        FaultRule { operation: Some(operation.to_owned()), error: Some(error), ..FaultRule::default() }
    }

    /// Every call to `operation` is refused with `ThrottlingException`.
    pub fn throttling(operation: &str) -> FaultRule {
        let mut rule = FaultRule::error(operation, "ThrottlingException", 400);
        if let Some(error) = &mut rule.error {
            error.message = "Rate exceeded".to_owned();
        }
        rule
    }

    /// Every call to `operation` takes effect, but is answered with a 500.
    pub fn lost_answer(operation: &str) -> FaultRule {
        let mut rule = FaultRule::error(operation, "InternalServerException", 500);
        if let Some(error) = &mut rule.error {
            error.takes_effect = true;
        }
        rule
    }

    /// Every call to `operation` is answered late.
    pub fn delay(operation: &str, latency: Duration) -> FaultRule {
        FaultRule { operation: Some(operation.to_owned()), latency, ..FaultRule::default() }
    }

    /// Only calls of this account.
    #[must_use]
    pub fn of_account(self, account: &str) -> FaultRule {
        FaultRule { account: Some(account.to_owned()), ..self }
    }

    /// Only the next `times` calls.
    #[must_use]
    pub fn times(self, times: u32) -> FaultRule {
        FaultRule { times: Some(times), ..self }
    }

    /// Only the `nth` call from now on, counted from 1.
    #[must_use]
    pub fn nth(self, nth: u32) -> FaultRule {
        FaultRule { skip: nth.saturating_sub(1), times: Some(1), ..self }
    }

    /// Only every `every`-th call.
    #[must_use]
    pub fn every(self, every: u32) -> FaultRule {
        FaultRule { every, ..self }
    }

    fn matches(&self, place: &Place, service: ServiceName, operation: &str) -> bool {
        self.account.as_ref().is_none_or(|account| *account == place.account)
            && self.service.is_none_or(|name| name == service)
            && self.operation.as_ref().is_none_or(|name| name == operation)
    }
}

/// A rule in force and what it has met so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultInForce {
    /// The rule.
    pub rule: FaultRule,
    /// How many calls matched it.
    pub seen: u32,
    /// How many calls it hit.
    pub hit: u32,
}

/// The rules in force. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<FaultInForce>>>);

/// What the rules do to one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) latency: Duration,
    pub(crate) error: Option<FaultError>,
}

impl Faults {
    /// Puts a rule in force, after those that are.
    pub fn add(&self, rule: FaultRule) {
        self.rules(|rules| rules.push(FaultInForce { rule, seen: 0, hit: 0 }));
    }

    /// The rules in force, with how often each was met.
    pub fn all(&self) -> Vec<FaultInForce> {
        self.rules(|rules| rules.clone())
    }

    /// Lifts every rule.
    pub fn clear(&self) {
        self.rules(Vec::clear);
    }

    /// What happens to this call: all delays that hit it, and the first error.
    pub(crate) fn meet(&self, place: &Place, service: ServiceName, operation: &str) -> Verdict {
        self.rules(|rules| {
            let mut verdict = Verdict::default();
            for fault in rules.iter_mut().filter(|fault| fault.rule.matches(place, service, operation)) {
                // A second error would not be seen by the caller, so it keeps its count for the next call.
                if fault.rule.error.is_some() && verdict.error.is_some() {
                    continue;
                }
                fault.seen = fault.seen.saturating_add(1);
                let Some(turn) = fault.seen.checked_sub(fault.rule.skip).filter(|turn| *turn > 0) else {
                    continue;
                };
                if turn % fault.rule.every.max(1) != 0 || fault.rule.times.is_some_and(|times| fault.hit >= times) {
                    continue;
                }
                fault.hit += 1;
                verdict.latency += fault.rule.latency;
                verdict.error = verdict.error.or_else(|| fault.rule.error.clone());
            }
            verdict
        })
    }

    fn rules<T>(&self, look: impl FnOnce(&mut Vec<FaultInForce>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl From<&FaultError> for AwsError {
    fn from(error: &FaultError) -> AwsError {
        AwsError::front(error.status, &error.code, &error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: FaultRule, expected: &str) {
        let faults = Faults::default();
        faults.add(rule.clone());
        let place = Place { account: "111111111111".into(), region: "eu-west-1".into() };
        let met: String = (0..expected.len())
            .map(|_| faults.meet(&place, ServiceName::Athena, "ListWorkGroups").error.map_or('.', |_| 'x'))
            .collect();
        assert_eq!(met, expected, "{rule:?}");
    }

    #[test]
    fn a_rule_hits_the_calls_it_says() {
        let rule = || FaultRule::throttling("ListWorkGroups");
        check(rule(), "xxxxxxxx");
        check(rule().times(2), "xx......");
        check(rule().nth(1), "x.......");
        check(rule().nth(3), "..x.....");
        check(rule().every(3), "..x..x..");
        check(rule().every(3).times(1), "..x.....");
        check(FaultRule { skip: 2, ..rule() }, "..xxxxxx");
        check(rule().of_account("222222222222"), "........");
        check(FaultRule::throttling("GetWorkGroup"), "........");
    }

    #[test]
    fn delays_add_up_and_the_first_error_wins() {
        let faults = Faults::default();
        faults.add(FaultRule::delay("ListWorkGroups", Duration::from_millis(20)));
        faults.add(FaultRule::delay("ListWorkGroups", Duration::from_millis(30)));
        faults.add(FaultRule::error("ListWorkGroups", "InternalServerException", 500).times(1));
        faults.add(FaultRule::error("ListWorkGroups", "AccessDeniedException", 400).times(1));
        let place = Place { account: "111111111111".into(), region: "eu-west-1".into() };
        let code = || faults.meet(&place, ServiceName::Athena, "ListWorkGroups").error.map(|error| error.code);
        assert_eq!(code().as_deref(), Some("InternalServerException"));
        assert_eq!(code().as_deref(), Some("AccessDeniedException"));
        let third = faults.meet(&place, ServiceName::Athena, "ListWorkGroups");
        assert_eq!(third, Verdict { latency: Duration::from_millis(50), error: None });
    }

    #[test]
    fn a_rule_reads_from_json_with_its_defaults() {
        let rule: FaultRule = serde_json::from_str(r#"{"latency": "200ms", "error": {"code": "X"}}"#).unwrap();
        assert_eq!(rule.latency, Duration::from_millis(200));
        assert_eq!(rule.error.map(|error| error.status), Some(400));
        assert!(serde_json::from_str::<FaultRule>(r#"{"operatoin": "X"}"#).is_err());
    }
}
