//! GraphQL over HTTP: requests out of HTTP, answers into it, with the status codes and media types of the GraphQL over
//! HTTP specification.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use super::media_type::{self, ResponseType};
use super::{App, auth};
use crate::graph::Caller;
use crate::schema::operation::RequestError;
use crate::schema::{ErrorCode, GraphqlRequest};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// `/graphql`.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let deadline = Instant::now() + app.settings.deadline;
    let Some(media_type) = ResponseType::negotiate(request.headers()) else {
        let message =
            "The answer is application/graphql-response+json or application/json; Accept allows neither.";
        return refuse(StatusCode::NOT_ACCEPTABLE, ResponseType::Json, ErrorCode::BadRequest, message);
    };
    let answer = async {
        let (parts, body) = request.into_parts();
        let request = read(&app, &parts.method, &parts.headers, body, deadline).await?;
        answer(&app, &parts.headers, request, deadline).await
    }
    .await;
    match answer {
        Ok(answer) => respond(StatusCode::OK, media_type, &answer),
        Err(refusal) => refusal.respond(media_type),
    }
}

/// Reads a request out of a POST with a JSON body.
async fn read(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    body: Body,
    deadline: Instant,
) -> Result<GraphqlRequest, Refusal> {
    if method != Method::POST {
        return Err(Refusal::http(StatusCode::METHOD_NOT_ALLOWED, "GraphQL requests are sent by POST."));
    }
    if !media_type::is_json(headers) {
        let message = "A request is sent with Content-Type: application/json, in UTF-8.";
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    if headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        let message = "A request is sent without Content-Encoding.";
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    // A body that comes drop by drop would otherwise hold its connection, and a shutdown, for as long as it likes.
    let body = read_body(headers, body, app.settings.max_body);
    let Ok(body) = tokio::time::timeout_at(deadline.into(), body).await else {
        return Err(Refusal::http(StatusCode::REQUEST_TIMEOUT, "The request's body did not come in time."));
    };
    parameters(&body?)
}

async fn read_body(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::Http {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: ErrorCode::QueryTooLarge,
        message: format!("The request's body is larger than {max} bytes."),
    };
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Refusal::http(StatusCode::BAD_REQUEST, "The request's body was cut short.")),
    }
}

/// The parameters of a request as they come, so that each can be refused by name.
#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    query: Value,
    #[serde(default, rename = "operationName")]
    operation_name: Value,
    #[serde(default)]
    variables: Value,
    #[serde(default)]
    extensions: Value,
}

fn parameters(body: &[u8]) -> Result<GraphqlRequest, Refusal> {
    let bad = |message: String| Refusal::http(StatusCode::BAD_REQUEST, message);
    // A derived struct would also be read from an array.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("The body must be a JSON object with the member \"query\".".to_owned()));
    }
    let Parameters { query, operation_name, variables, extensions } =
        serde_json::from_slice(body).map_err(|error| {
            let problem = match error.classify() {
                serde_json::error::Category::Data => error.to_string(),
                _ => format!("not valid JSON at line {}, column {}", error.line(), error.column()),
            };
            bad(format!("The body cannot be read: {problem}."))
        })?;
    let query = match query {
        Value::String(query) => query,
        Value::Null => return Err(bad("The member \"query\" is missing.".to_owned())),
        _ => return Err(bad("\"query\" must be a string.".to_owned())),
    };
    let operation_name = match operation_name {
        Value::String(name) => Some(name),
        Value::Null => None,
        _ => return Err(bad("\"operationName\" must be a string or null.".to_owned())),
    };
    let variables = match variables {
        Value::Object(variables) => variables,
        Value::Null => serde_json::Map::new(),
        _ => return Err(bad("\"variables\" must be an object or null.".to_owned())),
    };
    if !matches!(extensions, Value::Object(_) | Value::Null) {
        return Err(bad("\"extensions\" must be an object or null.".to_owned()));
    }
    Ok(GraphqlRequest { query, operation_name, variables })
}

/// Prepares the request, and executes it where nothing is wrong with it.
async fn answer(
    app: &App,
    headers: &HeaderMap,
    request: GraphqlRequest,
    deadline: Instant,
) -> Result<Answer, Refusal> {
    let prepared = app.api.prepare(request).map_err(Refusal::Graphql)?;
    let gone = CancellationToken::new();
    // Where the caller hangs up, this is dropped with all that answers it.
    let _present = gone.clone().drop_guard();
    let session = auth::authorization(headers).map(|authorization| {
        let client_request_id = client_request_id(headers);
        app.graph.session(Caller { authorization, client_request_id, deadline, gone })
    });
    let execution = AssertUnwindSafe(app.api.execute(prepared, session)).catch_unwind();
    let response = execution.await.map_err(|_panic| {
        error!("a resolver panicked");
        Refusal::Http {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: ErrorCode::InternalServerError,
            message: "The gateway failed.".to_owned(),
        }
    })?;
    Ok(Answer { errors: response.errors, data: response.data })
}

/// The caller's `client-request-id` where it is a GUID, else a fresh one.
fn client_request_id(headers: &HeaderMap) -> Uuid {
    headers
        .get(CLIENT_REQUEST_ID)
        .and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok())
        .unwrap_or_else(Uuid::new_v4)
}

/// The answer to a request that executed. A request error has no `data` (GraphQL, section 7.1), and is another type.
#[derive(Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<async_graphql::ServerError>,
    data: async_graphql::Value,
}

/// A request that did not execute.
enum Refusal {
    /// It is no GraphQL request.
    Http { status: StatusCode, code: ErrorCode, message: String },
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
    fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Http { status, code: ErrorCode::BadRequest, message: message.into() }
    }

    fn respond(self, media_type: ResponseType) -> Response {
        match self {
            Self::Http { status, code, message } => refuse(status, media_type, code, &message),
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

fn refuse(status: StatusCode, media_type: ResponseType, code: ErrorCode, message: &str) -> Response {
    let extensions = PlainExtensions { code: code.as_str(), retryable: false };
    let mut response = respond(status, media_type, &Errors { errors: &[PlainError { message, extensions }] });
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    if status == StatusCode::REQUEST_TIMEOUT {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn respond(status: StatusCode, media_type: ResponseType, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => (status, [(CONTENT_TYPE, media_type.header())], body).into_response(),
        Err(error) => {
            error!(%error, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
