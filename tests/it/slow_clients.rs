//! Slow clients: timeouts for requests, keep-alive and reading responses.

use std::time::Duration;

use intune_graphql::server::ConnectionLimits;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::ReadHalf;

use crate::commands::Program;
use crate::harness::{Gateway, TOKEN, connection_limits};
use crate::http2_frames::{self, frame};

/// The client's connection preface and an empty SETTINGS frame.
const START: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0ABCDEFGH";

/// A GET of HTTP/2's, without the frame around it: method, scheme and path, none of them compressed further.
const QUERY: &[u8] = b"\x82\x86\x44\x1b/graphql?query={__typename}";

pub(crate) async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// The head of a POST whose body is so long.
pub(crate) fn head(token: &str, length: usize) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

async fn short_timeouts() -> Gateway {
    let limits = ConnectionLimits {
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
        send_timeout: Duration::from_millis(600),
        ..connection_limits()
    };
    Gateway::builder()
        .settings(|settings| {
            settings.connections = limits;
            settings.body_timeout = Duration::from_millis(300);
        })
        .start()
        .await
}

/// Sends `first`, then the bytes of `rest` one by one, then `last` again and again. Asserts that the gateway closes the
/// connection all the same.
async fn assert_closed(gateway: &Gateway, first: &[u8], rest: &[u8], last: &[u8]) {
    let mut stream = connect(gateway).await;
    stream.write_all(first).await.unwrap();
    let (mut from, mut to) = stream.split();
    let drip = async {
        for piece in rest.chunks(1).chain(std::iter::repeat(last)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if to.write_all(piece).await.is_err() {
                break;
            }
        }
    };
    is_closed_during(drip, &mut from, &[first, rest, last].concat().escape_ascii().to_string()).await;
}

