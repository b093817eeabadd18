//! GraphQL over WebSocket, the sub-protocol `graphql-transport-ws`: any number of operations on one connection, whose token
//! comes once, in `connection_init` or with the request for the WebSocket.

mod decoder;
mod handshake;
mod message;
mod operation;
mod socket;
mod token;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use futures_util::stream::{self, BoxStream, SelectAll, StreamExt as _};
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use hyper::upgrade::OnUpgrade;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;
use tracing::debug;
use uuid::Uuid;

use self::decoder::{Received, Refused, Violation};
pub(super) use self::handshake::is_asked_for;
use self::message::{Beginning, FromClient, ToClient};
use self::operation::{Said, Unsent, said};
use self::socket::Socket;
use self::token::{Kept, MAX_TOKEN, Token, TooLong};
use super::execution::{Asker, caught, execute};
use super::refusal::Refusal;
use super::{events, http_response, parameters};
use crate::memory::{BudgetExceeded, Reservation};
use crate::server::app::App;
use crate::server::connection::Place;
use crate::server::media_type::Accepted;
use crate::telemetry::metrics::{self, Overloaded};

/// Largest message that is taken, in bytes: a document of the largest size, and as much again for its variables. What is
/// larger is sent by POST.
const MOST_MESSAGE: usize = 64 * 1024;
/// Most operations of one WebSocket at a time; as many as of one connection by HTTP/2.
const MOST_OPERATIONS: usize = 128;
/// Most bytes of an operation's id, which is kept until the operation ends; clients count or use GUIDs.
const MAX_ID: usize = 256;
/// How long a client is given to take the reason why its WebSocket is closed.
const TO_CLOSE: Duration = Duration::from_secs(1);

/// Why a WebSocket is closed, and its code (GraphQL over WebSocket Protocol; RFC 6455, section 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Close(u16, &'static str);

const GOING_AWAY: Close = Close(1001, "The gateway is stopping");
const IDLE: Close = Close(1001, "No operation for a while");
const PROTOCOL_ERROR: Close = Close(1002, "Not the WebSocket protocol");
const NOT_UTF8: Close = Close(1007, "Text that is not UTF-8");
const TOO_SLOW: Close = Close(1008, "A message did not come in time");
const TOO_LARGE: Close = Close(1009, "Message too large");
const NO_MEMORY: Close = Close(1013, "The gateway is full");
const INVALID: Close = Close(4400, "Invalid message");
const TOKEN_TOO_LONG: Close = Close(4400, "Authorization longer than 16384 bytes");
const ID_TOO_LONG: Close = Close(4400, "Id longer than 256 bytes");
const UNAUTHORIZED: Close = Close(4401, "Unauthorized");
const INIT_TIMEOUT: Close = Close(4408, "Connection initialisation timeout");
const SAME_ID: Close = Close(4409, "Subscriber for this id already exists");
const TOO_MANY_INITS: Close = Close(4429, "Too many initialisation requests");

/// Makes a WebSocket of a request.
pub(super) async fn open(app: Arc<App>, parts: &mut Parts) -> Response {
    open_or_refuse(app, parts).await.unwrap_or_else(|refusal| http_response::refuse(refusal, Accepted::JSON))
}

async fn open_or_refuse(app: Arc<App>, parts: &mut Parts) -> Result<Response, Refusal> {
    if !is_allowed_origin(&app, &parts.headers) {
        let message = "Pages of this origin may not open a WebSocket here: see --cors-origin.";
        return Err(Refusal::http(StatusCode::FORBIDDEN, message));
    }
    let token = kept_token(&app, &parts.headers)?;
    // The connection's place is kept for as long as the WebSocket is there.
    let place = parts.extensions.get::<Place>().cloned();
    let response = handshake::accept(&parts.headers)?;
    let upgrade = parts.extensions.remove::<OnUpgrade>().ok_or_else(|| {
        Refusal::http(StatusCode::BAD_REQUEST, "This connection cannot become a WebSocket.")
    })?;
    tokio::spawn(async move {
        let _place = place;
        match upgrade.await {
            Ok(upgraded) => {
                let most_message = MOST_MESSAGE.min(app.settings.max_request_body);
                let socket =
                    Socket::new(upgraded, most_message, app.settings.body_timeout, Arc::clone(&app.bodies));
                Connection::new(app, socket, token).serve().await;
            }
            Err(error) => debug!(%error, "a connection did not become a WebSocket"),
        }
    });
    Ok(response)
}

/// The token of the request, if there is one, as it is kept for the WebSocket's operations. Where there is more than one
/// `Authorization`, none is taken.
fn kept_token(app: &App, headers: &HeaderMap) -> Result<Kept, Refusal> {
    let mut kept = Kept::new(&app.bodies);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    if let (Some(value), None) = (values.next(), values.next()) {
        let token = Token::parse(value.as_bytes()).map_err(|TooLong| {
            let message = format!("`Authorization` may have {MAX_TOKEN} bytes in a request for a WebSocket.");
            Refusal::too_large(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message)
        })?;
        token.map_or(Ok(()), |token| kept.replace(token)).map_err(|BudgetExceeded| {
            metrics::refused(Overloaded::Memory);
            Refusal::Overloaded(Overloaded::Memory)
        })?;
    }
    Ok(kept)
}

/// Browsers name the page's origin, and let any page open a WebSocket: here the same may that may send requests. A request
/// that names more than one is no browser's.
fn is_allowed_origin(app: &App, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return true,
        (Some(origin), None) => origin,
        (Some(_), Some(_)) => return false,
    };
    app.settings.cors_origins.contains(origin) || handshake::is_same_origin(headers)
}

