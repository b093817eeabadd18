//! A request to Graph before it has a connection, and the body that decides when it counts as sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};
use hyper::body::{Body, Frame, SizeHint};

use super::approval::Approval;
use super::send_gate::SendGate;
use crate::telemetry::request::CLIENT_REQUEST_ID;
use crate::telemetry::route::Route;
use crate::telemetry::trace_context::TRACEPARENT;

const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const PRODUCT: HeaderValue = HeaderValue::from_static(concat!("intune-graphql/", env!("CARGO_PKG_VERSION")));

/// Largest number of headers of a request, so that their map is allocated once.
const MAX_HEADERS: usize = 9;

/// A request that can be sent on any connection, and again.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) route: Route,
    pub(super) path_and_query: PathAndQuery,
    pub(super) authorization: HeaderValue,
    pub(super) client_request_id: HeaderValue,
    /// The W3C trace context, if the caller sent one.
    pub(super) traceparent: Option<HeaderValue>,
    /// Of a write that may need approval.
    pub(super) approval: Option<Approval>,
    /// The JSON body.
    pub(super) body: Option<Bytes>,
    /// The gate of a write, which decides whether it may still be sent.
    pub(super) gate: Option<SendGate>,
}

impl Request {
    /// The request in the form of HTTP/1.1: a path, and the host in a header.
    pub(super) fn to_http1(&self, host: &HeaderValue) -> http::Request<RequestBody> {
        let mut request = self.with_uri(Uri::from(self.path_and_query.clone()), 0);
        request.headers_mut().insert(HOST, host.clone());
        request
    }

    /// The request in the form of HTTP/2: the host in the URL.
    pub(super) fn to_http2(&self, origin: &Uri) -> http::Request<RequestBody> {
        let mut parts = origin.clone().into_parts();
        parts.path_and_query = Some(self.path_and_query.clone());
        // The origin has a scheme and a host, so that the parts always form a URL.
        self.with_uri(Uri::from_parts(parts).unwrap_or_default(), HELD_BACK)
    }

    fn with_uri(&self, uri: Uri, held_back: usize) -> http::Request<RequestBody> {
        let gate = self.gate.clone();
        let bytes = self.body.clone().unwrap_or_default();
        let is_whole = gate.is_none() || (bytes.is_empty() && held_back == 0);
        let body = RequestBody { bytes, gate, held_back, is_whole };
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers();
        request
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(MAX_HEADERS);
        headers.insert(AUTHORIZATION, self.authorization.clone());
        headers.insert(ACCEPT, APPLICATION_JSON);
        headers.insert(ACCEPT_ENCODING, GZIP);
        headers.insert(USER_AGENT, PRODUCT);
        headers.insert(CLIENT_REQUEST_ID, self.client_request_id.clone());
        if let Some(traceparent) = &self.traceparent {
            headers.insert(TRACEPARENT, traceparent.clone());
        }
        if self.body.is_some() {
            headers.insert(CONTENT_TYPE, APPLICATION_JSON);
        }
        if let Some(approval) = &self.approval {
            let (name, value) = approval.header();
            headers.insert(name, value.clone());
        }
        headers
    }

    /// Whether the request may be passed to an HTTP/1.1 connection. A request with a body counts as
    /// sent when the connection polls the body; a request without one counts as sent now.
    pub(super) fn may_go_to_http1(&self) -> bool {
        match &self.gate {
            Some(gate) if self.body.as_ref().is_none_or(Bytes::is_empty) => gate.try_send(),
            Some(_) | None => true,
        }
    }
}

/// Number of bytes at the end of a body that HTTP/2 receives one by one. It polls for the last byte
/// when flow control has allowed all bytes before it.
const HELD_BACK: usize = 2;

/// A body of known length. The connection polls it when it writes the request, with HTTP/2 piece by
/// piece. Before the last piece, without which Graph processes nothing, the gate decides whether
/// the write is sent or withdrawn. If that piece is never polled, the request was never sent.
pub(super) struct RequestBody {
    bytes: Bytes,
    gate: Option<SendGate>,
    held_back: usize,
    /// Nothing is left to decide, and there may be bytes.
    is_whole: bool,
}

/// The write was withdrawn before the connection was ready for it.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the request was withdrawn before it was sent")]
pub(super) struct Withdrawn;

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withdrawn>>> {
        if self.is_whole {
            let bytes = std::mem::take(&mut self.bytes);
            return Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))));
        }
        if self.held_back > 0 && self.bytes.len() > 1 {
            let piece = if self.bytes.len() > self.held_back { self.bytes.len() - self.held_back } else { 1 };
            return Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(piece)))));
        }
        self.is_whole = true;
        if self.gate.as_ref().is_some_and(|gate| !gate.try_send()) {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        let last = std::mem::take(&mut self.bytes);
        Poll::Ready((!last.is_empty()).then(|| Ok(Frame::data(last))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_whole && self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
