//! Malformed and misleading responses to writes: the reported outcome stays true.

use std::sync::{Arc, Mutex};

use http::Method;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::numbered;
use crate::canned_graph::{CannedGraph, CannedResponse, utf_16};
use crate::harness::{Gateway, Reply, fresh_token};

const TYPE: &str = "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus";

const NAMED: &str = "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) {
    deviceStatusId deviceStatus { graphId userName platform } } }";

/// An upstream with a changeable response to every request, and a gateway in front of it.
pub(crate) struct Scripted {
    upstream: CannedGraph,
    gateway: Gateway,
    answer: Arc<Mutex<CannedResponse>>,
}

impl Scripted {
    pub(crate) async fn start() -> Self {
        let answer = Arc::new(Mutex::new(CannedResponse::new(500, "")));
        let shared = Arc::clone(&answer);
        let upstream = CannedGraph::start(move |_| shared.lock().unwrap().clone()).await;
        let gateway = upstream.gateway().await;
        Self { upstream, gateway, answer }
    }

    pub(crate) async fn graphql(&self, answer: CannedResponse, query: &str, variables: Value) -> Reply {
        self.upstream.sent();
        *self.answer.lock().unwrap() = answer;
        self.gateway.graphql_as(Some(&fresh_token()), query, variables).await
    }

    /// How often it was posted.
    pub(crate) fn posts(&self) -> usize {
        self.upstream.sent().iter().filter(|sent| sent.method == Method::POST).count()
    }
}

fn outcome(reply: &Reply) -> (&str, &str) {
    (reply.code(), reply.error()["extensions"]["outcome"].as_str().unwrap())
}

#[tokio::test]
async fn texts_of_graph_have_no_control_characters_and_no_marks_of_text_direction() {
    let scripted = Scripted::start().await;
    let marks = "\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{feff}";
    let written = format!("a{marks}b\n\u{7}\u{9b}\u{2028}c \u{5d0}");
    let body = json!({"error": {"code": &written, "message": format!("following scopes: x.{written}, y.Z"),
        "innerError": {"request-id": &written}}});
    for status in [400, 403, 409, 429, 500] {
        let answer = CannedResponse::new(status, body.to_string());
        let reply = scripted.graphql(answer, MUTATION, input(device_status())).await;
        let error = reply.error();
        assert_eq!(error["extensions"]["graph"]["code"], "ab c \u{5d0}", "{error}");
        assert_eq!(error["extensions"]["graph"]["requestId"], "ab c \u{5d0}", "{error}");
        let text = error.to_string();
        let is_mark = |char: char| char.is_control() || marks.contains(char) || char == '\u{2028}';
        assert!(!text.contains(is_mark) && !text.contains("\\u"), "{text}");
        assert_eq!(text.contains("x.ab c \u{5d0}"), status < 500, "{text}");
    }
}

#[tokio::test]
async fn a_create_that_the_service_abandoned_is_not_resent_for_any_body() {
    let scripted = Scripted::start().await;
    let plain = r#"{"error":{"code":"CancelledOnServiceTimeout","message":"The ? gave up"}}"#;
    let with = |text: &str| plain.replace('?', text).into_bytes();
    let invalid = plain.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect::<Vec<_>>();
    for (body, message) in [
        (with("service"), "The service gave up"),
        ([b"\xef\xbb\xbf".to_vec(), with("service")].concat(), "The service gave up"),
        (with("\\ud800"), "The \u{fffd} gave up"),
        (with("\\ud83d\\ude00 \\udc00"), "The 😀 \u{fffd} gave up"),
        (with("\t"), "The gave up"),
        (invalid, "The \u{fffd} gave up"),
        ([with("service"), b"\0".to_vec()].concat(), "The service gave up"),
        ([with("service"), b"\r\n<!-- proxy-7 -->".to_vec()].concat(), "The service gave up"),
        (utf_16(plain, u16::to_le_bytes), "The ? gave up"),
        (utf_16(plain, u16::to_be_bytes), "The ? gave up"),
    ] {
        let answer = CannedResponse::new(503, body).with("retry-after", "0");
        let reply = scripted.graphql(answer, MUTATION, input(device_status())).await;
        assert_eq!(outcome(&reply), ("OUTCOME_UNKNOWN", "UNKNOWN"), "{message}");
        assert_eq!(reply.error()["extensions"]["graph"]["code"], "CancelledOnServiceTimeout");
        assert_eq!(scripted.posts(), 1, "{message}");
        // The same words of a refusal are passed on.
        let refusal = plain.replace("CancelledOnServiceTimeout", "Forbidden");
        let reply =
            scripted.graphql(CannedResponse::new(403, refusal), MUTATION, input(device_status())).await;
        assert!(reply.error()["message"].as_str().unwrap().contains("gave up"));
    }
    for body in [
        json!({"error": {"code": "ServiceUnavailable", "innerError": {"code": "CancelledOnServiceTimeout"}}}),
        json!({"error": {"code": "cancelledonservicetimeout"}}),
        json!({"error": [{"code": "CancelledOnServiceTimeout"}]}),
        json!({"error": {"code": "UnknownError", "message": json!({"Message": "x",
            "CustomApiErrorPhrase": "CancelledOnServiceTimeout"}).to_string()}}),
    ] {
        let answer = CannedResponse::new(503, body.to_string()).with("retry-after", "0");
        let reply = scripted.graphql(answer, MUTATION, input(device_status())).await;
        assert_eq!((outcome(&reply), scripted.posts()), (("OUTCOME_UNKNOWN", "UNKNOWN"), 1), "{body}");
    }
}

