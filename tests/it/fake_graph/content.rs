//! Responses of Graph.

use bytes::Bytes;
use serde_json::{Value, json};

use super::script::Request;

/// The status and the body. Every object that is read exists. The id of a created object starts
/// with the request's number.
pub(super) fn usual(request: &Request) -> (u16, Bytes) {
    if !request.is_batch() {
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let (status, body) = one(&request.method, &request.path, body, &request.number.to_string());
        return (status, body.to_string().into());
    }
    let envelope: Value = serde_json::from_slice(&request.body).expect("the gateway sends JSON");
    let items = envelope["requests"].as_array().expect("a batch has requests");
    let answer = |item: &Value| {
        let id = item["id"].as_str().expect("an item has an id");
        let [method, url] = ["method", "url"].map(|member| item[member].as_str().expect("a string"));
        let (status, body) = one(method, url, item["body"].clone(), &format!("{}.{id}", request.number));
        json!({"id": id, "status": status, "headers": {"Content-Type": "application/json"}, "body": body})
    };
    let responses: Vec<Value> = items.iter().map(answer).collect();
    (200, json!({ "responses": responses }).to_string().into())
}

fn one(method: &str, url: &str, mut body: Value, number: &str) -> (u16, Value) {
    let path = url.split('?').next().unwrap_or_default();
    let mut segments = path.rsplit('/').filter(|segment| *segment != "$ref");
    let last = segments.next().unwrap_or_default();
    match method {
        "POST" => {
            body["id"] = json!(format!("{number}_{}", segments.next().unwrap_or_default()));
            (201, body)
        }
        "GET" => (200, json!({"id": last, "displayName": "A configuration", "version": 1})),
        _ => (204, Value::Null),
    }
}
