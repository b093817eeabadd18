//! Accepts connections and serves HTTP/1.1 and cleartext HTTP/2 on them, until shutdown.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connection::{
    self, ClientStream, ConnectionPermit, ConnectionTimeouts, MAX_HEAD_BYTES, StreamExecutor,
};
use super::tls::Tls;
use super::workers::Workers;
use crate::memory::MemoryBudget;

/// Limits of client connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Maximum number of open connections; more wait in the system's accept queue.
    pub max_connections: usize,
    /// Time limit for receiving a request head, from its first byte on; for the first request, from the accept on.
    pub header_timeout: Duration,
    /// Time after which a connection without a request is closed.
    pub idle_timeout: Duration,
    /// Time limit for sending a response; for an event stream, each part of it.
    pub send_timeout: Duration,
    /// Time after an HTTP/1 request within which a client that closes its sending side still waits for the response. A client
    /// that closes it later has disconnected, and no further call to Graph is made for it.
    pub half_close_window: Duration,
}

/// The usual [`ConnectionLimits::half_close_window`].
pub const HALF_CLOSE_WINDOW: Duration = Duration::from_millis(10);

/// Listens on `address`, with an accept queue of `backlog` connections. The system may cap that (Linux:
/// `net.core.somaxconn`). If the queue is full, clients retry after a second.
///
/// # Errors
///
/// If the address cannot be bound.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Allows a restart while connections of the previous process are in TIME_WAIT.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// Maximum number of concurrent requests on an HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Maximum number of streams that a client has reset before they were accepted; more of them are an attack.
const MAX_RESETS: usize = 20;

/// A listener, TLS for its connections, and the threads that serve them.
pub(super) struct Endpoint<'w> {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Tls>,
    /// If `None`, the runtime that accepts connections serves them too.
    pub(super) workers: Option<&'w Workers>,
}

/// Serves `router`, which responds within `max_request_time`, on every connection to `endpoint`. Incomplete request heads are
/// counted in `memory`. When `shutdown` resolves, no further connection is accepted, open ones finish their requests in flight,
/// and then this returns, at the latest after `drain_timeout`.
pub(super) async fn serve(
    endpoint: Endpoint<'_>,
    router: Router,
    limits: ConnectionLimits,
    memory: &Arc<MemoryBudget>,
    max_request_time: Duration,
    shutdown: impl Future<Output = ()>,
    drain_timeout: Duration,
) {
    let Endpoint { listener, tls, workers } = endpoint;
    let ConnectionLimits { max_connections, header_timeout, idle_timeout, send_timeout, half_close_window } =
        limits;
    let timeouts = ConnectionTimeouts {
        header_timeout,
        idle_timeout,
        send_timeout,
        half_close_window,
        max_request_time,
    };
    let mut shutdown = pin!(shutdown);
    let mut http = auto::Builder::new(StreamExecutor);
    // hyper's timeout for a head would also close connections between two requests: see `connection`.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES as usize)
        // A client that closes its sending side may still wait for its response.
        .half_close(true);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS);
    let http = Arc::new(http);
    let permits = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    let (open, draining) = (TaskTracker::new(), CancellationToken::new());
    let mut has_failed = false;

    loop {
        let accept = async {
            let permit = Arc::clone(&permits).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, permit)
        };
        let (stream, permit) = tokio::select! {
            (accepted, permit) = accept => match accepted {
                Ok((stream, _peer)) => (stream, permit),
                Err(error) => {
                    handle_accept_error(&error, &mut has_failed).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        has_failed = false;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "an accepted connection was already closed");
            continue;
        }
        let (http, router, tls) = (Arc::clone(&http), router.clone(), tls.clone());
        let draining = draining.clone();
        let memory = Arc::clone(memory);
        let token = open.token();
        let Some((worker, assigned)) = workers.and_then(Workers::assign) else {
            tokio::spawn(async move {
                let permit = ConnectionPermit::new(permit, token, None);
                let Some(stream) = handshake(stream, tls, header_timeout, &draining).await else { return };
                connection::serve(stream, permit, &http, router, timeouts, &memory, draining).await;
            });
            continue;
        };
        // A connection belongs to the runtime that it was registered with.
        let stream = stream.into_std();
        worker.spawn(async move {
            let permit = ConnectionPermit::new(permit, token, Some(assigned));
            match stream.and_then(TcpStream::from_std) {
                Ok(stream) => {
                    let Some(stream) = handshake(stream, tls, header_timeout, &draining).await else {
                        return;
                    };
                    connection::serve(stream, permit, &http, router, timeouts, &memory, draining).await;
                }
                Err(error) => debug!(%error, "an accepted connection was already closed"),
            }
        });
    }
    drop(listener);
    draining.cancel();
    open.close();
    if tokio::time::timeout(drain_timeout, open.wait()).await.is_err() {
        warn!("the drain timeout ended; open connections are closed");
    }
}

/// Running out of file descriptors passes when connections are closed, and is logged once until then. Other errors concern only
/// the connection that was not accepted.
async fn handle_accept_error(error: &io::Error, has_failed: &mut bool) {
    let is_of_one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !is_of_one_connection {
        if !std::mem::replace(has_failed, true) {
            warn!(%error, "connections cannot be accepted");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Completes the TLS handshake of a connection, if there is TLS. `None` if it fails or takes longer than `timeout`, or the
/// gateway shuts down.
async fn handshake(
    stream: TcpStream,
    tls: Option<Tls>,
    timeout: Duration,
    draining: &CancellationToken,
) -> Option<ClientStream> {
    let Some(tls) = tls else { return Some(ClientStream::Plain(stream)) };
    let handshake = tokio::time::timeout(timeout, tls.accept(stream));
    match draining.run_until_cancelled(handshake).await? {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => {
            debug!("a TLS handshake took too long");
            None
        }
    }
}
