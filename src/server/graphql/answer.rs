//! Answers: what executed, and why something did not.

use axum::response::{IntoResponse as _, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use tracing::error;

use crate::schema::operation::RequestError;
use crate::schema::{ErrorCode, PrepareError};
use crate::server::media_type::ResponseType;

/// The answer to a request that executed. A request error has no `data` (GraphQL, section 7.1), and is another type.
#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) errors: Vec<async_graphql::ServerError>,
    pub(super) data: async_graphql::Value,
}

impl Answer {
    /// 200 whatever fields failed.
    pub(super) fn respond(&self, media_type: ResponseType) -> Response {
        respond(StatusCode::OK, media_type, self)
    }
}

/// A request that did not execute.
pub(super) enum Refusal {
    /// It is no GraphQL request, or not one that may come so.
    Http {
        status: StatusCode,
        code: ErrorCode,
        message: String,
        /// The methods that are allowed, where the method is at fault.
        allow: Option<&'static str>,
    },
    /// It is one, and its document, operation or variables are wrong.
    Graphql(Vec<RequestError>),
}

#[derive(Serialize)]
struct Errors<'a, T> {
    errors: &'a [T],
}

#[derive(Serialize)]
struct PlainError<'a> {
    message: &'a str,
    extensions: PlainExtensions,
}

#[derive(Serialize)]
struct PlainExtensions {
    code: &'static str,
    retryable: bool,
}

impl Refusal {
    /// No GraphQL request.
    pub(super) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Http { status, code: ErrorCode::BadRequest, message: message.into(), allow: None }
    }

    /// One whose method is not allowed.
    pub(super) fn method(allow: &'static str, message: &str) -> Self {
        Self::Http {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: ErrorCode::BadRequest,
            message: message.to_owned(),
            allow: Some(allow),
        }
    }

    /// One that is too large before anything is read of it.
    pub(super) fn too_large(status: StatusCode, message: String) -> Self {
        Self::Http { status, code: ErrorCode::QueryTooLarge, message, allow: None }
    }

    pub(super) fn respond(self, media_type: ResponseType) -> Response {
        match self {
            Self::Http { status, code, message, allow } => {
                let extensions = PlainExtensions { code: code.as_str(), retryable: false };
                let error = PlainError { message: &message, extensions };
                let mut response = respond(status, media_type, &Errors { errors: &[error] });
                if let Some(allow) = allow {
                    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
                }
                if status == StatusCode::REQUEST_TIMEOUT {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                response
            }
            Self::Graphql(errors) => {
                let status = match media_type {
                    ResponseType::GraphqlResponse => StatusCode::BAD_REQUEST,
                    // The older media type keeps 200 for every well-formed request.
                    ResponseType::Json => StatusCode::OK,
                };
                respond(status, media_type, &Errors { errors: &errors })
            }
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

/// What callers may see is not for caches that others share.
fn respond(status: StatusCode, media_type: ResponseType, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let headers =
                [(CONTENT_TYPE, media_type.header()), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (status, headers, body).into_response()
        }
        Err(error) => {
            error!(%error, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
