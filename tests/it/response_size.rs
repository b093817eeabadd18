//! Response size limits: responses are limited while they are built, per request and in total. Outcomes of writes are always
//! returned.

use std::collections::BTreeMap;

use intune_graphql::schema::configuration_id;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::numbered;
use crate::harness::{Gateway, Reply, TOKEN, fresh_token};
use crate::subscriptions::subscribe_with;

pub(crate) const MIB: usize = 1024 * 1024;

/// The default bound.
pub(crate) const MAX: usize = 16 * MIB;

/// Maximum size of a response's errors, and of parts that are not counted exactly.
pub(crate) const ERRORS: usize = 80 * 1024;

const NODES: &str =
    "query($ids: [ID!]!) { nodes(ids: $ids) { ... on IosLobAppProvisioningConfiguration { FIELDS } } }";

pub(crate) fn nodes(fields: &str) -> String {
    NODES.replace("FIELDS", fields)
}

pub(crate) fn aliases(count: usize, field: &str) -> String {
    (0..count).map(|index| format!("a{index}: {field} ")).collect()
}

/// The demo's configuration a thousand times.
pub(crate) fn a_thousand_times() -> Value {
    let key = intune_graphql::graph::Key::new(DEMO_CONFIGURATION_ID).unwrap();
    json!({"ids": vec![configuration_id(&key); 1000]})
}

/// A Graph with one configuration, whose payload has this size.
pub(crate) fn payload_of(gateway: &Gateway, bytes: usize) {
    let payload = "A".repeat(bytes);
    let fault = format!(
        "canned;text={{\"id\":\"{DEMO_CONFIGURATION_ID}\",\"displayName\":\"x\",\"payload\":\"{payload}\"}}"
    );
    gateway.sandbox.inject(fault.parse().unwrap());
}

/// How many errors there are of each code, and how many more are not listed.
fn codes(reply: &Reply) -> (BTreeMap<String, usize>, usize) {
    let mut codes = BTreeMap::new();
    let mut omitted = 0;
    for error in reply.json["errors"].as_array().unwrap() {
        let message = error["message"].as_str().unwrap();
        match message.split_once(" further error") {
            Some((count, _)) => omitted += count.parse::<usize>().unwrap(),
            None => *codes.entry(error["extensions"]["code"].as_str().unwrap().to_owned()).or_default() += 1,
        }
    }
    (codes, omitted)
}

/// The number of errors because of the response's size, listed or not; there are no others.
pub(crate) fn too_large(reply: &Reply) -> usize {
    let (codes, omitted) = codes(reply);
    assert_eq!(codes.keys().collect::<Vec<_>>(), ["QUERY_TOO_LARGE"], "{codes:?}");
    codes["QUERY_TOO_LARGE"] + omitted
}

fn size(reply: &Reply) -> usize {
    reply.json.to_string().len()
}

#[tokio::test]
async fn a_repeated_object_is_returned_until_the_response_is_full() {
    let gateway = Gateway::start().await;
    payload_of(&gateway, MIB);
    let reply = gateway.graphql(&nodes("id displayName payload"), a_thousand_times()).await;
    let rows = reply.json["data"]["nodes"].as_array().unwrap();
    assert_eq!(rows.len(), 1000);
    assert!(rows.iter().all(|row| row["id"].is_string()), "what is short and never null is there");
    let given = rows.iter().filter(|row| row["payload"].is_string()).count();
    assert_eq!(given, 14, "as many as there is room for");
    assert!(rows[..14].iter().all(|row| row["displayName"] == "x"));
    let missing = rows
        .iter()
        .map(|row| ["displayName", "payload"].iter().filter(|field| row[**field].is_null()).count());
    assert_eq!(too_large(&reply), missing.sum::<usize>());
    let error = &reply.json["errors"][0];
    assert_eq!(error["path"], json!(["nodes", 14, "payload"]));
    assert_eq!(error["extensions"], json!({"code": "QUERY_TOO_LARGE", "retryable": false}));
    assert!(error["message"].as_str().unwrap().contains("16777216 bytes"), "{error}");
    assert!(size(&reply) < MAX + ERRORS, "{}", size(&reply));
    assert_eq!(gateway.sent().len(), 1);

    let reply = gateway.graphql(&nodes(&aliases(10, "payload")), a_thousand_times()).await;
    assert_eq!(too_large(&reply), 10_000 - 14);
    assert!(size(&reply) < MAX + ERRORS + 200_000, "{}", size(&reply));
}

