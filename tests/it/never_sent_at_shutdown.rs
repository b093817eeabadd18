//! A write that was reported as not sent is not sent during the shutdown either.

use serde_json::json;

use crate::add_device_status::MUTATION;
use crate::bulk::BULK;
use crate::fake_graph::{FakeGraph, Protocol};
use crate::gateway_process::GatewayProcess;
use crate::harness::TOKEN;
use crate::never_sent::{DELETE, bulk, named, slow_handshakes, with_outcome};

#[tokio::test(flavor = "multi_thread")]
async fn no_batch_starts_after_sigterm() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let answers = graph.hold_posts();
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "30s", "--drain-timeout", "30s"]);
    let reply = gateway.spawn(TOKEN, BULK, json!({ "input": bulk(1000, None) }));
    graph.until("the first batches", |seen| seen.posts() >= 4).await;
    gateway.terminate().await;
    let before = graph.seen().names().len();
    answers.open();
    let reply = reply.await.unwrap();
    assert_eq!(gateway.ended().await, Some(0));
    let payload = &reply.data()["addDeviceStatuses"];
    let left = with_outcome(&payload["results"], "NOT_SENT");
    assert_eq!(graph.seen().names().len(), before, "nothing was sent after the signal");
    assert_eq!((&payload["createdCount"], left.len()), (&json!(before), 1000 - before));
    let failed = payload["results"].as_array().unwrap().iter().filter(|result| !result["error"].is_null());
    for result in failed {
        let error = &result["error"];
        assert_eq!((&error["code"], &error["retryable"]), (&json!("THROTTLED"), &json!(true)));
    }
}

/// Once no request comes in any more, what waits for a connection is not sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_waits_for_a_connection_ends_when_the_gateway_drains() {
    let (graph, handshakes) = slow_handshakes(Protocol::TlsHttp2).await;
    let arguments = [
        "--request-timeout",
        "30s",
        "--graph-connect-timeout",
        "30s",
        "--graph-attempt-timeout",
        "31s",
        "--drain-timeout",
        "30s",
    ];
    let gateway = GatewayProcess::start(&graph, &[&arguments[..], &["--drain-delay", "0s"]].concat());
    let replies = [MUTATION, DELETE].map(|query| gateway.spawn(TOKEN, query, named("late")));
    graph.until("a connection", |seen| !seen.connections.is_empty()).await;
    gateway.until_in_flight(2).await;
    gateway.terminate().await;
    for reply in replies {
        let reply = reply.await.unwrap();
        let (_, outcome, retryable) = reply.failure();
        assert_eq!((outcome, retryable), ("NOT_SENT", true));
    }
    handshakes.open();
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(graph.seen().requests.len(), 0);
}

/// A write that outlasts the drain timeout is cut off, and its caller receives `UNKNOWN`.
#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_exceeds_the_drain_timeout_has_an_unknown_outcome() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let _never = graph.hold_posts();
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "30s", "--drain-timeout", "500ms"]);
    let reply = gateway.spawn(TOKEN, MUTATION, named("cut off"));
    graph.until("the create", |seen| seen.posts() == 1).await;
    gateway.terminate().await;
    assert_eq!(reply.await.unwrap().failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false));
    assert_eq!(gateway.ended().await, Some(1), "a write was cut off");
}

/// The batches that wait for a connection at the signal begin no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waits_for_a_connection_at_sigterm_is_not_sent() {
    let (graph, handshakes) = slow_handshakes(Protocol::TlsHttp2).await;
    let arguments = [
        "--request-timeout",
        "30s",
        "--graph-connect-timeout",
        "30s",
        "--graph-attempt-timeout",
        "31s",
        "--drain-timeout",
        "30s",
    ];
    let gateway = GatewayProcess::start(&graph, &arguments);
    let reply = gateway.spawn(TOKEN, BULK, json!({ "input": bulk(30, None) }));
    graph.until("a connection", |seen| !seen.connections.is_empty()).await;
    gateway.terminate().await;
    let payload = reply.await.unwrap().data()["addDeviceStatuses"].clone();
    handshakes.open();
    assert_eq!(gateway.ended().await, Some(0));
    assert_eq!(with_outcome(&payload["results"], "NOT_SENT").len(), 30, "{payload:#}");
    assert_eq!(payload["results"][0]["error"]["code"], "THROTTLED");
    assert_eq!(graph.seen().names(), [""; 0]);
}
