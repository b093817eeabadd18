//! Fault injection: the faults, and the rules that select the requests to which they apply.
//!
#![doc = include_str!("faults.md")]

mod apply;
mod display;
mod forms;
mod parse;
mod plan;

use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method, StatusCode};

pub use self::parse::FaultSyntaxError;

pub(crate) use self::apply::throttled;
pub(crate) use self::forms::{EnvelopeFault, Flaw, HTML, ItemForm, RefusedOption};
pub(crate) use self::plan::{ActiveConnectionFaults, ActiveFaults, FaultPlan, RequestFault};
use crate::response::CloseMode;

/// The names of faults and their parameters, as Markdown.
pub const FAULTS_HELP: &str = include_str!("faults.md");

/// A fault. Parse it from its text form, as in `"503;retry-after=1".parse()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault(pub(crate) FaultKind);

/// A fault and the requests to which it applies: those that match, after the first `skip` of them.
///
/// Parse it from its text form, as in `"503;method=POST;times=2".parse()`, or start from [`FaultRule::once`] or
/// [`FaultRule::always`].
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// The fault.
    pub fault: Fault,
    /// Requests of this method only.
    pub method: Option<Method>,
    /// Requests whose path and query contain this text only.
    pub path_contains: Option<String>,
    /// This page of a collection only, the first being 1.
    pub page: Option<u64>,
    /// Number of matching requests to skip first.
    pub skip: u64,
    /// Number of requests to which the fault applies; unlimited if unset.
    pub times: Option<u64>,
    /// Probability, 0 to 1, that the fault applies to a matching request. The random numbers follow from the seed.
    pub rate: f64,
}

impl FaultRule {
    /// A rule that applies to every request.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { fault, method: None, path_contains: None, page: None, skip: 0, times: None, rate: 1.0 }
    }

    /// A rule that applies to the next request only.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self { times: Some(1), ..Self::always(fault) }
    }
}

/// The kinds of faults, by the part of a request that they change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FaultKind {
    Connection(ConnectionFault),
    Stream(StreamFault),
    Response(FaultResponse),
    Drop(DropFault),
    Slow(SlowFault),
    Success(SuccessFault),
    Read(ReadFault),
    Batch(BatchFault),
}

/// A fault of a new connection, before its first request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionFault {
    /// The sandbox accepts this connection and later ones after this delay.
    SlowAccept(Duration),
    /// The TLS handshake starts late.
    SlowHandshake(Duration),
    /// It closes before anything is read.
    Drop(CloseMode),
}

/// A fault of an HTTP/2 stream, which the sandbox does not process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamFault {
    /// The stream is reset with `REFUSED_STREAM`.
    Refuse,
    /// GOAWAY with a last stream id below this stream's. The connection closes when the earlier ones are answered.
    GoAway,
}

/// A response in place of the real one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FaultResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: FaultBody,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) retry_after: Option<RetryAfter>,
    /// The error in the body's bytes.
    pub(crate) flaw: Option<Flaw>,
    /// Execute the request first.
    pub(crate) applied: bool,
}

/// The body of such a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultBody {
    Plain,
    Wrapped,
    DoubleWrapped,
    EmptyMessage,
    Empty,
    Html,
    Text,
    Truncated,
    Throttled,
    MissingRoute,
    SegmentNotFound,
    InvalidVersion,
    ClaimsChallenge,
    Custom(Bytes),
}

/// The `Retry-After` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    /// This text, unchanged.
    Text(String),
    /// An HTTP date, this far ahead.
    Date(Duration),
}

/// A connection that ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DropFault {
    pub(crate) point: DropPoint,
    pub(crate) close: CloseMode,
}

/// When a connection ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropPoint {
    /// Before the request body is read. The request is not executed.
    BeforeBody,
    /// Within the response body: after this many bytes, or half of them if unset.
    MidResponse(Option<usize>),
    /// After the request was executed, before the first byte of the response.
    AfterApplied,
}

/// A slow response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlowFault {
    FirstByte(Duration),
    Body { piece: usize, pause: Duration },
}

/// A change to the successful response of a POST or PATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SuccessFault {
    Status200,
    /// 204, with the entity's address in this header; the address is the entity's own unless given.
    NoContent {
        header: Option<HeaderName>,
        location: Option<String>,
    },
    Without(Vec<String>),
    Only(Vec<String>),
    UnknownEnum {
        property: String,
        member: String,
    },
    /// An object of this type, of which only the id is the created one's.
    WrongType(String),
    /// The created object, and an `error` in it.
    WithError,
    Flawed(Flaw),
    NotJson,
    Empty,
    Truncated,
}

/// A change to the response of a read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ReadFault {
    FilterIgnored,
    OrderIgnored,
    CountWrong(Option<usize>),
    EmptyPage,
    PageSize(usize),
    LinkWithoutOptions,
    LinkElsewhere(LinkPart, String),
    RowRepeated,
    EmptyUnlessExpanded,
    /// An error response to requests with this option.
    OptionRefused(RefusedOption, FaultResponse),
    /// The collection ends after this many entities. Its count stays.
    ListShort(usize),
}

/// A part of a next link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkPart {
    /// Scheme, host and port.
    Origin,
    Scheme,
    UserInfo,
    /// The path; the query stays.
    Path,
    /// All of it.
    Url,
}

/// A change to the response of a batch. Item numbers start at 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BatchFault {
    Item(usize, FaultResponse),
    Missing(usize),
    DuplicateKey(usize),
    Malformed(usize, ItemForm),
    /// A response without results for the items.
    Envelope(EnvelopeFault),
    /// A response to a request that was not in the batch.
    Surplus,
    /// Responses in another order than the requests.
    Shuffled,
}
