//! Hostile documents are rejected with short errors before anything is sent to Graph.

use http::StatusCode;
use serde_json::json;

use crate::add_device_status::{device_status, input};
use crate::harness::{Gateway, Reply, TOKEN};

pub(crate) async fn post(gateway: &Gateway, body: String) -> Reply {
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .bearer_auth(TOKEN);
    Reply::read(request.body(body).send().await.unwrap()).await
}

async fn query(gateway: &Gateway, query: &str) -> Reply {
    post(gateway, json!({"query": query}).to_string()).await
}

/// The process lives and serves.
pub(crate) async fn assert_serving(gateway: &Gateway) {
    query(gateway, "{ __typename }").await.data();
}

/// Rejected with few and short messages, and without a call to Graph.
async fn assert_rejected(gateway: &Gateway, document: &str, code: &str) {
    let reply = query(gateway, document).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let errors = reply.json["errors"].as_array().unwrap();
    assert!(errors.len() <= 10, "{}", errors.len());
    assert!(errors.iter().all(|error| error["extensions"]["code"] == code), "{code}: {errors:?}");
    assert!(reply.json.to_string().len() < 4096);
    assert!(gateway.sent().is_empty());
    assert_serving(gateway).await;
}

#[tokio::test]
async fn deeply_nested_values_and_selections_are_rejected() {
    let gateway = Gateway::start().await;
    for depth in [65, 2000, 7000] {
        let lists = format!("{{node(id:{}{}){{id}}}}", "[".repeat(depth), "]".repeat(depth));
        assert_rejected(&gateway, &lists, "QUERY_TOO_LARGE").await;
        let objects = format!("{{node(id:{}1{}){{id}}}}", "{a:".repeat(depth), "}".repeat(depth));
        assert_rejected(&gateway, &objects, "QUERY_TOO_LARGE").await;
        let selections = format!("{}a{}", "{a:".repeat(depth), "}".repeat(depth));
        assert_rejected(&gateway, &selections, "GRAPHQL_PARSE_FAILED").await;
        let selections = format!("{}{}", "{a".repeat(depth), "}".repeat(depth));
        assert_rejected(&gateway, &selections, "QUERY_TOO_LARGE").await;
    }
    // A document of 1 MB is refused by its length.
    let gateway = Gateway::builder().settings(|settings| settings.max_request_body = 4 << 20).start().await;
    assert_rejected(&gateway, &"{a".repeat(500_000), "QUERY_TOO_LARGE").await;
}

