//! Connections that end early or take their time, seen from a plain TCP connection.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Graph, demo, status_body};

/// Sends bytes and reads until the connection ends.
pub(super) async fn raw(address: &str, request: &str) -> Vec<u8> {
    exchange(address, request).await.0
}

async fn exchange(address: &str, request: &str) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut received = Vec::new();
    let end = stream.read_to_end(&mut received).await;
    (received, end.err().map(|error| error.kind()))
}

/// A create, with a connection that would stay open.
fn create(fault: &str) -> String {
    let body = status_body().to_string();
    format!(
        "POST {} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\nx-sandbox-fault: {fault}\r\ncontent-length: {}\r\n\r\n{body}",
        demo("/deviceStatuses"),
        body.len()
    )
}

fn statuses(graph: &Graph) -> usize {
    graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len()
}

#[tokio::test]
async fn a_connection_can_close_before_the_body_is_read() {
    let graph = Graph::start().await;
    let before = statuses(&graph);
    let (received, _) = exchange(&graph.address, &create("drop-unread")).await;
    assert!(received.is_empty());
    assert_eq!(statuses(&graph), before);
    assert!(graph.sandbox.requests()[0].body.is_empty());
}

#[tokio::test]
async fn a_connection_can_close_after_the_write_was_applied() {
    let graph = Graph::start().await;
    let before = statuses(&graph);
    let (received, error) = exchange(&graph.address, &create("drop-applied")).await;
    assert_eq!((received.len(), error), (0, None));
    let (received, error) = exchange(&graph.address, &create("drop-applied;close=reset")).await;
    assert_eq!((received.len(), error), (0, Some(ErrorKind::ConnectionReset)));
    assert_eq!(statuses(&graph), before + 2);
}

#[tokio::test]
async fn a_connection_can_close_within_the_body() {
    let graph = Graph::start().await;
    let (received, error) = exchange(&graph.address, &create("drop-mid-answer;bytes=20")).await;
    assert_eq!(error, None);
    let text = String::from_utf8(received).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201 Created"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(length.parse::<usize>().unwrap() > 20);
    assert_eq!(body.len(), 20);
    assert!(body.starts_with(r#"{"@odata.context":"#));
}

#[tokio::test]
async fn a_response_without_a_body_is_cut_before_it_starts() {
    let graph = Graph::start().await;
    graph.inject("drop-mid-answer;times=1");
    assert!(graph.request(reqwest::Method::DELETE, &demo("")).send().await.is_err());
    graph.get(&demo("")).await.error(404);
}

#[tokio::test]
async fn a_client_sees_a_cut_body_as_an_error() {
    let graph = Graph::start().await;
    graph.inject("drop-mid-answer;times=1");
    let response = graph.request(reqwest::Method::GET, &demo("")).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.is_err());
    graph.get(&demo("")).await.expect(200);
}

#[tokio::test]
async fn responses_can_be_slow() {
    let graph = Graph::start().await;
    for fault in ["slow-first-byte;wait=200ms;times=1", "slow-body;piece=100;pause=50ms;times=1"] {
        graph.inject(fault);
        let started = Instant::now();
        graph.get(&demo("")).await.expect(200);
        assert!(started.elapsed() >= Duration::from_millis(200), "{fault}");
    }
}

#[tokio::test]
async fn the_accept_can_be_delayed() {
    let graph = Graph::start().await;
    graph.inject("slow-accept;wait=200ms;times=1");
    graph.inject("slow-handshake;wait=1h");
    let started = Instant::now();
    graph.get(&demo("")).await.expect(200);
    assert!(started.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let graph = Graph::start().await;
    let one = format!("GET {} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer t\r\n\r\n", demo("/nope"));
    let last = one.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let received = raw(&graph.address, &format!("{one}{one}{last}")).await;
    let text = String::from_utf8(received).unwrap();
    assert_eq!(text.matches("HTTP/1.1 400 Bad Request").count(), 3);
}
