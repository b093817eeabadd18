//! `addDeviceStatus`: what arrives at Graph, and what comes back.

use intune_graphql::graph::CreatePath;
use msgraph_sandbox::settings::{Profile, RefMode};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::counts::STATUSES;
use crate::harness::{Gateway, Reply, TOKEN};

pub(crate) const MUTATION: &str = "
    mutation Add($input: AddDeviceStatusInput!) {
      addDeviceStatus(input: $input) {
        clientMutationId
        deviceStatusId replayed
        deviceStatus { ...all }
        deviceStatusEdge { cursor node { ...all } }
      }
    }
    fragment all on DeviceStatus {
      __typename id graphId deviceDisplayName userName deviceModel platform
      complianceGracePeriodExpirationDateTime status lastReportedDateTime userPrincipalName
    }";

/// A whole device status, as the contract's input has it.
pub(crate) fn device_status() -> Value {
    json!({
        "deviceDisplayName": "Device Display Name value",
        "userName": "User Name value",
        "deviceModel": "Device Model value",
        "platform": 8,
        "complianceGracePeriodExpirationDateTime": "2016-12-31T23:56:44.9519127-08:00",
        "status": "NOT_APPLICABLE",
        "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00",
        "userPrincipalName": "User Principal Name value",
    })
}

pub(crate) fn input(device_status: Value) -> Value {
    json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatus": device_status}})
}

/// The whole status with one field changed.
pub(crate) fn input_with(field: &str, value: Value) -> Value {
    let mut status = device_status();
    status[field] = value;
    input(status)
}

async fn add(gateway: &Gateway, variables: Value) -> Reply {
    gateway.graphql(MUTATION, variables).await
}

fn collection() -> String {
    format!(
        "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations/{DEMO_CONFIGURATION_ID}/deviceStatuses"
    )
}

#[tokio::test]
async fn the_input_is_sent_as_one_post_and_the_response_becomes_a_node() {
    let gateway = Gateway::start().await;
    let mut variables = input(device_status());
    variables["input"]["clientMutationId"] = json!("m-1");
    let reply = add(&gateway, variables).await;

    let [request] = &gateway.sent()[..] else { panic!("one request: {:?}", gateway.sent()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", collection().as_str()));
    assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    insta::assert_json_snapshot!(body, @r##"
    {
      "@odata.type": "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus",
      "deviceDisplayName": "Device Display Name value",
      "userName": "User Name value",
      "deviceModel": "Device Model value",
      "platform": 8,
      "complianceGracePeriodExpirationDateTime": "2016-12-31T23:56:44.9519127-08:00",
      "status": "notApplicable",
      "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00",
      "userPrincipalName": "User Principal Name value"
    }
    "##);

    let payload = &reply.data()["addDeviceStatus"];
    assert_eq!(payload["clientMutationId"], "m-1");
    assert_eq!(payload["replayed"], false);
    assert_eq!(payload["deviceStatusId"], payload["deviceStatus"]["id"]);
    assert_eq!(payload["deviceStatus"], payload["deviceStatusEdge"]["node"]);
    let mut status = payload["deviceStatus"].clone();
    let status = status.as_object_mut().unwrap();
    assert_eq!(status.remove("__typename").unwrap(), "DeviceStatus");
    assert!(status.remove("id").unwrap().as_str().unwrap().starts_with("ig~1.s."));
    assert!(status.remove("graphId").unwrap().as_str().unwrap().contains(DEMO_CONFIGURATION_ID));
    assert_eq!(Value::Object(status.clone()), device_status());
}

#[tokio::test]
async fn only_the_documented_headers_are_sent_to_graph() {
    let gateway = Gateway::start().await;
    let id = "0385114b-b48f-4800-a046-f249eaba24b1";
    gateway
        .post()
        .header("content-type", "application/json")
        .header("authorization", format!("bearer {TOKEN}"))
        .header("client-request-id", id)
        .header("cookie", "a=b")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-sandbox-fault", "status; status=500")
        .header("prefer", "return=minimal")
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string())
        .send()
        .await
        .unwrap();
    let [request] = &gateway.sent()[..] else { panic!("one request") };
    let mut names: Vec<&str> = request.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "authorization",
            "client-request-id",
            "content-length",
            "content-type",
            "host",
            "user-agent"
        ]
    );
    assert_eq!(request.header("authorization"), Some(format!("bearer {TOKEN}").as_str()), "as it came");
    assert_eq!(request.header("client-request-id"), Some(id));
}

#[tokio::test]
async fn dates_are_sent_and_returned_byte_for_byte() {
    let gateway = Gateway::start().await;
    for date in [
        "2016-12-31T23:57:41.6559639+03:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "2024-02-29T12:00:00.1000000-00:00",
        "2026-11-23T01:02:03.000Z",
    ] {
        gateway.clear_requests();
        let reply = add(&gateway, input_with("lastReportedDateTime", json!(date))).await;
        let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
        assert_eq!(body["lastReportedDateTime"], date);
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["lastReportedDateTime"], date);
    }
}

