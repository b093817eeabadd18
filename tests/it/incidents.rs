//! What has hurt other gateways: a test for each, named for what was done. Those that have a file of their own are named
//! here where they stand: links and cursors that lead elsewhere (`page_faults`, `cursors`), damaged batches
//! (`batch_faults`), the token in logs (`token`), slow clients (`load`).

use futures_util::future::join_all;
use http::{Method, StatusCode};
use intune_graphql::sandbox::{DEMO_CONFIGURATION_ID, FaultRule};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, Reply, TOKEN, fresh_token};

async fn post(gateway: &Gateway, body: String) -> Reply {
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
async fn lives(gateway: &Gateway) {
    query(gateway, "{ __typename }").await.data();
}

/// Refused with few and short words, and Graph was not asked.
async fn refused(gateway: &Gateway, document: &str, code: &str) {
    let reply = query(gateway, document).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let errors = reply.json["errors"].as_array().unwrap();
    assert!(errors.len() <= 10, "{}", errors.len());
    assert!(errors.iter().all(|error| error["extensions"]["code"] == code), "{code}: {errors:?}");
    assert!(reply.json.to_string().len() < 4096);
    assert!(gateway.sent().is_empty());
    lives(gateway).await;
}

#[tokio::test]
async fn row_01_nested_values_and_selections_end_no_process() {
    let gateway = Gateway::start().await;
    for depth in [65, 2000, 7000] {
        let lists = format!("{{node(id:{}{}){{id}}}}", "[".repeat(depth), "]".repeat(depth));
        refused(&gateway, &lists, "QUERY_TOO_LARGE").await;
        let objects = format!("{{node(id:{}1{}){{id}}}}", "{a:".repeat(depth), "}".repeat(depth));
        refused(&gateway, &objects, "QUERY_TOO_LARGE").await;
        let selections = format!("{}a{}", "{a:".repeat(depth), "}".repeat(depth));
        refused(&gateway, &selections, "GRAPHQL_PARSE_FAILED").await;
        let selections = format!("{}{}", "{a".repeat(depth), "}".repeat(depth));
        refused(&gateway, &selections, "QUERY_TOO_LARGE").await;
    }
    // A document of 1 MB is refused by its length.
    let gateway = Gateway::builder().settings(|settings| settings.max_body = 4 << 20).start().await;
    refused(&gateway, &"{a".repeat(500_000), "QUERY_TOO_LARGE").await;
}

#[tokio::test]
async fn row_02_fragments_that_double_are_refused_in_no_time() {
    let gateway = Gateway::start().await;
    let mut doubling = "query{node(id:\"ig~1.c.YQ\"){...F0}}".to_owned();
    for level in 0..22 {
        doubling += &format!("fragment F{level} on Node{{...F{0} ...F{0}}}", level + 1);
    }
    doubling += "fragment F22 on Node{id}";
    // Each fragment is entered once, as the specification says, so that this comes to little.
    let reply = query(&gateway, &doubling).await;
    assert!(reply.json.get("errors").is_none() || reply.code() == "QUERY_TOO_LARGE", "{:?}", reply.json);
    let mut wide = "query{node(id:\"ig~1.c.YQ\"){...F0}}".to_owned();
    for level in 0..7 {
        let spreads: String = (0..10).map(|alias| format!("a{alias}:id ...F{} ", level + 1)).collect();
        wide += &format!("fragment F{level} on Node{{{spreads}}}");
    }
    wide += "fragment F7 on Node{id}";
    let reply = query(&gateway, &wide).await;
    assert!(reply.json.get("errors").is_none() || reply.code() == "QUERY_TOO_LARGE", "{:?}", reply.json);
    gateway.forget();
    let cyclic = "query{node(id:\"x\"){...F}} fragment F on Node{id ...F}";
    refused(&gateway, cyclic, "GRAPHQL_VALIDATION_FAILED").await;
    let unused = "query A{__typename} query B{node(id:\"x\"){...F}} fragment F on Node{...F}";
    refused(&gateway, unused, "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn row_03_directives_by_the_thousand_are_told_briefly() {
    let gateway = Gateway::start().await;
    for directives in ["@a".repeat(5000), "@skip(if:false)".repeat(1000)] {
        refused(&gateway, &format!("{{__typename {directives}}}"), "QUERY_TOO_LARGE").await;
        refused(&gateway, &format!("{{...{directives}{{__typename}}}}"), "QUERY_TOO_LARGE").await;
        refused(&gateway, &format!("query {directives}{{__typename}}"), "QUERY_TOO_LARGE").await;
    }
    refused(&gateway, &format!("{{__typename {}}}", "@a".repeat(20)), "GRAPHQL_VALIDATION_FAILED").await;
}

#[tokio::test]
async fn row_04_two_hundred_aliased_writes_write_nothing() {
    let gateway = Gateway::start().await;
    let fields: String = (0..130)
        .map(|index| format!("a{index}:deleteDeviceStatus(input:{{id:\"x\"}}){{deletedId}} "))
        .collect();
    refused(&gateway, &format!("mutation{{{fields}}}"), "QUERY_TOO_LARGE").await;
    let fields: String =
        (0..60).map(|index| format!("a{index}:addDeviceStatus(input:$i){{replayed}} ")).collect();
    refused(&gateway, &format!("mutation($i:AddDeviceStatusInput!){{{fields}}}"), "BAD_USER_INPUT").await;
    let body = json!({"query": format!("mutation($i:AddDeviceStatusInput!){{{fields}}}"),
        "variables": {"i": input(device_status())["input"]}});
    assert_eq!(post(&gateway, body.to_string()).await.code(), "QUERY_TOO_LARGE");
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn row_05_an_array_of_requests_is_no_request() {
    let gateway = Gateway::start().await;
    let requests: Vec<Value> = vec![json!({"query": "{ __typename }"}); 1000];
    let reply = post(&gateway, Value::Array(requests).to_string()).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
}

#[tokio::test]
async fn row_06_nothing_that_a_page_can_make_a_browser_send_writes() {
    let gateway = Gateway::start().await;
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    for content_type in [
        None,
        Some("text/plain;charset=UTF-8"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("message/rfc822"),
    ] {
        let mut request = gateway.post().bearer_auth(TOKEN).body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "{content_type:?}"
        );
    }
    let url = format!(
        "/graphql?{}",
        url::form_urlencoded::Serializer::new(String::new())
            .append_pair("query", MUTATION)
            .append_pair("variables", &input(device_status()).to_string())
            .finish()
    );
    let answer = gateway.request(Method::GET, &url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.headers()["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "POST")
    );
    let answer =
        gateway.request(Method::PUT, "/graphql").header("content-type", "application/json").body(body);
    assert_eq!(answer.send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn row_07_bodies_beyond_the_bound_and_compressed_ones_are_refused() {
    let gateway = Gateway::start().await;
    let large = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(8 << 20)}}).to_string();
    let request = gateway.post().header("content-type", "application/json").body(large);
    // The answer may come while the body is still being sent, and is then lost with the connection.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    let request =
        gateway.post().header("content-type", "application/json").header("content-encoding", "gzip");
    assert_eq!(request.body("x").send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    lives(&gateway).await;
}

#[tokio::test]
async fn row_08_other_charsets_are_refused() {
    let gateway = Gateway::start().await;
    for charset in ["utf-7", "utf-16", "iso-8859-1", "x-mac-roman"] {
        let request = gateway.post().header("content-type", format!("application/json; charset={charset}"));
        let answer = request.body(r#"{"query": "{ __typename }"}"#).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{charset}");
    }
}

#[tokio::test]
async fn row_09_the_schema_is_not_told_where_it_is_turned_off() {
    let gateway = Gateway::builder().api(|api| api.introspection = false).start().await;
    for document in [
        "{__schema{types{name}}}",
        "{a:__type(name:\"Query\"){name}}",
        "{...F} fragment F on Query{__schema{types{name}}}",
    ] {
        refused(&gateway, document, "INTROSPECTION_DISABLED").await;
    }
    let reply = query(&gateway, "{ nod }").await;
    assert!(!reply.json.to_string().contains("mean"), "no suggestions: {:?}", reply.json);
    assert!(!reply.json.to_string().contains("\"node\""));
}

#[tokio::test]
async fn row_11_ids_stay_one_segment_of_the_path() {
    let gateway = Gateway::start().await;
    let root = "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations/";
    for id in [
        "x/../../../users",
        "x?$filter=",
        "%2e%2e%2f",
        "x\r\nHost: a",
        "..",
        "%2e%2e",
        "x#y",
        "x\\..\\y",
        "ü",
    ] {
        gateway.forget();
        let mut variables = input(device_status());
        variables["input"]["configurationId"] = json!(id);
        gateway.graphql(MUTATION, variables).await.error();
        for sent in gateway.sent() {
            let segments: Vec<&str> =
                sent.path.strip_prefix(root).unwrap_or_else(|| panic!("{}", sent.path)).split('/').collect();
            assert_eq!((segments.len(), segments[1]), (2, "deviceStatuses"), "{id:?}: {}", sent.path);
            assert_eq!(sent.query, None);
        }
    }
    lives(&gateway).await;
}

#[tokio::test]
async fn row_12_two_callers_share_neither_requests_nor_answers() {
    let gateway = Gateway::start().await;
    let document = format!(
        "{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id displayName }} }}"
    );
    let (allowed, forbidden) = (fresh_token(), "no-scope-token".to_owned());
    let calls = (0..20).map(|index| {
        let token = if index % 2 == 0 { &allowed } else { &forbidden };
        gateway.graphql_as(Some(token), &document, json!({}))
    });
    let replies = join_all(calls).await;
    for (index, reply) in replies.iter().enumerate() {
        if index % 2 == 0 {
            assert!(reply.data()["iosLobAppProvisioningConfiguration"]["displayName"].is_string());
        } else {
            assert_eq!(reply.code(), "FORBIDDEN");
            assert!(reply.json["data"]["iosLobAppProvisioningConfiguration"].is_null());
        }
    }
    let sent = gateway.sent();
    assert_eq!(sent.len(), 20);
    for token in [&allowed, &forbidden] {
        let header = format!("Bearer {token}");
        assert_eq!(sent.iter().filter(|sent| sent.header("authorization") == Some(&header)).count(), 10);
    }
}

#[tokio::test]
async fn row_14_only_what_is_named_goes_to_graph() {
    let gateway = Gateway::start().await;
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("cookie", "session=1")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-for", "1.2.3.4")
        .header("forwarded", "for=1.2.3.4")
        .header("prefer", "return=minimal")
        .header("x-sandbox-fault", "500")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("origin", "https://evil.example")
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string());
    Reply::read(request.send().await.unwrap()).await.data();
    let [sent] = &gateway.sent()[..] else { panic!("one request") };
    for name in [
        "cookie",
        "x-forwarded-host",
        "x-forwarded-for",
        "forwarded",
        "prefer",
        "x-sandbox-fault",
        "traceparent",
        "origin",
    ] {
        assert_eq!(sent.header(name), None, "{name}");
    }
    // A token that is there twice is none.
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("authorization", "Bearer a")
        .header("authorization", "Bearer b")
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string());
    assert_eq!(Reply::read(request.send().await.unwrap()).await.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn row_15_a_write_whose_answer_is_lost_is_sent_once() {
    let gateway = Gateway::start().await;
    for fault in ["drop-applied", "504"] {
        gateway.forget();
        gateway.sandbox.inject(FaultRule::once(fault.parse().unwrap()));
        let mut variables = input(device_status());
        variables["input"]["idempotencyKey"] = json!(fault);
        for _ in 0..2 {
            let reply = gateway.graphql(MUTATION, variables.clone()).await;
            assert_eq!(reply.error()["extensions"]["outcome"], "UNKNOWN");
        }
        assert_eq!(gateway.sent().iter().filter(|sent| sent.method == Method::POST).count(), 1, "{fault}");
    }
}

#[tokio::test]
async fn row_17_poison_dates_pass_unchanged_and_impossible_ones_are_refused() {
    let gateway = Gateway::start().await;
    for date in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2020-02-29T00:00:00-00:00"] {
        let mut status = device_status();
        status["lastReportedDateTime"] = json!(date);
        gateway.forget();
        let reply = gateway.graphql(MUTATION, input(status)).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["lastReportedDateTime"], date);
        let body: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
        assert_eq!(body["lastReportedDateTime"], date);
    }
    let mut status = device_status();
    status["lastReportedDateTime"] = json!("2020-01-01T00:00:60Z");
    gateway.forget();
    assert_eq!(gateway.graphql(MUTATION, input(status)).await.code(), "BAD_USER_INPUT");
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn row_20_without_a_token_every_way_to_an_object_is_closed() {
    let gateway = Gateway::start().await;
    let id = "ig~1.c.ZTJhMjM2MzEtMzYzMS1lMmEyLTMxMzYtYTJlMjMxMzZhMmUy";
    for document in [
        format!("{{ node(id: \"{id}\") {{ id }} }}"),
        format!("{{ nodes(ids: [\"{id}\"]) {{ ...F }} }} fragment F on Node {{ id }}"),
        format!("{{ ... on Query {{ iosLobAppProvisioningConfiguration(id: \"{id}\") {{ id }} }} }}"),
        "{ iosLobAppProvisioningConfigurations { totalCount } }".to_owned(),
    ] {
        let reply = gateway.graphql_as(None, &document, json!({})).await;
        assert_eq!(reply.code(), "UNAUTHENTICATED", "{document}");
    }
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn row_22_a_thousand_mistakes_are_told_by_ten() {
    let gateway = Gateway::start().await;
    let fields: String = (0..900).map(|index| format!("f{index} ")).collect();
    refused(&gateway, &format!("{{{fields}}}"), "GRAPHQL_VALIDATION_FAILED").await;
}
