//! `Retry-After` of throttled callers, which replicas share.

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;

use crate::replica::{Deployment, Replica, Reply, until};

pub(crate) const THROTTLED: (&str, &str, bool) = ("THROTTLED", "NOT_SENT", true);
/// A `Retry-After` that is longer is returned at once.
const SHORT: [&str; 6] =
    ["--request-timeout", "3s", "--graph-attempt-timeout", "2s", "--graph-connect-timeout", "1s"];

pub(crate) async fn add(replica: &Replica, token: &str) -> Reply {
    replica.add_as(token, None, "a device").await
}

async fn read(replica: &Replica, token: &str) -> Reply {
    let query = format!("{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id }} }}");
    replica.graphql(token, &query, &json!({})).await
}

fn is_throttled(reply: &Reply) -> bool {
    reply.0["errors"][0]["extensions"]["code"] == "THROTTLED"
}

/// Waits until a replica rejects the caller's writes, which Graph would accept.
pub(crate) async fn until_told(replica: &Replica, token: &str) {
    until("the replica knows the wait", async || is_throttled(&add(replica, token).await)).await;
}

/// Makes Graph throttle the next write, which is this caller's at this replica.
pub(crate) async fn throttle(deployment: &Deployment, replica: &Replica, token: &str, seconds: u32) {
    deployment.replace_faults(&[&format!("429;retry-after={seconds};method=POST;times=1")]);
    assert_eq!(add(replica, token).await.failure(), ("THROTTLED", "REJECTED", true));
}

#[tokio::test]
async fn a_caller_that_one_replica_saw_throttled_waits_at_all_of_them() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    throttle(&deployment, &one, "told", 60).await;
    until_told(&other, "told").await;

    deployment.sandbox.clear_requests();
    let reply = add(&other, "told").await;
    assert_eq!(reply.failure(), THROTTLED);
    let wait = reply.0["errors"][0]["extensions"]["retryAfter"].as_f64().unwrap();
    assert!((20.0..=60.0).contains(&wait), "{wait}");
    assert!(deployment.sandbox.requests().is_empty(), "nothing was sent");

    // Reads are apart, and so are callers.
    assert!(!is_throttled(&read(&other, "told").await));
    add(&other, "another").await.created();

    // A replica that starts later reads what there is.
    let later = deployment.replica(&[]);
    until_told(&later, "told").await;
}

#[tokio::test]
async fn waits_of_reads_do_not_apply_to_writes() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    deployment.replace_faults(&["429;retry-after=60;method=GET;times=1"]);
    assert!(is_throttled(&read(&one, "told").await));
    until("the replica knows the wait", async || is_throttled(&read(&other, "told").await)).await;
    add(&other, "told").await.created();
    assert!(!is_throttled(&read(&other, "another").await));
}

#[tokio::test]
async fn a_shared_wait_ends_when_it_ends() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&SHORT), deployment.replica(&SHORT));
    throttle(&deployment, &one, "told", 8).await;
    until_told(&other, "told").await;
    until("the wait ends", async || !is_throttled(&add(&other, "told").await)).await;
    add(&other, "told").await.created();
}

/// Waits stay local while the server is down, and are shared again afterwards, also if it has lost its data.
#[tokio::test]
async fn each_replica_keeps_its_own_waits_while_the_server_is_down() {
    let mut deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    throttle(&deployment, &one, "before", 120).await;
    until_told(&other, "before").await;
    deployment.redis.stop().unwrap();
    for replica in [&one, &other] {
        replica.until_shared_state_is(false).await;
        assert_eq!(add(replica, "before").await.failure(), THROTTLED);
    }
    throttle(&deployment, &one, "meanwhile", 60).await;
    assert_eq!(add(&one, "meanwhile").await.failure(), THROTTLED);
    add(&other, "meanwhile").await.created();

    deployment.redis.start_again().unwrap();
    for replica in [&one, &other] {
        replica.until_shared_state_is(true).await;
        assert_eq!(add(replica, "before").await.failure(), THROTTLED);
    }
    throttle(&deployment, &one, "after", 60).await;
    until_told(&other, "after").await;

    deployment.redis.command(&["FLUSHALL"]).unwrap();
    for replica in [&one, &other] {
        // Notices it with its next use of the server.
        until("the server can be used", async || {
            replica.add("k").await.0["errors"][0]["extensions"]["code"] != "STATE_UNAVAILABLE"
        })
        .await;
    }
    throttle(&deployment, &one, "finally", 60).await;
    until_told(&other, "finally").await;
}

#[tokio::test]
async fn what_another_program_or_version_has_stored_is_ignored() {
    let deployment = Deployment::start().await;
    let far = "99999999999999";
    let other_version = format!("\u{2}r{}", "x".repeat(32));
    let other_kind = format!("\u{1}x{}", "x".repeat(32));
    let too_long = format!("\u{1}r{}", "x".repeat(33));
    for (number, value) in ["", "\u{1}", &other_version, &other_kind, &too_long].into_iter().enumerate() {
        let end = if number == 0 { "inf" } else { far };
        let redis = &deployment.redis;
        redis.command(&["ZADD", "intune-graphql:waits:ends", end, value]).unwrap();
        let order = if number == 1 { "inf" } else { "1.5" };
        redis.command(&["ZADD", "intune-graphql:waits:order", order, value]).unwrap();
    }
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    throttle(&deployment, &one, "told", 60).await;
    until_told(&other, "told").await;
    add(&other, "another").await.created();
    let log = other.kill();
    assert!(!log.contains("not shared"), "{log}");
}
