//! Writes whose caller leaves after they were sent: their outcomes are counted and logged, although no response reports them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::add_device_status::MUTATION;
use crate::bulk::BULK;
use crate::fake_graph::{FakeGraph, Gate, Protocol, Reply as Answer};
use crate::gateway_process::GatewayProcess;
use crate::harness::TOKEN;
use crate::never_sent::{bulk, named};

const UNKNOWN: &str = r#"intune_graphql_write_outcomes_total{outcome="unknown"}"#;
const SUCCEEDED: &str = r#"intune_graphql_write_outcomes_total{outcome="succeeded"}"#;
const ALL: &str = "intune_graphql_write_outcomes_total";
const CANCELLED: &str = r#"intune_graphql_requests_total{operation_type="mutation",code="CANCELLED"}"#;

async fn until(gateway: &GatewayProcess, metric: &str, value: f64) {
    let awaited = async {
        while (gateway.metric(metric).await - value).abs() > 0.5 {
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(15), awaited).await;
    assert!(reached.is_ok(), "{metric} {value}: {}", gateway.metrics().await);
}

/// A create, a bulk of three, an update and a deletion, each with the number of its writes.
fn writes() -> Vec<(&'static str, Value, f64)> {
    vec![
        (MUTATION, named("a"), 1.0),
        (BULK, json!({ "input": bulk(3, None) }), 3.0),
        (BULK, json!({ "input": bulk(3, Some("k")) }), 3.0),
        (
            "mutation($input: UpdateIosLobAppProvisioningConfigurationInput!) {
                updateIosLobAppProvisioningConfiguration(input: $input) { clientMutationId } }",
            json!({"input": {"id": "c", "configuration": {"displayName": "b"}}}),
            1.0,
        ),
        (
            "mutation($input: DeleteIosLobAppProvisioningConfigurationInput!) {
                deleteIosLobAppProvisioningConfiguration(input: $input) { deletedId } }",
            json!({"input": {"id": "c"}}),
            1.0,
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_caller_has_left_is_counted_and_its_unknown_outcome_is_logged() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway =
        GatewayProcess::start_with_http2(&graph, &["--request-timeout", "30s", "--log-format", "json"]);
    let (mut left, mut unknown, mut succeeded) = (0.0, 0.0, 0.0);
    for is_lost in [true, false] {
        for (query, variables, count) in writes() {
            // The keyed call's items are in the store since the first round.
            if !is_lost && variables["input"]["idempotencyKey"].is_string() {
                continue;
            }
            let gate = Gate::closed();
            let held = gate.clone();
            graph.script_replies(move |_| {
                let reply = if is_lost { Answer::close() } else { Answer::usual() };
                Answer { after: held.clone(), ..reply }
            });
            let before = graph.seen().requests.len();
            let caller = gateway.spawn(TOKEN, query, variables);
            graph.until("the write", |seen| seen.requests.len() > before).await;
            caller.abort();
            left += 1.0;
            until(&gateway, CANCELLED, left).await;
            assert_eq!(gateway.metric(ALL).await, unknown + succeeded, "not ended: {query}");
            gate.open();
            *(if is_lost { &mut unknown } else { &mut succeeded }) += count;
            until(&gateway, ALL, unknown + succeeded).await;
            assert_eq!(gateway.metric(UNKNOWN).await, unknown, "{query}");
            assert_eq!(gateway.metric(SUCCEEDED).await, succeeded, "{query}");
        }
    }
    let (code, said) = gateway.stop_with_log().await;
    assert_eq!(code, Some(0), "{said}");
    let lines = said
        .lines()
        .filter(|line| line.contains("the outcome of a write is unknown, and its caller has left"));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 9, "{said}");
    for line in lines {
        assert_eq!(line["level"], "WARN", "{line}");
        assert!(line["client_request_id"].is_string() && line["error"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_caller_was_told_that_its_outcome_is_unknown_is_counted_once() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "1s"]);
    let gate = graph.hold_posts();
    let (single, bulk) = tokio::join!(
        gateway.graphql(TOKEN, MUTATION, named("a")),
        gateway.graphql(TOKEN, BULK, json!({ "input": bulk(3, None) })),
    );
    assert_eq!(single.failure().1, "UNKNOWN");
    assert_eq!(bulk.data()["addDeviceStatuses"]["failedCount"], 3);
    assert_eq!(gateway.metric(UNKNOWN).await, 4.0);
    gate.open();
    // Calls count when they have ended.
    until(&gateway, r"intune_graphql_graph_requests_total", 2.0).await;
    let (code, said) = gateway.stop_with_log().await;
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("its caller has left"), "{said}");
}
