//! GraphQL responses and rejections as HTTP responses: status codes, media types and headers (GraphQL over HTTP,
//! "Response").

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use tracing::error;

use super::rejection::{RETRY_AFTER_SECS, RejectionError, RequestRejection};
use super::response::GraphqlResponse;
use super::sse;
use crate::server::media_type::{AcceptedTypes, ResponseType};

/// The HTTP response to an executed query or mutation: 200 even if fields failed.
pub(super) fn from_response(response: &GraphqlResponse, accepted: AcceptedTypes) -> Response {
    match accepted.single {
        Some(media_type) => respond(StatusCode::OK, media_type, response),
        None => sse::single_event(response),
    }
}

/// The HTTP response to a request that was not executed.
pub(super) fn from_rejection(rejection: RequestRejection, accepted: AcceptedTypes) -> Response {
    let media_type = accepted.single.unwrap_or(ResponseType::Json);
    let mut headers = HeaderMap::new();
    let status = match &rejection {
        RequestRejection::Overloaded(_) => {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS));
            StatusCode::SERVICE_UNAVAILABLE
        }
        RequestRejection::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        RequestRejection::Http { status, header, .. } => {
            if let Some((name, value)) = header {
                headers.insert(name, HeaderValue::from_static(value));
            }
            if *status == StatusCode::REQUEST_TIMEOUT {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            *status
        }
        // A browser's `EventSource` fails for good at any other status than 200.
        RequestRejection::Graphql(_) if accepted.single.is_none() && accepted.event_stream => {
            return sse::single_event(&Errors { errors: &rejection.errors() });
        }
        RequestRejection::Graphql(_) => match media_type {
            ResponseType::GraphqlResponse => StatusCode::BAD_REQUEST,
            // The older media type keeps 200 for every well-formed request.
            ResponseType::Json => StatusCode::OK,
        },
    };
    let mut response = respond(status, media_type, &Errors { errors: &rejection.errors() });
    response.headers_mut().extend(headers);
    response
}

#[derive(Serialize)]
struct Errors<'a> {
    errors: &'a [RejectionError],
}

/// `no-store`, because a response may contain data that only its caller may read.
fn respond(status: StatusCode, media_type: ResponseType, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => {
            let headers =
                [(CONTENT_TYPE, media_type.header()), (CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            (status, headers, body).into_response()
        }
        Err(error) => {
            error!(%error, "a response could not be serialized");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};

    use super::{AcceptedTypes, RequestRejection, from_rejection};

    #[tokio::test]
    async fn a_mutation_that_panicked_has_an_unknown_outcome() {
        for (is_write, outcome) in [(true, json!("UNKNOWN")), (false, Value::Null)] {
            let response = from_rejection(RequestRejection::Failed { is_write }, AcceptedTypes::JSON);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap();
            let extensions = &body["errors"][0]["extensions"];
            assert_eq!(extensions["code"], "INTERNAL_SERVER_ERROR");
            assert_eq!((&extensions["outcome"], &extensions["retryable"]), (&outcome, &json!(false)));
        }
    }
}
