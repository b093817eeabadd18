//! Connections to Graph: one at the start, further ones on demand, shared with HTTP/2, and never used beyond their limit.
//!
//! A request waits here until a connection has room for it, and never queues inside a connection.
//! Waiting requests can therefore be withdrawn, and one caller's slow requests do not delay
//! another's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use super::breaker::{Breaker, CallPermit};
use super::connect::Connector;
use super::connection::{Http1Connection, Http2Connection, OpenConnection, open};
use super::error::Error;

/// Maximum idle time after which a connection still serves a request. Graph closes idle connections
/// after some minutes, and a request on a closing connection is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum number of connections that are being opened. The requests in flight limit the open ones.
const MAX_CONNECTING: usize = 256;
/// Interval at which a waiting request checks for a free connection.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Maximum number of idle HTTP/1.1 connections.
const MAX_IDLE: usize = 512;

/// The connections to one origin. Cheap to clone; clones are the same pool.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    connector: Connector,
    connect_timeout: Duration,
    breaker: Arc<Breaker>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// HTTP/1.1 connections without a request, the one used last at the end.
    idle: VecDeque<(Http1Connection, Instant)>,
    /// HTTP/2 connections that take requests.
    shared: Vec<Arc<Http2Connection>>,
    /// Requests that wait for a connection, in order.
    waiting: VecDeque<oneshot::Sender<Result<ConnectionLease, Error>>>,
    connecting: usize,
    protocol: Protocol,
}

/// The protocol of previous connections. It determines how many connections to open for waiting
/// requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Protocol {
    /// No connection has been opened yet: one is, and shows.
    #[default]
    Unknown,
    Http1,
    /// So many requests at once on the latest connection.
    Http2 {
        streams: usize,
    },
}

impl Pool {
    /// A pool without any connection yet.
    pub(super) fn new(connector: Connector, connect_timeout: Duration) -> Self {
        // Without TLS there is no negotiation.
        let is_cleartext = connector.origin().scheme_str() == Some("http");
        let protocol = if is_cleartext { Protocol::Http1 } else { Protocol::Unknown };
        let state = Mutex::new(State { protocol, ..State::default() });
        let breaker = Arc::new(Breaker::new());
        Self(Arc::new(Inner { connector, connect_timeout, breaker, state }))
    }

    /// Waits for room on a connection.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] and [`Error::BreakerOpen`]; nothing was sent.
    pub(super) async fn acquire(&self) -> Result<ConnectionLease, Error> {
        let waiting = {
            let mut state = self.0.lock();
            match state.take(self) {
                Some(lease) => return Ok(lease),
                None => {
                    let refused = |retry_after| Error::BreakerOpen { retry_after };
                    self.0.breaker.check().map_err(refused)?;
                    let (sender, receiver) = oneshot::channel();
                    state.waiting.push_back(sender);
                    receiver
                }
            }
        };
        tokio::pin!(waiting);
        loop {
            self.serve_waiting();
            // A server that raises its limit does not notify waiting requests.
            if let Ok(lease) = tokio::time::timeout(LOOK_AGAIN, &mut waiting).await {
                return lease.unwrap_or(Err(Error::Internal("a request lost its place")));
            }
        }
    }

    /// The target of the connections.
    pub(super) fn connector(&self) -> &Connector {
        &self.0.connector
    }

    /// Drops the unused HTTP/1.1 connections: one of their age was found closed.
    pub(super) fn forget_idle(&self) {
        let idle = std::mem::take(&mut self.0.lock().idle);
        drop(idle);
    }

    /// Keeps a connection for further requests.
    fn put_back(&self, connection: Http1Connection) {
        self.0.lock().keep(connection);
        self.serve_waiting();
    }

