//! The WebSocket protocol below its messages: the upgrade, frames, and messages that are too large, too slow or never end.

use std::time::Duration;

use intune_graphql::server::ConnectionLimits;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Gateway, TOKEN, connection_limits, fresh_token};
use crate::subscriptions::{HINT, add};
use crate::websocket::Socket;
use crate::websocket_upgrade::{KEY, PROTOCOL, UPGRADE, VERSION, ask};

/// A WebSocket with a token, of which the client has every byte in its hand.
async fn open(gateway: &Gateway) -> TcpStream {
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let (mut stream, said) =
        ask(gateway, "1.1", &["Host: x\r\n", UPGRADE, VERSION, KEY, PROTOCOL, &token]).await;
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    stream.write_all(&text(&json!({"type": "connection_init"}).to_string())).await.unwrap();
    assert_eq!(message(&mut stream).await, json!({"type": "connection_ack"}));
    stream
}

/// A frame of a client's, with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).unwrap().to_be_bytes();
    [&[first, 0xff][..], &length, &[0; 4], payload].concat()
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

fn subscribe(id: &str, query: &str, padding: usize) -> String {
    let payload = json!({"query": query, "extensions": {"padding": "x".repeat(padding)}});
    json!({"id": id, "type": "subscribe", "payload": payload}).to_string()
}

/// The next frame of the gateway's but its pings.
async fn next_frame(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    loop {
        let (first, short) = (stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap());
        let length = match short {
            126 => usize::from(stream.read_u16().await.unwrap()),
            127 => usize::try_from(stream.read_u64().await.unwrap()).unwrap(),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        if first != 0x89 {
            return (first, payload);
        }
    }
}

async fn message(stream: &mut TcpStream) -> Value {
    let (first, payload) = next_frame(stream).await;
    assert_eq!(first, 0x81, "{}", payload.escape_ascii());
    serde_json::from_slice(&payload).unwrap()
}

/// The code that the gateway closes with, after which it sends nothing more.
async fn close_code(stream: &mut TcpStream) -> Option<u16> {
    let (first, payload) = next_frame(stream).await;
    assert_eq!(first, 0x88, "{}", payload.escape_ascii());
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0, "nothing comes after a close frame");
    payload.first_chunk().map(|code| u16::from_be_bytes(*code))
}

