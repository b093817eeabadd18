//! An open WebSocket: its messages, its operations, its pings and its closing.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, SelectAll, StreamExt as _};
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;

use super::decoder::{DiscardReason, IncomingMessage, Violation};
use super::message::{ClientMessage, MessagePrefix, ServerMessage};
use super::outgoing::{OutgoingMessage, SendBuffer, TokenRefused, outgoing_messages};
use super::socket::Socket;
use super::token::{StoredToken, closing_time};
use crate::memory::{BudgetExceeded, Reservation};
use crate::schema::GraphqlRequest;
use crate::server::app::App;
use crate::server::graphql::execution::{
    CallerContext, ExecutionResult, catch_panic, execute, record_stream,
};
use crate::server::graphql::rejection::RequestRejection;
use crate::server::graphql::{parameters, sse};
use crate::server::settings::Settings;
use crate::telemetry::metrics::{self, Overloaded};
use crate::telemetry::operation::{Operation, Transport};
use crate::telemetry::request::RequestTelemetry;
use crate::telemetry::trace_context::TraceContext;

/// Maximum size of a message, in bytes: a document of the maximum size, and as much again for its variables. Larger
/// operations must be sent by POST.
const MAX_MESSAGE: usize = 64 * 1024;
/// Maximum number of concurrent operations of one WebSocket, the same as of an HTTP/2 connection.
const MAX_OPERATIONS: usize = 128;
/// Maximum size of an operation's id, in bytes. Clients use counters or GUIDs.
const MAX_ID: usize = 256;
/// Time limit for the closing handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Code and reason of a close frame (GraphQL over WebSocket Protocol; RFC 6455, section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CloseFrame(u16, &'static str);

const GOING_AWAY: CloseFrame = CloseFrame(1001, "The gateway is shutting down");
const IDLE: CloseFrame = CloseFrame(1001, "Idle timeout");
const PROTOCOL_ERROR: CloseFrame = CloseFrame(1002, "WebSocket protocol error");
const NOT_UTF8: CloseFrame = CloseFrame(1007, "Text is not UTF-8");
const TOO_SLOW: CloseFrame = CloseFrame(1008, "Message timeout");
const TOO_LARGE: CloseFrame = CloseFrame(1009, "Message too large");
const NO_MEMORY: CloseFrame = CloseFrame(1013, "The gateway is full");
/// Clients of graphql-ws reconnect at this code, with a new token if `connectionParams` is a function.
const TOKEN_EXPIRED: CloseFrame = CloseFrame(4403, "The token has expired");
const TOKEN_REFUSED: CloseFrame = CloseFrame(4403, "Microsoft Graph refused the token");
const INVALID: CloseFrame = CloseFrame(4400, "Invalid message");
const TOKEN_TOO_LONG: CloseFrame = CloseFrame(4400, "Authorization longer than 16384 bytes");
const ID_TOO_LONG: CloseFrame = CloseFrame(4400, "Id longer than 256 bytes");
const UNAUTHORIZED: CloseFrame = CloseFrame(4401, "Unauthorized");
const INIT_TIMEOUT: CloseFrame = CloseFrame(4408, "Connection initialisation timeout");
const SAME_ID: CloseFrame = CloseFrame(4409, "Subscriber for this id already exists");
const TOO_MANY_INITS: CloseFrame = CloseFrame(4429, "Too many initialisation requests");

/// Maximum size of a message, which is not larger than a request body's.
pub(super) fn max_message(settings: &Settings) -> usize {
    MAX_MESSAGE.min(settings.max_request_body)
}

/// An open WebSocket.
pub(super) struct WebSocketConnection {
    app: Arc<App>,
    socket: Socket,
    /// The token that the client sent last.
    token: StoredToken,
    /// When the WebSocket is closed because the token has expired; checked with each ping.
    expires_at: Option<Instant>,
    /// Cancelled when the WebSocket is to be closed, or the gateway drains: subscriptions end then.
    ending: CancellationToken,
    /// The name of the client, as it says.
    client_name: Option<Arc<str>>,
    /// The trace of the upgrade request, which the operations belong to.
    trace_context: Option<TraceContext>,
    is_acknowledged: bool,
    /// By the client's ids; an operation ends when its guard is removed.
    operations: HashMap<Arc<str>, DropGuard>,
    /// The messages of all operations.
    outgoing: SelectAll<BoxStream<'static, OutgoingMessage>>,
    /// Responses that have not been sent.
    send_buffer: SendBuffer,
    /// When the last operation ended.
    idle_since: Instant,
    last_received_at: Instant,
}

