//! Operations over a WebSocket: `graphql-transport-ws`.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use intune_graphql::server::{ConcurrencyLimits, ConnectionLimits};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::Program;
use crate::harness::{Gateway, TOKEN, connection_limits, fresh_token};
use crate::slow_clients::connect;
use crate::subscriptions::{ADDED, HINT, add, add_as, requests_with_token, short_timeouts, tokens_by_tenant};

/// A client of a WebSocket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one, with these headers besides.
    async fn open(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        Ok(Self(connect_async(Self::upgrade(url, headers)).await?.0))
    }

    /// The request for one.
    fn upgrade(url: &str, headers: &[(&'static str, &str)]) -> http::Request<()> {
        let mut request =
            format!("ws{}/graphql", url.strip_prefix("http").unwrap()).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        for (name, value) in headers {
            match *value {
                "" => drop(request.headers_mut().remove(*name)),
                value => drop(request.headers_mut().insert(*name, value.parse().unwrap())),
            }
        }
        request
    }

    /// Opens one whose `connection_init` brings a token, and which is acknowledged.
    pub(crate) async fn with_token(url: &str, token: &str) -> Self {
        Self::open(url, &[]).await.unwrap().acknowledged(token).await
    }

    /// The same, with a receive buffer so small that the system takes little that the test has not read.
    async fn with_small_buffer(url: &str, token: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(8 * 1024).unwrap();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        let stream = MaybeTlsStream::Plain(socket.connect(address).await.unwrap());
        let opened = client_async(Self::upgrade(url, &[]), stream).await.unwrap().0;
        Self(opened).acknowledged(token).await
    }

    async fn acknowledged(mut self, token: &str) -> Self {
        let payload = json!({"Authorization": format!("Bearer {token}")});
        self.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(self.next().await, json!({"type": "connection_ack"}));
        self
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        let variables = json!({"id": DEMO_CONFIGURATION_ID});
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"type": "subscribe", "id": id, "payload": payload})).await;
    }

    /// Subscribes to what is added, and waits until Graph has been asked whether the subscriber may.
    pub(crate) async fn subscribe_at(&mut self, gateway: &Gateway, token: &str, id: &str, query: &str) {
        let before = requests_with_token(gateway, token);
        self.subscribe(id, query).await;
        while requests_with_token(gateway, token) == before {
            tokio::task::yield_now().await;
        }
    }

    /// The next message of the protocol's.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                message => panic!("{message:?}"),
            }
        }
    }

    /// What the gateway closes it for, whatever it says before.
    async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(Some(close)) = self.0.next().await.unwrap().unwrap() {
                return (close.code.into(), close.reason.to_string());
            }
        }
    }
}

fn code(errors: &Value) -> &str {
    errors[0]["extensions"]["code"].as_str().unwrap()
}

#[tokio::test]
async fn events_over_a_websocket_are_delivered_only_within_their_tenant() {
    let gateway = Gateway::start().await;
    let tenants = tokens_by_tenant();
    let mut subscribers = Vec::new();
    for tokens in &tenants {
        // The token comes with the first message, or with the upgrade.
        let mut socket = Socket::with_token(&gateway.url, &tokens[0]).await;
        socket.subscribe_at(&gateway, &tokens[0], "s", HINT).await;
        let header = format!("Bearer {}", tokens[1]);
        let mut other = Socket::open(&gateway.url, &[("authorization", &header)]).await.unwrap();
        other.send(json!({"type": "connection_init"})).await;
        assert_eq!(other.next().await, json!({"type": "connection_ack"}));
        other.subscribe_at(&gateway, &tokens[1], "s", HINT).await;
        subscribers.push((tokens, [socket, other]));
    }
    for _ in 0..2 {
        for adding in &tenants {
            let id = add_as(&gateway, &adding[1]).await;
            for socket in
                subscribers.iter_mut().filter(|(theirs, _)| *theirs == adding).flat_map(|(_, both)| both)
            {
                let data = json!({"data": {"deviceStatusAdded": {"deviceStatusId": id}}});
                assert_eq!(socket.next().await, json!({"type": "next", "id": "s", "payload": data}));
            }
        }
    }
}

