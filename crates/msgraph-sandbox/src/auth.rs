//! Authentication and authorization: access tokens, scopes, and Graph's 401 and 403 responses.
//!
//! Access tokens are opaque strings. Each string that RFC 6750 allows belongs to the default tenant and app and has all
//! scopes, except the tokens in [`TOKENS`].

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};

use crate::error::{GraphError, Shape, Trace};
use crate::response::GraphResponse;

/// Access tokens with a special meaning.
pub(crate) const TOKENS: &[(&str, AccessToken)] = &[
    // What JavaScript sends for a token that it does not have.
    ("undefined", AccessToken::Refused(NOT_A_TOKEN)),
    ("null", AccessToken::Refused(NOT_A_TOKEN)),
    ("expired-token", AccessToken::Refused("Access token has expired or is not yet valid.")),
    ("wrong-audience-token", AccessToken::Refused("Access token validation failure. Invalid audience.")),
    ("revoked-token", AccessToken::Challenged),
    ("no-scope-token", AccessToken::Caller(Caller { scopes: &[], ..Caller::DEFAULT })),
    ("read-only-token", AccessToken::Caller(Caller { scopes: &[APPS_READ], ..Caller::DEFAULT })),
    (
        "configuration-token",
        AccessToken::Caller(Caller { scopes: &[CONFIGURATION_READ_WRITE], ..Caller::DEFAULT }),
    ),
    ("second-user-token", AccessToken::Caller(Caller { user: "second-user", ..Caller::DEFAULT })),
    ("second-app-token", AccessToken::Caller(Caller { app: "second-app", ..Caller::DEFAULT })),
    (
        "second-tenant-token",
        AccessToken::Caller(Caller { tenant: "second-tenant", app: "second-app", ..Caller::DEFAULT }),
    ),
];

/// The message for a text that is not a JSON Web Token.
const NOT_A_TOKEN: &str = "CompactToken parsing failed with error code: 80049217";

const APPS_READ: &str = "DeviceManagementApps.Read.All";
const APPS_READ_WRITE: &str = "DeviceManagementApps.ReadWrite.All";
const CONFIGURATION_READ: &str = "DeviceManagementConfiguration.Read.All";
const CONFIGURATION_READ_WRITE: &str = "DeviceManagementConfiguration.ReadWrite.All";

/// The meaning of an access token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AccessToken {
    Caller(Caller),
    /// 401 with this message.
    Refused(&'static str),
    /// 401 with a claims challenge (continuous access evaluation).
    Challenged,
}

/// The identity of a request. Throttling counts by tenant and app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    pub(crate) tenant: &'static str,
    pub(crate) app: &'static str,
    pub(crate) user: &'static str,
    /// An operation needs one of the scopes that it lists.
    pub(crate) scopes: &'static [&'static str],
}

impl Caller {
    pub(crate) const DEFAULT: Self = Self {
        tenant: "tenant",
        app: "app",
        user: "user",
        scopes: &[CONFIGURATION_READ_WRITE, APPS_READ_WRITE],
    };
}

/// The kind of access that an operation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// The action `hasPayloadLinks`: a POST for which a read scope is enough.
    PayloadLinks,
}

impl Access {
    /// The scopes of which one is needed, in the order of the permissions table on each reference page.
    fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Read => &[CONFIGURATION_READ, CONFIGURATION_READ_WRITE, APPS_READ, APPS_READ_WRITE],
            Self::Write => &[CONFIGURATION_READ_WRITE, APPS_READ_WRITE],
            Self::PayloadLinks => &[APPS_READ, APPS_READ_WRITE],
        }
    }
}

/// A 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unauthorized {
    Refused(&'static str),
    Challenged,
}

/// Reads the `Authorization` header.
pub(crate) fn caller(headers: &HeaderMap) -> Result<Caller, Unauthorized> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(Unauthorized::Refused("Access token is empty."));
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .filter(|token| is_plausible(token))
        .ok_or(Unauthorized::Refused(NOT_A_TOKEN))?;
    match TOKENS.iter().find(|(name, _)| *name == token).map(|(_, token)| token) {
        None => Ok(Caller::DEFAULT),
        Some(AccessToken::Caller(caller)) => Ok(*caller),
        Some(AccessToken::Refused(message)) => Err(Unauthorized::Refused(message)),
        Some(AccessToken::Challenged) => Err(Unauthorized::Challenged),
    }
}

/// RFC 6750's `b64token`: letters, digits, `-._~+/`, then any number of `=`.
fn is_plausible(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}

/// Fails with 403 if the caller has none of the required scopes.
pub(crate) fn check_scopes(caller: &Caller, access: Access) -> Result<(), GraphError> {
    if access.scopes().iter().any(|scope| caller.scopes.contains(scope)) {
        return Ok(());
    }
    let message = format!(
        "Application is not authorized to perform this operation. Application must have one of the following scopes: {}",
        access.scopes().join(", ")
    );
    Err(GraphError::new(StatusCode::FORBIDDEN, "Forbidden", message).in_shape(Shape::Intune))
}

impl Unauthorized {
    pub(crate) fn response(self, trace: &Trace) -> GraphResponse {
        let message = match self {
            Self::Refused(message) => message,
            Self::Challenged => {
                "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp"
            }
        };
        let (name, value) = self.challenge();
        GraphError::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
            .response(trace)
            .with(name, value)
    }

    fn challenge(self) -> (HeaderName, HeaderValue) {
        let value = match self {
            Self::Refused(_) => HeaderValue::from_static(
                r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000""#,
            ),
            Self::Challenged => HeaderValue::from_static(
                r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwgInZhbHVlIjoiMTYzNTUyNzc5MCJ9fX0=""#,
            ),
        };
        (WWW_AUTHENTICATE, value)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{AUTHORIZATION, HeaderValue};

    use super::{Access, Caller, Unauthorized, caller, check_scopes};

    fn with(value: &'static str) -> Result<Caller, Unauthorized> {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        caller(&headers)
    }

    #[test]
    fn any_plausible_token_is_the_default_caller() {
        assert_eq!(with("Bearer eyJ0eXAi.a-b_c~d+e/f=="), Ok(Caller::DEFAULT));
        assert_eq!(with("bearer tok-123"), Ok(Caller::DEFAULT));
    }

    #[test]
    fn an_invalid_token_is_rejected() {
        for value in ["Bearer", "Bearer ", "Bearer a b", "Basic dXNlcg==", "Bearer =", "Bearer a=b"] {
            assert!(
                matches!(with(value), Err(Unauthorized::Refused(message)) if message.starts_with("CompactToken")),
                "{value}"
            );
        }
    }

    #[test]
    fn special_tokens_have_their_documented_effect() {
        assert_eq!(with("Bearer revoked-token"), Err(Unauthorized::Challenged));
        let reader = with("Bearer read-only-token").unwrap();
        assert!(check_scopes(&reader, Access::Read).is_ok());
        assert!(check_scopes(&reader, Access::PayloadLinks).is_ok());
        assert!(check_scopes(&reader, Access::Write).is_err());
        let error = check_scopes(&with("Bearer no-scope-token").unwrap(), Access::Write).unwrap_err();
        assert!(
            error.message.ends_with(
                "one of the following scopes: DeviceManagementConfiguration.ReadWrite.All, DeviceManagementApps.ReadWrite.All"
            ),
            "{}",
            error.message
        );
    }
}
