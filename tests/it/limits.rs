//! What a document may ask for: each limit by its own request, refused before Graph is asked.

use intune_graphql::sandbox::DEMO_CONFIGURATION_ID;
use intune_graphql::schema::operation::Limits;
use serde_json::{Value, json};

use crate::harness::{Gateway, Reply};

async fn ask(gateway: &Gateway, query: &str) -> Reply {
    let reply = gateway.graphql(query, json!({})).await;
    assert!(reply.json.to_string().len() < 4096, "a short answer");
    reply
}

/// Refused for its size, by a message that names the limit, and Graph was not asked.
async fn refused(gateway: &Gateway, query: &str, limit: &str) {
    gateway.forget();
    let reply = ask(gateway, query).await;
    assert_eq!(reply.code(), "QUERY_TOO_LARGE", "{limit}");
    let message = reply.error()["message"].as_str().unwrap();
    assert!(message.contains(limit), "{message}");
    assert!(gateway.sent().is_empty());
}

fn node(alias: &str) -> String {
    format!("{alias} node(id: \"ig~1.c.YQ\") {{ id }} ")
}

fn add(alias: &str) -> String {
    format!("{alias} deleteDeviceStatus(input: {{id: \"x\"}}) {{ deletedId }} ")
}

#[tokio::test]
async fn each_limit_has_a_request_that_just_passes_and_one_that_does_not() {
    let gateway = Gateway::start().await;
    let padded = |bytes: usize| {
        let query = "{ __typename }";
        format!("{query}{}", " ".repeat(bytes - query.len()))
    };
    ask(&gateway, &padded(32 * 1024)).await.data();
    refused(&gateway, &padded(32 * 1024 + 1), "32768 bytes").await;

    // Three tokens around, and one for each selection, which merge into one field.
    let tokens = |count: usize| format!("{{ {} }}", "__typename ".repeat(count - 3));
    ask(&gateway, &tokens(2000)).await.data();
    refused(&gateway, &tokens(2002), "2000 tokens").await;

    let directives = |count: usize| format!("{{ {} }}", "__typename @skip(if: false) ".repeat(count));
    ask(&gateway, &directives(20)).await.data();
    refused(&gateway, &directives(21), "20 directives").await;

    let aliases = |count: usize| {
        let fields: String = (0..count).map(|index| format!("a{index}: __typename ")).collect();
        format!("{{ {} {{ {fields} }} }}", "node(id: \"ig~1.c.YQ\")")
    };
    ask(&gateway, &aliases(30)).await.data();
    refused(&gateway, &aliases(31), "aliases").await;

    let root_fields = |count: usize| -> String {
        let fields: String = (0..count).map(|index| node(&format!("a{index}:"))).collect();
        format!("{{ {fields} }}")
    };
    ask(&gateway, &root_fields(20)).await.data();
    refused(&gateway, &root_fields(21), "fields at its root").await;

    let root_mutations = |count: usize| -> String {
        let fields: String = (0..count).map(|index| add(&format!("a{index}:"))).collect();
        format!("mutation {{ {fields} }}")
    };
    let reply = gateway.graphql(&root_mutations(10), json!({})).await;
    assert_eq!(reply.json["errors"].as_array().unwrap().len(), 10, "each is executed");
    refused(&gateway, &root_mutations(11), "fields of a mutation").await;
    refused(&gateway, &root_mutations(130), "fields of a mutation").await;

    let deep = |depth: usize| {
        let opening = "nodes { configuration { deviceStatuses(first: 1) { ".repeat(depth / 3);
        let closing = "}".repeat(depth / 3 * 3);
        format!(
            "{{ iosLobAppProvisioningConfigurations(first: 1) {{ nodes {{ deviceStatuses(first: 1) {{ {opening} totalCount {closing} }} }} }} }}"
        )
    };
    ask(&gateway, &deep(6)).await.data();
    refused(&gateway, &deep(9), "deeper than 12").await;
}

#[tokio::test]
async fn cost_is_the_calls_that_lists_within_lists_can_cause() {
    let gateway = Gateway::start().await;
    let lists = "query($n: Int, $m: Int) { iosLobAppProvisioningConfigurations(first: $n) {
        nodes { deviceStatuses(first: $m) { nodes { id } } deviceStatusCounts { count } } } }";
    let ask = async |n: Value, m: Value| gateway.graphql(lists, json!({"n": n, "m": m})).await;
    ask(json!(199), json!(1)).await.data();
    gateway.forget();
    assert_eq!(ask(json!(200), json!(1)).await.code(), "QUERY_TOO_LARGE");
    assert_eq!(ask(json!(1000), json!(1000)).await.code(), "QUERY_TOO_LARGE");
    // Fifty where the caller does not say.
    assert!(gateway.sent().is_empty());
    ask(Value::Null, Value::Null).await.data();

    let ids: Vec<Value> = vec![json!(format!("ig~1.c.YQ")); 2001];
    let reply = gateway.graphql("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": ids})).await;
    assert_eq!(reply.code(), "QUERY_TOO_LARGE");
    assert!(reply.error()["message"].as_str().unwrap().contains("2000 calls"));
}

#[tokio::test]
async fn introspection_has_a_limit_of_its_own() {
    let gateway = Gateway::start().await;
    let of_type = "ofType { kind name ".repeat(12);
    let closing = "}".repeat(12);
    let query = format!("{{ __schema {{ types {{ fields {{ type {{ {of_type} {closing} }} }} }} }} }}");
    let reply = gateway.graphql(&query, json!({})).await;
    assert!(reply.data()["__schema"]["types"].is_array());
}

#[tokio::test]
async fn limits_are_settings() {
    let limits = Limits { aliases: 1, depth: 2, cost: 1, root_fields: 2, ..Limits::default() };
    let gateway = Gateway::builder().api(|api| api.limits = limits).start().await;
    ask(&gateway, &format!("{{ {} }}", node("a:"))).await.data();
    refused(&gateway, &format!("{{ {} {} }}", node("a:"), node("b:")), "aliases").await;
    refused(
        &gateway,
        &format!(
            "{{ {} iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id }} }}",
            node("")
        ),
        "1 calls",
    )
    .await;
}

#[tokio::test]
async fn brackets_of_variables_are_counted_before_anything_is_read() {
    let gateway = Gateway::start().await;
    let body = |depth: usize| {
        let value = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"query": "{{ __typename }}", "variables": {{"x": {value}}}}}"#)
    };
    let send = async |body: String| {
        let request = gateway.post().header("content-type", "application/json").body(body);
        Reply::read(request.send().await.unwrap()).await
    };
    send(body(64)).await.data();
    for depth in [65, 1000, 400_000] {
        let reply = send(body(depth)).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, "QUERY_TOO_LARGE"), "{depth}");
    }
    // Brackets in strings are text.
    let text =
        format!(r#"{{"query": "{{ __typename }}", "variables": {{"x": "\\\"{}"}}}}"#, "[".repeat(1000));
    send(text).await.data();
}
