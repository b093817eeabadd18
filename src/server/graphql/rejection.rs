//! Why a request was not executed.

use http::header::{ACCEPT_ENCODING, ALLOW};
use http::{HeaderName, StatusCode};
use serde::Serialize;

use crate::schema::{ErrorCode, PrepareError, RequestError, WriteOutcome};
use crate::telemetry::metrics::Overloaded;
use crate::telemetry::operation::OperationResult;

/// `Retry-After` of a request that was rejected because the gateway is overloaded, in seconds.
pub(super) const RETRY_AFTER_SECS: u64 = 1;

/// A request that was not executed.
pub(super) enum RequestRejection {
    /// Not a GraphQL request, or not allowed in this form.
    Http {
        status: StatusCode,
        code: ErrorCode,
        message: String,
        /// The response header that lists the allowed methods or versions.
        header: Option<(HeaderName, &'static str)>,
    },
    /// A limit of the gateway was reached.
    Overloaded(Overloaded),
    /// The gateway panicked.
    Failed {
        /// Whether it is a mutation, whose outcome is then unknown.
        is_write: bool,
    },
    /// The document, the operation or the variables are invalid.
    Graphql(Vec<RequestError>),
}

/// An error of a request that was not executed.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RejectionError {
    Plain(PlainError),
    Request(RequestError),
}

#[derive(Serialize)]
pub(super) struct PlainError {
    message: String,
    extensions: PlainExtensions,
}

#[derive(Serialize)]
struct PlainExtensions {
    code: &'static str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(rename = "retryAfter", skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl PlainExtensions {
    /// Of an error that is not retryable.
    fn of(code: ErrorCode) -> Self {
        Self { code: code.as_str(), retryable: false, outcome: None, retry_after: None }
    }
}

impl RequestRejection {
    /// Not a GraphQL request.
    pub(super) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Http { status, code: ErrorCode::BadRequest, message: message.into(), header: None }
    }

    /// The method is not allowed; `allow` lists those that are.
    pub(super) fn method(allow: &'static str, message: &str) -> Self {
        Self::Http {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: ErrorCode::BadRequest,
            message: message.to_owned(),
            header: Some((ALLOW, allow)),
        }
    }

    /// The body has a content coding (RFC 9110, section 15.5.16).
    pub(super) fn content_coding(message: &str) -> Self {
        Self::Http {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code: ErrorCode::BadRequest,
            message: message.to_owned(),
            header: Some((ACCEPT_ENCODING, "identity")),
        }
    }

    /// The request is too large to be parsed.
    pub(super) fn too_large(status: StatusCode, message: String) -> Self {
        Self::Http { status, code: ErrorCode::QueryTooLarge, message, header: None }
    }

    /// The rejection as the access log and the metrics see it.
    pub(super) fn result(&self) -> OperationResult<'static> {
        let (code, errors) = match self {
            Self::Http { code, .. } => (Some(*code), 1),
            Self::Overloaded(_) => (Some(ErrorCode::Overloaded), 1),
            Self::Failed { .. } => (Some(ErrorCode::InternalServerError), 1),
            Self::Graphql(errors) => (errors.first().map(RequestError::code), errors.len()),
        };
        let outcome = matches!(self, Self::Failed { is_write: true }).then(|| WriteOutcome::Unknown.as_str());
        OperationResult { code: code.map(ErrorCode::as_str), errors, outcome }
    }

    /// The `errors` of the response.
    pub(super) fn errors(self) -> Vec<RejectionError> {
        let plain = |message: &str, extensions| {
            vec![RejectionError::Plain(PlainError { message: message.to_owned(), extensions })]
        };
        match self {
            Self::Overloaded(reason) => {
                let extensions = PlainExtensions {
                    retryable: true,
                    retry_after: Some(RETRY_AFTER_SECS),
                    ..PlainExtensions::of(ErrorCode::Overloaded)
                };
                let message = match reason {
                    Overloaded::Full | Overloaded::WaitedTooLong | Overloaded::Memory => {
                        "The gateway is full, and the request was not executed. Try again after `retryAfter` seconds."
                    }
                    Overloaded::CallerShare => {
                        "The caller already uses its share of the gateway, and the request was not executed. Try again \
                         after `retryAfter` seconds, when its other requests have ended."
                    }
                };
                plain(message, extensions)
            }
            Self::Failed { is_write } => {
                let extensions = PlainExtensions {
                    outcome: is_write.then(|| WriteOutcome::Unknown.as_str()),
                    ..PlainExtensions::of(ErrorCode::InternalServerError)
                };
                plain("The gateway failed.", extensions)
            }
            Self::Http { code, message, .. } => plain(&message, PlainExtensions::of(code)),
            Self::Graphql(errors) => errors.into_iter().map(RejectionError::Request).collect(),
        }
    }
}

impl From<PrepareError> for RequestRejection {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Request(errors) => Self::Graphql(errors),
            PrepareError::WriteByGet => Self::method("POST", "Send mutations by POST."),
        }
    }
}
