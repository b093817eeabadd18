//! Memory of responses and reads: limited per request and in total. Outcomes of writes are always returned.

use std::time::{Duration, Instant};

use intune_graphql::server::ConnectionLimits;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::add_device_status::{device_status, input};
use crate::bulk::numbered;
use crate::commands::Program;
use crate::harness::{Gateway, Reply, TOKEN, connection_limits, fresh_token};
use crate::response_size::{ERRORS, MAX, MIB, a_thousand_times, aliases, nodes, payload_of, too_large};
use crate::slow_clients::{connect, head};

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_memory_of_a_short_request_is_limited_to_a_few_times_the_response_limit() {
    let upstream = Gateway::start().await;
    payload_of(&upstream, MIB);
    let mut program = Program::serve(&upstream.sandbox_url, &[]);
    let url = program.line("listening on ");
    let client = crate::harness::http_client().build().unwrap();
    for fields in ["payload".to_owned(), aliases(10, "payload")] {
        let body = json!({"query": nodes(&fields), "variables": a_thousand_times()}).to_string();
        let request = client.post(format!("{url}/graphql")).header("content-type", "application/json");
        let response = request.bearer_auth(TOKEN).body(body).send().await.unwrap();
        let length = response.bytes().await.unwrap().len();
        assert!((14 * MIB..MAX + 4 * ERRORS).contains(&length), "{length}");
    }
    let peak = program.peak_memory();
    assert!(peak < 160 * MIB, "{peak}");
}

/// The connection of the caller `slow`, who has read only the start of the response.
async fn unread_response(gateway: &Gateway, query: &str) -> TcpStream {
    let body = json!({ "query": query }).to_string();
    let mut slow = connect(gateway).await;
    slow.write_all((head("slow", body.len()) + &body).as_bytes()).await.unwrap();
    let mut start = [0; 12];
    slow.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    slow
}

#[tokio::test]
async fn the_total_size_of_responses_is_limited_but_short_ones_always_fit() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_bytes = 8 * MIB).start().await;
    payload_of(&gateway, MIB);
    let query =
        format!("{{ iosLobAppProvisioningConfiguration(id: \"x\") {{ id {} }} }}", aliases(6, "payload"));
    let ask = async || gateway.graphql_as(Some(&fresh_token()), &query, json!({})).await;
    ask().await.data();
    // A client that takes nothing of its response leaves no room for another one.
    let slow = unread_response(&gateway, &query).await;
    let reply = loop {
        let reply = ask().await;
        if reply.json.get("errors").is_some() {
            break reply;
        }
    };
    let configuration = &reply.json["data"]["iosLobAppProvisioningConfiguration"];
    assert!(configuration["id"].is_string(), "what is short has room: {configuration}");
    let error = &reply.json["errors"][0];
    assert_eq!(error["extensions"], json!({"code": "OVERLOADED", "retryable": true, "retryAfter": 1}));
    assert!(error["path"].as_array().unwrap().len() == 2, "{error}");
    // Nor the result of a write, which must not be sent again for that reason.
    let write = "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId
        deviceStatus { configuration { a: payload b: payload c: payload } } } }";
    gateway.sandbox.clear_faults();
    let payload = "A".repeat(MIB);
    let fault = format!("canned;text={{\"id\":\"x\",\"payload\":\"{payload}\"}};method=GET");
    gateway.sandbox.inject(fault.parse().unwrap());
    let reply = gateway.graphql(write, input(device_status())).await;
    assert!(reply.json["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{}", reply.json["errors"]);
    let error = &reply.json["errors"][0];
    assert_eq!(error["extensions"], json!({"code": "OVERLOADED", "retryable": false}));
    drop(slow);
    while ask().await.json.get("errors").is_some() {}
}

#[tokio::test]
async fn the_total_size_of_one_callers_responses_is_limited() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_per_caller = 8 * MIB);
    let gateway = gateway.start().await;
    payload_of(&gateway, MIB);
    let query =
        format!("{{ iosLobAppProvisioningConfiguration(id: \"x\") {{ id {} }} }}", aliases(6, "payload"));
    let ask = async |token: &str| gateway.graphql_as(Some(token), &query, json!({})).await;
    ask("slow").await.data();
    let slow = unread_response(&gateway, &query).await;
    let reply = loop {
        ask("another").await.data();
        let reply = ask("slow").await;
        if reply.json.get("errors").is_some() {
            break reply;
        }
    };
    let error = &reply.json["errors"][0];
    assert_eq!(error["extensions"], json!({"code": "OVERLOADED", "retryable": true, "retryAfter": 1}));
    ask("another").await.data();
    drop(slow);
    while ask("slow").await.json.get("errors").is_some() {}
}

