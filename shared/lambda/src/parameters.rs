//! The configuration in force, from Parameter Store, with a warm cache and the last good value of what is wrong.

use std::collections::BTreeMap;
use std::fmt;

use aws_sdk_ssm::Client;
use guardrail::Configuration;
use guardrail::config::{EXEMPTIONS, Fault, Parameter, ROOT, Rejected};
use jiff::{SignedDuration, Timestamp};

use crate::{Aws, CallError};

/// How long a warm function goes on with what it read. Just under a minute, so that each sweep of a one-minute schedule
/// reads afresh and a changed limit is in force within the minute.
const FRESH: SignedDuration = SignedDuration::from_secs(55);

/// A parameter as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its full name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its version, which grows with each change.
    pub version: i64,
}

/// Reads stored parameters.
pub trait ParameterStore {
    /// All parameters below a path.
    fn below(&self, path: &str) -> impl Future<Output = Result<Vec<Stored>, CallError>>;

    /// All values that a parameter has had, the newest first.
    fn history(&self, name: &str) -> impl Future<Output = Result<Vec<String>, CallError>>;
}

/// Parameter Store.
#[derive(Clone, Debug)]
pub struct ParameterStoreClient(Client);

impl ParameterStoreClient {
    /// The IAM actions it needs.
    pub const ACTIONS: &[&str] = &["ssm:GetParametersByPath", "ssm:GetParameterHistory"];

    /// A client.
    pub fn new(aws: &Aws) -> Self {
        let config = aws_sdk_ssm::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self(Client::from_conf(config))
    }
}

impl ParameterStore for ParameterStoreClient {
    async fn below(&self, path: &str) -> Result<Vec<Stored>, CallError> {
        let pages = self.0.get_parameters_by_path().path(path).recursive(true).into_paginator().send();
        let pages: Result<Vec<_>, _> = pages.collect().await;
        let pages = pages.map_err(|error| CallError::of("ssm:GetParametersByPath", &error))?;
        Ok(pages
            .into_iter()
            .flat_map(|page| page.parameters.unwrap_or_default())
            .map(|parameter| Stored {
                version: parameter.version(),
                name: parameter.name.unwrap_or_default(),
                value: parameter.value.unwrap_or_default(),
            })
            .collect())
    }

    async fn history(&self, name: &str) -> Result<Vec<String>, CallError> {
        let pages = self.0.get_parameter_history().name(name).into_paginator().send();
        let pages: Result<Vec<_>, _> = pages.collect().await;
        let pages = pages.map_err(|error| CallError::of("ssm:GetParameterHistory", &error))?;
        let mut versions: Vec<_> = pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default()).collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.version()));
        Ok(versions.into_iter().filter_map(|version| version.value).collect())
    }
}

/// What is in force, and what is not obeyed, with the version of each wrong value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The policies.
    pub configuration: Configuration,
    /// What is not obeyed.
    pub rejected: Vec<(Rejected, i64)>,
}

/// The parameters of one service.
#[derive(Debug)]
pub struct Parameters<S> {
    store: S,
    path: String,
    warm: Option<(Timestamp, InForce)>,
}

impl<S: ParameterStore> Parameters<S> {
    /// The parameters below `room`, the step that a service or `availability` has in their names, and the exemptions.
    pub fn new(store: S, room: impl fmt::Display) -> Self {
        Self { store, path: format!("{ROOT}/{room}"), warm: None }
    }

    /// What is in force at `now`, at most a minute old.
    ///
    /// # Errors
    /// When it cannot be read. A watch may then go on with [`Parameters::last_known`] and fail at its end.
    pub async fn current(&mut self, now: Timestamp) -> Result<InForce, CallError> {
        match &self.warm {
            Some((read_at, in_force)) if now.duration_since(*read_at) < FRESH => Ok(in_force.clone()),
            _ => self.fresh(now).await,
        }
    }

    /// What is in force at `now`, read now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn fresh(&mut self, now: Timestamp) -> Result<InForce, CallError> {
        let (stored, exemptions) =
            futures_util::future::try_join(self.store.below(&self.path), self.store.below(EXEMPTIONS)).await?;
        let versions: BTreeMap<&str, i64> =
            stored.iter().chain(&exemptions).map(|stored| (stored.name.as_str(), stored.version)).collect();
        let values = || stored.iter().chain(&exemptions).map(|stored| (stored.name.as_str(), stored.value.as_str()));
        let (mut configuration, faults) = Configuration::read(values());
        for (name, fault) in &faults {
            if matches!(fault, Fault::Value { .. })
                && let Some(parameter) = self.last_good(name).await?
            {
                configuration.obey(parameter);
            }
        }
        let rejected = configuration.rejected(values(), &faults, now);
        let version_of = |rejected: &Rejected| versions.get(rejected.parameter.as_str()).copied().unwrap_or_default();
        let rejected = rejected
            .into_iter()
            .map(|rejected| {
                let version = version_of(&rejected);
                (rejected, version)
            })
            .collect();
        let in_force = InForce { configuration, rejected };
        self.warm = Some((now, in_force.clone()));
        Ok(in_force)
    }

    /// Reads again at the next look, because something is known to have changed. What was read stays the last known.
    pub fn expire(&mut self) {
        if let Some((read_at, _)) = &mut self.warm {
            *read_at = Timestamp::MIN;
        }
    }

    /// What was in force when it could last be read, however long ago.
    pub fn last_known(&self) -> Option<&InForce> {
        self.warm.as_ref().map(|(_, in_force)| in_force)
    }

    /// The newest value in the parameter's history that is good. Parameter Store keeps the last hundred versions, so
    /// this outlives a cold start, and watch and enforce fall back to the same value.
    async fn last_good(&self, name: &str) -> Result<Option<Parameter>, CallError> {
        let history = self.store.history(name).await?;
        Ok(history.iter().find_map(|value| Parameter::parse(name, value).ok()))
    }
}

#[cfg(test)]
mod tests;
