//! The end of a WebSocket's token: Graph refuses it, or the expiry that it names has passed.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, fresh_token};
use crate::subscriptions::{ADDED, HINT, add};
use crate::websocket::{Socket, code};

/// Clients of graphql-ws retry at this code.
const RETRIABLE: u16 = 4403;
const READ: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";

fn refused() -> (u16, String) {
    (RETRIABLE, "Microsoft Graph refused the token".to_owned())
}

/// Refuses this token, as if it had expired.
fn refuse(gateway: &Gateway, method: &str) {
    gateway.replace_faults(&[&format!("401;method={method}")]);
}

async fn is_open(socket: &mut Socket) {
    socket.send(json!({"type": "ping"})).await;
    assert_eq!(socket.next().await, json!({"type": "pong"}));
}

#[tokio::test]
async fn a_subscription_whose_token_is_refused_ends_so_that_the_client_subscribes_again() {
    let gateway = Gateway::builder().api(|api| api.subscription_recheck = Duration::ZERO).start().await;
    let token = fresh_token();
    let mut socket = Socket::with_token(&gateway.url, &token).await;
    for id in ["a", "b"] {
        socket.subscribe_at(&gateway, &token, id, HINT).await;
    }
    let first = add(&gateway).await;
    for _ in ["a", "b"] {
        assert_eq!(socket.next().await["payload"]["data"]["deviceStatusAdded"]["deviceStatusId"], first);
    }
    refuse(&gateway, "GET");
    add(&gateway).await;
    let error = socket.next().await;
    assert_eq!((&error["type"], code(&error["payload"]["errors"])), (&json!("next"), "UNAUTHENTICATED"));
    // No `complete`: at that, a client would not subscribe again.
    let mut rest = Vec::new();
    let closed = socket.closed_after(&mut rest).await;
    assert_eq!(closed, refused());
    assert!(rest.iter().all(|message| message["type"] == "next"), "{rest:?}");
}

#[tokio::test]
async fn operations_whose_token_is_refused_at_once_end_with_their_error() {
    let gateway = Gateway::start().await;
    for query in [READ, HINT] {
        let mut socket = Socket::with_token(&gateway.url, "expired-token").await;
        socket.subscribe("a", query).await;
        let error = socket.next().await;
        assert_eq!((&error["type"], code(&error["payload"]["errors"])), (&json!("next"), "UNAUTHENTICATED"));
        assert_eq!(socket.next().await, json!({"type": "complete", "id": "a"}));
        assert_eq!(socket.closed().await, refused());
    }
}

#[tokio::test]
async fn a_socket_without_a_token_stays_open() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::open(&gateway.url, &[]).await.unwrap();
    socket.send(json!({"type": "connection_init"})).await;
    socket.next().await;
    socket.subscribe("a", READ).await;
    assert_eq!(code(&socket.next().await["payload"]["errors"]), "UNAUTHENTICATED");
    assert_eq!(socket.next().await["type"], "complete");
    is_open(&mut socket).await;
}

#[tokio::test]
async fn a_mutation_in_flight_is_finished_before_the_socket_is_closed() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::with_token(&gateway.url, &fresh_token()).await;
    gateway.replace_faults(&["slow-first-byte;wait=1s;method=POST", "401;method=GET"]);
    let payload = json!({"query": MUTATION, "variables": input(device_status())});
    socket.send(json!({"type": "subscribe", "id": "write", "payload": payload})).await;
    while gateway.post_count() == 0 {
        tokio::task::yield_now().await;
    }
    socket.subscribe("read", READ).await;
    assert_eq!(socket.next().await["id"], "read");
    assert_eq!(socket.next().await, json!({"type": "complete", "id": "read"}));
    // It was not executed, and a client sends it again on its next connection.
    socket.send(json!({"type": "subscribe", "id": "late", "payload": payload})).await;
    let written = socket.next().await;
    assert_eq!(written["id"], "write");
    assert!(written["payload"]["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{written}");
    assert_eq!(socket.next().await, json!({"type": "complete", "id": "write"}));
    assert_eq!(socket.closed().await, refused());
    assert_eq!(gateway.post_count(), 1);
}

/// A token with these claims, which nobody has signed.
fn jwt(claims: &Value) -> String {
    format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[tokio::test]
async fn a_socket_is_closed_soon_after_its_token_has_expired_and_never_earlier() {
    let gateway = Gateway::builder()
        .settings(|settings| settings.connections.header_timeout = Duration::from_millis(200))
        .start()
        .await;
    // What cannot be read, has passed, or is far ahead changes nothing.
    let others =
        [json!(-1), json!("1"), json!(1e308), json!(null), json!([[]]), json!(u64::MAX), json!(now() - 60.0)];
    let mut open = Vec::new();
    for exp in others {
        open.push(Socket::with_token(&gateway.url, &jwt(&json!({"exp": exp}))).await);
    }
    open.push(Socket::with_token(&gateway.url, "e30.!.x").await);
    let (began, expires) = (now(), (now() + 1.0).ceil());
    let token = jwt(&json!({"exp": expires}));
    let mut socket = Socket::with_token(&gateway.url, &token).await;
    socket.subscribe_at(&gateway, &token, "a", ADDED).await;
    let mut rest = Vec::new();
    assert_eq!(socket.closed_after(&mut rest).await, (RETRIABLE, "The token has expired".to_owned()));
    assert!(rest.is_empty(), "{rest:?}");
    let closed = now();
    assert!(expires < closed && closed < expires + 15.0, "from {began}, at {expires}: {closed}");
    for mut socket in open {
        is_open(&mut socket).await;
    }
}
