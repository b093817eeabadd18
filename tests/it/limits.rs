//! Document limits: each has a request that is rejected before anything is sent to Graph.

use graphql_prepare::Limits;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::bulk::numbered;
use crate::harness::{Gateway, Reply};

async fn ask(gateway: &Gateway, query: &str) -> Reply {
    let reply = gateway.graphql(query, json!({})).await;
    assert!(reply.json.to_string().len() < 4096, "a short answer");
    reply
}

/// Rejected because of its size, with a message that names the limit, and without a call to Graph.
async fn assert_rejected(gateway: &Gateway, query: &str, limit: &str) {
    gateway.clear_requests();
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
async fn each_limit_accepts_its_maximum_and_rejects_one_more() {
    let gateway = Gateway::start().await;
    let padded = |bytes: usize| {
        let query = "{ __typename }";
        format!("{query}{}", " ".repeat(bytes - query.len()))
    };
    ask(&gateway, &padded(32 * 1024)).await.data();
    assert_rejected(&gateway, &padded(32 * 1024 + 1), "32768 bytes").await;
    let reply = ask(&gateway, &padded(32 * 1024 + 1)).await;
    assert_eq!(reply.error().get("locations"), None, "all of it is too long, and no one place");

    // Two brackets, and a token for each selection, which merge into one field.
    let tokens = |count: usize| format!("{{ {} }}", "__typename ".repeat(count - 2));
    ask(&gateway, &tokens(2000)).await.data();
    assert_rejected(&gateway, &tokens(2001), "2000 tokens").await;

    let directives = |count: usize| format!("{{ {} }}", "__typename @skip(if: false) ".repeat(count));
    ask(&gateway, &directives(20)).await.data();
    assert_rejected(&gateway, &directives(21), "20 directives").await;

    let aliases = |count: usize| {
        let fields: String = (0..count).map(|index| format!("a{index}: __typename ")).collect();
        format!("{{ {} {{ {fields} }} }}", "node(id: \"ig~1.c.YQ\")")
    };
    ask(&gateway, &aliases(30)).await.data();
    assert_rejected(&gateway, &aliases(31), "more than 30 aliases").await;

    let root_fields = |count: usize| -> String {
        let fields: String = (0..count).map(|index| node(&format!("a{index}:"))).collect();
        format!("{{ {fields} }}")
    };
    ask(&gateway, &root_fields(20)).await.data();
    assert_rejected(&gateway, &root_fields(21), "more than 20 fields at its root").await;

    let root_mutations = |count: usize| -> String {
        let fields: String = (0..count).map(|index| add(&format!("a{index}:"))).collect();
        format!("mutation {{ {fields} }}")
    };
    let reply = gateway.graphql(&root_mutations(10), json!({})).await;
    assert_eq!(reply.json["errors"].as_array().unwrap().len(), 10, "each is executed");
    assert_rejected(&gateway, &root_mutations(11), "more than 10 fields at its root").await;
    assert_rejected(&gateway, &root_mutations(130), "more than 10 fields at its root").await;

    let deep = |depth: usize| {
        let opening = "nodes { configuration { deviceStatuses(first: 1) { ".repeat(depth / 3);
        let closing = "}".repeat(depth / 3 * 3);
        format!(
            "{{ iosLobAppProvisioningConfigurations(first: 1) {{ nodes {{ deviceStatuses(first: 1) {{ {opening} totalCount {closing} }} }} }} }}"
        )
    };
    ask(&gateway, &deep(6)).await.data();
    assert_rejected(&gateway, &deep(9), "deeper than 12").await;
}

#[tokio::test]
async fn the_cost_of_nested_lists_is_the_number_of_possible_graph_calls() {
    let gateway = Gateway::start().await;
    let lists = "query($n: Int, $m: Int) { iosLobAppProvisioningConfigurations(first: $n) {
        nodes { deviceStatuses(first: $m) { nodes { id } } deviceStatusCounts { count } } } }";
    let ask = async |n: Value, m: Value| gateway.graphql(lists, json!({"n": n, "m": m})).await;
    ask(json!(199), json!(1)).await.data();
    gateway.clear_requests();
    assert_eq!(ask(json!(200), json!(1)).await.code(), "QUERY_TOO_LARGE");
    assert_eq!(ask(json!(1000), json!(1000)).await.code(), "QUERY_TOO_LARGE");
    // The default of 50.
    assert!(gateway.sent().is_empty());
    ask(Value::Null, Value::Null).await.data();

    let ids: Vec<Value> = vec![json!(format!("ig~1.c.YQ")); 2001];
    let reply = gateway.graphql("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({"ids": ids})).await;
    assert_eq!(reply.code(), "QUERY_TOO_LARGE");
    assert!(reply.error()["message"].as_str().unwrap().contains("2000 upstream calls"));
}

