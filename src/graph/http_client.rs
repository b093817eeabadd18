//! Sends one request on a connection of the pool and returns the result.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::Either;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::error::Error;
use super::pool::{ConnectionLease, LeasedConnection, Pool};
use super::request::Request;
use super::send_gate::SendGate;

/// How often a request that a connection returned unwritten is passed to another connection.
const MAX_HANDOVERS: usize = 4;

/// Sends requests to one origin.
pub(super) struct HttpClient {
    pool: Pool,
    /// Maximum wait for a response, after which the connection gets no further requests.
    attempt_timeout: Duration,
}

/// A response whose body has not been read.
pub(super) struct PendingResponse {
    pub(super) response: http::Response<Incoming>,
    lease: ConnectionLease,
    due: Instant,
}

/// Why there is no response.
pub(super) struct Failure {
    pub(super) error: Error,
    /// Whether the connection had carried requests before: it may have been closing already.
    pub(super) was_reused: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, was_reused: false }
    }
}

impl HttpClient {
    /// A client of the pool's origin.
    pub(super) fn new(pool: Pool, attempt_timeout: Duration) -> Self {
        Self { pool, attempt_timeout }
    }

    /// Opens a connection of the current runtime before a request needs it.
    pub(super) async fn open_early(&self) {
        self.pool.open_early().await;
    }

    /// Sends the request, and waits for the head of the response: for a read as long as the attempt may take, for a write
    /// without end, since its outcome is wanted.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], [`Error::BreakerOpen`], [`Error::Withdrawn`] and [`Error::Unprocessed`]
    /// if Graph did nothing; [`Error::Transport`], and for a read [`Error::Timeout`], if it may
    /// have.
    pub(super) async fn send(&self, request: &Request) -> Result<PendingResponse, Failure> {
        let mut handovers = 0;
        loop {
            let mut lease = self.pool.acquire().await?;
            let due = Instant::now() + self.attempt_timeout;
            let Some(connection) = lease.connection() else {
                return Err(Error::Internal("a lease without its connection").into());
            };
            let (was_reused, response) = match connection {
                LeasedConnection::Http1(_) if !request.may_go_to_http1() => {
                    return Err(Error::Withdrawn.into());
                }
                LeasedConnection::Http1(connection) => {
                    let request = request.to_http1(self.pool.connector().host());
                    (connection.take_used(), Either::Left(connection.sender.try_send_request(request)))
                }
                LeasedConnection::Http2(connection) => {
                    let request = request.to_http2(self.pool.connector().origin());
                    (connection.is_used(), Either::Right(connection.sender().try_send_request(request)))
                }
            };
            let response = watch(&lease, due, request.gate.is_none(), pin!(response)).await;
            let error = match response {
                None => return Err(Error::Timeout.into()),
                Some(Ok(response)) => {
                    // After a complete response, the rest of the request is not sent.
                    if let Some(gate) = &request.gate {
                        gate.close();
                    }
                    return Ok(PendingResponse { response, lease, due });
                }
                Some(Err(error)) => error,
            };
            let was_written = error.message().is_none();
            let error = error.into_error();
            let is_withdrawn = request.gate.as_ref().is_some_and(|gate| !gate.is_sent() && !gate.reopen());
            if is_withdrawn {
                return Err(Error::Withdrawn.into());
            }
            let was_sent = request.gate.as_ref().is_none_or(SendGate::is_sent);
            let refusal = Refusal::of(&error);
            if refusal.is_some() || !was_written || !was_sent {
                if refusal != Some(Refusal::Stream) {
                    lease.retire();
                }
                handovers += 1;
                if !was_written && handovers < MAX_HANDOVERS {
                    continue;
                }
                return Err(Error::Unprocessed(Arc::new(error)).into());
            }
            if was_reused {
                self.pool.forget_idle();
            }
            return Err(Failure { error: Error::Transport(Arc::new(error)), was_reused });
        }
    }
}

impl PendingResponse {
    /// Reads the body by `read`, with the same times as [`HttpClient::send`]. `None` for a read that took too long.
    pub(super) async fn read<T, F: Future<Output = T>>(
        self,
        gives_up: bool,
        read: impl FnOnce(http::Response<Incoming>) -> F,
    ) -> Option<T> {
        let Self { response, lease, due } = self;
        watch(&lease, due, gives_up, pin!(read(response))).await
    }
}

/// Waits for part of a response. If it is overdue, the connection gets no further requests; `None`
/// if the wait ends. The part is pinned by the caller: this future would have room for it twice.
async fn watch<T>(
    lease: &ConnectionLease,
    due: Instant,
    gives_up: bool,
    mut part: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    match tokio::time::timeout_at(due, part.as_mut()).await {
        Ok(part) => Some(part),
        Err(_elapsed) => {
            lease.retire();
            if gives_up { None } else { Some(part.await) }
        }
    }
}

/// How a server promises that it did nothing with a request (RFC 9113, section 8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It refused the stream. It may accept another.
    Stream,
    /// The connection is closing, and the stream is above the last one that is processed.
    Connection,
}

impl Refusal {
    fn of(error: &hyper::Error) -> Option<Self> {
        let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
        let error = causes.filter_map(|cause| cause.downcast_ref::<h2::Error>()).next()?;
        if !error.is_remote() {
            return None;
        }
        // The library does not report that a closing server still processes a stream.
        let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        if is_refused { Some(Self::Stream) } else { error.is_go_away().then_some(Self::Connection) }
    }
}
