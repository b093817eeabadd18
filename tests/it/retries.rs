//! Which creates are resent, and which must not be.

use std::time::{Duration, Instant};

use http::Method;
use msgraph_sandbox::settings::IdPolicy;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Sandbox, Settings};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::drain::{gateway, post};
use crate::harness::{Gateway, Reply, fresh_token, http_client};

async fn add(gateway: &Gateway) -> Reply {
    gateway.graphql_as(Some(&fresh_token()), MUTATION, input(device_status())).await
}

async fn add_with_id(gateway: &Gateway, id: &str) -> Reply {
    let mut status = device_status();
    status["graphId"] = json!(id);
    gateway.graphql_as(Some(&fresh_token()), MUTATION, input(status)).await
}

fn methods(gateway: &Gateway) -> Vec<Method> {
    gateway.sent().into_iter().map(|sent| sent.method).collect()
}

#[tokio::test]
async fn a_create_is_resent_if_graph_did_not_execute_it() {
    let gateway = Gateway::start().await;
    for (fault, at_least) in [
        ("429;retry-after=1", 1.0),
        ("429;retry-after=0", 0.0),
        ("429;body=throttled;retry-after=0.249", 0.249),
        // A date has whole seconds.
        ("429;retry-after=date:2s", 1.0),
        // It counts from the date of the response, whatever the clock of the gateway shows.
        ("429;retry-after=Tue, 14 Nov 2023 22:13:22 GMT;header.date=Tue, 14 Nov 2023 22:13:20 GMT", 2.0),
        ("429;body=wrapped", 1.0),
        ("429;retry-after=soon", 1.0),
        ("503;retry-after=1", 1.0),
        ("503;retry-after=0", 0.0),
    ] {
        let before = gateway.status_count();
        gateway.replace_faults(&[&format!("{fault};times=1")]);
        let start = Instant::now();
        add(&gateway).await.data();
        assert!(start.elapsed().as_secs_f64() >= at_least, "{fault}: {:?}", start.elapsed());
        assert_eq!(methods(&gateway), [Method::POST, Method::POST], "{fault}");
        assert_eq!(gateway.status_count(), before + 1, "{fault}");
    }
}

#[tokio::test]
async fn a_retry_after_beyond_the_request_timeout_is_returned_immediately() {
    let gateway = Gateway::start().await;
    for (fault, code) in [("429;retry-after=60", "THROTTLED"), ("503;retry-after=60", "UPSTREAM_UNAVAILABLE")]
    {
        gateway.replace_faults(&[fault]);
        let start = Instant::now();
        let reply = add(&gateway).await;
        assert_eq!(reply.failure(), (code, "REJECTED", true));
        assert_eq!(reply.error()["extensions"]["retryAfter"], 60);
        assert!(start.elapsed() < Duration::from_secs(10));
        assert_eq!(gateway.sent().len(), 1);
    }
}

#[tokio::test]
async fn endless_throttling_is_returned_with_the_remaining_wait() {
    let gateway = Gateway::builder()
        .settings(|settings| settings.request_timeout = Duration::from_secs(4))
        .start()
        .await;
    gateway.replace_faults(&["429"]);
    let reply = add(&gateway).await;
    assert_eq!(reply.failure(), ("THROTTLED", "REJECTED", true));
    assert!(reply.error()["extensions"]["retryAfter"].as_f64().unwrap() >= 1.0);
    assert!((2..=3).contains(&gateway.sent().len()), "1 s, 2 s, each and chance: {}", gateway.sent().len());
}

