//! `$batch`.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use msgraph_sandbox::settings::{Settings, Switch};
use serde_json::{Value, json};

use super::{Graph, P, demo, status_body};

fn below_version(path: &str) -> String {
    path.trim_start_matches("/beta").to_owned()
}

fn get(id: &str, url: &str) -> Value {
    json!({"id": id, "method": "GET", "url": url})
}

fn create(id: &str) -> Value {
    json!({
        "id": id,
        "method": "POST",
        "url": below_version(&demo("/deviceStatuses")),
        "headers": {"content-type": "application/json"},
        "body": status_body()
    })
}

async fn batch(graph: &Graph, items: &[Value]) -> Vec<Value> {
    let answer = graph.post("/beta/$batch", &json!({"requests": items})).await.expect(200);
    answer["responses"].as_array().expect("responses").clone()
}

fn statuses(responses: &[Value]) -> Vec<(String, u64)> {
    responses
        .iter()
        .map(|response| {
            (response["id"].as_str().expect("an id").to_owned(), response["status"].as_u64().unwrap_or(0))
        })
        .collect()
}

fn pair(id: &str, status: u64) -> (String, u64) {
    (id.to_owned(), status)
}

fn rows(graph: &Graph) -> usize {
    graph.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len()
}

#[tokio::test]
async fn each_item_has_its_own_response() {
    let graph = Graph::start().await;
    let before = rows(&graph);
    let items = [
        create("1"),
        get("2", &below_version(&demo(""))),
        get("3", "deviceAppManagement/nope"),
        get("4", &below_version(&format!("{P}/$count"))),
        json!({"id": "5", "method": "DELETE", "url": below_version(&demo("/assignments/nope")), "comment": 1}),
    ];
    let responses = batch(&graph, &items).await;
    assert_eq!(
        statuses(&responses),
        [pair("1", 201), pair("2", 200), pair("3", 400), pair("4", 200), pair("5", 404)]
    );
    assert_eq!(rows(&graph), before + 1);
    assert_eq!(responses[0]["body"]["status"], "notApplicable");
    assert_eq!(
        responses[1]["headers"],
        json!({
            "Cache-Control": "no-cache",
            "Content-Type": "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
            "OData-Version": "4.0"
        })
    );
    assert_eq!(responses[1]["body"]["id"], DEMO_CONFIGURATION_ID);
    assert_eq!(responses[2]["headers"]["Content-Type"], "application/json");
    assert_eq!(responses[2]["body"]["error"]["message"], "Resource not found for the segment 'nope'.");
    // Not JSON, so base64: "5".
    assert_eq!(responses[3]["body"], "NQ==");
}

#[tokio::test]
async fn a_204_item_has_no_body() {
    let graph = Graph::start().await;
    let item = json!({"id": "1", "method": "DELETE", "url": below_version(&demo(""))});
    let responses = batch(&graph, &[item]).await;
    assert_eq!(responses[0]["status"], 204);
    assert!(responses[0].get("body").is_none());
}

#[tokio::test]
async fn items_share_the_ids_of_the_batch() {
    let graph = Graph::start().await;
    let body = json!({"requests": [get("1", "/nope")]});
    let answer = graph.post("/beta/$batch", &body).await;
    let inner = &answer.expect(200)["responses"][0]["body"]["error"]["innerError"];
    assert_eq!(inner["request-id"], answer.header("request-id"));
    assert_eq!(inner["client-request-id"], answer.header("client-request-id"));
}

#[tokio::test]
async fn urls_of_items_are_relative_and_decoded_leniently() {
    let graph = Graph::start().await;
    let path = below_version(&demo(""));
    let items = [
        get("1", path.trim_start_matches('/')),
        get("2", &format!("http://{}/beta{path}", graph.address)),
        get("3", &format!("/beta{path}")),
        get("4", &format!("/v1.0{path}")),
        get("5", "/$batch"),
        get("6", &format!("{path}/deviceStatuses?$filter=status eq 'error'&$top=1")),
        get("7", &format!("{path}/deviceStatuses?$filter=status%20eq%20%27error%27&$top=1")),
    ];
    let responses = batch(&graph, &items).await;
    assert_eq!(
        statuses(&responses),
        [
            pair("1", 200),
            pair("2", 400),
            pair("3", 400),
            pair("4", 400),
            pair("5", 400),
            pair("6", 200),
            pair("7", 200)
        ]
    );
    let message = |index: usize| responses[index]["body"]["error"]["message"].as_str().unwrap();
    assert_eq!(message(1), "Resource not found for the segment 'http:'.");
    assert_eq!(message(3), "Resource not found for the segment 'v1.0'.");
    assert_eq!(responses[5]["body"]["value"], responses[6]["body"]["value"]);
    let link = responses[5]["body"]["@odata.nextLink"].as_str().unwrap();
    let link = link.strip_prefix(&format!("http://{}", graph.address)).unwrap();
    assert_eq!(graph.get(link).await.expect(200)["value"][0]["status"], "error");
}

