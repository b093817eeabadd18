//! HTTP/2: many exchanges at a time on a connection, each a stream, which a fault can refuse.

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

use super::frames::{Frames, Insertion};
use super::{Connection, has_body};
use crate::answer::{Answer, Close, End};
use crate::exchange::Channel;

/// Flow control windows of a stream and of the connection, in bytes: requests of any size come without a pause.
const WINDOW: u32 = 1 << 20;
/// How long a client has to close a connection after GOAWAY, when all its streams are answered.
const LINGER: Duration = Duration::from_secs(1);

/// Which streams of a connection are processed.
#[derive(Debug, Default)]
struct Streams {
    state: Mutex<State>,
    insertion: Insertion,
    /// Wakes the connection's loop.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The highest stream that was or may have been processed.
    last_processed: u32,
    /// The last stream id of the GOAWAY that was sent.
    gone_after: Option<u32>,
    /// The connection is to close at once.
    is_closing: bool,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a stream is to be processed, which counts from then on. None is above the last id of a GOAWAY.
    fn may_process(&self, id: u32) -> bool {
        let mut state = self.lock();
        if state.gone_after.is_some_and(|last| id > last) {
            return false;
        }
        state.last_processed = state.last_processed.max(id);
        true
    }

    /// Sends GOAWAY with a last id below this stream's. False where a later stream was processed, so that it would be
    /// untrue of that one.
    fn go_away(&self, id: u32) -> bool {
        let mut state = self.lock();
        match state.gone_after {
            Some(last) => id > last,
            None if state.last_processed < id => {
                state.gone_after = Some(state.last_processed);
                self.insertion.go_away(state.last_processed);
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
    let streams = Arc::new(Streams::default());
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(connection.state.service.settings.max_streams)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .handshake(Frames::new(stream, streams.insertion.clone()));
    let mut served = match handshake.await {
        Ok(served) => served,
        Err(error) => return debug!(%error, "An HTTP/2 connection with the sandbox did not come about"),
    };
    // Ended with the connection.
    let mut exchanges = JoinSet::new();
    let mut open = JoinSet::new();
    let mut is_stopping = false;
    loop {
        let is_gone = {
            let state = streams.lock();
            if state.is_closing {
                return;
            }
            state.gone_after.is_some()
        };
        tokio::select! {
            accepted = served.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    let (connection, streams) = (connection.clone(), Arc::clone(&streams));
                    // What is above a GOAWAY is never answered; everything else is to end before the connection does.
                    let (done, ended) = tokio::sync::oneshot::channel::<()>();
                    open.spawn(ended);
                    exchanges.spawn(exchange(connection, streams, request, respond, done));
                }
                Some(Err(error)) => return debug!(%error, "A sandbox connection ended early"),
                None => return,
            },
            _ = open.join_next(), if !open.is_empty() => {}
            () = streams.changed.notified() => {}
            () = tokio::time::sleep(LINGER), if is_gone && open.is_empty() => return,
            () = connection.stopping.cancelled(), if !is_stopping => {
                if is_gone {
                    return;
                }
                is_stopping = true;
                served.graceful_shutdown();
            }
        }
        while exchanges.try_join_next().is_some() {}
    }
}

/// One exchange. `done` is dropped when it needs the connection no more.
async fn exchange(
    connection: Connection,
    streams: Arc<Streams>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    done: tokio::sync::oneshot::Sender<()>,
) {
    let id = respond.stream_id().as_u32();
    let channel = Channel {
        scheme: connection.scheme.clone(),
        source: connection.source(true),
        may_process: &|| streams.may_process(id),
    };
    let answer = connection.state.exchange(with_host(request), &channel).await;
    tokio::time::sleep(answer.sending.first_byte).await;
    match answer.sending.end {
        End::Refused => respond.send_reset(Reason::REFUSED_STREAM),
        End::GoAway if !streams.go_away(id) => respond.send_reset(Reason::REFUSED_STREAM),
        End::GoAway | End::Ignored => {
            drop(done);
            // A reset would be a second word on it.
            std::future::pending::<()>().await;
        }
        End::NoAnswer(Close::Fin) => respond.send_reset(Reason::INTERNAL_ERROR),
        End::NoAnswer(Close::Reset) => reset(&connection, &streams).await,
        End::Complete | End::MidBody(..) => send(answer, &mut respond, &connection, &streams).await,
    }
}

/// Ends the connection with a TCP reset, which ends this as well: nothing else is sent.
async fn reset(connection: &Connection, streams: &Streams) {
    connection.reset.store(true, Ordering::Relaxed);
    streams.close();
    std::future::pending().await
}

/// Sends an answer; one that no client could take ends its stream.
async fn send(answer: Answer, respond: &mut SendResponse<Bytes>, connection: &Connection, streams: &Streams) {
    let length = answer.body.len();
    let cut = match answer.sending.end {
        End::MidBody(bytes, close) => Some((bytes.unwrap_or(length / 2).min(length), close)),
        _ => None,
    };
    let mut rest = answer.body.slice(..cut.map_or(length, |(bytes, _)| bytes));
    let mut response = Response::new(());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if has_body(answer.status) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Ok(date) = HeaderValue::from_str(&httpdate::fmt_http_date(SystemTime::now())) {
        response.headers_mut().entry(DATE).or_insert(date);
    }
    let Ok(mut body) = respond.send_response(response, length == 0 && cut.is_none()) else {
        return respond.send_reset(Reason::INTERNAL_ERROR);
    };
    let (piece, pause) = answer.sending.pieces.unwrap_or((length.max(1), Duration::ZERO));
    while !rest.is_empty() {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let next = rest.split_to(piece.min(rest.len()));
        let is_last = rest.is_empty() && cut.is_none();
        if body.send_data(next, is_last).is_err() {
            return;
        }
    }
    if let Some((_, close)) = cut {
        // The part that was sent leaves first.
        tokio::task::yield_now().await;
        match close {
            Close::Fin => body.send_reset(Reason::INTERNAL_ERROR),
            Close::Reset => reset(connection, streams).await,
        }
    }
}

/// HTTP/2 names the host in the request's URL, HTTP/1.1 in a header, where the sandbox looks for it.
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
