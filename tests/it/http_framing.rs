//! HTTP below GraphQL: framing, pipelining, timeouts and protocol versions.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, Reply, TOKEN, http_client};

const HEAD: &str = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
const TYPENAME: &str = r#"{"query":"{ __typename }"}"#;

/// Sends bytes, optionally closes the sending side, and reads until the gateway closes.
async fn talk(gateway: &Gateway, bytes: impl AsRef<[u8]>, close: bool) -> String {
    let mut stream = TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap();
    // The gateway may respond before everything is sent.
    let _ = stream.write_all(bytes.as_ref()).await;
    if close {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer))
        .await
        .expect("the gateway closes the connection");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn invalid_framing_is_rejected_and_the_next_request_is_served() {
    let gateway = Gateway::start().await;
    let flood: String = (0..200).map(|index| format!("x-{index}: y\r\n")).collect();
    // Whether the client closes its sending side, without which the gateway waits for the rest of
    // the body.
    for (request, closes, status) in [
        (format!("{HEAD}content-length: 26\r\ncontent-length: 5\r\n\r\n{TYPENAME}"), false, "400"),
        (format!("{HEAD}content-length: -1\r\n\r\n{TYPENAME}"), false, "400"),
        (format!("{HEAD}content-length: 99999999999999999999\r\n\r\n{{"), false, "400"),
        (format!("{HEAD}content-length: 26\r\n{flood}\r\n{TYPENAME}"), false, "431"),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\nZZ\r\n{{"), false, "400"),
        (format!("{HEAD}transfer-encoding: chunked\r\n\r\n5\r\n{{\"que"), true, "400"),
        (format!("{HEAD}content-length: 26\r\n\r\n{{\"que"), true, "400"),
        // An unknown coding, which does not define the body's length.
        (format!("{HEAD}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), false, "501"),
        (
            format!("{HEAD}transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            false,
            "501",
        ),
        (format!("{HEAD}transfer-encoding: gzip\r\n\r\nx"), false, "400"),
        (
            format!("{HEAD}authorization: Bearer a\rx-b: c\r\ncontent-length: 26\r\n\r\n{TYPENAME}"),
            false,
            "400",
        ),
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), false, "400"),
    ] {
        let answer = talk(&gateway, &request, closes).await;
        let told = answer.starts_with(&format!("HTTP/1.1 {status} "));
        assert!(told, "{}: {answer}", &request[..request.len().min(200)]);
    }
    // So many bytes remain unread that the response may be lost with the connection.
    let long = format!("{HEAD}x: {}\r\ncontent-length: 26\r\n\r\n{TYPENAME}", "y".repeat(1_000_000));
    let answer = talk(&gateway, long, false).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert!(gateway.sent().is_empty());
    gateway.graphql("{ __typename }", json!({})).await.data();
}

#[tokio::test]
async fn an_http_1_1_request_must_have_exactly_one_host() {
    let gateway = Gateway::start().await;
    let head = |version: &str, hosts: &str| {
        format!("GET /graphql?query={{__typename}} HTTP/{version}\r\n{hosts}connection: close\r\n\r\n")
    };
    for (version, hosts, status) in [
        ("1.1", "", "400"),
        ("1.1", "host: a\r\nhost: b\r\n", "400"),
        ("1.1", "host: a\r\nhost: a\r\n", "400"),
        ("1.1", "host: a b\r\n", "400"),
        ("1.1", "host: a/b\r\n", "400"),
        ("1.1", "host: user@a\r\n", "400"),
        ("1.0", "host: a\r\nhost: b\r\n", "400"),
        ("1.1", "host: a\r\n", "200"),
        ("1.1", "host: a:4000\r\n", "200"),
        ("1.1", "host: [::1]:4000\r\n", "200"),
        ("1.1", "host:\r\n", "200"),
        ("1.0", "", "200"),
    ] {
        let answer = talk(&gateway, head(version, hosts), false).await;
        assert!(answer.starts_with(&format!("HTTP/{version} {status} ")), "{version} {hosts:?}: {answer}");
        if status == "400" {
            assert!(answer.contains("\"code\":\"BAD_REQUEST\""), "{answer}");
            assert!(answer.contains("x-content-type-options: nosniff"), "{answer}");
        }
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let gateway = Gateway::start().await;
    let request = |query: &str, more: &str| {
        let body = json!({ "query": query }).to_string();
        format!("{HEAD}{more}content-length: {}\r\n\r\n{body}", body.len())
    };
    let requests = [
        request("{ a: __typename }", ""),
        request("{", ""),
        request("{ b: __typename }", "connection: close\r\n"),
    ];
    let answer = talk(&gateway, requests.concat(), false).await;
    let found =
        ["\"a\":\"Query\"", "GRAPHQL_PARSE_FAILED", "\"b\":\"Query\""].map(|part| answer.find(part).unwrap());
    assert!(found.is_sorted(), "{answer}");
}

#[tokio::test]
async fn a_body_that_times_out_is_408() {
    let gateway = Gateway::builder()
        .settings(|settings| settings.request_timeout = Duration::from_millis(300))
        .start()
        .await;
    let begun = Instant::now();
    for framing in ["content-length: 100\r\n\r\n{", "transfer-encoding: chunked\r\n\r\n1\r\n{\r\n"] {
        let answer = talk(&gateway, format!("{HEAD}{framing}"), false).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("\"code\":\"BAD_REQUEST\""), "{answer}");
    }
    assert!(begun.elapsed() >= Duration::from_millis(600));
}

#[tokio::test]
async fn a_compressed_request_body_is_not_decompressed() {
    let gateway = Gateway::start().await;
    for coding in ["gzip", "deflate, gzip", "identity, br"] {
        let request =
            gateway.post().header("content-type", "application/json").header("content-encoding", coding);
        let reply = Reply::read(request.body(TYPENAME).send().await.unwrap()).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (415, "BAD_REQUEST"), "{coding}");
        assert_eq!(reply.headers["accept-encoding"], "identity", "{coding}");
    }
    let request = gateway.post().header("content-type", "application/json");
    let request = request.header("content-encoding", "Identity").body(TYPENAME);
    Reply::read(request.send().await.unwrap()).await.data();
}

#[tokio::test]
async fn cleartext_http_2_is_served_with_prior_knowledge() {
    let gateway = Gateway::start().await;
    let client = http_client().http2_prior_knowledge().build().unwrap();
    let request = client
        .post(format!("{}/graphql", gateway.url))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string());
    let response = request.send().await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    Reply::read(response).await.data();
    assert_eq!(gateway.sent().len(), 1);
    assert_eq!(gateway.sent()[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
}

#[tokio::test]
async fn huge_numbers_and_deeply_nested_variables_are_rejected() {
    let gateway = Gateway::start().await;
    let body = |platform: &str| {
        let mut status = device_status();
        status["platform"] = json!("PLATFORM");
        json!({"query": MUTATION, "variables": input(status)}).to_string().replace("\"PLATFORM\"", platform)
    };
    let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
    for platform in ["1e400", "-1e400", "1e10", "9999999999999999999999", "0.1", &deep] {
        let request = gateway
            .post()
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {TOKEN}"));
        let reply = Reply::read(request.body(body(platform)).send().await.unwrap()).await;
        assert!(
            ["BAD_USER_INPUT", "BAD_REQUEST", "QUERY_TOO_LARGE"].contains(&reply.code()),
            "{platform:.20}: {:?}",
            reply.json
        );
    }
    assert!(gateway.sent().is_empty());
}
