//! One connection, from when it is accepted to when it is closed: by its client, because its client is too slow, or
//! because the gateway stops. How long a request may take to execute is not decided here.

use std::any::Any;
use std::future::{Future as _, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use bytes::Bytes;
use http::{Request, Version};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::Service as _;
use tracing::debug;

use super::kept::Kept;
use crate::memory::{BudgetExceeded, MemoryBudget, Reservation};
use crate::telemetry::metrics::{self, Overloaded};

/// How long a client may take over what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// For the head of a request, from its first byte; of the first request, from when the connection was accepted.
    pub(super) header_timeout: Duration,
    /// Without a request.
    pub(super) idle_timeout: Duration,
    /// To take an answer, all of it; of an endless one, each piece.
    pub(super) send_timeout: Duration,
    /// After a request, to close the sending side and still be taken to wait for the response.
    pub(super) half_close_window: Duration,
    /// What the gateway itself takes to make an answer, at most.
    pub(super) longest_request: Duration,
}

/// Keeps a connection's place taken: by it, and by the WebSocket that it may become.
#[derive(Clone)]
pub(super) struct Place {
    _taken: Arc<dyn Any + Send + Sync>,
}

impl Place {
    /// The place is free when `taken` is dropped.
    pub(super) fn new(taken: impl Send + Sync + 'static) -> Self {
        Self { _taken: Arc::new(taken) }
    }
}

/// Serves requests on a connection until it ends, or becomes a WebSocket.
pub(super) async fn serve(
    stream: TcpStream,
    place: Place,
    http: &auto::Builder<TokioExecutor>,
    router: Router,
    patience: Patience,
    memory: &Arc<MemoryBudget>,
    stopping: CancellationToken,
) {
    let stream = Arc::new(Mutex::new(stream));
    let activity = Arc::new(Activity::new(Arc::downgrade(&stream), memory.reservation()));
    let stream = Observed { stream, activity: Arc::clone(&activity) };
    let service = tower::service_fn({
        let activity = Arc::clone(&activity);
        move |mut request: Request<Incoming>| {
            let under_way = UnderWay::begin(&activity, request.version());
            request.extensions_mut().insert(Client(Arc::clone(&activity)));
            request.extensions_mut().insert(place.clone());
            let answer = router.clone().call(request);
            async move {
                let answer = answer.await?;
                let is_streaming = answer.extensions().get::<StreamingResponse>().is_some();
                under_way.answered(is_streaming);
                Ok::<_, std::convert::Infallible>(answer.map(|body| match is_streaming {
                    true => Body::new(Streamed { body, under_way }),
                    false => Body::new(Kept::new(body, under_way)),
                }))
            }
        }
    });
    let service = TowerToHyperService::new(service);
    let mut connection = pin!(http.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let mut stopping = pin!(stopping.cancelled());
    let mut ending_since = None;
    let mut look = pin!(sleep_until(Instant::now() + patience.header_timeout));
    poll_fn(|context| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(context) {
                if let Err(error) = ended {
                    debug!(error, "a connection ended with an error");
                }
                return Poll::Ready(());
            }
            if activity.poll_lost(patience.half_close_window, context).is_ready() {
                debug!("a connection is closed whose client has left");
                return Poll::Ready(());
            }
            if ending_since.is_none() && stopping.as_mut().poll(context).is_ready() {
                ending_since = Some(Instant::now());
                connection.as_mut().graceful_shutdown();
                continue;
            }
            // Looked at from time to time rather than at each byte that moves: a client that is too slow is found out
            // after one more `header_timeout` at the latest.
            ready!(look.as_mut().poll(context));
            let now = Instant::now();
            let state = activity.state();
            let due = match ending_since {
                None => state.due(patience),
                Some(since) => Some(state.ends(since, patience)),
            };
            if due.is_some_and(|due| due <= now) {
                if ending_since.is_some() || state.may_be_cut() {
                    debug!("a connection is closed whose client is too slow");
                    return Poll::Ready(());
                }
                // Told to the client first, so that it asks for nothing more, and what it has asked for is answered.
                ending_since = Some(now);
                connection.as_mut().graceful_shutdown();
            }
            let next = now + patience.header_timeout;
            look.as_mut().reset(due.filter(|due| *due > now).map_or(next, |due| due.min(next)));
        }
    })
    .await;
    let mut state = activity.state();
    state.is_upgraded = true;
    state.forget_head();
}

