//! Rows that a service's collation may match are returned; certain misses are withheld.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::harness::Gateway;

const LIST: &str =
    "query($id: ID!, $filter: DeviceStatusFilter) { iosLobAppProvisioningConfiguration(id: $id) {
    deviceStatuses(filter: $filter) { totalCount nodes { userName } } } }";

/// The names of the remaining rows of a filtered list from Graph.
async fn left(gateway: &Gateway, filter: Value) -> Value {
    let reply = gateway.graphql(LIST, json!({"id": DEMO_CONFIGURATION_ID, "filter": filter})).await;
    let list = &reply.data()["iosLobAppProvisioningConfiguration"]["deviceStatuses"];
    json!(list["nodes"].as_array().unwrap().iter().map(|node| &node["userName"]).collect::<Vec<_>>())
}

/// A Graph that responds to every filter with rows of these names.
async fn answering(names: &[Value]) -> Gateway {
    let gateway = Gateway::start().await;
    let rows = names.iter().enumerate().map(|(row, name)| json!({"id": format!("r{row}"), "userName": name}));
    let body = json!({"value": rows.collect::<Vec<_>>()});
    gateway.sandbox.inject(format!("canned;text={body};path=/deviceStatuses").parse().unwrap());
    gateway
}

#[tokio::test]
async fn rows_that_a_collation_may_match_are_returned() {
    let names = [
        "Müller",
        "Mu\u{308}ller",
        "MULLER",
        "muller  ",
        "Ｍüller",
        "Mu\u{ad}ller",
        "M\u{200b}üller",
        "Mueller",
        "Maier",
        "",
        "müller",
    ]
    .map(Value::from);
    let gateway = answering(&[&names[..], &[Value::Null]].concat()).await;
    let all_but = |missing: &[&str]| {
        json!(names.iter().filter(|name| !missing.contains(&name.as_str().unwrap())).collect::<Vec<_>>())
    };
    for (filter, expected) in [
        (json!({"userName": {"eq": "müller"}}), all_but(&["Maier", ""])),
        (json!({"userName": {"startsWith": "mu"}}), all_but(&["Maier", ""])),
        (json!({"userName": {"contains": "ULL"}}), all_but(&["Mueller", "Maier", ""])),
        (json!({"userName": {"in": ["MÜLLER ", "maier"]}}), all_but(&[""])),
        (
            json!({"and": [{"userName": {"startsWith": "m"}}, {"userName": {"ne": "Maier"}}]}),
            all_but(&["Maier", ""]),
        ),
    ] {
        assert_eq!(left(&gateway, filter.clone()).await, expected, "{filter}");
    }
    // For the negation, too, only certain misses are withheld: the identical text.
    let not = left(&gateway, json!({"userName": {"ne": "müller"}})).await;
    assert_eq!(not, json!([&names[..10], &[Value::Null]].concat()));
    let not = left(&gateway, json!({"not": {"userName": {"startsWith": "Ma"}}})).await;
    let given: Vec<&Value> = names.iter().filter(|name| *name != "Maier").chain([&Value::Null]).collect();
    assert_eq!(not, json!(given));
}

#[tokio::test]
async fn empty_text_and_null_are_not_distinguished() {
    let gateway = answering(&[json!(""), Value::Null, json!("a")]).await;
    for filter in [json!({"eq": ""}), json!({"eq": null})] {
        let left = left(&gateway, json!({"userName": filter.clone()})).await;
        assert_eq!(left, json!(["", null]), "{filter}");
    }
}
