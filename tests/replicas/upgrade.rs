//! A rolling upgrade: gateways of two versions share the server. `OTHER_INTUNE_GRAPHQL` names the other version's program;
//! without it, both have the same version, and these are tests of a rolling restart.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

use crate::documents::{by_hash, share};
use crate::events::{each_is_told, each_receives, subscribers, until_linked};
use crate::keys::SHORT;
use crate::replica::{Deployment, Replica, TOKEN, device_status, until};
use crate::waits::{THROTTLED, add, throttle, until_told};

const ADD_MANY: &str = "mutation($input: AddDeviceStatusesInput!) {
  addDeviceStatuses(input: $input) { results { deviceStatusId replayed error { code outcome } } }
}";
const STATUSES: &str = "query($id: ID!, $after: String) { iosLobAppProvisioningConfiguration(id: $id) {
  id deviceStatuses(first: 3, after: $after) { nodes { id } pageInfo { endCursor } } } }";
const NOT_SENT: &str = "intune_graphql_shared_events_total{result=\"not_sent\"}";
const NODE: &str = "query($id: ID!) { node(id: $id) { __typename id } }";

/// The two directions of a test: this version first, and the other version first.
const DIRECTIONS: [bool; 2] = [true, false];

/// A replica of each version.
fn replicas(deployment: &Deployment, is_this_first: bool, settings: &[&str]) -> [Replica; 2] {
    let (this, other) = (deployment.replica(settings), deployment.other_replica(settings));
    if is_this_first { [this, other] } else { [other, this] }
}

async fn add_many(replica: &Replica, key: &str) -> Vec<Value> {
    let statuses: Vec<Value> = (0..3).map(|number| device_status(&number.to_string())).collect();
    let input =
        json!({"configurationId": DEMO_CONFIGURATION_ID, "idempotencyKey": key, "deviceStatuses": statuses});
    let reply = replica.graphql(TOKEN, ADD_MANY, &json!({"input": input})).await;
    reply.0["data"]["addDeviceStatuses"]["results"].as_array().unwrap_or_else(|| panic!("{reply:?}")).clone()
}

#[tokio::test]
async fn a_repeat_at_the_other_version_returns_the_first_object() {
    for is_this_first in DIRECTIONS {
        let deployment = Deployment::start().await;
        let [first, second] = replicas(&deployment, is_this_first, &[]);
        let created = first.add("k").await;
        assert!(!created.created().1);
        for replica in [&second, &first] {
            assert_eq!(replica.add("k").await.created(), (created.created().0, true));
        }
        let conflict = second.add_as(TOKEN, Some("k"), "another device").await;
        assert_eq!(conflict.failure(), ("IDEMPOTENCY_KEY_REUSED", "NOT_SENT", false));
        assert_eq!(deployment.status_count(), 1);
    }
}

