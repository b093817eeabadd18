//! Forms of a successful create, and reading an object back that the response does not contain.

use msgraph_sandbox::FaultRule;
use serde_json::json;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::Gateway;

#[tokio::test]
async fn other_forms_of_success_are_accepted() {
    let gateway = Gateway::start().await;
    gateway.sandbox.inject(FaultRule::once("created-200".parse().unwrap()));
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["userName"], "User Name value");

    gateway.sandbox.inject(FaultRule::once("only;members=id".parse().unwrap()));
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    let status = &reply.data()["addDeviceStatus"]["deviceStatus"];
    assert!(status["graphId"].is_string());
    assert_eq!(
        (&status["userName"], &status["platform"], &status["status"]),
        (&json!(null), &json!(null), &json!(null))
    );

    for member in ["String", "someNewMember"] {
        let fault = format!("unknown-enum;property=status;member={member}");
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let reply = gateway.graphql(MUTATION, input(device_status())).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["status"], "UNKNOWN_FUTURE_VALUE");
    }
}

#[tokio::test]
async fn an_object_created_without_a_body_is_read_back_once_at_the_configured_origin() {
    let gateway = Gateway::start().await;
    for header in ["location", "odata-entityid"] {
        gateway.clear_requests();
        gateway.sandbox.inject(FaultRule::once(format!("created-204;header={header}").parse().unwrap()));
        let reply = gateway.graphql(MUTATION, input(device_status())).await;
        let payload = &reply.data()["addDeviceStatus"];
        assert_eq!(payload["deviceStatus"]["lastReportedDateTime"], device_status()["lastReportedDateTime"]);
        assert_eq!(payload["deviceStatusId"], payload["deviceStatus"]["id"]);
        assert_eq!(payload["deviceStatusEdge"]["node"], payload["deviceStatus"]);
        let methods: Vec<String> = gateway.sent().iter().map(|sent| sent.method.to_string()).collect();
        assert_eq!(methods, ["POST", "GET"], "{header}");
    }

    // Not read if only the id is selected.
    gateway.clear_requests();
    gateway.sandbox.inject(FaultRule::once("created-204;header=location".parse().unwrap()));
    let query =
        "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }";
    assert!(
        gateway.graphql(query, input(device_status())).await.data()["addDeviceStatus"]["deviceStatusId"]
            .is_string()
    );
    assert_eq!(gateway.sent().len(), 1);
}

#[tokio::test]
async fn a_created_object_that_cannot_be_read_back_is_reported_with_its_id() {
    let gateway = Gateway::start().await;
    gateway.sandbox.inject(FaultRule::once("created-204;header=location".parse().unwrap()));
    let mut rule = FaultRule::always("403;code=Forbidden".parse().unwrap());
    rule.method = Some(http::Method::GET);
    gateway.sandbox.inject(rule);
    let query = "mutation($input: AddDeviceStatusInput!) {
        addDeviceStatus(input: $input) { deviceStatusId deviceStatus { userName } } }";
    let reply = gateway.graphql(query, input(device_status())).await;
    assert!(reply.json["data"]["addDeviceStatus"]["deviceStatusId"].is_string());
    assert_eq!(reply.json["data"]["addDeviceStatus"]["deviceStatus"], json!(null));
    assert_eq!(reply.code(), "FORBIDDEN");
    assert_eq!(reply.error()["extensions"]["outcome"], "APPLIED");
    assert_eq!(reply.error()["path"], json!(["addDeviceStatus", "deviceStatus"]));
}