/// Most bytes of a request's head.
pub(super) const MAX_HEAD: u32 = 64 * 1024;
/// Bytes of each unfinished head that are not counted: those of most requests.
const UNCOUNTED_HEAD: usize = 8 * 1024;

/// How long calls to Graph may begin for a client that closed its sending side together with its request, from when both
/// have come. It may as well have closed the whole connection.
const HALF_CLOSE_GRACE: Duration = Duration::from_millis(500);

/// What a connection is at: its stream and its requests tell, and whoever watches it asks.
#[derive(Debug)]
struct Activity {
    state: Mutex<State>,
    /// The connection's stream, for as long as it is open.
    stream: Weak<Mutex<TcpStream>>,
    /// Cancelled when the client leaves while a request is under way.
    left: CancellationToken,
}

/// The client's sending side of a connection by HTTP/1, as far as it is known while a request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendingSide {
    Open,
    /// Closed together with a request: the client waits for the response, at least while there is a `grace`.
    ClosedWithRequest,
    /// Closed later: nothing says that the client still waits.
    ClosedLater,
}

#[derive(Debug)]
struct State {
    /// Bytes of a head that has not come whole, how many of them are counted, and the memory that they take.
    head: usize,
    head_counted: usize,
    head_held: Reservation,
    /// It has become something else.
    is_upgraded: bool,
    sending_side: SendingSide,
    /// When the request that is under way had come whole; `None` while it has not.
    complete_since: Option<Instant>,
    /// The time in which calls may begin for a client that closed its sending side together with that request.
    grace: Option<Pin<Box<Sleep>>>,
    /// Cancelled when no more of them may begin.
    departure: CancellationToken,
    /// Since when there has been no request.
    idle_since: Instant,
    /// When the first byte of a request came after that.
    head_begun: Option<Instant>,
    /// The HTTP version of the first request; `None` until it has come.
    version: Option<Version>,
    /// Requests whose heads have come, and whose answers have not been sent in full.
    requests: usize,
    /// Those of them whose answers are ready: those that have been ready for longest first.
    answers: Vec<Ready>,
    /// The number of the next request.
    next: u64,
}

/// An answer that is ready, or of which a piece is.
#[derive(Debug)]
struct Ready {
    /// The request's.
    number: u64,
    since: Instant,
    is_streaming: bool,
}

/// Marks an answer that goes on for as long as its client likes.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamingResponse;

/// The client of a request, as the connection knows it.
#[derive(Debug, Clone)]
pub(super) struct Client(Arc<Activity>);

impl Client {
    /// Whether it has answers yet to take.
    pub(super) fn has_unread_responses(&self) -> bool {
        self.0.state().answers.iter().any(|answer| !answer.is_streaming)
    }

    /// A token that is cancelled when the client leaves, to be asked for when its request has come whole and before that is
    /// executed. A client that has closed its sending side by then, or soon after, has only said that nothing more will
    /// come: whether that came before the end of the request or with it cannot be told.
    pub(super) fn departure(&self) -> CancellationToken {
        let departure = self.0.left.child_token();
        let mut state = self.0.state();
        if !state.is_http1() {
            return departure;
        }
        state.complete_since = Some(Instant::now());
        state.departure = departure.clone();
        if state.sending_side == SendingSide::Open && matches!(self.0.peek(), Ok(0)) {
            state.sending_side = SendingSide::ClosedWithRequest;
        }
        // Also of a request that was sent behind the one with which the sending side was found closed.
        if state.sending_side == SendingSide::ClosedWithRequest {
            state.begin_grace();
        }
        departure
    }
}

