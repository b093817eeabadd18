//! The caller's bearer token: opaque, sent to the service root only, and never shown.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use ring::hmac;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// The caller's `Authorization` header, unchanged. Its `Debug` output is redacted, and the header
/// value is marked as sensitive, so HTTP libraries neither log nor index it.
#[derive(Clone)]
pub struct Authorization(HeaderValue);

/// The header is not `Bearer <token>` in the characters of RFC 6750, section 2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotABearerToken;

impl Authorization {
    /// Takes a header value of the form `Bearer <token>`; the scheme's case is free (RFC 9110, section 11.1).
    ///
    /// # Errors
    ///
    /// [`NotABearerToken`] for another scheme or invalid characters.
    pub fn parse(header: &HeaderValue) -> Result<Self, NotABearerToken> {
        let bytes = header.as_bytes();
        let (scheme, rest) = bytes.split_at_checked(6).ok_or(NotABearerToken)?;
        let token = rest.trim_ascii_start();
        let separated = rest.starts_with(b" ") && !rest.contains(&b'\t');
        if !scheme.eq_ignore_ascii_case(b"bearer") || !separated || !is_b64token(token) {
            return Err(NotABearerToken);
        }
        let mut value = header.clone();
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The header to send.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The token, without the scheme, whose case and distance are the caller's to choose.
    fn token(&self) -> &[u8] {
        let header = self.0.as_bytes();
        header.rsplit(|byte| *byte == b' ').next().unwrap_or(header)
    }

    /// Distinguishes callers without storing the token.
    pub(crate) fn keyed_hash(&self, key: &hmac::Key) -> [u8; 32] {
        let tag = hmac::sign(key, self.token());
        let mut hash = [0; 32];
        hash.copy_from_slice(tag.as_ref());
        hash
    }

    /// The tenant of the token if it is a JWT (RFC 7519) with a `tid` claim (Microsoft identity
    /// platform: "Access token claims reference"): a GUID in its canonical form, and other text
    /// unchanged. The token is not verified.
    pub(super) fn tenant_hint(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Claims {
            tid: String,
        }
        let Claims { tid } = self.claims()?;
        let guid = Uuid::try_parse(&tid).map(|guid| guid.hyphenated().to_string());
        guid.ok().or(Some(tid)).filter(|tid| !tid.is_empty())
    }

    /// When the token expires, if it is a JWT with an `exp` claim (RFC 7519, section 4.1.4). The token is not verified.
    pub(crate) fn expiry_hint(&self) -> Option<SystemTime> {
        #[derive(Deserialize)]
        struct Claims {
            exp: f64,
        }
        let Claims { exp } = self.claims()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(exp).ok()?)
    }

    /// The claims of a token that is a JWT (RFC 7519). They are not verified.
    fn claims<T: DeserializeOwned>(&self) -> Option<T> {
        let payload = self.token().split(|byte| *byte == b'.').nth(1)?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }

    /// Removes the token from text of other origin, because Graph or a proxy might echo it.
    pub(super) fn redact(&self, text: &mut String) {
        // A short token would take ordinary words apart; no real one is shorter, and it would protect nothing.
        if let Ok(token) = std::str::from_utf8(self.token())
            && token.len() >= 8
            && text.contains(token)
        {
            *text = text.replace(token, "[redacted]");
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization([redacted])")
    }
}

/// `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (RFC 6750, section 2.1).
fn is_b64token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = &token[..token.len() - padding];
    !body.is_empty() && body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use http::HeaderValue;

    use super::{Authorization, NotABearerToken};

    fn parse(text: &str) -> Result<Authorization, NotABearerToken> {
        Authorization::parse(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn bearer_tokens_are_taken_as_they_came() {
        for text in ["Bearer abc", "bearer abc", "BEARER  a-b.c_d~e+f/g==", "Bearer x"] {
            assert_eq!(parse(text).unwrap().header().to_str().unwrap(), text);
        }
    }

    #[test]
    fn a_caller_is_told_by_the_token_alone() {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[7; 32]);
        let hash = |text: &str| parse(text).unwrap().keyed_hash(&key);
        assert_eq!(hash("Bearer abc"), hash("bearer abc"));
        assert_eq!(hash("Bearer abc"), hash("BEARER   abc"));
        assert_ne!(hash("Bearer abc"), hash("Bearer abC"));
    }

    #[test]
    fn the_tenant_is_told_by_a_jwt_and_by_nothing_else() {
        let payload = |claims: &str| URL_SAFE_NO_PAD.encode(claims);
        let tenant = |token: &str| parse(&format!("Bearer {token}")).unwrap().tenant_hint();
        let jwt = format!("h.{}.s", payload(r#"{"aud":"x","tid":"72F988BF-86F1-41AF-91AB-2D7CD011DB47"}"#));
        assert_eq!(tenant(&jwt).as_deref(), Some("72f988bf-86f1-41af-91ab-2d7cd011db47"));
        let other = format!("h.{}.s", payload(r#"{"tid":"contoso"}"#));
        assert_eq!(tenant(&other).as_deref(), Some("contoso"), "it keeps tenants apart as well");
        for token in [
            "opaque".to_owned(),
            "a.b.c".to_owned(),
            format!("h.{}.s", payload("[]")),
            format!("h.{}.s", payload(r#"{"tid":7}"#)),
            format!("h.{}.s", payload(r#"{"tid":""}"#)),
        ] {
            assert_eq!(tenant(&token), None, "{token}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer =",
            "Bearer a b",
            "Bearer a,b",
            "Bearer\tabc",
            "Bearer \tabc",
            "Basic abc",
            "Bearerabc",
            "Bearer a=b",
            "Bearer é",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_token_shows_in_no_debug_form_and_is_cut_from_echoes() {
        let authorization = parse("Bearer canary-token-1").unwrap();
        assert!(!format!("{authorization:?} {:?}", authorization.header()).contains("canary"));
        let mut text = "you sent canary-token-1!".to_owned();
        authorization.redact(&mut text);
        assert_eq!(text, "you sent [redacted]!");
    }
}
