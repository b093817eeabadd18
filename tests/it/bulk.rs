//! `addDeviceStatuses`: many creates in `$batch` requests, one result each.

use std::time::Duration;

use msgraph_sandbox::settings::{IdPolicy, Switch};
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::add_device_status::device_status;
use crate::harness::{Gateway, Reply, fresh_token};

pub(crate) const BULK: &str = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
    clientMutationId createdCount failedCount
    results { index deviceStatusId replayed deviceStatus { id userName }
        error { code message retryable outcome retryAfter graph { status code requestId clientRequestId } } } } }";

/// Statuses whose user names are their numbers.
pub(crate) fn numbered(count: usize) -> Vec<Value> {
    let status = |number: usize| {
        let mut status = device_status();
        status["userName"] = json!(number.to_string());
        status
    };
    (0..count).map(status).collect()
}

/// Statuses with ids of the caller's.
pub(crate) fn with_ids(count: usize, prefix: &str) -> Vec<Value> {
    let mut statuses = numbered(count);
    for (number, status) in statuses.iter_mut().enumerate() {
        status["graphId"] = json!(format!("{prefix}-{number}"));
    }
    statuses
}

async fn add(gateway: &Gateway, statuses: Vec<Value>) -> Reply {
    let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": statuses, "clientMutationId": "m"});
    gateway.graphql_as(Some(&fresh_token()), BULK, json!({"input": input})).await
}

fn payload(reply: &Reply) -> &Value {
    &reply.data()["addDeviceStatuses"]
}

fn results(reply: &Reply) -> &[Value] {
    payload(reply)["results"].as_array().unwrap()
}

/// The result of each: the user name of the created object, or the error's code.
pub(crate) fn outcomes(results: &[Value]) -> Vec<String> {
    let fate = |(index, result): (usize, &Value)| {
        assert_eq!(result["index"], index);
        assert_eq!(result["error"].is_null(), result["deviceStatusId"].is_string(), "either or: {result}");
        match &result["error"] {
            Value::Null => {
                assert_eq!(result["deviceStatus"]["id"], result["deviceStatusId"]);
                result["deviceStatus"]["userName"].as_str().unwrap().to_owned()
            }
            error => error["code"].as_str().unwrap().to_owned(),
        }
    };
    results.iter().enumerate().map(fate).collect()
}

fn batches(gateway: &Gateway) -> Vec<usize> {
    let mut sizes: Vec<usize> = gateway
        .sent()
        .iter()
        .filter(|sent| sent.path.ends_with("/$batch"))
        .map(|sent| sent.batch_items().len())
        .collect();
    sizes.sort_unstable();
    sizes
}

#[tokio::test]
async fn many_are_created_in_batches_of_twenty_and_their_order_is_kept() {
    let gateway = Gateway::start().await;
    let before = gateway.status_count();
    gateway.replace_faults(&["batch-shuffled"]);
    let reply = add(&gateway, numbered(45)).await;
    let expected: Vec<String> = (0..45).map(|number| number.to_string()).collect();
    assert_eq!(outcomes(results(&reply)), expected);
    let payload = payload(&reply);
    assert_eq!((&payload["createdCount"], &payload["failedCount"]), (&json!(45), &json!(0)));
    assert_eq!(payload["clientMutationId"], "m");
    assert_eq!(batches(&gateway), [5, 20, 20]);
    assert_eq!(gateway.sent().len(), 3, "nothing is read besides");
    assert_eq!(gateway.status_count(), before + 45);
    let item = &gateway.sent()[0].batch_items()[0];
    assert_eq!(item["method"], "POST");
    let path = format!(
        "/deviceAppManagement/iosLobAppProvisioningConfigurations/{DEMO_CONFIGURATION_ID}/deviceStatuses"
    );
    assert_eq!(item["url"], path);
    assert_eq!(item["headers"], json!({"Content-Type": "application/json"}));
    // The body is the one of a single create.
    gateway.clear_requests();
    add(&gateway, numbered(1)).await;
    let single: Value = serde_json::from_slice(&gateway.sent()[0].body).unwrap();
    let mut body = item["body"].clone();
    body["userName"] = json!("0");
    assert_eq!(body, single);
}

