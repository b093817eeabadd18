//! Forged cursors and ids, and those of another list or type.

use std::fmt::Write as _;

use graphql_prepare::Limits;
use intune_graphql::schema::CursorKey;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::graph_requests::{request_shapes, requests_of_shape};
use crate::harness::{Gateway, Reply};
use crate::pagination::{Listed, ids, list};

/// Field names of a request that names many things at once.
const AT_ONCE: usize = 100;

/// Texts derived from one that the gateway returned: changed, cut, extended, swapped with another,
/// or invented.
fn forged(real: Vec<String>) -> impl Strategy<Value = String> {
    let one = proptest::sample::select(real.clone());
    let other = proptest::sample::select(real);
    let made_up =
        prop_oneof!["[A-Za-z0-9_-]{0,300}", "\\PC{0,40}", "ig~[0-9]\\.[a-z]\\.[A-Za-z0-9_.-]{0,40}"];
    (one, other, made_up, 0_usize..400, 0_usize..6, any::<char>()).prop_map(
        |(one, other, made_up, at, way, letter)| {
            let at = at % one.len().max(1);
            let (head, tail) = one.split_at(at);
            match way {
                0 => head.to_owned(),
                1 => tail.to_owned(),
                2 => format!("{head}{}", &other[at.min(other.len())..]),
                3 => format!("{head}{letter}{}", tail.get(1..).unwrap_or_default()),
                4 => format!("{one}{letter}"),
                _ => made_up,
            }
        },
    )
}

/// So many forged texts, none of which is real.
fn forgeries(real: &[String], count: usize) -> Vec<String> {
    let strategy = forged(real.to_vec());
    let mut runner = TestRunner::deterministic();
    let texts = std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current());
    texts.filter(|text| !real.contains(text)).take(count).collect()
}

/// A gateway that takes requests of more fields than the default allows, so that few requests try many texts.
async fn of_many_fields() -> Gateway {
    let limits = Limits { tokens: 100_000, aliases: 1000, root_fields: 1000, ..Limits::default() };
    Gateway::builder().api(|api| api.limits = limits).start().await
}

/// One request that puts a field to each of the texts.
async fn ask(gateway: &Gateway, texts: &[String], kind: &str, field: &str) -> Reply {
    let (mut declared, mut fields, mut variables) = (String::new(), String::new(), json!({}));
    for (index, text) in texts.iter().enumerate() {
        write!(declared, "$a{index}: {kind} ").unwrap();
        write!(fields, " f{index}: {}", field.replace("TEXT", &format!("$a{index}"))).unwrap();
        variables[format!("a{index}")] = json!(text);
    }
    gateway.graphql(&format!("query({declared}) {{{fields} }}"), variables).await
}

/// The codes of a response's errors, by the number of the field.
fn codes(reply: &Reply) -> Vec<(usize, String)> {
    let errors = reply.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let code = |error: &Value| {
        let field = error["path"][0].as_str().unwrap()[1..].parse().unwrap();
        (field, error["extensions"]["code"].as_str().unwrap().to_owned())
    };
    errors.iter().map(code).collect()
}

#[tokio::test]
async fn forged_cursors_are_bad_input_and_send_nothing_to_graph() {
    let gateway = of_many_fields().await;
    let mut real = Listed::read(&gateway, json!({"first": 20})).await.cursors;
    let query =
        "{ iosLobAppProvisioningConfigurations(first: 2) { edges { cursor } pageInfo { endCursor } } }";
    let reply = gateway.graphql(query, json!({})).await;
    let list = &reply.data()["iosLobAppProvisioningConfigurations"];
    real.extend(
        [&list["edges"][0]["cursor"], &list["pageInfo"]["endCursor"]].map(|v| v.as_str().unwrap().to_owned()),
    );
    gateway.clear_requests();
    // An empty one is the same as none.
    let forged: Vec<String> = forgeries(&real, 6000).into_iter().filter(|text| !text.is_empty()).collect();
    for texts in forged.chunks(AT_ONCE) {
        let field = "iosLobAppProvisioningConfigurations(after: TEXT) { totalCount }";
        let reply = ask(&gateway, texts, "String", field).await;
        let codes = codes(&reply);
        assert_eq!(codes.len(), texts.len(), "{:#}", reply.json);
        assert!(codes.iter().all(|(_, code)| code == "BAD_USER_INPUT"), "{codes:?}");
    }
    assert!(gateway.sent().is_empty(), "{:?}", request_shapes(&gateway));
}

