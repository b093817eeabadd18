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
use crate::exchange::ExchangeContext;
use crate::response::{CloseMode, GraphResponse, Termination};

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
        debug!(%error, "A connection ended early");
    }
}

/// Closes the connection without a response, because hyper closes a connection whose service fails.
#[derive(Debug, thiserror::Error)]
#[error("closed by a fault")]
struct ClosedByFault;

async fn exchange(
    connection: &Connection,
    request: Request<Incoming>,
) -> Result<Response<Body>, ClosedByFault> {
    let context = ExchangeContext {
        scheme: connection.scheme.clone(),
        source: connection.source(false),
        may_process: &|| true,
    };
    let response = connection.state.exchange(request, &context).await;
    tokio::time::sleep(response.delivery.first_byte_delay).await;
    if let Termination::NoResponse(close) | Termination::MidBody(_, close) = response.delivery.termination {
        connection.reset.store(close == CloseMode::Reset, Ordering::Relaxed);
    }
    match response.delivery.termination {
        // The last three apply to HTTP/2 only.
        Termination::NoResponse(_) | Termination::Refused | Termination::GoAway | Termination::Ignored => {
            Err(ClosedByFault)
        }
        // A response without a body has no middle.
        Termination::MidBody(..) if response.body.is_empty() => Err(ClosedByFault),
        Termination::Complete | Termination::MidBody(..) => Ok(http_response(response)),
    }
}

fn http_response(response: GraphResponse) -> Response<Body> {
    let length = response.body.len();
    let sent_length = match response.delivery.termination {
        Termination::MidBody(bytes, _) => Some(bytes.unwrap_or(length / 2).min(length)),
        _ => None,
    };
    let body = match (response.delivery.chunks, sent_length) {
        (None, None) => Full::new(response.body).map_err(|never: Infallible| match never {}).boxed_unsync(),
        (chunks, sent_length) => {
            let (chunk_size, pause) = chunks.unwrap_or((length.max(1), Duration::ZERO));
            let shown = response.body.slice(..sent_length.unwrap_or(length));
            chunked_body(shown, chunk_size, pause, sent_length.is_some()).boxed_unsync()
        }
    };
    let mut http_response = Response::new(body);
    *http_response.status_mut() = response.status;
    *http_response.headers_mut() = response.headers;
    // Set explicitly, because a chunked body does not know its length.
    if has_body(response.status) {
        http_response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    http_response
}

/// A body in chunks with a pause before each, and an error at the end if it is truncated.
fn chunked_body(
    body: Bytes,
    chunk_size: usize,
    pause: Duration,
    is_cut: bool,
) -> StreamBody<impl futures_util::Stream<Item = io::Result<Frame<Bytes>>>> {
    StreamBody::new(stream::unfold(Some(body), move |rest| async move {
        let mut rest = rest?;
        if rest.is_empty() {
            if !is_cut {
                return None;
            }
            // A pending body makes hyper flush, so that the client receives the first part.
            tokio::task::yield_now().await;
            return Some((Err(io::Error::other("cut by a fault")), None));
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let next = rest.split_to(chunk_size.min(rest.len()));
        Some((Ok(Frame::data(next)), Some(rest)))
    }))
}
