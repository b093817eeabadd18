//! Writes that wait for Graph after their caller has left: they count toward every limit until they end.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::add_device_status::input_with;
use crate::admission::HeldResponses;
use crate::gateway_process::GatewayProcess;
use crate::harness::fresh_token;
use crate::slow_clients::head;

const ADD: &str =
    "mutation ($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }";
const DETACHED: &str = "intune_graphql_detached_writes";

/// The variables of a create with a name of `length` bytes.
fn variables(length: usize) -> Value {
    input_with("deviceDisplayName", json!("x".repeat(length)))
}

/// Sends a create, and resets the connection when Graph has received it.
async fn add_and_leave(gateway: &GatewayProcess, upstream: &HeldResponses, token: &str, length: usize) {
    let received = upstream.requests();
    let detached = gateway.metric(DETACHED).await;
    let body = json!({"query": ADD, "variables": variables(length)}).to_string();
    let mut caller = TcpStream::connect(gateway.address()).await.unwrap();
    caller.write_all(head(token, body.len()).as_bytes()).await.unwrap();
    caller.write_all(body.as_bytes()).await.unwrap();
    upstream.until_requests(received + 1).await;
    // Half-closed connections are served to the end.
    caller.set_zero_linger().unwrap();
    drop(caller);
    gateway.until_metric(DETACHED, detached + 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_whose_caller_has_left_keep_their_permits() {
    let upstream = HeldResponses::start().await;
    let gateway = GatewayProcess::serve(
        &upstream.root,
        &["--max-concurrent-requests", "8", "--max-queued-requests", "0", "--max-caller-share", "25"],
    );
    let token = fresh_token();
    for _ in 0..2 {
        add_and_leave(&gateway, &upstream, &token, 10).await;
    }
    gateway.until_in_flight(2).await;
    let refused = gateway.graphql(&token, "{ __typename }", json!({})).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    assert!(refused.error()["message"].as_str().unwrap().contains("already uses its share"), "{refused:?}");
    for _ in 0..6 {
        add_and_leave(&gateway, &upstream, &fresh_token(), 10).await;
    }
    let refused = gateway.graphql(&fresh_token(), "{ __typename }", json!({})).await;
    assert!(refused.error()["message"].as_str().unwrap().contains("is full"), "{refused:?}");

    upstream.answer();
    gateway.until_metric(DETACHED, 0.0).await;
    gateway.until_in_flight(0).await;
    gateway.graphql(&token, "{ __typename }", json!({})).await.data();
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_of_one_caller_leave_places_to_others_however_many_may_wait() {
    let upstream = HeldResponses::start().await;
    let gateway = GatewayProcess::serve(
        &upstream.root,
        &["--max-concurrent-requests", "4", "--max-queued-requests", "1000", "--max-caller-share", "50"],
    );
    let token = fresh_token();
    for _ in 0..2 {
        add_and_leave(&gateway, &upstream, &token, 10).await;
    }
    let more: Vec<_> = (0..4).map(|_| gateway.spawn(&token, ADD, variables(10))).collect();
    gateway.until_metric("intune_graphql_requests_queued", 4.0).await;
    let others: Vec<_> = (0..2).map(|_| gateway.spawn(&fresh_token(), ADD, variables(10))).collect();
    upstream.until_requests(4).await;
    gateway.until_in_flight(4).await;

    upstream.answer();
    for reply in others.into_iter().chain(more) {
        assert_eq!(reply.await.unwrap().code(), "NOT_FOUND");
    }
    gateway.until_in_flight(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_writes_whose_caller_has_left_count_as_buffered() {
    let upstream = HeldResponses::start().await;
    let gateway = GatewayProcess::serve(
        &upstream.root,
        &["--max-request-body", "300000", "--max-buffered-bytes", "300000"],
    );
    add_and_leave(&gateway, &upstream, &fresh_token(), 200_000).await;
    let large = async || gateway.graphql(&fresh_token(), "{ __typename }", variables(200_000)).await.status;
    assert_eq!(large().await, StatusCode::SERVICE_UNAVAILABLE);
    gateway.graphql(&fresh_token(), "{ __typename }", json!({})).await.data();

    upstream.answer();
    gateway.until_metric(DETACHED, 0.0).await;
    assert_eq!(large().await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_whose_time_is_over_keep_their_permits() {
    let upstream = HeldResponses::start().await;
    let gateway = GatewayProcess::serve(
        &upstream.root,
        &["--max-concurrent-requests", "1", "--max-queued-requests", "0", "--request-timeout", "1s"],
    );
    let reply = gateway.graphql(&fresh_token(), ADD, variables(10)).await;
    assert_eq!(reply.code(), "OUTCOME_UNKNOWN");
    assert_eq!(reply.error()["extensions"]["outcome"], "UNKNOWN");
    gateway.until_metric(DETACHED, 1.0).await;
    let refused = gateway.graphql(&fresh_token(), "{ __typename }", json!({})).await;
    assert_eq!(refused.code(), "OVERLOADED");

    upstream.answer();
    gateway.until_in_flight(0).await;
    gateway.graphql(&fresh_token(), "{ __typename }", json!({})).await.data();
}