#[tokio::test]
async fn a_temporary_rejection_counts_only_if_its_body_is_readable() {
    let scripted = Scripted::start().await;
    let unavailable = r#"{"error":{"code":"ServiceUnavailable","message":"Later"}}"#;
    for (answer, believed) in [
        (CannedResponse::new(503, ""), true),
        (CannedResponse::new(503, unavailable), true),
        (CannedResponse::new(503, format!("\u{feff}{unavailable}\0")), true),
        (CannedResponse::new(503, utf_16(unavailable, u16::to_le_bytes)), true),
        (CannedResponse::new(503, "{}"), true),
        (
            CannedResponse::new(503, "<html>Service Unavailable</html>").with("content-type", "text/html"),
            false,
        ),
        (CannedResponse::new(503, "Service Unavailable"), false),
        (CannedResponse::new(503, &unavailable.as_bytes()[..30]), false),
        (CannedResponse::new(503, unavailable).cut(), false),
        (CannedResponse::new(503, "").cut(), false),
    ] {
        let answer = answer.with("retry-after", "5");
        let reply = scripted.graphql(answer.clone(), MUTATION, input(device_status())).await;
        let expected =
            if believed { ("UPSTREAM_UNAVAILABLE", "REJECTED") } else { ("OUTCOME_UNKNOWN", "UNKNOWN") };
        assert_eq!((outcome(&reply), scripted.posts()), (expected, 1), "{answer:?}");
    }
    // A 429 is a rejection with any body.
    let answer = CannedResponse::new(429, "<html>").with("retry-after", "5");
    let reply = scripted.graphql(answer, MUTATION, input(device_status())).await;
    assert_eq!(outcome(&reply), ("THROTTLED", "REJECTED"));
}

#[tokio::test]
async fn a_truncated_rejection_is_unknown_and_the_create_is_not_resent() {
    let scripted = Scripted::start().await;
    for body in [
        "503 Service Temporarily Unavailable",
        "12:30 maintenance",
        "-1 error",
        "null pointer",
        "nullptr exception",
        "true story",
        "false",
        "null",
        "5",
        "1e999",
        "\"busy\"",
        "\"\"",
        "\"\"<html>",
        "\"x\" is down",
        "[]",
        "[] ok",
        "[\"busy\"]",
        r#"[{"error":{"code":"ServiceUnavailable"}}]"#,
        "{}{",
        "{} {}",
        r#"{"error":5}"#,
        r#"{"error":true}"#,
        r#"{"error":["busy"]}"#,
        r#"{"Error":5}"#,
        r#"{"error":{},"error":5}"#,
    ] {
        let answer =
            CannedResponse::new(503, body).with("retry-after", "0").with("content-type", "text/plain");
        let reply = scripted.graphql(answer, MUTATION, input(device_status())).await;
        assert_eq!((outcome(&reply), scripted.posts()), (("OUTCOME_UNKNOWN", "UNKNOWN"), 1), "{body}");
    }
    for body in [
        "",
        " \r\n",
        "{}",
        r#"{"message":"no healthy upstream"}"#,
        r#"{"error":"busy"}"#,
        r#"{"error":{"code":"ServiceUnavailable","wait":1e999}}"#,
        "{\"error\":{}}\r\n<!-- proxy-7 -->",
    ] {
        let answer = CannedResponse::new(503, body).with("retry-after", "5");
        let reply = scripted.graphql(answer, MUTATION, input(device_status())).await;
        assert_eq!(outcome(&reply), ("UPSTREAM_UNAVAILABLE", "REJECTED"), "{body}");
    }
}