#[tokio::test]
async fn absolute_and_versioned_item_urls_can_be_accepted() {
    let graph = Graph::with(Settings { lenient_batch_urls: Switch::On, ..Settings::default() }).await;
    let url = format!("http://{}{}", graph.address, demo(""));
    assert_eq!(statuses(&batch(&graph, &[get("1", &url)]).await), [pair("1", 200)]);
}

#[tokio::test]
async fn a_batch_within_a_batch_fails_as_that_item() {
    let graph = Graph::start().await;
    let nested = json!({
        "id": "1", "method": "POST", "url": "/$batch",
        "headers": {"Content-Type": "application/json"}, "body": {"requests": []}
    });
    assert_eq!(statuses(&batch(&graph, &[nested]).await), [pair("1", 400)]);
}

#[tokio::test]
async fn an_item_that_depends_on_a_failed_one_is_424() {
    let graph = Graph::start().await;
    let before = rows(&graph);
    let depending = |id: &str, on: &str| {
        let mut item = create(id);
        item["dependsOn"] = json!([on]);
        item
    };
    let items = [get("1", "/nope"), depending("2", "1"), depending("3", "2")];
    assert_eq!(statuses(&batch(&graph, &items).await), [pair("1", 400), pair("2", 424), pair("3", 424)]);
    assert_eq!(rows(&graph), before);
    let misspelled =
        json!({"id": "2", "method": "GET", "url": below_version(&demo("")), "depends_on": ["1"]});
    assert_eq!(statuses(&batch(&graph, &[get("1", "/nope"), misspelled]).await)[1], pair("2", 200));
}

#[tokio::test]
async fn an_invalid_envelope_executes_nothing() {
    let graph = Graph::start().await;
    let before = rows(&graph);
    let many: Vec<Value> = (0..21).map(|id| create(&id.to_string())).collect();
    for (items, message) in [
        (json!(many), "The number of requests in a batch cannot be more than 20."),
        (json!([]), "Invalid batch payload format."),
        (json!([create("a"), create("A")]), "Request Id A has to be unique in a batch."),
    ] {
        let answer = graph.post("/beta/$batch", &json!({"requests": items})).await;
        assert_eq!(answer.error(400), ("BadRequest".to_owned(), message.to_owned()));
    }
    assert_eq!(rows(&graph), before);
}

#[tokio::test]
async fn a_batch_needs_a_token_and_its_items_scopes() {
    let graph = Graph::start().await;
    let body = json!({"requests": [create("1"), get("2", &below_version(&demo("")))]});
    let send = |token: &'static str| {
        let request = graph.without_token(reqwest::Method::POST, "/beta/$batch").bearer_auth(token);
        super::reply(super::json(request, &body))
    };
    send("expired-token").await.error(401);
    let responses = send("read-only-token").await.expect(200);
    let responses = responses["responses"].as_array().unwrap();
    assert_eq!(statuses(responses), [pair("1", 403), pair("2", 200)]);
}

#[tokio::test]
async fn items_run_against_the_version_of_the_batch() {
    let graph = Graph::start().await;
    let body = json!({"requests": [
        get("1", "/deviceAppManagement/iosLobAppProvisioningConfigurations"),
        get("2", "/deviceAppManagement/mobileAppConfigurations"),
    ]});
    let answer = graph.post("/v1.0/$batch", &body).await.expect(200);
    assert_eq!(statuses(answer["responses"].as_array().unwrap()), [pair("1", 400), pair("2", 200)]);
}

#[tokio::test]
async fn one_item_can_fail_once_applied_or_not() {
    let graph = Graph::start().await;
    let before = rows(&graph);
    graph.inject("batch-item;item=2;status=429;retry-after=0.249;times=1");
    let items = [create("1"), create("2")];
    let responses = batch(&graph, &items).await;
    assert_eq!(statuses(&responses), [pair("1", 201), pair("2", 429)]);
    assert_eq!(responses[1]["headers"]["Retry-After"], "0.249");
    assert_eq!(rows(&graph), before + 1);
    graph.inject("batch-item;item=2;status=429;applied;times=1");
    let responses = batch(&graph, &items).await;
    assert_eq!(statuses(&responses), [pair("1", 201), pair("2", 429)]);
    assert!(responses[1]["headers"].get("Retry-After").is_none());
    assert_eq!(rows(&graph), before + 3);
    assert_eq!(statuses(&batch(&graph, &items).await), [pair("1", 201), pair("2", 201)]);
}

#[tokio::test]
async fn fault_rules_apply_to_items_and_requests() {
    let graph = Graph::start().await;
    graph.inject("503;path=deviceStatuses;method=POST;skip=1;times=1");
    let items = [create("1"), create("2"), create("3")];
    assert_eq!(statuses(&batch(&graph, &items).await), [pair("1", 201), pair("2", 503), pair("3", 201)]);
    let mut faulty = create("1");
    faulty["headers"]["X-Sandbox-Fault"] = json!("500;body=wrapped");
    assert_eq!(statuses(&batch(&graph, &[faulty]).await), [pair("1", 500)]);
}

