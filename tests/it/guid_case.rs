//! GUIDs in keys in either case: one object has one global id, one key, and one scope of idempotency keys.

use http::Method;
use msgraph_sandbox::settings::{IdPolicy, Profile};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status};
use crate::graph_requests::{request_shapes, requests_of_shape};
use crate::harness::Gateway;

fn capitals() -> String {
    DEMO_CONFIGURATION_ID.to_uppercase()
}

/// Every other digit in capitals.
fn mixed(key: &str) -> String {
    key.char_indices()
        .map(|(index, c)| if index % 2 == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

fn posts(gateway: &Gateway) -> Vec<Value> {
    let sent = gateway.sent().into_iter().filter(|sent| sent.method == Method::POST);
    sent.map(|sent| serde_json::from_slice(&sent.body).unwrap()).collect()
}

#[tokio::test]
async fn a_call_is_replayed_for_guids_in_any_case() {
    let settings = Settings { ids: IdPolicy::Keep, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).start().await;
    let wish = "0AB3C3F1-9ad3-4c4a-8DD5-0b3f3aa1c0de";
    let call = |configuration: &str, graph_id: &str| {
        let mut status = device_status();
        status["graphId"] = json!(graph_id);
        let input = json!({"configurationId": configuration, "deviceStatus": status, "idempotencyKey": "k"});
        gateway.graphql(MUTATION, json!({"input": input}))
    };
    let first = call(&capitals(), wish).await.data()["addDeviceStatus"].clone();
    assert_eq!(first["replayed"], false);
    assert_eq!(first["deviceStatus"]["graphId"], wish.to_lowercase());
    for (configuration, graph_id) in [
        (DEMO_CONFIGURATION_ID.to_owned(), wish.to_owned()),
        (mixed(DEMO_CONFIGURATION_ID), wish.to_lowercase()),
        (capitals(), wish.to_uppercase()),
    ] {
        let again = call(&configuration, &graph_id).await.data()["addDeviceStatus"].clone();
        assert_eq!(again["replayed"], true);
        assert_eq!(again["deviceStatusId"], first["deviceStatusId"]);
        assert_eq!(again["deviceStatus"], first["deviceStatus"]);
    }
    let [body] = &posts(&gateway)[..] else { panic!("one create") };
    assert_eq!(body["id"], wish, "what is sent is what the caller wrote");
    // Another wish is other input.
    let other = call(&capitals(), "0AB3C3F1-9ad3-4c4a-8DD5-0b3f3aa1c0df").await;
    assert_eq!(other.code(), "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn an_object_has_one_id_and_is_read_once_for_keys_in_any_case() {
    let gateway = Gateway::start().await;
    let keys = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID);
    let status = keys[0]["id"].as_str().unwrap();
    let query = "query($a: ID!, $b: ID!, $c: ID!, $s: ID!, $t: ID!) {
        a: iosLobAppProvisioningConfiguration(id: $a) { ...one }
        b: iosLobAppProvisioningConfiguration(id: $b) { ...one }
        c: iosLobAppProvisioningConfiguration(id: $c) { ...one } }
        fragment one on IosLobAppProvisioningConfiguration { id graphId displayName
            s: deviceStatus(id: $s) { id graphId userName configuration { id } }
            t: deviceStatus(id: $t) { id graphId userName configuration { id } } }";
    gateway.clear_requests();
    let variables = json!({"a": DEMO_CONFIGURATION_ID, "b": capitals(), "c": mixed(DEMO_CONFIGURATION_ID),
        "s": status, "t": status.to_uppercase()});
    let reply = gateway.graphql(query, variables).await;
    let data = reply.data();
    assert_eq!((&data["b"], &data["c"]), (&data["a"], &data["a"]));
    assert_eq!((&data["a"]["s"], &data["a"]["graphId"]), (&data["a"]["t"], &json!(DEMO_CONFIGURATION_ID)));
    assert_eq!(data["a"]["s"]["graphId"], status);
    assert_eq!(request_shapes(&gateway), [["*"], ["*/deviceStatuses/*"]]);
    let id = data["a"]["s"]["id"].as_str().unwrap();
    assert!(id.len() < 100, "{id}");
    // The status' global id contains its configuration, which the caller sends in another case.
    let query = "query($c: ID!, $s: ID!) { iosLobAppProvisioningConfiguration(id: $c) { deviceStatus(id: $s) { id } } }";
    let reply = gateway.graphql(query, json!({"c": capitals(), "s": id})).await;
    assert_eq!(reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatus"]["id"], id);
}

#[tokio::test]
async fn a_row_is_found_in_its_list_for_keys_in_any_case() {
    let settings = Settings { profile: Profile::LiveLike, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).start().await;
    let rows = gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID);
    let key = rows[0]["id"].as_str().unwrap();
    let query = "query($c: ID!, $s: ID!) { iosLobAppProvisioningConfiguration(id: $c) {
        deviceStatus(id: $s) { id graphId } } }";
    let expected = gateway.graphql(query, json!({"c": DEMO_CONFIGURATION_ID, "s": key})).await;
    let expected = expected.data()["iosLobAppProvisioningConfiguration"]["deviceStatus"].clone();
    assert_eq!(expected["graphId"], key);
    let same = gateway.graphql(query, json!({"c": capitals(), "s": mixed(key)})).await;
    assert_eq!(same.data()["iosLobAppProvisioningConfiguration"]["deviceStatus"], expected);
    // Graph returns the row's id in upper case.
    let body = json!({"value": [{"id": "other"}, {"id": key.to_uppercase()}]});
    let list = format!("canned;text={body};path=/deviceStatuses;times=1");
    gateway.sandbox.inject("missing-route;path=/deviceStatuses/".parse().unwrap());
    gateway.sandbox.inject(list.parse().unwrap());
    gateway.clear_requests();
    let found = gateway.graphql(query, json!({"c": DEMO_CONFIGURATION_ID, "s": key})).await;
    assert_eq!(found.data()["iosLobAppProvisioningConfiguration"]["deviceStatus"], expected);
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len(), 1);
}