#[tokio::test]
async fn dates_that_graph_returns_in_utc_are_returned_unchanged() {
    let sandbox = Settings { profile: Profile::LiveLike, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(sandbox).start().await;
    // The live service may have no route for this call; the error then says so.
    let reply = add(&gateway, input(device_status())).await;
    assert_eq!(reply.code(), "UPSTREAM_NOT_SUPPORTED");
    assert!(
        reply.error()["message"].as_str().unwrap().contains(&format!("POST {}", collection())),
        "{:?}",
        reply.json
    );
    assert_eq!(reply.error()["extensions"]["outcome"], "REJECTED");
}

#[tokio::test]
async fn an_invalid_date_is_rejected_before_anything_is_sent() {
    let gateway = Gateway::start().await;
    for (date, why) in [
        ("2016-12-31T23:57:41.65596391Z", "7 fractional digits"),
        ("2016-12-31T23:57:41", "offset"),
        ("2023-02-29T00:00:00Z", "no such date"),
        ("2016-12-31T23:59:60Z", "no such date"),
        ("yesterday", "RFC 3339"),
        ("0001-01-01T00:00:00+00:01", "0001"),
    ] {
        let reply = add(&gateway, input_with("lastReportedDateTime", json!(date))).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{date}");
        assert!(reply.json.get("data").is_none(), "a request error has no data");
        let message = reply.error()["message"].as_str().unwrap();
        assert!(
            message.contains("input.deviceStatus.lastReportedDateTime") && message.contains(why),
            "{message}"
        );
        assert!(!message.contains("yesterday"), "values are not echoed");

        let literal = r#"mutation { addDeviceStatus(input: {configurationId: "c", deviceStatus: {deviceDisplayName: "", userName: "",
            deviceModel: "", platform: 1, status: ERROR, userPrincipalName: "", lastReportedDateTime: "DATE",
            complianceGracePeriodExpirationDateTime: "0001-01-01T00:00:00Z"}}) { deviceStatusId } }"#;
        let reply = gateway.graphql(&literal.replace("DATE", date), json!({})).await;
        assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{date}");
        assert!(reply.error()["message"].as_str().unwrap().contains(why), "{:?}", reply.json);
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn platform_is_the_full_int32_range() {
    let gateway = Gateway::start().await;
    for platform in [i32::MIN, -1, 0, i32::MAX] {
        gateway.clear_requests();
        let reply = add(&gateway, input_with("platform", json!(platform))).await;
        let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
        assert_eq!(body["platform"], platform);
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["platform"], platform);
    }
    gateway.clear_requests();
    for wrong in [
        json!(2_147_483_648_i64),
        json!(-2_147_483_649_i64),
        json!(1.5),
        json!("8"),
        json!(true),
        json!(null),
    ] {
        let reply = add(&gateway, input_with("platform", wrong.clone())).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{wrong}");
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn strings_with_any_unicode_are_sent_unchanged() {
    let gateway = Gateway::start().await;
    for text in [
        "",
        "Zoë's iPad 🍏",
        "\u{202e}rtl",
        "tab\tnewline\n\u{0}\u{7f}",
        "a\u{308} vs ä",
        "\"quotes\\\"",
        "\u{10ffff}",
    ] {
        gateway.clear_requests();
        let reply = add(&gateway, input_with("deviceDisplayName", json!(text))).await;
        let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
        assert_eq!(body["deviceDisplayName"], text);
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["deviceDisplayName"], text);
    }
}

#[tokio::test]
async fn escapes_in_string_literals_are_decoded() {
    let gateway = Gateway::start().await;
    let query = r#"mutation { addDeviceStatus(input: {configurationId: "CONFIGURATION", deviceStatus: {
        deviceDisplayName: "\uD83C\uDF4F \u{1F34F} \u00e9", userName: """block "quoted" \""" """, deviceModel: "\t\"\\\/",
        platform: 1, status: ERROR, userPrincipalName: "🍏", lastReportedDateTime: "0001-01-01T00:00:00Z",
        complianceGracePeriodExpirationDateTime: "0001-01-01T00:00:00Z"}}) { deviceStatusId } }"#;
    let reply = gateway.graphql(&query.replace("CONFIGURATION", DEMO_CONFIGURATION_ID), json!({})).await;
    reply.data();
    let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
    assert_eq!(body["deviceDisplayName"], "🍏 🍏 é");
    assert_eq!(body["userName"], "block \"quoted\" \"\"\" ");
    assert_eq!(body["deviceModel"], "\t\"\\/");
    assert_eq!(body["userPrincipalName"], "🍏");
}

