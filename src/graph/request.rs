//! A request to Graph before it has a connection, and the body that decides when it counts as sent.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Uri};
use hyper::body::{Body, Frame, SizeHint};

use super::send_gate::SendGate;

/// A request that can be sent on any connection, and again.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) path_and_query: PathAndQuery,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Of a write: decides whether it may still be sent.
    pub(super) gate: Option<SendGate>,
}

impl Request {
    /// The request in the form of HTTP/1.1: a path, and the host in a header.
    pub(super) fn to_http1(&self, host: &HeaderValue) -> http::Request<RequestBody> {
        let mut request = self.with_uri(Uri::from(self.path_and_query.clone()));
        request.headers_mut().insert(HOST, host.clone());
        request
    }

    /// The request in the form of HTTP/2: the host in the URL.
    pub(super) fn to_http2(&self, origin: &Uri) -> http::Request<RequestBody> {
        let mut parts = origin.clone().into_parts();
        parts.path_and_query = Some(self.path_and_query.clone());
        // The origin has a scheme and a host, so that the parts always form a URL.
        self.with_uri(Uri::from_parts(parts).unwrap_or_default())
    }

    fn with_uri(&self, uri: Uri) -> http::Request<RequestBody> {
        let body = RequestBody { bytes: self.body.clone(), gate: self.gate.clone() };
        let mut request = http::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request
    }

    /// Whether the request may be handed to a connection. One with a body counts as sent when the connection asks for
    /// its last byte; one without counts as sent now.
    pub(super) fn may_be_handed_over(&self) -> bool {
        match &self.gate {
            Some(gate) if self.body.is_empty() => gate.try_send(),
            Some(_) | None => true,
        }
    }
}

/// A body of known length. The connection asks for it piece by piece when it writes the request. Before the last byte,
/// without which Graph processes nothing, the gate decides whether the write is sent or was withdrawn. Where nobody asks
/// for that byte, the request was never sent.
pub(super) struct RequestBody {
    bytes: Bytes,
    gate: Option<SendGate>,
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
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let Some(gate) = &self.gate else {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        };
        if self.bytes.len() > 1 {
            // HTTP/2 asks for what follows when flow control has let this pass.
            let before_last = self.bytes.len() - 1;
            return Poll::Ready(Some(Ok(Frame::data(self.bytes.split_to(before_last)))));
        }
        let may_send = gate.try_send();
        let last = std::mem::take(&mut self.bytes);
        Poll::Ready(Some(if may_send { Ok(Frame::data(last)) } else { Err(Withdrawn) }))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}
