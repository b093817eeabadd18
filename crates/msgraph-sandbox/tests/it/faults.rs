//! Faults by header and by rule, and what of the request was carried out.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use msgraph_sandbox::settings::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Graph, Reply, demo, reply, status_body};

async fn create(graph: &Graph, fault: &str) -> Reply {
    let request = super::json(graph.request(Method::POST, &demo("/deviceStatuses")), &status_body());
    reply(request.header("x-sandbox-fault", fault)).await
}

fn statuses(graph: &Graph) -> usize {
    graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len()
}

#[tokio::test]
async fn error_statuses_have_each_form_of_body() {
    let graph = Graph::start().await;
    let before = statuses(&graph);
    for (fault, status, part) in [
        (
            "500;body=wrapped",
            500,
            r#"{"error":{"code":"InternalServerError","message":"{\r\n  \"_version\": 3,\r\n  \"Message\": \"An internal server error has occurred - "#,
        ),
        ("503;retry-after=2", 503, r#"{"error":{"code":"ServiceUnavailable","message":"Service is"#),
        ("service-timeout", 503, r#"{"error":{"code":"CancelledOnServiceTimeout","message":"{\r\n"#),
        ("504;body=empty-message", 504, r#"{"error":{"code":"UnknownError","message":"","innerError""#),
        ("504;body=double-wrapped", 504, r#"{"error":{"code":"UnknownError","message":"{\"Message\":"#),
        ("bad-gateway", 502, "<html>"),
        ("502;body=text", 502, "The service is unavailable."),
        ("500;body=empty", 500, ""),
        ("501", 501, r#"{"error":{"code":"NotImplemented""#),
        ("405", 405, r#"{"error":{"code":"Request_BadRequest","message":"Specified HTTP method"#),
        ("409", 409, r#"{"error":{"code":"Conflict""#),
        (
            "missing-route",
            400,
            r#"{"error":{"code":"No method match route template","message":"No OData route exists that match template ~/singleton/navigation/key/navigation with http verb POST"#,
        ),
        (
            "segment-not-found",
            400,
            r#"{"error":{"code":"BadRequest","message":"Resource not found for the segment 'deviceStatuses'."#,
        ),
        ("invalid-version", 404, r#"{"error":{"code":"ResourceNotFound","message":"Invalid version: beta"#),
        ("418;code=Teapot;message=a%3Bb", 418, r#"{"error":{"code":"Teapot","message":"a;b""#),
        ("canned;status=299;text={};header.x-a=b", 299, "{}"),
    ] {
        let answer = create(&graph, fault).await;
        assert_eq!(answer.status.as_u16(), status, "{fault}");
        assert!(answer.text.starts_with(part), "{fault}: {}", answer.text);
    }
    assert_eq!(statuses(&graph), before, "nothing was carried out");
}

#[tokio::test]
async fn truncated_json_has_the_right_length() {
    let graph = Graph::start().await;
    let answer = create(&graph, "500;body=truncated").await;
    assert_eq!(answer.header("content-length"), answer.text.len().to_string());
    assert!(serde_json::from_str::<Value>(&answer.text).is_err());
}

#[tokio::test]
async fn retry_after_has_each_form() {
    let graph = Graph::start().await;
    for value in ["7", "0.249", "0"] {
        let answer = create(&graph, &format!("429;retry-after={value};body=wrapped")).await;
        assert_eq!(answer.header("retry-after"), value);
        assert_eq!(answer.error(429).0, "TooManyRequests");
    }
    let date = create(&graph, "503;retry-after=date:5s").await;
    assert!(date.header("retry-after").ends_with(" GMT"));
    assert!(!create(&graph, "429;retry-after=none").await.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn challenges_and_redirects() {
    let graph = Graph::start().await;
    let challenged = create(&graph, "claims-challenge").await;
    assert_eq!(challenged.status, 401);
    assert!(challenged.header("www-authenticate").contains(r#"error="insufficient_claims", claims=""#));
    let redirected = create(&graph, "307;location=https://evil.example/x").await;
    assert_eq!((redirected.status.as_u16(), redirected.header("location")), (307, "https://evil.example/x"));
}

#[tokio::test]
async fn a_write_can_be_executed_with_an_error_response() {
    let graph = Graph::start().await;
    let before = statuses(&graph);
    assert_eq!(create(&graph, "429;retry-after=1;applied").await.status, 429);
    assert_eq!(create(&graph, "504;body=empty-message;applied").await.status, 504);
    assert_eq!(statuses(&graph), before + 2);
}

#[tokio::test]
async fn a_success_can_be_malformed() {
    let graph = Graph::start().await;
    let before = statuses(&graph);
    assert_eq!(create(&graph, "created-200").await.expect(200)["status"], "notApplicable");
    assert!(create(&graph, "without;members=id,platform").await.expect(201).get("id").is_none());
    let only = create(&graph, "only;members=id").await.expect(201);
    assert_eq!(only.as_object().unwrap().len(), 1);
    assert_eq!(create(&graph, "unknown-enum").await.expect(201)["status"], "notInvented");
    let text = create(&graph, "not-json").await;
    assert_eq!((text.status.as_u16(), text.text.as_str()), (201, "Created."));
    assert_eq!(create(&graph, "empty-body").await.expect(201), Value::Null);
    assert!(serde_json::from_str::<Value>(&create(&graph, "truncated").await.text).is_err());
    assert_eq!(statuses(&graph), before + 7);
}

#[tokio::test]
async fn a_success_can_be_another_object_or_hold_an_error() {
    let graph = Graph::start().await;
    let other = create(&graph, "wrong-type;type=microsoft.graph.device").await.expect(201);
    assert_eq!(other["@odata.type"], "#microsoft.graph.device");
    assert_eq!(
        other.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["@odata.context", "id", "@odata.type"]
    );
    assert_eq!(create(&graph, "wrong-type").await.expect(201)["@odata.type"], "#microsoft.graph.user");
    let failed = create(&graph, "with-error").await.expect(201);
    assert_eq!(failed["error"]["code"], "InternalServerError");
    assert!(failed["id"].is_string());
}

#[tokio::test]
async fn a_body_can_have_each_flaw() {
    let graph = Graph::start().await;
    let before = statuses(&graph);
    for (fault, status) in [
        ("service-timeout;retry-after=0.1;flaw=bom;applied", 503),
        ("flawed;flaw=bom", 201),
        ("409;flaw=bom", 409),
    ] {
        let request = super::json(graph.request(Method::POST, &demo("/deviceStatuses")), &status_body());
        let answer = request.header("x-sandbox-fault", fault).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let body = answer.bytes().await.unwrap();
        let json = body.strip_prefix(b"\xEF\xBB\xBF").expect("a byte order mark");
        assert!(serde_json::from_slice::<Value>(json).unwrap().is_object());
    }
    assert_eq!(statuses(&graph), before + 2);
    assert!(create(&graph, "500;flaw=lone-surrogate").await.text.contains(r"\ud83d"));
}

#[tokio::test]
async fn the_record_has_the_faults_of_a_request() {
    let graph = Graph::start().await;
    graph.inject("500;method=POST;times=1");
    create(&graph, "slow-first-byte;wait=0s").await;
    assert_eq!(graph.sandbox.requests()[0].faults, ["slow-first-byte;wait=0s", "500;body=plain"]);
}

#[tokio::test]
async fn a_create_can_return_204() {
    let graph = Graph::start().await;
    let with_location = create(&graph, "created-204;header=location").await;
    with_location.expect(204);
    let path = with_location.header("location").strip_prefix(&format!("http://{}", graph.address)).unwrap();
    graph.get(path).await.expect(200);
    let with_id = create(&graph, "created-204;header=odata-entityid;location=https://evil.example/x").await;
    assert_eq!(with_id.header("odata-entityid"), "https://evil.example/x");
    let bare = create(&graph, "created-204").await;
    bare.expect(204);
    assert!(!bare.headers.contains_key("location") && !bare.headers.contains_key("odata-entityid"));
}

#[tokio::test]
async fn success_faults_do_not_change_error_responses() {
    let graph = Graph::start().await;
    let request = super::json(graph.request(Method::POST, &demo("/deviceStatuses")), &json!({"status": "x"}));
    reply(request.header("x-sandbox-fault", "created-204")).await.error(400);
}

#[tokio::test]
async fn rules_apply_to_the_requests_that_they_match() {
    let graph = Graph::start().await;
    graph.inject("503;method=POST;path=deviceStatuses;skip=1;times=1");
    graph.get(&demo("/deviceStatuses?$top=1")).await.expect(200);
    graph.post(&demo("/deviceStatuses"), &status_body()).await.expect(201);
    graph.post(&demo("/deviceStatuses"), &status_body()).await.error(503);
    graph.post(&demo("/deviceStatuses"), &status_body()).await.expect(201);
    graph.inject("500");
    graph.get(&demo("")).await.error(500);
    graph.sandbox.clear_faults();
    graph.get(&demo("")).await.expect(200);
}

#[tokio::test]
async fn one_seed_gives_one_sequence_of_random_faults() {
    let outcomes = async || {
        let fault_mix = vec!["503".parse().unwrap(), "429".parse().unwrap()];
        let graph = Graph::with(Settings { fault_rate: 0.5, fault_mix, ..Settings::default() }).await;
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(graph.get(&demo("")).await.status.as_u16());
        }
        statuses
    };
    let first = outcomes().await;
    assert_eq!(first, outcomes().await);
    for status in [200, 429, 503] {
        assert!(first.contains(&status), "{first:?}");
    }
}

#[tokio::test]
async fn an_unknown_fault_is_an_error() {
    let graph = Graph::start().await;
    let answer = create(&graph, "nope").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text, "X-Sandbox-Fault: there is no fault `nope`");
}
