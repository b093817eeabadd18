//! Connections: an accept loop of our own, so that a fault can really close or reset one at any point.

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
use crate::answer::Close;
use crate::faults::ActiveConnectionFaults;
use crate::record::Source;
use crate::state::SandboxState;
use crate::tls;

/// Longest wait for open exchanges at shutdown; a slow answer may be meant to last for ever.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);
/// Pause after a failed accept, which mostly means that the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the exchanges of one connection share.
#[derive(Debug, Clone)]
struct Connection {
    state: Arc<SandboxState>,
    /// From 1 on, in the order in which they were accepted.
    number: u64,
    scheme: Scheme,
    /// Whether it is to end with a reset.
    reset: Arc<AtomicBool>,
    stopping: CancellationToken,
}

impl Connection {
    fn source(&self, is_http2: bool) -> Source {
        Source { connection: self.number, is_http2 }
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
        // Connections that ended leave the set here, so that it does not grow with their number.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let faults = state.fault_plan.connection_faults(acceptor.is_some());
                if !faults.accept.is_zero() {
                    // Those behind it wait in the listener's queue.
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
                connections.spawn(connect(socket, acceptor.clone(), faults, connection));
            }
            Err(error) => {
                warn!(%error, "The sandbox could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stopping.cancel();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_WAIT, all_ended).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

async fn connect(
    socket: Socket,
    acceptor: Option<TlsAcceptor>,
    faults: ActiveConnectionFaults,
    connection: Connection,
) {
    if let Some(close) = faults.close {
        connection.reset.store(close == Close::Reset, Ordering::Relaxed);
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
        Err(error) => debug!(%error, "A TLS handshake with the sandbox failed"),
    }
}

/// Whether an answer of this status has a body, and with it a length.
fn has_body(status: StatusCode) -> bool {
    !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
