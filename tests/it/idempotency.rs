//! `idempotencyKey`: a repeated call returns the first call's object and creates nothing.

use std::time::Duration;

use msgraph_sandbox::settings::{IdPolicy, Switch};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::{BULK, numbered, outcomes, with_ids};
use crate::harness::{Gateway, Reply, TOKEN, fresh_token};
use crate::idempotency_store::token_of;

pub(crate) fn keyed(key: &str, status: Value) -> Value {
    let mut input = input(status);
    input["input"]["idempotencyKey"] = json!(key);
    input
}

pub(crate) async fn add(gateway: &Gateway, key: &str) -> Reply {
    gateway.graphql(MUTATION, keyed(key, device_status())).await
}

/// The object's id, and whether it was replayed.
#[track_caller]
pub(crate) fn created(reply: &Reply) -> (&str, bool) {
    let payload = &reply.data()["addDeviceStatus"];
    (payload["deviceStatusId"].as_str().unwrap(), payload["replayed"].as_bool().unwrap())
}

#[tokio::test]
async fn a_replay_returns_the_first_object_read_with_the_present_token() {
    let gateway = Gateway::start().await;
    let first = add(&gateway, "k").await;
    assert!(!created(&first).1);
    gateway.clear_requests();
    let mut again = keyed("k", device_status());
    again["input"]["clientMutationId"] = json!("another");
    let second = gateway.graphql_as(Some("another-token"), MUTATION, again).await;
    assert_eq!(created(&second), (created(&first).0, true));
    assert_eq!(
        second.data()["addDeviceStatus"]["deviceStatus"],
        first.data()["addDeviceStatus"]["deviceStatus"]
    );
    assert_eq!(second.data()["addDeviceStatus"]["clientMutationId"], "another");
    assert_eq!(gateway.post_count(), 0);
    assert!(gateway.sent().iter().all(|sent| sent.header("authorization") == Some("Bearer another-token")));
}

#[tokio::test]
async fn other_input_with_the_same_key_is_rejected() {
    let gateway = Gateway::start().await;
    created(&add(&gateway, "k").await);
    for (member, value) in [("userName", json!("other")), ("platform", json!(1)), ("graphId", json!("x"))] {
        let mut status = device_status();
        status[member] = value;
        let reply = gateway.graphql(MUTATION, keyed("k", status)).await;
        assert_eq!(reply.failure(), ("IDEMPOTENCY_KEY_REUSED", "NOT_SENT", false), "{member}");
    }
    assert_eq!(gateway.post_count(), 1);
}

#[tokio::test]
async fn keys_are_scoped_by_tenant_configuration_and_mutation() {
    let gateway = Gateway::start().await;
    let tenants = ["72f988bf-86f1-41af-91ab-2d7cd011db47", "82f988bf-86f1-41af-91ab-2d7cd011db47"];
    created(&add(&gateway, "k").await);
    for tenant in tenants {
        let reply = gateway.graphql_as(Some(&token_of(tenant)), MUTATION, keyed("k", device_status())).await;
        assert!(!created(&reply).1, "{tenant}");
    }
    let mut other = keyed("k", device_status());
    other["input"]["configurationId"] = gateway.sandbox.configurations()[1]["id"].clone();
    assert!(!created(&gateway.graphql(MUTATION, other).await).1);
    let bulk = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": [device_status()], "idempotencyKey": "k"});
    let reply = gateway.graphql(BULK, json!({"input": bulk})).await;
    assert_eq!(reply.data()["addDeviceStatuses"]["results"][0]["replayed"], false);
    assert_eq!(gateway.post_count(), 5);
}

#[tokio::test]
async fn a_replay_requires_read_access_to_the_configuration() {
    let gateway = Gateway::start().await;
    created(&add(&gateway, "k").await);
    gateway.clear_requests();
    for (token, code) in [("no-scope-token", "FORBIDDEN"), ("expired-token", "UNAUTHENTICATED")] {
        for user in ["User Name value", "other"] {
            let mut status = device_status();
            status["userName"] = json!(user);
            let reply = gateway.graphql_as(Some(token), MUTATION, keyed("k", status)).await;
            assert_eq!(reply.failure(), (code, "UNKNOWN", false), "neither told nor denied");
        }
    }
    assert_eq!(gateway.post_count(), 0);
}

