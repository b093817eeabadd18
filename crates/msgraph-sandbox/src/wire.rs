//! Connections, with an accept loop that lets a fault close or reset a connection at any point.

mod frames;
mod http1;
mod http2;
mod socket;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use http::uri::Scheme;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::socket::Socket;
use crate::faults::ActiveConnectionFaults;
use crate::record::ConnectionInfo;
use crate::response::CloseMode;
use crate::state::SandboxState;
use crate::tls;

/// Timeout for open exchanges at shutdown, because a fault can delay a response without end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause after a failed accept, usually because the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A connection, shared by its exchanges.
#[derive(Debug, Clone)]
struct Connection {
    state: Arc<SandboxState>,
    /// In the order in which connections were accepted, from 1.
    number: u64,
    scheme: Scheme,
    /// Whether to close with a TCP reset.
    reset: Arc<AtomicBool>,
    stopping: CancellationToken,
}

impl Connection {
    fn source(&self, is_http2: bool) -> ConnectionInfo {
        ConnectionInfo { connection: self.number, is_http2 }
    }
}

/// Serves the sandbox until `shutdown` completes, and then ends its open connections.
pub(crate) async fn serve(
    listener: TcpListener,
    state: Arc<SandboxState>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let acceptor = tls::acceptor(&state.service.settings)?;
    let stopping = CancellationToken::new();
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        // Remove finished connections, so that the set does not grow.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let faults = state.fault_plan.connection_faults(acceptor.is_some());
                if !faults.accept.is_zero() {
                    // Later connections wait in the listener's backlog.
                    tokio::select! {
                        () = tokio::time::sleep(faults.accept) => {}
                        () = &mut shutdown => break,
                    }
                }
                number += 1;
                let socket = Socket::new(stream);
                let connection = Connection {
                    state: Arc::clone(&state),
                    number,
                    scheme: if acceptor.is_some() { Scheme::HTTPS } else { Scheme::HTTP },
                    reset: Arc::clone(&socket.reset),
                    stopping: stopping.clone(),
                };
                connections.spawn(serve_connection(socket, acceptor.clone(), faults, connection));
            }
            Err(error) => {
                warn!(%error, "A connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.cancel();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_TIMEOUT, all_ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

async fn serve_connection(
    socket: Socket,
    acceptor: Option<TlsAcceptor>,
    faults: ActiveConnectionFaults,
    connection: Connection,
) {
    if let Some(close) = faults.close {
        connection.reset.store(close == CloseMode::Reset, Ordering::Relaxed);
        return;
    }
    let Some(acceptor) = acceptor else { return http1::serve(socket, connection).await };
    let handshake = async {
        tokio::time::sleep(faults.handshake).await;
        acceptor.accept(socket).await
    };
    let accepted = tokio::select! {
        accepted = handshake => accepted,
        () = connection.stopping.cancelled() => return,
    };
    match accepted {
        Ok(stream) if stream.get_ref().1.alpn_protocol() == Some(tls::H2) => {
            http2::serve(stream, connection).await;
        }
        Ok(stream) => http1::serve(stream, connection).await,
        Err(error) => debug!(%error, "A TLS handshake failed"),
    }
}

/// Whether a response with this status has a body and a length.
fn has_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
