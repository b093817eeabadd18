//! GraphQL over HTTP: requests out of HTTP, answers into it, with the status codes and media types of the GraphQL over
//! HTTP specification.

mod answer;
mod body;
mod events;
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
use futures_util::{FutureExt as _, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use tokio_util::sync::CancellationToken;
use tracing::error;
use uuid::Uuid;

use self::answer::{Answer, Refusal};
use self::body::RequestBody;
use super::connection::Client;
use super::kept::Kept;
use super::media_type::Accepted;
use super::{App, auth};
use crate::graph::Caller;
use crate::telemetry::metrics::{self, Overloaded};

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// `/graphql`.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let deadline = Instant::now() + app.settings.deadline;
    let (parts, body) = request.into_parts();
    let mut body = RequestBody::new(&parts, body, &app.settings, app.bodies.hold());
    let accepted = Accepted::of(&parts.headers);
    let mut is_write = false;
    let answer = answer(&app, &parts, &mut body, accepted, deadline, &mut is_write);
    let response = match AssertUnwindSafe(answer).catch_unwind().await {
        Ok(Ok(Reply::Whole(answer))) => answer.respond(accepted),
        Ok(Ok(Reply::Live(response))) => return response,
        Ok(Err(refusal)) => {
            body.discard().await;
            refusal.respond(accepted)
        }
        Err(_panic) => {
            metrics::panicked();
            error!("a request panicked");
            Refusal::Failed { is_write }.respond(accepted)
        }
    };
    let size = response.body().size_hint().exact().and_then(|size| size.try_into().ok());
    let mut held = app.answers.hold();
    held.must_grow(size.unwrap_or_default());
    response.map(|body| Body::new(Kept::new(body, held)))
}

/// Refuses a request of which no more was read than its head.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    Refusal::http(status, message).respond(Accepted::JSON)
}

/// How a request is answered.
enum Reply {
    Whole(Answer),
    /// By events, for as long as the client likes.
    Live(Response),
}

async fn answer(
    app: &App,
    parts: &Parts,
    body: &mut RequestBody,
    accepted: Accepted,
    deadline: Instant,
    is_write: &mut bool,
) -> Result<Reply, Refusal> {
    if accepted.whole.is_none() && !accepted.events {
        let message = "The answer is application/graphql-response+json, application/json or text/event-stream; Accept \
                       allows none of them.";
        return Err(Refusal::http(StatusCode::NOT_ACCEPTABLE, message));
    }
    if app.answers.is_full() && parts.extensions.get::<Client>().is_some_and(Client::is_behind) {
        // Whoever takes answers has no part in it.
        metrics::refused(Overloaded::Memory);
        return Err(Refusal::Overloaded(Overloaded::Memory));
    }
    let request = parameters::read(parts, body, app.api.limits().nesting).await?;
    let token = auth::authorization(&parts.headers);
    // Admitted when it is there: a body that does not come takes nobody's place.
    let admitted = app.admission.admit(token.as_ref(), deadline.into()).await;
    let _admitted = admitted.map_err(Refusal::Overloaded)?;
    let prepared = app.api.prepare(request)?;
    let gone = CancellationToken::new();
    // Where the caller hangs up, this is dropped with all that answers it.
    let present = gone.clone().drop_guard();
    let session = token.clone().map(|authorization| {
        let client_request_id = client_request_id(&parts.headers);
        app.graph.session(Caller { authorization, client_request_id, deadline, gone })
    });
    if prepared.operation_type == OperationType::Subscription {
        if !accepted.events {
            let message = "A subscription is answered as text/event-stream, which Accept must name, or over a WebSocket.";
            return Err(Refusal::http(StatusCode::NOT_ACCEPTABLE, message));
        }
        let admitted =
            app.streams.admit(token.as_ref(), deadline.into()).await.map_err(Refusal::Overloaded)?;
        let answers = app.api.subscribe(prepared, session, app.settings.deadline).map(Answer::live);
        let still = events::still(app.settings.connections.send_timeout);
        let kept = (admitted, present);
        return Ok(Reply::Live(events::respond(answers, still, app.stopping.clone(), kept)));
    }
    *is_write = prepared.operation_type == OperationType::Mutation;
    let response = app.api.execute(prepared, session).await;
    Ok(Reply::Whole(Answer::whole(response)))
}

/// The caller's `client-request-id` where it is a GUID, else a fresh one.
fn client_request_id(headers: &HeaderMap) -> Uuid {
    headers
        .get(CLIENT_REQUEST_ID)
        .and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok())
        .unwrap_or_else(Uuid::new_v4)
}