    /// Assigns connections to waiting requests, and opens as many as they need.
    fn serve_waiting(&self) {
        loop {
            let next = {
                let mut state = self.0.lock();
                if state.waiting.is_empty() {
                    return;
                }
                state.forget_unusable();
                while state.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                    state.waiting.pop_front();
                }
                let Some(waiting) = state.waiting.pop_front() else { return };
                match state.take(self) {
                    Some(lease) => (waiting, lease),
                    None => {
                        state.waiting.push_front(waiting);
                        break;
                    }
                }
            };
            // If the waiting request was just dropped, the lease is dropped here, without the lock.
            let (waiting, lease) = next;
            drop(waiting.send(Ok(lease)));
        }
        self.open_for_waiting();
    }

    /// Opens connections for waiting requests that have none.
    fn open_for_waiting(&self) {
        loop {
            let mut state = self.0.lock();
            state.waiting.retain(|waiting| !waiting.is_closed());
            if state.connecting >= state.wanted() {
                return;
            }
            match self.0.breaker.try_acquire() {
                Ok(permit) => {
                    state.connecting += 1;
                    drop(state);
                    let pool = self.clone();
                    tokio::spawn(async move { pool.open_one(permit).await });
                }
                Err(retry_after) => {
                    // Requests with a pending connection keep their position.
                    let hopeful = state.connecting.saturating_mul(state.protocol.capacity());
                    let hopeful = hopeful.min(state.waiting.len());
                    let refused = state.waiting.split_off(hopeful);
                    drop(state);
                    for waiting in refused {
                        let _ = waiting.send(Err(Error::BreakerOpen { retry_after }));
                    }
                    return;
                }
            }
        }
    }

    /// Opens a connection of the current runtime before a request needs it. A failure has no consequence: the first request
    /// tries again.
    pub(super) async fn open_early(&self) {
        {
            let mut state = self.0.lock();
            if state.protocol == Protocol::Unknown && state.connecting > 0 {
                // With HTTP/2 one is enough for all.
                return;
            }
            state.connecting += 1;
        }
        let opened = self.connect().await;
        {
            let mut state = self.0.lock();
            state.connecting -= 1;
            match opened {
                Ok(connection) => state.add(connection),
                Err(error) => debug!(%error, "no connection to Microsoft Graph yet"),
            }
        }
        self.serve_waiting();
    }

    async fn open_one(&self, permit: CallPermit) {
        let opened = self.connect().await;
        match opened {
            Ok(_) => permit.connected(),
            Err(_) => permit.failed(),
        }
        {
            let mut state = self.0.lock();
            state.connecting -= 1;
            match opened {
                Ok(connection) => state.add(connection),
                Err(error) => {
                    // A connection failed: with HTTP/1.1 one request fails, otherwise all that wait
                    // for it.
                    let failed = match state.protocol {
                        Protocol::Http1 => state.waiting.len().min(1),
                        Protocol::Unknown | Protocol::Http2 { .. } => state.waiting.len(),
                    };
                    let failed: Vec<_> = state.waiting.drain(..failed).collect();
                    drop(state);
                    for waiting in failed {
                        let _ = waiting.send(Err(error.clone()));
                    }
                }
            }
        }
        self.serve_waiting();
    }

    /// Opens one connection.
    async fn connect(&self) -> Result<OpenConnection, Error> {
        let ended = Arc::downgrade(&self.0);
        let on_end = move || {
            if let Some(inner) = Weak::upgrade(&ended) {
                inner.lock().forget_unusable();
                Self(inner).serve_waiting();
            }
        };
        let opened = tokio::time::timeout(self.0.connect_timeout, open(&self.0.connector, on_end)).await;
        match opened {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(Error::Connect(error.into())),
            Err(_elapsed) => Err(Error::Connect(Arc::new(ConnectTimeout))),
        }
    }
}

/// The connection was not established in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection in time")]
struct ConnectTimeout;

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Protocol {
    /// Requests that a connection takes at once.
    fn capacity(self) -> usize {
        match self {
            Self::Unknown | Self::Http1 => 1,
            Self::Http2 { streams } => streams.max(1),
        }
    }
}

impl State {
    /// The number of connections to open for the waiting requests.
    fn wanted(&self) -> usize {
        // A server that takes no requests for now would take none on a further connection either.
        if self.shared.iter().any(|connection| connection.capacity() == 0) {
            return 0;
        }
        let wanted = self.waiting.len().div_ceil(self.protocol.capacity());
        match self.protocol {
            Protocol::Unknown => wanted.min(1),
            Protocol::Http1 | Protocol::Http2 { .. } => wanted.min(MAX_CONNECTING),
        }
    }