#[tokio::test]
async fn an_oversized_frame_is_rejected_at_its_header() {
    let gateway = Gateway::start().await;
    let announced = |first: u8, length: u64| [&[first, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    for bytes in [
        announced(0x81, 1 << 62),
        announced(0x82, 1 << 62),
        announced(0x81, (8 << 20) + 1),
        [frame(0x01, b"{\"id\":\"1\""), announced(0x80, 1 << 40)].concat(),
        [frame(0x01, &[b' '; 100_000]), announced(0x00, 8 << 20)].concat(),
    ] {
        let mut stream = open(&gateway).await;
        stream.write_all(&bytes).await.unwrap();
        assert_eq!(close_code(&mut stream).await, Some(1009), "{}", bytes.len());
    }
}

/// A WebSocket that is not initialised and whose client has sent only its headers.
async fn uninitialised(gateway: &Gateway) -> TcpStream {
    let (stream, said) = ask(gateway, "1.1", &["Host: x\r\n", UPGRADE, VERSION, KEY, PROTOCOL]).await;
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    stream
}

/// A `connection_init` whose `Authorization` has so many bytes.
fn init(bytes: usize) -> Vec<u8> {
    let authorization = format!("Bearer {}", "x".repeat(bytes - "Bearer ".len()));
    text(&json!({"type": "connection_init", "payload": {"Authorization": authorization}}).to_string())
}

#[tokio::test]
async fn the_lengths_of_tokens_and_operation_ids_are_limited() {
    let gateway = Gateway::start().await;
    for (bytes, accepted) in [(16_384, true), (16_385, false), (64_000, false)] {
        let mut stream = uninitialised(&gateway).await;
        stream.write_all(&init(bytes)).await.unwrap();
        if accepted {
            assert_eq!(message(&mut stream).await, json!({"type": "connection_ack"}));
        } else {
            let reason = b"\x11\x30Authorization longer than 16384 bytes".to_vec();
            assert_eq!(next_frame(&mut stream).await, (0x88, reason), "{bytes}");
        }
        let header = format!("Authorization: Bearer {}\r\n", "x".repeat(bytes - 7));
        if bytes < 60_000 {
            let (_, said) =
                ask(&gateway, "1.1", &["Host: x\r\n", &header, UPGRADE, VERSION, KEY, PROTOCOL]).await;
            let status = if accepted { "101" } else { "431" };
            assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes}: {said}");
        }
    }
    // In bytes, not in characters.
    for (id, accepted) in [
        ("x".repeat(256), true),
        ("\u{e9}".repeat(128), true),
        ("x".repeat(257), false),
        ("\u{e9}".repeat(129), false),
    ] {
        for padding in [0, 100_000] {
            let mut stream = open(&gateway).await;
            let payload = json!({"query": "{ __typename }", "extensions": {"padding": "x".repeat(padding)}});
            let subscribe = json!({"id": id, "type": "subscribe", "payload": payload});
            stream.write_all(&text(&subscribe.to_string())).await.unwrap();
            if accepted {
                assert_eq!(message(&mut stream).await["id"], id);
            } else {
                let reason = b"\x11\x30Id longer than 256 bytes".to_vec();
                assert_eq!(next_frame(&mut stream).await, (0x88, reason));
            }
        }
    }
}

#[tokio::test]
async fn memory_of_open_websockets_counts_toward_buffered_bytes() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_bytes = 200_000).start().await;
    // 12 KiB of each token are counted.
    let mut kept = Vec::new();
    loop {
        let mut stream = uninitialised(&gateway).await;
        stream.write_all(&init(16_384)).await.unwrap();
        let (first, payload) = next_frame(&mut stream).await;
        if first == 0x88 {
            assert_eq!(payload, b"\x03\xf5The gateway is full");
            break;
        }
        kept.push(stream);
        assert!(kept.len() <= 16, "more is kept than may be");
    }
    assert!(kept.len() >= 12, "{}", kept.len());
    let header = |bytes| format!("Authorization: Bearer {}\r\n", "x".repeat(bytes));
    let ask = async |bytes| {
        let headers = ["Host: x\r\n", &header(bytes), UPGRADE, VERSION, KEY, PROTOCOL];
        ask(&gateway, "1.1", &headers).await
    };
    // Tokens of headers are too.
    loop {
        let (stream, said) = ask(7_000).await;
        if !said.starts_with("HTTP/1.1 101 ") {
            assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
            break;
        }
        kept.push(stream);
        assert!(kept.len() <= 50, "more is kept than may be");
    }
    // Usual ones always have room.
    let mut stream = uninitialised(&gateway).await;
    stream.write_all(&init(4_000)).await.unwrap();
    assert_eq!(message(&mut stream).await, json!({"type": "connection_ack"}));
    drop(kept);
    while !ask(7_000).await.1.starts_with("HTTP/1.1 101 ") {}
}

