//! Malformed responses to batches of creates: the reported outcome of each item stays true.

use std::sync::{Arc, Mutex};

use http::Method;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::bulk::{BULK, numbered};
use crate::canned_graph::{CannedGraph, CannedResponse};
use crate::harness::{Reply, fresh_token};
use crate::malformed_writes::Scripted;

#[tokio::test]
async fn a_batch_item_is_rejected_only_by_an_object_or_an_empty_body() {
    const TEXT: &str = "text/plain";
    const JSON: &str = "application/json";
    let refused = Arc::new(Mutex::new((TEXT, None)));
    let shared = Arc::clone(&refused);
    // The second item is refused once, and then everything is created.
    let upstream = CannedGraph::start(move |sent| {
        if sent.method != Method::POST {
            return CannedResponse::new(200, json!({"id": DEMO_CONFIGURATION_ID}).to_string());
        }
        let item = |id: usize| json!({"id": id.to_string(), "status": 201, "body": {"id": format!("k{id}")}});
        let mut items: Vec<_> = (0..sent.items()).map(item).collect();
        if items.is_empty() {
            return CannedResponse::new(201, json!({"id": "again"}).to_string());
        }
        let (content_type, body) = shared.lock().unwrap().clone();
        items[1] =
            json!({"id": "1", "status": 503, "headers": {"Retry-After": "0", "Content-Type": content_type}});
        items[1].as_object_mut().unwrap().extend(body.map(|body: Value| ("body".to_owned(), body)));
        CannedResponse::new(200, json!({ "responses": items }).to_string())
    })
    .await;
    let gateway = upstream.gateway().await;
    let add = async |content_type, body: Option<Value>| {
        *refused.lock().unwrap() = (content_type, body);
        upstream.sent();
        let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(2)});
        let reply = gateway.graphql_as(Some(&fresh_token()), BULK, json!({ "input": input })).await;
        let result = reply.data()["addDeviceStatuses"]["results"][1].clone();
        (result, upstream.sent().iter().filter(|sent| sent.method == Method::POST).count())
    };
    for content_type in [TEXT, JSON] {
        for body in [
            json!("busy"),
            json!("Service Unavailable"),
            json!("503 Service Unavailable"),
            json!("<html>busy</html>"),
            json!("{}"),
            json!("null"),
            json!(" "),
            json!("\u{0}"),
            json!("YnVzeQ=="),
            json!("e30="),
            json!("eyJlcnJvciI6e319"),
            json!(5),
            json!(0),
            json!(false),
            json!([]),
            json!([{}]),
            json!(["busy"]),
            json!({"error": 5}),
            json!({"error": []}),
        ] {
            let (result, posts) = add(content_type, Some(body.clone())).await;
            assert_eq!(result["error"]["outcome"], "UNKNOWN", "{content_type} {body}");
            assert_eq!(posts, 1, "{content_type} {body}");
        }
        for body in [
            None,
            Some(json!(null)),
            Some(json!("")),
            Some(json!({})),
            Some(json!({"error": "busy"})),
            Some(json!({"error": {"code": "ServiceUnavailable"}})),
        ] {
            let (result, posts) = add(content_type, body.clone()).await;
            assert_eq!((&result["error"], posts), (&json!(null), 2), "{content_type} {body:?}");
        }
    }
}