#[tokio::test]
async fn the_eight_statuses_map_in_both_directions_and_the_ninth_is_read_only() {
    let gateway = Gateway::start().await;
    for (name, graph) in STATUSES {
        gateway.clear_requests();
        let reply = add(&gateway, input_with("status", json!(name))).await;
        let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
        assert_eq!(body["status"], graph);
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["status"], name);
    }
    gateway.clear_requests();
    for refused in ["UNKNOWN_FUTURE_VALUE", "notApplicable", "Unknown", ""] {
        let reply = add(&gateway, input_with("status", json!(refused))).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{refused}");
        assert!(reply.error()["message"].as_str().unwrap().contains("input.deviceStatus.status"));
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn graph_id_is_sent_as_id_only_when_given() {
    let gateway = Gateway::start().await;
    add(&gateway, input_with("graphId", json!("a_b"))).await.data();
    add(&gateway, input_with("graphId", json!(null))).await.data();
    let bodies: Vec<Value> =
        gateway.sent().iter().map(|sent| serde_json::from_slice(&sent.body).unwrap()).collect();
    assert_eq!(bodies[0]["id"], "a_b");
    assert!(bodies[1].get("id").is_none());
}

#[tokio::test]
async fn the_configuration_id_is_encoded_as_one_path_segment() {
    let gateway = Gateway::start().await;
    for (id, segment) in [
        ("a/b", "a%2Fb"),
        ("?x", "%3Fx"),
        ("#", "%23"),
        ("x/../../../users", "x%2F..%2F..%2F..%2Fusers"),
        ("x\r\nHost: a", "x%0D%0AHost%3A%20a"),
        ("\u{0}\u{7f}", "%00%7F"),
        ("%2F", "%252F"),
        ("ä 🍏", "%C3%A4%20%F0%9F%8D%8F"),
        ("a;b=c&d", "a%3Bb%3Dc%26d"),
    ] {
        gateway.clear_requests();
        let variables = json!({"input": {"configurationId": id, "deviceStatus": device_status()}});
        let reply = add(&gateway, variables).await;
        assert_eq!(reply.code(), "NOT_FOUND", "{id:?}");
        let sent = gateway.sent();
        let prefix = "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations/";
        assert_eq!(sent[0].path, format!("{prefix}{segment}/deviceStatuses"));
        assert_eq!((sent.len(), sent[0].query.as_deref().unwrap_or_default()), (1, ""));
    }
}

#[tokio::test]
async fn ids_that_are_dot_segments_are_rejected() {
    let gateway = Gateway::start().await;
    for id in ["", ".", "..", "%2e", "%2E%2e", ".%2E", "%252e%252e"] {
        let variables = json!({"input": {"configurationId": id, "deviceStatus": device_status()}});
        let reply = add(&gateway, variables).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{id:?}");
        assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
        assert!(reply.error()["message"].as_str().unwrap().contains("input.configurationId"));
        assert_eq!(reply.error()["path"], json!(["addDeviceStatus"]));
        assert_eq!(reply.json["data"], json!({"addDeviceStatus": null}));
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn a_global_id_of_a_configuration_is_accepted_and_one_of_another_type_is_rejected() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { id } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let id = reply.data()["iosLobAppProvisioningConfiguration"]["id"].clone();
    let reply =
        add(&gateway, json!({"input": {"configurationId": id, "deviceStatus": device_status()}})).await;
    let status_id = reply.data()["addDeviceStatus"]["deviceStatusId"].clone();
    assert_eq!(gateway.sent()[1].path, collection());

    gateway.clear_requests();
    for wrong in [status_id, json!("ig~1.c."), json!("ig~2.c.YQ"), json!("ig~")] {
        let reply =
            add(&gateway, json!({"input": {"configurationId": wrong, "deviceStatus": device_status()}}))
                .await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{wrong}");
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn the_alternative_create_path_is_a_setting() {
    let stub = Settings { ref_mode: RefMode::Stub, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(stub).create_path(CreatePath::Ref).start().await;
    let reply = add(&gateway, input(device_status())).await;
    assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["userName"], "User Name value");
    let sent = gateway.sent();
    assert_eq!((sent.len(), sent[0].path.clone()), (1, format!("{}/$ref", collection())));

    // The documented sandbox has no such route, and returns an error.
    let gateway = Gateway::builder().create_path(CreatePath::Ref).start().await;
    let reply = add(&gateway, input(device_status())).await;
    assert_eq!(reply.code(), "UPSTREAM_NOT_SUPPORTED");
    assert!(reply.error()["message"].as_str().unwrap().contains(&format!("POST {}/$ref", collection())));
}

#[tokio::test]
async fn an_unknown_input_field_is_rejected_by_name() {
    let gateway = Gateway::start().await;
    let reply = add(&gateway, input_with("invented", json!(1))).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert!(reply.error()["message"].as_str().unwrap().contains("invented"), "{:?}", reply.json);
    assert!(gateway.sent().is_empty());
}
