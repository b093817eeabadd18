//! Hostile requests below and beside GraphQL: browsers, media types, sizes, log injection and extreme values.

use http::{Method, StatusCode};
use msgraph_sandbox::{self as sandbox, DEMO_CONFIGURATION_ID, FaultRule, Sandbox};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::add_device_status::{MUTATION, device_status, input, input_with};
use crate::commands::Program;
use crate::harness::{Gateway, TOKEN, fresh_token, http_client};
use crate::hostile_documents::{assert_serving, post};

pub(crate) async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.url.trim_start_matches("http://")).await.unwrap()
}

#[tokio::test]
async fn an_array_of_requests_is_rejected() {
    let gateway = Gateway::start().await;
    let requests: Vec<Value> = vec![json!({"query": "{ __typename }"}); 1000];
    let reply = post(&gateway, Value::Array(requests).to_string()).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
}

#[tokio::test]
async fn cross_site_requests_of_a_browser_write_nothing() {
    let gateway = Gateway::start().await;
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    for content_type in [
        None,
        Some("text/plain;charset=UTF-8"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("message/rfc822"),
    ] {
        let mut request = gateway.post().bearer_auth(TOKEN).body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type:?}"
        );
    }
    let url = format!(
        "/graphql?{}",
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", MUTATION)
            .append_pair("variables", &input(device_status()).to_string())
            .finish()
    );
    let answer = gateway.request(Method::GET, &url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    let answer =
        gateway.request(Method::PUT, "/graphql").header("content-type", "application/json").body(body);
    assert_eq!(answer.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn oversized_and_compressed_bodies_are_rejected() {
    let gateway = Gateway::builder().settings(|settings| settings.max_request_body = 1000).start().await;
    let body = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(2000)}}).to_string();
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n";
    // Small enough to be read at once, because unread bytes may lose the response.
    for request in [
        format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ] {
        let mut stream = connect(&gateway).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("QUERY_TOO_LARGE"), "{answer}");
    }
    // A body without an end is cut off; the response does not wait for it.
    let mut stream = connect(&gateway).await;
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
    while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    let request =
        gateway.post().header("content-type", "application/json").header("content-encoding", "gzip");
    assert_eq!(request.body("x").send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_serving(&gateway).await;
}

#[tokio::test]
async fn other_charsets_are_rejected() {
    let gateway = Gateway::start().await;
    for charset in ["utf-7", "utf-16", "iso-8859-1", "x-mac-roman"] {
        let request = gateway.post().header("content-type", format!("application/json; charset={charset}"));
        let answer = request.body(r#"{"query": "{ __typename }"}"#).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{charset}");
    }
}

#[tokio::test]
async fn a_write_with_a_lost_response_is_sent_once() {
    let gateway = Gateway::start().await;
    for fault in ["drop-applied", "504"] {
        gateway.clear_requests();
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let mut variables = input(device_status());
        variables["input"]["idempotencyKey"] = json!(fault);
        for _ in 0..2 {
            let reply = gateway.graphql(MUTATION, variables.clone()).await;
            assert_eq!(reply.error()["extensions"]["outcome"], "UNKNOWN");
        }
        assert_eq!(gateway.sent().iter().filter(|sent| sent.method == Method::POST).count(), 1, "{fault}");
    }
}

#[tokio::test]
async fn extreme_dates_pass_unchanged_and_impossible_ones_are_rejected() {
    let gateway = Gateway::start().await;
    for date in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2020-02-29T00:00:00-00:00"] {
        let mut status = device_status();
        status["lastReportedDateTime"] = json!(date);
        gateway.clear_requests();
        let reply = gateway.graphql(MUTATION, input(status)).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["lastReportedDateTime"], date);
        let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
        assert_eq!(body["lastReportedDateTime"], date);
    }
    let mut status = device_status();
    status["lastReportedDateTime"] = json!("2020-01-01T00:00:60Z");
    gateway.clear_requests();
    assert_eq!(gateway.graphql(MUTATION, input(status)).await.code(), "BAD_USER_INPUT");
    assert!(gateway.sent().is_empty());
}

