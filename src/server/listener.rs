//! Accepts connections and serves HTTP/1.1 and cleartext HTTP/2 on them, until told to stop.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::{debug, warn};

use super::idle::IdleTimeout;

/// What connections may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at a time; more wait in the system's queue.
    pub connections: usize,
    /// Longest wait for the head of a request.
    pub header_timeout: Duration,
    /// How long nothing may move on a connection; longer than any request takes.
    pub idle_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
        }
    }
}

/// Most bytes of a request's head.
const MOST_HEAD: u32 = 64 * 1024;
/// Most requests that one connection may have under way by HTTP/2.
const MOST_STREAMS: u32 = 128;
/// Most streams that a client has reset before they were looked at: more of them is an attack.
const MOST_RESETS: usize = 20;

/// Serves `router` on every connection to `listener`. When `shutdown` resolves, no further connection is taken, those
/// that are open finish the request that they are at, and then this returns; at the latest after `drain`, since a client
/// that stops sending or reading would never finish.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let mut shutdown = pin!(shutdown);
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MOST_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEAD)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_RESETS);
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));

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
                    refused(&error).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "a connection was gone at once");
            continue;
        }
        let service = TowerToHyperService::new(router.clone());
        let stream = IdleTimeout::new(stream, limits.idle_timeout);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                debug!(error, "a connection ended with an error");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        warn!("connections are cut that did not end in time");
    }
}

/// Running out of file descriptors passes when connections close; anything else that fails an accept concerns that
/// one connection.
async fn refused(error: &io::Error) {
    let of_the_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !of_the_connection {
        warn!(%error, "no connection can be accepted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