#[tokio::test]
async fn a_create_that_wrote_nothing_leaves_the_key_free() {
    let gateway = Gateway::short_timeouts().start().await;
    for (index, fault) in
        ["400", "403", "409", "429", "503;retry-after=60", "429;retry-after=60"].iter().enumerate()
    {
        gateway.replace_faults(&[&format!("{fault};times=1")]);
        let token = fresh_token();
        let key = format!("k{index}");
        gateway.graphql_as(Some(&token), MUTATION, keyed(&key, device_status())).await.error();
        // Even with other input.
        let mut status = device_status();
        status["userName"] = json!("other");
        let reply = gateway.graphql(MUTATION, keyed(&key, status)).await;
        assert!(!created(&reply).1, "{fault}");
    }
}

#[tokio::test]
async fn an_unknown_outcome_is_kept_and_never_resent() {
    let gateway = Gateway::start().await;
    for (index, fault) in ["504", "drop-applied", "drop-unread", "500"].into_iter().enumerate() {
        gateway.replace_faults(&[&format!("{fault};times=1")]);
        let key = format!("k{index}");
        // It is retryable, since the key prevents duplicates, and the message says so.
        for _ in 0..2 {
            let reply = add(&gateway, &key).await;
            assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true), "{fault}");
            let message = reply.error()["message"].as_str().unwrap();
            assert!(message.ends_with("Repeating the call with its key creates nothing twice."), "{message}");
        }
        assert_eq!(gateway.post_count(), 1, "{fault}");
    }
    gateway.replace_faults(&["without;members=id;times=1"]);
    assert_eq!(add(&gateway, "applied").await.failure(), ("UPSTREAM_ERROR", "APPLIED", false));
    assert_eq!(add(&gateway, "applied").await.failure(), ("UPSTREAM_ERROR", "APPLIED", false));
    assert_eq!(gateway.post_count(), 1);
}

#[tokio::test]
async fn an_unknown_outcome_with_a_graph_id_is_read_back_by_the_repeat() {
    let settings = Settings { ids: IdPolicy::Keep, ..Settings::default() };
    let gateway = Gateway::short_timeouts().sandbox(settings).start().await;
    let mut status = device_status();
    status["graphId"] = json!("mine");
    // The object exists, and cannot be read at first.
    gateway.replace_faults(&["drop-applied;method=POST;times=1", "500;method=GET;times=1"]);
    let reply = gateway.graphql(MUTATION, keyed("k", status.clone())).await;
    assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    let reply = gateway.graphql(MUTATION, keyed("k", status)).await;
    assert!(created(&reply).1);
    assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["graphId"], "mine");
    assert_eq!(gateway.post_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_concurrent_calls_create_one_object_and_all_return_it() {
    let gateway = Gateway::start().await;
    let before = gateway.status_count();
    gateway.replace_faults(&["slow-first-byte;wait=300ms;method=POST"]);
    let replies = futures_util::future::join_all((0..100).map(|_| add(&gateway, "k"))).await;
    let first = created(&replies[0]).0.to_owned();
    assert!(replies.iter().all(|reply| created(reply).0 == first));
    assert_eq!(replies.iter().filter(|reply| !created(reply).1).count(), 1, "one made it");
    assert_eq!((gateway.post_count(), gateway.status_count()), (1, before + 1));
    for reply in &replies {
        assert_eq!(
            reply.data()["addDeviceStatus"]["deviceStatus"],
            replies[0].data()["addDeviceStatus"]["deviceStatus"]
        );
    }
}

#[tokio::test]
async fn a_waiter_that_times_out_first_has_an_unknown_outcome() {
    let gateway = Gateway::builder()
        .settings(|settings| settings.request_timeout = Duration::from_millis(1500))
        .start()
        .await;
    gateway.replace_faults(&["slow-first-byte;wait=4s;method=POST;times=1"]);
    let (first, second) = tokio::join!(add(&gateway, "k"), add(&gateway, "k"));
    for reply in [first, second] {
        assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    }
    // The first call's response is awaited and recorded nevertheless.
    let reply = loop {
        let reply = add(&gateway, "k").await;
        if reply.json.get("errors").is_none() {
            break reply;
        }
        assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    };
    assert!(created(&reply).1);
    assert_eq!(gateway.post_count(), 1);
}

#[tokio::test]
async fn a_repeat_returns_the_object_of_a_disconnected_caller() {
    let gateway = Gateway::start().await;
    gateway.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
    let body = json!({"query": MUTATION, "variables": keyed("k", device_status())}).to_string();
    let request = gateway.post().header("content-type", "application/json").bearer_auth(TOKEN).body(body);
    let caller = tokio::spawn(request.send());
    while gateway.post_count() == 0 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    let reply = add(&gateway, "k").await;
    assert!(created(&reply).1);
    assert_eq!(gateway.post_count(), 1);
}

#[tokio::test]
async fn a_replay_whose_read_fails_returns_the_id_and_the_reads_error() {
    let gateway = Gateway::start().await;
    let first = add(&gateway, "k").await;
    let key = first.data()["addDeviceStatus"]["deviceStatus"]["graphId"].as_str().unwrap().to_owned();
    gateway.replace_faults(&[&format!("403;method=GET;path=deviceStatuses/{key}")]);
    let query = "mutation($input: AddDeviceStatusInput!) {
        addDeviceStatus(input: $input) { deviceStatusId replayed deviceStatus { userName } } }";
    let reply = gateway.graphql(query, keyed("k", device_status())).await;
    let payload = &reply.json["data"]["addDeviceStatus"];
    assert_eq!(payload["deviceStatusId"], created(&first).0);
    assert_eq!((&payload["replayed"], &payload["deviceStatus"]), (&json!(true), &json!(null)));
    assert_eq!((reply.code(), &reply.error()["extensions"]["outcome"]), ("FORBIDDEN", &json!("APPLIED")));
    assert_eq!(gateway.post_count(), 0);
}

