//! Reads of single objects.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::Gateway;

#[tokio::test]
async fn an_added_status_can_be_read_by_global_id_and_by_key() {
    let gateway = Gateway::start().await;
    let added = gateway.graphql(MUTATION, input(device_status())).await;
    let added = &added.data()["addDeviceStatus"]["deviceStatus"];
    let query = "query($id: ID!) {
        node(id: $id) { __typename id ... on DeviceStatus { userName configuration { graphId displayName } } } }";
    let reply = gateway.graphql(query, json!({"id": added["id"]})).await;
    let data = reply.data();
    assert_eq!(data["node"]["__typename"], "DeviceStatus");
    assert_eq!(data["node"]["id"], added["id"]);
    assert_eq!(data["node"]["userName"], "User Name value");
    assert_eq!(data["node"]["configuration"]["graphId"], DEMO_CONFIGURATION_ID);

    let query = "query($id: ID!, $key: ID!, $configuration: ID!) {
        iosLobAppProvisioningConfiguration(id: $configuration) {
            byId: deviceStatus(id: $id) { id } byKey: deviceStatus(id: $key) { id } } }";
    let variables =
        json!({"id": added["id"], "key": added["graphId"], "configuration": DEMO_CONFIGURATION_ID});
    let reply = gateway.graphql(query, variables).await;
    let data = reply.data();
    let id = json!({"id": added["id"]});
    assert_eq!(data["iosLobAppProvisioningConfiguration"], json!({"byId": id, "byKey": id}));
}

#[tokio::test]
async fn a_configuration_has_all_its_properties() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
        graphId displayName description version payloadFileName payload roleScopeTagIds expirationDateTime
        createdDateTime lastModifiedDateTime } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let configuration = &reply.data()["iosLobAppProvisioningConfiguration"];
    assert_eq!(configuration["graphId"], DEMO_CONFIGURATION_ID);
    for field in ["displayName", "payloadFileName", "payload", "createdDateTime", "lastModifiedDateTime"] {
        assert!(
            configuration[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}: {configuration}"
        );
    }
    assert!(
        configuration["version"].is_i64() && configuration["roleScopeTagIds"].is_array(),
        "{configuration}"
    );
}

#[tokio::test]
async fn an_absent_object_is_null_without_an_error() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { id } }";
    let reply = gateway.graphql(query, json!({"id": "00000000-3631-e2a2-3136-a2e23136a2e2"})).await;
    assert_eq!(reply.data(), &json!({"iosLobAppProvisioningConfiguration": null}));
    let reply =
        gateway.graphql("query($id: ID!) { node(id: $id) { id } }", json!({"id": "ig~1.s.YQ.YQ"})).await;
    assert_eq!(reply.data(), &json!({"node": null}));
}

#[tokio::test]
async fn invalid_ids_are_bad_input() {
    let gateway = Gateway::start().await;
    for id in ["", "x", "ig~", "ig~1.c.", "ig~9.c.YQ", "ig~1.c.YR", "ig~1.c.Li4", "ig~1.s.YQ"] {
        let reply = gateway.graphql("query($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{id}");
        assert_eq!(reply.error()["path"], json!(["node"]));
    }
    assert!(gateway.sent().is_empty());
}