    /// A free place on a connection, if there is one: of this runtime's own connections, else of another's.
    fn take(&mut self, pool: &Pool) -> Option<ConnectionLease> {
        let now = Instant::now();
        let runtime = Handle::try_current().ok().map(|runtime| runtime.id());
        self.shared.retain(|connection| connection.is_usable(now, IDLE_TIMEOUT));
        let has_room = |connection: &&Arc<Http2Connection>| connection.has_room();
        let own = self.shared.iter().filter(|connection| connection.is_of(runtime)).find(has_room);
        if let Some(connection) = own.or_else(|| self.shared.iter().find(has_room)) {
            return Some(ConnectionLease::http2(pool, connection));
        }
        loop {
            let own = self.idle.iter().rposition(|(connection, _)| connection.is_of(runtime));
            let index = own.or_else(|| self.idle.len().checked_sub(1))?;
            let (connection, since) = self.idle.remove(index)?;
            if connection.is_usable() && now - since < IDLE_TIMEOUT {
                return Some(ConnectionLease::http1(pool, connection));
            }
        }
    }

    fn add(&mut self, connection: OpenConnection) {
        match connection {
            OpenConnection::Http1(connection) => {
                self.protocol = Protocol::Http1;
                self.keep(connection);
            }
            OpenConnection::Http2(connection) => {
                self.protocol = Protocol::Http2 { streams: connection.capacity() };
                self.shared.push(Arc::new(connection));
            }
        }
    }

    fn keep(&mut self, connection: Http1Connection) {
        let now = Instant::now();
        let is_old = |(_, since): &(Http1Connection, Instant)| now - *since >= IDLE_TIMEOUT;
        while self.idle.len() >= MAX_IDLE || self.idle.front().is_some_and(is_old) {
            self.idle.pop_front();
        }
        self.idle.push_back((connection, now));
    }

    /// Drops connections that have ended, were retired, or were idle for too long. Requests in
    /// flight on a retired connection continue, since each holds it.
    fn forget_unusable(&mut self) {
        let now = Instant::now();
        self.idle.retain(|(connection, since)| connection.is_usable() && now - *since < IDLE_TIMEOUT);
        self.shared.retain(|connection| connection.is_usable(now, IDLE_TIMEOUT));
    }
}

/// The use of a connection for one request, returned when this is dropped.
pub(super) struct ConnectionLease {
    pool: Pool,
    connection: Option<LeasedConnection>,
}

pub(super) enum LeasedConnection {
    Http1(Http1Connection),
    Http2(Arc<Http2Connection>),
}

impl ConnectionLease {
    fn http1(pool: &Pool, connection: Http1Connection) -> Self {
        Self { pool: pool.clone(), connection: Some(LeasedConnection::Http1(connection)) }
    }

    fn http2(pool: &Pool, connection: &Arc<Http2Connection>) -> Self {
        connection.occupy();
        Self { pool: pool.clone(), connection: Some(LeasedConnection::Http2(Arc::clone(connection))) }
    }

    /// The connection.
    pub(super) fn connection(&mut self) -> Option<&mut LeasedConnection> {
        self.connection.as_mut()
    }

    /// Assigns no further requests to the connection, because it did not respond in time.
    pub(super) fn retire(&self) {
        if let Some(LeasedConnection::Http2(connection)) = &self.connection {
            connection.retire();
        }
    }
}

impl Drop for ConnectionLease {
    fn drop(&mut self) {
        let pool = self.pool.clone();
        match self.connection.take() {
            Some(LeasedConnection::Http2(connection)) => {
                connection.release();
                drop(connection);
                pool.serve_waiting();
            }
            // Ready at once if the response was read completely, otherwise when its last bytes have
            // been read.
            Some(LeasedConnection::Http1(mut connection)) if connection.is_usable() => {
                if connection.is_ready() {
                    pool.put_back(connection);
                } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(async move {
                        if connection.ready().await {
                            pool.put_back(connection);
                        }
                    });
                }
            }
            Some(LeasedConnection::Http1(_)) | None => {}
        }
    }
}
