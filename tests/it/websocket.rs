//! Operations over a WebSocket: `graphql-transport-ws`.

use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async, connect_async};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::Program;
use crate::harness::{Gateway, TOKEN, fresh_token};
use crate::subscriptions::{ADDED, HINT, add, add_as, requests_with_token, tokens_by_tenant};

/// A client of a WebSocket.
pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Opens one, with these headers besides.
    pub(crate) async fn open(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        Ok(Self(connect_async(Self::upgrade(url, headers)).await?.0))
    }

    /// The request for one.
    pub(crate) fn upgrade(url: &str, headers: &[(&'static str, &str)]) -> http::Request<()> {
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
    pub(crate) async fn with_small_buffer(url: &str, token: &str) -> Self {
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

    /// Subscribes to new statuses, and waits for the authorization check.
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

    /// The close code and reason, after any other messages.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        self.closed_after(&mut Vec::new()).await
    }

    /// The close code and reason, after messages that are added to `messages`.
    pub(crate) async fn closed_after(&mut self, messages: &mut Vec<Value>) -> (u16, String) {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => messages.push(serde_json::from_str(&text).unwrap()),
                Message::Close(Some(close)) => return (close.code.into(), close.reason.to_string()),
                _ => {}
            }
        }
    }
}

pub(crate) fn code(errors: &Value) -> &str {
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
    // A completed operation sends no more messages, and its id may be used again.
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
    // A close frame of the client is answered.
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
        // The first of two subscriptions is in progress when the second arrives.
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
    // The subscription is not completed, so that its client reconnects.
    assert_eq!(socket.closed().await, (1001, "The gateway is shutting down".to_owned()));
    let (code, said) = program.ended();
    assert_eq!(code, Some(0), "{said}");
}
