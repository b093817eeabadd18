//! What can go wrong between the gateway and Graph, by what the caller can do about it, and what is then known of a
//! write ([`Outcome`]).

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use super::key::InvalidKey;

/// A call to Graph that did not give what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The input names no entity; nothing was sent.
    #[error("the key is not usable")]
    InvalidKey(#[source] InvalidKey),
    /// Graph answered with a status that is not a success.
    #[error("Graph answered {}", .0.status)]
    Api(Box<ApiError>),
    /// No connection came about; nothing was sent.
    #[error("no connection to Graph")]
    Connect(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// A connection was made, and Graph did not process the request: it was never written, or its stream was refused.
    #[error("Graph did not process the request")]
    Unprocessed(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The write was given up before a connection was ready for it; nothing was sent.
    #[error("the write was withdrawn before it was sent")]
    Withdrawn,
    /// Too many connections in a row did not come about; nothing was sent.
    #[error("Graph cannot be reached, and is asked again in {} ms", .retry_after.as_millis())]
    BreakerOpen {
        /// When it will be tried again.
        retry_after: Duration,
    },
    /// Graph told this caller to wait, and the wait is not over; nothing was sent.
    #[error("Graph told the caller to wait for another {} ms", .retry_after.as_millis())]
    Throttled {
        /// What is left of the wait.
        retry_after: Duration,
    },
    /// The events of live updates have caused as many reads as they may; nothing was sent.
    #[error("the budget for reads of live updates is spent for another {} ms", .retry_after.as_millis())]
    OverBudget {
        /// When there is room for a further one.
        retry_after: Duration,
    },
    /// The write had not started at the request timeout or at shutdown; nothing was sent.
    #[error("the write was not begun in time, and may be sent again in {} ms", .retry_after.as_millis())]
    NotStarted {
        /// When it may be sent again.
        retry_after: Duration,
    },
    /// The connection was lost, or the answer cut, after the request may have been sent.
    #[error("no complete answer from Graph")]
    Transport(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The request's deadline passed while waiting for the answer.
    #[error("no answer from Graph within the deadline")]
    Timeout,
    /// The request's deadline had passed before the call; nothing was sent.
    #[error("the deadline had passed before the call to Graph")]
    DeadlinePassed,
    /// A success status with a response that is not as documented.
    #[error("Graph answered {} outside its contract: {what}", .response.status)]
    UnexpectedResponse {
        /// What was wrong with the response.
        what: &'static str,
        /// Whether the status says that a write was done, and nothing in the response denies it.
        applied: bool,
        /// Status and ids of the response.
        response: Box<ResponseInfo>,
    },
    /// The request has read as much from Graph as one request may.
    #[error("the request has read {max} bytes from Graph")]
    ReadTooMuch {
        /// How many bytes that is.
        max: usize,
    },
    /// The memory budget of all responses has no room for the response to a read.
    #[error("there is no room in memory for the answer")]
    MemoryExhausted,
    /// The gateway could not make the request; nothing was sent.
    #[error("{0}")]
    Unsendable(&'static str),
    /// The write could not be recorded before it was sent; nothing was sent.
    #[error("the write could not be noted before it was sent")]
    NotRecorded(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The gateway itself failed while waiting for the answer.
    #[error("{0}")]
    Internal(&'static str),
}

impl Error {
    /// How long to wait before the call is made again, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api(api) => api.retry_after,
            Self::BreakerOpen { retry_after }
            | Self::Throttled { retry_after }
            | Self::OverBudget { retry_after } => Some(*retry_after),
            _ => None,
        }
    }

    /// Whether the call ended before anything reached a connection.
    pub(super) fn is_before_sending(&self) -> bool {
        match self {
            Self::InvalidKey(_)
            | Self::Connect(_)
            | Self::Withdrawn
            | Self::NotStarted { .. }
            | Self::BreakerOpen { .. }
            | Self::Throttled { .. }
            | Self::OverBudget { .. }
            | Self::DeadlinePassed
            | Self::Unsendable(_)
            | Self::NotRecorded(_) => true,
            Self::Api(_)
            | Self::Unprocessed(_)
            | Self::Transport(_)
            | Self::Timeout
            | Self::UnexpectedResponse { .. }
            | Self::ReadTooMuch { .. }
            | Self::MemoryExhausted
            | Self::Internal(_) => false,
        }
    }

    /// The same error, met by a batch: its status says nothing of the writes in it.
    pub(super) fn of_batch(mut self) -> Self {
        if let Self::UnexpectedResponse { applied, .. } = &mut self {
            *applied = false;
        }
        self
    }

    /// The same error, of a batch's item whose body came as text: a refusal of Graph's own is JSON.
    pub(super) fn of_text(mut self) -> Self {
        if let Self::Api(api) = &mut self
            && api.body != ErrorBody::BackendTimeout
        {
            api.body = ErrorBody::Unreadable;
        }
        self
    }

    /// Whether Graph asks this caller to come back later.
    pub(super) fn is_throttled(&self) -> bool {
        match self {
            Self::Throttled { .. } => true,
            Self::Api(api) => api.is_throttled(),
            _ => false,
        }
    }

    /// The same error, of a call that is not to be made again before `wait` has passed: for a 429 that names no wait. A
    /// 503 stays as it came, since whether it names one tells what is known of a write.
    pub(super) fn with_retry_after(mut self, wait: Duration) -> Self {
        if let Self::Api(api) = &mut self
            && api.is_throttled()
        {
            api.retry_after.get_or_insert(wait);
        }
        self
    }
}

/// Status and ids of a response, for Microsoft's support.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseInfo {
    /// The HTTP status.
    pub status: StatusCode,
    /// Graph's `request-id`.
    pub request_id: Option<String>,
    /// The `client-request-id` that was sent.
    pub client_request_id: String,
}

/// An answer with a status that is not a success. Graph's texts are unfolded, on one line, and without the token.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The envelope's code, as in `Forbidden`.
    pub code: Option<String>,
    /// The sentence for a person.
    pub message: Option<String>,
    /// Graph's `request-id`.
    pub request_id: Option<String>,
    /// The `client-request-id` that was sent.
    pub client_request_id: String,
    /// How long Graph asks to wait.
    pub retry_after: Option<Duration>,
    /// `WWW-Authenticate` of a 401: holds the claims challenge that a sign-in library needs.
    pub www_authenticate: Option<String>,
    /// The method and path that was asked for, as in `POST /deviceAppManagement/…`.
    pub request_line: String,
    /// What became of reading the body.
    pub body: ErrorBody,
}

/// What the body of an error is worth: whether its word can be taken that nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorBody {
    /// There is none.
    Empty,
    /// It is a JSON object, whose error, where it has one, is an object or a text.
    Valid,
    /// It names `CancelledOnServiceTimeout` or the like: Intune's own backend timed out, and may have done the work all the
    /// same.
    BackendTimeout,
    /// It did not come whole, or is anything else: what it says is not known.
    Unreadable,
}

impl ResponseInfo {
    /// Whether the status says of a write that it was done. A proxy's page says 200 as well, and has written nothing.
    pub(super) fn says_applied(&self) -> bool {
        matches!(self.status, StatusCode::CREATED | StatusCode::NO_CONTENT)
    }
}

impl ApiError {
    /// Whether Graph says that this tenant, cloud or version has no such operation: 405, 501, and the 400s and 404
    /// that Graph uses where others would say 404 or 405 ("Errors and throttling", missing routes).
    #[must_use]
    pub fn is_not_supported(&self) -> bool {
        let code = self.code.as_deref().unwrap_or_default();
        let message = self.message.as_deref().unwrap_or_default();
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => true,
            StatusCode::BAD_REQUEST => {
                code.eq_ignore_ascii_case("No method match route template")
                    || message.starts_with("Resource not found for the segment")
            }
            StatusCode::NOT_FOUND => message.starts_with("Invalid version"),
            _ => false,
        }
    }

    /// Whether Graph asks to come back later.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Whether Graph refuses for now and says until when; by its word it did nothing.
    pub(super) fn is_unavailable_until_later(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            && self.retry_after.is_some()
            && matches!(self.body, ErrorBody::Empty | ErrorBody::Valid)
    }
}

