//! `/metrics`: its form, its documentation, and what it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::BULK;
use crate::fake_graph::{FakeGraph, Protocol, Reply as Answer};
use crate::gateway_process::GatewayProcess;
use crate::harness::TOKEN;
use crate::never_sent::{READ, bulk, named};

/// One metric as the page shows it.
#[derive(Debug, Default)]
struct Metric {
    kind: String,
    help: String,
    labels: Vec<String>,
    /// Each series with its value.
    series: BTreeMap<String, f64>,
}

/// Reads the page, and checks what the text format requires.
fn read(page: &str) -> Vec<(String, Metric)> {
    let mut metrics: Vec<(String, Metric)> = Vec::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(metrics.iter().all(|(known, _)| known != name), "{name} is there twice");
            metrics.push((name.to_owned(), Metric { help: help.to_owned(), ..Metric::default() }));
            continue;
        }
        let (name, metric) = metrics.last_mut().unwrap();
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            metric.kind = kind.strip_prefix(&format!("{name} ")).unwrap().to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (sample, labels) = series.split_once('{').unwrap_or((series, ""));
        let suffixes = if metric.kind == "histogram" { &["_bucket", "_sum", "_count"][..] } else { &[""] };
        assert!(suffixes.iter().any(|suffix| sample == format!("{name}{suffix}")), "{line}");
        let pairs = labels.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty());
        let names = pairs.map(|pair| pair.split('=').next().unwrap().to_owned()).filter(|name| name != "le");
        metric.labels = names.collect();
        let previous = metric.series.insert(series.to_owned(), value.parse().unwrap());
        assert_eq!(previous, None, "{line} is there twice");
    }
    metrics
}