#[tokio::test]
async fn a_create_with_a_lost_response_is_read_back_for_keys_in_any_case() {
    let gateway = Gateway::short_timeouts().start().await;
    let wish = "0ab3c3f1-9ad3-4c4a-8dd5-0b3f3aa1c0de";
    let mut status = device_status();
    status["graphId"] = json!(wish);
    let mut kept = status.clone();
    kept.as_object_mut().unwrap().remove("graphId");
    kept["id"] = json!(wish.to_uppercase());
    kept["status"] = json!("notApplicable");
    gateway.sandbox.inject("drop-applied;method=POST;times=1".parse().unwrap());
    gateway.sandbox.inject(format!("canned;text={kept};method=GET;path=/deviceStatuses").parse().unwrap());
    let input = json!({"configurationId": capitals(), "deviceStatus": status});
    let reply = gateway.graphql(MUTATION, json!({"input": input})).await;
    let added = &reply.data()["addDeviceStatus"];
    assert_eq!(added["deviceStatus"]["graphId"], wish);
    assert_eq!(added["deviceStatus"]["id"], added["deviceStatusId"]);
}

#[tokio::test]
async fn a_list_continues_without_repeated_rows_for_keys_in_any_case() {
    let gateway = Gateway::start().await;
    let query = "query($c: ID!, $after: String) { iosLobAppProvisioningConfiguration(id: $c) {
        deviceStatuses(first: 2, after: $after) { nodes { graphId } pageInfo { endCursor } } } }";
    let list = async |configuration: &str, after: Option<&str>| {
        let reply = gateway.graphql(query, json!({"c": configuration, "after": after})).await;
        let list = reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"].clone();
        (list["nodes"].clone(), list["pageInfo"]["endCursor"].as_str().map(str::to_owned))
    };
    let (_, cursor) = list(&capitals(), None).await;
    let (next, _) = list(DEMO_CONFIGURATION_ID, cursor.as_deref()).await;
    let (same, _) = list(&mixed(DEMO_CONFIGURATION_ID), cursor.as_deref()).await;
    assert_eq!(next, same);
    assert_eq!(next.as_array().unwrap().len(), 2);

    let key = "0ab3c3f1-9ad3-4c4a-8dd5-0b3f3aa1c0de";
    let rows = json!({"value": [{"id": key}, {"id": key.to_uppercase()}, {"id": "Word"}, {"id": "word"}]});
    gateway.sandbox.inject(format!("canned;text={rows};path=/deviceStatuses").parse().unwrap());
    let query = "query($c: ID!) { iosLobAppProvisioningConfiguration(id: $c) { deviceStatuses { nodes { graphId } } } }";
    let reply = gateway.graphql(query, json!({"c": DEMO_CONFIGURATION_ID})).await;
    let nodes = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"]["nodes"];
    assert_eq!(nodes, &json!([{"graphId": key}, {"graphId": "Word"}, {"graphId": "word"}]));
}
