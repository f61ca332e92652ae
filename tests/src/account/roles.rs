//! Roles and users of an account: their policies, and who acts as them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Account, Caller, element, elements};
use crate::StageError;

const IAM: &str = "2010-05-08";
const STS: &str = "2011-06-15";

impl Account {
    /// Makes a role as users of a sandbox have it: it may do everything, and everybody of the account may assume it.
    /// `path` begins and ends with a slash. Gives its ARN.
    ///
    /// # Errors
    /// When IAM refuses.
    pub fn user_role(&self, name: &str, path: &str, tags: &[(&str, &str)]) -> Result<String, StageError> {
        let root = format!("arn:aws:iam::{}:root", self.id);
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"},
        ]})
        .to_string();
        let mut form: Vec<(String, &str)> = vec![
            ("Action".to_owned(), "CreateRole"),
            ("RoleName".to_owned(), name),
            ("Path".to_owned(), path),
            ("AssumeRolePolicyDocument".to_owned(), &trust),
        ];
        for (index, (key, value)) in (1..).zip(tags) {
            form.push((format!("Tags.member.{index}.Key"), key));
            form.push((format!("Tags.member.{index}.Value"), value));
        }
        let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        let role = self.iam(&form)?;
        self.put_policy(name, "all", &everything())?;
        Ok(element(&role, "Arn").to_owned())
    }

    /// This account as a new session of a role, which is allowed and denied what the role is.
    ///
    /// # Errors
    /// When the role may not be assumed.
    pub fn assume(&self, role_arn: &str) -> Result<Self, StageError> {
        let form = [("Action", "AssumeRole"), ("RoleArn", role_arn), ("RoleSessionName", "stage")];
        let answer = self.query("sts", STS, &form)?;
        let field = |name: &str| element(&answer, name).to_owned();
        let caller = Caller::Session { key: field("AccessKeyId"), token: field("SessionToken") };
        Ok(Self { caller, ..self.clone() })
    }

    /// The names of the account's roles under a path.
    ///
    /// # Errors
    /// When IAM refuses.
    pub fn roles(&self, path: &str) -> Result<Vec<String>, StageError> {
        let mut names = Vec::new();
        let mut marker = String::new();
        loop {
            let mut form = vec![("Action", "ListRoles"), ("PathPrefix", path)];
            if !marker.is_empty() {
                form.push(("Marker", &marker));
            }
            let page = self.iam(&form)?;
            names.extend(elements(&page, "RoleName").into_iter().map(str::to_owned));
            marker = element(&page, "Marker").to_owned();
            if marker.is_empty() {
                return Ok(names);
            }
        }
    }

    /// All inline policies of a role, by name.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn policies(&self, role: &str) -> Result<BTreeMap<String, Value>, StageError> {
        let names = self.iam(&[("Action", "ListRolePolicies"), ("RoleName", role)])?;
        let names = elements(&names, "member");
        names.into_iter().map(|name| Ok((name.to_owned(), self.policy(role, name)?))).collect()
    }

    /// A role's inline policy.
    ///
    /// # Errors
    /// When the role or its policy is not there.
    pub fn policy(&self, role: &str, policy: &str) -> Result<Value, StageError> {
        let answer = self.iam(&[("Action", "GetRolePolicy"), ("RoleName", role), ("PolicyName", policy)])?;
        serde_json::from_str(&percent_decoded(element(&answer, "PolicyDocument")))
            .map_err(|error| StageError::Call { what: format!("policy of `{role}`"), message: error.to_string() })
    }

    /// Sets a role's inline policy.
    ///
    /// # Errors
    /// When it is refused.
    pub fn put_policy(&self, role: &str, policy: &str, document: &Value) -> Result<(), StageError> {
        let document = document.to_string();
        let form =
            [("Action", "PutRolePolicy"), ("RoleName", role), ("PolicyName", policy), ("PolicyDocument", &document)];
        self.iam(&form).map(drop)
    }

    /// Removes a role's inline policy, as a meddling administrator would.
    ///
    /// # Errors
    /// When the role or its policy is not there.
    pub fn remove_policy(&self, role: &str, policy: &str) -> Result<(), StageError> {
        self.iam(&[("Action", "DeleteRolePolicy"), ("RoleName", role), ("PolicyName", policy)]).map(drop)
    }

    /// Takes one action away from a role's inline policy.
    ///
    /// # Errors
    /// When the role, its policy or the action is not there.
    pub fn take_action_away(&self, role: &str, policy: &str, action: &str) -> Result<(), StageError> {
        let mut document = self.policy(role, policy)?;
        let mut found = false;
        for statement in document["Statement"].as_array_mut().into_iter().flatten() {
            let mut actions: Vec<Value> = match statement["Action"].take() {
                Value::Array(actions) => actions,
                only => vec![only],
            };
            let before = actions.len();
            actions.retain(|other| other != action);
            found |= actions.len() < before;
            statement["Action"] = Value::Array(actions);
        }
        if !found {
            let message = format!("action `{action}` is not in it");
            return Err(StageError::Call { what: format!("policy of `{role}`"), message });
        }
        let statements = document["Statement"].as_array_mut();
        statements.into_iter().for_each(|all| all.retain(|statement| statement["Action"] != json!([])));
        self.put_policy(role, policy, &document)
    }

    /// The name of the role that a function runs under.
    ///
    /// # Errors
    /// When there is no such function.
    pub fn role_of(&self, function: &str) -> Result<String, StageError> {
        let url = format!("{}/2015-03-31/functions/{function}/configuration", self.endpoint);
        let answer = self.send(self.sign(self.http.get(url), "lambda"), "lambda:GetFunctionConfiguration")?;
        let answer: Value = answer.json().unwrap_or_default();
        let role = answer["Role"].as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default();
        Ok(role.to_owned())
    }

    /// Makes an IAM user who may do everything that identity policies can allow; gives its access key and secret.
    ///
    /// # Errors
    /// When IAM refuses.
    pub fn user(&self, name: &str) -> Result<(String, String), StageError> {
        let everything = everything().to_string();
        let user = ("UserName", name);
        self.iam(&[("Action", "CreateUser"), user])?;
        self.iam(&[("Action", "PutUserPolicy"), user, ("PolicyName", "all"), ("PolicyDocument", &everything)])?;
        let key = self.iam(&[("Action", "CreateAccessKey"), user])?;
        Ok((element(&key, "AccessKeyId").to_owned(), element(&key, "SecretAccessKey").to_owned()))
    }

    fn iam(&self, form: &[(&str, &str)]) -> Result<String, StageError> {
        self.query("iam", IAM, form)
    }
}

/// The policy that allows everything.
fn everything() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
}

fn percent_decoded(text: &str) -> String {
    let unescaped = text.replace("&quot;", "\"").replace("&amp;", "&");
    let mut bytes = Vec::with_capacity(unescaped.len());
    let mut rest = unescaped.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match byte {
            b'%' => {
                let value = digit(rest.next()).zip(digit(rest.next())).map(|(high, low)| high * 16 + low);
                bytes.extend(value.and_then(|value| u8::try_from(value).ok()));
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
