//! A panic fails one write with a correct outcome and nothing else, and its message is not exposed.

use std::process::Command;

use intune_graphql::telemetry;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::{BULK, numbered};
use crate::harness::{Gateway, Reply};
use crate::hooked_store::{StoreCall, hooked_service, immediate};

const CANARY: &str = "canary-6b1f0c1e-9a53-4c86-8d3b-3c1f7cf3d0aa";

/// A gateway whose store panics in each read, or in one write. Resolvers read and acquire the lease, which is the first write. The task that
/// creates the object stores the intent and the result.
async fn gateway(panicking: StoreCall) -> Gateway {
    let service = hooked_service(move |call| {
        let panics = match panicking {
            StoreCall::Get(_) => matches!(call, StoreCall::Get(_)),
            StoreCall::Replace(_) => call == panicking,
        };
        assert!(!panics, "{CANARY}");
        immediate(Ok(()))
    });
    Gateway::builder().api(|api| api.idempotency = service).start().await
}

fn keyed() -> Value {
    let mut input = input(device_status());
    input["input"]["idempotencyKey"] = json!("k");
    input
}

/// The reply to a call that meets the panic, which is counted once, while others are served.
async fn panicking(gateway: &Gateway, query: &str, variables: Value) -> Reply {
    const PANICS: &str = "intune_graphql_panics_total";
    let before = gateway.counter(PANICS).await;
    let others =
        futures_util::future::join_all((0..10).map(|_| gateway.graphql(MUTATION, input(device_status()))));
    let (reply, others) = tokio::join!(gateway.graphql(query, variables), others);
    for other in others {
        other.data();
    }
    assert_eq!(gateway.counter(PANICS).await, before + 1);
    assert!(!reply.json.to_string().contains(CANARY), "{reply:?}");
    reply
}

/// POSTs of single statuses that are not those of the ten others.
fn posts(gateway: &Gateway) -> usize {
    gateway.post_count() - 10
}

async fn each_panic_fails_one_write() {
    for (call, outcome, sent) in [
        // An earlier call may have written, which cannot be checked.
        (StoreCall::Get(1), "UNKNOWN", 0),
        (StoreCall::Replace(1), "UNKNOWN", 0),
        // Nothing is sent before the intent is recorded.
        (StoreCall::Replace(2), "NOT_SENT", 0),
    ] {
        let gateway = gateway(call).await;
        let reply = panicking(&gateway, MUTATION, keyed()).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (200, "INTERNAL_SERVER_ERROR"), "{call:?}");
        let extensions = &reply.error()["extensions"];
        assert_eq!((&extensions["outcome"], &extensions["retryable"]), (&json!(outcome), &json!(false)));
        assert_eq!(posts(&gateway), sent, "{call:?}");
    }

    // The outcome is known when it cannot be stored, and is stored later.
    let gateway_of_release = gateway(StoreCall::Replace(3)).await;
    let reply = panicking(&gateway_of_release, MUTATION, keyed()).await;
    let id = &reply.data()["addDeviceStatus"]["deviceStatusId"];
    assert_eq!(posts(&gateway_of_release), 1);
    let repeat = gateway_of_release.graphql(MUTATION, keyed()).await;
    assert_eq!(&repeat.data()["addDeviceStatus"]["deviceStatusId"], id);
    assert_eq!(repeat.data()["addDeviceStatus"]["replayed"], true);

    // Earlier creates of the same request are returned.
    let reply = panicking(
        &gateway(StoreCall::Get(1)).await,
        "mutation($first: AddDeviceStatusInput!, $second: AddDeviceStatusInput!) {
            first: addDeviceStatus(input: $first) { deviceStatusId }
            second: addDeviceStatus(input: $second) { deviceStatusId } }",
        json!({"first": input(device_status())["input"], "second": keyed()["input"]}),
    )
    .await;
    assert!(reply.json["data"]["first"]["deviceStatusId"].is_string(), "{reply:?}");
    assert_eq!((reply.code(), &reply.error()["path"]), ("INTERNAL_SERVER_ERROR", &json!(["second"])));

    // The first batch is in flight when the second cannot be recorded.
    let bulk = json!({"input": {"configurationId": DEMO_CONFIGURATION_ID, "deviceStatuses": numbered(50),
        "idempotencyKey": "k"}});
    let reply = panicking(&gateway(StoreCall::Replace(3)).await, BULK, bulk).await;
    let results = reply.data()["addDeviceStatuses"]["results"].as_array().unwrap();
    for (index, result) in results.iter().enumerate() {
        let outcome = if index < 20 { "UNKNOWN" } else { "NOT_SENT" };
        assert_eq!(result["error"]["code"], "INTERNAL_SERVER_ERROR", "{index}: {result}");
        assert_eq!(result["error"]["outcome"], outcome, "{index}: {result}");
    }
}

/// In a separate process, with the log of `main`, which is global to a process.
#[test]
fn a_panic_fails_one_write_and_its_message_is_not_exposed() {
    const ALONE: &str = "INTUNE_GRAPHQL_TEST_OF_PANICS";
    if std::env::var_os(ALONE).is_some() {
        telemetry::init("trace", telemetry::LogFormat::Text).unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(each_panic_fails_one_write());
        return;
    }
    let mut alone = Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", "panics::a_panic_fails_one_write_and_its_message_is_not_exposed", "--nocapture"]);
    let output = alone.env(ALONE, "1").output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let told: Vec<&str> = said.lines().filter(|line| line.contains("panics.rs:")).collect();
    assert!(output.status.success() && said.contains("1 passed"), "{told:#?}");
    assert!(!said.contains(CANARY), "{:?}", said.lines().find(|line| line.contains(CANARY)));
    assert_eq!(told.len(), 6, "one line each, which says where: {told:#?}");
    assert!(told.iter().all(|line| line.contains("ERROR")), "{told:#?}");
}
