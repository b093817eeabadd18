//! The opening handshake of a WebSocket (RFC 6455, section 4.2), on HTTP/1.1.

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use ring::digest;

use crate::schema::ErrorCode;
use crate::server::graphql::rejection::RequestRejection;

/// The supported subprotocol.
pub(super) const PROTOCOL: &str = "graphql-transport-ws";
/// The constant that keys are hashed with (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// Whether a request is a WebSocket upgrade. HTTP/1.0 has no upgrades, and the extended CONNECT of HTTP/2 is not supported.
pub(in crate::server::graphql) fn is_upgrade_request(parts: &Parts) -> bool {
    parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && has_token(&parts.headers, UPGRADE, "websocket")
}

/// Validates the request, and returns the response that accepts it.
///
/// # Errors
///
/// 400 if a header is missing or invalid, 426 if the version is not 13.
pub(super) fn accept(headers: &HeaderMap) -> Result<Response, RequestRejection> {
    let invalid = |message: &str| RequestRejection::http(StatusCode::BAD_REQUEST, message);
    if !has_token(headers, CONNECTION, "upgrade") {
        return Err(invalid("A WebSocket request needs the header `Connection: Upgrade`."));
    }
    if !has_token(headers, SEC_WEBSOCKET_VERSION, "13") {
        return Err(RequestRejection::Http {
            status: StatusCode::UPGRADE_REQUIRED,
            code: ErrorCode::BadRequest,
            message: "Unsupported WebSocket version: set `Sec-WebSocket-Version: 13`.".to_owned(),
            header: Some((SEC_WEBSOCKET_VERSION, "13")),
        });
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(invalid("A WebSocket request needs exactly one `Sec-WebSocket-Key`."));
    };
    let key = key.as_bytes().trim_ascii();
    if STANDARD.decode(key).map_or(0, |key| key.len()) != KEY_BYTES {
        return Err(invalid("`Sec-WebSocket-Key` must be 16 bytes in base64."));
    }
    if !tokens(headers, SEC_WEBSOCKET_PROTOCOL).any(|protocol| protocol == PROTOCOL) {
        let message = format!("Unsupported WebSocket subprotocol: set `Sec-WebSocket-Protocol: {PROTOCOL}`.");
        return Err(invalid(&message));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    let accepted = STANDARD.encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat()));
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accepted).expect("base64 fits a header"));
    Ok(response)
}

/// Whether the request's `Origin` equals the gateway's own by its `Host`. Browsers omit a scheme's default port in `Origin`,
/// and proxies may add it to `Host`.
pub(super) fn is_same_origin(headers: &HeaderMap) -> bool {
    let same = || {
        let (scheme, authority) = headers.get(ORIGIN)?.to_str().ok()?.split_once("://")?;
        let default_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Some(false),
        };
        let parsed = |text: &str| {
            let authority = Authority::try_from(text).ok().filter(|_| !text.contains('@'))?;
            let port = match authority.port_u16() {
                Some(port) => port,
                None if authority.as_str() == authority.host() => default_port,
                // The port is not a number.
                None => return None,
            };
            Some((authority.host().to_ascii_lowercase(), port))
        };
        Some(parsed(authority)? == parsed(headers.get(HOST)?.to_str().ok()?)?)
    };
    same().unwrap_or(false)
}

/// Whether a list header has a token, in any of its lines and in any case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::header::{HOST, ORIGIN};
    use http::{HeaderMap, HeaderValue};

    use super::is_same_origin;

    #[test]
    fn a_default_port_may_be_omitted() {
        for (origin, host, expected) in [
            ("https://name", "name", true),
            ("https://name", "name:443", true),
            ("https://NAME", "Name:443", true),
            ("https://name:443", "name", true),
            ("http://name", "name:80", true),
            ("http://name:80", "name", true),
            ("HTTP://name:4000", "name:4000", true),
            ("https://[::1]", "[::1]:443", true),
            ("http://[::1]:80", "[::1]", true),
            ("https://name", "name:80", false),
            ("http://name", "name:443", false),
            ("https://name", "name:4430", false),
            ("https://name:8443", "name", false),
            ("https://name", "other", false),
            ("https://name.evil", "name", false),
            ("https://name", "user@name", false),
            ("https://name:", "name", false),
            ("https://name:x", "name", false),
            ("ftp://name", "name", false),
            ("null", "name", false),
            ("https://name", "", false),
        ] {
            let headers = HeaderMap::from_iter([
                (ORIGIN, HeaderValue::from_static(origin)),
                (HOST, HeaderValue::from_static(host)),
            ]);
            assert_eq!(is_same_origin(&headers), expected, "{origin} {host}");
        }
    }
}