#[tokio::test]
async fn aliases_of_a_page_share_one_response_limit() {
    let gateway = Gateway::start().await;
    let payload = "A".repeat(MIB);
    let rows: Vec<Value> = (0..11).map(|row| json!({"id": format!("c{row}"), "payload": payload})).collect();
    let fault = format!("canned;text={}", json!({ "value": rows }));
    gateway.sandbox.inject(fault.parse().unwrap());
    let page = |fields: &str| {
        format!("{{ iosLobAppProvisioningConfigurations(first: 11) {{ nodes {{ id {fields} }} }} }}")
    };
    let reply = gateway.graphql(&page(&aliases(30, "payload")), json!({})).await;
    let rows = reply.json["data"]["iosLobAppProvisioningConfigurations"]["nodes"].as_array().unwrap();
    assert_eq!(rows.len(), 11);
    assert!(rows.iter().all(|row| row["id"].is_string()));
    assert_eq!(too_large(&reply), 330 - 14);
    assert!(size(&reply) < MAX + ERRORS, "{}", size(&reply));
    // Each once is well within it.
    gateway.graphql(&page("payload"), json!({})).await.data();
}

#[tokio::test]
async fn the_response_limit_is_a_setting() {
    for (max, given) in [(10_000, 0), (30_000, 1), (45_000, 2)] {
        let gateway = Gateway::builder().api(|api| api.max_response = max).start().await;
        payload_of(&gateway, 20_000);
        let query = "{ a: iosLobAppProvisioningConfiguration(id: \"x\") { payload } \
                       b: iosLobAppProvisioningConfiguration(id: \"x\") { payload } }";
        let reply = gateway.graphql(query, json!({})).await;
        let data = &reply.json["data"];
        let there = [&data["a"]["payload"], &data["b"]["payload"]].iter().filter(|p| p.is_string()).count();
        assert_eq!(there, given, "{max}");
    }
}

#[tokio::test]
async fn long_response_keys_count_toward_the_response_limit() {
    let gateway = Gateway::builder()
        .sandbox(msgraph_sandbox::Settings {
            configurations: 1,
            statuses: 1000,
            ..msgraph_sandbox::Settings::default()
        })
        .api(|api| api.max_response = 8 * MIB)
        .start()
        .await;
    let fields: String = (0..30).map(|index| format!("{}{index}: platform ", "a".repeat(250))).collect();
    let query = format!(
        "{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{
            version deviceStatuses(first: 1000) {{ nodes {{ {fields} }} }} }} }}"
    );
    let reply = gateway.graphql(&query, json!({})).await;
    let configuration = &reply.json["data"]["iosLobAppProvisioningConfiguration"];
    // A row is not nullable, so the list is null. Its siblings remain.
    assert_eq!(
        (&configuration["deviceStatuses"], configuration["version"].is_number()),
        (&Value::Null, true)
    );
    assert_eq!(too_large(&reply), 1);
}

#[tokio::test]
async fn fields_that_wait_for_one_read_share_the_response_limit() {
    let gateway = Gateway::start().await;
    let rows: Vec<Value> = (0..1000).map(|row| json!({"id": format!("row-{row}")})).collect();
    gateway
        .sandbox
        .inject(format!("canned;text={};path=deviceStatuses", json!({ "value": rows })).parse().unwrap());
    // With another key than the requested one, so the rows' configuration was not read.
    gateway.sandbox.inject(format!("canned;text={}", json!({"id": "c", "version": 3})).parse().unwrap());
    let fields = aliases(30, "configuration { version }");
    let query = format!(
        "{{ iosLobAppProvisioningConfiguration(id: \"x\") {{ deviceStatuses(first: 1000) {{ nodes {{ graphId {fields} }} }} }} }}"
    );
    let reply = gateway.graphql(&query, json!({})).await;
    let rows = reply.json["data"]["iosLobAppProvisioningConfiguration"]["deviceStatuses"]["nodes"].as_array();
    let rows = rows.unwrap_or_else(|| panic!("{}", reply.json["errors"][0]));
    assert_eq!(rows.len(), 1000);
    let there = |row: &Value| row.as_object().unwrap().values().filter(|value| value.is_object()).count();
    let given: usize = rows.iter().map(there).sum();
    assert!((1000..10_000).contains(&given), "{given}");
    assert_eq!(rows[0]["a29"], json!({"version": 3}));
    assert_eq!(too_large(&reply), 30_000 - given);
    assert_eq!(gateway.sent().len(), 3, "each is read once");
}

