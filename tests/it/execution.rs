//! Rules of execution in the GraphQL specification that the library does not implement.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::add_device_status::{device_status, input};
use crate::harness::Gateway;

#[tokio::test]
async fn a_mutation_selected_twice_is_one_post() {
    let gateway = Gateway::start().await;
    let fields = "fragment F on Mutation { addDeviceStatus(input: $input) { deviceStatus { userName } } }";
    for query in [
        "mutation($input: AddDeviceStatusInput!) {
            addDeviceStatus(input: $input) { deviceStatusId }
            addDeviceStatus(input: $input) { deviceStatus { userName } } }",
        "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } ...F } FIELDS",
        "mutation($input: AddDeviceStatusInput!) { ...F ... on Mutation { addDeviceStatus(input: $input) { deviceStatusId } } } FIELDS",
        "mutation($input: AddDeviceStatusInput!, $no: Boolean = false) { ...F ... @include(if: true) {
            addDeviceStatus(input: $input) { deviceStatusId @skip(if: $no) } } } FIELDS",
    ] {
        gateway.clear_requests();
        let reply = gateway.graphql(&query.replace("FIELDS", fields), input(device_status())).await;
        let payload = &reply.data()["addDeviceStatus"];
        assert!(payload["deviceStatusId"].is_string(), "{query}");
        assert_eq!(payload["deviceStatus"], json!({"userName": "User Name value"}), "{query}");
        assert_eq!(gateway.post_count(), 1, "{query}");
    }
}

#[tokio::test]
async fn descriptions_in_a_document_do_not_change_its_execution() {
    let gateway = Gateway::start().await;
    let query = r#"
        """
        Adds a status, and reads some of it.
        """
        mutation Add("What to \u{1F4DD} add." $input: AddDeviceStatusInput!, """A block string.""" $no: Boolean = false) {
            addDeviceStatus(input: $input) { deviceStatus { ...F } deviceStatusId @include(if: $no) }
        }
        "What is read of it." fragment F on DeviceStatus { userName }
    "#;
    let reply = gateway.graphql(query, input(device_status())).await;
    let expected = json!({"addDeviceStatus": {"deviceStatus": {"userName": "User Name value"}}});
    assert_eq!(reply.data(), &expected);
    let query = r#""A subscription, which is only for streams." subscription { deviceStatusAdded(configurationId: "x") { deviceStatusId } }"#;
    assert_ne!(gateway.graphql(query, json!({})).await.code(), "GRAPHQL_PARSE_FAILED");
    for (query, column) in [("\"d\" { __typename }", 5), ("{ \"d\" __typename }", 3)] {
        let reply = gateway.graphql(query, json!({})).await;
        assert_eq!(reply.code(), "GRAPHQL_PARSE_FAILED", "{query}");
        assert_eq!(reply.error()["locations"], json!([{"line": 1, "column": column}]), "{query}");
    }
}

#[tokio::test]
async fn aliased_writes_are_separate_and_in_selection_order() {
    let gateway = Gateway::start().await;
    let query = "mutation($a: AddDeviceStatusInput!, $b: AddDeviceStatusInput!, $c: AddDeviceStatusInput!) {
        z: addDeviceStatus(input: $a) { deviceStatus { userName } }
        y: addDeviceStatus(input: $b) { deviceStatus { userName } }
        x: addDeviceStatus(input: $c) { deviceStatus { userName } } }";
    let variable = |name: &str| {
        let mut status = device_status();
        status["userName"] = json!(name);
        input(status)["input"].clone()
    };
    let reply =
        gateway.graphql(query, json!({"a": variable("1"), "b": variable("2"), "c": variable("3")})).await;
    let keys: Vec<&String> = reply.data().as_object().unwrap().keys().collect();
    assert_eq!(keys, ["z", "y", "x"]);
    let names: Vec<Value> = gateway
        .sent()
        .iter()
        .map(|sent| serde_json::from_slice::<Value>(&sent.body).unwrap()["userName"].clone())
        .collect();
    assert_eq!(names, ["1", "2", "3"]);
}

