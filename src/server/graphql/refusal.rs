//! Why a request was not executed.

use http::header::{ACCEPT_ENCODING, ALLOW};
use http::{HeaderName, StatusCode};
use serde::Serialize;

use crate::schema::{ErrorCode, PrepareError, RequestError, WriteOutcome};
use crate::telemetry::metrics::Overloaded;

/// Seconds after which it is worth coming back to a gateway that is full.
pub(super) const COME_BACK: u64 = 1;

/// A request that did not execute.
pub(super) enum Refusal {
    /// It is no GraphQL request, or not one that may come so.
    Http {
        status: StatusCode,
        code: ErrorCode,
        message: String,
        /// What would be taken instead, where a header says that.
        instead: Option<(HeaderName, &'static str)>,
    },
    /// There is no room for it.
    Overloaded(Overloaded),
    /// The gateway failed at it, by a panic.
    Failed {
        /// Of an operation that writes, how far it came is not known.
        is_write: bool,
    },
    /// It is one, and its document, operation or variables are wrong.
    Graphql(Vec<RequestError>),
}

/// One of the errors of a request that did not execute.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RefusalError {
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
    /// Of what no repetition mends.
    fn of(code: ErrorCode) -> Self {
        Self { code: code.as_str(), retryable: false, outcome: None, retry_after: None }
    }
}

impl Refusal {
    /// No GraphQL request.
    pub(super) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Http { status, code: ErrorCode::BadRequest, message: message.into(), instead: None }
    }

    /// One whose method is not allowed.
    pub(super) fn method(allow: &'static str, message: &str) -> Self {
        Self::Http {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: ErrorCode::BadRequest,
            message: message.to_owned(),
            instead: Some((ALLOW, allow)),
        }
    }

    /// One whose body is coded (RFC 9110, section 15.5.16).
    pub(super) fn coded(message: &str) -> Self {
        Self::Http {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code: ErrorCode::BadRequest,
            message: message.to_owned(),
            instead: Some((ACCEPT_ENCODING, "identity")),
        }
    }

    /// One that is too large before anything is read of it.
    pub(super) fn too_large(status: StatusCode, message: String) -> Self {
        Self::Http { status, code: ErrorCode::QueryTooLarge, message, instead: None }
    }

    /// What is wrong, for `errors`.
    pub(super) fn errors(self) -> Vec<RefusalError> {
        let plain = |message: &str, extensions| {
            vec![RefusalError::Plain(PlainError { message: message.to_owned(), extensions })]
        };
        match self {
            Self::Overloaded(why) => {
                let extensions = PlainExtensions {
                    retryable: true,
                    retry_after: Some(COME_BACK),
                    ..PlainExtensions::of(ErrorCode::Overloaded)
                };
                let message = match why {
                    Overloaded::Full | Overloaded::WaitedTooLong | Overloaded::Memory => {
                        "The gateway is full, and did nothing: send the request again after a while."
                    }
                    Overloaded::TokenShare => {
                        "This caller has its share of what the gateway takes at a time, and this request did nothing: \
                         send it again when others are answered."
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
            Self::Graphql(errors) => errors.into_iter().map(RefusalError::Request).collect(),
        }
    }
}

impl From<PrepareError> for Refusal {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Request(errors) => Self::Graphql(errors),
            PrepareError::WriteByGet => Self::method("POST", "A mutation is sent by POST."),
        }
    }
}