/// Asserts that the gateway closes the connection during `sending`, and not because of the content.
async fn is_closed_during(sending: impl Future<Output = ()>, from: &mut ReadHalf<'_>, what: &str) {
    let mut said = Vec::new();
    let closed = async {
        tokio::select! {
            // In good order or not.
            _ = from.read_to_end(&mut said) => {}
            () = sending => {}
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), closed).await.is_ok(), "{what}");
    // A code other than 0 in HTTP/2's GOAWAY means that the client broke the protocol.
    let blames = |frame: &[u8]| frame.starts_with(b"\0\0\x08\x07\0\0\0\0\0") && frame[13..] != [0; 4];
    assert!(!said.windows(17).any(blames), "{what}: {}", said.escape_ascii());
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed() {
    let gateway = short_timeouts().await;
    let headers = frame(1, 5, 1, &[QUERY, b"\x00\x01a\x7f\x50", "x".repeat(127 + 0x50).as_bytes()].concat());
    for (first, rest, last) in [
        // No bytes, a part of the protocol's preface, and all of it.
        (&b""[..], &b""[..], &b""[..]),
        (b"P", b"", b""),
        (b"PRI * HTT", b"", b""),
        (START, b"", b""),
        // Byte by byte.
        (b"", b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x"),
        (b"", START, b""),
        (START, &headers[..], b""),
        (START, b"", PING),
        // After a request with a response: the next one does not arrive, or arrives byte by byte.
        (b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\n\r\n", b"", b""),
        (
            b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /graphql HTTP/1.1\r\nX: ",
            b"x",
        ),
    ] {
        assert_closed(&gateway, first, rest, last).await;
    }
    let asked = [START, &frame(1, 5, 1, QUERY)].concat();
    assert_closed(&gateway, &asked, b"", PING).await;
    gateway.graphql("{ __typename }", json!({})).await.data();
}

#[tokio::test]
async fn a_request_body_that_never_arrives_times_out() {
    let gateway = short_timeouts().await;
    let mut stream = connect(&gateway).await;
    stream.write_all([head("t", 100), "{".to_owned()].concat().as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_connection_with_an_unread_response_is_closed() {
    let gateway = short_timeouts().await;
    // A window of no bytes: the head of the response can be sent, and nothing of its body.
    assert_closed(&gateway, &requests_with_window(QUERY, 0), b"", PING).await;
    // By HTTP/1, more than the system takes off the gateway's hands.
    let body = json!({"query": "{ __schema { types { name description fields { name description } } } }"});
    let body = body.to_string();
    let pipelined = [head("t", body.len()), body].concat().repeat(300);
    assert_closed(&gateway, pipelined.as_bytes(), b"", b"").await;
}

/// A gateway with a short send timeout and a long idle timeout.
async fn short_send_timeout() -> Gateway {
    let limits = ConnectionLimits {
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_secs(300),
        send_timeout: Duration::from_millis(600),
        ..connection_limits()
    };
    Gateway::builder().settings(|settings| settings.connections = limits).start().await
}

/// HTTP/2 with a window of so many bytes for each stream, and this query on the first.
pub(crate) fn requests_with_window(query: &[u8], bytes: u8) -> Vec<u8> {
    let preface = http2_frames::PREFACE.to_vec();
    [preface, frame(4, 0, 0, &[0, 4, 0, 0, 0, bytes]), frame(1, 5, 1, query)].concat()
}

fn window(stream: u32, bytes: u16) -> Vec<u8> {
    frame(8, 0, stream, &u32::from(bytes).to_be_bytes())
}

#[tokio::test]
async fn a_connection_with_a_partly_read_response_is_closed() {
    let gateway = short_send_timeout().await;
    assert_closed(&gateway, &requests_with_window(QUERY, 1), b"", PING).await;
}

#[tokio::test]
async fn an_unread_response_times_out_while_others_are_read() {
    let gateway = short_send_timeout().await;
    let mut stream = connect(&gateway).await;
    stream.write_all(&requests_with_window(QUERY, 0)).await.unwrap();
    let (mut from, mut to) = stream.split();
    let go_on = async {
        for stream in (3..).step_by(2) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            to.write_all(&[frame(1, 5, stream, QUERY), window(stream, 1000)].concat()).await.unwrap();
        }
    };
    let read = async {
        let (mut reset, mut ended_after_it) = (None, 0);
        while ended_after_it < 10 {
            let mut head = [0; 9];
            from.read_exact(&mut head).await.expect("the connection goes on for the other streams");
            let mut content = vec![0; usize::from(head[1]) * 256 + usize::from(head[2])];
            from.read_exact(&mut content).await.unwrap();
            let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
            match (head[3], stream) {
                (http2_frames::RST_STREAM, 1) => reset = Some(()),
                (http2_frames::RST_STREAM | http2_frames::GOAWAY, _) => panic!("{head:?}"),
                (http2_frames::DATA, stream) if head[4] & 1 == 1 && reset.is_some() && stream > 1 => {
                    ended_after_it += 1;
                }
                _ => {}
            }
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(20), read);
    tokio::select! {
        ended = read => ended.expect("the unread response is reset"),
        () = go_on => unreachable!(),
    }
}

#[tokio::test]
async fn a_client_that_reads_none_of_its_responses_is_closed_after_the_send_timeout() {
    // The test takes as long as this if a connection is closed late.
    let header_timeout = Duration::from_secs(25);
    let limits = ConnectionLimits {
        header_timeout,
        idle_timeout: Duration::from_secs(300),
        send_timeout: Duration::from_millis(600),
        ..connection_limits()
    };
    let gateway = Gateway::builder().settings(|settings| settings.connections = limits).start().await;
    for count in [1, 5] {
        let mut requests = requests_with_window(QUERY, 0);
        for number in 1..count {
            requests.extend(frame(1, 5, 1 + 2 * number, QUERY));
        }
        let started = std::time::Instant::now();
        assert_closed(&gateway, &requests, b"", PING).await;
        assert!(started.elapsed() < header_timeout / 2, "{count} responses: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn an_in_flight_request_is_answered_despite_an_unread_response() {
    let gateway = short_send_timeout().await;
    gateway.sandbox.inject("slow-first-byte;wait=3s".parse().unwrap());
    let path = format!(
        "/graphql?query=%7BiosLobAppProvisioningConfiguration(id:%22{DEMO_CONFIGURATION_ID}%22)%7BgraphId%7D%7D"
    );
    let token = format!("Bearer {TOKEN}");
    let read = [
        &b"\x82\x86\x44"[..],
        &[u8::try_from(path.len()).unwrap()],
        path.as_bytes(),
        b"\x0f\x08",
        &[u8::try_from(token.len()).unwrap()],
        token.as_bytes(),
    ]
    .concat();
    assert!(path.len() < 127, "a length of one byte");
    let mut stream = connect(&gateway).await;
    stream.write_all(&requests_with_window(QUERY, 0)).await.unwrap();
    stream.write_all(&[frame(1, 5, 3, &read), window(3, 10_000)].concat()).await.unwrap();
    let mut said = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await;
    assert!(closed.is_ok(), "it is closed after that");
    let answer = format!("\"graphId\":\"{DEMO_CONFIGURATION_ID}\"");
    assert!(said.windows(answer.len()).any(|part| part == answer.as_bytes()), "{}", said.escape_ascii());
}

#[tokio::test]
async fn the_keep_alive_timeout_is_longer_than_the_header_timeout() {
    let limits = ConnectionLimits { header_timeout: Duration::from_millis(100), ..connection_limits() };
    let gateway = Gateway::builder().settings(|settings| settings.connections = limits).start().await;
    let mut stream = connect(&gateway).await;
    for pause in [0, 500, 500] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        stream.write_all(b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\"Query\"}}") {
            answer.push(stream.read_u8().await.expect("the connection is open"));
        }
    }
}

#[tokio::test]
async fn a_client_that_is_still_sending_receives_the_rejection() {
    let gateway = Gateway::start().await;
    let large = "x".repeat(4 << 20);
    for (head, status) in [
        (head("t", large.len()), "413"),
        (head("t", large.len()).replace("application/json", "text/plain"), "415"),
        (head("t", large.len()).replace("Host: x", "Host: x\r\nAccept: image/png"), "406"),
        (head("t", large.len()).replace("POST", "PUT"), "405"),
    ] {
        let mut stream = connect(&gateway).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(large.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), format!("HTTP/1.1 {status}"));
    }
}

/// If the system allows few open files, clients cannot use the last one.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_cannot_exhaust_the_file_descriptors() {
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let mut gateway = Program::start_with_open_files(200, &serve);
    let url = gateway.line("listening on ");
    let admin = gateway.line("admin listening on ");
    let mut silent = Vec::new();
    for _ in 0..150 {
        silent.push(TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap());
    }
    let client = crate::harness::http_client().build().unwrap();
    for path in ["/livez", "/readyz"] {
        assert!(client.get(format!("{admin}{path}")).send().await.unwrap().status().is_success());
    }
    drop(silent);
    let query = client.get(format!("{url}/graphql?query={{__typename}}")).send().await.unwrap();
    assert!(query.status().is_success());
    let (code, said) = gateway.stop();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("allows fewer connections"), "{said}");
}
