//! Faults on demand: what can go wrong, and the rules that say when.
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
pub(crate) use self::forms::{EnvelopeFault, Flaw, HTML, ItemForm};
pub(crate) use self::plan::{Arrival, Drawn, Outcome, Plan};
use crate::answer::Close;

/// The names of faults and their parameters, as Markdown.
pub const FAULTS_HELP: &str = include_str!("faults.md");

/// Something that goes wrong. Made from its text form, as in `"503;retry-after=1".parse()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault(pub(crate) Kind);

/// When a fault happens: a request that matches meets it, after `skip` that matched were let pass.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    /// What happens.
    pub fault: Fault,
    /// Requests of this method only.
    pub method: Option<Method>,
    /// Requests whose path and query contain this text only.
    pub path_contains: Option<String>,
    /// This page of a collection only, the first being 1.
    pub page: Option<u64>,
    /// How many matching requests to let pass first.
    pub skip: u64,
    /// How many requests to hit; all where unset.
    pub times: Option<u64>,
    /// Probability, 0 to 1, that a matching request is hit; drawn from the seed.
    pub rate: f64,
}

impl FaultRule {
    /// A rule that hits every request.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self { fault, method: None, path_contains: None, page: None, skip: 0, times: None, rate: 1.0 }
    }

    /// A rule that hits the next request only.
    #[must_use]
    pub fn once(fault: Fault) -> Self {
        Self { times: Some(1), ..Self::always(fault) }
    }
}

/// The kinds of faults, by the stage of a request that they touch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Connection(ConnectionFault),
    Stream(StreamFault),
    Answer(FaultAnswer),
    Drop(Drop),
    Slow(Slow),
    Success(SuccessFault),
    Read(ReadFault),
    Batch(BatchFault),
}

/// What befalls a new connection, before any request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConnectionFault {
    /// It and those after it are not accepted for so long.
    SlowAccept(Duration),
    /// The TLS handshake starts late.
    SlowHandshake(Duration),
    /// It closes before anything is read.
    Drop(Close),
}

/// An HTTP/2 stream that the sandbox says it did not process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamFault {
    /// The stream is reset with `REFUSED_STREAM`.
    Refuse,
    /// GOAWAY with a last stream id below this stream's. The connection closes when the earlier ones are answered.
    GoAway,
}

/// An answer in place of the real one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FaultAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: FaultBody,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) retry_after: Option<RetryAfter>,
    /// What is wrong with the body's bytes.
    pub(crate) flaw: Option<Flaw>,
    /// Carry the request out first.
    pub(crate) applied: bool,
}

/// The body of such an answer.
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

/// When to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    /// As it stands.
    Text(String),
    /// So long from now, as an HTTP date.
    Date(Duration),
}

/// A connection that ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drop {
    pub(crate) moment: Moment,
    pub(crate) close: Close,
}

/// When a connection ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before the request's body is read; nothing happens.
    Unread,
    /// Within the answer's body: after this many bytes, else half-way.
    MidAnswer(Option<usize>),
    /// After the request was carried out, before the first byte of the answer.
    Applied,
}

/// An answer that takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slow {
    FirstByte(Duration),
    Body { piece: usize, pause: Duration },
}

/// A success that is not quite one. Touches successful answers of POST and PATCH only.
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

/// A read that answers something else than was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
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

/// A batch whose responses are not what they should be. Items count from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum BatchFault {
    Item(usize, FaultAnswer),
    Missing(usize),
    Duplicate(usize),
    Malformed(usize, ItemForm),
    /// An answer that says nothing of the items.
    Envelope(EnvelopeFault),
    /// A response to a request that was not in the batch.
    Surplus,
    /// Responses in another order than the requests.
    Shuffled,
}