#[tokio::test]
async fn exponentially_growing_fragments_are_rejected_without_expansion() {
    let gateway = Gateway::start().await;
    // Walking 2^190 selections would never end, so a response shows that the gateway did not.
    for levels in [22, 190] {
        let mut doubling = "query{node(id:\"ig~1.c.YQ\"){...F0}}".to_owned();
        for level in 0..levels {
            doubling += &format!("fragment F{level} on Node{{...F{0} ...F{0}}}", level + 1);
        }
        doubling += &format!("fragment F{levels} on Node{{id}}");
        assert_rejected(&gateway, &doubling, "QUERY_TOO_LARGE").await;
    }
    let mut wide = "query{node(id:\"ig~1.c.YQ\"){...F0}}".to_owned();
    for level in 0..7 {
        let spreads: String = (0..10).map(|alias| format!("a{alias}:id ...F{} ", level + 1)).collect();
        wide += &format!("fragment F{level} on Node{{{spreads}}}");
    }
    wide += "fragment F7 on Node{id}";
    assert_rejected(&gateway, &wide, "QUERY_TOO_LARGE").await;
    let cyclic = "query{node(id:\"x\"){...F}} fragment F on Node{id ...F}";
    assert_rejected(&gateway, cyclic, "GRAPHQL_VALIDATION_FAILED").await;
    let unused = "query A{__typename} query B{node(id:\"x\"){...F}} fragment F on Node{...F}";
    assert_rejected(&gateway, unused, "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn thousands_of_directives_have_a_short_error() {
    let gateway = Gateway::start().await;
    for directives in ["@a".repeat(5000), "@skip(if:false)".repeat(1000)] {
        assert_rejected(&gateway, &format!("{{__typename {directives}}}"), "QUERY_TOO_LARGE").await;
        assert_rejected(&gateway, &format!("{{...{directives}{{__typename}}}}"), "QUERY_TOO_LARGE").await;
        assert_rejected(&gateway, &format!("query {directives}{{__typename}}"), "QUERY_TOO_LARGE").await;
    }
    assert_rejected(&gateway, &format!("{{__typename {}}}", "@a".repeat(20)), "GRAPHQL_VALIDATION_FAILED")
        .await;
}

#[tokio::test]
async fn two_hundred_aliased_writes_are_rejected() {
    let gateway = Gateway::start().await;
    let fields: String = (0..130)
        .map(|index| format!("a{index}:deleteDeviceStatus(input:{{id:\"x\"}}){{deletedId}} "))
        .collect();
    assert_rejected(&gateway, &format!("mutation{{{fields}}}"), "QUERY_TOO_LARGE").await;
    let fields: String =
        (0..60).map(|index| format!("a{index}:addDeviceStatus(input:$i){{replayed}} ")).collect();
    assert_rejected(&gateway, &format!("mutation($i:AddDeviceStatusInput!){{{fields}}}"), "BAD_USER_INPUT")
        .await;
    let body = json!({"query": format!("mutation($i:AddDeviceStatusInput!){{{fields}}}"),
        "variables": {"i": input(device_status())["input"]}});
    assert_eq!(post(&gateway, body.to_string()).await.code(), "QUERY_TOO_LARGE");
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn no_error_reveals_the_schema_if_introspection_is_off() {
    let gateway = Gateway::builder().api(|api| api.introspection = false).start().await;
    for document in [
        "{__schema{types{name}}}",
        "{a:__type(name:\"Query\"){name}}",
        "{...F} fragment F on Query{__schema{types{name}}}",
    ] {
        assert_rejected(&gateway, document, "INTROSPECTION_DISABLED").await;
    }
    // Each is one letter away from something that there is.
    let list = "iosLobAppProvisioningConfigurations";
    let patch = "mutation($p: DeviceStatusPatch!) {
        updateDeviceStatus(input: {id: \"x\", deviceStatus: $p}) { clientMutationId } }";
    for (document, variables) in [
        ("{ nod }".to_owned(), json!({})),
        (format!("{{ {list}(frst: 1) {{ totalCount }} }}"), json!({})),
        (format!("{{ {list}(first: 1) {{ totalCont }} }}"), json!({})),
        (format!("{{ {list}(first: 1) {{ totalCount @skp(if: true) }} }}"), json!({})),
        ("query($p: DeviceStatusPtch) { __typename }".to_owned(), json!({})),
        ("{ ... on Qury { __typename } }".to_owned(), json!({})),
        (patch.replace("$p}", "{platfrm: 1}}").replace("($p: DeviceStatusPatch!)", ""), json!({})),
        (patch.replace("$p}", "{status: COMPLIAN}}").replace("($p: DeviceStatusPatch!)", ""), json!({})),
        (patch.to_owned(), json!({"p": {"platfrm": 1}})),
        (patch.to_owned(), json!({"p": {"status": "COMPLIAN"}})),
        (patch.to_owned(), json!({"p": {"status": 1}})),
        (patch.to_owned(), json!({"p": [1]})),
    ] {
        let reply = gateway.graphql(&document, variables).await;
        let said = reply.error()["message"].as_str().unwrap().to_owned();
        assert!(["GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"].contains(&reply.code()), "{said}");
        for untold in
            ["mean", "`node`", "`first`", "`totalCount`", "skip", "platform", "COMPLIANT", "userName"]
        {
            assert!(!said.contains(untold) || document.contains(untold), "{document}: {said}");
        }
    }
}

#[tokio::test]
async fn the_number_of_validation_errors_is_limited_to_ten() {
    let gateway = Gateway::start().await;
    let fields: String = (0..900).map(|index| format!("f{index} ")).collect();
    assert_rejected(&gateway, &format!("{{{fields}}}"), "GRAPHQL_VALIDATION_FAILED").await;
}