#[tokio::test]
async fn memory_of_subscription_documents_counts_until_they_end() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_bytes = 200_000).start().await;
    let subscribe = |id: usize| {
        let payload = json!({"query": HINT, "variables": {"id": DEMO_CONFIGURATION_ID},
            "extensions": {"padding": "x".repeat(60_000)}});
        text(&json!({"id": id.to_string(), "type": "subscribe", "payload": payload}).to_string())
    };
    let mut stream = open(&gateway).await;
    // 60 KiB of each are counted, so that there is room for three at most.
    for id in 0..4 {
        stream.write_all(&subscribe(id)).await.unwrap();
    }
    let error = message(&mut stream).await;
    assert_eq!(
        (&error["type"], &error["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("OVERLOADED"))
    );
    for id in 0..4 {
        stream
            .write_all(&text(&json!({"id": id.to_string(), "type": "complete"}).to_string()))
            .await
            .unwrap();
    }
    // There is room again when they have ended.
    let large = text(&self::subscribe("query", "{ __typename }", 60_000));
    loop {
        stream.write_all(&large).await.unwrap();
        if message(&mut stream).await["type"] == "next" {
            break;
        }
    }
}

#[tokio::test]
async fn an_invalid_frame_closes_with_the_matching_code() {
    let gateway = Gateway::start().await;
    let long = [&[0x89, 0xfe, 0, 126, 0, 0, 0, 0][..], &[b'x'; 126]].concat();
    for (bytes, expected) in [
        (frame(0xc1, b"{}"), Some(1002)),
        (frame(0x83, b"{}"), Some(1002)),
        (b"\x81\x02{}".to_vec(), Some(1002)),
        (frame(0x80, b"{}"), Some(1002)),
        ([frame(0x01, b"{"), frame(0x81, b"{}")].concat(), Some(1002)),
        (b"\x09\x80\0\0\0\0".to_vec(), Some(1002)),
        (long, Some(1002)),
        (frame(0x88, b"\x03"), Some(1002)),
        (b"\x88\x82\0\0\0\0\x03\xed".to_vec(), Some(1002)),
        (b"\x88\x83\0\0\0\0\x03\xe8\xff".to_vec(), Some(1007)),
        (frame(0x81, b"{\"type\":\"ping\",\"payload\":\"\xff\"}"), Some(1007)),
        ([frame(0x01, b"\xc3"), frame(0x80, b"(")].concat(), Some(1007)),
        (frame(0x82, b"{}"), Some(4400)),
        (b"\x88\x82\0\0\0\0\x03\xe8".to_vec(), Some(1000)),
        (b"\x88\x82\0\0\0\0\x0f\xa0".to_vec(), Some(4000)),
        (b"\x88\x80\0\0\0\0".to_vec(), None),
    ] {
        let mut stream = open(&gateway).await;
        stream.write_all(&bytes).await.unwrap();
        let shown = bytes[..bytes.len().min(24)].escape_ascii().to_string();
        assert_eq!(close_code(&mut stream).await, expected, "{shown}");
    }
    // Fragments are put together, with control frames between them.
    let mut stream = open(&gateway).await;
    let ping = json!({"type": "ping"}).to_string();
    let (first, last) = ping.as_bytes().split_at(5);
    let bytes =
        [frame(0x01, first), b"\x89\x82\0\0\0\0hi".to_vec(), frame(0x00, b""), frame(0x80, last)].concat();
    for byte in bytes {
        stream.write_u8(byte).await.unwrap();
    }
    assert_eq!(next_frame(&mut stream).await, (0x8a, b"hi".to_vec()));
    assert_eq!(message(&mut stream).await, json!({"type": "pong"}));
}

#[tokio::test]
async fn an_oversized_message_ends_only_its_own_operation() {
    let gateway = Gateway::start().await;
    let token = fresh_token();
    let mut socket = Socket::with_token(&gateway.url, &token).await;
    socket.subscribe_at(&gateway, &token, "live", HINT).await;
    let large = |members: Value| {
        let mut message = members;
        message["payload"] = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(100_000)}});
        message
    };
    for message in [
        large(json!({"id": "large", "type": "subscribe"})),
        large(json!({"type": "subscribe", "id": "large"})),
        json!({"id": "large", "payload": large(json!({})), "type": "subscribe"}),
    ] {
        socket.send(message).await;
        let error = socket.next().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("large")), "{error}");
        let extensions = &error["payload"][0]["extensions"];
        assert_eq!(
            (&extensions["code"], &extensions["retryable"]),
            (&json!("QUERY_TOO_LARGE"), &json!(false))
        );
    }
    let id = add(&gateway).await;
    let next = socket.next().await;
    assert_eq!(
        (&next["id"], &next["payload"]["data"]["deviceStatusAdded"]["deviceStatusId"]),
        (&json!("live"), &id)
    );
    // If its id is not known, or is that of another operation, the WebSocket is closed.
    let query = "x".repeat(100_000);
    for (message, expected) in [
        (format!(r#"{{"payload":{{"query":"{query}"}},"id":"1","type":"subscribe"}}"#), 1009),
        (format!(r#"{{"type":"ping","payload":{{"x":"{query}"}}}}"#), 1009),
        (query.clone(), 1009),
        ("x".repeat(9 << 20), 1009),
    ] {
        let mut stream = open(&gateway).await;
        // The gateway may close before it has read all.
        let _ = stream.write_all(&text(&message)).await;
        assert_eq!(close_code(&mut stream).await, Some(expected), "{}", &message[..40]);
    }
    let mut stream = open(&gateway).await;
    let live = json!({"type": "subscribe", "id": "1", "payload": {"query": HINT, "variables": {"id": "x"}}});
    gateway.sandbox.inject("slow-first-byte;wait=5s".parse().unwrap());
    stream.write_all(&text(&live.to_string())).await.unwrap();
    stream.write_all(&text(&subscribe("1", "{ __typename }", 100_000))).await.unwrap();
    assert_eq!(close_code(&mut stream).await, Some(4409));
}

#[tokio::test]
async fn unfinished_messages_count_toward_buffered_bytes() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_bytes = 150_000).start().await;
    let whole = text(&subscribe("1", "{ __typename }", 60_000));
    let fragments = {
        let message = subscribe("1", "{ __typename }", 60_000);
        let (first, last) = message.as_bytes().split_at(50_000);
        [frame(0x01, first), frame(0x80, last)].concat()
    };
    for bytes in [whole, fragments] {
        // All but their last bytes.
        let mut unfinished = Vec::new();
        for _ in 0..2 {
            let mut stream = open(&gateway).await;
            stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
            unfinished.push(stream);
        }
        // Until the gateway has read them there is room for a third.
        let mut third = open(&gateway).await;
        let error = loop {
            third.write_all(&bytes).await.unwrap();
            let answer = message(&mut third).await;
            if answer["type"] == "error" {
                break answer;
            }
            assert_eq!(message(&mut third).await["type"], "complete");
        };
        let extensions = &error["payload"][0]["extensions"];
        assert_eq!((&error["id"], &extensions["code"]), (&json!("1"), &json!("OVERLOADED")), "{error}");
        // Large bodies by POST share the memory; short messages always have room.
        let body = json!({"query": "{ __typename }", "extensions": {"padding": "x".repeat(60_000)}});
        let post = gateway.post().header("content-type", "application/json").body(body.to_string());
        assert_eq!(post.send().await.unwrap().status(), 503);
        third.write_all(&text(&subscribe("2", "{ __typename }", 3_000))).await.unwrap();
        assert_eq!(message(&mut third).await["payload"]["data"]["__typename"], "Query");
        assert_eq!(message(&mut third).await["type"], "complete");
        // They are served when they come, and leave room for others.
        for mut stream in unfinished {
            stream.write_all(&bytes[bytes.len() - 1..]).await.unwrap();
            assert_eq!(message(&mut stream).await["payload"]["data"]["__typename"], "Query");
        }
        third.write_all(&bytes).await.unwrap();
        assert_eq!(message(&mut third).await["payload"]["data"]["__typename"], "Query");
    }
}

#[tokio::test]
async fn a_message_that_times_out_closes_its_websocket() {
    let limits = ConnectionLimits { idle_timeout: Duration::from_secs(300), ..connection_limits() };
    let gateway = Gateway::builder().settings(|settings| {
        settings.connections = limits;
        settings.body_timeout = Duration::from_millis(300);
    });
    let gateway = gateway.start().await;
    let whole = text(&subscribe("1", "{ __typename }", 1_000));
    for (first, rest) in
        [(&whole[..1], &whole[1..]), (&whole[..500], &whole[500..]), (&frame(0x01, b"{")[..], &b""[..])]
    {
        let mut stream = open(&gateway).await;
        stream.write_all(first).await.unwrap();
        let (mut from, mut to) = stream.split();
        // Byte by byte, or pings alone.
        let drip = async {
            for piece in rest.chunks(1).chain(std::iter::repeat(&b"\x89\x80\0\0\0\0"[..])) {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if to.write_all(piece).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let mut said = Vec::new();
        tokio::select! {
            _ = from.read_to_end(&mut said) => {}
            () = drip => {}
        }
        let reason = b"\x03\xf0Message timeout";
        assert!(said.windows(reason.len()).any(|part| part == reason), "{}", said.escape_ascii());
    }
    // A message in time, after any other frames.
    let mut stream = open(&gateway).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    stream.write_all(&whole).await.unwrap();
    assert_eq!(message(&mut stream).await["payload"]["data"]["__typename"], "Query");
}
