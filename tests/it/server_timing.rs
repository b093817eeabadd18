//! `Server-Timing`: how much of a request's time was spent on Graph, and how many calls it made.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, TOKEN, http_client};
use crate::pagination::ids;
use crate::subscriptions::{Events, HINT};

/// The header of a response.
#[derive(Debug, PartialEq)]
struct Timing {
    graph_ms: f64,
    gateway_ms: f64,
    calls: u32,
    batch_items: u32,
}

impl Timing {
    fn of(headers: &HeaderMap) -> Self {
        let text = headers["server-timing"].to_str().unwrap();
        let read = || {
            let rest = text.strip_prefix("graph;dur=")?;
            let (graph_ms, rest) = rest.split_once(";desc=\"Graph calls: ")?;
            let (counts, gateway_ms) = rest.split_once("\", gateway;dur=")?;
            let (calls, batch_items) = counts.split_once(", batch items: ").unwrap_or((counts, "0"));
            Some(Self {
                graph_ms: graph_ms.parse().ok()?,
                gateway_ms: gateway_ms.parse().ok()?,
                calls: calls.parse().ok()?,
                batch_items: batch_items.parse().ok()?,
            })
        };
        read().unwrap_or_else(|| panic!("{text}"))
    }
}

#[tokio::test]
async fn a_response_has_the_time_and_the_number_of_its_calls() {
    let gateway = Gateway::start().await;
    let ids = ids(&gateway, 45).await;
    gateway.replace_faults(&["slow-first-byte;wait=200ms"]);
    let started = Instant::now();
    let reply = gateway.graphql("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": ids})).await;
    let elapsed = started.elapsed().as_secs_f64() * 1000.0;
    reply.data();
    let timing = Timing::of(&reply.headers);
    assert_eq!((timing.calls, timing.batch_items), (3, 45), "{timing:?}");
    // The three batches overlap: their time counts once.
    assert!(timing.graph_ms >= 200.0, "{timing:?}");
    assert!(timing.graph_ms + timing.gateway_ms <= elapsed, "{timing:?} of {elapsed} ms");
}

#[tokio::test]
async fn a_response_without_a_call_has_a_time_too() {
    let gateway = Gateway::start().await;
    let reply = gateway.graphql("{ __typename }", json!({})).await;
    let timing = Timing::of(&reply.headers);
    assert_eq!((timing.calls, timing.batch_items, timing.graph_ms), (0, 0, 0.0));
    let rejected = gateway.graphql("{ unknown }", json!({})).await;
    assert_eq!(rejected.status, 400);
    assert_eq!(Timing::of(&rejected.headers).calls, 0);
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_a_call() {
    let timeout = Duration::from_millis(300);
    let gateway = Gateway::builder().settings(|settings| settings.request_timeout = timeout).start().await;
    gateway.replace_faults(&["slow-first-byte;wait=2s"]);
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false));
    assert_eq!(Timing::of(&reply.headers).calls, 1);
}

#[tokio::test]
async fn a_response_at_the_timeout_has_the_time_of_a_call_that_has_not_ended() {
    let timeout = Duration::from_millis(300);
    let gateway = Gateway::builder().settings(|settings| settings.request_timeout = timeout).start().await;
    gateway.replace_faults(&["slow-first-byte;wait=5s"]);
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    assert_eq!(reply.error()["extensions"]["code"], "UPSTREAM_TIMEOUT");
    let timing = Timing::of(&reply.headers);
    assert!(timing.graph_ms >= 200.0, "{timing:?}");
}

#[tokio::test]
async fn a_stream_has_no_timing() {
    let gateway = Gateway::start().await;
    let events = Events::ask(gateway.post(), Some(TOKEN), HINT).await;
    assert!(!events.response.headers().contains_key("server-timing"));
}

#[tokio::test]
async fn only_pages_of_allowed_origins_may_see_the_timing() {
    let allowed = "https://app.example.org";
    let gateway = Gateway::builder()
        .settings(|settings| settings.cors_origins.push(HeaderValue::from_static("https://app.example.org")))
        .start()
        .await;
    let client = http_client().build().unwrap();
    for (origin, expected) in
        [(Some(allowed), Some(allowed)), (Some("https://evil.example"), None), (None, None)]
    {
        let mut request = client
            .post(format!("{}/graphql", gateway.url))
            .header("content-type", "application/json")
            .body(r#"{"query":"{ __typename }"}"#);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = request.send().await.unwrap();
        let headers = response.headers();
        Timing::of(headers);
        let timing = headers.get("timing-allow-origin").map(|origin| origin.to_str().unwrap());
        assert_eq!(timing, expected, "{origin:?}");
        if expected.is_some() {
            let exposed = headers["access-control-expose-headers"].to_str().unwrap();
            assert!(exposed.split(',').any(|name| name == "server-timing"), "{exposed}");
            assert!(headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("origin")));
        }
    }
}
