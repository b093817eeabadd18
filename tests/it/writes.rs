//! The writes beside `addDeviceStatus`.

use std::time::Duration;

use http::Method;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, Reply};

async fn added(gateway: &Gateway) -> Value {
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    gateway.clear_requests();
    reply.data()["addDeviceStatus"]["deviceStatus"].clone()
}

async fn update(gateway: &Gateway, id: &Value, patch: Value) -> Reply {
    let query = "mutation($input: UpdateDeviceStatusInput!) { updateDeviceStatus(input: $input) {
        clientMutationId deviceStatus { id userName deviceModel platform status lastReportedDateTime } } }";
    let variables = json!({"input": {"id": id, "deviceStatus": patch, "clientMutationId": "m"}});
    gateway.graphql(query, variables).await
}

async fn delete(gateway: &Gateway, id: &Value) -> Reply {
    let query = "mutation($input: DeleteDeviceStatusInput!) { deleteDeviceStatus(input: $input) {
        deletedId clientMutationId configuration { graphId } } }";
    gateway.graphql(query, json!({"input": {"id": id, "clientMutationId": "m"}})).await
}

fn gone() -> FaultRule {
    FaultRule::once("drop-applied".parse().unwrap())
}

#[tokio::test]
async fn an_update_sends_null_but_omits_absent_fields() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await["id"].clone();
    let date = "2020-01-01T00:00:00.0000001-05:00";
    let patch =
        json!({"userName": "changed", "deviceModel": null, "status": "ERROR", "lastReportedDateTime": date});
    let reply = update(&gateway, &id, patch).await;
    let [request] = &gateway.sent()[..] else { panic!("one request") };
    assert_eq!(request.method, Method::PATCH);
    insta::assert_json_snapshot!(serde_json::from_slice::<Value>(&request.body).unwrap(), @r##"
    {
      "@odata.type": "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus",
      "userName": "changed",
      "deviceModel": null,
      "status": "error",
      "lastReportedDateTime": "2020-01-01T00:00:00.0000001-05:00"
    }
    "##);
    let payload = &reply.data()["updateDeviceStatus"];
    assert_eq!(payload["clientMutationId"], "m");
    let expected = json!({"id": id, "userName": "changed", "deviceModel": null, "platform": 8, "status": "ERROR",
        "lastReportedDateTime": date});
    assert_eq!(payload["deviceStatus"], expected);
}

#[tokio::test]
async fn an_absent_nullable_variable_is_omitted_from_an_update() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await["id"].clone();
    let query = "mutation($id: ID!, $model: String, $name: String) {
        updateDeviceStatus(input: {id: $id, deviceStatus: {deviceModel: $model, userName: $name}}) {
            deviceStatus { deviceModel userName } } }";
    let reply = gateway.graphql(query, json!({"id": id, "name": "n"})).await;
    let expected = json!({"deviceModel": "Device Model value", "userName": "n"});
    assert_eq!(reply.data()["updateDeviceStatus"]["deviceStatus"], expected);
}

#[tokio::test]
async fn an_update_without_an_object_in_the_response_is_read_back() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await["id"].clone();
    gateway.sandbox.inject(FaultRule::once("created-204;header=none".parse().unwrap()));
    let reply = update(&gateway, &id, json!({"userName": "changed"})).await;
    assert_eq!(reply.data()["updateDeviceStatus"]["deviceStatus"]["userName"], "changed");
    let methods: Vec<Method> = gateway.sent().into_iter().map(|sent| sent.method).collect();
    assert_eq!(methods, [Method::PATCH, Method::GET]);
}

#[tokio::test]
async fn a_deleted_status_no_longer_exists() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await["id"].clone();
    let reply = delete(&gateway, &id).await;
    let expected = json!({"deletedId": id, "clientMutationId": "m", "configuration": {"graphId": DEMO_CONFIGURATION_ID}});
    assert_eq!(reply.data()["deleteDeviceStatus"], expected);
    let reply = gateway.graphql("query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await;
    assert_eq!(reply.data(), &json!({"node": null}));
    let reply = delete(&gateway, &id).await;
    assert_eq!((reply.code(), &reply.error()["extensions"]["outcome"]), ("NOT_FOUND", &json!("REJECTED")));
}

