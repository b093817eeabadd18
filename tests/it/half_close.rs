//! Clients that half-close or close the connection before they have their response.

use std::time::Duration;

use intune_graphql::server::ConnectionLimits;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, connection_limits, fresh_token};
use crate::slow_clients::{connect, head};
use crate::subscriptions::{HINT, add, requests_with_token};

const READ: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { graphId } }";

/// A request for HTTP/1.1.
fn request(token: &str, query: &str, variables: &Value) -> Vec<u8> {
    let body = json!({"query": query, "variables": variables}).to_string();
    [head(token, body.len()), body].concat().into_bytes()
}

/// The same request in chunks of so many bytes, with these headers besides and these trailers.
fn in_chunks(request: &[u8], size: usize, headers: &str, trailers: &str) -> Vec<u8> {
    let request = std::str::from_utf8(request).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let (head, _length) = head.rsplit_once("Content-Length: ").unwrap();
    let mut said = format!("{head}{headers}Transfer-Encoding: chunked\r\n\r\n");
    for chunk in body.as_bytes().chunks(size) {
        said += &format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap());
    }
    format!("{said}0\r\n{trailers}\r\n").into_bytes()
}

/// A create with a padding of so many bytes in its request.
fn padded(token: &str, padding: usize) -> Vec<u8> {
    let mut variables = input(device_status());
    variables["unused"] = "x".repeat(padding).into();
    request(token, MUTATION, &variables)
}

/// Two creates, the second of which waits for the first.
fn two_creates(token: &str) -> Vec<u8> {
    let query = "mutation($input: AddDeviceStatusInput!) {
        first: addDeviceStatus(input: $input) { deviceStatusId }
        second: addDeviceStatus(input: $input) { deviceStatusId } }";
    request(token, query, &input(device_status()))
}

/// The response of the gateway, until it closes the connection.
async fn rest(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut said)).await;
    closed.expect("the gateway closes the connection").unwrap();
    String::from_utf8(said).unwrap()
}

