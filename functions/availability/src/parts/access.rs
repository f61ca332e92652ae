//! The users' way in: the roles that people work with. A role that is closed may do nothing at all.
//!
//! Closing puts two inline policies on each role. [`REVOKED`] denies everything to the sessions that there are, as
//! AWS's own "revoke active sessions" does; [`CLOSED`] denies everything to everybody in the role. Opening deletes
//! [`CLOSED`] and nothing else: a session from before the closing stays revoked, and whoever held it signs in again.
//! The next closing moves the moment on.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html>
//!
//! An explicit deny of everything on everything wins against whatever else a role may do, so reading the document back
//! is proof enough, and there is nothing that `iam:SimulatePrincipalPolicy` could add. IAM takes some seconds to carry
//! a change everywhere.

use aws_sdk_iam::Client;
use aws_sdk_iam::types::Role;
use futures_util::stream::{self, StreamExt};
use guardrail::Resource;
use guardrail::closing::{Closing, UserRoles};
use jiff::Timestamp;
use lambda::{Aws, CallError, CallErrorKind, Problems};
use serde_json::{Value, json};

use crate::part::{Item, Part, Phase, Switch, Turned, TurnedOff};

/// The IAM actions that a look needs.
pub const LOOK_ACTIONS: &[&str] = &[LIST_ROLES, LIST_ROLE_TAGS, GET_ROLE_POLICY];

/// The IAM actions that closing and opening need beside.
pub const TURN_ACTIONS: &[&str] = &[PUT_ROLE_POLICY, DELETE_ROLE_POLICY];

/// The inline policy that keeps a role closed.
pub const CLOSED: &str = "sandbox-guardrails-closed";

/// The inline policy that revokes the sessions from before the last closing.
pub const REVOKED: &str = "sandbox-guardrails-revoked-sessions";

/// What the resources are called.
pub const ROLE: &str = "role";

const LIST_ROLES: &str = "iam:ListRoles";
const LIST_ROLE_TAGS: &str = "iam:ListRoleTags";
const GET_ROLE_POLICY: &str = "iam:GetRolePolicy";
const PUT_ROLE_POLICY: &str = "iam:PutRolePolicy";
const DELETE_ROLE_POLICY: &str = "iam:DeleteRolePolicy";

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 4;

/// Paths of roles that are never closed: the guardrails' own, and those with which services act, never people.
///
/// The roles of IAM Identity Center, below `/aws-reserved/`, are not among them. People sign in with them and IAM lets
/// nobody change them, so where they are chosen they are refused aloud: the way in stays open.
const SPARED_PATHS: [&str; 2] = ["/sandbox-guardrails/", "/aws-service-role/"];

/// The users' roles. One that is chosen is closed even if only services may assume it.
#[derive(Clone, Debug)]
pub struct Access {
    client: Client,
    closing: Closing,
    hub_account: String,
}

impl Access {
    /// The users' roles of this account, as `closing` chooses them. Those that let `hub_account` in are never among
    /// them; it is the id of another account than the sandbox's.
    pub fn new(aws: &Aws, closing: &Closing, hub_account: &str) -> Self {
        let config = aws_sdk_iam::config::Builder::from(aws.config()).interceptor(aws.calls()).build();
        Self { client: Client::from_conf(config), closing: closing.clone(), hub_account: hub_account.to_owned() }
    }

