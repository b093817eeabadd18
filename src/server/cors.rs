//! Cross-origin requests (CORS): the origins that may call the gateway, and the responses to
//! others.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::{Host, Url};

use super::app::App;
use super::graphql;
use super::settings::Settings;
use crate::telemetry::request::{CLIENT_REQUEST_ID, SERVER_TIMING};

/// How long a browser may cache the response to a preflight request; Chromium's maximum.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);
/// Maximum length of an origin that a message repeats, in bytes.
const MAX_QUOTED_ORIGIN: usize = 200;

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");

/// Whether pages of an origin may call the gateway.
pub(super) fn is_allowed(settings: &Settings, origin: &HeaderValue) -> bool {
    settings.cors_origins.contains(origin) || (settings.allow_loopback_origins && is_loopback(origin))
}

/// Allows pages of the allowed origins to send requests with a token, and to read `Retry-After`, the request's id and its
/// timing. Cookies are not used.
pub(super) fn layer(app: &Arc<App>) -> CorsLayer {
    let app = Arc::clone(app);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| is_allowed(&app.settings, origin)))
        .allow_methods([Method::GET, Method::POST])
        // Clients send tracing headers of their own, which the gateway ignores. The origin decides who may send requests.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([RETRY_AFTER, CLIENT_REQUEST_ID, SERVER_TIMING])
        .max_age(PREFLIGHT_MAX_AGE)
}

/// The origin of the request, if its pages may call the gateway.
pub(super) fn allowed_origin(settings: &Settings, request: &Request) -> Option<HeaderValue> {
    request.headers().get(ORIGIN).filter(|origin| is_allowed(settings, origin)).cloned()
}

/// Lets pages of `origin` read the timing of a response (Resource Timing, "Timing-Allow-Origin").
pub(super) fn allow_timing(response: &mut Response, origin: HeaderValue) {
    if response.headers().contains_key(SERVER_TIMING) {
        response.headers_mut().insert(TIMING_ALLOW_ORIGIN, origin);
    }
}

/// Rejects the preflight request of an origin that is not allowed, and names the setting.
pub(super) fn check_preflight(settings: &Settings, request: &Request) -> Option<Response> {
    if request.method() != Method::OPTIONS || !request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let origin = request.headers().get(ORIGIN).filter(|origin| !is_allowed(settings, origin))?;
    let message = match parse(origin).filter(|_| origin.len() <= MAX_QUOTED_ORIGIN) {
        Some(_) => {
            let origin = String::from_utf8_lossy(origin.as_bytes());
            format!("Pages of {origin} may not call this gateway. Start it with --cors-origin {origin}.")
        }
        None => "Pages of this origin may not call this gateway: see --cors-origin.".to_owned(),
    };
    Some(graphql::reject(StatusCode::FORBIDDEN, &message))
}

/// Whether an origin is a page on this machine, as of a front end in development.
fn is_loopback(origin: &HeaderValue) -> bool {
    let Some(url) = parse(origin) else { return false };
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The origin as a URL, if it is an http(s) origin as browsers send it.
fn parse(origin: &HeaderValue) -> Option<Url> {
    let text = origin.to_str().ok()?;
    let url = Url::parse(text).ok()?;
    let is_origin = matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text;
    is_origin.then_some(url)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::is_loopback;

    #[test]
    fn only_origins_of_this_machine_are_loopback() {
        for (origin, expected) in [
            ("http://localhost:5173", true),
            ("https://localhost", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://localhost@evil.example", false),
            ("http://evil.example/localhost", false),
            ("https://192.168.0.1", false),
            ("file://localhost", false),
            ("null", false),
            ("localhost:3000", false),
        ] {
            assert_eq!(is_loopback(&HeaderValue::from_str(origin).unwrap()), expected, "{origin}");
        }
    }
}
