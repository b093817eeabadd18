//! HTTP/1.1: one exchange at a time on a connection.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tracing::debug;

use super::{Connection, has_body};
use crate::answer::{Answer, Close, End};
use crate::exchange::Channel;

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves one connection until it ends.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Connection,
) {
    let stopping = connection.stopping.clone();
    let service = service_fn(move |request| {
        let connection = connection.clone();
        async move { exchange(&connection, request).await }
    });
    let served =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stopping.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "A sandbox connection ended early");
    }
}

/// A connection that is to close without an answer. Hyper ends a connection whose service fails.
#[derive(Debug, thiserror::Error)]
#[error("closed by a fault")]
struct Closed;

async fn exchange(connection: &Connection, request: Request<Incoming>) -> Result<Response<Body>, Closed> {
    let channel = Channel {
        scheme: connection.scheme.clone(),
        source: connection.source(false),
        may_process: &|| true,
    };
    let answer = connection.state.exchange(request, &channel).await;
    tokio::time::sleep(answer.sending.first_byte).await;
    if let End::NoAnswer(close) | End::MidBody(_, close) = answer.sending.end {
        connection.reset.store(close == Close::Reset, Ordering::Relaxed);
    }
    match answer.sending.end {
        // The last three are of HTTP/2, and drawn for nothing else.
        End::NoAnswer(_) | End::Refused | End::GoAway | End::Ignored => Err(Closed),
        // There is no middle of an answer without a body.
        End::MidBody(..) if answer.body.is_empty() => Err(Closed),
        End::Complete | End::MidBody(..) => Ok(response(answer)),
    }
}

fn response(answer: Answer) -> Response<Body> {
    let length = answer.body.len();
    let cut = match answer.sending.end {
        End::MidBody(bytes, _) => Some(bytes.unwrap_or(length / 2).min(length)),
        _ => None,
    };
    let body = match (answer.sending.pieces, cut) {
        (None, None) => Full::new(answer.body).map_err(|never: Infallible| match never {}).boxed_unsync(),
        (pieces, cut) => {
            let (piece, pause) = pieces.unwrap_or((length.max(1), Duration::ZERO));
            let shown = answer.body.slice(..cut.unwrap_or(length));
            pieced(shown, piece, pause, cut.is_some()).boxed_unsync()
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    // Set by hand, as a body that comes in pieces does not know its length.
    if has_body(answer.status) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// A body in pieces with a pause before each, and an error at its end where it was cut.
fn pieced(
    body: Bytes,
    piece: usize,
    pause: Duration,
    cut: bool,
) -> StreamBody<impl futures_util::Stream<Item = io::Result<Frame<Bytes>>>> {
    StreamBody::new(stream::unfold(Some(body), move |rest| async move {
        let mut rest = rest?;
        if rest.is_empty() {
            if !cut {
                return None;
            }
            // A pending body makes hyper send what it has, so that the caller does see the first part.
            tokio::task::yield_now().await;
            return Some((Err(io::Error::other("cut by a fault")), None));
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let next = rest.split_to(piece.min(rest.len()));
        Some((Ok(Frame::data(next)), Some(rest)))
    }))
}