#[tokio::test]
async fn keys_have_1_to_255_visible_characters() {
    let gateway = Gateway::start().await;
    for key in ["", " ", "a b", "a\n", "é", &"k".repeat(256)] {
        let reply = add(&gateway, key).await;
        assert_eq!(reply.failure(), ("BAD_USER_INPUT", "NOT_SENT", false), "{key:?}");
        assert!(reply.error()["message"].as_str().unwrap().contains("input.idempotencyKey"));
    }
    assert!(gateway.sent().is_empty());
    for key in ["k", "~!", &"k".repeat(255)] {
        created(&add(&gateway, key).await);
    }
}

#[tokio::test]
async fn a_configuration_is_created_once_per_key() {
    let gateway = Gateway::start().await;
    let before = gateway.sandbox.configurations().len();
    let query = "mutation($input: CreateIosLobAppProvisioningConfigurationInput!) {
        createIosLobAppProvisioningConfiguration(input: $input) { configurationId replayed configuration { displayName } } }";
    let variables = |name: &str| {
        json!({"input": {"idempotencyKey": "k", "configuration":
            {"displayName": name, "payloadFileName": "a.mobileprovision", "payload": "AAAA"}}})
    };
    let create =
        async |token: &str, name: &str| gateway.graphql_as(Some(token), query, variables(name)).await;
    let first = create(TOKEN, "a").await;
    let second = create(TOKEN, "a").await;
    let payload = |reply: &Reply| reply.data()["createIosLobAppProvisioningConfiguration"].clone();
    assert_eq!((&payload(&first)["replayed"], &payload(&second)["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(payload(&first)["configurationId"], payload(&second)["configurationId"]);
    assert_eq!(payload(&second)["configuration"], json!({"displayName": "a"}));
    assert_eq!(create(TOKEN, "b").await.failure(), ("IDEMPOTENCY_KEY_REUSED", "NOT_SENT", false));
    assert_eq!(create("no-scope-token", "b").await.failure(), ("FORBIDDEN", "UNKNOWN", false));
    assert_eq!(gateway.sandbox.configurations().len(), before + 1);
}

pub(crate) fn bulk(key: &str, statuses: Vec<Value>) -> Value {
    json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": statuses, "idempotencyKey": key}})
}

pub(crate) fn results(reply: &Reply) -> &[Value] {
    reply.data()["addDeviceStatuses"]["results"].as_array().unwrap()
}

#[tokio::test]
async fn a_repeated_bulk_call_sends_only_the_unfinished_items() {
    let gateway = Gateway::short_timeouts().start().await;
    let before = gateway.status_count();
    gateway.replace_faults(&[
        "batch-item;item=1;status=400;times=1",
        "batch-item;item=2;status=503;retry-after=60;times=1",
        "batch-item;item=3;status=504;times=1",
        "batch-item;item=4;status=500;applied=true;times=1",
    ]);
    let first = gateway.graphql(BULK, bulk("k", numbered(6))).await;
    let codes = ["BAD_USER_INPUT", "UPSTREAM_UNAVAILABLE", "OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "4", "5"];
    assert_eq!(outcomes(results(&first)), codes);
    assert_eq!(results(&first)[2]["error"]["retryable"], true);
    gateway.clear_requests();
    let second = gateway.graphql(BULK, bulk("k", numbered(6))).await;
    assert_eq!(outcomes(results(&second)), ["0", "1", "OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN", "4", "5"]);
    let replayed: Vec<&Value> = results(&second).iter().map(|result| &result["replayed"]).collect();
    assert_eq!(replayed, [false, false, false, false, true, true]);
    assert_eq!(results(&second)[4]["deviceStatusId"], results(&first)[4]["deviceStatusId"]);
    let sent: Vec<usize> = gateway
        .sent()
        .iter()
        .filter(|sent| sent.path.ends_with("/$batch"))
        .map(|sent| sent.batch_items().len())
        .collect();
    assert_eq!(sent[0], 2, "only what was refused: {sent:?}");
    // One was applied without a response; nothing is duplicated.
    assert_eq!(gateway.status_count(), before + 5);
    let other = gateway.graphql(BULK, bulk("k", numbered(5))).await;
    assert_eq!(other.failure(), ("IDEMPOTENCY_KEY_REUSED", "NOT_SENT", false));
}

#[tokio::test]
async fn a_repeated_bulk_call_continues_after_throttling() {
    let settings = Settings { throttle: Switch::On, ..Settings::default() };
    let gateway = Gateway::builder()
        .sandbox(settings)
        .settings(|settings| settings.request_timeout = Duration::from_secs(5))
        .start()
        .await;
    let before = gateway.status_count();
    let mut calls = 0;
    let last = loop {
        calls += 1;
        let reply = gateway.graphql_as(Some(&fresh_token()), BULK, bulk("k", numbered(250))).await;
        let errors: Vec<&Value> =
            results(&reply).iter().map(|result| &result["error"]).filter(|error| !error.is_null()).collect();
        if errors.is_empty() {
            break reply;
        }
        assert!(errors.iter().all(|error| error["code"] == "THROTTLED" && error["retryAfter"].is_number()));
        assert_eq!(gateway.status_count(), before + 250 - errors.len());
        // The caller comes back when it may.
        gateway.sandbox.advance_clock(Duration::from_secs(20));
    };
    let expected: Vec<String> = (0..250).map(|number| number.to_string()).collect();
    assert_eq!(outcomes(results(&last)), expected);
    assert_eq!(gateway.status_count(), before + 250);
    assert!((2..=4).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_repeat_finishes_a_bulk_call_that_a_disconnect_interrupted() {
    let settings = Settings { ids: IdPolicy::Keep, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings).start().await;
    let before = gateway.status_count();
    gateway.replace_faults(&["slow-first-byte;wait=500ms;path=$batch"]);
    let body = json!({"query": BULK, "variables": bulk("k", with_ids(200, "x"))}).to_string();
    let request = gateway.post().header("content-type", "application/json").bearer_auth(TOKEN).body(body);
    let caller = tokio::spawn(request.send());
    while gateway.sent().is_empty() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    let reply = gateway.graphql(BULK, bulk("k", with_ids(200, "x"))).await;
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(outcomes(results(&reply)), expected);
    assert!(results(&reply).iter().any(|result| result["replayed"] == true), "some had been made");
    assert_eq!(gateway.status_count(), before + 200);
}