impl WebSocketConnection {
    pub(super) fn new(
        app: Arc<App>,
        socket: Socket,
        token: StoredToken,
        client_name: Option<Arc<str>>,
        trace_context: Option<TraceContext>,
    ) -> Self {
        let now = Instant::now();
        let send_buffer = SendBuffer::new(Arc::clone(&app.response_memory));
        let ending = app.draining.child_token();
        Self {
            app,
            socket,
            token,
            expires_at: None,
            ending,
            client_name,
            trace_context,
            is_acknowledged: false,
            operations: HashMap::new(),
            outgoing: SelectAll::new(),
            send_buffer,
            idle_since: now,
            last_received_at: now,
        }
    }

    pub(super) async fn serve(mut self) {
        let Ok(reason) = self.run().await else {
            debug!("a WebSocket client disconnected");
            return;
        };
        self.operations.clear();
        self.outgoing.clear();
        // Both sides send a close frame, so that no message is lost.
        let closed = async {
            match reason {
                CloseReason::Server(CloseFrame(code, reason)) => {
                    debug!(code, reason, "closing a WebSocket");
                    self.socket.send_close(Some((code, reason))).await?;
                }
                CloseReason::Client(code) => self.socket.send_close(code.map(|code| (code, ""))).await?,
            }
            self.socket.finish().await
        };
        let _ = timeout(CLOSE_TIMEOUT, closed).await;
    }

    /// Serves the WebSocket until there is a reason to close it.
    async fn run(&mut self) -> Result<CloseReason, Disconnected> {
        let limits = self.app.settings.connections;
        let keep_alive = sse::keep_alive_interval(limits.send_timeout);
        let ending = self.ending.clone();
        let opened = Instant::now();
        let period = keep_alive.min(limits.header_timeout);
        let mut ticker = tokio::time::interval_at(opened + period, period);
        // Subscriptions end before the WebSocket is closed so; queries and mutations are finished.
        let mut end = None;
        let mut token_was_refused = false;
        loop {
            if let Some(end) = end
                && self.operations.is_empty()
            {
                return Ok(CloseReason::Server(end));
            }
            // What the client sends after its token has ended is not read. It is sent again on the next connection.
            let is_reading = end.is_none_or(|end| end == GOING_AWAY);
            tokio::select! {
                received = self.socket.receive(), if is_reading => {
                    self.last_received_at = Instant::now();
                    let close = match received.ok_or(Disconnected)? {
                        Ok(IncomingMessage::Text(text, reservation)) => self.handle_message(&text, reservation).await?,
                        Ok(IncomingMessage::Discarded { prefix, reason }) => self.reject_discarded(&prefix, reason).await?,
                        Ok(IncomingMessage::Ping(payload)) => {
                            self.with_send_timeout(async |socket| socket.send_pong(&payload).await).await?;
                            Ok(())
                        }
                        Ok(IncomingMessage::Pong) => Ok(()),
                        Ok(IncomingMessage::Binary) => Err(INVALID),
                        Ok(IncomingMessage::Close(code)) => return Ok(CloseReason::Client(code)),
                        Err(Violation::Protocol) => Err(PROTOCOL_ERROR),
                        Err(Violation::NotUtf8) => Err(NOT_UTF8),
                        Err(Violation::TooLarge) => Err(TOO_LARGE),
                        Err(Violation::TooSlow) => Err(TOO_SLOW),
                    };
                    if let Err(close) = close {
                        return Ok(CloseReason::Server(close));
                    }
                }
                Some(message) = self.outgoing.next() => {
                    let OutgoingMessage { id, text, is_last, token_refused, buffered } = message;
                    if is_last {
                        self.end_operation(&id);
                    }
                    if let Some(text) = text {
                        self.send_text(text).await?;
                    }
                    drop(buffered);
                    token_was_refused |= token_refused.is_some() && self.token.authorization().is_some();
                    let is_over = is_last || token_refused == Some(TokenRefused::WithinSubscription);
                    if token_was_refused && is_over && end.is_none() {
                        end = Some(TOKEN_REFUSED);
                        ending.cancel();
                    }
                }
                _ = ticker.tick() => {
                    let now = Instant::now();
                    if end.is_none() && self.expires_at.is_some_and(|expires_at| now >= expires_at) {
                        end = Some(TOKEN_EXPIRED);
                        ending.cancel();
                        continue;
                    }
                    if !self.is_acknowledged {
                        if now >= opened + limits.header_timeout {
                            return Ok(CloseReason::Server(INIT_TIMEOUT));
                        }
                    } else if self.operations.is_empty() && now >= self.idle_since + limits.idle_timeout {
                        return Ok(CloseReason::Server(IDLE));
                    } else if is_reading && now >= self.last_received_at + limits.idle_timeout.max(4 * keep_alive) {
                        // Not even pings were answered.
                        return Err(Disconnected);
                    }
                    self.with_send_timeout(Socket::send_ping).await?;
                }
                () = ending.cancelled(), if end.is_none() => end = Some(GOING_AWAY),
            }
        }
    }