#[tokio::test]
async fn an_unreadable_batch_response_leaves_all_outcomes_unknown() {
    let scripted = Scripted::start().await;
    let cut = r#"{"responses":[{"id":"0","status":201,"body":{"id":"a"}},{"id":"1","sta"#;
    for answer in [
        CannedResponse::new(200, ""),
        CannedResponse::new(201, ""),
        CannedResponse::new(202, ""),
        CannedResponse::new(204, ""),
        CannedResponse::new(206, cut),
        CannedResponse::new(200, cut),
        CannedResponse::new(201, cut),
        CannedResponse::new(201, cut).cut(),
        CannedResponse::new(200, "<html>").with("content-type", "text/html"),
        CannedResponse::new(201, "null"),
        CannedResponse::new(201, "[]"),
        CannedResponse::new(201, "{}"),
        CannedResponse::new(201, r#"{"id":"a"}"#),
        CannedResponse::new(201, r#"{"responses":null}"#),
        CannedResponse::new(201, r#"{"responses":{}}"#),
        CannedResponse::new(201, r#"{"responses":[]}"#),
        CannedResponse::new(201, r#"{"responses":[null,{"id":"9","status":201}]}"#),
        CannedResponse::new(
            201,
            r#"{"responses":[{"id":"0"},{"id":"1","status":null},{"id":"2","status":"x"}]}"#,
        ),
        CannedResponse::new(
            200,
            r#"{"responses":[{"id":"0","status":100},{"id":"1","status":302},{"id":"2","status":200}]}"#,
        ),
        CannedResponse::new(
            200,
            r#"{"responses":[{"id":"0","status":202},{"id":"1","status":600},{"id":"2","status":500}]}"#,
        ),
    ] {
        for key in [None, Some(uuid::Uuid::new_v4().to_string())] {
            let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(3),
                "idempotencyKey": key});
            let variables = json!({ "input": input });
            let reply = scripted.graphql(answer.clone(), BULK, variables.clone()).await;
            let outcomes = |reply: &Reply| {
                let payload = &reply.data()["addDeviceStatuses"];
                assert_eq!((&payload["createdCount"], &payload["failedCount"]), (&json!(0), &json!(3)));
                let results = payload["results"].as_array().unwrap();
                let each = results
                    .iter()
                    .map(|result| (result["error"]["code"].clone(), result["error"]["outcome"].clone()));
                each.collect::<Vec<_>>()
            };
            let unknown = vec![(json!("OUTCOME_UNKNOWN"), json!("UNKNOWN")); 3];
            assert_eq!(outcomes(&reply), unknown, "{answer:?}");
            assert_eq!(scripted.posts(), 1, "{answer:?}");
            if key.is_some() {
                // Graph allows the caller to read the configuration. Nothing else is known by then.
                let configuration =
                    CannedResponse::new(200, json!({"id": DEMO_CONFIGURATION_ID}).to_string());
                let reply = scripted.graphql(configuration, BULK, variables).await;
                assert_eq!((outcomes(&reply), scripted.posts()), (unknown, 0), "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn each_batch_item_is_classified_by_its_own_response() {
    let scripted = Scripted::start().await;
    let items = json!({"responses": [
        {"id": "0", "status": 201, "headers": null, "body": {"id": "a", "userName": "0"}},
        {"id": "1", "status": 201, "body": null},
        {"id": "2", "status": 204, "headers": {"Location": 7}},
        {"id": "3", "status": 201, "body": {"id": "d", "error": {"code": "x"}}},
        {"id": "4", "status": 503, "headers": {"Retry-After": 7}, "body": {"error": {"code": "ServiceUnavailable"}}},
        {"id": "5", "status": 503, "headers": {"Retry-After": 7}, "body": "PGh0bWw+"},
        {"Id": "6", "Status": 429, "Headers": {"retry-after": [7]}, "Body": {}},
    ]});
    let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(7)});
    let reply =
        scripted.graphql(CannedResponse::new(200, items.to_string()), BULK, json!({ "input": input })).await;
    let results = reply.data()["addDeviceStatuses"]["results"].as_array().unwrap();
    assert_eq!(results[0]["deviceStatus"]["userName"], "0");
    let outcomes: Vec<_> =
        results[1..].iter().map(|result| result["error"]["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["APPLIED", "APPLIED", "UNKNOWN", "REJECTED", "UNKNOWN", "REJECTED"]);
    let waits: Vec<_> = results[1..].iter().map(|result| result["error"]["retryAfter"].as_f64()).collect();
    assert_eq!(waits, [None, None, None, Some(7.0), Some(7.0), Some(7.0)]);
}
