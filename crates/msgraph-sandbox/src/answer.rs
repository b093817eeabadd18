//! An answer before it goes on the wire: status, headers and body, and how the body is to be sent.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

/// Content type of success bodies, as seen on live answers.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static(
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
);
/// Content type of error bodies.
pub(crate) const ERROR_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Version of the OData protocol; on success bodies only.
pub(crate) const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
/// The entity's address on a 204 that takes the place of a 201.
pub(crate) const ODATA_ENTITY_ID: HeaderName = HeaderName::from_static("odata-entityid");

/// A complete answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) sending: Sending,
    /// Leave out the headers that every answer of Graph has, as a proxy in front of it does.
    pub(crate) bare: bool,
}

/// How an answer goes on the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sending {
    /// Wait before the status line.
    pub(crate) first_byte: Duration,
    /// Body bytes per piece, and the wait between pieces.
    pub(crate) pieces: Option<(usize, Duration)>,
    /// Whether the connection ends early.
    pub(crate) end: End,
}

/// How a connection goes on after an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum End {
    /// The answer is complete and the connection lives on.
    #[default]
    Complete,
    /// Half of the declared body, or this many of its bytes, then the connection closes.
    MidBody(Option<usize>, Close),
    /// No byte of an answer: the connection closes.
    NoAnswer(Close),
    /// The stream is reset with `REFUSED_STREAM` (HTTP/2).
    Refused,
    /// GOAWAY with a last stream id below this stream's (HTTP/2).
    GoAway,
    /// Neither an answer nor a reset: the stream is above the last id of a GOAWAY (HTTP/2).
    Ignored,
}

/// How a connection is closed early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Close {
    /// With a FIN, as a process that ends does.
    #[default]
    Fin,
    /// With an RST, as a middlebox does.
    Reset,
}

impl Answer {
    pub(crate) fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            sending: Sending::default(),
            bare: false,
        }
    }

    /// A success with a JSON body.
    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, body).with(CONTENT_TYPE, JSON).with(ODATA_VERSION, HeaderValue::from_static("4.0"))
    }

    /// An error with a JSON body.
    pub(crate) fn error(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::new(status, body).with(CONTENT_TYPE, ERROR_JSON)
    }

    pub(crate) fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Bytes::new())
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// As `with`, for a value made at run time; one that no header can hold is left out.
    pub(crate) fn with_text(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.with(name, value),
            Err(_) => self,
        }
    }
}
