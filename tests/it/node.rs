//! `node` and `nodes` for objects of each type, and for rows that have no route of their own.

use msgraph_sandbox::settings::Profile;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::graph_requests::{graph_requests, request_shapes, requests_of_shape};
use crate::harness::Gateway;
use crate::pagination::ids;

const NODES: &str = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id
    ... on DeviceStatus { graphId userName configuration { graphId } }
    ... on UserStatus { graphId userDisplayName }
    ... on ConfigurationAssignment { graphId target { __typename } }
    ... on ConfigurationGroupAssignment { graphId targetGroupId }
    ... on IosLobAppProvisioningConfiguration { graphId displayName } } }";

async fn live_like() -> Gateway {
    let settings = Settings { profile: Profile::LiveLike, ..Settings::default() };
    Gateway::builder().sandbox(settings).start().await
}

/// Objects of each type, as their lists return them.
async fn listed(gateway: &Gateway) -> Vec<Value> {
    let query = "{ iosLobAppProvisioningConfigurations(first: 1) { nodes { __typename id graphId displayName
        deviceStatuses(first: 2) { nodes { __typename id graphId userName configuration { graphId } } }
        userStatuses(first: 2) { nodes { __typename id graphId userDisplayName } }
        assignments { nodes { __typename id graphId target { __typename } } }
        groupAssignments { nodes { __typename id graphId targetGroupId } } } } }";
    let reply = gateway.graphql(query, json!({})).await;
    let mut configuration = reply.data()["iosLobAppProvisioningConfigurations"]["nodes"][0].clone();
    let mut objects = Vec::new();
    for list in ["deviceStatuses", "userStatuses", "assignments", "groupAssignments"] {
        let list = configuration.as_object_mut().unwrap().remove(list).unwrap();
        objects.extend(list["nodes"].as_array().unwrap().clone());
    }
    objects.push(configuration);
    objects
}

#[tokio::test]
async fn objects_of_each_type_are_found_by_their_ids_from_lists() {
    for gateway in [Gateway::start().await, live_like().await] {
        let objects = listed(&gateway).await;
        assert_eq!(objects.len(), 2 + 2 + 3 + 1 + 1);
        let ids: Vec<_> = objects.iter().map(|object| object["id"].clone()).collect();
        let reply = gateway.graphql(NODES, json!({"ids": ids})).await;
        assert_eq!(reply.data()["nodes"], json!(objects));
        for object in objects {
            let query = "query($id: ID!) { node(id: $id) { __typename id } }";
            let reply = gateway.graphql(query, json!({"id": object["id"]})).await;
            let expected = json!({"__typename": object["__typename"], "id": object["id"]});
            assert_eq!(reply.data()["node"], expected);
        }
    }
}

#[tokio::test]
async fn rows_without_a_route_are_found_in_their_collection() {
    let gateway = live_like().await;
    let ids = ids(&gateway, 45).await;
    gateway.clear_requests();
    let reply = gateway.graphql(NODES, json!({"ids": ids})).await;
    let nodes = reply.data()["nodes"].as_array().unwrap();
    assert_eq!(nodes.iter().map(|node| node["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    let sizes = |shape: &str| {
        let of_shape = graph_requests(&gateway).into_iter().filter(|items| items[0].shape() == shape);
        let mut sizes: Vec<_> = of_shape.map(|items| items.len()).collect();
        sizes.sort_unstable();
        sizes
    };
    assert_eq!(sizes("*/deviceStatuses/*"), [5, 20, 20]);
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len(), 45);
    assert_eq!(requests_of_shape(&gateway, "*").len(), 1, "the parent of them all");

    gateway.clear_requests();
    let query = "query($id: ID!) { node(id: $id) { ... on DeviceStatus { userName } } }";
    let reply = gateway.graphql(query, json!({"id": ids[7]})).await;
    assert!(reply.data()["node"]["userName"].is_string());
    assert_eq!(request_shapes(&gateway), [["*/deviceStatuses/*"], ["*/deviceStatuses"]]);
    let found = requests_of_shape(&gateway, "*/deviceStatuses").remove(0);
    assert_eq!(found.option("$select").unwrap(), "id,userName");
    assert!(found.option("$filter").unwrap().starts_with("id eq '"));

    let query = "query($id: ID!, $key: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        deviceStatus(id: $key) { graphId } } }";
    let key = &gateway.sandbox.device_statuses(DEMO_CONFIGURATION_ID)[3]["id"];
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID, "key": key})).await;
    assert_eq!(&reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatus"]["graphId"], key);
}

