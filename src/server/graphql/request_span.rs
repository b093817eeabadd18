//! The span of an HTTP request, by OpenTelemetry's semantic conventions for HTTP servers.

use http::header::HOST;
use http::uri::Authority;
use http::{Method, Request, StatusCode, Version};

use crate::telemetry::request::RequestTelemetry;
use crate::telemetry::traces::{Span, SpanError};

/// The route of all GraphQL requests.
const ROUTE: &str = "/graphql";

/// The span of an HTTP request.
pub(super) struct RequestSpan(Box<Span>);

impl RequestSpan {
    /// Begins the span, if the request is sampled.
    pub(super) fn begin<B>(telemetry: &RequestTelemetry, request: &Request<B>, is_tls: bool) -> Option<Self> {
        let trace = telemetry.trace()?;
        let (method, name) = match *request.method() {
            Method::POST => ("POST", "POST /graphql"),
            Method::GET => ("GET", "GET /graphql"),
            Method::OPTIONS => ("OPTIONS", "OPTIONS /graphql"),
            Method::HEAD => ("HEAD", "HEAD /graphql"),
            _ => ("_OTHER", "HTTP /graphql"),
        };
        let mut span = trace.begin_request(name);
        span.set_static("http.request.method", method);
        span.set_static("http.route", ROUTE);
        span.set_static("url.scheme", if is_tls { "https" } else { "http" });
        span.set_text("url.path", request.uri().path());
        if let Some(authority) = authority(request) {
            span.set_text("server.address", authority.host());
            if let Some(port) = authority.port_u16() {
                span.set_number("server.port", port);
            }
        }
        let version = match request.version() {
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            _ => "1.1",
        };
        span.set_static("network.protocol.version", version);
        span.set_text("client_request_id", telemetry.header().to_str().unwrap_or_default());
        Some(Self(span))
    }

    /// Ends the span. A status of the client's making is no error of the server.
    pub(super) fn end(self, status: StatusCode) {
        let Self(mut span) = self;
        span.set_number("http.response.status_code", status.as_u16());
        if status.is_server_error() {
            span.set_error(SpanError { error_type: status.as_str().to_owned().into() });
        }
    }
}

/// Host and port of the request, without user information.
fn authority<B>(request: &Request<B>) -> Option<Authority> {
    let host = request.headers().get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.or_else(|| request.uri().authority().cloned())
}