async fn started(graph: &FakeGraph) -> GatewayProcess {
    GatewayProcess::start(graph, &["--request-timeout", "20s"])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_exists_from_the_start_and_the_docs_list_it() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = started(&graph).await;
    let page = gateway.metrics().await;
    check_with_promtool(&page);
    let metrics = read(&page);
    let not_zero = |name: &str| {
        name.starts_with("process_")
            || name == "intune_graphql_build_info"
            || name == "intune_graphql_idempotency_capacity"
            || name == "intune_graphql_connections"
            || name == "intune_graphql_graph_breaker_state"
    };
    for (name, metric) in &metrics {
        assert!(!metric.series.is_empty(), "{name}");
        assert!(not_zero(name) || metric.series.values().all(|value| *value == 0.0), "{name}: {metric:?}");
        assert_eq!(metric.kind == "counter", name.ends_with("_total"), "{name}");
    }
    let breaker = r#"intune_graphql_graph_breaker_state{state="closed"}"#;
    assert_eq!(gateway.metric(breaker).await, 1.0);
    assert!(gateway.metric("process_resident_memory_bytes").await > 1e6);
    assert!(gateway.metric("process_start_time_seconds").await > 1.7e9);

    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = ("<!-- metrics -->\n", "<!-- end of metrics -->\n");
    let (before, rest) = text.split_once(start).unwrap();
    let (documented, after) = rest.split_once(end).unwrap();
    let tables = tables(&metrics);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, format!("{before}{start}{tables}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(documented, tables, "run `just docs`");
}

/// Where Prometheus' own tool is installed, it judges the page too.
fn check_with_promtool(page: &str) {
    let tool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let Ok(mut tool) = tool else { return };
    tool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    assert!(tool.wait().unwrap().success(), "promtool check metrics");
}

/// The metrics with their labels, and the labels with their values. A label may have other values in another metric.
fn tables(metrics: &[(String, Metric)]) -> String {
    let mut text = "\n| metric | type | labels | |\n| --- | --- | --- | --- |\n".to_owned();
    let mut lists: BTreeMap<&str, BTreeMap<BTreeSet<&str>, Vec<String>>> = BTreeMap::new();
    for (name, metric) in metrics {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        text.push_str(&format!(
            "| `{name}` | {} | {} | {}. |\n",
            metric.kind,
            labels.join(", "),
            metric.help
        ));
        for label in metric.labels.iter().filter(|label| *label != "version") {
            let start = format!("{label}=\"");
            let value = |series: &'_ String| series.split_once(&start).map_or(0, |(_, rest)| rest.len());
            let values = metric.series.keys().map(|series| &series[series.len() - value(series)..]);
            let values: BTreeSet<&str> = values.map(|rest| rest.split('"').next().unwrap()).collect();
            lists.entry(label).or_default().entry(values).or_default().push(format!("`{name}`"));
        }
    }
    text.push_str("\n| label | of | values |\n| --- | --- | --- |\n");
    for (label, lists) in &lists {
        for (values, metrics) in lists {
            let of = if lists.len() > 1 { metrics.join(", ") } else { String::new() };
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            text.push_str(&format!("| `{label}` | {of} | {} |\n", values.join(", ")));
        }
    }
    text.push('\n');
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_and_calls_are_counted_by_what_came_of_them() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|request| match request.number {
        1 => Answer::canned(
            429,
            &[("retry-after", "0")],
            r#"{"error":{"code":"TooManyRequests","message":"Later"}}"#,
        ),
        2 => Answer::canned(403, &[], r#"{"error":{"code":"Forbidden","message":"No"}}"#),
        _ => Answer::usual(),
    });
    let gateway = started(&graph).await;
    let refused = gateway.graphql("a", MUTATION, named("a")).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    gateway.graphql("b", MUTATION, named("b")).await.data();
    gateway.graphql("b", READ, json!({"id": "c"})).await.data();
    gateway.graphql("b", BULK, json!({ "input": bulk(7, None) })).await.data();
    gateway.graphql("b", "{ nothing }", json!({})).await;
    gateway.graphql("b", "{", json!({})).await;

    let route = "/deviceAppManagement/iosLobAppProvisioningConfigurations/{id}/deviceStatuses";
    for (series, expected) in [
        (r#"intune_graphql_requests_total{operation_type="mutation",code="OK"}"#, 2.0),
        (r#"intune_graphql_requests_total{operation_type="mutation",code="FORBIDDEN"}"#, 1.0),
        (r#"intune_graphql_requests_total{operation_type="query",code="OK"}"#, 1.0),
        (r#"intune_graphql_requests_total{operation_type="unknown",code="GRAPHQL_VALIDATION_FAILED"}"#, 1.0),
        (r#"intune_graphql_requests_total{operation_type="unknown",code="GRAPHQL_PARSE_FAILED"}"#, 1.0),
        ("intune_graphql_requests_total", 6.0),
        (r#"intune_graphql_request_duration_seconds_count{operation_type="mutation"}"#, 3.0),
        (
            &format!(r#"intune_graphql_graph_requests_total{{method="POST",route="{route}",status="429"}}"#),
            1.0,
        ),
        (
            &format!(r#"intune_graphql_graph_requests_total{{method="POST",route="{route}",status="403"}}"#),
            1.0,
        ),
        (
            &format!(r#"intune_graphql_graph_requests_total{{method="POST",route="{route}",status="2xx"}}"#),
            1.0,
        ),
        (r#"intune_graphql_graph_requests_total{method="POST",route="/$batch",status="2xx"}"#, 1.0),
        (r#"intune_graphql_graph_requests_total{method="other",route="other",status="2xx"}"#, 0.0),
        ("intune_graphql_graph_requests_total", 5.0),
        ("intune_graphql_graph_request_duration_seconds_count", 5.0),
        (r#"intune_graphql_graph_batch_size_sum{kind="write"}"#, 7.0),
        (r#"intune_graphql_graph_batch_items_total{kind="write",status="2xx"}"#, 7.0),
        ("intune_graphql_graph_requests_saved_total", 6.0),
        (r#"intune_graphql_graph_retries_total{reason="throttled"}"#, 1.0),
        ("intune_graphql_graph_retry_after_wait_seconds_count", 1.0),
        (r#"intune_graphql_write_outcomes_total{outcome="succeeded"}"#, 8.0),
        (r#"intune_graphql_write_outcomes_total{outcome="rejected"}"#, 1.0),
        ("intune_graphql_write_outcomes_total", 9.0),
    ] {
        assert_eq!(gateway.metric(series).await, expected, "{series}: {}", gateway.metrics().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_graph_and_the_circuit_breaker_are_shown() {
    let graph = FakeGraph::refusing(Protocol::Http1);
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "950ms"]);
    for number in 0..12 {
        gateway.graphql(&format!("token-{number}"), MUTATION, named("a")).await;
    }
    assert_eq!(gateway.metric(r#"intune_graphql_graph_breaker_state{state="closed"}"#).await, 0.0);
    assert_eq!(gateway.metric("intune_graphql_graph_breaker_state").await, 1.0, "one state at a time");
    assert!(
        gateway.metric(r#"intune_graphql_graph_requests_not_sent_total{reason="breaker_open"}"#).await > 0.0
    );
    let metrics = read(&gateway.metrics().await);
    let (_, calls) = metrics.iter().find(|(name, _)| name == "intune_graphql_graph_requests_total").unwrap();
    let lost = calls.series.iter().filter(|(series, _)| series.contains(r#"status="not_connected""#));
    assert!(lost.map(|(_, count)| count).sum::<f64>() >= 5.0);
    assert_eq!(gateway.metric(r#"intune_graphql_write_outcomes_total{outcome="not_sent"}"#).await, 12.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_of_idempotency_keys_are_counted_by_result() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = started(&graph).await;
    let keyed = |name: &str| {
        let mut status = device_status();
        status["userName"] = json!(name);
        let mut input = input(status);
        input["input"]["idempotencyKey"] = json!("k");
        input
    };
    gateway.graphql(TOKEN, MUTATION, keyed("a")).await.data();
    gateway.graphql(TOKEN, MUTATION, keyed("a")).await;
    gateway.graphql(TOKEN, MUTATION, keyed("b")).await;
    for (result, expected) in [("acquired", 1.0), ("completed", 1.0), ("conflict", 1.0), ("failed", 0.0)] {
        let series = format!(r#"intune_graphql_idempotency_lookups_total{{result="{result}"}}"#);
        assert_eq!(gateway.metric(&series).await, expected, "{series}");
    }
    assert_eq!(gateway.metric("intune_graphql_idempotency_entries").await, 1.0);
    assert!(gateway.metric("intune_graphql_idempotency_capacity").await > 1000.0);
}
