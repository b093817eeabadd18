//! HTTP/2: concurrent exchanges on a connection. Each is a stream, which a fault can refuse.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, DATE, HOST, HeaderValue};
use http::{Request, Response};
use hyper::body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::debug;

use super::frames::{FrameInjector, InjectingStream};
use super::{Connection, has_body};
use crate::exchange::ExchangeContext;
use crate::response::{CloseMode, GraphResponse, Termination};

/// Flow control windows of a stream and of the connection, in bytes: large requests do not wait for window updates.
const WINDOW: u32 = 1 << 20;
/// Time between the end of all streams and the close of the connection after GOAWAY.
const GO_AWAY_LINGER: Duration = Duration::from_secs(1);

/// Tracks which streams of a connection are processed.
#[derive(Debug, Default)]
struct StreamTracker {
    state: Mutex<StreamState>,
    injector: FrameInjector,
    /// Wakes the connection's loop.
    changed: Notify,
}

#[derive(Debug, Default)]
struct StreamState {
    /// The highest stream that was or may have been processed.
    last_processed: u32,
    /// The last stream id of the GOAWAY that was sent.
    go_away_last_stream: Option<u32>,
    /// Close the connection immediately.
    is_closing: bool,
}

impl StreamTracker {
    fn lock(&self) -> MutexGuard<'_, StreamState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether to process a stream; if so, it counts as processed. Streams above the last id of a GOAWAY are not.
    fn may_process(&self, id: u32) -> bool {
        let mut state = self.lock();
        if state.go_away_last_stream.is_some_and(|last| id > last) {
            return false;
        }
        state.last_processed = state.last_processed.max(id);
        true
    }

    /// Sends GOAWAY with a last id below this stream's. Returns false if a later stream was processed, for which the
    /// GOAWAY would be false.
    fn go_away(&self, id: u32) -> bool {
        let mut state = self.lock();
        match state.go_away_last_stream {
            Some(last) => id > last,
            None if state.last_processed < id => {
                state.go_away_last_stream = Some(state.last_processed);
                self.injector.go_away(state.last_processed);
                self.changed.notify_one();
                true
            }
            None => false,
        }
    }

    fn close(&self) {
        self.lock().is_closing = true;
        self.changed.notify_one();
    }
}

/// Serves one connection until it ends.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connection: Connection,
) {
    let streams = Arc::new(StreamTracker::default());
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(connection.state.service.settings.max_streams)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake(InjectingStream::new(stream, streams.injector.clone()));
    let mut served = match handshake.await {
        Ok(served) => served,
        Err(error) => return debug!(%error, "An HTTP/2 connection could not be established"),
    };
    // Aborted when the connection ends.
    let mut exchanges = JoinSet::new();
    let mut open_streams = JoinSet::new();
    let mut is_stopping = false;
    loop {
        let has_sent_go_away = {
            let state = streams.lock();
            if state.is_closing {
                return;
            }
            state.go_away_last_stream.is_some()
        };
        tokio::select! {
            accepted = served.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let (connection, streams) = (connection.clone(), Arc::clone(&streams));
                    // Streams above a GOAWAY get no response. All others end before the connection
                    // does.
                    let (done, ended) = tokio::sync::oneshot::channel::<()>();
                    open_streams.spawn(ended);
                    exchanges.spawn(exchange(connection, streams, request, respond, done));
                }
                Some(Err(error)) => return debug!(%error, "A connection ended early"),
                None => return,
            },
            _ = open_streams.join_next(), if !open_streams.is_empty() => {}
            () = streams.changed.notified() => {}
            () = tokio::time::sleep(GO_AWAY_LINGER), if has_sent_go_away && open_streams.is_empty() => return,
            () = connection.stopping.cancelled(), if !is_stopping => {
                if has_sent_go_away {
                    return;
                }
                is_stopping = true;
                served.graceful_shutdown();
            }
        }
        while exchanges.try_join_next().is_some() {}
    }
}