    /// The names of the users' roles.
    async fn user_roles(&self) -> Result<Vec<String>, Problems> {
        let list = self.client.list_roles();
        let list = match &self.closing.user_roles {
            UserRoles::Path(path) => list.path_prefix(path),
            UserRoles::Tag { .. } => list,
        };
        let listed: Result<Vec<Role>, _> = list.into_paginator().items().send().collect().await;
        let listed = listed.map_err(|error| CallError::of(LIST_ROLES, &error))?;
        let listed = listed.into_iter().filter(|role| !self.spares(role));
        let judged: Vec<_> = stream::iter(listed)
            .map(|role| async move {
                let is_users = self.has_tag(&role).await? && !self.lets_hub_in(&role)?;
                Ok::<_, CallError>(is_users.then_some(role.role_name))
            })
            .buffered(CALLS_AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        let names: Vec<String> = judged.into_iter().filter_map(|role| problems.keep(role).flatten()).collect();
        if problems.is_empty() && names.is_empty() {
            let message =
                format!("`user_roles` is `{}`, and there is no such role to be closed", self.closing.user_roles);
            problems.push(CallError { operation: LIST_ROLES, kind: CallErrorKind::Missing, message });
        }
        problems.into_result().map(|()| names)
    }

    /// Whether a role is never closed, as its path and its name say.
    fn spares(&self, role: &Role) -> bool {
        SPARED_PATHS.iter().any(|path| role.path.starts_with(path)) || self.closing.spares(&role.role_name)
    }

    /// Whether a role has the tag that is asked for, if one is. Lists of roles come without tags.
    async fn has_tag(&self, role: &Role) -> Result<bool, CallError> {
        let UserRoles::Tag { key, value } = &self.closing.user_roles else { return Ok(true) };
        let tags = self.client.list_role_tags().role_name(&role.role_name).into_paginator().items().send();
        let tags: Result<Vec<_>, _> = tags.collect().await;
        match tags {
            Ok(tags) => Ok(tags.iter().any(|tag| tag.key == *key && tag.value == *value)),
            // It was deleted since it was listed.
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => {
                Ok(false)
            }
            Err(error) => Err(CallError::of(LIST_ROLE_TAGS, &error)),
        }
    }

    /// Whether the hub's account may assume a role. A trust policy that cannot be read is a problem: the role may be
    /// the hub's, or a user's.
    fn lets_hub_in(&self, role: &Role) -> Result<bool, CallError> {
        let trust = role.assume_role_policy_document.as_deref().and_then(read);
        trust.as_ref().map(|trust| trusts(trust, &self.hub_account)).ok_or_else(|| {
            let message = format!("the trust policy of role `{}` cannot be read", role.role_name);
            CallError { operation: LIST_ROLES, kind: CallErrorKind::Unavailable, message }
        })
    }

    /// Whether a role is closed: by our policy, to the letter. One that was changed closes nothing for sure.
    async fn is_closed(&self, role: &str) -> Result<bool, CallError> {
        match self.client.get_role_policy().role_name(role).policy_name(CLOSED).send().await {
            Ok(policy) => Ok(read(&policy.policy_document).as_ref() == Some(&closed())),
            Err(error) if error.as_service_error().is_some_and(|error| error.is_no_such_entity_exception()) => {
                Ok(false)
            }
            Err(error) => Err(CallError::of(GET_ROLE_POLICY, &error)),
        }
    }
}

impl Switch for Access {
    const PART: Part = Part::Access;

    async fn look(&self) -> Result<Vec<Item>, Problems> {
        let roles = stream::iter(self.user_roles().await?);
        let looks: Vec<_> = roles
            .map(|role| async move { self.is_closed(&role).await.map(|is_closed| item(role, is_closed)) })
            .buffered(CALLS_AT_ONCE)
            .collect()
            .await;
        let mut problems = Problems::default();
        let items = looks.into_iter().filter_map(|item| problems.keep(item)).collect();
        problems.into_result().map(|()| items)
    }