#[tokio::test]
async fn a_pending_retry_after_is_returned_without_calling_graph() {
    let gateway = Gateway::start().await;
    let (told, other) = (fresh_token(), fresh_token());
    gateway.replace_faults(&["429;retry-after=60;times=1"]);
    gateway.graphql_as(Some(&told), MUTATION, input(device_status())).await;
    let reply = gateway.graphql_as(Some(&told), MUTATION, input(device_status())).await;
    assert_eq!(reply.failure(), ("THROTTLED", "NOT_SENT", true));
    let wait = reply.error()["extensions"]["retryAfter"].as_f64().unwrap();
    assert!((50.0..=60.0).contains(&wait), "{wait}");
    assert_eq!(gateway.sent().len(), 1, "nothing was sent");
    // Reads are counted apart, and so are callers.
    let read = format!("{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id }} }}");
    gateway.graphql_as(Some(&told), &read, json!({})).await.data();
    gateway.graphql_as(Some(&other), MUTATION, input(device_status())).await.data();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_connection_is_retried() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let root = format!("http://{}/beta", socket.local_addr().unwrap());
    let (gateway, url, admin) = gateway(&root, &[]);
    let reply = tokio::spawn(post(url));
    let metrics = async || {
        let answer = http_client().build().unwrap().get(format!("{admin}/metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    };
    while !metrics().await.contains("intune_graphql_requests_in_flight 1") {
        tokio::task::yield_now().await;
    }
    // A refused connection has no effect on the caller. It is tried again at once, and then after
    // at least a second.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let sandbox = Sandbox::new(Settings::default());
    let listener = socket.listen(16).unwrap();
    tokio::spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
    let reply = reply.await.unwrap();
    assert!(reply["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{reply}");
    assert_eq!(sandbox.requests().len(), 1);
    let retried = "intune_graphql_graph_retries_total{reason=\"not_connected\"} 1";
    assert!(metrics().await.contains(retried), "the first attempt failed, and the second is counted");
    assert_eq!(gateway.stop().0, Some(0));
}

#[tokio::test]
async fn an_unreachable_graph_opens_the_circuit_breaker() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let root = format!("http://{}/beta", socket.local_addr().unwrap());
    let gateway = Gateway::short_timeouts().graph_root(&root).start().await;
    for _ in 0..5 {
        let reply = add(&gateway).await;
        assert_eq!(reply.failure(), ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true));
    }
    let reply = add(&gateway).await;
    assert_eq!(reply.failure(), ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true));
    let wait = reply.error()["extensions"]["retryAfter"].as_f64().unwrap();
    assert!(wait <= 1.0, "{wait}");
    // It recovers.
    let listener = socket.listen(16).unwrap();
    tokio::spawn(msgraph_sandbox::run(listener, gateway.sandbox.clone(), std::future::pending()));
    while add(&gateway).await.json.get("errors").is_some() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn error_responses_of_graph_do_not_open_the_circuit_breaker() {
    let gateway = Gateway::short_timeouts().start().await;
    for fault in ["500", "drop-unread", "drop-applied;close=reset"] {
        gateway.replace_faults(&[fault]);
        for _ in 0..10 {
            assert_eq!(add(&gateway).await.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false), "{fault}");
        }
    }
    gateway.replace_faults(&[]);
    add(&gateway).await.data();
}

#[tokio::test]
async fn a_lost_create_with_a_graph_id_is_read_back() {
    let gateway = Gateway::builder().sandbox(keeps()).start().await;
    for (index, fault) in [
        "drop-applied",
        "drop-applied;close=reset",
        "500;applied=true",
        "gateway-timeout;applied=true",
        "service-timeout;retry-after=1;applied=true",
        "empty-body",
        "truncated",
        "without;members=id",
        "drop-mid-answer",
    ]
    .into_iter()
    .enumerate()
    {
        let before = gateway.status_count();
        gateway.replace_faults(&[&format!("{fault};times=1")]);
        let id = format!("caller-id-{index}");
        let reply = add_with_id(&gateway, &id).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"], id, "{fault}");
        assert_eq!(methods(&gateway), [Method::POST, Method::GET], "{fault}");
        assert_eq!(gateway.status_count(), before + 1, "{fault}");
    }
}

#[tokio::test]
async fn an_object_read_back_counts_only_if_it_equals_the_input() {
    let gateway = Gateway::builder().sandbox(keeps()).start().await;
    add_with_id(&gateway, "taken").await.data();
    let mut status = device_status();
    for (member, value) in [
        ("userName", json!("another")),
        ("platform", json!(9)),
        ("status", json!("CONFLICT")),
        ("lastReportedDateTime", json!("2017-01-01T00:00:00.0000001Z")),
    ] {
        gateway.replace_faults(&["504;times=1"]);
        let mut other = device_status();
        other["graphId"] = json!("taken");
        other[member] = value;
        let reply = gateway.graphql(MUTATION, input(other)).await;
        assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false), "{member}");
    }
    // The same instant in another notation equals the sent one.
    gateway.replace_faults(&["504;times=1"]);
    status["graphId"] = json!("taken");
    status["lastReportedDateTime"] = json!("2016-12-31T20:57:41.6559639Z");
    gateway.graphql(MUTATION, input(status)).await.data();
}

/// Graph may ignore callers' ids, and then nothing under the key proves nothing.
#[tokio::test]
async fn an_absent_key_is_no_proof_unless_graph_honors_client_ids() {
    let gateway = Gateway::builder().sandbox(keeps()).start().await;
    gateway.replace_faults(&["504;times=1"]);
    let reply = add_with_id(&gateway, "not-there").await;
    assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false));
    assert_eq!(methods(&gateway), [Method::POST, Method::GET]);
}

