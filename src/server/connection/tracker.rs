//! The state of one connection. Its I/O and its requests record what happens; the task that serves it enforces the timeouts.

use std::io;
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Version;
use socket2::SockRef;
use tokio_util::sync::CancellationToken;

use super::client_stream::ClientStream;
use super::half_close::HalfClose;
use super::head_memory::HeadMemory;
use super::requests::Requests;
use super::stream_executor::RequestStream;
use super::unread_body::UnreadBody;
use crate::memory::{BudgetExceeded, Reservation};

#[derive(Debug)]
pub(super) struct ConnectionTracker {
    state: Mutex<State>,
    /// The connection's stream, until it is closed.
    stream: Weak<Mutex<ClientStream>>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) requests: Requests,
    head: HeadMemory,
    half_close: HalfClose,
}

/// The client of a request, an extension of the request.
#[derive(Debug, Clone)]
pub(crate) struct ClientConnection(Arc<ConnectionTracker>);

impl ClientConnection {
    pub(super) fn new(tracker: &Arc<ConnectionTracker>) -> Self {
        Self(Arc::clone(tracker))
    }

    /// Whether there are responses, event streams not counted, that the client has not read.
    pub(crate) fn has_unread_responses(&self) -> bool {
        self.0.state().requests.has_unread_responses()
    }

    /// Returns a token that is cancelled when the client disconnects. To be called when the request has been read and before
    /// it is executed. A client that has closed its sending side by then, or does so soon after, still waits for the response:
    /// whether the FIN came before the end of the request or with it is unknown.
    pub(crate) fn disconnect_token(&self) -> CancellationToken {
        let mut state = self.0.state();
        if !state.requests.is_http1() {
            return state.half_close.connection_token();
        }
        state.half_close.request_complete(|| matches!(self.0.peek(), Ok(0)))
    }
}

impl ConnectionTracker {
    /// Tracks a connection, whose incomplete request heads are counted in `head`.
    pub(super) fn new(stream: Weak<Mutex<ClientStream>>, head: Reservation) -> Self {
        let (requests, head, half_close) = (Requests::new(), HeadMemory::new(head), HalfClose::new());
        Self { state: Mutex::new(State { requests, head, half_close }), stream }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns `Ok(0)` if the client has closed its sending side.
    fn peek(&self) -> io::Result<usize> {
        let stream = self.stream.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        SockRef::from(lock(&stream).tcp()).peek(&mut [MaybeUninit::uninit()])
    }

    /// Ready if nothing more can be sent to the client: its connection is broken, or it has disconnected during an event
    /// stream. hyper reads nothing while an HTTP/1 request is in flight, so it does not detect that.
    pub(super) fn poll_disconnected(&self, window: Duration, context: &mut Context<'_>) -> Poll<()> {
        let state = &mut *self.state();
        if !state.requests.is_in_flight() || !state.requests.is_http1() {
            return Poll::Pending;
        }
        let is_streaming = state.requests.has_streaming_response();
        state.half_close.poll_disconnected(&self.stream, window, is_streaming, context)
    }

    /// Records a request whose head has been read.
    fn begin_request(&self, version: Version) -> u64 {
        let state = &mut *self.state();
        state.half_close.begin_request();
        state.head.release();
        state.requests.begin(version)
    }

    /// Records bytes that were received.
    pub(super) fn bytes_received(&self, bytes: usize) {
        let state = &mut *self.state();
        state.requests.bytes_received();
        if state.requests.is_reading_http1_head() {
            state.head.received(bytes);
        }
    }

    /// Counts the incomplete head that has been received.
    pub(super) fn count_head(&self) -> Result<(), BudgetExceeded> {
        self.state().head.count()
    }

    /// Records that the connection has ended, or has become a WebSocket.
    pub(super) fn finish(&self) {
        let state = &mut *self.state();
        state.requests.finish();
        state.head.release();
    }
}

/// A request in flight, until its response has been sent or is dropped.
pub(super) struct InFlightRequest {
    tracker: Arc<ConnectionTracker>,
    number: u64,
}

impl InFlightRequest {
    pub(super) fn begin(tracker: &Arc<ConnectionTracker>, version: Version) -> Self {
        Self { tracker: Arc::clone(tracker), number: tracker.begin_request(version) }
    }

    /// Records that the response is ready to be sent, with its body unless it is an event stream.
    pub(super) fn response_ready(&self, body: Option<UnreadBody>, stream: Option<RequestStream>) {
        self.tracker.state().requests.response_ready(self.number, body, stream);
    }

    /// Records that the client has taken a part of an event stream.
    pub(super) fn record_progress(&self) {
        self.tracker.state().requests.record_progress(self.number);
    }
}

impl Drop for InFlightRequest {
    fn drop(&mut self) {
        self.tracker.state().requests.end(self.number);
    }
}

pub(super) fn lock(stream: &Mutex<ClientStream>) -> MutexGuard<'_, ClientStream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
