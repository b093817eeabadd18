//! Clients that close their sending side during an HTTP/1 request: whether they still wait for the response, or have
//! disconnected. `docs/decisions/half-close.md` gives the reasons.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use super::client_stream::ClientStream;

/// Time for calls to Graph to begin for a client that closed its sending side with its request, from when both have been
/// received. It may have closed the whole connection.
const HALF_CLOSE_GRACE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct HalfClose {
    sending_side: SendingSide,
    /// When the request in flight had been read; `None` before that.
    request_complete_at: Option<Instant>,
    /// Ends the time in which calls may begin for a client that closed its sending side with that request.
    grace: Option<Pin<Box<Sleep>>>,
    /// Cancelled when no more calls may begin for that request.
    request_token: CancellationToken,
    /// Cancelled when the client disconnects during a request.
    connection_token: CancellationToken,
}

/// The client's sending side, as far as it is known while a request is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendingSide {
    Open,
    /// Closed with a request: the client waits for the response, at least until `grace` has passed.
    ClosedWithRequest,
    /// Closed later: the client has probably disconnected.
    ClosedLater,
}

impl HalfClose {
    pub(super) fn new() -> Self {
        let connection_token = CancellationToken::new();
        Self {
            sending_side: SendingSide::Open,
            request_complete_at: None,
            grace: None,
            request_token: connection_token.clone(),
            connection_token,
        }
    }

    /// A token that is cancelled when the client disconnects during a request.
    pub(super) fn connection_token(&self) -> CancellationToken {
        self.connection_token.child_token()
    }

    /// Records a request whose head has been read.
    pub(super) fn begin_request(&mut self) {
        (self.request_complete_at, self.grace) = (None, None);
    }

    /// Records that the request has been read, and returns the token that is cancelled when no more calls may begin for it.
    pub(super) fn request_complete(&mut self, is_closed: impl FnOnce() -> bool) -> CancellationToken {
        let token = self.connection_token();
        self.request_complete_at = Some(Instant::now());
        self.request_token = token.clone();
        if self.sending_side == SendingSide::Open && is_closed() {
            self.sending_side = SendingSide::ClosedWithRequest;
        }
        // Also for a pipelined request after the one with which the sending side was found closed.
        if self.sending_side == SendingSide::ClosedWithRequest {
            self.begin_grace();
        }
        token
    }

    /// Ready if nothing more can be sent to the client of the request in flight. A client that closed its sending side within
    /// `window` after the request still waits for its response, unless the response `is_streaming`.
    pub(super) fn poll_disconnected(
        &mut self,
        stream: &Weak<Mutex<ClientStream>>,
        window: Duration,
        is_streaming: bool,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        if self.sending_side == SendingSide::Open {
            let Some(stream) = stream.upgrade() else { return Poll::Pending };
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
            match ready!(stream.tcp().poll_peek(context, &mut ReadBuf::new(&mut [0]))) {
                // Unread bytes: the rest of a body, or another request.
                Ok(1..) => return Poll::Pending,
                Ok(0) => match self.request_complete_at {
                    // Closed before the request was read, or with it: `request_complete` checks again.
                    None => return Poll::Pending,
                    Some(at) if at.elapsed() < window => {
                        self.sending_side = SendingSide::ClosedWithRequest;
                        self.begin_grace();
                    }
                    Some(_) => {
                        self.sending_side = SendingSide::ClosedLater;
                        self.connection_token.cancel();
                    }
                },
                Err(_) => return Poll::Ready(()),
            }
        }
        if let Some(grace) = &mut self.grace {
            ready!(grace.as_mut().poll(context));
            self.grace = None;
            self.request_token.cancel();
        }
        if self.sending_side != SendingSide::Open && is_streaming {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    fn begin_grace(&mut self) {
        self.grace = Some(Box::pin(sleep(HALF_CLOSE_GRACE)));
    }
}