#[test]
fn requests_cannot_forge_log_lines() {
    const FORGED: &str = "forged-1f3a";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(sandbox::Settings::default());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
    let forged = format!("x\n{FORGED} ERROR all is lost\r\n{FORGED}\u{1b}[2J\u{2028}{FORGED}");

    for format in ["text", "json"] {
        let mut gateway = Program::serve(&root, &["--log", "trace", "--log-format", format]);
        let url = gateway.line("listening on ");
        // Graph fails with the same text: this response is logged at any level.
        sandbox.inject(FaultRule::once(format!("500;code={forged};message={forged}").parse().unwrap()));
        let mut keyed = input(device_status());
        keyed["input"]["idempotencyKey"] = json!(forged);
        for body in [
            json!({"query": MUTATION, "variables": input_with("userName", json!(forged))}),
            json!({"query": MUTATION, "variables": keyed}),
            json!({"query": MUTATION, "variables": input(device_status()), "operationName": forged}),
            json!({"query": format!("{{ node(id: {}) {{ id }} }}", json!(forged))}),
            json!({"query": format!("{{ {forged} }}")}),
            json!({"query": "{ __typename }", "extensions": {forged.as_str(): forged}}),
        ] {
            let request = http_client().build().unwrap().post(format!("{url}/graphql"));
            let request = request.bearer_auth(TOKEN).header("content-type", "application/json");
            // The controls that a header's value may hold, and a path's may in its escaped form.
            let request = request.header("client-request-id", format!("{FORGED}\t{FORGED}"));
            runtime.block_on(async {
                request.body(body.to_string()).send().await.unwrap().text().await.unwrap()
            });
        }
        let request = http_client().build().unwrap().get(format!("{url}/%0a{FORGED}%1b[2J?%0a{FORGED}"));
        runtime.block_on(async { request.send().await.unwrap() });

        let (code, said) = gateway.stop();
        assert_eq!(code, Some(0));
        assert!(said.contains("Graph failed") && said.contains(FORGED), "{said:.3000}");
        assert!(
            !said.contains('\u{1b}') && !said.contains('\r') && !said.contains('\u{2028}'),
            "a control in the log"
        );
        for line in said.lines() {
            assert!(!line.starts_with(FORGED), "{line:.300}");
            if format == "json" && line.starts_with('{') {
                serde_json::from_str::<Value>(line).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn multipart_uploads_are_rejected() {
    let gateway = Gateway::start().await;
    let operations = json!({"query": MUTATION, "variables": input(device_status())});
    let part = |name: &str, body: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{body}\r\n")
    };
    let body = part("operations", &operations.to_string()) + &part("map", "{}") + "--x--\r\n";
    let request = gateway.request(Method::POST, "/graphql").bearer_auth(TOKEN).body(body);
    let request = request.header("content-type", "multipart/form-data; boundary=x");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(gateway.sent().is_empty());
    assert_serving(&gateway).await;
}

/// Unknown members are nested without end; the JSON parser skips them without a limit.
#[tokio::test]
async fn a_deeply_nested_graph_response_is_an_error() {
    const ONE: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";
    let gateway = Gateway::start().await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let read = async |answer: String| {
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject(format!("canned;text={answer}").parse().unwrap());
        let variables = json!({"id": DEMO_CONFIGURATION_ID});
        gateway.graphql_as(Some(&fresh_token()), ONE, variables).await
    };
    let entity =
        |depth| format!(r#"{{"id":"{DEMO_CONFIGURATION_ID}","displayName":"a [{{","x":{}}}"#, nested(depth));
    let reply = read(entity(63)).await;
    assert_eq!(reply.json["data"]["iosLobAppProvisioningConfiguration"]["displayName"], "a [{");
    for depth in [64, 1_000_000] {
        let reply = read(entity(depth)).await;
        assert_eq!(reply.code(), "UPSTREAM_ERROR", "{depth}");
    }
    // A rejection remains one, whatever else the response has.
    let refusal = format!(r#"{{"error":{{"code":"Forbidden"}},"x":{}}}"#, nested(1_000_000));
    gateway.sandbox.clear_faults();
    gateway.sandbox.inject(format!("canned;status=403;text={refusal}").parse().unwrap());
    let reply = gateway.graphql(ONE, json!({"id": DEMO_CONFIGURATION_ID})).await;
    assert_eq!(reply.code(), "FORBIDDEN");
    gateway.sandbox.clear_faults();
    gateway.graphql(ONE, json!({"id": DEMO_CONFIGURATION_ID})).await.data();
}