impl Activity {
    fn new(stream: Weak<Mutex<TcpStream>>, head_held: Reservation) -> Self {
        let left = CancellationToken::new();
        let state = Mutex::new(State {
            head: 0,
            head_counted: 0,
            head_held,
            is_upgraded: false,
            sending_side: SendingSide::Open,
            complete_since: None,
            grace: None,
            departure: left.clone(),
            idle_since: Instant::now(),
            head_begun: None,
            version: None,
            requests: 0,
            answers: Vec::new(),
            next: 0,
        });
        Self { state, stream, left }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks whether there is a byte to read: `Ok(0)` where there will be none.
    fn peek(&self) -> io::Result<usize> {
        let stream = self.stream.upgrade().ok_or(io::ErrorKind::NotConnected)?;
        SockRef::from(&*locked(&stream)).peek(&mut [MaybeUninit::uninit()])
    }

    /// Ready when nothing more can be sent to the client: its connection is broken, or it has left during an endless
    /// answer. By HTTP/1 the library reads nothing while a request is under way, so that it does not find that out.
    fn poll_lost(&self, half_close_window: Duration, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.requests == 0 || !state.is_http1() {
            return Poll::Pending;
        }
        if state.sending_side == SendingSide::Open {
            let Some(stream) = self.stream.upgrade() else { return Poll::Pending };
            let (mut byte, stream) = ([0], locked(&stream));
            match ready!(stream.poll_peek(context, &mut ReadBuf::new(&mut byte))) {
                // What has come has not been read yet: the rest of a body, or another request.
                Ok(1..) => return Poll::Pending,
                Ok(0) => match state.complete_since {
                    // It came before the request has been read to its end, or together with that: looked at again then.
                    None => return Poll::Pending,
                    Some(since) if since.elapsed() < half_close_window => {
                        state.sending_side = SendingSide::ClosedWithRequest;
                        state.begin_grace();
                    }
                    Some(_) => {
                        state.sending_side = SendingSide::ClosedLater;
                        self.left.cancel();
                    }
                },
                Err(_) => return Poll::Ready(()),
            }
        }
        if let Some(grace) = &mut state.grace {
            ready!(grace.as_mut().poll(context));
            state.grace = None;
            state.departure.cancel();
        }
        if state.sending_side != SendingSide::Open && state.answers.iter().any(|answer| answer.is_streaming) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl State {
    /// Whether its first request came by HTTP/1.
    fn is_http1(&self) -> bool {
        self.version.is_some_and(|version| version < Version::HTTP_2)
    }

    fn begin_grace(&mut self) {
        self.grace = Some(Box::pin(sleep(HALF_CLOSE_GRACE)));
    }

    /// Whether what comes belongs to the head of a request. By HTTP/2 that is known of the first one only; what others may
    /// take is bounded by the library for each connection.
    fn is_within_a_head(&self) -> bool {
        self.requests == 0
            && self.version.is_none_or(|version| version < Version::HTTP_2)
            && !self.is_upgraded
    }

    /// Counts what has come of a head.
    fn count_head(&mut self) -> Result<(), BudgetExceeded> {
        let counted = self.head.saturating_sub(UNCOUNTED_HEAD);
        if counted > self.head_counted {
            self.head_held.reserve(counted - self.head_counted)?;
            self.head_counted = counted;
        }
        Ok(())
    }

    fn forget_head(&mut self) {
        (self.head, self.head_counted) = (0, 0);
        self.head_held.release();
    }

    /// When the connection is to be closed if nothing changes; `None` while the gateway is what is waited for.
    fn due(&self, patience: Patience) -> Option<Instant> {
        if let Some(oldest) = self.answers.first() {
            return Some(oldest.since + patience.send_timeout);
        }
        if self.requests > 0 {
            return None;
        }
        Some(match (self.version, self.head_begun) {
            // A client that has not asked for anything yet is a stranger.
            (None, _) => self.idle_since + patience.header_timeout,
            // By HTTP/2 the first bytes may as well be a ping's, so that a slow head is as good as none.
            (Some(version), Some(begun)) if version < Version::HTTP_2 => begun + patience.header_timeout,
            (Some(_), _) => self.idle_since + patience.idle_timeout,
        })
    }

    /// When a connection is to be closed that has been ending since then: its requests are answered, and what is not taken
    /// soon after that is cut. At the latest when all must have been, since a client may go on asking.
    fn ends(&self, since: Instant, patience: Patience) -> Instant {
        let last = since + patience.longest_request + patience.send_timeout;
        if self.requests > self.answers.len() {
            return last;
        }
        let ready = self.answers.last().map_or(since, |newest| newest.since);
        last.min(ready.max(since) + patience.header_timeout)
    }

    /// Whether nothing that the client waits for is lost when the connection is cut: it has not asked for anything, or asks too
    /// slowly, or does not take the one answer that there is.
    fn may_be_cut(&self) -> bool {
        match self.requests {
            0 => self.version.is_none_or(|version| version < Version::HTTP_2 && self.head_begun.is_some()),
            requests => requests == 1 && self.answers.len() == 1,
        }
    }
}

/// A request, until its answer has been sent in full or given up.
struct UnderWay {
    activity: Arc<Activity>,
    number: u64,
}

impl UnderWay {
    fn begin(activity: &Arc<Activity>, version: Version) -> Self {
        let mut state = activity.state();
        let number = state.next;
        state.next += 1;
        state.requests += 1;
        state.version.get_or_insert(version);
        state.head_begun = None;
        (state.complete_since, state.grace) = (None, None);
        state.forget_head();
        drop(state);
        Self { activity: Arc::clone(activity), number }
    }

    fn answered(&self, is_streaming: bool) {
        let ready = Ready { number: self.number, since: Instant::now(), is_streaming };
        self.activity.state().answers.push(ready);
    }

    /// A piece of an endless answer has been taken.
    fn goes_on(&self) {
        let mut state = self.activity.state();
        state.answers.retain(|answer| answer.number != self.number);
        state.answers.push(Ready { number: self.number, since: Instant::now(), is_streaming: true });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.activity.state();
        state.requests -= 1;
        state.answers.retain(|answer| answer.number != self.number);
        if state.requests == 0 {
            state.idle_since = now;
        }
    }
}

/// An endless answer, each piece of which is given its time.
struct Streamed {
    body: Body,
    under_way: UnderWay,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let piece = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.under_way.goes_on();
        Poll::Ready(piece)
    }
}

/// A stream that tells when bytes come.
struct Observed {
    stream: Arc<Mutex<TcpStream>>,
    activity: Arc<Activity>,
}

fn locked(stream: &Mutex<TcpStream>) -> MutexGuard<'_, TcpStream> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Observed {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        // Where more is asked for, what has come of a head is not the whole. It is not counted as it comes, since the end of a
        // head may bring some of the body with it.
        if self.activity.state().count_head().is_err() {
            // There is nothing to answer yet, and where the memory is full, nobody to hold more for.
            metrics::refused(Overloaded::Memory);
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        let read = Pin::new(&mut *locked(&self.stream)).poll_read(context, buffer);
        let come = buffer.filled().len() - before;
        if come > 0 {
            let mut state = self.activity.state();
            if state.requests == 0 && state.head_begun.is_none() {
                state.head_begun = Some(Instant::now());
            }
            if state.is_within_a_head() {
                // No more of them are kept than a head may have: what goes beyond is refused, or no head.
                state.head = (state.head + come).min(MAX_HEAD as usize);
            }
        }
        read
    }
}

impl AsyncWrite for Observed {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *locked(&self.stream)).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *locked(&self.stream)).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        locked(&self.stream).is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *locked(&self.stream)).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *locked(&self.stream)).poll_shutdown(context)
    }
}
