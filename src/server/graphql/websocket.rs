//! GraphQL over WebSocket, the sub-protocol `graphql-transport-ws`: any number of operations on one connection, whose token
//! comes once, in `connection_init` or with the request for the WebSocket.

mod message;
mod operation;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt as _};
use http::header::{HOST, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;
use uuid::Uuid;

use self::message::{FromClient, ToClient};
use self::operation::{Said, Unsent, said};
use super::answer::Refusal;
use super::execution::{Asker, caught, execute};
use super::{events, parameters};
use crate::graph::Authorization;
use crate::server::connection::Place;
use crate::server::media_type::Accepted;
use crate::server::{App, auth};
use crate::telemetry::metrics::{self, Overloaded};

const PROTOCOL: &str = "graphql-transport-ws";

/// Largest message that is taken, in bytes: a document of the largest size, and as much again for its variables. What is
/// larger is sent by POST, where the memory for bodies is counted.
const MOST_MESSAGE: usize = 64 * 1024;
/// Bytes that are read at a time.
const READ_AT_A_TIME: usize = 4 * 1024;
/// Most operations of one WebSocket at a time; as many as of one connection by HTTP/2.
const MOST_OPERATIONS: usize = 128;
/// How long a client is given to take the reason why its WebSocket is closed.
const TO_CLOSE: Duration = Duration::from_secs(1);

/// Why a WebSocket is closed, and its code (GraphQL over WebSocket Protocol; RFC 6455, section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Close(u16, &'static str);

const GOING_AWAY: Close = Close(1001, "The gateway is stopping");
const IDLE: Close = Close(1001, "No operation for a while");
const UNREADABLE: Close = Close(1009, "Message too large, or not one");
const INVALID: Close = Close(4400, "Invalid message");
const UNAUTHORIZED: Close = Close(4401, "Unauthorized");
const INIT_TIMEOUT: Close = Close(4408, "Connection initialisation timeout");
const SAME_ID: Close = Close(4409, "Subscriber for this id already exists");
const TOO_MANY_INITS: Close = Close(4429, "Too many initialisation requests");

/// Whether a request asks to become a WebSocket.
pub(super) fn is_asked_for(parts: &Parts) -> bool {
    let mut protocol = parts.headers.get(UPGRADE).into_iter();
    parts.method == Method::GET
        && protocol.any(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Makes a WebSocket of a request.
pub(super) async fn open(app: Arc<App>, parts: &mut Parts) -> Response {
    open_or_refuse(app, parts).await.unwrap_or_else(|refusal| refusal.respond(Accepted::JSON))
}

async fn open_or_refuse(app: Arc<App>, parts: &mut Parts) -> Result<Response, Refusal> {
    if !is_allowed_origin(&app, &parts.headers) {
        let message = "Pages of this origin may not open a WebSocket here: see --cors-origin.";
        return Err(Refusal::http(StatusCode::FORBIDDEN, message));
    }
    let token = auth::authorization(&parts.headers);
    // The connection's place is kept for as long as the WebSocket is there.
    let place = parts.extensions.get::<Place>().cloned();
    let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await.map_err(|rejection| {
        let message = format!("The request cannot become a WebSocket: {}.", rejection.body_text());
        Refusal::http(rejection.status(), message)
    })?;
    let upgrade = upgrade.protocols([PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let message = format!("A WebSocket here speaks {PROTOCOL}: name it in Sec-WebSocket-Protocol.");
        return Err(Refusal::http(StatusCode::BAD_REQUEST, message));
    }
    let most_message = MOST_MESSAGE.min(app.settings.max_body);
    let upgrade = upgrade
        .read_buffer_size(READ_AT_A_TIME)
        .write_buffer_size(0)
        .max_frame_size(most_message)
        .max_message_size(most_message);
    Ok(upgrade.on_upgrade(async move |socket| {
        let _place = place;
        Connection::new(app, socket, token).serve().await;
    }))
}

/// Browsers name the page's origin, and let any page open a WebSocket: here the same may that may send requests.
fn is_allowed_origin(app: &App, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return true };
    let own = || {
        let (_, authority) = origin.to_str().ok()?.split_once("://")?;
        let host = headers.get(HOST)?.to_str().ok()?;
        Some(authority.eq_ignore_ascii_case(host))
    };
    app.settings.cors_origins.contains(origin) || own().unwrap_or(false)
}

/// One WebSocket.
struct Connection {
    app: Arc<App>,
    socket: WebSocket,
    /// The caller's, as it came last.
    token: Option<Authorization>,
    is_acknowledged: bool,
    /// By the clients' ids; each ends when it is removed.
    operations: HashMap<Arc<str>, DropGuard>,
    answers: SelectAll<BoxStream<'static, Said>>,
    /// What has been made of them and has not been sent.
    unsent: Unsent,
    /// Since when there has been no operation.
    idle_since: Instant,
    heard: Instant,
}

impl Connection {
    fn new(app: Arc<App>, socket: WebSocket, token: Option<Authorization>) -> Self {
        let now = Instant::now();
        let unsent = Unsent::new(Arc::clone(&app.answers));
        Self {
            app,
            socket,
            token,
            is_acknowledged: false,
            operations: HashMap::new(),
            answers: SelectAll::new(),
            unsent,
            idle_since: now,
            heard: now,
        }
    }

    async fn serve(mut self) {
        let Ok(end) = self.run().await else {
            debug!("a WebSocket is gone");
            return;
        };
        self.operations.clear();
        self.answers.clear();
        // Each side says that it closes, so that neither cuts what the other has sent.
        let closed = async {
            if let End::Ours(Close(code, reason)) = end {
                debug!(code, reason, "a WebSocket is closed");
                let frame = CloseFrame { code, reason: reason.into() };
                self.socket.send(Message::Close(Some(frame))).await?;
            }
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<_, axum::Error>(())
        };
        let _ = timeout(TO_CLOSE, closed).await;
    }

    /// Serves until there is a reason to close.
    async fn run(&mut self) -> Result<End, Gone> {
        let limits = self.app.settings.connections;
        let still = events::still(limits.send_timeout);
        let stopping = self.app.stopping.clone();
        let begun = Instant::now();
        let period = still.min(limits.header_timeout);
        let mut look = tokio::time::interval_at(begun + period, period);
        let mut is_stopping = false;
        loop {
            // Subscriptions end by themselves, and what else is under way is finished.
            if is_stopping && self.operations.is_empty() {
                return Ok(End::Ours(GOING_AWAY));
            }
            tokio::select! {
                received = self.socket.recv() => {
                    self.heard = Instant::now();
                    let text = match received.ok_or(Gone)? {
                        Ok(Message::Text(text)) => text,
                        // The library answers pings by itself.
                        Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                        Ok(Message::Binary(_)) => return Ok(End::Ours(INVALID)),
                        Ok(Message::Close(_)) => return Ok(End::Theirs),
                        Err(error) => {
                            debug!(%error, "a message could not be read");
                            return Ok(End::Ours(UNREADABLE));
                        }
                    };
                    if let Err(close) = self.take(&text).await? {
                        return Ok(End::Ours(close));
                    }
                }
                Some(said) = self.answers.next() => {
                    let Said { id, text, is_last, room } = said;
                    if is_last {
                        self.forget(&id);
                    }
                    if let Some(text) = text {
                        self.send(text).await?;
                    }
                    drop(room);
                }
                _ = look.tick() => {
                    let now = Instant::now();
                    if !self.is_acknowledged {
                        if now >= begun + limits.header_timeout {
                            return Ok(End::Ours(INIT_TIMEOUT));
                        }
                    } else if self.operations.is_empty() && now >= self.idle_since + limits.idle_timeout {
                        return Ok(End::Ours(IDLE));
                    } else if now >= self.heard + limits.idle_timeout.max(4 * still) {
                        // It did not even answer pings.
                        return Err(Gone);
                    }
                    self.send_message(Message::Ping(axum::body::Bytes::new())).await?;
                }
                () = stopping.cancelled(), if !is_stopping => is_stopping = true,
            }
        }
    }

    /// Does what a message asks for.
    async fn take(&mut self, text: &str) -> Result<Result<(), Close>, Gone> {
        // The request stands in the message's payload.
        let deepest = self.app.api.limits().nesting.saturating_add(3);
        match FromClient::read(text, deepest) {
            None => return Ok(Err(INVALID)),
            Some(FromClient::ConnectionInit { .. }) if self.is_acknowledged => {
                return Ok(Err(TOO_MANY_INITS));
            }
            Some(FromClient::ConnectionInit { token }) => {
                self.is_acknowledged = true;
                self.idle_since = Instant::now();
                self.token = token.or(self.token.take());
                self.say(&ToClient::<()>::ConnectionAck).await?;
            }
            Some(FromClient::Ping) => self.say(&ToClient::<()>::Pong).await?,
            Some(FromClient::Pong) => {}
            Some(FromClient::Subscribe { .. }) if !self.is_acknowledged => return Ok(Err(UNAUTHORIZED)),
            Some(FromClient::Subscribe { id, .. }) if self.operations.contains_key(id.as_str()) => {
                return Ok(Err(SAME_ID));
            }
            Some(FromClient::Subscribe { id, payload }) => self.begin(id.into(), payload).await?,
            Some(FromClient::Complete { id }) => self.forget(&id),
        }
        Ok(Ok(()))
    }

    /// Begins an operation. It goes on by itself, so that whoever takes no answers keeps no place that others wait for.
    async fn begin(&mut self, id: Arc<str>, payload: &RawValue) -> Result<(), Gone> {
        let refused = if self.operations.len() >= MOST_OPERATIONS || self.app.stopping.is_cancelled() {
            Some(Overloaded::Full)
        } else {
            self.unsent.is_full().then_some(Overloaded::Memory)
        };
        if let Some(reason) = refused {
            metrics::refused(reason);
            let errors = Refusal::Overloaded(reason).errors();
            return self.say(&ToClient::Error { id: &id, payload: errors }).await;
        }
        let request = match parameters::parse(payload.get().as_bytes(), self.app.api.limits().nesting) {
            Ok(request) => request,
            Err(refusal) => return self.say(&ToClient::Error { id: &id, payload: refusal.errors() }).await,
        };
        let running = CancellationToken::new();
        let ended = running.clone().cancelled_owned();
        self.operations.insert(Arc::clone(&id), running.drop_guard());
        let asker = Asker {
            token: self.token.clone(),
            client_request_id: Uuid::new_v4(),
            deadline: std::time::Instant::now() + self.app.settings.deadline,
            gone: CancellationToken::new(),
        };
        let (app, unsent, stopping) = (Arc::clone(&self.app), self.unsent.clone(), self.app.stopping.clone());
        let answers = AbortOnDropHandle::new(tokio::spawn(async move {
            let execution =
                caught(async |is_write| execute(&app, request, asker, Ok(()), is_write).await).await;
            said(id, execution, unsent, stopping)
        }));
        // It fails only where it is aborted, by which nobody waits for it.
        let answers = stream::once(answers).filter_map(async |answers| answers.ok()).flatten();
        self.answers.push(answers.take_until(ended).boxed());
        Ok(())
    }

    /// Ends an operation, if it has not ended.
    fn forget(&mut self, id: &str) {
        if self.operations.remove(id).is_some() && self.operations.is_empty() {
            self.idle_since = Instant::now();
        }
    }

    async fn say(&mut self, message: &ToClient<'_, impl Serialize>) -> Result<(), Gone> {
        match message.to_text() {
            Some(text) => self.send(text).await,
            None => Err(Gone),
        }
    }

    async fn send(&mut self, text: String) -> Result<(), Gone> {
        self.send_message(Message::Text(text.into())).await
    }

    async fn send_message(&mut self, message: Message) -> Result<(), Gone> {
        let patience = self.app.settings.connections.send_timeout;
        match timeout(patience, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

/// Who closes.
enum End {
    Ours(Close),
    Theirs,
}

/// The client is not there any more, or takes nothing.
struct Gone;
