//! Whose call it is: the account and Region a request speaks for.

use std::fmt;

use axum::http::HeaderMap;
use serde::Serialize;

use crate::protocol::AwsError;

/// The header by which the stage's launcher says whose call it has authorised and forwarded.
pub(crate) const ACCOUNT_HEADER: &str = "x-stage-account";
/// The header by which the launcher says which Region the call was meant for.
pub(crate) const REGION_HEADER: &str = "x-stage-region";

/// One account in one Region: what every piece of state belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Place {
    pub(crate) account: String,
    pub(crate) region: String,
}

impl Place {
    /// The place a request speaks for.
    ///
    /// The launcher's headers win. Otherwise the credential scope of the signature tells, provided the access key
    /// is an account number: that is how the stage names accounts without an identity service.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Place, AwsError> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let scope = header("authorization").and_then(credential_scope);
        let account = header(ACCOUNT_HEADER).or(scope.map(|scope| scope.0)).filter(|account| is_account(account));
        let region = header(REGION_HEADER).or(scope.map(|scope| scope.1)).filter(|region| !region.is_empty());
        match (account, region) {
            (Some(account), Some(region)) => Ok(Place { account: account.to_owned(), region: region.to_owned() }),
            _ => Err(AwsError::front(
                403,
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.region)
    }
}

/// Whether the text is an account id: twelve digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Access key and Region out of `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, …`.
fn credential_scope(authorization: &str) -> Option<(&str, &str)> {
    let (_, credential) = authorization.split_once("Credential=")?;
    let mut parts = credential.split([',', ' ']).next()?.split('/');
    let key = parts.next()?;
    let region = parts.nth(1)?;
    Some((key, region))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(headers: &[(&'static str, &str)], expected: Option<&str>) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        assert_eq!(Place::of(&map).ok().map(|place| place.to_string()).as_deref(), expected, "{headers:?}");
    }

    #[test]
    fn the_launchers_headers_win_over_the_signature() {
        let signed = "AWS4-HMAC-SHA256 Credential=111111111111/20261101/eu-west-1/athena/aws4_request, Signature=0";
        let role = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261101/eu-west-1/athena/aws4_request, Signature=0";
        check(&[("authorization", signed)], Some("111111111111/eu-west-1"));
        check(&[("authorization", signed), ("x-stage-account", "222222222222")], Some("222222222222/eu-west-1"));
        check(&[("authorization", role), ("x-stage-account", "222222222222")], Some("222222222222/eu-west-1"));
        check(&[("x-stage-account", "222222222222"), ("x-stage-region", "us-east-1")], Some("222222222222/us-east-1"));
        check(&[("authorization", role)], None);
        check(&[("x-stage-account", "12"), ("x-stage-region", "us-east-1")], None);
        check(&[("x-stage-account", "222222222222")], None);
        check(&[], None);
    }
}
