//! Responses as Server-Sent Events, the "distinct connections mode" of GraphQL over SSE: an event for each response, a
//! `complete` event at the end, and keep-alive comments in between.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::response::GraphqlResponse;
use crate::memory::Reservation;
use crate::schema::ResponseMemory;
use crate::server::connection::StreamingResponse;

/// A comment that shows clients and proxies that the connection is alive.
const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");
/// The end of the stream. Browsers dispatch it only because of its empty data, which axum's `Event` omits.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

/// Maximum size of a frame of the body, in bytes; larger events are split.
const MAX_FRAME: usize = 64 * 1024;

/// Maximum time between two frames. Proxies often close a connection that is idle for a minute.
const MAX_KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(12);
/// Without it, proxies like nginx buffer the events.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (ACCEL_BUFFERING, HeaderValue::from_static("no")),
];

/// Time between keep-alive messages, given the time limit for sending one.
pub(super) fn keep_alive_interval(send_timeout: Duration) -> Duration {
    MAX_KEEP_ALIVE_INTERVAL.min(send_timeout / 2)
}

/// An event that holds a response. `None` if it could not be serialized, which is logged.
fn next_event(response: &impl Serialize) -> Option<Bytes> {
    let mut event = b"event: next\ndata: ".to_vec();
    // The JSON contains no line breaks.
    if let Err(error) = serde_json::to_writer(&mut event, response) {
        error!(%error, "a response could not be serialized");
        return None;
    }
    event.extend_from_slice(b"\n\n");
    Some(event.into())
}

/// The frames of an event, which hold its memory until the last of them has been taken.
fn frames(event: Bytes, memory: Option<Box<dyn ResponseMemory>>) -> impl Stream<Item = Bytes> {
    stream::unfold((event, memory), async |(mut rest, memory)| {
        let frame = rest.split_to(rest.len().min(MAX_FRAME));
        (!frame.is_empty()).then_some((frame, (rest, memory)))
    })
}

/// A stream of one response.
pub(super) fn single_event(response: &impl Serialize) -> Response {
    let mut events = next_event(response).map(Vec::from).unwrap_or_default();
    events.extend_from_slice(&COMPLETE);
    (HEADERS, events).into_response()
}

/// A stream of responses. Each frame counts toward `reservation` until it has been taken. When the gateway drains, the stream ends
/// without a `complete` event, so that the client reconnects.
pub(super) fn respond(
    responses: impl Stream<Item = GraphqlResponse> + Send + 'static,
    mut reservation: Reservation,
    keep_alive_interval: Duration,
    draining: CancellationToken,
) -> Response {
    let events = responses
        .flat_map(|response| frames(next_event(&response).unwrap_or_default(), response.into_memory()));
    let events = events.chain(stream::iter([COMPLETE])).take_until(draining.cancelled_owned());
    let later = stream::unfold(Box::pin(events), move |mut events| async move {
        let event = timeout(keep_alive_interval, events.next()).await.unwrap_or(Some(KEEP_ALIVE))?;
        Some((event, events))
    });
    let body = stream::iter([KEEP_ALIVE]).chain(later).map(move |event| {
        // A frame is polled after the previous one has been taken.
        reservation.release();
        reservation.force_reserve(event.len());
        Ok::<_, Infallible>(event)
    });
    let mut response = (HEADERS, Body::from_stream(body)).into_response();
    response.extensions_mut().insert(StreamingResponse);
    response
}