#[tokio::test]
async fn a_whole_batch_can_fail() {
    let graph = Graph::start().await;
    let before = rows(&graph);
    let body = json!({"requests": [create("1")]});
    for (fault, status) in [("429;retry-after=1", 429), ("503", 503), ("bad-gateway", 502)] {
        graph.inject(&format!("{fault};path=$batch;times=1"));
        assert_eq!(graph.post("/beta/$batch", &body).await.status, status);
    }
    graph.inject("canned;status=200;text=not json;path=$batch;times=1");
    assert_eq!(graph.post("/beta/$batch", &body).await.text, "not json");
    assert_eq!(rows(&graph), before);
}

#[tokio::test]
async fn responses_can_be_missing_doubled_surplus_malformed_or_shuffled() {
    let graph = Graph::start().await;
    let items: Vec<Value> = (1..=6).map(|id| get(&id.to_string(), &below_version(&demo("")))).collect();
    let faulty = async |fault: &str| {
        graph.inject(&format!("{fault};times=1"));
        statuses(&batch(&graph, &items).await)
    };
    let missing = faulty("batch-missing;item=2").await;
    assert!(missing.len() == 5 && !missing.contains(&pair("2", 200)));
    let doubled = faulty("batch-duplicate;item=2").await;
    assert_eq!(doubled.iter().filter(|response| response.0 == "2").count(), 2);
    assert!(faulty("batch-surplus").await.contains(&pair("surplus", 204)));
    assert!(faulty("batch-malformed;item=2").await.contains(&pair("2", 0)));
    let mut shuffled = faulty("batch-shuffled").await;
    assert!(!shuffled.is_sorted());
    shuffled.sort();
    assert_eq!(shuffled.len(), 6);
}

#[tokio::test]
async fn the_record_shows_the_items() {
    let graph = Graph::start().await;
    let items = [create("1"), get("2", "/nope")];
    batch(&graph, &items).await;
    let recorded = graph.sandbox.requests();
    assert_eq!(recorded.len(), 1);
    assert_eq!(recorded[0].batch_items(), items);
}

#[tokio::test]
async fn a_batch_response_can_lack_the_results_of_its_items() {
    let graph = Graph::start().await;
    let before = rows(&graph);
    let items = json!({"requests": [create("1"), create("2")]});
    let mut created = 0;
    for (fault, status, body) in [
        ("batch-envelope", 200, ""),
        ("batch-envelope;status=204", 204, ""),
        ("batch-envelope;status=201;body=no-responses", 201, "{}"),
        ("batch-envelope;body=no-items", 200, r#"{"responses":[]}"#),
        ("batch-envelope;body=html", 200, "<html>"),
        ("batch-envelope;body=text", 200, "The service is unavailable."),
        ("batch-envelope;body=truncated", 200, r#"{"responses":[{"id":"1","status":"#),
    ] {
        for applied in ["", ";applied"] {
            graph.inject(&format!("{fault}{applied};times=1"));
            let answer = graph.post("/beta/$batch", &items).await;
            assert_eq!(answer.status.as_u16(), status, "{fault}");
            assert!(answer.text.starts_with(body), "{fault}: {}", answer.text);
            assert_eq!(answer.text.is_empty(), body.is_empty(), "{fault}: {}", answer.text);
            assert!(
                !answer.text.contains(r#""responses":[{"#)
                    || serde_json::from_str::<Value>(&answer.text).is_err()
            );
        }
        created += 2;
    }
    assert_eq!(rows(&graph), before + created);
}

#[tokio::test]
async fn an_item_response_can_be_malformed() {
    let graph = Graph::start().await;
    let items = [create("1"), create("2")];
    for (form, expected) in [("text", json!("Bad Gateway")), ("null", Value::Null)] {
        graph.inject(&format!("batch-malformed;item=2;form={form};times=1"));
        let responses = batch(&graph, &items).await;
        assert_eq!((&responses[0]["status"], &responses[1]), (&json!(201), &expected));
    }
    graph.inject("batch-malformed;item=1;form=null-headers;times=1");
    let first = &batch(&graph, &items).await[0];
    assert_eq!((&first["status"], first.get("headers")), (&json!(201), Some(&Value::Null)));
    graph.inject("batch-malformed;item=1;form=html-body;times=1");
    assert!(batch(&graph, &items).await[0]["body"].as_str().unwrap().starts_with("<html>"));
    graph.inject("batch-malformed;item=1;form=broken;times=1");
    let answer = graph.post("/beta/$batch", &json!({"requests": items})).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.starts_with(r#"{"responses":[<html>"#), "{}", answer.text);
    assert!(answer.text.contains(r#""id":"2","status":201"#), "{}", answer.text);
}

#[tokio::test]
async fn the_record_names_the_faults_of_items() {
    let graph = Graph::start().await;
    graph.inject("409;path=deviceStatuses;skip=1;times=1");
    batch(&graph, &[create("1"), create("2")]).await;
    assert_eq!(graph.sandbox.requests()[0].faults, ["item 2: 409;body=plain"]);
}