#[tokio::test]
async fn forged_ids_are_bad_input_or_absent_objects() {
    let gateway = of_many_fields().await;
    let mut real = ids(&gateway, 20).await;
    real.push("ig~1.c.~4qI2MTYx4qIxNqLiMTai4g".to_owned());
    let mut refused = 0;
    for texts in forgeries(&real, 4000).chunks(AT_ONCE) {
        gateway.clear_requests();
        let reply = ask(&gateway, texts, "ID!", "node(id: TEXT) { id }").await;
        let codes = codes(&reply);
        assert!(codes.iter().all(|(_, code)| code == "BAD_USER_INPUT"), "{codes:?}");
        for (index, text) in texts.iter().enumerate() {
            let node = &reply.json["data"][format!("f{index}")];
            assert!(node.is_null() || node["id"] == json!(text), "{text} names {node}");
        }
        refused += codes.len();
        // A changed key is another key, and is only looked up in its own list.
        let request_shapes = request_shapes(&gateway).concat();
        let places =
            ["*", "*/deviceStatuses/*", "*/userStatuses/*", "*/assignments/*", "*/groupAssignments/*"];
        assert!(request_shapes.iter().all(|shape| places.contains(&shape.as_str())), "{request_shapes:?}");
        assert!(request_shapes.len() <= texts.len() - codes.len());
    }
    assert!(refused > 2000, "{refused}");
}

#[tokio::test]
async fn a_cursor_of_another_list_filter_order_or_key_is_rejected() {
    let gateway = Gateway::start().await;
    let filter = json!({"platform": {"eq": 8}});
    let order = json!({"field": "PLATFORM"});
    let ordinary = json!({"first": 2});
    let filtered = json!({"first": 2, "filter": filter});
    let ordered = json!({"first": 2, "orderBy": order});
    let other = gateway.sandbox.configurations()[1]["id"].clone();
    let of_another = json!({"first": 2, "id": other});
    let kinds = [ordinary, filtered, ordered, of_another];
    for (from, origin) in kinds.iter().enumerate() {
        let cursor = Listed::read(&gateway, origin.clone()).await.cursors[0].clone();
        for (to, target) in kinds.iter().enumerate() {
            gateway.clear_requests();
            let mut arguments = target.clone();
            arguments["after"] = json!(cursor);
            let reply = list(&gateway, arguments).await;
            if from == to {
                assert_eq!(Listed::of(&reply).keys.len(), 2);
                continue;
            }
            assert_eq!(reply.code(), "BAD_USER_INPUT", "{from} {to}");
            assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses"), []);
        }
        // A filter that matches nothing has no cursors either.
        for nothing in [json!({"or": []}), json!({"platform": {"in": []}})] {
            let reply = list(&gateway, json!({"filter": nothing, "after": cursor})).await;
            assert_eq!(reply.code(), "BAD_USER_INPUT");
        }
        let query = "query($id: ID!, $after: String) { iosLobAppProvisioningConfiguration(id: $id) {
            userStatuses(after: $after) { nodes { id } } } }";
        let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID, "after": cursor})).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }

    let cursor = Listed::read(&gateway, kinds[0].clone()).await.cursors[0].clone();
    let of_key =
        |key: u8| Gateway::builder().api(move |api| api.cursor_key = CursorKey::new(&[key; 32]).unwrap());
    let replica = of_key(7).start().await;
    assert_eq!(Listed::read(&replica, json!({"first": 2, "after": cursor})).await.keys.len(), 2);
    let stranger = of_key(8).start().await;
    let reply = list(&stranger, json!({"first": 2, "after": cursor})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(requests_of_shape(&stranger, "*/deviceStatuses"), []);
}

#[tokio::test]
async fn the_cursor_of_a_mutations_edge_is_rejected() {
    let gateway = Gateway::start().await;
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    let cursor = reply.data()["addDeviceStatus"]["deviceStatusEdge"]["cursor"].clone();
    assert!(cursor.is_string());
    let reply = list(&gateway, json!({"after": cursor})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(requests_of_shape(&gateway, "*/deviceStatuses").len(), 1, "the create alone");
}

#[tokio::test]
async fn ids_of_the_wrong_type_or_parent_are_bad_input() {
    let gateway = Gateway::start().await;
    let status = ids(&gateway, 1).await.remove(0);
    let query = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { id } }";
    let reply = gateway.graphql(query, json!({"id": status})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert!(reply.error()["message"].as_str().unwrap().contains("DeviceStatus"));
    let query = "query($id: ID!, $status: ID!) {
        iosLobAppProvisioningConfiguration(id: $id) { deviceStatus(id: $status) { id } } }";
    let configuration = "ig~1.c.~4qI2MTYx4qIxNqLiMTai4g";
    let reply = gateway.graphql(query, json!({"id": configuration, "status": configuration})).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    // A status of another configuration is not one of this configuration.
    let other = gateway.sandbox.configurations()[1]["id"].clone();
    let reply = gateway.graphql(query, json!({"id": other, "status": status})).await;
    assert_eq!(reply.data()["iosLobAppProvisioningConfiguration"], json!({"deviceStatus": null}));
}