#[tokio::test]
async fn unread_responses_return_their_memory_even_if_their_connection_has_an_event_stream() {
    let limits = ConnectionLimits {
        header_timeout: Duration::from_secs(25),
        send_timeout: Duration::from_secs(4),
        ..connection_limits()
    };
    let gateway = Gateway::builder().settings(|settings| {
        settings.max_buffered_bytes = 8 * MIB;
        settings.connections = limits;
    });
    let gateway = gateway.start().await;
    payload_of(&gateway, MIB);
    let query =
        format!("{{ iosLobAppProvisioningConfiguration(id: \"x\") {{ id {} }} }}", aliases(6, "payload"));
    let ask = async || gateway.graphql_as(Some(&fresh_token()), &query, json!({})).await;
    ask().await.data();

    // Streams of one connection. reqwest keeps a stream open as long as its response is not dropped.
    let client =
        crate::harness::http_client().http2_prior_knowledge().http2_initial_stream_window_size(65_535);
    let client = client.build().unwrap();
    let send = async |accept: &str, query: &str| {
        let request = client.post(format!("{}/graphql", gateway.url)).header("accept", accept);
        let request = request.header("content-type", "application/json").bearer_auth(TOKEN);
        let request = request.header("accept-encoding", "identity");
        request.body(json!({"query": query}).to_string()).send().await.unwrap()
    };
    let subscription = format!(
        "subscription {{ deviceStatusAdded(configurationId: \"{DEMO_CONFIGURATION_ID}\") {{ deviceStatusId }} }}"
    );
    let mut events = send("text/event-stream", &subscription).await;
    let unread = send("application/json", &query).await;
    assert_eq!(unread.version(), http::Version::HTTP_2);
    assert!(ask().await.json.get("errors").is_some(), "there is no memory for a second response");
    let start = Instant::now();
    let has_memory = async { while ask().await.json.get("errors").is_some() {} };
    let read_events = async { while let Ok(Some(_)) = events.chunk().await {} };
    tokio::select! {
        () = has_memory => {}
        () = read_events => panic!("the event stream ended"),
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(unread.bytes().await.is_err(), "an abandoned response ends with an error");
}

#[tokio::test]
async fn a_response_that_is_read_steadily_may_take_longer_than_the_send_timeout() {
    let limits = ConnectionLimits { send_timeout: Duration::from_secs(1), ..connection_limits() };
    let gateway = Gateway::builder().settings(|settings| settings.connections = limits).start().await;
    payload_of(&gateway, MIB);
    let query =
        format!("{{ iosLobAppProvisioningConfiguration(id: \"x\") {{ id {} }} }}", aliases(6, "payload"));
    let client =
        crate::harness::http_client().http2_prior_knowledge().http2_initial_stream_window_size(65_535);
    let request = client.build().unwrap().post(format!("{}/graphql", gateway.url)).bearer_auth(TOKEN);
    let request = request.header("content-type", "application/json").header("accept-encoding", "identity");
    let mut response = request.body(json!({"query": query}).to_string()).send().await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let (start, mut length) = (Instant::now(), 0);
    while let Some(chunk) = response.chunk().await.unwrap() {
        length += chunk.len();
        // At most 16 kB at a time, so that more than half is unread after three times the timeout.
        if start.elapsed() < Duration::from_secs(3) {
            tokio::time::sleep(Duration::from_millis(12)).await;
        }
    }
    assert!(length > 6 * MIB && start.elapsed() > Duration::from_secs(3), "{length}: {:?}", start.elapsed());
}

#[tokio::test]
async fn the_bytes_that_one_request_reads_from_graph_are_limited() {
    let gateway = Gateway::builder().max_response(100_000).start().await;
    gateway.sandbox.inject("canned;status=204;text=;method=POST".parse().unwrap());
    payload_of(&gateway, 60_000);
    // One after another: a mutation's fields read one by one.
    let fields: String = (0..10)
        .map(|index| format!("a{index}: assignIosLobAppProvisioningConfiguration(input: {{id: \"c{index}\", assignments: []}}) {{ configuration {{ payload }} }} "))
        .collect();
    let reply = gateway.graphql(&format!("mutation {{ {fields} }}"), json!({})).await;
    let data = reply.json["data"].as_object().unwrap();
    let read = data.values().filter(|payload| payload["configuration"]["payload"].is_string()).count();
    assert_eq!((data.len(), read), (10, 6), "four times 100 kB hold six of 60 kB: {}", reply.json["errors"]);
    assert!(data.values().all(|payload| payload.is_object()), "each was written");
    assert_eq!(too_large(&reply), 4);
    let reads = gateway.sent().iter().filter(|sent| sent.method == "GET").count();
    assert!((6..=7).contains(&reads), "{reads}");
}

#[tokio::test]
async fn memory_for_write_outcomes_is_reserved_before_writes_are_sent() {
    let gateway =
        Gateway::builder().settings(|settings| settings.max_buffered_bytes = 11 * MIB).start().await;
    gateway.sandbox.inject("403;method=POST;path=$batch".parse().unwrap());
    let fields: String = (0..28).map(|field| format!("{}{field:02}: index ", "a".repeat(254))).collect();
    let bulk = format!(
        "mutation($input: AddDeviceStatusesInput!) {{ addDeviceStatuses(input: $input) {{ results {{ {fields} }} }} }}"
    );
    let variables = |count| json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(count)}});
    let ask = async |count| gateway.graphql_as(Some(&fresh_token()), &bulk, variables(count)).await;
    let is_refused = |reply: &Reply| {
        let error = &reply.json["errors"][0];
        let is_refused =
            error["extensions"] == json!({"code": "OVERLOADED", "retryable": true, "retryAfter": 1});
        assert_eq!(is_refused, reply.json.get("data").is_none(), "{error}");
        is_refused
    };
    assert!(is_refused(&ask(1000).await), "more than there is at all");
    assert_eq!(gateway.sent().len(), 0);
    assert!(!is_refused(&ask(800).await));
    // The unread part of a response is counted.
    let body = json!({ "query": bulk, "variables": variables(800) }).to_string();
    let mut slow = connect(&gateway).await;
    slow.write_all((head("slow", body.len()) + &body).as_bytes()).await.unwrap();
    let mut start = [0; 12];
    slow.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let sent = gateway.sent().len();
    assert!(is_refused(&ask(800).await));
    assert_eq!(gateway.sent().len(), sent, "nothing is sent of what is refused");
    assert!(!is_refused(&ask(1).await), "what is short has room");
    drop(slow);
    while is_refused(&ask(800).await) {}
}

