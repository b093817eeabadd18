//! The published limits, over HTTP. The windows themselves have unit tests.

use std::time::Duration;

use msgraph_sandbox::settings::{Settings, Switch};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Graph, demo, json, reply};

fn throttled() -> Settings {
    Settings { throttle: Switch::On, ..Settings::default() }
}

/// Batches of writes that end at once, as many as there are items times `batches`.
async fn write(graph: &Graph, batches: usize) -> Vec<Value> {
    let items: Vec<Value> = (0..20)
        .map(|id| {
            let url = demo("/assignments/nope").trim_start_matches("/beta").to_owned();
            json!({"id": id.to_string(), "method": "DELETE", "url": url})
        })
        .collect();
    let mut responses = Vec::new();
    for _ in 0..batches {
        let answer = graph.post("/beta/$batch", &json!({"requests": items})).await.expect(200);
        responses.extend(answer["responses"].as_array().expect("responses").clone());
    }
    responses
}

fn refused(responses: &[Value]) -> usize {
    responses.iter().filter(|response| response["status"] == 429).count()
}

#[tokio::test]
async fn items_of_batches_count_one_by_one() {
    let graph = Graph::with(throttled()).await;
    let responses = write(&graph, 6).await;
    assert_eq!(refused(&responses), 20);
    let last = &responses[119];
    let seconds: u64 = last["headers"]["Retry-After"].as_str().unwrap().parse().unwrap();
    assert!((1..=20).contains(&seconds));
    assert_eq!(last["body"]["error"]["code"], "TooManyRequests");
}

#[tokio::test]
async fn reads_pass_while_writes_are_throttled_and_windows_end() {
    let graph = Graph::with(throttled()).await;
    write(&graph, 5).await;
    let refusal = graph.patch(&demo(""), &json!({})).await;
    refusal.expect(429);
    assert!(refusal.headers.contains_key("retry-after"));
    graph.get(&demo("")).await.expect(200);
    let other_app = json(graph.without_token(Method::PATCH, &demo("")), &json!({}));
    reply(other_app.bearer_auth("second-app-token")).await.expect(200);
    graph.sandbox.advance_clock(Duration::from_secs(20));
    graph.patch(&demo(""), &json!({})).await.expect(200);
}

#[tokio::test]
async fn retry_after_can_be_omitted() {
    let graph = Graph::with(Settings { retry_after: Switch::Off, ..throttled() }).await;
    let responses = write(&graph, 6).await;
    assert_eq!(refused(&responses), 20);
    assert!(responses[119]["headers"].get("Retry-After").is_none());
}

#[tokio::test]
async fn the_limits_are_off_by_default() {
    let graph = Graph::start().await;
    assert_eq!(refused(&write(&graph, 6).await), 0);
}