/// The record has a state for each status of the call.
#[tokio::test]
async fn a_bulk_call_continues_at_the_other_version() {
    for is_this_first in DIRECTIONS {
        let deployment = Deployment::start().await;
        let [first, second] = replicas(&deployment, is_this_first, &[]);
        deployment.replace_faults(&["batch-item;item=2;status=403;times=1"]);
        let begun = add_many(&first, "k").await;
        assert_eq!(begun[1]["error"], json!({"code": "FORBIDDEN", "outcome": "REJECTED"}));
        let continued = add_many(&second, "k").await;
        for (index, result) in continued.iter().enumerate() {
            assert_eq!(result["error"], Value::Null);
            assert_eq!(result["replayed"], index != 1, "{index}");
            assert!(index == 1 || result["deviceStatusId"] == begun[index]["deviceStatusId"]);
        }
        let repeated = add_many(&first, "k").await;
        for (index, result) in repeated.iter().enumerate() {
            assert_eq!(result["replayed"], true);
            assert_eq!(result["deviceStatusId"], continued[index]["deviceStatusId"]);
        }
        assert_eq!(deployment.status_count(), 3);
    }
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_call_at_the_other_version() {
    for is_this_first in DIRECTIONS {
        let deployment = Deployment::start().await;
        let [first, second] = replicas(&deployment, is_this_first, &[]);
        deployment.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
        let created = tokio::spawn(first.add("k"));
        deployment.until_received("POST", 1).await;
        let repeat = second.add("k").await;
        assert_eq!(repeat.created(), (created.await.unwrap().created().0, true));
        assert_eq!(deployment.status_count(), 1);
    }
}

#[tokio::test]
async fn the_write_of_a_killed_replica_is_unknown_at_the_other_version() {
    let test = async |is_this_first| {
        let deployment = Deployment::start().await;
        let [first, second] = replicas(&deployment, is_this_first, &SHORT);
        deployment.replace_faults(&["slow-first-byte;wait=2s;method=POST;times=1"]);
        let lost = tokio::spawn(first.add("k"));
        deployment.until_received("POST", 1).await;
        first.kill();
        assert!(lost.await.is_err(), "the connection is lost");
        let started = Instant::now();
        loop {
            // Until the lease ends, the caller waits for the first call until its own timeout.
            assert_eq!(second.add("k").await.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
            let lookups = second.admin("/metrics").await.1;
            if lookups.contains("intune_graphql_idempotency_lookups_total{result=\"completed\"} 1") {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "{lookups}");
        }
        let posts = deployment.sandbox.requests().into_iter().filter(|request| request.method == "POST");
        assert_eq!(posts.count(), 1);
    };
    // Each waits for the end of a lease.
    tokio::join!(test(true), test(false));
}

/// The owner of a key drains during its write, and the other version takes its place.
#[tokio::test]
async fn a_write_during_a_restart_is_replayed_by_the_other_version() {
    for is_this_first in DIRECTIONS {
        let deployment = Deployment::start().await;
        let [owner, other] = replicas(&deployment, is_this_first, &[]);
        deployment.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
        let created = tokio::spawn(owner.add("k"));
        deployment.until_received("POST", 1).await;
        owner.signal("-TERM");
        let repeat = tokio::spawn(other.add("k"));
        let (code, log) = tokio::task::spawn_blocking(|| owner.stop()).await.unwrap();
        assert_eq!(code, Some(0), "{log}");
        let created = created.await.unwrap();
        assert!(!created.created().1);
        assert_eq!(repeat.await.unwrap().created(), (created.created().0, true));
        let [_, upgraded] = replicas(&deployment, is_this_first, &[]);
        assert_eq!(upgraded.add("k").await.created(), (created.created().0, true));
        assert_eq!(deployment.status_count(), 1);
    }
}

#[tokio::test]
async fn a_rolling_upgrade_and_its_rollback_keep_all_keys() {
    let deployment = Deployment::start().await;
    let mut replicas = vec![deployment.other_replica(&[]), deployment.other_replica(&[])];
    let mut ids = Vec::new();
    for change in 0..4 {
        for (number, replica) in replicas.iter().enumerate() {
            let key = format!("key-{change}-{number}");
            ids.push((key.clone(), replica.add(&key).await.created().0.to_owned()));
        }
        let (code, log) = replicas.remove(0).stop();
        assert_eq!(code, Some(0), "{log}");
        replicas.push(if change < 2 { deployment.replica(&[]) } else { deployment.other_replica(&[]) });
        for replica in &replicas {
            for (key, id) in &ids {
                assert_eq!(replica.add(key).await.created(), (id.as_str(), true));
            }
        }
    }
    assert_eq!(deployment.status_count(), ids.len());
}

#[tokio::test]
async fn a_document_that_one_version_registers_is_known_to_the_other() {
    for is_this_first in DIRECTIONS {
        let deployment = Deployment::start().await;
        let [first, second] = replicas(&deployment, is_this_first, &[]);
        let query = "query Upgrade { __typename }";
        assert_eq!(by_hash(&second, query).await, "PERSISTED_QUERY_NOT_FOUND");
        share(&first, query).await;
        assert_eq!(by_hash(&second, query).await, "Query");
    }
}

#[tokio::test]
async fn an_event_of_one_version_reaches_the_subscribers_of_the_other() {
    let deployment = Deployment::start().await;
    let replicas = replicas(&deployment, true, &[]);
    until_linked(&replicas, true).await;
    let mut subscribers = subscribers(&deployment, &replicas, "a").await;
    for _ in 0..3 {
        each_receives(&replicas, &mut subscribers, "a").await;
    }
}

#[tokio::test]
async fn subscribers_at_the_other_version_are_told_of_events_that_could_not_be_sent() {
    let deployment = Deployment::start().await;
    let replicas = replicas(&deployment, true, &[]);
    until_linked(&replicas, true).await;
    let mut subscribers = subscribers(&deployment, &replicas, "a").await;
    for sender in 0..2 {
        each_receives(&replicas, &mut subscribers, "a").await;
        let (of_this, of_other) = subscribers.split_at_mut(2);
        let (own, others) = if sender == 0 { (of_this, of_other) } else { (of_other, of_this) };
        deployment.redis.command(&["ACL", "SETUSER", "default", "-publish"]).unwrap();
        each_receives(&replicas[sender..=sender], own, "a").await;
        until("the event is dropped", async || replicas[sender].metric(NOT_SENT).await >= 1.0).await;
        deployment.redis.command(&["ACL", "SETUSER", "default", "+publish"]).unwrap();
        each_is_told(others).await;
    }
    each_receives(&replicas, &mut subscribers, "a").await;
}

#[tokio::test]
async fn a_caller_that_one_version_saw_throttled_waits_at_the_other() {
    for is_this_first in DIRECTIONS {
        let deployment = Deployment::start().await;
        let [first, second] = replicas(&deployment, is_this_first, &[]);
        throttle(&deployment, &first, "told", 60).await;
        until_told(&second, "told").await;
        deployment.sandbox.clear_requests();
        assert_eq!(add(&second, "told").await.failure(), THROTTLED);
        assert!(deployment.sandbox.requests().is_empty(), "nothing was sent");
        add(&second, "another").await.created();
    }
}

#[tokio::test]
async fn cursors_and_ids_of_one_version_are_valid_at_the_other() {
    let deployment = Deployment::start().await;
    let key = deployment.redis.folder().join("cursor.key");
    std::fs::write(&key, STANDARD.encode([7; 32])).unwrap();
    let settings = ["--cursor-key-file", key.to_str().unwrap()];
    let replicas = replicas(&deployment, true, &settings);
    let statuses = async |replica: &Replica, id: &Value, after: &Value| {
        let reply = replica.graphql(TOKEN, STATUSES, &json!({"id": id, "after": after})).await;
        assert!(reply.0.get("errors").is_none(), "{reply:?}");
        reply.0["data"]["iosLobAppProvisioningConfiguration"].clone()
    };
    for (first, second) in [(&replicas[0], &replicas[1]), (&replicas[1], &replicas[0])] {
        let page = statuses(first, &json!(DEMO_CONFIGURATION_ID), &Value::Null).await;
        let (id, cursor) = (&page["id"], &page["deviceStatuses"]["pageInfo"]["endCursor"]);
        assert!(id.is_string() && cursor.is_string(), "{page}");
        let next = statuses(second, id, cursor).await;
        let expected = statuses(first, id, cursor).await;
        assert_eq!(next["deviceStatuses"]["nodes"], expected["deviceStatuses"]["nodes"]);
        let status = &next["deviceStatuses"]["nodes"][0]["id"];
        assert!(status.is_string() && *status != page["deviceStatuses"]["nodes"][0]["id"], "{next}");
        for id in [id, status] {
            let node = second.graphql(TOKEN, NODE, &json!({"id": id})).await;
            assert_eq!(node.0["data"]["node"]["id"], *id, "{node:?}");
        }
    }
    // The id in the result of a create.
    for (first, second) in [(&replicas[0], &replicas[1]), (&replicas[1], &replicas[0])] {
        let created = first.add_as(TOKEN, None, "a device").await;
        let node = second.graphql(TOKEN, NODE, &json!({"id": created.created().0})).await;
        assert_eq!(node.0["data"]["node"]["id"], created.created().0, "{node:?}");
    }
}
