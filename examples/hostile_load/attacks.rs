//! The attacks of hostile clients.

use std::time::Duration;

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The number of kinds. Attack numbers with the same remainder are of one kind.
pub(crate) const KINDS: usize = 28;
/// Timeout of one attack.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How the bytes of an attack are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SendMode {
    /// Sent, and the response is read to its end.
    Whole,
    /// Sent, and the response is not read.
    ResponseUnread,
    /// Closed before all of it is sent.
    Half,
    /// Sent byte by byte, then closed.
    ByteByByte,
    /// Not sent, and the connection is held open.
    Silent,
}

impl SendMode {
    /// Most requests are sent completely. The number determines which are not, and how.
    pub(crate) fn of(number: usize) -> Self {
        match number % 19 {
            0 => Self::Half,
            1 => Self::ByteByByte,
            2 => Self::Silent,
            3 => Self::ResponseUnread,
            _ => Self::Whole,
        }
    }
}

/// One attack, by its number.
pub(crate) async fn attack(address: &str, number: usize, mode: SendMode) {
    // The result does not matter: the next attack follows.
    let _ = tokio::time::timeout(TIMEOUT, attempt(address, number, mode)).await;
}

async fn attempt(address: &str, number: usize, mode: SendMode) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let sent = bytes(number);
    match mode {
        SendMode::Whole => {
            stream.write_all(&sent).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.map(drop)
        }
        SendMode::ResponseUnread => stream.write_all(&sent).await,
        SendMode::Half => stream.write_all(&sent[..sent.len() / 2]).await,
        SendMode::ByteByByte => {
            for byte in &sent[..sent.len().min(10)] {
                stream.write_all(&[*byte]).await?;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(())
        }
        SendMode::Silent => {
            tokio::time::sleep(TIMEOUT).await;
            Ok(())
        }
    }
}

