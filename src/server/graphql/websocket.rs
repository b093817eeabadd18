//! GraphQL over WebSocket, the subprotocol `graphql-transport-ws`: concurrent operations on one connection, whose token is
//! sent once, in `connection_init` or in the upgrade request.
//!
//! This file handles the upgrade request, and [`connection`] the WebSocket.

mod connection;
mod decoder;
mod handshake;
mod message;
mod outgoing;
mod socket;
mod token;

use std::sync::Arc;

use axum::response::Response;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use hyper::upgrade::OnUpgrade;
use tracing::debug;

use self::connection::{WebSocketConnection, max_message};
pub(super) use self::handshake::is_upgrade_request;
use self::socket::Socket;
use self::token::{MAX_TOKEN, StoredToken, Token, TokenTooLong};
use super::client_name;
use super::http_response;
use super::rejection::RequestRejection;
use crate::memory::BudgetExceeded;
use crate::server::app::App;
use crate::server::connection::ConnectionPermit;
use crate::server::cors;
use crate::server::media_type::AcceptedTypes;
use crate::telemetry::metrics::{self, Overloaded};
use crate::telemetry::trace_context::TraceContext;

/// Upgrades a connection to a WebSocket.
pub(super) async fn upgrade(app: Arc<App>, parts: &mut Parts) -> Response {
    try_upgrade(app, parts)
        .await
        .unwrap_or_else(|rejection| http_response::from_rejection(rejection, AcceptedTypes::JSON))
}

async fn try_upgrade(app: Arc<App>, parts: &mut Parts) -> Result<Response, RequestRejection> {
    if !is_allowed_origin(&app, &parts.headers) {
        let message = "Pages of this origin may not open a WebSocket: see --cors-origin.";
        return Err(RequestRejection::http(StatusCode::FORBIDDEN, message));
    }
    let token = store_token(&app, &parts.headers)?;
    let client_name = client_name::from_headers(&parts.headers);
    // The connection's permit is held until the WebSocket is closed.
    let permit = parts.extensions.get::<ConnectionPermit>().cloned();
    let response = handshake::accept(&parts.headers)?;
    let upgrade = parts.extensions.remove::<OnUpgrade>().ok_or_else(|| {
        RequestRejection::http(StatusCode::BAD_REQUEST, "This connection cannot become a WebSocket.")
    })?;
    // Operations are below the caller's span: the one of this request ends long before them.
    let trace_context = TraceContext::from_headers(&parts.headers);
    tokio::spawn(async move {
        let _permit = permit;
        match upgrade.await {
            Ok(upgraded) => {
                let max_message = max_message(&app.settings);
                let socket = Socket::new(
                    upgraded,
                    max_message,
                    app.settings.body_timeout,
                    Arc::clone(&app.request_memory),
                );
                WebSocketConnection::new(app, socket, token, client_name, trace_context).serve().await;
            }
            Err(error) => debug!(%error, "the upgrade to a WebSocket failed"),
        }
    });
    Ok(response)
}

/// The token of the upgrade request, stored for the WebSocket's operations. More than one `Authorization` header counts as
/// none.
fn store_token(app: &App, headers: &HeaderMap) -> Result<StoredToken, RequestRejection> {
    let mut stored = StoredToken::new(&app.request_memory);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    if let (Some(value), None) = (values.next(), values.next()) {
        let token = Token::parse(value.as_bytes()).map_err(|TokenTooLong| {
            let message =
                format!("`Authorization` must not be longer than {MAX_TOKEN} bytes in a WebSocket request.");
            RequestRejection::too_large(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message)
        })?;
        token.map_or(Ok(()), |token| stored.replace(token)).map_err(|BudgetExceeded| {
            metrics::refused(Overloaded::Memory);
            RequestRejection::Overloaded(Overloaded::Memory)
        })?;
    }
    Ok(stored)
}

/// Browsers send the page's origin, and let any page open a WebSocket. Allowed are the gateway's own origin and those that may
/// send requests (CORS). No browser sends more than one origin.
fn is_allowed_origin(app: &App, headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (None, _) => return true,
        (Some(origin), None) => origin,
        (Some(_), Some(_)) => return false,
    };
    cors::is_allowed(&app.settings, origin) || handshake::is_same_origin(headers)
}