#[tokio::test]
async fn many_subscriptions_share_a_websocket_and_its_token() {
    let gateway = Gateway::start().await;
    let token = fresh_token();
    let mut socket = Socket::with_token(&gateway.url, &token).await;
    socket.subscribe_at(&gateway, &token, "hint", HINT).await;
    socket.subscribe_at(&gateway, &token, "whole", ADDED).await;
    for _ in 0..2 {
        let id = add(&gateway).await;
        let mut said = [socket.next().await, socket.next().await];
        said.sort_by_key(|message| message["id"].to_string());
        let [hint, whole] = said;
        let data = json!({"data": {"deviceStatusAdded": {"deviceStatusId": id}}});
        assert_eq!(hint, json!({"type": "next", "id": "hint", "payload": data}));
        let added = &whole["payload"]["data"]["deviceStatusAdded"];
        assert_eq!((&whole["id"], &added["deviceStatus"]["id"]), (&json!("whole"), &id), "{whole}");
    }
    // One that is completed says nothing more, and its id may be used again.
    socket.send(json!({"type": "complete", "id": "whole"})).await;
    socket.subscribe("whole", "{ __typename }").await;
    let data = json!({"data": {"__typename": "Query"}});
    assert_eq!(socket.next().await, json!({"type": "next", "id": "whole", "payload": data}));
    assert_eq!(socket.next().await, json!({"type": "complete", "id": "whole"}));
    let id = add(&gateway).await;
    let hint = socket.next().await;
    assert_eq!(
        (&hint["id"], &hint["payload"]["data"]["deviceStatusAdded"]["deviceStatusId"]),
        (&json!("hint"), &id)
    );
    socket.send(json!({"type": "ping", "payload": {"a": 1}})).await;
    assert_eq!(socket.next().await, json!({"type": "pong"}));
    // Whoever closes is answered.
    socket
        .0
        .send(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() })))
        .await
        .unwrap();
    assert_eq!(socket.closed().await.0, 1000);
}

#[tokio::test]
async fn the_token_is_read_from_the_upgrade_or_from_connection_init() {
    let gateway = Gateway::start().await;
    let bearer = |token: &str| format!("Bearer {token}");
    let (header, payload) = (fresh_token(), fresh_token());
    for (headers, init, expected) in [
        (vec![("authorization", bearer(&header))], json!({}), Some(&header)),
        (
            vec![("authorization", bearer(&header))],
            json!({"headers": {"authorization": bearer(&payload)}}),
            Some(&payload),
        ),
        (vec![], json!({"headers": {"Authorization": bearer(&payload)}}), Some(&payload)),
        (vec![], json!({"authToken": payload}), None),
    ] {
        gateway.clear_requests();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut socket = Socket::open(&gateway.url, &headers).await.unwrap();
        socket.send(json!({"type": "connection_init", "payload": init})).await;
        assert_eq!(socket.next().await, json!({"type": "connection_ack"}));
        socket
            .subscribe("1", "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { graphId } }")
            .await;
        let next = socket.next().await;
        match expected {
            Some(token) => {
                assert_eq!(
                    next["payload"]["data"]["iosLobAppProvisioningConfiguration"]["graphId"],
                    DEMO_CONFIGURATION_ID
                );
                assert_eq!((gateway.sent().len(), requests_with_token(&gateway, token)), (1, 1));
            }
            None => {
                assert_eq!(code(&next["payload"]["errors"]), "UNAUTHENTICATED");
                assert_eq!(gateway.sent().len(), 0);
            }
        }
        assert_eq!(socket.next().await["type"], "complete");
    }
}

