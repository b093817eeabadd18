//! Limits and timeouts of WebSocket connections, and clients that do not read.

use std::time::Duration;

use futures_util::StreamExt as _;
use intune_graphql::server::{ConcurrencyLimits, ConnectionLimits};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Gateway, TOKEN, connection_limits, fresh_token};
use crate::slow_clients::connect;
use crate::subscription_limits::short_timeouts;
use crate::subscriptions::{ADDED, HINT, add, requests_with_token};
use crate::websocket::{Socket, code};

#[tokio::test]
async fn operations_per_websocket_are_limited() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::with_token(&gateway.url, TOKEN).await;
    for id in 0..128 {
        socket.subscribe(&id.to_string(), HINT).await;
    }
    socket.subscribe("one more", "{ __typename }").await;
    let error = socket.next().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("one more")));
    assert_eq!(code(&error["payload"]), "OVERLOADED");
    assert_eq!(error["payload"][0]["extensions"]["retryAfter"], 1);
    socket.send(json!({"type": "complete", "id": "7"})).await;
    socket.subscribe("one more", "{ __typename }").await;
    assert_eq!(socket.next().await["payload"]["data"]["__typename"], "Query");
}

#[tokio::test]
async fn a_subscription_continues_beyond_all_timeouts() {
    let gateway = short_timeouts().await;
    let token = fresh_token();
    let mut socket = Socket::with_token(&gateway.url, &token).await;
    socket.subscribe_at(&gateway, &token, "1", ADDED).await;
    // A ping each 200 ms, so that this takes four deadlines.
    let mut pings = 0;
    while pings < 10 {
        match socket.0.next().await.unwrap().unwrap() {
            Message::Ping(_) => pings += 1,
            message => panic!("{message:?}"),
        }
    }
    let id = add(&gateway).await;
    assert_eq!(socket.next().await["payload"]["data"]["deviceStatusAdded"]["deviceStatus"]["id"], id);
}

#[tokio::test]
async fn a_websocket_without_init_or_operations_is_closed() {
    let gateway = short_timeouts().await;
    let mut socket = Socket::open(&gateway.url, &[]).await.unwrap();
    assert_eq!(socket.closed().await.0, 4408, "nothing was initialised");
    let mut socket = Socket::with_token(&gateway.url, TOKEN).await;
    assert_eq!(socket.closed().await, (1001, "Idle timeout".to_owned()));
}

/// A frame of a client's, with a mask that changes nothing.
fn text_frame(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0xfe][..], &length, &[0; 4], text.as_bytes()].concat()
}

/// An operation with a large response.
fn large_query() -> String {
    let types = "__schema { types { name description fields { name description } } }";
    format!("{{ a: {types} b: {types} c: {types} d: {types} e: {types} f: {types} }}")
}

/// This many operations with large responses.
fn large_asks(count: usize) -> Vec<u8> {
    let query = large_query();
    let ask = |id: usize| json!({"type": "subscribe", "id": format!("{id}"), "payload": {"query": query}});
    (0..count).flat_map(|id| text_frame(&ask(id))).collect()
}

