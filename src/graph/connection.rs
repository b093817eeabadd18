//! One connection to Graph: HTTP/1.1 for one request at a time, HTTP/2 for as many as the server allows.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::runtime::{self, Handle};
use tokio::time::Instant;

use super::connect::{Connector, WatchedIo};
use super::request::RequestBody;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Maximum number of requests on one HTTP/2 connection, even if the server allows more. It limits
/// the requests that fail with a connection.
const MAX_STREAMS: usize = 100;
/// Until the server has sent its limit, one request may be sent.
const STREAMS_BEFORE_SETTINGS: usize = 1;
/// Interval and timeout of HTTP/2 pings.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time for the last bytes of a response, after which the connection is free.
const READY_TIMEOUT: Duration = Duration::from_secs(1);

/// A connection that was opened.
pub(super) enum OpenConnection {
    Http1(Http1Connection),
    Http2(Http2Connection),
}

/// Opens a connection. An HTTP/2 connection is open when the server's settings have been received
/// (RFC 9113, section 3.4), because they have the limit of requests. `on_end` is called when it has
/// ended.
///
/// # Errors
///
/// An error before anything of a request was sent.
pub(super) async fn open(
    connector: &Connector,
    on_end: impl FnOnce() + Send + 'static,
) -> Result<OpenConnection, BoxError> {
    let stream = connector.connect().await?;
    if !stream.is_http2 {
        let (sender, connection) = http1::handshake(stream.io).await?;
        tokio::spawn(async move {
            // The effect of an error depends on the request, which reports it.
            let _ = connection.await;
            on_end();
        });
        let runtime = Handle::current().id();
        return Ok(OpenConnection::Http1(Http1Connection { sender, runtime, is_used: false }));
    }
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_max_send_streams(STREAMS_BEFORE_SETTINGS)
        .handshake(stream.io)
        .await?;
    let driver = Arc::new(Driver(Mutex::new(Some(connection))));
    let driven = Arc::clone(&driver);
    tokio::spawn(async move {
        driven.run().await;
        on_end();
    });
    stream.first_read.wait().await;
    // The settings were in the bytes that were read, and apply a moment later. A limit of one is
    // indistinguishable from none.
    for _ in 0..SETTINGS_CHECKS {
        if sender.is_closed() || driver.max_streams() != STREAMS_BEFORE_SETTINGS {
            break;
        }
        tokio::time::sleep(SETTINGS_CHECK_INTERVAL).await;
    }
    Ok(OpenConnection::Http2(Http2Connection::new(sender, driver)))
}

/// Time in which the limit in the server's settings is awaited.
const SETTINGS_CHECKS: usize = 20;
const SETTINGS_CHECK_INTERVAL: Duration = Duration::from_millis(1);

type ConnectionFuture = http2::Connection<WatchedIo, RequestBody, TokioExecutor>;

/// Drives an HTTP/2 connection and reads the server's request limit. `None` when the connection has
/// ended: requests would wait in it otherwise.
struct Driver(Mutex<Option<ConnectionFuture>>);

impl Driver {
    async fn run(&self) {
        poll_fn(|cx| {
            let mut connection = self.lock();
            let Some(running) = connection.as_mut() else { return Poll::Ready(()) };
            // The effect of an error depends on the request, which reports it.
            if Pin::new(running).poll(cx).is_ready() {
                *connection = None;
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }

    /// The number of concurrent requests that the server currently allows.
    fn max_streams(&self) -> usize {
        self.lock().as_ref().map_or(0, |connection| connection.current_max_send_streams())
    }

    fn lock(&self) -> MutexGuard<'_, Option<ConnectionFuture>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An HTTP/1.1 connection, which carries one request at a time.
pub(super) struct Http1Connection {
    pub(super) sender: http1::SendRequest<RequestBody>,
    /// The runtime that moves it forward.
    runtime: runtime::Id,
    is_used: bool,
}

impl Http1Connection {
    /// Whether it may carry a further request.
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it is moved forward by this runtime: a request by another one wakes a thread twice.
    pub(super) fn is_of(&self, runtime: Option<runtime::Id>) -> bool {
        runtime == Some(self.runtime)
    }

    /// Whether it has carried a request before; from now on it has.
    pub(super) fn take_used(&mut self) -> bool {
        std::mem::replace(&mut self.is_used, true)
    }

    /// Waits until the last response has been read. Returns false if the connection ended first.
    pub(super) async fn ready(&mut self) -> bool {
        tokio::time::timeout(READY_TIMEOUT, self.sender.ready()).await.is_ok_and(|ready| ready.is_ok())
    }
}

/// An HTTP/2 connection, which carries several requests at a time.
pub(super) struct Http2Connection {
    sender: http2::SendRequest<RequestBody>,
    driver: Arc<Driver>,
    runtime: runtime::Id,
    in_flight: AtomicUsize,
    is_used: AtomicBool,
    is_retired: AtomicBool,
    last_used: Mutex<Instant>,
}

impl Http2Connection {
    fn new(sender: http2::SendRequest<RequestBody>, driver: Arc<Driver>) -> Self {
        Self {
            sender,
            driver,
            runtime: Handle::current().id(),
            in_flight: AtomicUsize::new(0),
            is_used: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            last_used: Mutex::new(Instant::now()),
        }
    }

    pub(super) fn sender(&self) -> http2::SendRequest<RequestBody> {
        self.sender.clone()
    }

    /// Whether this runtime polls the connection.
    pub(super) fn is_of(&self, runtime: Option<runtime::Id>) -> bool {
        runtime == Some(self.runtime)
    }

    /// The number of concurrent requests that the server currently allows; 0 if none.
    pub(super) fn capacity(&self) -> usize {
        self.driver.max_streams().min(MAX_STREAMS)
    }

    /// Whether it takes a further request now.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) < self.capacity()
    }

    /// Whether it may carry further requests, now or later.
    pub(super) fn is_usable(&self, now: Instant, idle_timeout: Duration) -> bool {
        if self.sender.is_closed() || self.is_retired.load(Ordering::Acquire) {
            return false;
        }
        let last_used = *self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = self.in_flight.load(Ordering::Acquire) == 0;
        !is_idle || now.saturating_duration_since(last_used) < idle_timeout
    }

    /// Takes room for a request. The pool's lock makes it one step with [`Self::has_room`].
    pub(super) fn occupy(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether it has received a response before.
    pub(super) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Acquire)
    }

    /// Gives back the room of a request.
    pub(super) fn release(&self) {
        self.is_used.store(true, Ordering::Release);
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// Gives it no further requests.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }
}