#[tokio::test]
async fn a_mutation_writes_once_and_errors_belong_to_their_operation() {
    let gateway = Gateway::start().await;
    let mut socket = Socket::with_token(&gateway.url, TOKEN).await;
    let before = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len();
    let payload = json!({"query": MUTATION, "variables": input(device_status())});
    socket.send(json!({"type": "subscribe", "id": "1", "payload": payload})).await;
    let next = socket.next().await;
    assert!(next["payload"]["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{next}");
    assert_eq!(socket.next().await, json!({"type": "complete", "id": "1"}));
    assert_eq!(gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len(), before + 1);
    for (payload, expected) in [
        (json!({"query": "{ nothing }"}), "GRAPHQL_VALIDATION_FAILED"),
        (json!({"query": "{"}), "GRAPHQL_PARSE_FAILED"),
        (json!({"query": "query($id: ID!) { node(id: $id) { id } }"}), "BAD_USER_INPUT"),
        (json!({"query": format!("{{ {} }}", "__typename ".repeat(2000))}), "QUERY_TOO_LARGE"),
        (json!({"query": 7}), "BAD_REQUEST"),
        (json!([]), "BAD_REQUEST"),
        (
            json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab".repeat(32)}}}),
            "PERSISTED_QUERY_NOT_FOUND",
        ),
    ] {
        socket.send(json!({"type": "subscribe", "id": "2", "payload": payload})).await;
        let error = socket.next().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("2")), "{error}");
        assert_eq!(code(&error["payload"]), expected);
    }
}

#[tokio::test]
async fn a_protocol_violation_closes_the_connection_with_its_code() {
    let gateway = Gateway::start().await;
    let init = json!({"type": "connection_init"});
    let subscribe =
        json!({"type": "subscribe", "id": "1", "payload": {"query": HINT, "variables": {"id": "x"}}});
    let nested = format!("{{\"type\":\"ping\",\"payload\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    for (messages, expected) in [
        (vec![json!({"type": "start"}).to_string()], 4400),
        (vec!["{".to_owned()], 4400),
        (vec!["[]".to_owned()], 4400),
        (vec![nested], 4400),
        (vec![init.to_string(), json!({"type": "subscribe", "id": "1"}).to_string()], 4400),
        (vec![subscribe.to_string()], 4401),
        (vec![init.to_string(), init.to_string()], 4429),
        (vec![init.to_string(), subscribe.to_string(), subscribe.to_string()], 4409),
        (vec![json!({"type": "ping", "payload": "x".repeat(65 * 1024)}).to_string()], 1009),
    ] {
        let token = format!("Bearer {TOKEN}");
        let mut socket = Socket::open(&gateway.url, &[("authorization", &token)]).await.unwrap();
        // The first of two subscriptions is to be under way when the second comes.
        gateway.sandbox.inject(FaultRule::once("slow-first-byte;wait=5s".parse().unwrap()));
        for message in &messages {
            if socket.0.send(Message::text(message)).await.is_err() {
                break;
            }
        }
        assert_eq!(socket.closed().await.0, expected, "{messages:?}");
        gateway.sandbox.clear_faults();
    }
    let mut socket = Socket::open(&gateway.url, &[]).await.unwrap();
    socket.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(socket.closed().await.0, 4400);
    gateway.graphql("{ __typename }", json!({})).await.data();
}