#[tokio::test]
async fn only_the_created_object_counts_as_success() {
    let scripted = Scripted::start().await;
    let created = |members: Value| {
        let mut object = json!({"id": "a", "userName": "User Name value", "platform": 8});
        object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        object.to_string()
    };
    let error = json!({"error": {"code": "x", "message": "y"}});
    for status in [200, 201] {
        for body in [
            created(json!({})),
            created(json!({"@odata.type": TYPE})),
            created(json!({"@odata.type": &TYPE[1..]})),
            created(json!({"@odata.type": TYPE.to_uppercase()})),
            created(json!({"@odata.type": null, "error": null})),
            created(
                json!({"@odata.context": "https://graph.microsoft.com/beta/$metadata#x/$entity", "new": [1]}),
            ),
            format!("\u{feff}{}\0 ", created(json!({}))),
            r#"{"id":"a"}"#.to_owned(),
        ] {
            let reply = scripted
                .graphql(CannedResponse::new(status, body.clone()), NAMED, input(device_status()))
                .await;
            assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"], "a", "{status} {body}");
        }
        for body in [
            created(error.clone()),
            created(json!({"error": "x"})),
            created(json!({"Error": {}})),
            created(json!({"@odata.type": "#microsoft.graph.user"})),
            created(json!({"@odata.type": "#microsoft.graph.managedDeviceMobileAppConfigurationUserStatus"})),
            created(json!({"@odata.type": 7})),
            json!({"id": "portal", "url": "https://portal.example/login", "title": "Sign in"}).to_string(),
        ] {
            let location = scripted.upstream.url("/deviceAppManagement/x");
            let answer = CannedResponse::new(status, body.clone()).with("location", &location);
            let reply = scripted.graphql(answer, NAMED, input(device_status())).await;
            assert_eq!(outcome(&reply), ("OUTCOME_UNKNOWN", "UNKNOWN"), "{status} {body}");
            assert_eq!(scripted.posts(), 1);
        }
    }
    let portal = json!({"id": "portal", "status": "login", "url": "https://portal.example"}).to_string();
    for (answer, expected) in [
        (CannedResponse::new(200, portal), "UNKNOWN"),
        (CannedResponse::new(200, error.to_string()), "UNKNOWN"),
        (CannedResponse::new(200, r#"{"id":7}"#), "UNKNOWN"),
        (CannedResponse::new(200, ""), "UNKNOWN"),
        (CannedResponse::new(202, ""), "UNKNOWN"),
        (CannedResponse::new(205, ""), "UNKNOWN"),
        (CannedResponse::new(201, r#"{"id":""}"#), "APPLIED"),
        (CannedResponse::new(201, r#"{"id":".."}"#), "APPLIED"),
        (CannedResponse::new(201, r#"{"id":"a\ud800"}"#), "APPLIED"),
        (CannedResponse::new(201, r#"{"id":"a","id":"b"}"#), "APPLIED"),
        (CannedResponse::new(201, "<html>"), "APPLIED"),
        (CannedResponse::new(204, ""), "APPLIED"),
    ] {
        let reply = scripted.graphql(answer.clone(), NAMED, input(device_status())).await;
        assert_eq!(outcome(&reply).1, expected, "{answer:?}");
    }
    for status in [202, 203, 206] {
        let reply = scripted
            .graphql(CannedResponse::new(status, created(json!({}))), NAMED, input(device_status()))
            .await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"], "a", "{status}");
    }
}

#[tokio::test]
async fn a_created_object_is_returned_without_its_unreadable_value() {
    let scripted = Scripted::start().await;
    for (members, field, value) in [
        (r#""userName":"u","platform":"8""#, "platform", json!(null)),
        (r#""userName":7,"platform":8"#, "userName", json!(null)),
        (r#""userName":"u","userName":"v","platform":8"#, "userName", json!(null)),
    ] {
        let body = format!(r#"{{"id":"a",{members}}}"#);
        let reply = scripted.graphql(CannedResponse::new(201, body), NAMED, input(device_status())).await;
        let payload = &reply.json["data"]["addDeviceStatus"];
        assert!(payload["deviceStatusId"].is_string(), "{members}");
        assert_eq!(
            (&payload["deviceStatus"]["graphId"], &payload["deviceStatus"][field]),
            (&json!("a"), &value)
        );
        assert_eq!(reply.code(), "UPSTREAM_ERROR");
        assert_eq!(reply.error()["extensions"]["retryable"], false, "a create is not to be repeated for it");
        assert_eq!(reply.error()["path"], json!(["addDeviceStatus", "deviceStatus", field]));
    }
    let body = r#"{"id":"a","userName":"b\ud800","Platform":8.0}"#;
    let reply = scripted.graphql(CannedResponse::new(201, body), NAMED, input(device_status())).await;
    let status = &reply.data()["addDeviceStatus"]["deviceStatus"];
    assert_eq!((&status["userName"], &status["platform"]), (&json!("b\u{fffd}"), &json!(8)));
}

#[tokio::test]
async fn a_number_out_of_range_in_a_write_response_is_an_error_of_its_field_only() {
    let scripted = Scripted::start().await;
    let digits = "9".repeat(400);
    for number in ["1e999", "-1e999", &digits, &format!("-{digits}.5")] {
        let object = format!(r#"{{"id":"a","userName":"u","platform":{number},"new":[{number}]}}"#);
        let reply =
            scripted.graphql(CannedResponse::new(201, object.clone()), NAMED, input(device_status())).await;
        let payload = &reply.json["data"]["addDeviceStatus"];
        assert!(payload["deviceStatusId"].is_string(), "{number}");
        assert_eq!(payload["deviceStatus"], json!({"graphId": "a", "userName": "u", "platform": null}));
        assert_eq!(reply.error()["path"], json!(["addDeviceStatus", "deviceStatus", "platform"]));
        assert_eq!(scripted.posts(), 1);

        let batch = format!(
            r#"{{"responses":[{{"id":"0","status":201,"body":{object}}},{{"id":"1","status":201,
            "headers":{{"x":{number}}},"body":{{"id":"b","userName":"v"}}}}],"x":{number}}}"#
        );
        let bulk =
            json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(2)}});
        let query = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
            results { error { code } deviceStatus { graphId userName platform } } } }";
        let reply = scripted.graphql(CannedResponse::new(200, batch), query, bulk).await;
        let results = &reply.json["data"]["addDeviceStatuses"]["results"];
        let expected = json!([
            {"error": null, "deviceStatus": {"graphId": "a", "userName": "u", "platform": null}},
            {"error": null, "deviceStatus": {"graphId": "b", "userName": "v", "platform": null}},
        ]);
        assert_eq!((results, reply.json["errors"].as_array().unwrap().len()), (&expected, 1), "{number}");
        assert_eq!(
            reply.error()["path"],
            json!(["addDeviceStatuses", "results", 0, "deviceStatus", "platform"])
        );

        let update =
            "mutation($id: ID!) { updateDeviceStatus(input: {id: $id, deviceStatus: {platform: 3}}) {
            deviceStatus { graphId userName platform } } }";
        let reply =
            scripted.graphql(CannedResponse::new(200, object), update, json!({"id": "ig~1.s.YQ.YQ"})).await;
        let status = &reply.json["data"]["updateDeviceStatus"]["deviceStatus"];
        assert_eq!(*status, json!({"graphId": "a", "userName": "u", "platform": null}), "{number}");
        assert_eq!(reply.error()["path"], json!(["updateDeviceStatus", "deviceStatus", "platform"]));
    }
}

#[tokio::test]
async fn an_html_page_is_not_a_successful_delete_or_assign() {
    let scripted = Scripted::start().await;
    let delete =
        "mutation($id: ID!) { deleteIosLobAppProvisioningConfiguration(input: {id: $id}) { deletedId } }";
    let assign = "mutation($id: ID!) { assignIosLobAppProvisioningConfiguration(
        input: {id: $id, groupAssignments: []}) { clientMutationId } }";
    let update = "mutation($id: ID!) { updateIosLobAppProvisioningConfiguration(
        input: {id: $id, configuration: {displayName: \"x\"}}) {
            configuration { displayName } } }";
    let variables = || json!({"id": DEMO_CONFIGURATION_ID});
    for answer in [
        CannedResponse::new(200, "<html>Sign in</html>").with("content-type", "text/html"),
        CannedResponse::new(200, r#"{"id":"portal","url":"https://portal.example"}"#),
        CannedResponse::new(200, r#"{"error":{"code":"x"},"@odata.context":"y"}"#),
        CannedResponse::new(201, ""),
        CannedResponse::new(202, ""),
    ] {
        for query in [delete, assign, update] {
            let reply = scripted.graphql(answer.clone(), query, variables()).await;
            assert_eq!(outcome(&reply).1, "UNKNOWN", "{answer:?} {query}");
        }
    }
    for answer in [CannedResponse::new(204, ""), CannedResponse::new(200, ""), CannedResponse::new(200, "{}")]
    {
        scripted.graphql(answer.clone(), delete, variables()).await.data();
    }
    // An update whose response has another object is not successful.
    let other = json!({"id": uuid::Uuid::new_v4().to_string(), "displayName": "x"}).to_string();
    let reply = scripted.graphql(CannedResponse::new(200, other), update, variables()).await;
    assert_eq!(outcome(&reply).1, "UNKNOWN");
    let same = json!({"id": DEMO_CONFIGURATION_ID.to_uppercase(), "displayName": "x"}).to_string();
    scripted.graphql(CannedResponse::new(200, same), update, variables()).await.data();
}
