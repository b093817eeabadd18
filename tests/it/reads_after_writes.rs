//! Mutation fields that follow a write in the same document return the state after the write.

use msgraph_sandbox::settings::IdPolicy;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule, Settings};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::Gateway;

async fn added(gateway: &Gateway) -> String {
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    gateway.clear_requests();
    reply.data()["addDeviceStatus"]["deviceStatusId"].as_str().unwrap().to_owned()
}

/// A mutation of these fields, in which `$c` is the configuration.
async fn run(gateway: &Gateway, fields: &[&str]) -> Value {
    let query = format!("mutation($c: ID!) {{ {} }}", fields.join(" "));
    gateway.graphql(&query, json!({"c": DEMO_CONFIGURATION_ID})).await.json
}

fn assign(alias: &str, selection: &str) -> String {
    format!(
        "{alias}: assignIosLobAppProvisioningConfiguration(input: {{id: $c, assignments: []}}) \
         {{ configuration {{ {selection} }} }}"
    )
}

fn delete(alias: &str, id: &str, selection: &str) -> String {
    format!("{alias}: deleteDeviceStatus(input: {{id: \"{id}\"}}) {{ configuration {{ {selection} }} }}")
}

#[tokio::test]
async fn a_configuration_read_after_an_assign_has_the_assignment() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await;
    let selection = "lastModifiedDateTime assignments { nodes { id } }";
    let json = run(&gateway, &[&delete("a", &id, selection), &assign("b", selection)]).await;
    let (before, after) = (&json["data"]["a"]["configuration"], &json["data"]["b"]["configuration"]);
    assert_eq!(before["assignments"]["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(after["assignments"]["nodes"], json!([]));
    let time = |configuration: &Value| configuration["lastModifiedDateTime"].as_str().unwrap().to_owned();
    assert_ne!(time(before), time(after));
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { lastModifiedDateTime } }";
    let now = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    assert_eq!(time(&now.data()["iosLobAppProvisioningConfiguration"]), time(after));
}

#[tokio::test]
async fn a_configuration_read_after_an_update_is_current_even_if_the_response_was_lost() {
    for (fault, is_told) in [(None, true), (Some("created-204;header=none"), true), (Some("not-json"), false)]
    {
        let gateway = Gateway::short_timeouts().start().await;
        let (one, two) = (added(&gateway).await, added(&gateway).await);
        if let Some(fault) = fault {
            gateway.sandbox.inject(format!("{fault};method=PATCH").parse::<FaultRule>().unwrap());
        }
        let update = "b: updateIosLobAppProvisioningConfiguration(input: {id: $c, configuration: {displayName: \"new\"}})
            { configuration { displayName } }";
        let fields = [&delete("a", &one, "displayName"), update, &delete("c", &two, "displayName")];
        let json = run(&gateway, &fields).await;
        let name = |alias: &str| json["data"][alias]["configuration"]["displayName"].as_str();
        assert_ne!(name("a"), Some("new"), "{fault:?}");
        assert_eq!(name("b"), is_told.then_some("new"), "{fault:?}: {json}");
        assert_eq!(name("c"), Some("new"), "{fault:?}");
    }
}

#[tokio::test]
async fn a_configuration_read_after_its_delete_is_null() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await;
    // Graph's response with a created status, whose configuration can then be selected.
    let created = r#"canned;status=201;text={"id":"k"};method=POST;path=/deviceStatuses"#;
    gateway.sandbox.inject(created.parse::<FaultRule>().unwrap());
    let status = "{deviceDisplayName: \"\", userName: \"\", deviceModel: \"\", platform: 0, status: ERROR, \
        complianceGracePeriodExpirationDateTime: \"2026-01-01T00:00:00Z\", \
        lastReportedDateTime: \"2026-01-01T00:00:00Z\", userPrincipalName: \"\"}";
    let add = format!(
        "c: addDeviceStatus(input: {{configurationId: $c, deviceStatus: {status}}})
         {{ deviceStatus {{ graphId configuration {{ displayName }} }} }}"
    );
    let remove = "b: deleteIosLobAppProvisioningConfiguration(input: {id: $c}) { deletedId }";
    let read = format!("displayName deviceStatus(id: \"{id}\") {{ id }}");
    let json = run(&gateway, &[&assign("a", &read), remove, &add]).await;
    assert_eq!(json["data"]["a"]["configuration"]["deviceStatus"]["id"], id, "{json}");
    assert_eq!(json["data"]["c"]["deviceStatus"], json!({"graphId": "k", "configuration": null}), "{json}");
}

#[tokio::test]
async fn a_status_read_after_its_update_or_delete_is_current() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await;
    let read = format!("deviceStatus(id: \"{id}\") {{ userName }}");
    let update = format!(
        "b: updateDeviceStatus(input: {{id: \"{id}\", deviceStatus: {{userName: \"new\"}}}}) {{ clientMutationId }}"
    );
    let fields = [
        &assign("a", &read),
        &update,
        &assign("c", &read),
        &delete("d", &id, "displayName"),
        &assign("e", &read),
    ];
    let json = run(&gateway, &fields.map(String::as_str)).await;
    let status = |alias: &str| json["data"][alias]["configuration"]["deviceStatus"].clone();
    assert_eq!(status("a"), json!({"userName": "User Name value"}), "{json}");
    assert_eq!(status("c"), json!({"userName": "new"}));
    assert_eq!(status("e"), Value::Null);
}

#[tokio::test]
async fn an_absent_status_is_returned_after_it_is_created() {
    let settings = Settings { ids: IdPolicy::Keep, ..Settings::default() };
    // Answered with the status, and with its address alone.
    for fault in [None, Some("created-204;header=location;method=POST;path=/deviceStatuses")] {
        let gateway = Gateway::builder().sandbox(settings.clone()).start().await;
        let id = added(&gateway).await;
        if let Some(fault) = fault {
            gateway.sandbox.inject(fault.parse::<FaultRule>().unwrap());
        }
        let mut status = device_status();
        status["graphId"] = json!("wished");
        let read = "deviceStatus(id: \"wished\") { graphId } deviceStatuses(first: 1) { totalCount }";
        let query = format!(
            "mutation($c: ID!, $s: DeviceStatusInput!, $all: [DeviceStatusInput!]!) {{ {}
               b: addDeviceStatus(input: {{configurationId: $c, deviceStatus: $s}}) {{
                 deviceStatus {{ graphId configuration {{ {read} }} }} }}
               c: addDeviceStatuses(input: {{configurationId: $c, deviceStatuses: $all}}) {{
                 results {{ deviceStatus {{ configuration {{ {read} }} }} }} }} }}",
            delete("a", &id, read)
        );
        let variables = json!({"c": DEMO_CONFIGURATION_ID, "s": status, "all": [device_status()]});
        let reply = gateway.graphql(&query, variables).await;
        let data = reply.data();
        assert_eq!(data["a"]["configuration"]["deviceStatus"], Value::Null);
        let there = |configuration: &Value| {
            assert_eq!(configuration["deviceStatus"], json!({"graphId": "wished"}), "{fault:?}");
            configuration["deviceStatuses"]["totalCount"].as_i64().unwrap()
        };
        let before = data["a"]["configuration"]["deviceStatuses"]["totalCount"].as_i64().unwrap();
        assert_eq!(data["b"]["deviceStatus"]["graphId"], "wished");
        assert_eq!(there(&data["b"]["deviceStatus"]["configuration"]), before + 1);
        assert_eq!(there(&data["c"]["results"][0]["deviceStatus"]["configuration"]), before + 2);
    }
}