#[tokio::test]
async fn a_full_page_is_well_within_the_response_limit() {
    let gateway = Gateway::builder()
        .sandbox(msgraph_sandbox::Settings {
            configurations: 1,
            statuses: 1000,
            ..msgraph_sandbox::Settings::default()
        })
        .api(|api| api.max_response = 4 * MIB)
        .start()
        .await;
    let query = format!(
        "{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ deviceStatuses(first: 1000) {{
            edges {{ cursor node {{ __typename id graphId deviceDisplayName userName deviceModel platform
              complianceGracePeriodExpirationDateTime status lastReportedDateTime userPrincipalName }} }} }} }} }}"
    );
    let reply = gateway.graphql(&query, json!({})).await;
    let edges = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"]["edges"];
    assert_eq!(edges.as_array().unwrap().len(), 1000);
}

#[tokio::test]
async fn ids_of_written_objects_are_returned_beyond_the_response_limit() {
    let gateway = Gateway::builder().api(|api| api.max_response = 1).start().await;
    let mut one = input(device_status());
    one["input"]["clientMutationId"] = json!("m");
    let reply = gateway.graphql(MUTATION, one).await;
    let added = &reply.json["data"]["addDeviceStatus"];
    let id = &added["deviceStatusId"];
    assert!(id.is_string(), "{added}");
    assert_eq!((&added["deviceStatus"]["id"], &added["deviceStatusEdge"]["node"]["id"]), (id, id));
    assert_eq!((&added["replayed"], &added["clientMutationId"]), (&json!(false), &Value::Null));
    assert_eq!(added["deviceStatus"]["userName"], Value::Null);
    assert!(too_large(&reply) > 5);
    let errors = reply.json["errors"].as_array().unwrap();
    assert!(errors.iter().all(|error| error["extensions"]["retryable"] == false));

    let bulk = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
        createdCount results { index a: deviceStatusId b: deviceStatusId deviceStatus { graphId userName } error { code } } } }";
    let statuses = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(100)});
    let reply = gateway.graphql(bulk, json!({ "input": statuses })).await;
    let payload = &reply.json["data"]["addDeviceStatuses"];
    let results = payload["results"].as_array().unwrap();
    assert_eq!((&payload["createdCount"], results.len()), (&json!(100), 100));
    for (index, result) in results.iter().enumerate() {
        assert!(
            result["a"].is_string() && result["a"] == result["b"] && result["index"] == index,
            "{result}"
        );
        assert!(result["deviceStatus"]["graphId"].is_string(), "{result}");
    }

    let delete =
        "mutation($id: ID!) { deleteDeviceStatus(input: {id: $id}) { deletedId configuration { id } } }";
    let reply = gateway.graphql(delete, json!({ "id": id })).await;
    assert_eq!(reply.json["data"]["deleteDeviceStatus"], json!({"deletedId": id, "configuration": null}));
}

#[tokio::test]
async fn outcomes_of_failed_writes_are_returned_beyond_the_response_limit() {
    let gateway = Gateway::builder().api(|api| api.max_response = 1).start().await;
    gateway.sandbox.inject("403;method=POST;path=$batch".parse().unwrap());
    let bulk = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
        failedCount results { deviceStatusId error { code message outcome retryable graph { status } } } } }";
    let statuses = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(40)});
    let reply = gateway.graphql(bulk, json!({ "input": statuses })).await;
    let payload = &reply.data()["addDeviceStatuses"];
    assert_eq!(payload["failedCount"], 40);
    for result in payload["results"].as_array().unwrap() {
        let error = &result["error"];
        assert_eq!(
            (&error["code"], &error["outcome"]),
            (&json!("FORBIDDEN"), &json!("REJECTED")),
            "{result}"
        );
        assert_eq!(
            (&error["retryable"], &error["graph"]["status"]),
            (&json!(false), &json!(403)),
            "{result}"
        );
        assert!(error["message"].is_string());
    }
}