#[tokio::test]
async fn a_skipped_field_is_not_executed() {
    let gateway = Gateway::start().await;
    let query = "mutation($input: AddDeviceStatusInput!, $add: Boolean!) {
        __typename addDeviceStatus(input: $input) @include(if: $add) { deviceStatusId } }";
    let mut variables = input(device_status());
    variables["add"] = json!(false);
    let reply = gateway.graphql(query, variables).await;
    assert_eq!(reply.data(), &json!({"__typename": "Mutation"}));
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn an_invalid_variable_of_the_second_field_sends_nothing() {
    let gateway = Gateway::start().await;
    let query = "mutation($a: AddDeviceStatusInput!, $b: AddDeviceStatusInput!) {
        a: addDeviceStatus(input: $a) { deviceStatusId }
        b: addDeviceStatus(input: $b) { deviceStatusId } }";
    let good = input(device_status())["input"].clone();
    let mut bad = good.clone();
    bad["deviceStatus"].as_object_mut().unwrap().remove("platform");
    for b in [None, Some(Value::Null), Some(bad), Some(json!("text")), Some(json!({}))] {
        let mut variables = json!({"a": good});
        if let Some(b) = b {
            variables["b"] = b;
        }
        let reply = gateway.graphql(query, variables.clone()).await;
        assert!(reply.json.get("data").is_none(), "{:?}", reply.json);
        for error in reply.json["errors"].as_array().unwrap() {
            assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{variables}");
            assert!(error["message"].as_str().unwrap().contains("$b"), "{error}");
        }
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn an_invalid_literal_of_the_second_field_sends_nothing() {
    let gateway = Gateway::start().await;
    for second in [
        "b: addDeviceStatus(input: {}) { deviceStatusId }",
        "b: addDeviceStatus { deviceStatusId }",
        "b: addDeviceStatus(input: 7) { deviceStatusId }",
        "b: addDeviceStatus(input: $missing) { deviceStatusId }",
        "b: addDeviceStatus(input: $text) { deviceStatusId }",
        "b: addDeviceStatus(input: $input) { nothing }",
        "b: nothing",
        "a: __typename",
    ] {
        let query = format!(
            "mutation($input: AddDeviceStatusInput!, $text: String) {{
                a: addDeviceStatus(input: $input) {{ deviceStatusId }} {second} }}"
        );
        let reply = gateway.graphql(&query, input(device_status())).await;
        assert!(reply.json.get("data").is_none(), "{second}: {:?}", reply.json);
        for error in reply.json["errors"].as_array().unwrap() {
            assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{second}");
        }
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn a_failed_mutation_leaves_the_others_intact() {
    let gateway = Gateway::start().await;
    let query = "mutation($good: AddDeviceStatusInput!, $bad: AddDeviceStatusInput!) {
        a: addDeviceStatus(input: $good) { deviceStatus { userName } }
        b: addDeviceStatus(input: $bad) { deviceStatusId }
        c: addDeviceStatus(input: $good) { deviceStatus { userName } } }";
    let good = input(device_status())["input"].clone();
    let mut bad = good.clone();
    bad["configurationId"] = json!("nobody");
    let reply = gateway.graphql(query, json!({"good": good, "bad": bad})).await;
    let done = json!({"deviceStatus": {"userName": "User Name value"}});
    assert_eq!(reply.json["data"], json!({"a": done, "b": null, "c": done}));
    assert_eq!(reply.code(), "NOT_FOUND");
    assert_eq!(reply.error()["path"], json!(["b"]));
    assert_eq!(gateway.post_count(), 3);
}

#[tokio::test]
async fn a_field_selected_twice_is_one_read_and_fields_keep_their_order() {
    let gateway = Gateway::start().await;
    let query = "query($id: ID!) {
        iosLobAppProvisioningConfiguration(id: $id) { version ...F }
        iosLobAppProvisioningConfiguration(id: $id) { graphId displayName } }
        fragment F on Node { id ... on IosLobAppProvisioningConfiguration { graphId } }";
    let reply = gateway.graphql(query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    let configuration = reply.data()["iosLobAppProvisioningConfiguration"].as_object().unwrap();
    assert_eq!(configuration.keys().collect::<Vec<_>>(), ["version", "id", "graphId", "displayName"]);
    assert_eq!(gateway.sent().len(), 1);
}

#[tokio::test]
async fn the_operation_is_chosen_by_name() {
    let gateway = Gateway::start().await;
    let query = "query A { a: __typename } query B { b: __typename }";
    let send = async |name: Value| {
        let body = json!({"query": query, "operationName": name}).to_string();
        let request = gateway.post().header("content-type", "application/json").body(body);
        crate::harness::Reply::read(request.send().await.unwrap()).await
    };
    assert_eq!(send(json!("B")).await.data(), &json!({"b": "Query"}));
    for wrong in [json!(null), json!("C")] {
        let reply = send(wrong).await;
        assert!(reply.json.get("data").is_none());
    }
}

#[tokio::test]
async fn hostile_documents_are_rejected_and_the_process_survives() {
    let gateway = Gateway::start().await;
    let nested = format!("{{ node(id: {}{}) {{ id }} }}", "[".repeat(2000), "]".repeat(2000));
    let objects = format!("{{ node(id: {}1{}) {{ id }} }}", "{a:".repeat(2000), "}".repeat(2000));
    let selections = format!("{}a{}", "{a".repeat(4000), "}".repeat(4000));
    let mut doubling = "{ node(id: \"x\") { ...F0 } }".to_owned();
    for level in 0..22 {
        doubling += &format!(" fragment F{level} on Node {{ ...F{0} ...F{0} }}", level + 1);
    }
    doubling += " fragment F22 on Node { id }";
    let cycle = "{ node(id: \"x\") { ...F } } fragment F on Node { ...F }".to_owned();
    for query in
        [nested, objects, selections, doubling, cycle, "{".repeat(50_000), String::new(), "\u{0}".to_owned()]
    {
        let reply = gateway.graphql(&query, json!({})).await;
        assert!(!reply.json["errors"].as_array().unwrap().is_empty());
    }
    assert!(gateway.sent().len() <= 1, "the doubling asks for one node at most");
    gateway.graphql("{ __typename }", json!({})).await.data();
}