    /// A role that is closed already keeps the moment before which sessions are revoked: repeats change nothing.
    async fn turn_off(&self, item: &Item, now: Timestamp) -> Result<Turned, CallError> {
        let role = &item.resource.id;
        if self.is_closed(role).await? {
            return Ok(Turned::Told);
        }
        // In this order, a role that is closed has always had its sessions revoked too.
        for (name, document) in [(REVOKED, revoked(now)), (CLOSED, closed())] {
            let put = self.client.put_role_policy().role_name(role).policy_name(name);
            let Err(error) = put.policy_document(document.to_string()).send().await else { continue };
            return match error.as_service_error() {
                Some(refusal) if refusal.is_no_such_entity_exception() => Ok(Turned::Gone),
                Some(refusal) if refusal.is_unmodifiable_entity_exception() => Ok(only_aws()),
                Some(refusal) if refusal.is_limit_exceeded_exception() => {
                    // All inline policies of a role hold 10,240 characters together.
                    // <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
                    Ok(Turned::Refused(
                        "the role's inline policies leave no room for the one that closes it".to_owned(),
                    ))
                }
                _ => Err(CallError::of(PUT_ROLE_POLICY, &error)),
            };
        }
        Ok(Turned::Told)
    }

    /// A role that has gone meanwhile is [`Turned::Told`] as well: IAM has one code for a missing role and a missing
    /// policy.
    async fn turn_on(&self, item: &TurnedOff) -> Result<Turned, CallError> {
        let delete = self.client.delete_role_policy().role_name(&item.resource.id).policy_name(CLOSED);
        let Err(error) = delete.send().await else { return Ok(Turned::Told) };
        match error.as_service_error() {
            Some(refusal) if refusal.is_no_such_entity_exception() => Ok(Turned::Told),
            Some(refusal) if refusal.is_unmodifiable_entity_exception() => Ok(only_aws()),
            _ => Err(CallError::of(DELETE_ROLE_POLICY, &error)),
        }
    }
}

fn item(role: String, is_closed: bool) -> Item {
    let (phase, state) = if is_closed { (Phase::Off, "closed") } else { (Phase::On, "open") };
    Item {
        resource: Resource { kind: ROLE.to_owned(), id: role },
        phase,
        state: state.to_owned(),
        finishes: false,
        memo: Some(json!({})),
    }
}

/// Of roles of IAM Identity Center, for one.
fn only_aws() -> Turned {
    Turned::Refused("IAM lets only AWS change this role".to_owned())
}

/// The document of [`CLOSED`].
fn closed() -> Value {
    json!({
        "Version": "2012-10-17",
        "Statement": [{"Sid": "SandboxIsClosed", "Effect": "Deny", "Action": "*", "Resource": "*"}],
    })
}

/// The document of [`REVOKED`] for sessions that began until `now`.
fn revoked(now: Timestamp) -> Value {
    // Sessions begin on a whole second, so one of this very second is older than the next.
    let next = Timestamp::from_second(now.as_second().saturating_add(1)).unwrap_or(now);
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "OlderSessionsAreRevoked",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"DateLessThan": {"aws:TokenIssueTime": next.to_string()}},
        }],
    })
}

/// Whether a trust policy names a principal of this account in any statement that allows. Everybody, `*`, is of none.
fn trusts(policy: &Value, account: &str) -> bool {
    let of_account = |principal: &str| principal == account || principal.split(':').nth(4) == Some(account);
    let allows = |statement: &Value| statement.get("Effect").and_then(Value::as_str) == Some("Allow");
    let principals = |statement: &Value| -> Vec<String> {
        let by_kind = statement.get("Principal").and_then(Value::as_object);
        let named = by_kind.into_iter().flat_map(|by_kind| by_kind.values()).flat_map(one_or_many);
        named.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let statements = policy.get("Statement").map(one_or_many).unwrap_or_default();
    statements.iter().any(|statement| allows(statement) && principals(statement).iter().any(|one| of_account(one)))
}

/// Policies may leave the brackets out around a single element.
fn one_or_many(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}

/// Reads a policy as IAM sends it: JSON, percent-encoded.
fn read(document: &str) -> Option<Value> {
    serde_json::from_str(&percent_decoded(document)?).ok()
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (code, literal) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        bytes.extend_from_slice(literal.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