/// An initialised WebSocket whose client has read nothing.
async fn open_by_hand(gateway: &Gateway, token: &str) -> TcpStream {
    let mut stream = connect(gateway).await;
    let head = format!(
        "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer {token}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let init = text_frame(&json!({"type": "connection_init", "padding": "x".repeat(126)}));
    stream.write_all(&init).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_that_sends_no_pong_or_reads_nothing_is_disconnected() {
    let gateway = short_timeouts().await;
    let hint = json!({"query": HINT, "variables": {"id": DEMO_CONFIGURATION_ID}});
    let subscribe = text_frame(&json!({"type": "subscribe", "id": "1", "payload": hint}));
    for (what, reads) in [(subscribe, true), (large_asks(120), false)] {
        let mut stream = open_by_hand(&gateway, TOKEN).await;
        stream.write_all(&what).await.unwrap();
        let closed = async {
            if reads {
                let mut said = Vec::new();
                let _ = stream.read_to_end(&mut said).await;
            } else {
                // It continues to send, and reads nothing.
                while stream.write_all(b"\x89\x80\0\0\0\0").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(30), closed).await.is_ok(), "reads: {reads}");
    }
}

#[tokio::test]
async fn a_client_that_reads_no_responses_holds_no_permits() {
    const PLACES: usize = 100;
    const SLOW: usize = 60;
    let gateway = Gateway::builder().settings(|settings| {
        settings.concurrency = ConcurrencyLimits {
            max_concurrent_requests: PLACES,
            max_queued_requests: 0,
            max_caller_share: 100,
        };
    });
    let gateway = gateway.start().await;
    let read = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";
    let variables = json!({"id": DEMO_CONFIGURATION_ID});
    let payload = json!({"query": read, "variables": variables});
    let asks = (0..SLOW).flat_map(|id| {
        text_frame(&json!({"type": "subscribe", "id": format!("slow {id}"), "payload": payload}))
    });
    // While Graph delays most of them, unread responses fill the buffers in between.
    gateway.sandbox.inject(FaultRule::always("slow-first-byte;wait=4s".parse().unwrap()));
    let token = fresh_token();
    let mut stream = open_by_hand(&gateway, &token).await;
    stream.write_all(&asks.collect::<Vec<u8>>()).await.unwrap();
    while requests_with_token(&gateway, &token) < SLOW {
        tokio::task::yield_now().await;
    }
    gateway.sandbox.clear_faults();
    stream.write_all(&large_asks(64)).await.unwrap();
    // Graph responds, and the permits are free again well before the gateway disconnects that
    // client.
    gateway.sandbox.inject(FaultRule::always("slow-first-byte;wait=200ms".parse().unwrap()));
    let others_are_served = async {
        loop {
            let reads = (SLOW / 2..PLACES).map(|_| gateway.graphql(read, variables.clone()));
            if futures_util::future::join_all(reads).await.iter().all(|reply| reply.status.is_success()) {
                return;
            }
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), others_are_served).await.is_ok());
    drop(stream);
}

#[tokio::test]
async fn a_client_with_unread_responses_starts_no_operation_while_the_memory_is_full() {
    const OPERATIONS: usize = 120;
    let gateway = Gateway::builder().send_buffer(8 * 1024);
    let gateway = gateway.settings(|settings| settings.max_buffered_bytes = 128 * 1024).start().await;
    let name = "x".repeat(1000);
    let configurations =
        format!("{}/deviceAppManagement/iosLobAppProvisioningConfigurations", gateway.sandbox_url);
    let change = crate::harness::http_client().build().unwrap();
    let change = change.patch(format!("{configurations}/{DEMO_CONFIGURATION_ID}")).bearer_auth(TOKEN);
    let change =
        change.header("content-type", "application/json").body(json!({"displayName": name}).to_string());
    assert!(change.send().await.unwrap().status().is_success());
    // A response below 16 KiB is built even without free memory.
    let read = |aliases: usize| {
        let fields: String = (0..aliases).map(|index| format!("a{index}: displayName ")).collect();
        format!("query($id: ID!) {{ iosLobAppProvisioningConfiguration(id: $id) {{ {fields} }} }}")
    };

    // All of them are started before the first response is ready.
    gateway.sandbox.inject(FaultRule::always("slow-first-byte;wait=1s".parse().unwrap()));
    let token = fresh_token();
    let mut socket = Socket::with_small_buffer(&gateway.url, &token).await;
    for id in 0..OPERATIONS {
        socket.subscribe(&id.to_string(), &read(13)).await;
    }
    while requests_with_token(&gateway, &token) < OPERATIONS {
        tokio::task::yield_now().await;
    }
    gateway.sandbox.clear_faults();
    let is_full = async {
        loop {
            let reply = gateway.graphql(&read(30), json!({"id": DEMO_CONFIGURATION_ID})).await;
            if reply.json["errors"][0]["extensions"]["code"] == "OVERLOADED" {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), is_full).await.expect("untaken responses fill the memory");
    socket.subscribe("late", "{ __typename }").await;
    let mut ended = 0;
    let mut late = None;
    while ended < OPERATIONS || late.is_none() {
        let message = socket.next().await;
        match (message["id"] == "late", message["type"].as_str().unwrap()) {
            (true, _) => late = Some(message),
            (false, "complete") => ended += 1,
            (false, "next") => {
                let found = &message["payload"]["data"]["iosLobAppProvisioningConfiguration"];
                assert_eq!(found["a12"], name, "{message}");
            }
            (false, other) => panic!("{other}: {message}"),
        }
    }
    let late = late.unwrap();
    assert_eq!((late["type"].as_str(), code(&late["payload"])), (Some("error"), "OVERLOADED"), "{late}");
    // The client has read all of its responses.
    socket.subscribe("later", "{ __typename }").await;
    assert_eq!(socket.next().await["payload"]["data"]["__typename"], "Query");
}

#[tokio::test]
async fn a_websocket_holds_its_connection_permit() {
    let one = ConnectionLimits { max_connections: 1, ..connection_limits() };
    let gateway = Gateway::builder().settings(|settings| settings.connections = one).start().await;
    let mut socket = Socket::with_token(&gateway.url, TOKEN).await;
    let request = gateway.request(http::Method::GET, "/graphql?query={__typename}");
    let other = tokio::spawn(request.send());
    for _ in 0..20 {
        socket.send(json!({"type": "ping"})).await;
        assert_eq!(socket.next().await["type"], "pong");
    }
    assert!(!other.is_finished(), "there is no place for another");
    drop(socket);
    assert!(other.await.unwrap().unwrap().status().is_success());
}