#[tokio::test]
async fn a_rejected_upgrade_has_an_error_message() {
    let gateway = Gateway::builder();
    let gateway =
        gateway.settings(|settings| settings.cors_origins = vec!["https://app.example".parse().unwrap()]);
    let gateway = gateway.start().await;
    let own = &gateway.url;
    for (header, status, text) in [
        (("origin", "https://evil.example"), StatusCode::FORBIDDEN, "--cors-origin"),
        (("origin", "null"), StatusCode::FORBIDDEN, "--cors-origin"),
        (("sec-websocket-protocol", "graphql-ws"), StatusCode::BAD_REQUEST, "graphql-transport-ws"),
        (("sec-websocket-protocol", ""), StatusCode::BAD_REQUEST, "graphql-transport-ws"),
    ] {
        match Socket::open(own, &[header]).await.map(drop) {
            Err(Error::Http(response)) => {
                assert_eq!(response.status(), status, "{header:?}");
                let body: Value = serde_json::from_slice(response.body().as_ref().unwrap()).unwrap();
                assert_eq!(code(&body["errors"]), "BAD_REQUEST");
                assert!(body["errors"][0]["message"].as_str().unwrap().contains(text), "{body}");
            }
            other => panic!("{header:?}: {other:?}"),
        }
    }
    for origin in [own, "https://app.example"] {
        Socket::open(own, &[("origin", origin)]).await.unwrap();
    }
}

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
    assert_eq!(socket.closed().await, (1001, "No operation for a while".to_owned()));
}

/// A frame of a client's, with a mask that changes nothing.
fn text_frame(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0xfe][..], &length, &[0; 4], text.as_bytes()].concat()
}

/// What has a large answer.
fn large_query() -> String {
    let types = "__schema { types { name description fields { name description } } }";
    format!("{{ a: {types} b: {types} c: {types} d: {types} e: {types} f: {types} }}")
}

/// So many operations whose answers are large.
fn large_asks(count: usize) -> Vec<u8> {
    let query = large_query();
    let ask = |id: usize| json!({"type": "subscribe", "id": format!("{id}"), "payload": {"query": query}});
    (0..count).flat_map(|id| text_frame(&ask(id))).collect()
}

/// A WebSocket that is initialised, and of which nothing has been read.
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
                // It goes on asking, and takes nothing.
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
    // While Graph takes its time over most of them, answers that nobody takes fill what there is between the two.
    gateway.sandbox.inject(FaultRule::always("slow-first-byte;wait=4s".parse().unwrap()));
    let token = fresh_token();
    let mut stream = open_by_hand(&gateway, &token).await;
    stream.write_all(&asks.collect::<Vec<u8>>()).await.unwrap();
    while requests_with_token(&gateway, &token) < SLOW {
        tokio::task::yield_now().await;
    }
    gateway.sandbox.clear_faults();
    stream.write_all(&large_asks(64)).await.unwrap();
    // Graph answers, and the places are there again for others, well before the gateway gives that client up.
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
    // Below 16 KiB, a response is built whatever memory there is.
    let read = |aliases: usize| {
        let fields: String = (0..aliases).map(|index| format!("a{index}: displayName ")).collect();
        format!("query($id: ID!) {{ iosLobAppProvisioningConfiguration(id: $id) {{ {fields} }} }}")
    };

    // All of them are started before the first response is there.
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

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_gateway_finishes_operations_and_closes_with_going_away() {
    let upstream = Gateway::start().await;
    let mut program = Program::serve(&upstream.sandbox_url, &[]);
    let url = program.line("listening on ");
    let token = fresh_token();
    let mut socket = Socket::with_token(&url, &token).await;
    socket.subscribe_at(&upstream, &token, "live", HINT).await;
    upstream.sandbox.inject(FaultRule::once("slow-first-byte;wait=1s".parse().unwrap()));
    let before = requests_with_token(&upstream, &token);
    let payload = json!({"query": MUTATION, "variables": input(device_status())});
    socket.send(json!({"type": "subscribe", "id": "write", "payload": payload})).await;
    while requests_with_token(&upstream, &token) == before {
        tokio::task::yield_now().await;
    }
    program.terminate();
    let next = socket.next().await;
    assert_eq!((&next["type"], &next["id"]), (&json!("next"), &json!("write")), "{next}");
    assert!(next["payload"]["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{next}");
    assert_eq!(socket.next().await, json!({"type": "complete", "id": "write"}));
    // The subscription is not said to be complete, so that its client comes again.
    assert_eq!(socket.closed().await, (1001, "The gateway is stopping".to_owned()));
    let (code, said) = program.ended();
    assert_eq!(code, Some(0), "{said}");
}
