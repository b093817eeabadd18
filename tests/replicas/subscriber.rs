//! A client that subscribes to added statuses, over a WebSocket or as server-sent events.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt as _, StreamExt as _};
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::replica::{Deployment, PATIENCE, Replica};

const ADDED: &str = "subscription($id: ID!) { deviceStatusAdded(configurationId: $id) { deviceStatusId } }";

pub(crate) enum Subscriber {
    Socket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    Sse { response: reqwest::Response, text: String },
}

impl Subscriber {
    /// Subscribes with server-sent events, and waits for the authorization check.
    pub(crate) async fn sse(deployment: &Deployment, replica: &Replica, token: &str) -> Self {
        let before = requests_with_token(deployment, token);
        let request = replica.post().header("accept", "text/event-stream").bearer_auth(token);
        let response = request.body(operation().to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        until_checked(deployment, token, before).await;
        Self::Sse { response, text: String::new() }
    }

    /// Subscribes over a WebSocket, and waits for the authorization check.
    pub(crate) async fn socket(deployment: &Deployment, replica: &Replica, token: &str) -> Self {
        let before = requests_with_token(deployment, token);
        let url = format!("ws{}/graphql", replica.url.strip_prefix("http").unwrap());
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let mut socket = connect_async(request).await.unwrap().0;
        let payload = json!({"Authorization": format!("Bearer {token}")});
        for message in [
            json!({"type": "connection_init", "payload": payload}),
            json!({"type": "subscribe", "id": "s", "payload": operation()}),
        ] {
            socket.send(Message::text(message.to_string())).await.unwrap();
        }
        let mut subscriber = Self::Socket(Box::new(socket));
        assert_eq!(subscriber.message().await, json!({"type": "connection_ack"}));
        until_checked(deployment, token, before).await;
        subscriber
    }

    /// The next response: the id of the status, or the code of the error.
    pub(crate) async fn next(&mut self) -> Value {
        let response = timeout(PATIENCE, async {
            match self {
                Self::Socket(_) => self.message().await["payload"].clone(),
                Self::Sse { response, text } => sse_response(response, text).await,
            }
        });
        let response = response.await.expect("an event");
        match response["errors"].get(0) {
            None => response["data"]["deviceStatusAdded"]["deviceStatusId"].clone(),
            Some(error) => {
                assert_eq!(response["data"], json!({"deviceStatusAdded": null}), "{response}");
                assert_eq!(error["extensions"]["retryable"], true, "{response}");
                error["extensions"]["code"].clone()
            }
        }
    }

    async fn message(&mut self) -> Value {
        let Self::Socket(socket) = self else { panic!("not a WebSocket") };
        loop {
            if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

/// A token of a tenant, which no other call of this function returns.
pub(crate) fn token(tenant: &str) -> String {
    let id = fastrand::u64(..).to_string();
    let claims = json!({"tid": tenant, "id": id}).to_string();
    format!("{}.{}.s", URL_SAFE_NO_PAD.encode(id), URL_SAFE_NO_PAD.encode(claims))
}

fn operation() -> Value {
    json!({"query": ADDED, "variables": {"id": DEMO_CONFIGURATION_ID}})
}

/// How many requests to Graph had a token.
fn requests_with_token(deployment: &Deployment, token: &str) -> usize {
    let bearer = format!("Bearer {token}");
    let requests = deployment.sandbox.requests();
    requests.iter().filter(|sent| sent.header("authorization") == Some(&bearer)).count()
}

async fn until_checked(deployment: &Deployment, token: &str, before: usize) {
    while requests_with_token(deployment, token) == before {
        tokio::task::yield_now().await;
    }
}

async fn sse_response(response: &mut reqwest::Response, text: &mut String) -> Value {
    loop {
        if let Some((event, rest)) = text.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            *text = rest;
            match event.strip_prefix("event: next\ndata: ") {
                Some(data) => return serde_json::from_str(data).unwrap(),
                None => assert_eq!(event, ":", "a keep-alive message"),
            }
            continue;
        }
        let chunk = response.chunk().await.unwrap().expect("the stream to go on");
        *text += std::str::from_utf8(&chunk).unwrap();
    }
}