    /// Handles a message, whose memory is `reservation`.
    async fn handle_message(
        &mut self,
        text: &str,
        reservation: Reservation,
    ) -> Result<Result<(), CloseFrame>, Disconnected> {
        // The request is nested in the message's payload.
        let max_depth = self.app.api.limits().nesting.saturating_add(3);
        match ClientMessage::read(text, max_depth) {
            None => return Ok(Err(INVALID)),
            Some(ClientMessage::ConnectionInit { .. }) if self.is_acknowledged => {
                return Ok(Err(TOO_MANY_INITS));
            }
            Some(ClientMessage::ConnectionInit { token, client_name }) => {
                self.client_name = client_name.or(self.client_name.take());
                let Ok(token) = token else { return Ok(Err(TOKEN_TOO_LONG)) };
                if let Some(token) = token
                    && let Err(BudgetExceeded) = self.token.replace(token)
                {
                    metrics::refused(Overloaded::Memory);
                    return Ok(Err(NO_MEMORY));
                }
                self.expires_at = self.token.authorization().and_then(closing_time);
                self.is_acknowledged = true;
                self.idle_since = Instant::now();
                self.send_message(&ServerMessage::<()>::ConnectionAck).await?;
            }
            Some(ClientMessage::Ping) => self.send_message(&ServerMessage::<()>::Pong).await?,
            Some(ClientMessage::Pong) => {}
            Some(ClientMessage::Subscribe { .. }) if !self.is_acknowledged => return Ok(Err(UNAUTHORIZED)),
            Some(ClientMessage::Subscribe { id, .. }) if id.len() > MAX_ID => return Ok(Err(ID_TOO_LONG)),
            Some(ClientMessage::Subscribe { id, .. }) if self.operations.contains_key(id.as_str()) => {
                return Ok(Err(SAME_ID));
            }
            Some(ClientMessage::Subscribe { id, payload }) => {
                self.start_operation(id.into(), payload, reservation).await?
            }
            Some(ClientMessage::Complete { id }) => self.end_operation(&id),
        }
        Ok(Ok(()))
    }