#[tokio::test]
async fn each_item_of_a_bulk_counts_toward_the_cost() {
    let limits = Limits { cost: 30, ..Limits::default() };
    let gateway = Gateway::builder().api(|api| api.limits = limits).start().await;
    // The list as part of a variable, as a variable, and as literals; a single status counts as a list of itself.
    let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(31)});
    let whole =
        "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) { createdCount } }";
    let reply = gateway.graphql(whole, json!({"input": input})).await;
    assert_eq!(reply.code(), "QUERY_TOO_LARGE");
    assert!(reply.error()["message"].as_str().unwrap().contains("30 upstream calls"), "{:?}", reply.json);

    let list = "mutation($c: ID!, $all: [DeviceStatusInput!]!) {
        addDeviceStatuses(input: {configurationId: $c, deviceStatuses: $all}) { createdCount } }";
    let variables = |count| json!({"c": DEMO_CONFIGURATION_ID, "all": numbered(count)});
    assert_eq!(gateway.graphql(list, variables(31)).await.code(), "QUERY_TOO_LARGE");

    let three = "mutation($c: ID!, $all: [DeviceStatusInput!]!, $one: DeviceStatusInput!) {
        a: addDeviceStatuses(input: {configurationId: $c, deviceStatuses: $all}) { createdCount }
        b: addDeviceStatuses(input: {configurationId: $c, deviceStatuses: [$one, $one]}) { createdCount }
        c: addDeviceStatuses(input: {configurationId: $c, deviceStatuses: {deviceDisplayName: \"\", userName: \"\",
            deviceModel: \"\", platform: 1, status: ERROR, lastReportedDateTime: \"0001-01-01T00:00:00Z\",
            complianceGracePeriodExpirationDateTime: \"0001-01-01T00:00:00Z\", userPrincipalName: \"\"}}) { createdCount } }";
    let with_one = |count| {
        let mut variables = variables(count);
        variables["one"] = numbered(1).remove(0);
        variables
    };
    assert_eq!(gateway.graphql(three, with_one(28)).await.code(), "QUERY_TOO_LARGE");
    assert!(gateway.sent().is_empty());
    let reply = gateway.graphql(three, with_one(27)).await;
    let created = ["a", "b", "c"].map(|field| reply.data()[field]["createdCount"].as_u64());
    assert_eq!(created, [Some(27), Some(2), Some(1)]);
    assert_eq!(gateway.graphql(list, variables(30)).await.data()["addDeviceStatuses"]["createdCount"], 30);
}

#[tokio::test]
async fn the_default_cost_allows_two_bulks_of_the_largest_size() {
    let gateway = Gateway::start().await;
    let bulks = |count: usize| {
        let field = |number| {
            format!(
                "f{number}: addDeviceStatuses(input: {{configurationId: $c, deviceStatuses: $all}}) {{ createdCount }} "
            )
        };
        format!(
            "mutation($c: ID!, $all: [DeviceStatusInput!]!) {{ {} }}",
            (0..count).map(field).collect::<String>()
        )
    };
    // The id of another type is rejected during execution, before anything is sent.
    let variables = json!({"c": "ig~1.s.YQ.YQ", "all": numbered(1000)});
    let reply = gateway.graphql(&bulks(3), variables.clone()).await;
    assert_eq!(reply.code(), "QUERY_TOO_LARGE");
    let reply = gateway.graphql(&bulks(2), variables).await;
    let codes: Vec<&Value> =
        reply.json["errors"].as_array().unwrap().iter().map(|error| &error["extensions"]["code"]).collect();
    assert_eq!(codes, ["BAD_USER_INPUT", "BAD_USER_INPUT"], "both were executed");
    assert!(gateway.sent().is_empty());
}

/// What graphql-js makes of `getIntrospectionQuery` with every option, as GraphiQL, code generators and Apollo's tools do,
/// with `levels` of `ofType`; nine are its own.
fn whole_schema(levels: usize) -> String {
    let of_type = "ofType { kind name ".repeat(levels) + &"}".repeat(levels);
    format!(
        "query IntrospectionQuery {{ __schema {{
           description queryType {{ name kind }} mutationType {{ name kind }} subscriptionType {{ name kind }}
           types {{ ...FullType }}
           directives {{ name description isRepeatable locations args(includeDeprecated: true) {{ ...InputValue }} }} }} }}
         fragment FullType on __Type {{
           kind name description specifiedByURL isOneOf
           fields(includeDeprecated: true) {{
             name description args(includeDeprecated: true) {{ ...InputValue }} type {{ ...TypeRef }}
             isDeprecated deprecationReason }}
           inputFields(includeDeprecated: true) {{ ...InputValue }}
           interfaces {{ ...TypeRef }}
           enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }}
           possibleTypes {{ ...TypeRef }} }}
         fragment InputValue on __InputValue {{
           name description type {{ ...TypeRef }} defaultValue isDeprecated deprecationReason }}
         fragment TypeRef on __Type {{ kind name {of_type} }}"
    )
}

