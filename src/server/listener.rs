//! Accepts connections and serves HTTP/1.1 and cleartext HTTP/2 on them, until told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::connection::{self, MAX_HEAD, Patience, Place};
use crate::memory::MemoryBudget;
use crate::telemetry::metrics;

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

/// The usual [`ConnectionLimits::half_close`].
pub const HALF_CLOSE_WINDOW: Duration = Duration::from_millis(10);

/// Listens on `address`, with room for `backlog` connections that have not been accepted yet. The system may cap that
/// (Linux: `net.core.somaxconn`). A client that finds the queue full tries again after a second.
///
/// # Errors
///
/// Where the address cannot be bound.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A gateway that starts again need not wait for its old connections to be forgotten.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// Most requests that one connection may have under way by HTTP/2.
const MOST_STREAMS: u32 = 128;
/// Most streams that a client has reset before they were looked at: more of them is an attack.
const MOST_RESETS: usize = 20;

/// Serves `router`, which takes no longer than `longest_request` for an answer, on every connection to `listener`; what
/// comes of unfinished heads is counted in `memory`. When `shutdown` resolves, no further connection is taken, those
/// that are open finish the request that they are at, and then this returns; at the latest after `drain`, since a client
/// that stops sending or reading would never finish.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    memory: &Arc<MemoryBudget>,
    longest_request: Duration,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let ConnectionLimits { max_connections, header_timeout, idle_timeout, send_timeout, half_close_window } =
        limits;
    let patience =
        Patience { header_timeout, idle_timeout, send_timeout, half_close_window, longest_request };
    let mut shutdown = pin!(shutdown);
    let mut http = auto::Builder::new(TokioExecutor::new());
    // Each connection keeps its own time-outs: the library's for a head would also end connections between two requests.
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD as usize)
        // A client that says that it will send nothing more may wait for its response.
        .half_close(true);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_RESETS);
    let http = Arc::new(http);
    let room = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    let (open, stopping) = (TaskTracker::new(), CancellationToken::new());
    let mut is_short = false;

    loop {
        let accept = async {
            // Never closed, so that there is always room in the end.
            let place = Arc::clone(&room).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (stream, place) = tokio::select! {
            (accepted, place) = accept => match accepted {
                Ok((stream, _peer)) => (stream, place),
                Err(error) => {
                    refused(&error, &mut is_short).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        is_short = false;
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection was gone at once");
            continue;
        }
        let (http, router, stopping) = (Arc::clone(&http), router.clone(), stopping.clone());
        let memory = Arc::clone(memory);
        let place = Place::new((place, metrics::connection(), open.token()));
        open.spawn(async move {
            connection::serve(stream, place, &http, router, patience, &memory, stopping).await;
        });
    }
    drop(listener);
    stopping.cancel();
    open.close();
    if tokio::time::timeout(drain, open.wait()).await.is_err() {
        warn!("connections are cut that did not end in time");
    }
}

/// Running out of file descriptors passes when connections close, and is told once until then; anything else that fails
/// an accept concerns that one connection.
async fn refused(error: &io::Error, is_short: &mut bool) {
    let of_the_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !of_the_connection {
        if !std::mem::replace(is_short, true) {
            warn!(%error, "no connection can be accepted");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