    /// Rejects a message that was discarded except for its prefix: with an error of its operation if the prefix names it.
    async fn reject_discarded(
        &mut self,
        prefix: &[u8],
        reason: DiscardReason,
    ) -> Result<Result<(), CloseFrame>, Disconnected> {
        let Some(MessagePrefix { id }) = MessagePrefix::of_subscribe(prefix) else {
            return Ok(Err(match reason {
                DiscardReason::TooLarge => TOO_LARGE,
                DiscardReason::NoMemory => NO_MEMORY,
            }));
        };
        if !self.is_acknowledged {
            return Ok(Err(UNAUTHORIZED));
        }
        if id.len() > MAX_ID {
            return Ok(Err(ID_TOO_LONG));
        }
        if self.operations.contains_key(id.as_str()) {
            return Ok(Err(SAME_ID));
        }
        let rejection = match reason {
            DiscardReason::TooLarge => {
                let max = max_message(&self.app.settings);
                let message = format!("The message is larger than {max} bytes. Send the operation by POST.");
                RequestRejection::too_large(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            DiscardReason::NoMemory => {
                metrics::refused(Overloaded::Memory);
                RequestRejection::Overloaded(Overloaded::Memory)
            }
        };
        let telemetry =
            RequestTelemetry::in_trace(self.trace_context.clone(), self.app.settings.tracer.as_ref());
        let operation = Operation::begin(&telemetry, self.app.settings.access_log, Transport::WebSocket);
        operation.finish(rejection.result(), None);
        self.send_message(&ServerMessage::Error { id: &id, payload: rejection.errors() }).await?;
        Ok(Ok(()))
    }

    /// Starts an operation in a task of its own, so that a client which reads no responses holds no permit.
    async fn start_operation(
        &mut self,
        id: Arc<str>,
        payload: &RawValue,
        reservation: Reservation,
    ) -> Result<(), Disconnected> {
        let telemetry =
            RequestTelemetry::in_trace(self.trace_context.clone(), self.app.settings.tracer.as_ref());
        let recorded = Operation::begin(&telemetry, self.app.settings.access_log, Transport::WebSocket);
        let overloaded = if self.operations.len() >= MAX_OPERATIONS || self.app.draining.is_cancelled() {
            Some(Overloaded::Full)
        } else {
            self.send_buffer.is_full().then_some(Overloaded::Memory)
        };
        if let Some(reason) = overloaded {
            metrics::refused(reason);
            let rejection = RequestRejection::Overloaded(reason);
            recorded.finish(rejection.result(), None);
            let errors = rejection.errors();
            return self.send_message(&ServerMessage::Error { id: &id, payload: errors }).await;
        }
        let request = match parameters::parse(payload.get().as_bytes(), self.app.api.limits().nesting) {
            Ok(request) => GraphqlRequest { client_name: self.client_name.clone(), ..request },
            Err(rejection) => {
                recorded.finish(rejection.result(), None);
                return self
                    .send_message(&ServerMessage::Error { id: &id, payload: rejection.errors() })
                    .await;
            }
        };
        let operation = CancellationToken::new();
        let ended = operation.clone().cancelled_owned();
        self.operations.insert(Arc::clone(&id), operation.drop_guard());
        let token = self.token.authorization().cloned();
        let caller_id = self.app.caller_ids.of(token.as_ref());
        self.send_buffer.set_share(caller_id.memory_share());
        let caller = CallerContext {
            id: caller_id,
            token,
            telemetry: Arc::clone(&telemetry),
            deadline: std::time::Instant::now() + self.app.settings.request_timeout,
            disconnected: CancellationToken::new(),
        };
        let (app, send_buffer, ending) =
            (Arc::clone(&self.app), self.send_buffer.clone(), self.ending.clone());
        let operation = async move {
            let execution = catch_panic(async |is_write| {
                execute(&app, request, caller, reservation, Ok(()), is_write).await
            })
            .await;
            let execution = match execution {
                Ok(ExecutionResult::Stream(responses)) => {
                    Ok(ExecutionResult::Stream(record_stream(recorded, responses)))
                }
                Ok(ExecutionResult::Single(response)) => {
                    recorded.finish(response.result(), None);
                    Ok(ExecutionResult::Single(response))
                }
                Err(rejection) => {
                    recorded.finish(rejection.result(), None);
                    Err(rejection)
                }
            };
            outgoing_messages(id, execution, send_buffer, ending)
        };
        let messages = AbortOnDropHandle::new(tokio::spawn(telemetry.scope(operation)));
        // The task fails only if it is aborted, and then nothing polls the stream.
        let messages = stream::once(messages).filter_map(async |messages| messages.ok()).flatten();
        self.outgoing.push(messages.take_until(ended).boxed());
        Ok(())
    }

    /// Ends an operation if it is open.
    fn end_operation(&mut self, id: &str) {
        if self.operations.remove(id).is_some() && self.operations.is_empty() {
            self.idle_since = Instant::now();
        }
    }

    async fn send_message(
        &mut self,
        message: &ServerMessage<'_, impl Serialize>,
    ) -> Result<(), Disconnected> {
        match message.to_text() {
            Some(text) => self.send_text(text).await,
            None => Err(Disconnected),
        }
    }

    async fn send_text(&mut self, text: String) -> Result<(), Disconnected> {
        self.with_send_timeout(async |socket| socket.send_text(text).await).await
    }

    /// Sends within the time limit for sending.
    async fn with_send_timeout(
        &mut self,
        send: impl AsyncFnOnce(&mut Socket) -> io::Result<()>,
    ) -> Result<(), Disconnected> {
        let send_timeout = self.app.settings.connections.send_timeout;
        match timeout(send_timeout, send(&mut self.socket)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Disconnected),
        }
    }
}

/// The side that closes a WebSocket, and its close frame.
enum CloseReason {
    Server(CloseFrame),
    /// With the code of the client, if it sent one.
    Client(Option<u16>),
}

/// The client has disconnected, or does not read.
struct Disconnected;
