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

const UNKNOWN_LINE: &str = "the outcome of a write is unknown";
const LEFT: &str = "the outcome of a write is unknown, and its caller has left";

/// The lines of a JSON log with this message.
fn lines(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

/// Method and route of each of [`writes`].
fn calls() -> Vec<(&'static str, &'static str)> {
    let configuration = "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}";
    let statuses = "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses";
    vec![
        ("POST", statuses),
        ("POST", statuses),
        ("POST", statuses),
        ("PATCH", configuration),
        ("DELETE", configuration),
    ]
}

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
    let lines = lines(&said, LEFT);
    // One for each call.
    assert_eq!(lines.len(), writes().len(), "{said}");
    for (line, (method, route, (.., count))) in lines
        .iter()
        .zip(calls().into_iter().zip(writes()).map(|((method, route), write)| (method, route, write)))
    {
        assert_eq!((&line["level"], line["writes"].as_f64()), (&json!("WARN"), Some(count)), "{line}");
        assert_eq!((&line["graph.method"], &line["graph.route"]), (&json!(method), &json!(route)), "{line}");
        assert!(line["client_request_id"].is_string() && line["error"].is_string(), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_a_shutdown_cuts_off_after_their_callers_have_left_have_a_line_each() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = GatewayProcess::start_with_http2(
        &graph,
        &["--request-timeout", "30s", "--log-format", "json", "--drain-timeout", "300ms"],
    );
    let gate = graph.hold_all();
    for (number, (query, variables, _)) in writes().into_iter().enumerate() {
        let caller = gateway.spawn(TOKEN, query, variables);
        graph.until("the write", |seen| seen.requests.len() > number).await;
        caller.abort();
        until(&gateway, "intune_graphql_detached_writes", 1.0 + number as f64).await;
    }
    let (code, said) = gateway.stop_with_log().await;
    assert_eq!(code, Some(1), "{said}");
    let mut counts: Vec<_> = lines(&said, LEFT).iter().map(|line| line["writes"].as_u64()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 1, 3, 3].map(Some), "{said}");
    for line in lines(&said, LEFT) {
        assert_eq!(line["error"], "the gateway stopped before Graph's response", "{line}");
        assert!(line["client_request_id"].is_string(), "{line}");
    }
    let cut_off = &lines(&said, "writes to Graph were cut off; their outcome is unknown")[0];
    assert_eq!(cut_off["writes"], writes().len(), "each call counts once: {cut_off}");
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_a_shutdown_cuts_off_counts_once() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = GatewayProcess::start(&graph, &["--log-format", "json", "--drain-timeout", "300ms"]);
    let gate = graph.hold_all();
    let (update, variables, _) = writes().swap_remove(3);
    let caller = gateway.spawn(TOKEN, update, variables);
    graph.until("the write", |seen| !seen.requests.is_empty()).await;
    let (code, said) = gateway.stop_with_log().await;
    assert_eq!((code, caller.await.unwrap().failure().1), (Some(1), "UNKNOWN"), "{said}");
    assert!(lines(&said, LEFT).is_empty(), "{said}");
    let cut_off = &lines(&said, "writes to Graph were cut off; their outcome is unknown")[0];
    assert_eq!(cut_off["writes"], 1, "{cut_off}");
    gate.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_caller_was_told_that_its_outcome_is_unknown_is_counted_once() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "1s", "--log-format", "json"]);
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
    let mut lines = lines(&said, UNKNOWN_LINE);
    lines.sort_by_key(|line| line["writes"].as_u64());
    let counts: Vec<_> = lines.iter().map(|line| line["writes"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 3], "one for each call: {said}");
    for line in lines {
        assert_eq!(line["graph.route"], calls()[0].1, "{line}");
        assert_eq!((&line["graph.method"], &line["level"]), (&json!("POST"), &json!("WARN")), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_response_contradicts_its_success_counts_as_unknown() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = GatewayProcess::start(&graph, &[]);
    graph.script_replies(|_| Answer::canned(202, &[("content-type", "text/html")], "<p>Sign in</p>"));
    for (number, (query, variables, _)) in writes().into_iter().skip(3).enumerate() {
        assert_eq!(gateway.graphql(TOKEN, query, variables).await.failure().1, "UNKNOWN");
        assert_eq!(gateway.metric(UNKNOWN).await, 1.0 + number as f64);
    }
    assert_eq!(gateway.metric(SUCCEEDED).await, 0.0);
}
