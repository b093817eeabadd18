//! GraphQL over HTTP: requests out of HTTP, answers into it, with the status codes and media types of the GraphQL over
//! HTTP specification.

mod answer;
mod body;
mod parameters;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::parser::types::OperationType;
use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::response::Response;
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use self::answer::{Answer, Refusal};
use self::body::RequestBody;
use super::connection::Client;
use super::kept::Kept;
use super::media_type::ResponseType;
use super::{App, auth};
use crate::graph::Caller;
use crate::schema::GraphqlRequest;
use crate::telemetry::metrics::{self, Overloaded};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// `/graphql`.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let deadline = Instant::now() + app.settings.deadline;
    let (parts, body) = request.into_parts();
    let mut body = RequestBody::new(&parts, body, &app.settings, app.bodies.hold());
    let negotiated = ResponseType::negotiate(&parts.headers);
    let mut is_write = false;
    let answer = AssertUnwindSafe(async {
        if negotiated.is_none() {
            let message =
                "The answer is application/graphql-response+json or application/json; Accept allows neither.";
            return Err(Refusal::http(StatusCode::NOT_ACCEPTABLE, message));
        }
        if app.answers.is_full() && parts.extensions.get::<Client>().is_some_and(Client::is_behind) {
            // Whoever takes answers has no part in it.
            metrics::refused(Overloaded::Memory);
            return Err(Refusal::Overloaded(Overloaded::Memory));
        }
        let request = parameters::read(&parts, &mut body, app.api.limits().nesting).await?;
        // Admitted when it is there: a body that does not come takes nobody's place.
        let admitted = app.admission.admit(&parts.headers, deadline.into()).await;
        let _admitted = admitted.map_err(Refusal::Overloaded)?;
        execute(&app, &parts.headers, request, deadline, &mut is_write).await
    });
    let answer = answer.catch_unwind().await;
    let media_type = negotiated.unwrap_or(ResponseType::Json);
    let response = match answer {
        Ok(Ok(answer)) => answer.respond(media_type),
        Ok(Err(refusal)) => {
            body.discard().await;
            refusal.respond(media_type)
        }
        Err(_panic) => {
            metrics::panicked();
            error!("a request panicked");
            Refusal::Failed { is_write }.respond(media_type)
        }
    };
    let size = response.body().size_hint().exact().and_then(|size| size.try_into().ok());
    let mut held = app.answers.hold();
    held.must_grow(size.unwrap_or_default());
    response.map(|body| Body::new(Kept::new(body, held)))
}

/// Refuses a request of which no more was read than its head.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    Refusal::http(status, message).respond(ResponseType::Json)
}

/// Prepares the request, and executes it where nothing is wrong with it.
async fn execute(
    app: &App,
    headers: &HeaderMap,
    request: GraphqlRequest,
    deadline: Instant,
    is_write: &mut bool,
) -> Result<Answer, Refusal> {
    let prepared = app.api.prepare(request).map_err(Refusal::from)?;
    *is_write = prepared.operation_type == OperationType::Mutation;
    let gone = CancellationToken::new();
    // Where the caller hangs up, this is dropped with all that answers it.
    let _present = gone.clone().drop_guard();
    let session = auth::authorization(headers).map(|authorization| {
        let client_request_id = client_request_id(headers);
        app.graph.session(Caller { authorization, client_request_id, deadline, gone })
    });
    let response = app.api.execute(prepared, session).await;
    Ok(Answer { errors: response.errors, data: response.data })
}

/// The caller's `client-request-id` where it is a GUID, else a fresh one.
fn client_request_id(headers: &HeaderMap) -> Uuid {
    headers
        .get(CLIENT_REQUEST_ID)
        .and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok())
        .unwrap_or_else(Uuid::new_v4)
}