#[tokio::test]
async fn errors_are_limited_and_the_last_counts_the_omitted_ones() {
    let gateway = Gateway::start().await;
    for token in [None, Some(TOKEN)] {
        let ids = json!({"ids": vec!["a"; 1000]});
        let reply = gateway.graphql_as(token, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids).await;
        assert_eq!(reply.json["data"]["nodes"], json!(vec![Value::Null; 1000]));
        let (codes, omitted) = codes(&reply);
        let listed = codes["BAD_USER_INPUT"];
        assert!(listed > 200 && listed + omitted == 1000, "{listed} {omitted}");
        assert!(size(&reply) < ERRORS, "{}", size(&reply));
        let last = reply.json["errors"].as_array().unwrap().last().unwrap();
        let message = format!(
            "{omitted} further errors are not listed: the errors of a response are limited to 65536 bytes."
        );
        assert_eq!(last["message"], message);
        assert_eq!(last["extensions"], json!({"code": "QUERY_TOO_LARGE", "retryable": false}));
        assert_eq!(last.get("path"), None);
    }
}

#[tokio::test]
async fn the_outcome_of_a_write_is_listed_despite_many_other_errors() {
    let gateway = Gateway::start().await;
    let refused = format!("403;method=GET;path={DEMO_CONFIGURATION_ID}");
    gateway.sandbox.inject(refused.parse().unwrap());
    let query = format!(
        "mutation($input: AddDeviceStatusesInput!) {{
            addDeviceStatuses(input: $input) {{ results {{ deviceStatusId deviceStatus {{ {} }} }} }}
            bad: deleteDeviceStatus(input: {{id: \"x\"}}) {{ deletedId }} }}",
        aliases(20, "configuration { displayName }")
    );
    let statuses = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(60)});
    let reply = gateway.graphql(&query, json!({ "input": statuses })).await;
    let results = reply.json["data"]["addDeviceStatuses"]["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["deviceStatusId"].is_string()));
    let (codes, omitted) = codes(&reply);
    assert_eq!(codes["FORBIDDEN"] + omitted, 1200);
    assert!(omitted > 0 && size(&reply) < 2 * ERRORS + 60 * 800, "{}", size(&reply));
    let of_write: Vec<&Value> = reply.json["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|error| error["path"] == json!(["bad"]))
        .collect();
    assert_eq!(of_write.len(), 1);
    assert_eq!(of_write[0]["extensions"]["outcome"], "NOT_SENT");
}

#[tokio::test]
async fn each_event_has_its_own_response_limit() {
    let gateway = Gateway::builder().api(|api| api.max_response = 2000).start().await;
    let query = format!(
        "subscription($id: ID!) {{ deviceStatusAdded(configurationId: $id) {{ deviceStatusId
            deviceStatus {{ id userName configuration {{ {} }} }} }} }}",
        aliases(20, "__typename")
    );
    let add = "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }";
    let id = json!({"id": DEMO_CONFIGURATION_ID});
    let mut events = subscribe_with(&gateway, &fresh_token(), &query, id).await;
    for _ in 0..3 {
        let reply = gateway.graphql(add, input(device_status())).await;
        let added = reply.data()["addDeviceStatus"]["deviceStatusId"].clone();
        let event = events.answer().await;
        let status = &event["data"]["deviceStatusAdded"];
        assert_eq!((&status["deviceStatusId"], &status["deviceStatus"]["id"]), (&added, &added), "{event}");
        assert_eq!(status["deviceStatus"]["userName"], "User Name value", "{event}");
        assert_eq!(status["deviceStatus"]["configuration"], Value::Null, "{event}");
        assert_eq!(event["errors"][0]["extensions"]["code"], "QUERY_TOO_LARGE", "{event}");
    }
}

#[tokio::test]
async fn a_response_key_has_at_most_256_bytes() {
    let gateway = Gateway::start().await;
    let documents = [
        "{ KEY: __typename }",
        "{ __schema { types { fields { KEY: name } } } }",
        "mutation { deleteDeviceStatus(input: {id: \"x\"}) { ...F } } fragment F on DeleteDeviceStatusPayload { KEY: deletedId }",
    ];
    for document in documents {
        let ask = async |length| {
            let document = document.replace("KEY", &"a".repeat(length));
            gateway.graphql(&document, json!({})).await.json
        };
        let reply = ask(257).await;
        assert_eq!(reply.get("data"), None, "{document}");
        assert_eq!(reply["errors"][0]["extensions"]["code"], "QUERY_TOO_LARGE", "{document}");
        assert_eq!(reply["errors"][0]["message"], "An alias is longer than 256 bytes.", "{document}");
        assert!(ask(256).await.get("data").is_some(), "{document}");
    }
    assert_eq!(gateway.sent().len(), 0);
}