#[tokio::test]
async fn a_failed_update_or_delete_reports_its_outcome_and_is_retryable() {
    let gateway = Gateway::short_timeouts().start().await;
    let id = added(&gateway).await["id"].clone();
    for (fault, code, outcome) in [
        ("gateway-timeout", "UPSTREAM_TIMEOUT", "UNKNOWN"),
        ("500", "UPSTREAM_ERROR", "UNKNOWN"),
        ("bad-gateway", "UPSTREAM_UNAVAILABLE", "UNKNOWN"),
        ("503", "UPSTREAM_UNAVAILABLE", "UNKNOWN"),
        ("drop-unread", "UPSTREAM_ERROR", "UNKNOWN"),
        ("503;retry-after=7", "UPSTREAM_UNAVAILABLE", "REJECTED"),
        ("429;retry-after=7", "THROTTLED", "REJECTED"),
        // The wait that Graph named is not over.
        ("429;retry-after=7", "THROTTLED", "NOT_SENT"),
    ] {
        gateway.sandbox.clear_faults();
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let reply = update(&gateway, &id, json!({"userName": "x"})).await;
        assert_eq!(reply.code(), code, "{fault}");
        assert_eq!(reply.error()["extensions"]["outcome"], outcome, "{fault}");
        assert_eq!(reply.error()["extensions"]["retryable"], true, "{fault}");
    }
}

#[tokio::test]
async fn an_update_or_delete_is_retried_until_it_succeeds() {
    let gateway = Gateway::builder().attempt_timeout(Duration::from_secs(1)).start().await;
    for fault in [
        "gateway-timeout",
        "gateway-timeout;applied=true",
        "bad-gateway",
        "503",
        "503;retry-after=0",
        "429;retry-after=0.2",
        "429",
        "drop-unread",
        "drop-unread;close=reset",
        "drop-mid-answer",
        "drop-applied",
        "slow-first-byte;wait=5s",
    ] {
        let id = added(&gateway).await["id"].clone();
        let sent = || gateway.sent().iter().map(|sent| sent.method.clone()).collect::<Vec<_>>();
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let reply = update(&gateway, &id, json!({"userName": "x"})).await;
        assert_eq!(reply.data()["updateDeviceStatus"]["deviceStatus"]["userName"], "x", "{fault}");
        assert_eq!(sent(), [Method::PATCH, Method::PATCH], "{fault}");

        gateway.clear_requests();
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        // An attempt that succeeded without a response leaves nothing for the next one, which is a
        // success.
        let reply = delete(&gateway, &id).await;
        assert_eq!(reply.data()["deleteDeviceStatus"]["deletedId"], id, "{fault}");
        assert_eq!(sent()[..2], [Method::DELETE, Method::DELETE], "{fault}");
    }
}

#[tokio::test]
async fn deleting_an_absent_status_twice_is_not_a_success() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await["id"].clone();
    delete(&gateway, &id).await.data();
    gateway.sandbox.inject(FaultRule::once("429;retry-after=0".parse().unwrap()));
    let reply = delete(&gateway, &id).await;
    assert_eq!((reply.code(), &reply.error()["extensions"]["outcome"]), ("NOT_FOUND", &json!("REJECTED")));
}

#[tokio::test]
async fn only_a_status_id_is_accepted_to_update_or_delete_a_status() {
    let gateway = Gateway::start().await;
    for id in ["", "x", "ig~1.c.YQ", "ig~1.s.YQ", "ig~2.s.YQ.YQ"] {
        for reply in [update(&gateway, &json!(id), json!({})).await, delete(&gateway, &json!(id)).await] {
            assert_eq!(reply.code(), "BAD_USER_INPUT", "{id}");
            assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
        }
    }
    assert!(gateway.sent().is_empty());
}

const CREATE: &str = "mutation($input: CreateIosLobAppProvisioningConfigurationInput!) {
    createIosLobAppProvisioningConfiguration(input: $input) {
        clientMutationId configurationId configuration { ...all } configurationEdge { cursor node { ...all } } } }
    fragment all on IosLobAppProvisioningConfiguration {
        id graphId displayName description payloadFileName payload roleScopeTagIds expirationDateTime version }";

fn configuration() -> Value {
    json!({"displayName": "Profile", "payloadFileName": "a.mobileprovision", "payload": "AAEC/w==",
        "description": "text", "expirationDateTime": "2030-01-01T00:00:00Z", "roleScopeTagIds": ["0"]})
}

async fn created(gateway: &Gateway) -> Value {
    let variables = json!({"input": {"configuration": configuration(), "clientMutationId": "m"}});
    let reply = gateway.graphql(CREATE, variables).await;
    reply.data()["createIosLobAppProvisioningConfiguration"].clone()
}