/// The number of values in a response: objects, and their scalars and nulls.
fn values(answer: &Value) -> usize {
    match answer {
        Value::Array(items) => items.iter().map(values).sum::<usize>().max(1),
        Value::Object(fields) => 1 + fields.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

#[tokio::test]
async fn the_size_of_an_introspection_response_is_limited_before_it_is_built() {
    for query in [
        whole_schema(9),
        whole_schema(16),
        "query ($t: String! = \"Node\") { __type(name: $t) { possibleTypes { fields { name args { name } } } } }"
            .to_owned(),
        "{ a: __type(name: \"Node\") { name } b: __type(name: \"Nothing\") { name } __typename }".to_owned(),
        "{ __schema { types { interfaces { possibleTypes { interfaces { name } } } } } }".to_owned(),
    ] {
        let gateway = Gateway::start().await;
        let reply = gateway.graphql(&query, json!({})).await;
        let answer = reply.data().as_object().unwrap();
        let about_it = answer.iter().filter(|(key, _)| *key != "__typename");
        // The values within the root's fields, without the fields themselves.
        let introspection: usize =
            about_it.map(|(_, value)| if value.is_null() { 0 } else { values(value) - 1 }).sum();
        assert!(introspection < Limits::default().introspection / 5, "generous: {introspection}");
        for (most, passes) in [(introspection, true), (introspection - 1, false)] {
            let limits = Limits { introspection: most, ..Limits::default() };
            let gateway = Gateway::builder().api(|api| api.limits = limits).start().await;
            if passes {
                assert_eq!(gateway.graphql(&query, json!({})).await.json, reply.json);
            } else {
                assert_rejected(&gateway, &query, &format!("more than {most} value")).await;
            }
        }
    }
}

#[tokio::test]
async fn introspection_time_is_proportional_to_its_response_size() {
    let gateway = Gateway::start().await;
    let nested = |open: &str, times: usize, close: &str| {
        let (opening, closing) = (open.repeat(times), close.repeat(times));
        format!("{{ __schema {{ types {{ {opening} name {closing} }} }} }}")
    };
    let aliased: String = (0..20).map(|index| format!("a{index}: __schema {{ ...S }} ")).collect();
    for query in [
        nested("interfaces { possibleTypes {", 8, "}}"),
        nested("interfaces { possibleTypes {", 29, "}}"),
        nested("inputFields { type { ofType { ofType {", 14, "}}}}"),
        format!(
            "{{ {aliased} }}
             fragment S on __Schema {{ types {{ kind name description
               fields {{ name description isDeprecated args {{ ...I }} type {{ ...T }} }} inputFields {{ ...I }} }} }}
             fragment I on __InputValue {{ name description defaultValue type {{ ...T }} }}
             fragment T on __Type {{ kind name description ofType {{ kind name ofType {{ kind name ofType {{ kind }} }} }} }}"
        ),
    ] {
        assert_rejected(&gateway, &query, "introspection response has more than 50000 values").await;
    }
}

#[tokio::test]
async fn limits_are_settings() {
    let limits = Limits { aliases: 1, depth: 2, cost: 1, root_fields: 2, ..Limits::default() };
    let gateway = Gateway::builder().api(|api| api.limits = limits).start().await;
    ask(&gateway, &format!("{{ {} }}", node("a:"))).await.data();
    assert_rejected(&gateway, &format!("{{ {} {} }}", node("a:"), node("b:")), "more than 1 alias.").await;
    let deep = "{ iosLobAppProvisioningConfigurations(first: 1) { nodes { id } } }";
    assert_rejected(&gateway, deep, "deeper than 2").await;
    assert_rejected(
        &gateway,
        &format!(
            "{{ {} iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id }} }}",
            node("")
        ),
        "more than 1 upstream call:",
    )
    .await;
}

#[tokio::test]
async fn the_nesting_of_variables_is_limited_before_they_are_parsed() {
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
        assert_eq!(reply.error()["message"], "The brackets of the body nest deeper than 66.");
    }
    let get = async |gateway: &Gateway, depth: usize| {
        let variables = format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        let mut parameters = url::form_urlencoded::Serializer::new(String::new());
        parameters.append_pair("query", "{ __typename }").append_pair("variables", &variables);
        let path = format!("/graphql?{}", parameters.finish());
        Reply::read(gateway.request(http::Method::GET, &path).send().await.unwrap()).await
    };
    get(&gateway, 64).await.data();
    let reply = get(&gateway, 65).await;
    assert_eq!((reply.status.as_u16(), reply.code()), (400, "QUERY_TOO_LARGE"));
    let message = "The brackets of the parameter \"variables\" nest deeper than 65.";
    assert_eq!(reply.error()["message"], message);
    // Brackets in strings are text.
    let text =
        format!(r#"{{"query": "{{ __typename }}", "variables": {{"x": "\\\"{}"}}}}"#, "[".repeat(1000));
    send(text).await.data();

    let limits = Limits { nesting: 3, ..Limits::default() };
    let strict = Gateway::builder().api(|api| api.limits = limits).start().await;
    let variables = |depth: usize| {
        let value: Value =
            serde_json::from_str(&format!("{}{}", "[".repeat(depth), "]".repeat(depth))).unwrap();
        json!({ "x": value })
    };
    strict.graphql("{ __typename }", variables(3)).await.data();
    get(&strict, 3).await.data();
    assert_eq!(strict.graphql("{ __typename }", variables(4)).await.code(), "QUERY_TOO_LARGE");
    assert_eq!(get(&strict, 4).await.code(), "QUERY_TOO_LARGE");
}