/// One WebSocket.
struct Connection {
    app: Arc<App>,
    socket: Socket,
    /// The caller's, as it came last.
    token: Kept,
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
    fn new(app: Arc<App>, socket: Socket, token: Kept) -> Self {
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
            match end {
                End::Ours(Close(code, reason)) => {
                    debug!(code, reason, "a WebSocket is closed");
                    self.socket.send_close(Some((code, reason))).await?;
                }
                End::Theirs(code) => self.socket.send_close(code.map(|code| (code, ""))).await?,
            }
            self.socket.finish().await
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
                received = self.socket.receive() => {
                    self.heard = Instant::now();
                    let close = match received.ok_or(Gone)? {
                        Ok(Received::Text(text, held)) => self.take(&text, held).await?,
                        Ok(Received::Refused { beginning, why }) => self.refuse(&beginning, why).await?,
                        Ok(Received::Ping(payload)) => {
                            self.in_time(async |socket| socket.send_pong(&payload).await).await?;
                            Ok(())
                        }
                        Ok(Received::Pong) => Ok(()),
                        Ok(Received::Binary) => Err(INVALID),
                        Ok(Received::Close(code)) => return Ok(End::Theirs(code)),
                        Err(Violation::Protocol) => Err(PROTOCOL_ERROR),
                        Err(Violation::NotUtf8) => Err(NOT_UTF8),
                        Err(Violation::TooLarge) => Err(TOO_LARGE),
                        Err(Violation::TooSlow) => Err(TOO_SLOW),
                    };
                    if let Err(close) = close {
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
                    self.in_time(Socket::send_ping).await?;
                }
                () = stopping.cancelled(), if !is_stopping => is_stopping = true,
            }
        }
    }

    /// Does what a message asks for, which takes the memory that is held.
    async fn take(&mut self, text: &str, held: Reservation) -> Result<Result<(), Close>, Gone> {
        // The request stands in the message's payload.
        let deepest = self.app.api.limits().nesting.saturating_add(3);
        match FromClient::read(text, deepest) {
            None => return Ok(Err(INVALID)),
            Some(FromClient::ConnectionInit { .. }) if self.is_acknowledged => {
                return Ok(Err(TOO_MANY_INITS));
            }
            Some(FromClient::ConnectionInit { token }) => {
                let Ok(token) = token else { return Ok(Err(TOKEN_TOO_LONG)) };
                if let Some(token) = token
                    && let Err(BudgetExceeded) = self.token.replace(token)
                {
                    metrics::refused(Overloaded::Memory);
                    return Ok(Err(NO_MEMORY));
                }
                self.is_acknowledged = true;
                self.idle_since = Instant::now();
                self.say(&ToClient::<()>::ConnectionAck).await?;
            }
            Some(FromClient::Ping) => self.say(&ToClient::<()>::Pong).await?,
            Some(FromClient::Pong) => {}
            Some(FromClient::Subscribe { .. }) if !self.is_acknowledged => return Ok(Err(UNAUTHORIZED)),
            Some(FromClient::Subscribe { id, .. }) if id.len() > MAX_ID => return Ok(Err(ID_TOO_LONG)),
            Some(FromClient::Subscribe { id, .. }) if self.operations.contains_key(id.as_str()) => {
                return Ok(Err(SAME_ID));
            }
            Some(FromClient::Subscribe { id, payload }) => self.begin(id.into(), payload, held).await?,
            Some(FromClient::Complete { id }) => self.forget(&id),
        }
        Ok(Ok(()))
    }

    /// Refuses a message of which only the beginning was kept: by an error of its operation where that says which one it is.
    async fn refuse(&mut self, beginning: &[u8], why: Refused) -> Result<Result<(), Close>, Gone> {
        let Some(Beginning { id }) = Beginning::of_subscribe(beginning) else {
            return Ok(Err(match why {
                Refused::TooLarge => TOO_LARGE,
                Refused::NoMemory => NO_MEMORY,
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
        let refusal = match why {
            Refused::TooLarge => {
                let most = MOST_MESSAGE.min(self.app.settings.max_request_body);
                let message = format!("A message is larger than {most} bytes. Send the operation by POST.");
                Refusal::too_large(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            Refused::NoMemory => {
                metrics::refused(Overloaded::Memory);
                Refusal::Overloaded(Overloaded::Memory)
            }
        };
        self.say(&ToClient::Error { id: &id, payload: refusal.errors() }).await?;
        Ok(Ok(()))
    }

    /// Begins an operation. It goes on by itself, so that whoever takes no answers keeps no place that others wait for.
    async fn begin(&mut self, id: Arc<str>, payload: &RawValue, held: Reservation) -> Result<(), Gone> {
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
            token: self.token.authorization().cloned(),
            client_request_id: Uuid::new_v4(),
            deadline: std::time::Instant::now() + self.app.settings.request_timeout,
            gone: CancellationToken::new(),
        };
        let (app, unsent, stopping) = (Arc::clone(&self.app), self.unsent.clone(), self.app.stopping.clone());
        let answers = AbortOnDropHandle::new(tokio::spawn(async move {
            let execution =
                caught(async |is_write| execute(&app, request, asker, Ok(()), is_write).await).await;
            said(id, execution, unsent, stopping, held)
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
        self.in_time(async |socket| socket.send_text(text).await).await
    }

    /// Sends something, which the client is to take within the time for that.
    async fn in_time(&mut self, send: impl AsyncFnOnce(&mut Socket) -> io::Result<()>) -> Result<(), Gone> {
        let patience = self.app.settings.connections.send_timeout;
        match timeout(patience, send(&mut self.socket)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

/// Who closes.
enum End {
    Ours(Close),
    /// With the code that it gave.
    Theirs(Option<u16>),
}

/// The client is not there any more, or takes nothing.
struct Gone;
