//! The retry counter counts resent requests and nothing else.

use futures_util::future::join_all;
use serde_json::json;

use crate::add_device_status::MUTATION;
use crate::bulk::BULK;
use crate::fake_graph::{Admission, FakeGraph, Protocol, REFUSED_STREAM, Reply as Answer};
use crate::gateway_process::{GatewayProcess, disconnect};
use crate::harness::TOKEN;
use crate::never_sent::{READ, bulk, named};

const RETRIES: &str = "intune_graphql_graph_retries_total";

fn throttled(retry_after: Option<&str>) -> Answer {
    let headers: Vec<_> = retry_after.map(|value| ("retry-after", value)).into_iter().collect();
    Answer::canned(429, &headers, r#"{"error":{"code":"TooManyRequests","message":"Later"}}"#)
}

#[track_caller]
fn assert_count(retries: f64, expected: usize, what: &str) {
    let expected = f64::from(u32::try_from(expected).unwrap());
    assert!((retries - expected).abs() < 0.5, "{what}: {retries} are counted, and {expected} were sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_beyond_the_request_timeout_is_not_counted_as_a_retry() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|_| throttled(Some("60")));
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "5s"]);
    let (single, read, many) = tokio::join!(
        gateway.graphql("a", MUTATION, named("a")),
        gateway.graphql("b", READ, json!({"id": "c"})),
        gateway.graphql("c", BULK, json!({ "input": bulk(3, None) })),
    );
    assert_eq!((single.code(), read.code()), ("THROTTLED", "THROTTLED"));
    assert_eq!(many.data()["addDeviceStatuses"]["failedCount"], 3);
    assert_eq!(graph.seen().requests.len(), 3);
    assert_count(gateway.metric(RETRIES).await, 0, "beyond the deadline");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_item_that_is_not_resent_is_not_counted_as_a_retry() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|_| {
        let item = |id: usize| json!({"id": id.to_string(), "status": 429, "headers": {"Retry-After": "60"}});
        let responses: Vec<_> = (0..3).map(item).collect();
        Answer::canned(200, &[], json!({ "responses": responses }).to_string())
    });
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "5s"]);
    let reply = gateway.graphql(TOKEN, BULK, json!({ "input": bulk(3, None) })).await;
    assert_eq!(reply.data()["addDeviceStatuses"]["failedCount"], 3);
    assert_eq!(graph.seen().requests.len(), 1);
    assert_count(gateway.metric(RETRIES).await, 0, "items");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_beyond_the_retry_budget_is_not_counted() {
    const CREATES: usize = 400;
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|_| throttled(None));
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "4s"]);
    let creates: Vec<_> = (0..CREATES)
        .map(|number| gateway.spawn(&format!("token-{number}"), MUTATION, named(&number.to_string())))
        .collect();
    for reply in join_all(creates).await {
        assert_eq!(reply.unwrap().code(), "THROTTLED");
    }
    let again = graph.seen().requests.len() - CREATES;
    assert!((1..CREATES).contains(&again), "the budget is spent: {again}");
    assert_count(gateway.metric(RETRIES).await, again, "by the budget");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_a_disconnect_prevents_is_not_counted() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|_| throttled(Some("8")));
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "20s"]);
    let callers = [
        gateway.spawn("a", MUTATION, named("a")),
        gateway.spawn("b", READ, json!({"id": "c"})),
        gateway.spawn("c", BULK, json!({ "input": bulk(3, None) })),
    ];
    graph.until("all three", |seen| seen.requests.len() == 3).await;
    for caller in &callers {
        disconnect(caller).await;
    }
    gateway.until_in_flight(0).await;
    let metric = gateway.metric(RETRIES).await;
    assert_eq!(gateway.stop().await, Some(0));
    assert_eq!(graph.seen().requests.len(), 3);
    assert_count(metric, 0, "by a hang-up");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_resent_request_is_counted_once() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|request| match request.number {
        1..=3 => throttled(Some("0")),
        _ => Answer::usual(),
    });
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "20s"]);
    gateway.graphql("a", MUTATION, named("a")).await.data();
    gateway.graphql("b", READ, json!({"id": "c"})).await.data();
    assert_eq!(graph.seen().requests.len(), 5);
    assert_count(gateway.metric(RETRIES).await, 3, "sent again");
}

/// One request with many items is one retry.
#[tokio::test(flavor = "multi_thread")]
async fn a_resent_batch_is_counted_once() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|request| match request.number {
        1 => throttled(Some("0")),
        _ => Answer::usual(),
    });
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "20s"]);
    let reply = gateway.graphql(TOKEN, BULK, json!({ "input": bulk(7, None) })).await;
    assert_eq!(reply.data()["addDeviceStatuses"]["createdCount"], 7);
    assert_eq!(graph.seen().requests.len(), 2);
    assert_count(gateway.metric(RETRIES).await, 1, "a batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_after_a_refused_stream_is_counted() {
    let graph = FakeGraph::start(Protocol::TlsHttp2).await;
    graph.script_streams(|head| match head.nth_of_all {
        1 => Admission::Reset(REFUSED_STREAM),
        _ => Admission::Accepted,
    });
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "20s"]);
    gateway.graphql(TOKEN, MUTATION, named("a")).await.data();
    assert_eq!(graph.seen().names(), ["a"]);
    assert_count(gateway.metric(RETRIES).await, 1, "a refused stream");
}
