//! Versions, headers and media types.

use reqwest::Method;
use uuid::Uuid;

use super::{Graph, P, demo, reply};

#[tokio::test]
async fn each_response_has_graphs_headers() {
    let graph = Graph::start().await;
    for path in [demo(""), "/nope".to_owned(), demo("/deviceStatuses/nope")] {
        let answer = graph.get(&path).await;
        let request_id = answer.header("request-id");
        assert!(Uuid::try_parse(request_id).is_ok());
        assert_eq!(answer.header("client-request-id"), request_id);
        assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert!(answer.headers.contains_key("date"));
        let diagnostic: serde_json::Value =
            serde_json::from_str(answer.header("x-ms-ags-diagnostic")).unwrap();
        assert!(diagnostic["ServerInfo"]["RoleInstance"].is_string());
    }
}

#[tokio::test]
async fn media_types_differ_between_success_and_error() {
    let graph = Graph::start().await;
    let found = graph.get(&demo("")).await;
    assert_eq!(
        found.header("content-type"),
        "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
    );
    assert_eq!(found.header("odata-version"), "4.0");
    let missing = graph.get(&format!("{P}/nope")).await;
    assert_eq!(missing.header("content-type"), "application/json");
    assert!(!missing.headers.contains_key("odata-version"));
}

#[tokio::test]
async fn a_204_has_neither_body_nor_type() {
    let graph = Graph::start().await;
    let deleted = graph.delete(&demo("")).await;
    assert_eq!(deleted.status, 204);
    assert!(deleted.text.is_empty());
    assert!(!deleted.headers.contains_key("content-type"));
    assert!(!deleted.headers.contains_key("content-length"));
}

#[tokio::test]
async fn a_callers_client_request_id_is_returned() {
    let graph = Graph::start().await;
    let id = "09e5c6f7-b004-4d04-8dae-bd636783b968";
    let named = |id| graph.request(Method::GET, "/beta/nope").header("client-request-id", id);
    let answer = reply(named(id)).await;
    assert_eq!(answer.header("client-request-id"), id);
    assert_eq!(answer.json()["error"]["innerError"]["client-request-id"], id);
    let answer = reply(named("no guid")).await;
    assert_eq!(answer.header("client-request-id"), answer.header("request-id"));
}

#[tokio::test]
async fn versions_compare_without_case_and_others_are_named() {
    let graph = Graph::start().await;
    graph.get(&demo("").replace("/beta/", "/BETA/")).await.expect(200);
    let (code, message) = graph.get("/deviceManagement/x").await.error(404);
    assert_eq!(code, "ResourceNotFound");
    assert_eq!(message, "Invalid version: devicemanagement");
    let (code, message) = graph.get(&demo("").replace("/beta/", "/v1.0/")).await.error(400);
    assert_eq!(code, "BadRequest");
    assert_eq!(message, "Resource not found for the segment 'iosLobAppProvisioningConfigurations'.");
}

#[tokio::test]
async fn keys_come_as_segments_and_in_parentheses_in_any_case() {
    let graph = Graph::start().await;
    let expected = graph.get(&demo("")).await.expect(200);
    let id = expected["id"].as_str().unwrap();
    for path in [format!("{P}('{id}')"), format!("{P}/{}", id.to_uppercase()), format!("{P}(%27{id}%27)/")] {
        let found = graph.get(&path).await.expect(200);
        assert_eq!(found["id"], expected["id"], "{path}");
    }
}

#[tokio::test]
async fn an_unsupported_accept_is_406() {
    let graph = Graph::start().await;
    let accepting = |accept: &'static str| graph.request(Method::GET, &demo("")).header("accept", accept);
    for accept in
        ["*/*", "application/json", "application/json;odata.metadata=minimal", "text/html, */*;q=0.1"]
    {
        reply(accepting(accept)).await.expect(200);
    }
    reply(accepting("text/html")).await.error(406);
}

#[tokio::test]
async fn links_have_the_address_that_the_caller_used() {
    let graph = Graph::start().await;
    let context = |body: serde_json::Value| body["@odata.context"].as_str().unwrap().to_owned();
    let path = "/beta/$metadata#deviceAppManagement/iosLobAppProvisioningConfigurations/$entity";
    let direct = context(graph.get(&demo("")).await.expect(200));
    assert_eq!(direct, format!("http://{}{path}", graph.address));
    let forwarded = graph
        .request(Method::GET, &demo(""))
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "graph.example.org");
    assert_eq!(context(reply(forwarded).await.expect(200)), format!("https://graph.example.org{path}"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let settings = msgraph_sandbox::Settings { max_body: 100, ..Default::default() };
    let graph = Graph::with(settings).await;
    let (_, message) = graph.post(P, &serde_json::json!({"description": "x".repeat(200)})).await.error(413);
    assert!(message.contains("too large"));
}

#[tokio::test]
async fn long_responses_are_compressed_on_request() {
    let graph = Graph::start().await;
    // The client requests gzip itself and hides the header; a plain connection shows it.
    let raw = super::connections::raw(
        &graph.address,
        &format!(
            "GET {} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer t\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n",
            demo("")
        ),
    )
    .await;
    let head = String::from_utf8_lossy(&raw).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let plain = graph.get(&demo("")).await.expect(200);
    assert!(plain["displayName"].is_string());
}
