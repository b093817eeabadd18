//! Outgoing messages of one operation of a WebSocket, and the memory that they take until they have been sent.

use std::sync::Arc;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::message::ServerMessage;
use crate::memory::{MemoryBudget, MemoryShare, Reservation};
use crate::server::graphql::execution::ExecutionResult;
use crate::server::graphql::rejection::RequestRejection;
use crate::server::graphql::response::GraphqlResponse;

/// A message of an operation.
pub(super) struct OutgoingMessage {
    /// The operation's id.
    pub(super) id: Arc<str>,
    /// `None` if the operation ends without a message.
    pub(super) text: Option<String>,
    /// Whether it is the operation's last one.
    pub(super) is_last: bool,
    /// Whether its response says that Microsoft Graph refused the token.
    pub(super) token_refused: Option<TokenRefused>,
    /// The memory of a message that holds a response.
    pub(super) buffered: Option<BufferedBytes>,
}

impl OutgoingMessage {
    fn new(id: &Arc<str>, message: &ServerMessage<'_, impl Serialize>) -> Self {
        Self {
            id: Arc::clone(id),
            text: message.to_text(),
            is_last: false,
            token_refused: None,
            buffered: None,
        }
    }

    fn last(self) -> Self {
        Self { is_last: true, ..self }
    }
}

/// A response with the error that Microsoft Graph refused the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenRefused {
    /// Of a query, a mutation, or a subscription that could not start. The operation ends.
    AtOnce,
    /// Of an event. The client subscribes again on its next connection.
    WithinSubscription,
}

/// Counts the responses that have not been sent, of this client and of all.
#[derive(Clone)]
pub(super) struct SendBuffer {
    own: Arc<MemoryBudget>,
    shared: Arc<MemoryBudget>,
    /// The caller's part of `shared`.
    share: MemoryShare,
}

/// The memory of one of these responses.
pub(super) struct BufferedBytes {
    _own: Reservation,
    _shared: Reservation,
}

impl SendBuffer {
    /// An empty buffer, whose responses also count toward `shared`.
    pub(super) fn new(shared: Arc<MemoryBudget>) -> Self {
        Self { own: MemoryBudget::new(usize::MAX), shared, share: MemoryShare::default() }
    }

    /// Counts responses toward the part of a caller from now on.
    pub(super) fn set_share(&mut self, share: MemoryShare) {
        self.share = share;
    }

    fn add(&self, text: &str) -> BufferedBytes {
        let hold = |memory: &Arc<MemoryBudget>| {
            let mut reservation = memory.reservation_of(self.share);
            reservation.force_reserve(text.len());
            reservation
        };
        BufferedBytes { _own: hold(&self.own), _shared: hold(&self.shared) }
    }

    /// Whether all clients together, or this caller, use as much as they may, and this client uses some of it.
    pub(super) fn is_full(&self) -> bool {
        self.shared.is_full(self.share) && !self.own.is_empty()
    }
}

/// All messages of an operation. A subscription keeps the memory of its request, `reservation`, until it ends.
pub(super) fn outgoing_messages(
    id: Arc<str>,
    execution: Result<ExecutionResult, RequestRejection>,
    send_buffer: SendBuffer,
    ending: CancellationToken,
) -> BoxStream<'static, OutgoingMessage> {
    let complete: ServerMessage<'_> = ServerMessage::Complete { id: &id };
    let complete = OutgoingMessage::new(&id, &complete).last();
    match execution {
        Ok(ExecutionResult::Single(response)) => {
            stream::iter([next(&id, &response, &send_buffer, TokenRefused::AtOnce), complete]).boxed()
        }
        Ok(ExecutionResult::Stream(responses)) => {
            let messages = responses
                .map(move |response| {
                    let refusal = match response.has_data() {
                        true => TokenRefused::WithinSubscription,
                        false => TokenRefused::AtOnce,
                    };
                    next(&id, &response, &send_buffer, refusal)
                })
                .take_until(ending.clone().cancelled_owned());
            // Without a `complete` message the client subscribes again, at another gateway.
            let last = async move {
                let text = complete.text.filter(|_| !ending.is_cancelled());
                OutgoingMessage { text, ..complete }
            };
            messages.chain(stream::once(last)).boxed()
        }
        Err(rejection) => {
            let error = ServerMessage::Error { id: &id, payload: rejection.errors() };
            stream::iter([OutgoingMessage::new(&id, &error).last()]).boxed()
        }
    }
}

/// The message of a response, which has this refusal if the token was refused.
fn next(
    id: &Arc<str>,
    response: &GraphqlResponse,
    send_buffer: &SendBuffer,
    refusal: TokenRefused,
) -> OutgoingMessage {
    let message = OutgoingMessage::new(id, &ServerMessage::Next { id, payload: response });
    let token_refused = response.is_unauthenticated().then_some(refusal);
    OutgoingMessage {
        token_refused,
        buffered: message.text.as_deref().map(|text| send_buffer.add(text)),
        ..message
    }
}
