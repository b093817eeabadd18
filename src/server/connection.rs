//! One client connection, from the accept until it is closed: by the client, because the client is too slow, or because the
//! gateway shuts down.
//!
//! hyper limits the size of a head, the number of HTTP/2 streams, and the time for an HTTP/1 head. It has no timeout for an idle
//! connection apart from that, none for sending a response, none for HTTP/2 requests, and none before the HTTP version is known.
//! Its HTTP/2 keep-alive closes connections that do not answer pings, but a client may answer pings without reading responses.
//! So the connection's timeouts are enforced here. `docs/decisions/connection-timeouts.md` has the details.
//!
//! - [`timeouts`]: when a connection is closed, given its [`requests`].
//! - [`tracked_io`] and [`streaming_body`] record progress in the [`tracker`], and so does the response's
//!   [`GuardedBody`] when it is dropped.
//! - [`unread_body`]: what a client has not read in time is dropped.
//! - [`half_close`]: whether a client that closes its sending side still waits.
//! - [`head_memory`]: the memory of incomplete request heads.

mod client_stream;
mod half_close;
mod head_memory;
mod requests;
mod stream_executor;
mod streaming_body;
mod timeouts;
mod tracked_io;
mod tracker;
mod unread_body;

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, ready};

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower::Service as _;
use tracing::debug;

pub(super) use self::client_stream::ClientStream;
pub(super) use self::head_memory::MAX_HEAD_BYTES;
use self::stream_executor::RequestStream;
pub(super) use self::stream_executor::StreamExecutor;
use self::streaming_body::StreamingBody;
pub(super) use self::streaming_body::StreamingResponse;
use self::timeouts::Closing;
pub(super) use self::timeouts::ConnectionTimeouts;
use self::tracked_io::TrackedIo;
pub(super) use self::tracker::ClientConnection;
use self::tracker::{ConnectionTracker, InFlightRequest};
use self::unread_body::UnreadBody;
use super::guarded_body::GuardedBody;
use super::workers::AssignedConnection;
use crate::memory::MemoryBudget;
use crate::telemetry::metrics;

/// A connection permit, held by the connection and by the WebSocket that it may become.
#[derive(Clone)]
pub(super) struct ConnectionPermit {
    _guards: Arc<(OwnedSemaphorePermit, metrics::GaugeGuard, TaskTrackerToken, Option<AssignedConnection>)>,
}

impl ConnectionPermit {
    /// Counts the connection in the metrics until the last clone is dropped, and keeps until then the semaphore's permit, the
    /// task tracker's token and the place on a worker.
    pub(super) fn new(
        permit: OwnedSemaphorePermit,
        token: TaskTrackerToken,
        assigned: Option<AssignedConnection>,
    ) -> Self {
        Self { _guards: Arc::new((permit, metrics::connection(), token, assigned)) }
    }
}

/// Serves requests on a connection until it ends, or becomes a WebSocket.
pub(super) async fn serve(
    stream: ClientStream,
    permit: ConnectionPermit,
    http: &auto::Builder<StreamExecutor>,
    router: Router,
    timeouts: ConnectionTimeouts,
    memory: &Arc<MemoryBudget>,
    draining: CancellationToken,
) {
    let stream = Arc::new(Mutex::new(stream));
    let tracker = Arc::new(ConnectionTracker::new(Arc::downgrade(&stream), memory.reservation()));
    let io = TokioIo::new(TrackedIo::new(stream, Arc::clone(&tracker)));
    let service = tower::service_fn({
        let tracker = Arc::clone(&tracker);
        move |mut request: Request<Incoming>| {
            let in_flight = InFlightRequest::begin(&tracker, request.version());
            request.extensions_mut().insert(ClientConnection::new(&tracker));
            request.extensions_mut().insert(permit.clone());
            let response = router.clone().call(request);
            async move {
                let response = response.await?;
                let is_streaming = response.extensions().get::<StreamingResponse>().is_some();
                Ok::<_, Infallible>(response.map(|body| {
                    let stream = RequestStream::current();
                    if is_streaming {
                        in_flight.response_ready(None, stream);
                        return Body::new(StreamingBody::new(body, in_flight));
                    }
                    let body = UnreadBody::new(body);
                    in_flight.response_ready(Some(body.clone()), stream);
                    Body::new(GuardedBody::new(Body::new(body), in_flight))
                }))
            }
        }
    });
    let service = TowerToHyperService::new(service);
    let mut connection = pin!(http.serve_connection_with_upgrades(io, service));
    let mut draining = pin!(draining.cancelled());
    let mut closing: Option<Closing> = None;
    let mut timer = pin!(sleep_until(Instant::now() + timeouts.header_timeout));
    poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                if let Err(error) = ended {
                    debug!(error, "a connection ended with an error");
                }
                return Poll::Ready(());
            }
            if tracker.poll_disconnected(timeouts.half_close_window, context).is_ready() {
                debug!("closing a connection: the client disconnected");
                return Poll::Ready(());
            }
            if closing.is_none() && draining.as_mut().poll(context).is_ready() {
                closing = Some(Closing { since: Instant::now(), is_client_slow: false });
                connection.as_mut().graceful_shutdown();
                continue;
            }
            let mut state = tracker.state();
            let deadline = match closing {
                None => timeouts.close_deadline(&state.requests),
                Some(closing) => Some(timeouts.drain_deadline(&state.requests, closing)),
            };
            let unread_deadline = state.requests.oldest_unread().map(|since| since + timeouts.send_timeout);
            let earliest = deadline.into_iter().chain(unread_deadline).min();
            // A later deadline is set when the timer fires, so that most requests do not set it.
            if let Some(earliest) = earliest
                && earliest < timer.deadline()
            {
                timer.as_mut().reset(earliest);
            }
            ready!(timer.as_mut().poll(context));
            let now = Instant::now();
            if deadline.into_iter().chain(unread_deadline).any(|deadline| deadline <= now)
                && state.requests.credit_progress()
            {
                // The client has read of a response that seemed to be due.
                continue;
            }
            if unread_deadline.is_some_and(|deadline| deadline <= now) {
                state.requests.abandon_unread(now - timeouts.send_timeout);
            }
            if closing.is_none()
                && deadline.is_some_and(|deadline| deadline <= now)
                && state.requests.reset_overdue(now - timeouts.send_timeout)
            {
                debug!("a stream was reset: the client reads it too slowly");
                continue;
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                if closing.is_some() || state.requests.can_be_cut() {
                    debug!("closing a connection: the client is too slow");
                    return Poll::Ready(());
                }
                // Shut down gracefully first, so that the client sends no more requests and those in flight are finished.
                closing = Some(Closing { since: now, is_client_slow: true });
                connection.as_mut().graceful_shutdown();
                continue;
            }
            let next = now + timeouts.header_timeout;
            let earliest =
                deadline.into_iter().chain(unread_deadline.filter(|deadline| *deadline > now)).min();
            timer.as_mut().reset(earliest.map_or(next, |earliest| earliest.min(next)));
        }
    })
    .await;
    tracker.finish();
}
