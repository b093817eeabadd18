//! GraphQL over HTTP: requests out of HTTP, answers into it, with the status codes and media types of the GraphQL over
//! HTTP specification. A request to become a WebSocket is passed on.

mod answer;
mod body;
mod events;
mod execution;
mod http_response;
mod parameters;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;
mod refusal;
mod websocket;

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::response::Response;
use futures_util::StreamExt as _;
use http::request::Parts;
use http::{Request, StatusCode};

use self::body::RequestBody;
use self::execution::{Asker, Execution, caught, client_request_id, execute};
use self::refusal::Refusal;
use super::app::App;
use super::auth;
use super::connection::Client;
use super::kept::Kept;
use super::media_type::Accepted;
use crate::telemetry::metrics::{self, Overloaded};

/// `/graphql`.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let deadline = Instant::now() + app.settings.request_timeout;
    let (mut parts, body) = request.into_parts();
    if websocket::is_asked_for(&parts) {
        return websocket::open(app, &mut parts).await;
    }
    let mut body = RequestBody::new(&parts, body, &app.settings, app.bodies.reservation());
    let accepted = Accepted::of(&parts.headers);
    let execution =
        caught(async |is_write| answer(&app, &parts, &mut body, accepted, deadline, is_write).await);
    let response = match execution.await {
        Ok(Execution::Whole(answer)) => http_response::answer(&answer, accepted),
        Ok(Execution::Live(answers)) => {
            let still = events::still(app.settings.connections.send_timeout);
            // A subscription goes on with what it asked for.
            let held = body.into_held();
            let answers = answers.map(move |answer| {
                let _ = &held;
                answer
            });
            return events::respond(answers, app.answers.reservation(), still, app.stopping.clone());
        }
        Err(refusal) => {
            body.discard().await;
            http_response::refuse(refusal, accepted)
        }
    };
    let size = response.body().size_hint().exact().and_then(|size| size.try_into().ok());
    let mut held = app.answers.reservation();
    held.force_reserve(size.unwrap_or_default());
    response.map(|body| Body::new(Kept::new(body, held)))
}

/// Refuses a request of which no more was read than its head.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    http_response::refuse(Refusal::http(status, message), Accepted::JSON)
}

async fn answer(
    app: &App,
    parts: &Parts,
    body: &mut RequestBody,
    accepted: Accepted,
    deadline: Instant,
    is_write: &mut bool,
) -> Result<Execution, Refusal> {
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
    // Read before it is taken in: a body that does not come takes nobody's place.
    let request = parameters::read(parts, body, app.api.limits().nesting).await?;
    let may_subscribe = accepted.events.then_some(()).ok_or_else(|| {
        let message =
            "A subscription is answered as text/event-stream, which Accept must name, or over a WebSocket.";
        Refusal::http(StatusCode::NOT_ACCEPTABLE, message)
    });
    let token = auth::authorization(&parts.headers);
    let gone = parts.extensions.get::<Client>().map(Client::departure).unwrap_or_default();
    let asker = Asker { token, client_request_id: client_request_id(&parts.headers), deadline, gone };
    execute(app, request, asker, may_subscribe, is_write).await
}
