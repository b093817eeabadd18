//! Errors of calls to Graph, by what the caller can do about them, and the known outcome of a
//! failed write ([`Outcome`]).

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use uuid::Uuid;

use super::approval::{Approval, ApprovalRefusal};
use super::key::InvalidKey;

/// A failed call to Graph.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The input is not a valid key. Nothing was sent.
    #[error("the key is not usable")]
    InvalidKey(#[source] InvalidKey),
    /// Graph responded with a status that is not a success.
    #[error("Graph returned {}", .0.status)]
    Api(Box<ApiError>),
    /// No connection was established. Nothing was sent.
    #[error("no connection to Graph")]
    Connect(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// A connection was made, and Graph did not process the request: it was never written, or its stream was refused.
    #[error("Graph did not process the request")]
    Unprocessed(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The write was withdrawn before a connection was ready for it. Nothing was sent.
    #[error("the write was withdrawn before it was sent")]
    Withdrawn,
    /// The circuit breaker is open after consecutive connect failures. Nothing was sent.
    #[error("the circuit breaker is open for another {} ms", .retry_after.as_millis())]
    BreakerOpen {
        /// When it will be tried again.
        retry_after: Duration,
    },
    /// A `Retry-After` of this caller is pending. Nothing was sent.
    #[error("a Retry-After of the caller is pending for another {} ms", .retry_after.as_millis())]
    Throttled {
        /// The rest of the wait.
        retry_after: Duration,
    },
    /// The events of live updates have caused as many reads as they may; nothing was sent.
    #[error("the read budget of subscription events is spent for another {} ms", .retry_after.as_millis())]
    OverBudget {
        /// When there is room for a further one.
        retry_after: Duration,
    },
    /// The write had not started at the request timeout or at shutdown; nothing was sent.
    #[error("the write was not started in time, and may be sent again in {} ms", .retry_after.as_millis())]
    NotStarted {
        /// When it may be sent again.
        retry_after: Duration,
    },
    /// The connection was lost, or the response cut off, after the request may have been sent.
    #[error("no complete response from Graph")]
    Transport(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The request's deadline passed while waiting for the response.
    #[error("no response from Graph within the deadline")]
    Timeout,
    /// The request's deadline had passed before the call; nothing was sent.
    #[error("the deadline had passed before the call to Graph")]
    DeadlinePassed,
    /// A success status with a response that does not match the documentation.
    #[error("Graph returned {} with an unexpected response: {what}", .response.status)]
    UnexpectedResponse {
        /// The error of the response.
        what: &'static str,
        /// Whether the status means that a write was applied and nothing in the response
        /// contradicts that.
        applied: bool,
        /// Status and ids of the response.
        response: Box<ResponseInfo>,
    },
    /// The request has read as much from Graph as one request may.
    #[error("the request has read {max} bytes from Graph")]
    ReadTooMuch {
        /// The limit in bytes.
        max: usize,
    },
    /// The memory budget of all responses has no room for the response to a read.
    #[error("there is no memory for the response")]
    MemoryExhausted,
    /// The gateway could not make the request; nothing was sent.
    #[error("{0}")]
    Unsendable(&'static str),
    /// The write could not be recorded before it was sent; nothing was sent.
    #[error("the write could not be recorded before it was sent")]
    NotRecorded(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The gateway failed while waiting for the response.
    #[error("{0}")]
    Internal(&'static str),
}

impl Error {
    /// The time to wait before a retry, if it is known.
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

    /// The same error for a batch, whose status is not the outcome of its writes.
    pub(super) fn of_batch(mut self) -> Self {
        if let Self::UnexpectedResponse { applied, .. } = &mut self {
            *applied = false;
        }
        self
    }

    /// The same error, of a write with which `sent` was sent.
    pub(super) fn of_write(mut self, sent: Option<&Approval>) -> Self {
        if let Self::Api(api) = &mut self {
            let message = api.message.as_deref().unwrap_or_default();
            api.approval = ApprovalRefusal::of_write(api.status, message, api.approval.take(), sent);
        }
        self
    }

    /// Whether Graph asks for a justification.
    pub(super) fn requires_approval(&self) -> bool {
        matches!(self, Self::Api(api) if api.requires_approval())
    }

    /// Whether Graph holds the write until it is approved.
    pub(super) fn awaits_approval(&self) -> bool {
        matches!(self, Self::Api(api) if matches!(api.approval, Some(ApprovalRefusal::Pending { .. })))
    }

    /// The same error for an item of a batch whose body is a string. Graph's rejections are JSON.
    pub(super) fn of_text(mut self) -> Self {
        if let Self::Api(api) = &mut self
            && api.body != ErrorBody::BackendTimeout
        {
            api.body = ErrorBody::Unreadable;
        }
        self
    }

    /// Whether Graph requested a wait from this caller.
    pub(super) fn is_throttled(&self) -> bool {
        match self {
            Self::Throttled { .. } => true,
            Self::Api(api) => api.is_throttled(),
            _ => false,
        }
    }

    /// The same error with a `wait` before the next attempt, for a 429 without `Retry-After`. A 503
    /// is unchanged, because its outcome depends on `Retry-After`.
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
    pub client_request_id: Uuid,
}

/// A response with a status that is not a success. Graph's texts are unfolded, on one line, and
/// without the token.
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
    pub client_request_id: Uuid,
    /// The wait that Graph requested.
    pub retry_after: Option<Duration>,
    /// `WWW-Authenticate` of a 401: holds the claims challenge that a sign-in library needs.
    pub www_authenticate: Option<String>,
    /// Of a write that needs the approval of a second administrator.
    pub approval: Option<ApprovalRefusal>,
    /// The method and path of the request, for example `POST /deviceAppManagement/…`.
    pub request_line: String,
    /// The result of reading the body.
    pub body: ErrorBody,
}

/// The form of an error's body, which determines whether a rejection can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorBody {
    /// The body is empty.
    Empty,
    /// It is a JSON object, and its error, if present, is an object or a text.
    Valid,
    /// It contains `CancelledOnServiceTimeout` or similar: Intune's backend timed out, and may have
    /// applied the write.
    BackendTimeout,
    /// It is incomplete or anything else.
    Unreadable,
}

impl ResponseInfo {
    /// Whether the status means that a write was applied. The page of a proxy may have status 200
    /// as well, although nothing was written.
    pub(super) fn says_applied(&self) -> bool {
        matches!(self.status, StatusCode::CREATED | StatusCode::NO_CONTENT)
    }
}

impl ApiError {
    /// Whether Graph asks for a justification. By one report, such a create has left an object.
    #[must_use]
    pub fn requires_approval(&self) -> bool {
        self.approval == Some(ApprovalRefusal::Required)
    }

    /// Whether this tenant, cloud or version has no such operation: 405, 501, and the 400s and the
    /// 404 that Graph returns for missing routes ("Errors and throttling").
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

    /// Whether Graph requested a wait.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Whether Graph rejects the request until a given time. According to Graph, it then did
    /// nothing.
    pub(super) fn is_unavailable_until_later(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            && self.retry_after.is_some()
            && matches!(self.body, ErrorBody::Empty | ErrorBody::Valid)
    }
}

/// What is known about a write that failed.
///
/// Ordered by how much may have happened: of several attempts at one write, the greatest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Nothing reached Graph.
    NotSent,
    /// Graph rejected the write. According to Graph, nothing was written.
    Rejected,
    /// The write was sent and its response was lost: it may have been applied.
    Unknown,
    /// Graph did it, though the object could not be read.
    Applied,
}

/// The kind of a write, which determines the outcome of a lost response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// Makes an object: sent twice, it may make two.
    Create,
    /// Changes or deletes the object of a key: sent twice, it does the same.
    Keyed,
    /// Calls an action, which is not repeated after a lost response.
    Action,
}

impl Outcome {
    /// The outcome of a write with this `error`. It is an assumption that 429 and 503 with
    /// `Retry-After` wrote nothing.
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
                // By one report, such a create has left an object.
                _ if error.requires_approval() => Self::Unknown,
                StatusCode::SERVICE_UNAVAILABLE if api.is_unavailable_until_later() => Self::Rejected,
                status if status.is_client_error() => Self::Rejected,
                _ => Self::Unknown,
            },
        }
    }
}

/// The error and the outcome of a failed write.
#[derive(Debug, Clone)]
pub struct WriteError {
    /// The kind of the write.
    pub kind: WriteKind,
    /// Whether Graph did it.
    pub outcome: Outcome,
    /// The error.
    pub error: Error,
    /// Whether it is the error of a create that was sent again after an attempt that Graph may have done.
    pub is_resent: bool,
}

impl WriteError {
    /// The error of a write of this kind, of which one attempt was made.
    #[must_use]
    pub fn new(kind: WriteKind, error: Error) -> Self {
        Self::after(kind, Outcome::NotSent, error)
    }

    /// The error of the last attempt at a write of this kind, after earlier attempts with
    /// `worst_outcome`.
    #[must_use]
    pub(super) fn after(kind: WriteKind, worst_outcome: Outcome, error: Error) -> Self {
        Self { kind, outcome: Outcome::of_write(&error).max(worst_outcome), error, is_resent: false }
    }
}