#[tokio::test]
async fn a_configuration_is_created_changed_and_deleted() {
    let gateway = Gateway::start().await;
    let payload = created(&gateway).await;
    assert_eq!(gateway.sent().len(), 1);
    assert_eq!(gateway.sent()[0].path, "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations");
    let made = &payload["configuration"];
    assert_eq!((&payload["clientMutationId"], &payload["configurationId"]), (&json!("m"), &made["id"]));
    assert_eq!(&payload["configurationEdge"]["node"], made);
    for (name, value) in configuration().as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }

    let query = "mutation($input: UpdateIosLobAppProvisioningConfigurationInput!) {
        updateIosLobAppProvisioningConfiguration(input: $input) {
            clientMutationId configuration { displayName description payload } } }";
    let patch = json!({"displayName": "Changed", "description": null});
    let reply =
        gateway.graphql(query, json!({"input": {"id": made["graphId"], "configuration": patch}})).await;
    let expected = json!({"displayName": "Changed", "description": null, "payload": "AAEC/w=="});
    assert_eq!(reply.data()["updateIosLobAppProvisioningConfiguration"]["configuration"], expected);

    let query = "mutation($input: DeleteIosLobAppProvisioningConfigurationInput!) {
        deleteIosLobAppProvisioningConfiguration(input: $input) { deletedId clientMutationId } }";
    let reply = gateway.graphql(query, json!({"input": {"id": made["id"]}})).await;
    assert_eq!(reply.data()["deleteIosLobAppProvisioningConfiguration"]["deletedId"], made["id"]);
    let reply = gateway.graphql("query($id: ID!) { node(id: $id) { id } }", json!({"id": made["id"]})).await;
    assert_eq!(reply.data(), &json!({"node": null}));
}

#[tokio::test]
async fn a_payload_is_validated_before_anything_is_sent() {
    let gateway =
        Gateway::builder().settings(|settings| settings.max_request_body = 4 * 1024 * 1024).start().await;
    for payload in ["%", "AAE", "AA EC", &"A".repeat(1_398_108)] {
        let mut configuration = configuration();
        configuration["payload"] = json!(payload);
        let reply = gateway.graphql(CREATE, json!({"input": {"configuration": configuration}})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT");
        assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
        assert!(reply.error()["message"].as_str().unwrap().contains("input.configuration.payload"));
    }
    assert!(gateway.sent().is_empty());
}

const ASSIGN: &str = "mutation($input: AssignIosLobAppProvisioningConfigurationInput!) {
    assignIosLobAppProvisioningConfiguration(input: $input) { clientMutationId configuration {
        assignments { nodes { target { __typename ... on GroupAssignmentTarget { groupId } } } }
        groupAssignments { nodes { targetGroupId } } } } }";

