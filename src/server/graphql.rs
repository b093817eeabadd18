//! GraphQL over HTTP: reads requests, executes them, and responds with the status codes and media types of the GraphQL over
//! HTTP specification. WebSocket upgrades are passed on to [`websocket`].

mod body;
mod client_name;
mod execution;
mod http_response;
mod parameters;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;
mod rejection;
mod request_span;
mod response;
mod server_timing;
mod sse;
mod websocket;

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use http::{Request, StatusCode};
use tokio_util::sync::CancellationToken;

use self::body::RequestBody;
use self::execution::{CallerContext, ExecutionResult, catch_panic, execute, record_stream};
use self::rejection::RequestRejection;
use self::request_span::RequestSpan;
use super::app::App;
use super::auth;
use super::compression;
use super::connection::ClientConnection;
use super::content_coding::AcceptedCodings;
use super::guarded_body::GuardedBody;
use super::media_type::AcceptedTypes;
use crate::telemetry::metrics::{self, Overloaded};
use crate::telemetry::operation::{Operation, Transport};
use crate::telemetry::request::{CLIENT_REQUEST_ID, RequestTelemetry, SERVER_TIMING};

/// `/graphql`. The response names the request's id.
pub(super) async fn handle(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let telemetry = RequestTelemetry::from_headers(request.headers(), app.settings.tracer.as_ref());
    let span = RequestSpan::begin(&telemetry, &request, app.settings.tls.is_some());
    let accepted_codings = AcceptedCodings::of(request.headers());
    let response = telemetry.scope(respond(app, request, &telemetry)).await;
    if let Some(span) = span {
        span.end(response.status());
    }
    let mut response = compression::compress(response, &accepted_codings).await;
    response.headers_mut().insert(CLIENT_REQUEST_ID, telemetry.header().clone());
    response
}

async fn respond(app: Arc<App>, request: Request<Body>, telemetry: &Arc<RequestTelemetry>) -> Response {
    let started = Instant::now();
    let deadline = started + app.settings.request_timeout;
    let (mut parts, body) = request.into_parts();
    if websocket::is_upgrade_request(&parts) {
        return websocket::upgrade(app, &mut parts).await;
    }
    let operation = Operation::begin(telemetry, app.settings.access_log, Transport::Http);
    let token = auth::authorization(&parts.headers);
    let caller_id = app.caller_ids.of(token.as_ref());
    let share = caller_id.memory_share();
    let mut body = RequestBody::new(&parts, body, &app.settings, app.request_memory.reservation_of(share));
    let accepted = AcceptedTypes::of(&parts.headers);
    let execution = catch_panic(async |is_write| {
        let (telemetry, disconnected) = (Arc::clone(telemetry), CancellationToken::new());
        let caller = CallerContext { id: caller_id, token, telemetry, deadline, disconnected };
        read_and_execute(&app, &parts, &mut body, accepted, caller, is_write).await
    });
    let mut response = match execution.await {
        Ok(ExecutionResult::Single(response)) => {
            let http_response = http_response::from_response(&response, accepted);
            operation.finish(response.result(), Some(http_response.status().as_u16()));
            http_response
        }
        Ok(ExecutionResult::Stream(responses)) => {
            let responses = record_stream(operation, responses);
            let interval = sse::keep_alive_interval(app.settings.connections.send_timeout);
            return sse::respond(
                responses,
                app.response_memory.reservation_of(share),
                interval,
                app.draining.clone(),
            );
        }
        Err(rejection) => {
            body.discard().await;
            let result = rejection.result();
            let http_response = http_response::from_rejection(rejection, accepted);
            operation.finish(result, Some(http_response.status().as_u16()));
            http_response
        }
    };
    if let Some(timing) = server_timing::header(telemetry, started.elapsed()) {
        response.headers_mut().insert(SERVER_TIMING, timing);
    }
    let size = response.body().size_hint().exact().and_then(|size| size.try_into().ok());
    let mut reservation = app.response_memory.reservation_of(share);
    reservation.force_reserve(size.unwrap_or_default());
    response.map(|body| Body::new(GuardedBody::new(body, reservation)))
}

/// Rejects a request by its head alone.
pub(super) fn reject(status: StatusCode, message: &str) -> Response {
    http_response::from_rejection(RequestRejection::http(status, message), AcceptedTypes::JSON)
}

async fn read_and_execute(
    app: &App,
    parts: &Parts,
    body: &mut RequestBody,
    accepted: AcceptedTypes,
    mut caller: CallerContext,
    is_write: &mut bool,
) -> Result<ExecutionResult, RequestRejection> {
    if accepted.single.is_none() && !accepted.event_stream {
        let message = "Not acceptable: set `Accept` to `application/graphql-response+json`, `application/json` or \
                       `text/event-stream`.";
        return Err(RequestRejection::http(StatusCode::NOT_ACCEPTABLE, message));
    }
    if app.response_memory.is_full(caller.id.memory_share())
        && parts.extensions.get::<ClientConnection>().is_some_and(ClientConnection::has_unread_responses)
    {
        // Clients that read their responses are unaffected.
        metrics::refused(Overloaded::Memory);
        return Err(RequestRejection::Overloaded(Overloaded::Memory));
    }
    // Read the body before admission, so that slow uploads hold no permit.
    let mut request = parameters::read(parts, body, app.api.limits().nesting).await?;
    if app.api.reports_untrusted() {
        request.client_name = client_name::from_headers(&parts.headers);
    }
    let may_subscribe = accepted.event_stream.then_some(()).ok_or_else(|| {
        let message = "Subscriptions need `Accept: text/event-stream`, or a WebSocket.";
        RequestRejection::http(StatusCode::NOT_ACCEPTABLE, message)
    });
    // Not before the body has been read: a client may close its sending side with it.
    if let Some(client) = parts.extensions.get::<ClientConnection>() {
        caller.disconnected = client.disconnect_token();
    }
    execute(app, request, caller, body.take_reservation(), may_subscribe, is_write).await
}