#[tokio::test]
async fn an_absent_node_is_null_without_an_error() {
    // A status, a user status, an assignment and a group assignment, of an existing configuration
    // and of a missing one.
    let keys = ["~4qI2MTYx4qIxNqLiMTai4g", "YQ"];
    let mut ids = vec!["ig~1.c.YQ".to_owned()];
    ids.extend(keys.iter().flat_map(|key| ["s", "u", "a", "g"].map(|kind| format!("ig~1.{kind}.{key}.YQ"))));
    for gateway in [Gateway::start().await, live_like().await] {
        let reply = gateway.graphql(NODES, json!({"ids": ids})).await;
        assert_eq!(reply.data()["nodes"], json!([null, null, null, null, null, null, null, null, null]));
        for id in &ids {
            let reply = gateway.graphql("query($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
            assert_eq!(reply.data(), &json!({"node": null}), "{id}");
        }
        let query = "query($id: ID!, $key: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
            graphId deviceStatus(id: $key) { id } } }";
        let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID, "key": "nothing"})).await;
        assert_eq!(reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatus"], Value::Null);
    }
}

#[tokio::test]
async fn a_row_is_found_if_the_filter_by_key_is_ignored() {
    let gateway = live_like().await;
    let ids = ids(&gateway, 50).await;
    gateway.sandbox.inject("filter-ignored".parse().unwrap());
    gateway.sandbox.inject("page-size;size=20".parse().unwrap());
    let reply = gateway.graphql(NODES, json!({"ids": [ids[45]]})).await;
    assert_eq!(reply.data()["nodes"][0]["id"], json!(ids[45]));
}

#[tokio::test]
async fn a_row_is_found_if_the_filter_by_key_is_refused() {
    let gateway = live_like().await;
    let ids = ids(&gateway, 50).await;
    gateway.sandbox.inject("option-refused;option=filter;status=501".parse().unwrap());
    for calls in [5, 3] {
        gateway.clear_requests();
        let reply = gateway.graphql(NODES, json!({"ids": [ids[45]]})).await;
        assert_eq!(reply.data()["nodes"][0]["id"], json!(ids[45]));
        assert_eq!(
            gateway.sent().len(),
            calls,
            "the row, its list, why that fails, the plain list, the parent"
        );
    }
}

/// Five pages are searched. A row that is on none of them may exist if there are more pages.
#[tokio::test]
async fn a_row_that_is_not_on_the_searched_pages_is_an_error() {
    let gateway = live_like().await;
    let ids = ids(&gateway, 50).await;
    gateway.sandbox.inject("filter-ignored".parse().unwrap());
    gateway.sandbox.inject("page-size;size=4".parse().unwrap());
    gateway.clear_requests();
    let reply = gateway.graphql(NODES, json!({"ids": [ids[45]]})).await;
    assert_eq!(reply.json["data"]["nodes"], json!([null]));
    assert_eq!(reply.code(), "UPSTREAM_NOT_SUPPORTED");
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len(), 5);
}

#[tokio::test]
async fn an_invalid_id_among_nodes_is_an_error_for_its_node_only() {
    let gateway = Gateway::start().await;
    let good = ids(&gateway, 2).await;
    let reply = gateway.graphql(NODES, json!({"ids": [good[0], "ig~1.s.YQ", good[1]]})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(reply.error()["path"], json!(["nodes", 1]));
    assert!(reply.error()["message"].as_str().unwrap().starts_with("`ids[1]` "));
    let nodes = reply.json["data"]["nodes"].as_array().unwrap();
    assert_eq!(
        [&nodes[0]["id"], &nodes[1], &nodes[2]["id"]],
        [&json!(good[0]), &Value::Null, &json!(good[1])]
    );
}

#[tokio::test]
async fn keys_of_any_form_round_trip_through_global_ids() {
    // As seen live: plain words; and characters with a meaning in paths, queries or headers.
    for key in [
        "DefaultDeviceCompliancePolicy.RequireDeviceCompliancePolicyAssigned",
        "a/b?c#d%2F e'f\u{1f4f1}",
        "a_b_c",
    ] {
        let gateway = Gateway::start().await;
        let rows = json!({"value": [{"id": key, "userName": "u"}]}).to_string().replace('%', "%25");
        gateway.sandbox.inject(format!("canned;text={rows};path=deviceStatuses?;times=1").parse().unwrap());
        let id = ids(&gateway, 1).await.remove(0);
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{id}");
        let row = json!({"id": key, "userName": "u"}).to_string().replace('%', "%25");
        gateway.sandbox.inject(format!("canned;text={row};path=deviceStatuses/;times=1").parse().unwrap());
        gateway.clear_requests();
        let query = "query($id: ID!) { node(id: $id) { ... on DeviceStatus { id graphId } } }";
        let reply = gateway.graphql(query, json!({"id": id})).await;
        assert_eq!(reply.data()["node"], json!({"id": id, "graphId": key}));
        let segment = graph_requests(&gateway)[0][0].path.rsplit('/').next().unwrap().to_owned();
        assert_eq!(percent_encoding::percent_decode_str(&segment).decode_utf8().unwrap(), key);
        assert_eq!(request_shapes(&gateway), [["*/deviceStatuses/*"]]);
    }
}
