//! Answers and refusals as HTTP responses: status codes, media types and headers (GraphQL over HTTP, "Response").

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use tracing::error;

use super::answer::Answer;
use super::events;
use super::refusal::{COME_BACK, Refusal, RefusalError};
use crate::server::media_type::{Accepted, ResponseType};

/// 200 whatever fields failed.
pub(super) fn answer(answer: &Answer, accepted: Accepted) -> Response {
    match accepted.whole {
        Some(media_type) => respond(StatusCode::OK, media_type, answer),
        None => events::one(answer),
    }
}

pub(super) fn refuse(refusal: Refusal, accepted: Accepted) -> Response {
    let media_type = accepted.whole.unwrap_or(ResponseType::Json);
    let mut headers = HeaderMap::new();
    let status = match &refusal {
        Refusal::Overloaded(_) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(COME_BACK));
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::Http { status, instead, .. } => {
            if let Some((header, value)) = instead {
                headers.insert(header, HeaderValue::from_static(value));
            }
            if *status == StatusCode::REQUEST_TIMEOUT {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            *status
        }
        // A browser's reader of events would give up at a status that is no success.
        Refusal::Graphql(_) if accepted.whole.is_none() && accepted.events => {
            return events::one(&Errors { errors: &refusal.errors() });
        }
        Refusal::Graphql(_) => match media_type {
            ResponseType::GraphqlResponse => StatusCode::BAD_REQUEST,
            // The older media type keeps 200 for every well-formed request.
            ResponseType::Json => StatusCode::OK,
        },
    };
    let mut response = respond(status, media_type, &Errors { errors: &refusal.errors() });
    response.headers_mut().extend(headers);
    response
}

#[derive(Serialize)]
struct Errors<'a> {
    errors: &'a [RefusalError],
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

    use super::{Accepted, Refusal, refuse};

    #[tokio::test]
    async fn of_a_mutation_that_panicked_nothing_is_claimed() {
        for (is_write, outcome) in [(true, json!("UNKNOWN")), (false, Value::Null)] {
            let answer = refuse(Refusal::Failed { is_write }, Accepted::JSON);
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let extensions = &body["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "INTERNAL_SERVER_ERROR");
            assert_eq!((&extensions["outcome"], &extensions["retryable"]), (&outcome, &json!(false)));
        }
    }
}
