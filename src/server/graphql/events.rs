//! Answers as Server-Sent Events: GraphQL over SSE, the "distinct connections mode". An event for each answer, one that says
//! that no more will come, and signs of life in between.

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

use super::answer::Answer;
use crate::memory::Reservation;
use crate::schema::ResponseMemory;
use crate::server::connection::Endless;

/// A comment: it shows clients and proxies that the stream is there.
const ALIVE: Bytes = Bytes::from_static(b":\n\n");
/// No more will come. The empty data make a browser tell of it.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

/// Most bytes of an event that are handed on at a time.
const PIECE: usize = 64 * 1024;

/// Longest time without a sign of life; proxies often close what is still for a minute.
const LONGEST_STILL: Duration = Duration::from_secs(12);
/// Proxies of nginx's kind hold events back without it.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const HEADERS: [(HeaderName, HeaderValue); 3] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (ACCEL_BUFFERING, HeaderValue::from_static("no")),
];

/// How often a stream shows that it is there, where a client may take `send_timeout` over what is sent.
pub(super) fn still(send_timeout: Duration) -> Duration {
    LONGEST_STILL.min(send_timeout / 2)
}

/// An event with an answer in it. `None` where it could not be written, which is logged.
fn next(answer: &impl Serialize) -> Option<Bytes> {
    let mut event = b"event: next\ndata: ".to_vec();
    // JSON has no line breaks of its own.
    if let Err(error) = serde_json::to_writer(&mut event, answer) {
        error!(%error, "an answer could not be written");
        return None;
    }
    event.extend_from_slice(b"\n\n");
    Some(event.into())
}

/// An event in pieces, and the memory that it takes until the last of them has gone.
fn pieces(event: Bytes, memory: Option<Box<dyn ResponseMemory>>) -> impl Stream<Item = Bytes> {
    stream::unfold((event, memory), async |(mut rest, memory)| {
        let piece = rest.split_to(rest.len().min(PIECE));
        (!piece.is_empty()).then_some((piece, (rest, memory)))
    })
}

/// The only answer, and that no more will come.
pub(super) fn one(answer: &impl Serialize) -> Response {
    let mut events = next(answer).map(Vec::from).unwrap_or_default();
    events.extend_from_slice(&COMPLETE);
    (HEADERS, events).into_response()
}

/// Answers as they come, each of which is `held` until it has been taken, and then that no more will; where the gateway is `stopping`, nothing more, so that the client
/// comes again.
pub(super) fn respond(
    answers: impl Stream<Item = Answer> + Send + 'static,
    mut held: Reservation,
    still: Duration,
    stopping: CancellationToken,
) -> Response {
    let events = answers.flat_map(|answer| pieces(next(&answer).unwrap_or_default(), answer.into_memory()));
    let events = events.chain(stream::iter([COMPLETE])).take_until(stopping.cancelled_owned());
    let later = stream::unfold(Box::pin(events), move |mut events| async move {
        let event = timeout(still, events.next()).await.unwrap_or(Some(ALIVE))?;
        Some((event, events))
    });
    let body = stream::iter([ALIVE]).chain(later).map(move |event| {
        // The next one is asked for when the one before has been taken.
        held.release();
        held.force_reserve(event.len());
        Ok::<_, Infallible>(event)
    });
    let mut response = (HEADERS, Body::from_stream(body)).into_response();
    response.extensions_mut().insert(Endless);
    response
}
