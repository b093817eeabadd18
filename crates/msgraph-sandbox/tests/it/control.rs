//! `/_sandbox`: the record and the faults over HTTP.

use msgraph_sandbox::settings::Settings;
use reqwest::Method;
use serde_json::json;

use super::{Graph, demo, reply, status_body};

async fn call(graph: &Graph, method: Method, path: &str, body: &str) -> super::Reply {
    reply(graph.without_token(method, &format!("/_sandbox/{path}")).body(body.to_owned())).await
}

#[tokio::test]
async fn requests_are_recorded_unchanged() {
    let graph = Graph::start().await;
    graph.get(&demo("/deviceStatuses?$top=1&$filter=status%20eq%20%27error%27")).await.expect(200);
    graph.post(&demo("/deviceStatuses"), &status_body()).await.expect(201);
    let recorded = graph.sandbox.requests();
    assert_eq!(recorded.len(), 2);
    assert_eq!(recorded[0].path, demo("/deviceStatuses"));
    assert_eq!(recorded[0].query.as_deref(), Some("$top=1&$filter=status%20eq%20%27error%27"));
    assert_eq!(recorded[1].header("authorization"), Some("Bearer tok-123"));
    assert_eq!(recorded[1].body, status_body().to_string());

    let over_http = call(&graph, Method::GET, "requests", "").await.expect(200);
    assert_eq!(over_http["dropped"], 0);
    let second = &over_http["requests"][1];
    assert_eq!(second["method"], "POST");
    assert_eq!(second["body"], status_body().to_string());
    let headers = second["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["authorization", "Bearer tok-123"])));

    call(&graph, Method::DELETE, "requests", "").await.expect(204);
    assert!(graph.sandbox.requests().is_empty());
}

#[tokio::test]
async fn the_record_drops_the_oldest_requests() {
    let graph = Graph::with(Settings { record: 3, ..Settings::default() }).await;
    for _ in 0..5 {
        graph.get(&demo("")).await;
    }
    assert_eq!(graph.sandbox.requests().len(), 3);
    assert_eq!(graph.sandbox.dropped_requests(), 2);
}

#[tokio::test]
async fn fault_rules_are_managed_over_http() {
    let graph = Graph::start().await;
    call(&graph, Method::POST, "faults", r#""503;times=1""#).await.expect(204);
    let rules = r#"[{"fault":"429;retry-after=1","method":"GET","pathContains":"device","skip":0,"times":1,"rate":1}]"#;
    call(&graph, Method::POST, "faults", rules).await.expect(204);
    graph.get(&demo("")).await.error(503);
    graph.get(&demo("")).await.error(429);
    graph.get(&demo("")).await.expect(200);
    assert_eq!(
        call(&graph, Method::GET, "faults", "").await.expect(200),
        json!([
            {"rule": "503;body=plain;times=1", "hits": 1},
            {"rule": "429;body=throttled;retry-after=1;method=GET;path=device;times=1", "hits": 1}
        ])
    );
    for bad in
        ["nope", r#"{"fault":"nope"}"#, r#"{"fault":"503","when":1}"#, r#"{"fault":"503","rate":2}"#, "[1]"]
    {
        assert_eq!(call(&graph, Method::POST, "faults", bad).await.status, 400, "{bad}");
    }
    call(&graph, Method::DELETE, "faults", "").await.expect(204);
    assert_eq!(call(&graph, Method::GET, "faults", "").await.expect(200), json!([]));
}

#[tokio::test]
async fn everything_can_be_reset() {
    let graph = Graph::start().await;
    graph.delete(&demo("")).await.expect(204);
    graph.inject("503");
    call(&graph, Method::POST, "reset", "").await.expect(204);
    graph.get(&demo("")).await.expect(200);
    assert_eq!(graph.sandbox.requests().len(), 1);
}

#[tokio::test]
async fn health_is_not_recorded() {
    let graph = Graph::start().await;
    call(&graph, Method::GET, "health", "").await.expect(200);
    assert_eq!(call(&graph, Method::GET, "nope", "").await.status, 404);
    assert_eq!(call(&graph, Method::PUT, "health", "").await.status, 405);
    assert!(graph.sandbox.requests().is_empty());
}
