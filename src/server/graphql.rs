//! GraphQL over HTTP: requests out of HTTP, answers into it, with the status codes and media types of the GraphQL over
//! HTTP specification.

mod answer;
mod parameters;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use self::answer::{Answer, Refusal};
use super::media_type::ResponseType;
use super::{App, auth};
use crate::graph::Caller;
use crate::schema::{ErrorCode, GraphqlRequest};
use crate::telemetry::metrics;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// `/graphql`.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let deadline = Instant::now() + app.settings.deadline;
    let Some(media_type) = ResponseType::negotiate(request.headers()) else {
        let message =
            "The answer is application/graphql-response+json or application/json; Accept allows neither.";
        return Refusal::http(StatusCode::NOT_ACCEPTABLE, message).respond(ResponseType::Json);
    };
    let answer = async {
        let (parts, body) = request.into_parts();
        let request = parameters::read(&parts, body, app.settings.max_body, deadline).await?;
        execute(&app, &parts.headers, request, deadline).await
    }
    .await;
    match answer {
        Ok(answer) => answer.respond(media_type),
        Err(refusal) => refusal.respond(media_type),
    }
}

/// Prepares the request, and executes it where nothing is wrong with it.
async fn execute(
    app: &App,
    headers: &HeaderMap,
    request: GraphqlRequest,
    deadline: Instant,
) -> Result<Answer, Refusal> {
    let prepared = app.api.prepare(request).map_err(Refusal::from)?;
    let gone = CancellationToken::new();
    // Where the caller hangs up, this is dropped with all that answers it.
    let _present = gone.clone().drop_guard();
    let session = auth::authorization(headers).map(|authorization| {
        let client_request_id = client_request_id(headers);
        app.graph.session(Caller { authorization, client_request_id, deadline, gone })
    });
    let execution = AssertUnwindSafe(app.api.execute(prepared, session)).catch_unwind();
    let response = execution.await.map_err(|_panic| {
        metrics::panicked();
        error!("a resolver panicked");
        Refusal::Http {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: ErrorCode::InternalServerError,
            message: "The gateway failed.".to_owned(),
            allow: None,
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