/// The one response in it.
fn response(said: &str) -> Value {
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    serde_json::from_str(said.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Waits until Graph has received this many requests with a token.
async fn until_graph_requests(gateway: &Gateway, token: &str, times: usize) {
    while requests_with_token(gateway, token) < times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_with_the_request_is_served() {
    let gateway = Gateway::start().await;
    let before = gateway.status_count();
    gateway.sandbox.inject(FaultRule::always("slow-first-byte;wait=300ms".parse().unwrap()));
    let mut stream = connect(&gateway).await;
    let id = json!({"id": DEMO_CONFIGURATION_ID});
    stream.write_all(&request(&fresh_token(), READ, &id)).await.unwrap();
    stream.shutdown().await.unwrap();
    let read = response(&rest(&mut stream).await);
    assert_eq!(
        read,
        json!({"data": {"iosLobAppProvisioningConfiguration": {"graphId": DEMO_CONFIGURATION_ID}}})
    );
    // Every write of a document is sent, including later ones.
    let mut stream = connect(&gateway).await;
    stream.write_all(&two_creates(&fresh_token())).await.unwrap();
    stream.shutdown().await.unwrap();
    let created = response(&rest(&mut stream).await);
    for field in ["first", "second"] {
        assert!(created["data"][field]["deviceStatusId"].is_string(), "{created}");
    }
    assert_eq!(gateway.status_count(), before + 2);
}

#[tokio::test]
async fn a_client_may_close_its_sending_side_soon_after_the_request() {
    let window = Duration::from_secs(60);
    let limits = ConnectionLimits { half_close_window: window, ..connection_limits() };
    let gateway = Gateway::builder().settings(|settings| settings.connections = limits).start().await;
    let before = gateway.status_count();
    let token = fresh_token();
    gateway.sandbox.inject(FaultRule::once("slow-first-byte;wait=300ms".parse().unwrap()));
    let mut stream = connect(&gateway).await;
    stream.write_all(&two_creates(&token)).await.unwrap();
    until_graph_requests(&gateway, &token, 1).await;
    stream.shutdown().await.unwrap();
    let created = response(&rest(&mut stream).await);
    assert!(created["data"]["second"]["deviceStatusId"].is_string(), "{created}");
    assert_eq!(gateway.status_count(), before + 2);
}

#[tokio::test]
async fn pipelined_requests_are_answered_after_the_sending_side_is_closed() {
    let gateway = Gateway::start().await;
    let before = gateway.status_count();
    gateway.sandbox.inject(FaultRule::always("slow-first-byte;wait=200ms".parse().unwrap()));
    let mut stream = connect(&gateway).await;
    let token = fresh_token();
    let id = json!({"id": DEMO_CONFIGURATION_ID});
    let requests = [
        request(&token, READ, &id),
        request(&token, MUTATION, &input(device_status())),
        request(&token, "{ __typename }", &json!({})),
    ];
    stream.write_all(&requests.concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    let said = rest(&mut stream).await;
    assert_eq!(said.matches("HTTP/1.1 200 ").count(), 3, "{said}");
    let parts =
        ["\"graphId\":", "\"deviceStatusId\":", "\"__typename\":\"Query\""].map(|part| said.find(part));
    assert!(parts.iter().all(Option::is_some) && parts.is_sorted(), "{said}");
    assert_eq!(gateway.status_count(), before + 1);
}

#[tokio::test]
async fn after_a_late_half_close_sent_writes_are_reported_and_nothing_more_is_sent() {
    let gateway = Gateway::start().await;
    let before = gateway.status_count();
    let token = fresh_token();
    gateway.sandbox.inject(FaultRule::once("slow-first-byte;wait=500ms".parse().unwrap()));
    let mut stream = connect(&gateway).await;
    stream.write_all(&two_creates(&token)).await.unwrap();
    until_graph_requests(&gateway, &token, 1).await;
    stream.shutdown().await.unwrap();
    let answer = response(&rest(&mut stream).await);
    assert!(answer["data"]["first"]["deviceStatusId"].is_string(), "{answer}");
    assert_eq!(answer["data"]["second"], Value::Null, "{answer}");
    let [error] = answer["errors"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    let extensions = &error["extensions"];
    assert_eq!(
        (&error["path"], &extensions["outcome"], &extensions["retryable"]),
        (&json!(["second"]), &json!("NOT_SENT"), &json!(true))
    );
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("its client had closed its side of the connection"), "{message}");
    assert_eq!((gateway.status_count(), requests_with_token(&gateway, &token)), (before + 1, 1));
}

#[tokio::test]
async fn nothing_more_is_sent_after_a_disconnect() {
    for resets in [false, true] {
        let gateway = Gateway::start().await;
        let mut variables = input(device_status());
        variables["id"] = add(&gateway).await;
        let before = gateway.status_count();
        let token = fresh_token();
        gateway.sandbox.inject(FaultRule::once("slow-first-byte;wait=500ms".parse().unwrap()));
        let mut stream = connect(&gateway).await;
        let writes = "mutation($input: AddDeviceStatusInput!, $id: ID!) {
            first: addDeviceStatus(input: $input) { deviceStatusId }
            second: addDeviceStatus(input: $input) { deviceStatusId }
            third: deleteDeviceStatus(input: {id: $id}) { deletedId } }";
        stream.write_all(&request(&token, writes, &variables)).await.unwrap();
        until_graph_requests(&gateway, &token, 1).await;
        if resets {
            stream.set_zero_linger().unwrap();
        }
        drop(stream);
        // The sent request was finished.
        while gateway.status_count() == before {
            tokio::task::yield_now().await;
        }
        // A complete further connection, after which the gateway has received the first one's end.
        for _ in 0..20 {
            gateway.graphql(READ, json!({"id": DEMO_CONFIGURATION_ID})).await.data();
        }
        assert_eq!(
            (gateway.status_count(), requests_with_token(&gateway, &token)),
            (before + 1, 1),
            "resets: {resets}"
        );
    }
}

#[tokio::test]
async fn a_half_close_ends_idle_connections_and_event_streams() {
    let one =
        ConnectionLimits { max_connections: 1, half_close_window: Duration::ZERO, ..connection_limits() };
    let gateway = Gateway::builder().settings(|settings| settings.connections = one).start().await;
    // Each takes the only place, which the next one gets when it is free.
    let mut stream = connect(&gateway).await;
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    let mut stream = connect(&gateway).await;
    stream.write_all(b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut said = String::new();
    while !said.ends_with("\"Query\"}}") {
        said.push(char::from(stream.read_u8().await.unwrap()));
    }
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
    let token = fresh_token();
    let subscribe = String::from_utf8(request(&token, HINT, &json!({"id": DEMO_CONFIGURATION_ID}))).unwrap();
    let subscribe = subscribe.replacen("Host: x\r\n", "Host: x\r\nAccept: text/event-stream\r\n", 1);
    let mut stream = connect(&gateway).await;
    stream.write_all(subscribe.as_bytes()).await.unwrap();
    until_graph_requests(&gateway, &token, 1).await;
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    stream.shutdown().await.unwrap();
    rest(&mut stream).await;
    gateway.graphql("{ __typename }", json!({})).await.data();
}

#[tokio::test]
async fn a_half_close_before_the_body_is_read_counts_as_closed_with_the_request() {
    let gateway = Gateway::start().await;
    let two = two_creates(&fresh_token());
    let expect = "Expect: 100-continue\r\n";
    let with_length = String::from_utf8(two.clone()).unwrap();
    let with_length = with_length.replacen("Host: x\r\n", &format!("Host: x\r\n{expect}"), 1).into_bytes();
    for (what, bytes, creates) in [
        ("small chunks", in_chunks(&two, 50, "", ""), 2),
        ("single bytes", in_chunks(&two, 1, "", ""), 2),
        ("one chunk", in_chunks(&two, usize::MAX, "", ""), 2),
        ("a trailer", in_chunks(&two, 50, "Trailer: X\r\n", "X: 1\r\n"), 2),
        ("expectation", with_length, 2),
        ("expectation and chunks", in_chunks(&two, 50, expect, ""), 2),
        ("large", padded(&fresh_token(), 900_000), 1),
        ("large in chunks", in_chunks(&padded(&fresh_token(), 900_000), 8000, "", ""), 1),
        ("large in one chunk", in_chunks(&padded(&fresh_token(), 900_000), usize::MAX, "", ""), 1),
    ] {
        // All at once, the end of the body alone, and the body alone.
        let body = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        for cut in [0, bytes.len() - 1, bytes.len() - 5, body] {
            let before = gateway.status_count();
            let mut stream = connect(&gateway).await;
            let (first, last) = bytes.split_at(cut);
            stream.write_all(first).await.unwrap();
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            stream.write_all(last).await.unwrap();
            stream.shutdown().await.unwrap();
            let said = rest(&mut stream).await;
            let said = said.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&said);
            let answer = response(said);
            assert_eq!(answer.get("errors"), None, "{what}, {cut}: {answer}");
            assert_eq!(gateway.status_count(), before + creates, "{what}, {cut}");
        }
    }
}

#[tokio::test]
async fn pipelined_chunked_requests_are_all_served_after_a_half_close() {
    let gateway = Gateway::start().await;
    let before = gateway.status_count();
    // Together they take longer than calls may begin after the first of them.
    gateway.sandbox.inject(FaultRule::always("slow-first-byte;wait=300ms".parse().unwrap()));
    let create = in_chunks(&request(&fresh_token(), MUTATION, &input(device_status())), 50, "", "");
    let mut stream = connect(&gateway).await;
    stream.write_all(&create.repeat(3)).await.unwrap();
    stream.shutdown().await.unwrap();
    let said = rest(&mut stream).await;
    assert_eq!(said.matches("\"deviceStatusId\":\"").count(), 3, "{said}");
    assert_eq!(gateway.status_count(), before + 3);
}

#[tokio::test]
async fn an_incomplete_request_is_rejected_and_not_executed() {
    let gateway = Gateway::start().await;
    let token = fresh_token();
    let create = request(&token, MUTATION, &input(device_status()));
    let chunked = in_chunks(&create, 50, "", "");
    for bytes in [&create[..create.len() - 1], &chunked[..chunked.len() - 1], &chunked[..chunked.len() - 5]] {
        let mut stream = connect(&gateway).await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let said = rest(&mut stream).await;
        assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    }
    assert_eq!(requests_with_token(&gateway, &token), 0);
}

#[tokio::test]
async fn after_a_half_close_with_the_request_graph_calls_start_only_for_a_limited_time() {
    let gateway = Gateway::start().await;
    for chunked in [false, true] {
        let before = gateway.status_count();
        let token = fresh_token();
        gateway.sandbox.inject(FaultRule::once("slow-first-byte;wait=1500ms".parse().unwrap()));
        let two = two_creates(&token);
        let mut stream = connect(&gateway).await;
        stream.write_all(&if chunked { in_chunks(&two, 50, "", "") } else { two }).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = response(&rest(&mut stream).await);
        assert!(answer["data"]["first"]["deviceStatusId"].is_string(), "{answer}");
        let [error] = answer["errors"].as_array().unwrap().as_slice() else { panic!("{answer}") };
        assert_eq!(
            (&error["path"], &error["extensions"]["outcome"]),
            (&json!(["second"]), &json!("NOT_SENT")),
            "{answer}"
        );
        assert_eq!((gateway.status_count(), requests_with_token(&gateway, &token)), (before + 1, 1));
    }
}
