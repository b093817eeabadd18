//! One id per request, in the response, in the errors and in each call to Graph; and the caller's trace, sent on.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::numbered;
use crate::errors::CASES;
use crate::fake_graph::{FakeGraph, Protocol};
use crate::harness::{Gateway, Reply, TOKEN};

const ID: &str = "0b6f2c0a-5d1e-4c55-9f1b-7a1d3c1e9f10";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const BULK: &str = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
    results { error { clientRequestId graph { status } } } } }";
const NODE: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";

/// Sends an operation with these headers besides the usual ones.
async fn send(gateway: &Gateway, headers: &[(&'static str, &str)], query: &str, variables: Value) -> Reply {
    let body = json!({"query": query, "variables": variables}).to_string();
    let mut request = gateway.post().header("content-type", "application/json").bearer_auth(TOKEN).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::read(request.send().await.unwrap()).await
}

fn id_of(headers: &HeaderMap) -> &str {
    headers["client-request-id"].to_str().unwrap()
}

#[tokio::test]
async fn each_error_of_a_call_has_the_callers_id_and_so_has_the_response() {
    let gateway = Gateway::short_timeouts().start().await;
    for case in CASES {
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject(case.rule(TOKEN));
        gateway.clear_requests();
        let reply = send(&gateway, &[("client-request-id", ID)], MUTATION, input(device_status())).await;
        assert_eq!(id_of(&reply.headers), ID);
        let graph = &reply.error()["extensions"]["graph"];
        assert_eq!(graph["clientRequestId"], ID, "{:#}", reply.json);
        // A call without a response has neither a status nor ids of Graph's.
        let is_answered = graph.get("status").is_some();
        assert_eq!(graph.as_object().unwrap().len(), if is_answered { 4 } else { 1 }, "{graph}");
        for sent in gateway.sent() {
            assert_eq!(sent.header("client-request-id"), Some(ID));
        }
    }
}

#[tokio::test]
async fn a_call_that_did_not_reach_graph_has_an_id_too() {
    let graph = FakeGraph::refusing(Protocol::Http1);
    let gateway = Gateway::short_timeouts().graph_root(&graph.root).start().await;
    for (query, variables) in [(MUTATION, input(device_status())), (NODE, json!({"id": "c"}))] {
        // Some fail to connect; later ones meet the open circuit breaker.
        for _ in 0..4 {
            let reply = send(&gateway, &[("client-request-id", ID)], query, variables.clone()).await;
            assert_eq!(reply.code(), "UPSTREAM_UNAVAILABLE");
            assert_eq!(reply.error()["extensions"]["graph"], json!({"clientRequestId": ID}));
        }
    }
}

#[tokio::test]
async fn the_items_of_a_bulk_have_the_id_whether_graph_responded_or_not() {
    let gateway = Gateway::short_timeouts().start().await;
    let variables = json!({"input": {
        "configurationId": msgraph_sandbox::DEMO_CONFIGURATION_ID,
        "deviceStatuses": numbered(3),
    }});
    for (fault, is_answered) in [("drop-unread", false), ("500", true)] {
        gateway.replace_faults(&[fault]);
        let reply = send(&gateway, &[("client-request-id", ID)], BULK, variables.clone()).await;
        for result in reply.data()["addDeviceStatuses"]["results"].as_array().unwrap() {
            assert_eq!(result["error"]["clientRequestId"], ID, "{result}");
            assert_eq!(result["error"]["graph"].is_object(), is_answered, "{result}");
        }
    }
}

#[tokio::test]
async fn without_a_guid_the_gateway_makes_an_id_for_each_request() {
    let gateway = Gateway::start().await;
    let mut ids = Vec::new();
    for headers in [&[][..], &[("client-request-id", "mine")], &[("client-request-id", "")]] {
        gateway.clear_requests();
        let reply = send(&gateway, headers, MUTATION, input(device_status())).await;
        reply.data();
        let id = id_of(&reply.headers).to_owned();
        assert_eq!(uuid::Uuid::try_parse(&id).unwrap().get_version_num(), 4);
        assert_eq!(gateway.sent()[0].header("client-request-id"), Some(id.as_str()));
        assert!(!ids.contains(&id));
        ids.push(id);
    }
}

#[tokio::test]
async fn a_rejection_and_a_stream_have_the_id_too() {
    let gateway = Gateway::start().await;
    let request =
        || gateway.post().header("client-request-id", ID).header("content-type", "application/json");
    let rejected = request().body("{").send().await.unwrap();
    assert_eq!((rejected.status().as_u16(), id_of(rejected.headers())), (400, ID));
    let wrong_method = gateway.request(http::Method::PUT, "/graphql").header("client-request-id", ID);
    assert_eq!(id_of(wrong_method.send().await.unwrap().headers()), ID);
    let stream = request().header("accept", "text/event-stream").body(r#"{"query":"{ __typename }"}"#);
    assert_eq!(id_of(stream.send().await.unwrap().headers()), ID);
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_the_id() {
    let origin = "https://app.example.org";
    let gateway = Gateway::builder()
        .settings(|settings| {
            settings.cors_origins.push(http::HeaderValue::from_static("https://app.example.org"))
        })
        .start()
        .await;
    let reply = send(&gateway, &[("origin", origin)], "{ __typename }", Value::Null).await;
    let exposed = reply.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.split(',').any(|name| name == "client-request-id"), "{exposed}");
}

#[tokio::test]
async fn a_valid_traceparent_is_sent_on_with_each_call_and_no_other_header_of_the_trace() {
    let gateway = Gateway::start().await;
    let state = ("tracestate", "vendor=secret");
    gateway.replace_faults(&["429;retry-after=0;times=1"]);
    send(&gateway, &[("traceparent", TRACEPARENT), state], MUTATION, input(device_status())).await.data();
    assert!(gateway.sent().len() > 1, "one call and its retry");
    for sent in gateway.sent() {
        assert_eq!(sent.header("traceparent"), Some(TRACEPARENT));
        assert_eq!(sent.header("tracestate"), None);
    }
    for invalid in ["", "00-0-0-00", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
        gateway.clear_requests();
        send(&gateway, &[("traceparent", invalid)], MUTATION, input(device_status())).await.data();
        assert_eq!(gateway.sent()[0].header("traceparent"), None, "{invalid}");
    }
}

#[tokio::test]
async fn a_write_that_outlives_its_request_keeps_the_ids() {
    let gateway = Gateway::short_timeouts().start().await;
    gateway.replace_faults(&["slow-first-byte;wait=2s"]);
    let headers = [("client-request-id", ID), ("traceparent", TRACEPARENT)];
    let reply = send(&gateway, &headers, MUTATION, input(device_status())).await;
    assert_eq!(reply.code(), "OUTCOME_UNKNOWN");
    assert_eq!(reply.error()["extensions"]["graph"], json!({"clientRequestId": ID}));
    let sandbox = gateway.sandbox.clone();
    gateway.stop().await;
    for sent in sandbox.requests() {
        assert_eq!(
            (sent.header("client-request-id"), sent.header("traceparent")),
            (Some(ID), Some(TRACEPARENT))
        );
    }
}
