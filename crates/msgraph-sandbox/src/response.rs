//! A response before it is sent: status, headers and body, and how they are delivered.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};

/// Content type of success bodies, as seen in live responses.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static(
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
);
/// Content type of error bodies.
pub(crate) const ERROR_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Version of the OData protocol; on success bodies only.
pub(crate) const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
/// The entity's URL on a 204 in place of a 201.
pub(crate) const ODATA_ENTITY_ID: HeaderName = HeaderName::from_static("odata-entityid");

/// A complete response.
#[derive(Debug, Clone)]
pub(crate) struct GraphResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) delivery: Delivery,
    /// Omit the headers that every response of Graph has, as a proxy in front of it does.
    pub(crate) bare: bool,
}

/// How a response is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Delivery {
    /// Delay before the status line.
    pub(crate) first_byte_delay: Duration,
    /// Bytes of the body per chunk, and the pause before each chunk.
    pub(crate) chunks: Option<(usize, Duration)>,
    /// Whether the connection ends early.
    pub(crate) termination: Termination,
}

/// What happens to the connection after a response.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Termination {
    /// The response is complete and the connection stays open.
    #[default]
    Complete,
    /// Half of the declared body, or this many of its bytes, then the connection closes.
    MidBody(Option<usize>, CloseMode),
    /// The connection closes without a response.
    NoResponse(CloseMode),
    /// The stream is reset with `REFUSED_STREAM` (HTTP/2).
    Refused,
    /// GOAWAY with a last stream id below this stream's (HTTP/2).
    GoAway,
    /// Neither a response nor a reset: the stream is above the last id of a GOAWAY (HTTP/2).
    Ignored,
}

/// How a connection is closed early.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum CloseMode {
    /// With a FIN, as a process that ends does.
    #[default]
    Fin,
    /// With an RST, as a middlebox does.
    Reset,
}

impl GraphResponse {
    pub(crate) fn new(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: body.into(),
            delivery: Delivery::default(),
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

    /// As `with`, for a value built at run time; an invalid header value is omitted.
    pub(crate) fn with_text(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.with(name, value),
            Err(_) => self,
        }
    }
}