/// Serves one exchange. Drops `done` when it no longer needs the connection.
async fn exchange(
    connection: Connection,
    streams: Arc<StreamTracker>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    done: tokio::sync::oneshot::Sender<()>,
) {
    let id = respond.stream_id().as_u32();
    let context = ExchangeContext {
        scheme: connection.scheme.clone(),
        source: connection.source(true),
        may_process: &|| streams.may_process(id),
    };
    let response = connection.state.exchange(with_host(request), &context).await;
    tokio::time::sleep(response.delivery.first_byte_delay).await;
    match response.delivery.termination {
        Termination::Refused => respond.send_reset(Reason::REFUSED_STREAM),
        Termination::GoAway if !streams.go_away(id) => respond.send_reset(Reason::REFUSED_STREAM),
        Termination::GoAway | Termination::Ignored => {
            drop(done);
            // A stream above the GOAWAY must not be reset as well.
            std::future::pending::<()>().await;
        }
        Termination::NoResponse(CloseMode::Fin) => respond.send_reset(Reason::INTERNAL_ERROR),
        Termination::NoResponse(CloseMode::Reset) => reset(&connection, &streams).await,
        Termination::Complete | Termination::MidBody(..) => {
            send(response, &mut respond, &connection, &streams).await
        }
    }
}

/// Closes the connection with a TCP reset. Never returns, so that nothing else is sent.
async fn reset(connection: &Connection, streams: &StreamTracker) {
    connection.reset.store(true, Ordering::Relaxed);
    streams.close();
    std::future::pending().await
}

/// Sends a response, or resets the stream if the response is invalid in HTTP/2.
async fn send(
    response: GraphResponse,
    respond: &mut SendResponse<Bytes>,
    connection: &Connection,
    streams: &StreamTracker,
) {
    let length = response.body.len();
    let sent_length = match response.delivery.termination {
        Termination::MidBody(bytes, close) => Some((bytes.unwrap_or(length / 2).min(length), close)),
        _ => None,
    };
    let mut rest = response.body.slice(..sent_length.map_or(length, |(bytes, _)| bytes));
    let mut http_response = Response::new(());
    *http_response.status_mut() = response.status;
    *http_response.headers_mut() = response.headers;
    if has_body(response.status) {
        http_response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now())) {
        http_response.headers_mut().entry(DATE).or_insert(date);
    }
    let Ok(mut body) = respond.send_response(http_response, length == 0 && sent_length.is_none()) else {
        return respond.send_reset(Reason::INTERNAL_ERROR);
    };
    let (chunk_size, pause) = response.delivery.chunks.unwrap_or((length.max(1), Duration::ZERO));
    while !rest.is_empty() {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let next = rest.split_to(chunk_size.min(rest.len()));
        let is_last = rest.is_empty() && sent_length.is_none();
        if body.send_data(next, is_last).is_err() {
            return;
        }
    }
    if let Some((_, close)) = sent_length {
        // Flush the part that was written first.
        tokio::task::yield_now().await;
        match close {
            CloseMode::Fin => body.send_reset(Reason::INTERNAL_ERROR),
            CloseMode::Reset => reset(connection, streams).await,
        }
    }
}

/// Copies the host from the request's URL to the `Host` header, from which the sandbox reads it.
fn with_host(request: Request<RecvStream>) -> Request<Incoming> {
    let (mut parts, body) = request.into_parts();
    if let Some(host) = parts.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        parts.headers.entry(HOST).or_insert(host);
    }
    Request::from_parts(parts, Incoming(body))
}

/// The body of a stream's request.
struct Incoming(RecvStream);

impl Body for Incoming {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        match ready!(self.0.poll_data(cx)) {
            None => Poll::Ready(None),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            Some(Ok(data)) => {
                self.0.flow_control().release_capacity(data.len())?;
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
        }
    }
}
