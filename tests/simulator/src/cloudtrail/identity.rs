//! Who a call was made by, as CloudTrail's `userIdentity` tells it.

use serde_json::{Value, json};

use crate::accounts::Place;

/// The role in which people work.
const ROLE: &str = "DataScientist";
/// The role in which SageMaker Studio works for all its users.
const STUDIO_ROLE: &str = "SageMakerStudioExecutionRole";

/// Who made a call.
#[derive(Debug, PartialEq)]
pub(super) struct Identity {
    /// `Username` of the event: a session's name, a user's name, or `root`.
    pub(super) username: String,
    /// The event's `userIdentity`.
    pub(super) user_identity: Value,
}

/// The identity a principal's name stands for: an ARN is taken as it is, `studio:<profile>` is Studio's role with the
/// profile as source identity, any other name is a session of the role in which people work, and none is the root.
pub(super) fn of(by: Option<&str>, place: &Place) -> Identity {
    match by {
        None => root(place),
        Some(by) => match by.strip_prefix("studio:") {
            Some(profile) => session(place, STUDIO_ROLE, "SageMaker", Some(profile)),
            None if by.starts_with("arn:") => principal(by, place),
            None => session(place, ROLE, by, None),
        },
    }
}

fn root(place: &Place) -> Identity {
    Identity {
        username: "root".to_owned(),
        user_identity: json!({
            "type": "Root",
            "principalId": place.account,
            "arn": format!("arn:aws:iam::{}:root", place.account),
            "accountId": place.account,
        }),
    }
}

/// What an ARN names: `…:assumed-role/<role>/<session>`, `…:user/<name>`, `…:root`.
fn principal(arn: &str, place: &Place) -> Identity {
    let account = arn.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(&place.account);
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    let owner = Place { account: account.to_owned(), region: place.region.clone() };
    let mut parts = resource.split('/');
    match (parts.next(), parts.next(), parts.next_back()) {
        (Some("assumed-role"), Some(role), Some(name)) => session(&owner, role, name, None),
        (Some("root"), None, None) => root(&owner),
        (_, Some(first), last) => {
            let name = last.unwrap_or(first);
            Identity {
                username: name.to_owned(),
                user_identity: json!({
                    "type": "IAMUser",
                    "principalId": unique("AIDA", name),
                    "arn": arn,
                    "accountId": account,
                    "userName": name,
                }),
            }
        }
        _ => Identity {
            username: arn.to_owned(),
            user_identity: json!({ "type": "Unknown", "principalId": arn, "arn": arn, "accountId": account }),
        },
    }
}

fn session(place: &Place, role: &str, name: &str, source: Option<&str>) -> Identity {
    let account = &place.account;
    let role_id = unique("AROA", role);
    let mut context = json!({
        "sessionIssuer": {
            "type": "Role",
            "principalId": role_id,
            "arn": format!("arn:aws:iam::{account}:role/{role}"),
            "accountId": account,
            "userName": role,
        },
        "attributes": { "mfaAuthenticated": "false" },
    });
    if let (Some(source), Value::Object(context)) = (source, &mut context) {
        context.insert("sourceIdentity".to_owned(), source.into());
    }
    Identity {
        username: name.to_owned(),
        user_identity: json!({
            "type": "AssumedRole",
            "principalId": format!("{role_id}:{name}"),
            "arn": format!("arn:aws:sts::{account}:assumed-role/{role}/{name}"),
            "accountId": account,
            "sessionContext": context,
        }),
    }
}

/// A unique id as IAM makes them, the same for the same name.
fn unique(prefix: &str, name: &str) -> String {
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| char::from(byte.to_ascii_uppercase()));
    let padded: String = letters.chain(std::iter::repeat('X')).take(17).collect();
    format!("{prefix}{padded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(by: Option<&str>, username: &str, members: &[(&str, &str)]) {
        let place = Place { account: "111111111111".to_owned(), region: "eu-west-1".to_owned() };
        let identity = of(by, &place);
        assert_eq!(identity.username, username, "{by:?}");
        for (pointer, expected) in members {
            assert_eq!(
                identity.user_identity.pointer(pointer).and_then(Value::as_str),
                Some(*expected),
                "{by:?} {pointer}"
            );
        }
        let source = identity.user_identity.pointer("/sessionContext/sourceIdentity").is_some();
        assert_eq!(source, by.is_some_and(|by| by.starts_with("studio:")), "{by:?}");
    }

    #[test]
    fn a_name_stands_for_a_principal() {
        check(None, "root", &[("/type", "Root"), ("/arn", "arn:aws:iam::111111111111:root")]);
        check(
            Some("anna"),
            "anna",
            &[
                ("/type", "AssumedRole"),
                ("/arn", "arn:aws:sts::111111111111:assumed-role/DataScientist/anna"),
                ("/principalId", "AROADATASCIENTISTXXXX:anna"),
                ("/sessionContext/sessionIssuer/userName", "DataScientist"),
            ],
        );
        check(
            Some("studio:anna"),
            "SageMaker",
            &[
                ("/arn", "arn:aws:sts::111111111111:assumed-role/SageMakerStudioExecutionRole/SageMaker"),
                ("/sessionContext/sourceIdentity", "anna"),
            ],
        );
        check(
            Some("arn:aws:iam::222222222222:user/team/bob"),
            "bob",
            &[("/type", "IAMUser"), ("/accountId", "222222222222"), ("/userName", "bob")],
        );
        check(
            Some("arn:aws:sts::222222222222:assumed-role/Etl/nightly"),
            "nightly",
            &[("/type", "AssumedRole"), ("/sessionContext/sessionIssuer/arn", "arn:aws:iam::222222222222:role/Etl")],
        );
        check(Some("arn:aws:iam::222222222222:root"), "root", &[("/type", "Root")]);
    }
}