#[tokio::test]
async fn a_bulk_accepts_zero_to_a_thousand_items() {
    let gateway = Gateway::start().await;
    let before = gateway.status_count();
    assert_eq!(results(&add(&gateway, numbered(1000)).await).len(), 1000);
    assert_eq!(gateway.status_count(), before + 1000);
    assert_eq!(batches(&gateway), [20; 50]);

    gateway.clear_requests();
    assert_eq!(outcomes(results(&add(&gateway, numbered(1)).await)), ["0"]);
    assert_eq!(gateway.sent().len(), 1);
    assert!(gateway.sent()[0].path.ends_with("/deviceStatuses"), "a single one is a plain POST");

    gateway.clear_requests();
    assert_eq!(results(&add(&gateway, Vec::new()).await), [] as [Value; 0]);
    let reply = add(&gateway, numbered(1001)).await;
    assert_eq!(reply.code(), "BAD_USER_INPUT");
    assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
    assert!(gateway.sent().is_empty());
}

#[tokio::test]
async fn a_failed_item_leaves_the_others_intact() {
    let gateway = Gateway::short_timeouts().start().await;
    for (fault, code, outcome, retryable) in [
        ("batch-item;item=2;status=400;code=BadRequest;message=No", "BAD_USER_INPUT", "REJECTED", false),
        ("batch-item;item=2;status=403", "FORBIDDEN", "REJECTED", false),
        ("batch-item;item=2;status=409", "CONFLICT", "REJECTED", false),
        ("batch-item;item=2;status=429;retry-after=60", "THROTTLED", "REJECTED", true),
        ("batch-item;item=2;status=503;retry-after=60", "UPSTREAM_UNAVAILABLE", "REJECTED", true),
        ("batch-item;item=2;status=503", "OUTCOME_UNKNOWN", "UNKNOWN", false),
        ("batch-item;item=2;status=500;applied=true", "OUTCOME_UNKNOWN", "UNKNOWN", false),
        ("batch-item;item=2;status=504", "OUTCOME_UNKNOWN", "UNKNOWN", false),
        ("batch-missing;item=2", "OUTCOME_UNKNOWN", "UNKNOWN", false),
        ("batch-duplicate;item=2", "OUTCOME_UNKNOWN", "UNKNOWN", false),
        ("batch-malformed;item=2", "OUTCOME_UNKNOWN", "UNKNOWN", false),
    ] {
        gateway.replace_faults(&[fault]);
        let reply = add(&gateway, numbered(3)).await;
        assert_eq!(outcomes(results(&reply)), ["0", code, "2"], "{fault}");
        let error = &results(&reply)[1]["error"];
        assert_eq!((&error["outcome"], &error["retryable"]), (&json!(outcome), &json!(retryable)), "{fault}");
        assert_eq!(
            (&payload(&reply)["createdCount"], &payload(&reply)["failedCount"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(batches(&gateway), [3], "{fault}: sent once");
    }
    gateway.replace_faults(&["batch-item;item=1;status=429;retry-after=60;code=TooManyRequests"]);
    let reply = add(&gateway, numbered(2)).await;
    let error = &results(&reply)[0]["error"];
    assert_eq!(error["retryAfter"], 60.0);
    assert_eq!(
        (&error["graph"]["status"], &error["graph"]["code"]),
        (&json!(429), &json!("TooManyRequests"))
    );
    assert!(error["message"].as_str().unwrap().contains("throttles"));
}

#[tokio::test]
async fn only_items_that_graph_did_not_execute_are_resent() {
    let gateway = Gateway::start().await;
    for (faults, sizes) in [
        (vec!["batch-item;item=2;status=429;retry-after=0.2;times=1"], vec![4]),
        (
            vec![
                "batch-item;item=2;status=429;times=1",
                "batch-item;item=3;status=503;retry-after=0;times=1",
            ],
            vec![2, 4],
        ),
        (vec!["429;retry-after=1;path=$batch;times=1"], vec![4, 4]),
        (vec!["503;retry-after=0;path=$batch;times=1"], vec![4, 4]),
    ] {
        let before = gateway.status_count();
        gateway.replace_faults(&faults);
        let reply = add(&gateway, numbered(4)).await;
        assert_eq!(outcomes(results(&reply)), ["0", "1", "2", "3"], "{faults:?}");
        assert_eq!(batches(&gateway), sizes, "{faults:?}");
        assert_eq!(gateway.status_count(), before + 4);
    }
}

#[tokio::test]
async fn a_batch_with_a_lost_response_is_not_resent() {
    let gateway = Gateway::start().await;
    for fault in
        ["drop-applied;path=$batch;times=1", "504;path=$batch;times=1", "canned;text={};path=$batch;times=1"]
    {
        gateway.replace_faults(&[fault]);
        let reply = add(&gateway, numbered(30)).await;
        let outcomes = outcomes(results(&reply));
        let unknown = outcomes.iter().filter(|fate| *fate == "OUTCOME_UNKNOWN").count();
        assert!([10, 20].contains(&unknown), "{fault}: {unknown}");
        assert_eq!(payload(&reply)["failedCount"], unknown);
        assert_eq!(batches(&gateway), [10, 20], "{fault}");
    }
}

#[tokio::test]
async fn items_with_client_ids_and_lost_responses_are_read_back() {
    let settings = || Settings { ids: IdPolicy::Keep, ..Settings::default() };
    let gateway = Gateway::builder().sandbox(settings()).start().await;
    let before = gateway.status_count();
    gateway.replace_faults(&["drop-applied;path=$batch;times=2"]);
    let reply = add(&gateway, with_ids(30, "a")).await;
    let expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(outcomes(results(&reply)), expected);
    assert_eq!(gateway.status_count(), before + 30);

    // If Graph keeps ids, the missing ones are sent again.
    let gateway = Gateway::builder().sandbox(settings()).keeps_ids().start().await;
    gateway.replace_faults(&["drop-unread;path=$batch;method=POST;times=1"]);
    let reply = add(&gateway, with_ids(30, "b")).await;
    assert_eq!(outcomes(results(&reply)), expected);
    assert_eq!(gateway.status_count(), before + 30);
}

#[tokio::test]
async fn items_beyond_the_throttling_window_are_left_with_a_retry_after() {
    let settings = Settings { throttle: Switch::On, ..Settings::default() };
    let gateway = Gateway::builder()
        .sandbox(settings)
        .settings(|settings| settings.request_timeout = Duration::from_secs(6))
        .start()
        .await;
    // The window has just begun, so that it does not end within the call.
    gateway.sandbox.advance_clock(Duration::from_secs(20));
    let before = gateway.status_count();
    let reply = add(&gateway, numbered(300)).await;
    let created = payload(&reply)["createdCount"].as_u64().unwrap();
    let left: Vec<&Value> =
        results(&reply).iter().map(|result| &result["error"]).filter(|error| !error.is_null()).collect();
    assert_eq!(created + left.len() as u64, 300);
    assert_eq!(gateway.status_count() as u64, before as u64 + created);
    assert!((100..=200).contains(&created), "{created}");
    for error in &left {
        assert_eq!((&error["code"], &error["retryable"]), (&json!("THROTTLED"), &json!(true)));
        assert!(["NOT_SENT", "REJECTED"].contains(&error["outcome"].as_str().unwrap()));
        assert!(error["retryAfter"].as_f64().unwrap() >= 1.0, "{error}");
    }
    assert!(left.iter().any(|error| error["outcome"] == "NOT_SENT"), "most were not even sent");
    assert!(gateway.sent().len() < 12, "Graph was not hammered: {}", gateway.sent().len());
}

#[tokio::test]
async fn no_further_batch_is_sent_after_the_caller_disconnects() {
    let gateway = Gateway::start().await;
    gateway.replace_faults(&["slow-first-byte;wait=1s"]);
    let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(400)});
    let body = json!({"query": BULK, "variables": {"input": input}}).to_string();
    let before = gateway.status_count();
    let request =
        gateway.post().header("content-type", "application/json").bearer_auth(fresh_token()).body(body);
    let caller = tokio::spawn(request.send());
    while gateway.sent().len() < 4 {
        tokio::task::yield_now().await;
    }
    caller.abort();
    // The sent writes were applied.
    while gateway.status_count() < before + 80 {
        tokio::task::yield_now().await;
    }
    gateway.replace_faults(&[]);
    add(&gateway, numbered(21)).await;
    assert_eq!(gateway.status_count(), before + 101);
}
