//! Answers: what executed, and why something did not.

use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use tracing::error;

use super::events;
use crate::schema::{ErrorCode, Executed, PrepareError, RequestError, ResponseMemory, WriteOutcome};
use crate::server::media_type::{Accepted, ResponseType};
use crate::telemetry::metrics::Overloaded;

/// Seconds after which it is worth coming back to a gateway that is full.
const COME_BACK: u64 = 1;

/// The answer to a request that executed. A request error has no `data` (GraphQL, section 7.1), and is another type.
#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<async_graphql::ServerError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<async_graphql::Value>,
    /// What it takes of the memory for answers.
    #[serde(skip)]
    memory: Option<Box<dyn ResponseMemory>>,
}

impl Answer {
    /// That to a query or a mutation.
    pub(super) fn whole(Executed { response, memory }: Executed) -> Self {
        Self { errors: response.errors, data: Some(response.data), memory }
    }

    /// One of those to a subscription. Where it could not begin, that is a request error (GraphQL, section 6.2.3).
    pub(super) fn live(Executed { response, memory }: Executed) -> Self {
        let has_begun = response.errors.is_empty() || response.data != async_graphql::Value::Null;
        Self { errors: response.errors, data: has_begun.then_some(response.data), memory }
    }

    /// What it takes of the memory for answers, to be kept until it has been sent.
    pub(super) fn into_memory(self) -> Option<Box<dyn ResponseMemory>> {
        self.memory
    }

    /// 200 whatever fields failed.
    pub(super) fn respond(&self, accepted: Accepted) -> Response {
        match accepted.whole {
            Some(media_type) => respond(StatusCode::OK, media_type, self),
            None => events::one(self),
        }
    }
}

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

#[derive(Serialize)]
struct Errors<'a> {
    errors: &'a [RefusalError],
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

    pub(super) fn respond(self, accepted: Accepted) -> Response {
        let media_type = accepted.whole.unwrap_or(ResponseType::Json);
        let mut headers = HeaderMap::new();
        let status = match &self {
            Self::Overloaded(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(COME_BACK));
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Http { status, instead, .. } => {
                if let Some((header, value)) = instead {
                    headers.insert(header, HeaderValue::from_static(value));
                }
                if *status == StatusCode::REQUEST_TIMEOUT {
                    headers.insert(CONNECTION, HeaderValue::from_static("close"));
                }
                *status
            }
            // A browser's reader of events would give up at a status that is no success.
            Self::Graphql(_) if accepted.whole.is_none() && accepted.events => {
                return events::one(&Errors { errors: &self.errors() });
            }
            Self::Graphql(_) => match media_type {
                ResponseType::GraphqlResponse => StatusCode::BAD_REQUEST,
                // The older media type keeps 200 for every well-formed request.
                ResponseType::Json => StatusCode::OK,
            },
        };
        let mut response = respond(status, media_type, &Errors { errors: &self.errors() });
        response.headers_mut().extend(headers);
        response
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

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::{Accepted, Refusal};

    #[tokio::test]
    async fn of_a_mutation_that_panicked_nothing_is_claimed() {
        for (is_write, outcome) in [(true, json!("UNKNOWN")), (false, Value::Null)] {
            let answer = Refusal::Failed { is_write }.respond(Accepted::JSON);
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let extensions = &body["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "INTERNAL_SERVER_ERROR");
            assert_eq!((&extensions["outcome"], &extensions["retryable"]), (&outcome, &json!(false)));
        }
    }
}