fn bytes(number: usize) -> Vec<u8> {
    // Sizes below and above the limits from the first second on: a growing load would look like a leak.
    let size = number.wrapping_mul(7919);
    let deep = 60 + size % if number.is_multiple_of(2) { 700 } else { 20_000 };
    let query = |query: String| post(&json!({"query": query}).to_string());
    match number % KINDS {
        0 => query(format!("{{node(id:{}{}){{id}}}}", "[".repeat(deep), "]".repeat(deep))),
        1 => query(format!("{{node(id:{}1{}){{id}}}}", "{a:".repeat(deep), "}".repeat(deep))),
        2 => query(format!("{}{}", "{a".repeat(deep), "}".repeat(deep))),
        3 => query(doubling(22)),
        4 => query(format!("{{__typename {}}}", "@skip(if:false)".repeat(deep))),
        5 => query((0..deep).map(|alias| format!("a{alias}:__typename ")).fold("{".to_owned(), |all, one| all + &one) + "}"),
        6 => query((0..900).map(|field| format!("f{field} ")).fold("{".to_owned(), |all, one| all + &one) + "}"),
        7 => post(&format!(r#"{{"query":"{{__typename}}","variables":{{"x":{}{}}}}}"#, "[".repeat(deep), "]".repeat(deep))),
        8 => post(&format!("[{}]", vec![r#"{"query":"{__typename}"}"#; 500].join(","))),
        9 => query("{__schema{types{fields{type{ofType{fields{name}}}}}}}".to_owned()),
        10 => query(format!("{{node(id:\"ig~1.s.{size:x}.%2e%2e%2f\"){{id}}}}")),
        11 => query(format!(
            "{{iosLobAppProvisioningConfigurations(first:1000,after:\"{}\"){{nodes{{id}}}}}}",
            "x".repeat(size % 3000)
        )),
        12 => b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n".to_vec(),
        13 => b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n{".to_vec(),
        14 => format!("GET /graphql?{} HTTP/1.1\r\nHost: x\r\n\r\n", "query=%7B__typename%7D&".repeat(1000)).into_bytes(),
        15 => format!("GET / HTTP/1.1\r\n{}\r\n", "X-Many: x\r\n".repeat(5000)).into_bytes(),
        16 => {
            // A flood of streams that are opened and reset (HTTP/2).
            let flood = (1..2001).step_by(2).flat_map(|stream| [frame(1, 4, stream, &[0x82]), frame(3, 0, stream, &[0, 0, 0, 8])]);
            [PREFACE.to_vec(), frame(4, 0, 0, &[])].into_iter().chain(flood).flatten().collect()
        }
        17 => (0..4096_usize).map(|index| (index.wrapping_mul(number + 31) % 251).to_le_bytes()[0]).collect(),
        18 => post(&format!("{{\"query\":\"{}\"}}", "\\u0000".repeat(size % 5000))),
        19 => query(format!("{{node(id:\"\"\"{}\"\"\"){{id}}}}", "\\n".repeat(size % 10_000))),
        20 => query("mutation{addDeviceStatus(input:{}){replayed}}".to_owned()),
        21 => query("#".repeat(deep)),
        22 => large_documents(number),
        // Requests whose bodies never arrive, the maximum per connection, each with another token (HTTP/2).
        23 => {
            let head = |stream: u32| {
                let token = format!("Bearer {number}.{stream}");
                let length = u8::try_from(token.len()).unwrap_or_default();
                let post = b"\x83\x86\x44\x08/graphql\x5f\x10application/json\x0f\x08";
                frame(1, 4, stream, &[&post[..], &[length], token.as_bytes()].concat())
            };
            let heads = (1..257).step_by(2).map(head);
            [PREFACE.to_vec(), frame(4, 0, 0, &[])].into_iter().chain(heads).flatten().collect()
        }
        // Responses that are not read: the flow control window is empty (HTTP/2).
        24 => {
            let ask = |stream: u32| frame(1, 5, stream, b"\x82\x86\x44\x1b/graphql?query={__typename}");
            let asked = (1..257).step_by(2).map(ask);
            [PREFACE.to_vec(), frame(4, 0, 0, &[0, 4, 0, 0, 0, 0])].into_iter().chain(asked).flatten().collect()
        }
        // Abandoned event streams, and a WebSocket with more operations than the limit.
        25 => request(&added(), "keep-alive\r\nAccept: text/event-stream").into_bytes(),
        26 => web_socket(),
        _ => post(&"x".repeat(deep)),
    }
}

/// A subscription, as a request's parameters.
fn added() -> String {
    let query = "subscription($id:ID!){deviceStatusAdded(configurationId:$id){deviceStatusId deviceStatus{userName}}}";
    json!({"query": query, "variables": {"id": DEMO_CONFIGURATION_ID}}).to_string()
}

/// A WebSocket with more subscriptions than the limit, and then an invalid message.
fn web_socket() -> Vec<u8> {
    let head = "GET /graphql HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Authorization: Bearer hostile\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    // A frame with a mask of zeros and an extended length, for more than 125 bytes.
    let frame = |text: String| {
        let text = format!("{text:200}");
        let length = u16::try_from(text.len()).unwrap_or_default().to_be_bytes();
        [&[0x81, 0xfe][..], &length, &[0; 4], text.as_bytes()].concat()
    };
    let subscribe = |id| format!("{{\"type\":\"subscribe\",\"id\":\"{id}\",\"payload\":{}}}", added());
    let messages = std::iter::once(r#"{"type":"connection_init"}"#.to_owned()).chain((0..140).map(subscribe));
    let messages = messages.chain(["{".to_owned()]).flat_map(frame);
    head.bytes().chain(messages).collect()
}

/// The HTTP/2 connection preface.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Valid documents with the maximum number of tokens, each different and sent twice, on one
/// connection. The gateway's document cache is full within seconds, and must not grow afterwards.
fn large_documents(number: usize) -> Vec<u8> {
    let fields = |id: usize| format!("{{node(id:\"{id}\"){{{}}}}}", "id ".repeat(1980));
    let ids = |id: usize| {
        let ids: String = (0..980).map(|index| format!("\"{:x}\"", id + index)).collect();
        format!("{{nodes(ids:[{ids}]){{id}}}}")
    };
    let documents = (0..4).flat_map(|index| [fields(number * 4 + index), ids(number * 4 + index)]);
    let bodies: Vec<String> = documents.map(|document| json!({"query": document}).to_string()).collect();
    let twice: String =
        bodies.iter().flat_map(|body| [request(body, "keep-alive"), request(body, "keep-alive")]).collect();
    (twice + &request("{}", "close")).into_bytes()
}

/// Fragments that spread the next one twice each.
fn doubling(levels: usize) -> String {
    let mut document = "query{node(id:\"x\"){...F0}}".to_owned();
    for level in 0..levels {
        document += &format!("fragment F{level} on Node{{...F{0} ...F{0}}}", level + 1);
    }
    document + &format!("fragment F{levels} on Node{{id}}")
}

fn post(body: &str) -> Vec<u8> {
    request(body, "close").into_bytes()
}

/// A request with `Connection: keep-alive` or `close`.
fn request(body: &str, connection: &str) -> String {
    let length = body.len();
    format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nConnection: {connection}\r\nAuthorization: Bearer hostile\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