#[tokio::test]
async fn bytes_read_from_graph_are_counted_but_write_responses_are_always_read() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_bytes = 2 * MIB).start().await;
    payload_of(&gateway, 3 * MIB);
    gateway.sandbox.inject("canned;text={\"value\":[]};path=deviceStatuses;method=GET".parse().unwrap());
    let read = format!(
        "{{ large: iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id payload }} __typename }}"
    );
    let counted = gateway.counter("intune_graphql_rejected_total{reason=\"memory\"}").await;
    let reply = gateway.graphql(&read, json!({})).await;
    assert_eq!(reply.json["data"], json!({"large": null, "__typename": "Query"}));
    let error = &reply.json["errors"][0];
    assert_eq!(error["path"], json!(["large"]));
    let mut extensions = error["extensions"].clone();
    // Graph was called.
    assert!(extensions["graph"].take()["clientRequestId"].is_string(), "{error}");
    let expected = json!({"code": "OVERLOADED", "retryable": true, "retryAfter": 1, "graph": null});
    assert_eq!(extensions, expected);
    assert!(gateway.counter("intune_graphql_rejected_total{reason=\"memory\"}").await > counted);
    assert_eq!(gateway.sent().len(), 1, "it is not read again");
    // The memory of the read part is free again.
    gateway.sandbox.clear_faults();
    payload_of(&gateway, MIB);
    for _ in 0..4 {
        gateway.graphql(&read, json!({})).await.data();
    }

    gateway.sandbox.clear_faults();
    let large = "A".repeat(3 * MIB);
    let created = format!("canned;status=201;text={{\"id\":\"k\",\"userName\":\"{large}\"}};method=POST");
    gateway.sandbox.inject(created.parse().unwrap());
    let write =
        "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }";
    let reply = gateway.graphql(write, input(device_status())).await;
    assert!(reply.data()["addDeviceStatus"]["deviceStatusId"].is_string());
}
