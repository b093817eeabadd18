//! Traces of what has no HTTP request of its own, or many spans: subscriptions, operations over a WebSocket, long lists.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::add_device_status::MUTATION;
use crate::otlp_receiver::{OtlpReceiver, Span};
use crate::traces::{Gateway, READ, TRACEPARENT, canary_input};
use crate::websocket::Socket;

#[tokio::test(flavor = "multi_thread")]
async fn each_event_of_a_subscription_has_a_span_and_the_stream_has_none() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    let gateway = Gateway::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    let subscription = "subscription Added($id: ID!) { deviceStatusAdded(configurationId: $id) {
        deviceStatus { deviceModel } } }";
    let request = gateway.request(subscription, json!({"id": DEMO_CONFIGURATION_ID}));
    let mut stream = request.header("accept", "text/event-stream").send().await.unwrap();
    let mut text = String::new();
    // The stream is open when it says so.
    while !text.contains(":\n\n") {
        text.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()));
    }
    for events in 1..=2 {
        gateway.sandbox.clear_requests();
        let mut input = canary_input();
        input["input"]["idempotencyKey"] = Value::Null;
        // A subscriber is told only of what is added after its check, which a repetition waits for.
        while text.matches("event: next").count() < events {
            gateway.graphql(MUTATION, input.clone()).await;
            let chunk = tokio::time::timeout(std::time::Duration::from_secs(1), stream.chunk()).await;
            if let Ok(chunk) = chunk {
                text.push_str(&String::from_utf8_lossy(&chunk.unwrap().unwrap()));
            }
        }
    }
    drop(stream);
    gateway.stop().await;
    let received = receiver.received();
    let operation = received.only("subscription Added");
    let events: Vec<&Span> =
        received.spans.iter().filter(|span| span.name == "subscription Added event").collect();
    assert!(events.len() >= 2, "{:#?}", received.spans);
    for event in events {
        event.assert(
            SpanKind::Internal,
            &operation.id,
            json!({
                "graphql.operation.name": "Added", "graphql.operation.type": "subscription",
            }),
        );
        assert!(event.times.0 >= operation.times.1, "the operation ends when its stream begins");
        let below = |parent: &Span| received.spans.iter().find(|span| span.parent == parent.id).cloned();
        let resolver = below(event).expect("the resolver that reads the status");
        assert_eq!(resolver.name, "resolve deviceStatus");
        assert_eq!(below(&resolver).expect("its call").kind, SpanKind::Client);
    }
    assert!(received.spans.iter().all(|span| {
        std::time::Duration::from_nanos(span.times.1 - span.times.0) < std::time::Duration::from_secs(10)
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_of_a_websocket_is_a_root_or_below_the_callers_span() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    let gateway = Gateway::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    for traceparent in ["", TRACEPARENT] {
        let mut socket = Socket::open(&gateway.url, &[("traceparent", traceparent)]).await.unwrap();
        socket.send(json!({"type": "connection_init"})).await;
        socket.next().await;
        for id in ["1", "2"] {
            socket.subscribe(id, READ).await;
            while socket.next().await["type"] != "complete" {}
        }
    }
    gateway.stop().await;
    let received = receiver.received();
    let operations: Vec<&Span> = received.spans.iter().filter(|span| span.name == "query Read").collect();
    assert_eq!(operations.len(), 4, "{:#?}", received.spans);
    for operation in &operations[..2] {
        operation.assert(SpanKind::Server, "", json!({"graphql.operation.name": "Read"}));
    }
    assert_ne!(operations[0].trace_id, operations[1].trace_id);
    for operation in &operations[2..] {
        operation.assert(SpanKind::Server, &TRACEPARENT[36..52], json!({"graphql.operation.name": "Read"}));
        assert_eq!(operation.trace_id, TRACEPARENT[3..35]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_has_at_most_500_spans_below_its_operation() {
    let receiver = OtlpReceiver::start().await;
    let endpoint = receiver.endpoint();
    let gateway = Gateway::start(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)]).await;
    let ids: Vec<String> = (0..600).map(|number| global_id(&format!("none-{number}"))).collect();
    let response =
        gateway.graphql("query Many($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": ids})).await;
    assert_eq!(response["data"]["nodes"].as_array().unwrap().len(), 600, "{response:#}");
    assert!(gateway.counter("dropped").await > 0);
    gateway.stop().await;
    let received = receiver.received();
    assert!(received.spans.len() <= 502, "{}", received.spans.len());
    let operation = received.only("query Many");
    for call in received.spans.iter().filter(|span| span.kind == SpanKind::Client) {
        assert!(call.parent == operation.id && call.links.len() <= 64, "{call:#?}");
    }
}

/// The global id of a configuration.
fn global_id(key: &str) -> String {
    let key = intune_graphql::graph::Key::new(key).unwrap();
    intune_graphql::schema::configuration_id(&key)
}
