//! GraphQL over HTTP.

use http::{Method, StatusCode};
use intune_graphql::graph::ServiceRoot;
use intune_graphql::server::{ConcurrencyLimits, GraphiqlSettings};
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
async fn only_the_two_graphql_media_types_are_served() {
    let gateway = Gateway::start().await;
    let body = r#"{"query": "{ __typename }"}"#;
    for (accept, content_type) in [
        ("application/json", "application/json; charset=utf-8"),
        ("application/graphql-response+json", "application/graphql-response+json; charset=utf-8"),
        ("*/*", "application/json; charset=utf-8"),
        // A parameter may be empty (RFC 9110, section 5.6.6).
        ("application/graphql-response+json;, text/html", "application/graphql-response+json; charset=utf-8"),
        ("application/json;;charset=utf-8; ;q=0.9", "application/json; charset=utf-8"),
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
async fn an_invalid_graphql_request_is_400_with_a_reason() {
    let gateway = Gateway::start().await;
    for (body, why) in [
        ("", "JSON object"),
        ("[]", "one JSON object"),
        (r#"["{ __typename }"]"#, "one JSON object"),
        (r#"[{"query": "{ __typename }"}]"#, "one JSON object"),
        ("{", "line 1"),
        ("{}", "\"query\" is missing"),
        (r#"{"query": null}"#, "\"query\" is missing"),
        (r#"{"query": 7}"#, "\"query\" must be a string"),
        (r#"{"query": "{ __typename }", "query": "{ x }"}"#, "duplicate"),
        (r#"{"query": "{ __typename }", "operationName": 1}"#, "\"operationName\""),
        (r#"{"query": "{ __typename }", "variables": []}"#, "\"variables\""),
        (r#"{"query": "{ __typename }", "variables": "{}"}"#, "\"variables\""),
        (r#"{"query": "{ __typename }", "extensions": 1}"#, "\"extensions\""),
        (r#"{"query": "{ __typename }", "variables": {"a": 1, "a": 1}}"#, "twice"),
        (r#"{"query": "{ __typename }", "extensions": {"a": {"b": 1, "b": null}}}"#, "twice"),
        (
            r#"{"query": "{ __typename }", "extensions": {"persistedQuery": null, "persistedQuery": {}}}"#,
            "twice",
        ),
        (r#"{"documentId": "a", "doc_id": "b"}"#, "\"documentId\" and \"doc_id\""),
        ("\u{feff}{}", "\"query\" is missing"),
        ("\u{feff}\u{feff}{}", "JSON object"),
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
async fn null_parameters_equal_absent_ones() {
    let gateway = Gateway::start().await;
    let body = r#"{"query": "{ __typename }", "operationName": null, "variables": null, "extensions": null, "id": 1}"#;
    assert_eq!(send(&gateway, &[JSON], body).await.json, json!({"data": {"__typename": "Query"}}));
}

#[tokio::test]
async fn other_methods_are_405_with_the_allowed_ones() {
    let gateway = Gateway::start().await;
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS, Method::TRACE] {
        let response = gateway.request(method, "/graphql").send().await.unwrap();
        assert_eq!(response.headers()["allow"], "GET, POST");
        let reply = Reply::read(response).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST"));
    }
    // HEAD is rejected, unlike GET, because it would call Graph for a response that is not sent.
    let answer = gateway.request(Method::HEAD, "/graphql?query={__typename}").send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "GET, POST")
    );
}

#[tokio::test]
async fn an_empty_operation_name_equals_an_absent_one_in_post_and_get() {
    let gateway = Gateway::start().await;
    let query = "query A { __typename }";
    let posted = send(&gateway, &[JSON], json!({"query": query, "operationName": ""}).to_string()).await;
    let got = get(&gateway, &[("query", query), ("operationName", "")]).send().await.unwrap();
    for reply in [posted, Reply::read(got).await] {
        assert_eq!(reply.data(), &json!({"__typename": "Query"}));
    }
}

fn get(gateway: &Gateway, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let mut url = url::Url::parse("http://x/graphql").unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    gateway.request(Method::GET, &format!("/graphql?{}", url.query().unwrap_or_default()))
}

#[tokio::test]
async fn queries_are_accepted_by_get() {
    let gateway = Gateway::start().await;
    let query = "query A($id: ID!) { node(id: $id) { id } } query B { __typename }";
    let variables = format!(r#"{{"id":"{}"}}"#, "ig~1.c.~4qI2MTYx4qIxNqLiMTai4g");
    let request = get(&gateway, &[("query", query), ("operationName", "A"), ("variables", &variables)]);
    let reply = Reply::read(request.bearer_auth(crate::harness::TOKEN).send().await.unwrap()).await;
    assert!(reply.data()["node"]["id"].is_string());
    let request =
        get(&gateway, &[("query", query), ("operationName", "B"), ("extensions", "{}"), ("other", "1")]);
    let reply = Reply::read(request.header("content-type", "application/json").send().await.unwrap()).await;
    assert_eq!(reply.data(), &json!({"__typename": "Query"}));
}

#[tokio::test]
async fn a_mutation_by_get_is_405_and_nothing_is_sent() {
    let gateway = Gateway::start().await;
    let mutation =
        "query Q { __typename } mutation M { deleteDeviceStatus(input: {id: \"x\"}) { deletedId } }";
    for variables in ["", "{}"] {
        let request = get(&gateway, &[("query", mutation), ("operationName", "M"), ("variables", variables)]);
        let response = request.bearer_auth(crate::harness::TOKEN).send().await.unwrap();
        assert_eq!(response.headers()["allow"], "POST");
        assert_eq!(Reply::read(response).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    assert!(gateway.sent().is_empty());
    let request = get(&gateway, &[("query", mutation), ("operationName", "Q")]);
    Reply::read(request.send().await.unwrap()).await.data();
}

#[tokio::test]
async fn an_invalid_graphql_request_by_get_is_rejected() {
    let gateway = Gateway::start().await;
    let query = ("query", "{ __typename }");
    for (parameters, status) in [
        (&[][..], 400),
        (&[query, query][..], 400),
        (&[query, ("variables", "{}"), ("variables", "{}")][..], 400),
        (&[query, ("variables", "[]")][..], 400),
        (&[query, ("variables", "{")][..], 400),
        (&[query, ("extensions", "1")][..], 400),
        (&[query, ("extensions", r#"{"a": 1, "a": 1}"#)][..], 400),
        (&[query, ("documentId", "a"), ("doc_id", "b")][..], 400),
        (&[("query", "{")][..], 400),
    ] {
        let reply = Reply::read(
            get(&gateway, parameters)
                .header("accept", "application/graphql-response+json")
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(reply.status.as_u16(), status, "{parameters:?}");
        if let [.., (a, _), (b, _)] = parameters
            && a == b
        {
            let message = reply.error()["message"].as_str().unwrap();
            assert_eq!(message, format!("The URL parameter \"{a}\" is given twice."));
        }
    }
    for content_type in ["message/rfc822", "text/plain", "application/x-www-form-urlencoded"] {
        let request = get(&gateway, &[query]).header("content-type", content_type);
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type}"
        );
    }
    let reply =
        Reply::read(get(&gateway, &[query]).header("accept", "text/html").send().await.unwrap()).await;
    assert_eq!(reply.status, StatusCode::NOT_ACCEPTABLE);
}

/// The error, and the correct request.
#[tokio::test]
async fn a_rejected_request_says_what_to_send_instead() {
    let gateway = Gateway::start().await;
    let long = format!("text/{}", "x".repeat(200));
    let query = r#"{"query":"{ __typename }"}"#;
    for (content_type, body, message) in [
        (Some("text/plain"), query, "Unsupported Content-Type `text/plain`: send `application/json`."),
        (Some(long.as_str()), query, "Unsupported Content-Type: send `application/json`."),
        (None, query, "Content-Type is missing: send `application/json`."),
        (Some("application/json"), "[]", "Request batching is not supported: send one JSON object."),
        (Some("application/json"), r#"{"query":"#, "Invalid JSON in the body: error at line 1, column 9."),
        (
            Some("application/json"),
            r#"{"variables":{"a":1,"a":2}}"#,
            "Invalid JSON in the body: an object has a key twice at line 1 column 26.",
        ),
        (Some("application/json"), "1", "The body must be a JSON object with the member \"query\"."),
    ] {
        let mut request = gateway.post().body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let reply = Reply::read(request.send().await.unwrap()).await;
        assert_eq!((reply.error()["message"].as_str(), reply.code()), (Some(message), "BAD_REQUEST"));
    }
    let with_mark =
        gateway.post().header("content-type", "application/json").body(format!("\u{feff}{query}"));
    assert_eq!(Reply::read(with_mark.send().await.unwrap()).await.data()["__typename"], "Query");
}

#[tokio::test]
async fn any_number_of_unknown_parameters_is_ignored() {
    let gateway = Gateway::start().await;
    let query = ("query", "{ __typename }");
    let names: Vec<String> = (0..10_000).map(|index| format!("{index:x}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    for parameters in [vec![query, ("x", "1"), ("x", "2")], [vec![query], many].concat()] {
        let reply = Reply::read(get(&gateway, &parameters).send().await.unwrap()).await;
        assert_eq!(reply.data(), &json!({"__typename": "Query"}));
    }
}

#[tokio::test]
async fn cross_origin_requests_need_an_allowed_origin() {
    let closed = Gateway::start().await;
    let preflight = |gateway: &Gateway, origin: &str| {
        gateway
            .request(Method::OPTIONS, "/graphql")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send()
    };
    let answer = preflight(&closed, "https://app.example.org").await.unwrap();
    assert!(!answer.headers().keys().any(|name| name.as_str().starts_with("access-control")));
    let rejected = Reply::read(answer).await;
    assert_eq!(rejected.status, StatusCode::FORBIDDEN);
    let message = "Pages of https://app.example.org may not call this gateway. Start it with --cors-origin \
                   https://app.example.org.";
    assert_eq!(rejected.error()["message"], message);
    let rejected = Reply::read(preflight(&closed, "null").await.unwrap()).await;
    assert_eq!(
        rejected.error()["message"],
        "Pages of this origin may not call this gateway: see --cors-origin."
    );

    let origins = vec![http::HeaderValue::from_static("https://app.example.org")];
    let gateway = Gateway::builder().settings(|settings| settings.cors_origins = origins).start().await;
    let answer = preflight(&gateway, "https://app.example.org").await.unwrap();
    assert!(answer.status().is_success());
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example.org");
    assert_eq!(answer.headers()["access-control-max-age"], "7200");
    assert!(answer.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    // Clients send headers of their own, which the gateway passes over.
    let own = "traceparent,apollographql-client-name,apollo-require-preflight,x-apollo-operation-name";
    let request = gateway.request(Method::OPTIONS, "/graphql").header("origin", "https://app.example.org");
    let request = request.header("access-control-request-method", "POST");
    let answer = request.header("access-control-request-headers", own).send().await.unwrap();
    assert_eq!(answer.headers()["access-control-allow-headers"], own);
    assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    for (origin, is_allowed) in
        [("https://app.example.org", true), ("https://evil.example", false), ("null", false)]
    {
        let request = gateway.post().header("content-type", "application/json").header("origin", origin);
        let answer = request.body(r#"{"query": "{ __typename }"}"#).send().await.unwrap();
        let allowed = answer.headers().get("access-control-allow-origin");
        assert_eq!(allowed.is_some_and(|allowed| allowed == origin), is_allowed, "{origin}");
        assert!(answer.headers()["vary"].to_str().unwrap().contains("origin"));
    }
}

/// As the demo does, for front ends in development.
#[tokio::test]
async fn pages_of_loopback_origins_may_be_allowed() {
    let gateway =
        Gateway::builder().settings(|settings| settings.allow_loopback_origins = true).start().await;
    for (origin, is_allowed) in [("http://localhost:5173", true), ("https://evil.example", false)] {
        let request = gateway.request(Method::OPTIONS, "/graphql").header("origin", origin);
        let answer = request.header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(answer.status().is_success(), is_allowed, "{origin}");
        let allowed = answer.headers().get("access-control-allow-origin");
        assert_eq!(allowed.is_some_and(|allowed| allowed == origin), is_allowed, "{origin}");
    }
}

#[tokio::test]
async fn responses_are_compressed_as_the_client_prefers() {
    let gateway = Gateway::start().await;
    // This client would decompress the codings that it supports.
    let client = crate::harness::http_client().no_gzip().build().unwrap();
    let post = || client.post(format!("{}/graphql", gateway.url));
    let body = r#"{"query": "{ __schema { types { name description fields { name description } } } }"}"#;
    for (accept, coding) in [
        ("br", Some("br")),
        ("zstd", Some("zstd")),
        ("gzip", Some("gzip")),
        ("gzip;q=0.5, br", Some("br")),
        ("GZIP ; Q=0.5", Some("gzip")),
        ("x-gzip", Some("gzip")),
        ("*;q=0.1", Some("zstd")),
        ("zstd;q=0, *", Some("br")),
        ("identity", None),
        ("identity, br;q=0.999", None),
        ("deflate", None),
        // A weight of 0 and an invalid weight both exclude a coding.
        ("br;q=0", None),
        ("br;Q=0", None),
        ("br ; Q=0.000", None),
        ("br;q = 0", None),
        ("br;q=0.0000", None),
        ("br;q=none", None),
        ("zstd;Q=0, br;Q=0, gzip", Some("gzip")),
        ("gzip;q=0, gzip", None),
        ("*;q=0", None),
        ("*;Q=0, gzip", Some("gzip")),
        ("identity;q=0, gzip;q=0.1", Some("gzip")),
        ("", None),
    ] {
        let request = post().header("content-type", "application/json").header("accept-encoding", accept);
        let answer = request.body(body).send().await.unwrap();
        let found =
            answer.headers().get("content-encoding").map(|coding| coding.to_str().unwrap().to_owned());
        assert_eq!(found.as_deref(), coding, "{accept}");
        assert!(answer.headers()["vary"].to_str().unwrap().contains("accept-encoding"), "{accept}");
        let length = answer.bytes().await.unwrap().len();
        assert_eq!(length < 20_000, coding.is_some(), "{accept}: {length}");
    }
    // Small ones are not worth it.
    let request = post().header("content-type", "application/json").header("accept-encoding", "gzip");
    let answer = request.body(r#"{"query": "{ __typename }"}"#).send().await.unwrap();
    assert!(!answer.headers().contains_key("content-encoding"));
    // Unless the client accepts nothing else.
    for (accept, coding) in
        [("gzip, identity;Q=0", Some("gzip")), ("br, *;q=0", Some("br")), ("identity;q=0", None)]
    {
        let request = post().header("content-type", "application/json").header("accept-encoding", accept);
        let answer = request.body(r#"{"query": "{ __typename }"}"#).send().await.unwrap();
        let found = answer.headers().get("content-encoding").map(|coding| coding.to_str().unwrap());
        assert_eq!(found, coding, "{accept}");
    }
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let page = GraphiqlSettings::serve(&ServiceRoot::parse("http://127.0.0.1:1/beta", false).unwrap());
    let gateway = Gateway::builder()
        .settings(|settings| {
            settings.max_request_body = 1000;
            settings.graphiql = Some(page);
        })
        .start()
        .await;
    let full =
        ConcurrencyLimits { max_concurrent_requests: 0, max_queued_requests: 0, max_caller_share: 100 };
    let full = Gateway::builder().settings(|settings| settings.concurrency = full).start().await;
    let post = |gateway: &Gateway, content_type: &str, body: &str| {
        gateway.post().header("content-type", content_type).body(body.to_owned())
    };
    let request = |method: Method, path: &str| gateway.request(method, path);
    let json = JSON.1;
    let typename = r#"{"query": "{ __typename }"}"#;
    let mut answers = Vec::new();
    for (request, status) in [
        (request(Method::GET, "/graphql?query={__typename}"), 200),
        (post(&gateway, json, typename), 200),
        (post(&gateway, json, "{"), 400),
        (request(Method::GET, "/nothing"), 404),
        (request(Method::PUT, "/graphql"), 405),
        (request(Method::OPTIONS, "/graphql"), 405),
        (request(Method::HEAD, "/graphql"), 405),
        (post(&gateway, json, typename).header("accept", "text/html"), 406),
        (post(&gateway, json, &"x".repeat(2000)), 413),
        (post(&gateway, "text/plain", typename), 415),
        (post(&full, json, typename), 503),
        (request(Method::GET, "/graphiql"), 200),
        (request(Method::HEAD, "/graphiql"), 200),
        (request(Method::POST, "/graphiql"), 405),
        (request(Method::GET, "/graphiql/nothing"), 404),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{}", answer.url());
        answers.push(answer);
    }
    for path in ["/livez", "/readyz", "/metrics", "/nothing"] {
        answers.push(gateway.ask_admin(path).await);
    }
    for answer in answers {
        let named = format!("{} {}", answer.status(), answer.url());
        let header = |name: &str| {
            let value = answer.headers().get(name).unwrap_or_else(|| panic!("{named} has no {name}"));
            value.to_str().unwrap().to_owned()
        };
        assert_eq!(header("x-content-type-options"), "nosniff", "{named}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{named}");
        assert_eq!(header("x-frame-options"), "DENY", "{named}");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{named}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{named}: {policy}");
        if answer.url().path() == "/graphql" {
            assert_eq!(header("cache-control"), "no-store", "{named}");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_declared_or_not() {
    let gateway = Gateway::builder().settings(|settings| settings.max_request_body = 1000).start().await;
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
async fn the_admin_listener_serves_health() {
    let gateway = Gateway::start().await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(gateway.admin(path).await, StatusCode::OK);
    }
    let response = gateway.request(Method::GET, "/nothing").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