/// What is known of whether Graph did a write that failed.
///
/// Ordered by how much may have happened: of several attempts at one write, the greatest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing reached Graph.
    NotSent,
    /// Graph refused it, and by its own word wrote nothing.
    Rejected,
    /// It was sent and its answer was lost: it may have happened.
    Unknown,
    /// Graph did it, though the object could not be read.
    Applied,
}

/// What a write does, and so what a lost answer leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// Makes an object: sent twice, it may make two.
    Create,
    /// Changes or deletes the object of a key: sent twice, it does the same.
    Keyed,
    /// Calls an action, which is not repeated after a lost answer.
    Action,
}

impl Outcome {
    /// What `error` leaves known of the write that met it. That 429 and 503 with `Retry-After` wrote nothing is
    /// Graph's word: an assumption.
    #[must_use]
    pub fn of_write(error: &Error) -> Self {
        match error {
            Error::InvalidKey(_)
            | Error::Connect(_)
            | Error::Unprocessed(_)
            | Error::Withdrawn
            | Error::NotStarted { .. }
            | Error::BreakerOpen { .. }
            | Error::Throttled { .. }
            | Error::OverBudget { .. }
            | Error::DeadlinePassed
            | Error::ReadTooMuch { .. }
            | Error::Unsendable(_)
            | Error::NotRecorded(_) => Self::NotSent,
            Error::Transport(_) | Error::Timeout | Error::MemoryExhausted | Error::Internal(_) => {
                Self::Unknown
            }
            Error::UnexpectedResponse { applied: true, .. } => Self::Applied,
            Error::UnexpectedResponse { applied: false, .. } => Self::Unknown,
            Error::Api(api) => match api.status {
                StatusCode::REQUEST_TIMEOUT => Self::Unknown,
                StatusCode::SERVICE_UNAVAILABLE if api.is_unavailable_until_later() => Self::Rejected,
                status if status.is_client_error() => Self::Rejected,
                _ => Self::Unknown,
            },
        }
    }
}

/// A write that failed, and what is known of it.
#[derive(Debug, Clone)]
pub struct WriteError {
    /// What it was to do.
    pub kind: WriteKind,
    /// Whether Graph did it.
    pub outcome: Outcome,
    /// What went wrong.
    pub error: Error,
}

impl WriteError {
    /// The error of a write of this kind, of which one attempt was made.
    #[must_use]
    pub fn new(kind: WriteKind, error: Error) -> Self {
        Self::after(kind, Outcome::NotSent, error)
    }

    /// The error of the last attempt at a write of this kind, where the ones before left `worst_outcome` known.
    #[must_use]
    pub(super) fn after(kind: WriteKind, worst_outcome: Outcome, error: Error) -> Self {
        Self { kind, outcome: Outcome::of_write(&error).max(worst_outcome), error }
    }
}
