//! Connections: an accept loop of our own, so that a fault can really close or reset one at any point.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::uri::Scheme;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::answer::{Answer, Close, End};
use super::exchange::Shared;
use super::tls;

/// Longest wait for open exchanges at shutdown; a slow answer may be meant to last for ever.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);
/// Pause after a failed accept, which mostly means that the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves the sandbox until `shutdown` completes, and then ends its open connections.
pub(super) async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let acceptor = shared.service.settings.tls.as_ref().map(tls::acceptor).transpose()?;
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        // Connections that ended leave the set here, so that it does not grow with their number.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let socket = Socket::new(stream);
                connections.spawn(connect(socket, acceptor.clone(), Arc::clone(&shared), graceful.watcher()));
            }
            Err(error) => {
                warn!(%error, "The sandbox could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(SHUTDOWN_WAIT, graceful.shutdown()).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

async fn connect(socket: Socket, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>, watcher: Watcher) {
    let reset = Arc::clone(&socket.reset);
    match acceptor {
        None => converse(socket, reset, Scheme::HTTP, shared, watcher).await,
        Some(acceptor) => match acceptor.accept(socket).await {
            Ok(stream) => converse(stream, reset, Scheme::HTTPS, shared, watcher).await,
            Err(error) => debug!(%error, "A TLS handshake with the sandbox failed"),
        },
    }
}

/// Serves one connection until it ends.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    reset: Arc<AtomicBool>,
    scheme: Scheme,
    shared: Arc<Shared>,
    watcher: Watcher,
) {
    let service = service_fn(move |request| {
        let (shared, reset, scheme) = (Arc::clone(&shared), Arc::clone(&reset), scheme.clone());
        async move { exchange(&shared, request, &scheme, &reset).await }
    });
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        debug!(%error, "A sandbox connection ended early");
    }
}

/// A connection that is to close without an answer. Hyper ends a connection whose service fails.
#[derive(Debug, thiserror::Error)]
#[error("closed by a fault")]
struct Closed;

async fn exchange(
    shared: &Shared,
    request: Request<Incoming>,
    scheme: &Scheme,
    reset: &AtomicBool,
) -> Result<Response<Body>, Closed> {
    let answer = shared.exchange(request, scheme).await;
    tokio::time::sleep(answer.sending.first_byte).await;
    if let End::NoAnswer(close) | End::MidBody(_, close) = answer.sending.end {
        reset.store(close == Close::Reset, Ordering::Relaxed);
    }
    match answer.sending.end {
        End::NoAnswer(_) => Err(Closed),
        // There is no middle of an answer without a body.
        End::MidBody(..) if answer.body.is_empty() => Err(Closed),
        End::Complete | End::MidBody(..) => Ok(response(answer)),
    }
}

fn response(answer: Answer) -> Response<Body> {
    let length = answer.body.len();
    let cut = match answer.sending.end {
        End::MidBody(bytes, _) => Some(bytes.unwrap_or(length / 2).min(length)),
        End::Complete | End::NoAnswer(_) => None,
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
    // Set by hand, as a body that comes in pieces does not know its length. 204 and 304 have none.
    if !matches!(answer.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
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

/// A TCP stream that can be told to end with a reset.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Socket {
    fn new(stream: TcpStream) -> Self {
        // Fails only on a connection that is dead already, which the first read will tell.
        let _ = stream.set_nodelay(true);
        Self { stream, reset: Arc::default() }
    }

    fn is_to_reset(&self) -> bool {
        self.reset.load(Ordering::Relaxed)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_to_reset() {
            // With no time to linger, closing sends RST instead of FIN. It fails only on a dead socket.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_to_reset() {
            // A shutdown would send FIN ahead of the RST.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