#[tokio::test]
async fn a_lost_create_is_resent_if_graph_honors_client_ids() {
    let gateway = Gateway::builder().sandbox(keeps()).keeps_ids().start().await;
    for (index, fault) in ["504", "drop-unread", "500", "503"].into_iter().enumerate() {
        let before = gateway.status_count();
        gateway.replace_faults(&[&format!("{fault};times=1")]);
        let id = format!("kept-{index}");
        let reply = add_with_id(&gateway, &id).await;
        assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"], id, "{fault}");
        assert_eq!(methods(&gateway), [Method::POST, Method::GET, Method::POST], "{fault}");
        assert_eq!(gateway.status_count(), before + 1, "{fault}");
    }
    // Without an id nothing is sent twice.
    gateway.replace_faults(&["504;times=1"]);
    assert_eq!(add(&gateway).await.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false));
    assert_eq!(methods(&gateway), [Method::POST]);
}

/// The first create was done late: the second one meets it.
#[tokio::test]
async fn a_conflict_with_the_calls_own_create_is_read_back_and_never_rejected() {
    let gateway = Gateway::builder().sandbox(keeps()).keeps_ids().start().await;
    // The write is applied and its response lost; the first lookup does not find it yet.
    gateway.replace_faults(&["drop-applied;method=POST;times=1", "404;method=GET;times=1"]);
    let reply = add_with_id(&gateway, "late").await;
    assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"], "late");
    assert_eq!(methods(&gateway), [Method::POST, Method::GET, Method::POST, Method::GET]);

    // The object is not visible.
    gateway.replace_faults(&["drop-applied;method=POST;times=1", "404;method=GET"]);
    let reply = add_with_id(&gateway, "hidden").await;
    let (code, outcome, _) = reply.failure();
    assert_eq!((code, outcome), ("OUTCOME_UNKNOWN", "UNKNOWN"));

    // A conflict with an earlier object is a conflict.
    gateway.replace_faults(&[]);
    add_with_id(&gateway, "theirs").await.data();
    assert_eq!(add_with_id(&gateway, "theirs").await.failure(), ("CONFLICT", "REJECTED", false));
}

#[tokio::test]
async fn no_retry_is_sent_after_the_caller_disconnects() {
    let gateway = Gateway::start().await;
    gateway.replace_faults(&["429;retry-after=1"]);
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    let request =
        gateway.post().header("content-type", "application/json").bearer_auth(fresh_token()).body(body);
    let caller = tokio::spawn(request.send());
    while gateway.sent().is_empty() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    // A second throttled caller gets a response after a longer wait than the first one's.
    gateway.replace_faults(&[]);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        add(&gateway).await;
    }
    let gone: Vec<Value> = gateway.sent().iter().map(|sent| json!(sent.header("authorization"))).collect();
    let mut tokens = gone.clone();
    tokens.dedup();
    assert_eq!(tokens.len(), gone.len(), "each of the others sent once, and the one who has gone nothing");
}

#[tokio::test]
async fn an_action_is_resent_only_if_graph_did_not_execute_it() {
    let gateway = Gateway::start().await;
    let query = "mutation($id: ID!) { assignIosLobAppProvisioningConfiguration(
        input: {id: $id, assignments: []}) { clientMutationId } }";
    let assign =
        async || gateway.graphql_as(Some(&fresh_token()), query, json!({"id": DEMO_CONFIGURATION_ID})).await;
    gateway.replace_faults(&["429;retry-after=0;times=1"]);
    assign().await.data();
    assert_eq!(gateway.sent().len(), 2);
    gateway.replace_faults(&["504;times=1"]);
    let reply = assign().await;
    assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false));
    assert_eq!(gateway.sent().len(), 1);
}

#[tokio::test]
async fn the_retry_budget_limits_retries() {
    let gateway = Gateway::builder()
        .settings(|settings| settings.request_timeout = Duration::from_secs(8))
        .start()
        .await;
    gateway.replace_faults(&["429"]);
    // The floor is ten a second for ten seconds; each request would be sent three times without it.
    let requests = futures_util::future::join_all((0..400).map(|_| add(&gateway)));
    let replies = requests.await;
    assert!(replies.iter().all(|reply| reply.code() == "THROTTLED"));
    let sent = gateway.sent().len();
    assert!(
        (400..=700).contains(&sent),
        "400 requests, 100 retries by the floor and 20 % of all that is sent in ten seconds: {sent}, not 1200"
    );
}

fn keeps() -> Settings {
    Settings { ids: IdPolicy::Keep, ..Settings::default() }
}
