//! GraphQL over HTTP.

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Gateway, Reply};

async fn send(gateway: &Gateway, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Reply {
    let mut request = gateway.post().body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::read(request.send().await.unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn both_media_types_are_answered_and_nothing_else() {
    let gateway = Gateway::start().await;
    let body = r#"{"query": "{ __typename }"}"#;
    for (accept, content_type) in [
        ("application/json", "application/json; charset=utf-8"),
        ("application/graphql-response+json", "application/graphql-response+json; charset=utf-8"),
        ("*/*", "application/json; charset=utf-8"),
    ] {
        let reply = send(&gateway, &[JSON, ("accept", accept)], body).await;
        assert_eq!(reply.headers["content-type"], content_type);
        assert_eq!(reply.json, json!({"data": {"__typename": "Query"}}));
    }
    let reply = send(&gateway, &[JSON, ("accept", "text/html")], body).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST"));
}

#[tokio::test]
async fn a_request_error_is_400_in_the_new_media_type_and_200_in_the_old() {
    let gateway = Gateway::start().await;
    for (query, code) in [("{", "GRAPHQL_PARSE_FAILED"), ("{ nothing }", "GRAPHQL_VALIDATION_FAILED")] {
        for (accept, status) in [("application/json", 200), ("application/graphql-response+json", 400)] {
            let body = json!({ "query": query }).to_string();
            let reply = send(&gateway, &[JSON, ("accept", accept)], body).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (status, code));
            assert!(reply.json.get("data").is_none());
        }
    }
}

#[tokio::test]
async fn other_content_types_are_415() {
    let gateway = Gateway::start().await;
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/json; charset=utf-7"),
        Some("application/graphql"),
    ] {
        let headers: Vec<_> = content_type.map(|value| ("content-type", value)).into_iter().collect();
        let reply = send(&gateway, &headers, r#"{"query": "{ __typename }"}"#).await;
        assert_eq!(
            (reply.status, reply.code()),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST"),
            "{content_type:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_graphql_request_is_400_and_says_why() {
    let gateway = Gateway::start().await;
    for (body, why) in [
        ("", "JSON object"),
        ("[]", "JSON object"),
        (r#"["{ __typename }"]"#, "JSON object"),
        (r#"[{"query": "{ __typename }"}]"#, "JSON object"),
        ("{", "line 1"),
        ("{}", "\"query\" is missing"),
        (r#"{"query": null}"#, "\"query\" is missing"),
        (r#"{"query": 7}"#, "\"query\" must be a string"),
        (r#"{"query": "{ __typename }", "query": "{ x }"}"#, "duplicate"),
        (r#"{"query": "{ __typename }", "operationName": 1}"#, "\"operationName\""),
        (r#"{"query": "{ __typename }", "variables": []}"#, "\"variables\""),
        (r#"{"query": "{ __typename }", "variables": "{}"}"#, "\"variables\""),
        (r#"{"query": "{ __typename }", "extensions": 1}"#, "\"extensions\""),
        ("\u{feff}{}", "JSON object"),
    ] {
        let reply = send(&gateway, &[JSON], body).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"), "{body}");
        assert!(reply.error()["message"].as_str().unwrap().contains(why), "{body}: {:?}", reply.json);
    }
    let nested = format!(
        "{{\"query\": \"{{ __typename }}\", \"variables\": {}{}}}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    assert_eq!(send(&gateway, &[JSON], nested).await.status, StatusCode::BAD_REQUEST);
    let reply = send(&gateway, &[JSON], b"{\"query\": \"\xff\"}".to_vec()).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn null_parameters_are_as_good_as_none() {
    let gateway = Gateway::start().await;
    let body = r#"{"query": "{ __typename }", "operationName": null, "variables": null, "extensions": null, "id": 1}"#;
    assert_eq!(send(&gateway, &[JSON], body).await.json, json!({"data": {"__typename": "Query"}}));
}

#[tokio::test]
async fn other_methods_are_405_and_say_which_is_allowed() {
    let gateway = Gateway::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let response = gateway.request(method, "/graphql").send().await.unwrap();
        assert_eq!(response.headers()["allow"], "POST");
        let reply = Reply::read(response).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST"));
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_declared_or_not() {
    let gateway = Gateway::builder().settings(|settings| settings.max_body = 1000).start().await;
    let body = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(2000)}}).to_string();
    let chunked = futures_util::stream::iter(
        body.clone()
            .into_bytes()
            .chunks(100)
            .map(<[u8]>::to_vec)
            .map(Ok::<_, std::io::Error>)
            .collect::<Vec<_>>(),
    );
    for body in [reqwest::Body::from(body), reqwest::Body::wrap_stream(chunked)] {
        let reply = send(&gateway, &[JSON], body).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::PAYLOAD_TOO_LARGE, "QUERY_TOO_LARGE"));
    }
}

#[tokio::test]
async fn health_is_told_on_the_admin_listener() {
    let gateway = Gateway::start().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(gateway.admin(path).await, StatusCode::OK);
    }
    let response = gateway.request(Method::GET, "/nothing").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