#[tokio::test]
async fn assigning_replaces_the_assignments() {
    let gateway = Gateway::start().await;
    let id = created(&gateway).await["configurationId"].clone();
    gateway.clear_requests();
    let group = "0385114b-b48f-4800-a046-f249eaba24b1";
    let assignments = json!([{"target": "GROUP", "groupId": group}, {"target": "ALL_DEVICES"}]);
    let input = json!({"id": id, "assignments": assignments, "groupAssignments": [{"targetGroupId": group}]});
    let reply = gateway.graphql(ASSIGN, json!({ "input": input })).await;
    let configuration = &reply.data()["assignIosLobAppProvisioningConfiguration"]["configuration"];
    let targets = json!([{"target": {"__typename": "GroupAssignmentTarget", "groupId": group}},
        {"target": {"__typename": "AllDevicesAssignmentTarget"}}]);
    assert_eq!(configuration["assignments"]["nodes"], targets);
    assert_eq!(configuration["groupAssignments"]["nodes"], json!([{"targetGroupId": group}]));
    insta::assert_json_snapshot!(serde_json::from_slice::<Value>(&gateway.sent()[0].body).unwrap(), @r##"
    {
      "appProvisioningConfigurationGroupAssignments": [
        {
          "@odata.type": "#microsoft.graph.mobileAppProvisioningConfigGroupAssignment",
          "targetGroupId": "0385114b-b48f-4800-a046-f249eaba24b1"
        }
      ],
      "iOSLobAppProvisioningConfigAssignments": [
        {
          "@odata.type": "#microsoft.graph.iosLobAppProvisioningConfigurationAssignment",
          "target": {
            "@odata.type": "#microsoft.graph.groupAssignmentTarget",
            "groupId": "0385114b-b48f-4800-a046-f249eaba24b1",
            "deviceAndAppManagementAssignmentFilterId": null,
            "deviceAndAppManagementAssignmentFilterType": "none"
          }
        },
        {
          "@odata.type": "#microsoft.graph.iosLobAppProvisioningConfigurationAssignment",
          "target": {
            "@odata.type": "#microsoft.graph.allDevicesAssignmentTarget",
            "deviceAndAppManagementAssignmentFilterId": null,
            "deviceAndAppManagementAssignmentFilterType": "none"
          }
        }
      ]
    }
    "##);

    let reply = gateway.graphql(ASSIGN, json!({"input": {"id": id, "assignments": []}})).await;
    let configuration = &reply.data()["assignIosLobAppProvisioningConfiguration"]["configuration"];
    assert_eq!(configuration["assignments"]["nodes"], json!([]));
}

#[tokio::test]
async fn all_licensed_users_can_be_assigned() {
    let gateway = Gateway::start().await;
    let id = created(&gateway).await["configurationId"].clone();
    let input = json!({"id": id, "assignments": [{"target": "ALL_LICENSED_USERS"}]});
    let reply = gateway.graphql(ASSIGN, json!({ "input": input })).await;
    let configuration = &reply.data()["assignIosLobAppProvisioningConfiguration"]["configuration"];
    let targets = json!([{"target": {"__typename": "AllLicensedUsersAssignmentTarget"}}]);
    assert_eq!(configuration["assignments"]["nodes"], targets);
}

#[tokio::test]
async fn a_target_accepts_only_the_ids_of_its_kind() {
    let gateway = Gateway::start().await;
    for target in [
        json!({"target": "GROUP"}),
        json!({"target": "EXCLUSION_GROUP", "collectionId": "x"}),
        json!({"target": "ALL_DEVICES", "groupId": "x"}),
        json!({"target": "ALL_LICENSED_USERS", "collectionId": "x"}),
        json!({"target": "CONFIGURATION_MANAGER_COLLECTION"}),
    ] {
        let input = json!({"id": DEMO_CONFIGURATION_ID, "assignments": [target]});
        let reply = gateway.graphql(ASSIGN, json!({ "input": input })).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT");
        assert!(reply.error()["message"].as_str().unwrap().contains("input.assignments[0]."));
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn a_lost_response_to_assign_or_create_has_an_unknown_outcome() {
    let gateway = Gateway::start().await;
    gateway.sandbox.inject(gone());
    let reply =
        gateway.graphql(ASSIGN, json!({"input": {"id": DEMO_CONFIGURATION_ID, "assignments": []}})).await;
    assert_eq!(
        (reply.code(), &reply.error()["extensions"]["outcome"]),
        ("OUTCOME_UNKNOWN", &json!("UNKNOWN"))
    );
    gateway.sandbox.inject(gone());
    let reply = gateway.graphql(CREATE, json!({"input": {"configuration": configuration()}})).await;
    assert_eq!((reply.code(), &reply.error()["extensions"]["retryable"]), ("OUTCOME_UNKNOWN", &json!(false)));
}

#[tokio::test]
async fn writes_of_one_operation_run_in_order_and_fail_separately() {
    let gateway = Gateway::start().await;
    let id = added(&gateway).await["id"].clone();
    let query = "mutation($id: ID!) {
        a: updateDeviceStatus(input: {id: $id, deviceStatus: {userName: \"a\"}}) { deviceStatus { userName } }
        b: deleteIosLobAppProvisioningConfiguration(input: {id: \"nobody\"}) { deletedId }
        c: updateDeviceStatus(input: {id: $id, deviceStatus: {userName: \"c\"}}) { deviceStatus { userName } }
        d: deleteDeviceStatus(input: {id: $id}) { deletedId } }";
    let reply = gateway.graphql(query, json!({ "id": id })).await;
    assert_eq!(reply.code(), "NOT_FOUND");
    let status = |name: &str| json!({"deviceStatus": {"userName": name}});
    assert_eq!(
        reply.json["data"],
        json!({"a": status("a"), "b": null, "c": status("c"), "d": {"deletedId": id}})
    );
    let methods: Vec<Method> = gateway.sent().into_iter().map(|sent| sent.method).collect();
    assert_eq!(methods, [Method::PATCH, Method::DELETE, Method::PATCH, Method::DELETE]);
}
