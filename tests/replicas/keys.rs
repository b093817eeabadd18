//! Idempotency keys that replicas share.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::redis_server::RedisServer;
use crate::replica::{Deployment, TOKEN, until};

/// A lease ends ten seconds after the last change of its record.
pub(crate) const SHORT: [&str; 6] =
    ["--request-timeout", "3s", "--graph-attempt-timeout", "2s", "--graph-connect-timeout", "1s"];

#[tokio::test]
async fn a_repeat_at_another_replica_returns_the_first_object() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    let first = one.add("k").await;
    assert!(!first.created().1);
    for replica in [&other, &one] {
        assert_eq!(replica.add("k").await.created(), (first.created().0, true));
    }
    let conflict = other.add_as(TOKEN, Some("k"), "another device").await;
    assert_eq!(conflict.failure(), ("IDEMPOTENCY_KEY_REUSED", "NOT_SENT", false));
    assert_eq!(deployment.status_count(), 1);
}

#[tokio::test]
async fn calls_with_one_key_at_all_replicas_create_one_object() {
    let deployment = Deployment::start().await;
    let replicas = [deployment.replica(&[]), deployment.replica(&[]), deployment.replica(&[])];
    for round in 1..=5 {
        let key = format!("key-{round}");
        let calls: Vec<_> =
            replicas.iter().cycle().take(30).map(|replica| tokio::spawn(replica.add(&key))).collect();
        let (mut ids, mut first) = (Vec::new(), 0);
        for call in calls {
            let reply = call.await.unwrap();
            let (id, replayed) = reply.created();
            ids.push(id.to_owned());
            first += usize::from(!replayed);
        }
        ids.dedup();
        assert_eq!((ids.len(), first, deployment.status_count()), (1, 1, round));
    }
}

#[tokio::test]
async fn a_repeat_waits_for_the_first_call_at_another_replica() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    deployment.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
    let first = tokio::spawn(one.add("k"));
    deployment.until_received("POST", 1).await;
    let repeat = other.add("k").await;
    assert_eq!(repeat.created(), (first.await.unwrap().created().0, true));
    assert_eq!(deployment.status_count(), 1);
}

/// Its caller can repeat it at another replica.
#[tokio::test]
async fn a_replica_that_stops_does_not_wait_for_the_call_of_another_replica() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    deployment.replace_faults(&["slow-first-byte;wait=5s;method=POST;times=1"]);
    let first = tokio::spawn(one.add("k"));
    deployment.until_received("POST", 1).await;
    let repeat = tokio::spawn(other.add("k"));
    until("the repeat waits", async || {
        let metrics = other.admin("/metrics").await.1;
        metrics.contains("intune_graphql_idempotency_lookups_total{result=\"in_progress\"} 1")
    })
    .await;
    assert_eq!(other.stop().0, Some(0));
    assert!(!first.is_finished(), "it still waits for Graph");
    assert_eq!(repeat.await.unwrap().failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
    first.await.unwrap().created();
    assert_eq!(deployment.status_count(), 1);
}

#[tokio::test]
async fn a_rejected_call_leaves_its_key_to_other_replicas() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    deployment.replace_faults(&["403;method=POST;times=1"]);
    assert_eq!(one.add("k").await.failure(), ("FORBIDDEN", "REJECTED", false));
    assert!(!other.add_as(TOKEN, Some("k"), "another device").await.created().1);
}

/// The request ends before the server counts as unreachable.
#[tokio::test]
async fn a_call_that_times_out_before_the_server_responds_is_not_sent() {
    let deployment = Deployment::start().await;
    let replica = deployment.replica(&["--request-timeout", "1s"]);
    replica.add("before").await.created();
    deployment.redis.pause().unwrap();
    let reply = replica.add("k").await;
    deployment.redis.resume().unwrap();
    assert_eq!(reply.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    assert!(reply.0.to_string().contains("an earlier call with that key may have written"), "{reply:?}");
    replica.until_shared_state_is(true).await;
    until("the key is free again", async || replica.add("k").await.0.get("errors").is_none()).await;
    assert_eq!(deployment.status_count(), 2);
}

/// The lease of a killed replica ends, and its write in flight is unknown then, never repeated.
#[tokio::test]
async fn the_write_of_a_killed_replica_is_unknown_at_the_others() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&SHORT), deployment.replica(&SHORT));
    deployment.replace_faults(&["slow-first-byte;wait=2s;method=POST;times=1"]);
    let first = tokio::spawn(one.add("k"));
    deployment.until_received("POST", 1).await;
    one.kill();
    assert!(first.await.is_err(), "the connection is lost");
    let started = Instant::now();
    loop {
        // Until the lease ends, the caller waits for the first call until its own timeout.
        assert_eq!(other.add("k").await.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", true));
        let lookups = other.admin("/metrics").await.1;
        if lookups.contains("intune_graphql_idempotency_lookups_total{result=\"completed\"} 1") {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{lookups}");
    }
    let posts = deployment.sandbox.requests().into_iter().filter(|request| request.method == "POST");
    assert_eq!(posts.count(), 1);
}

/// A replica that was stopped for longer than its lease does not send what another has taken over.
#[tokio::test]
async fn a_paused_replica_does_not_write_after_it_lost_its_lease() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&SHORT), deployment.replica(&SHORT));
    // The replica has the lease and is about to mark the write, for which the server does not respond.
    deployment.replace_faults(&["slow-first-byte;wait=1500ms;method=POST;times=1"]);
    let first = tokio::spawn(one.add("k"));
    deployment.until_received("POST", 1).await;
    one.signal("-STOP");
    let started = Instant::now();
    until("the lease ends", async || {
        let reply = other.add("k").await;
        assert_eq!(reply.failure().1, "UNKNOWN");
        started.elapsed() > Duration::from_secs(11)
    })
    .await;
    one.signal("-CONT");
    // Graph's answer arrives late, and the record, which nobody has replaced, still gets it.
    let reply = first.await.unwrap();
    let posts = deployment.sandbox.requests().into_iter().filter(|request| request.method == "POST");
    assert_eq!(posts.count(), 1, "{reply:?}");
    if reply.0.get("errors").is_none() {
        assert_eq!(other.add("k").await.created(), (reply.created().0, true));
    }
}

#[tokio::test]
async fn writes_with_a_key_fail_at_once_while_the_server_is_down_and_all_else_goes_on() {
    let mut deployment = Deployment::start().await;
    let replica = deployment.replica(&[]);
    replica.add("before").await.created();
    assert_eq!(replica.admin("/readyz").await, (200, "ready\n".to_owned()));
    deployment.redis.stop().unwrap();
    replica.until_shared_state_is(false).await;
    deployment.replace_faults(&[]);
    for key in ["new", "before"] {
        let started = Instant::now();
        assert_eq!(replica.add(key).await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true), "{key}");
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    }
    assert_eq!(deployment.sandbox.requests().len(), 0, "nothing was sent");
    replica.add_as(TOKEN, None, "without a key").await.created();
    let read =
        replica.graphql(TOKEN, "{ iosLobAppProvisioningConfigurations { nodes { id } } }", &json!({})).await;
    assert!(read.0.get("errors").is_none(), "{read:?}");
    let (status, body) = replica.admin("/readyz").await;
    assert_eq!(status, 200);
    assert!(body.starts_with("ready, but the shared store of idempotency keys cannot be used: "), "{body}");

    deployment.redis.start_again().unwrap();
    replica.until_shared_state_is(true).await;
    assert!(replica.add("before").await.created().1);
    assert!(!replica.add("new").await.created().1);
    assert_eq!(replica.admin("/readyz").await, (200, "ready\n".to_owned()));
}

/// The first call waits for the server; the ones after it do not.
#[tokio::test]
async fn a_server_that_does_not_respond_delays_few_calls() {
    let deployment = Deployment::start().await;
    let replica = deployment.replica(&[]);
    replica.add("before").await.created();
    deployment.redis.pause().unwrap();
    assert_eq!(replica.add("k").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    let started = Instant::now();
    for _ in 0..100 {
        assert_eq!(replica.add("k").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    deployment.redis.resume().unwrap();
    replica.until_shared_state_is(true).await;
    assert!(!replica.add("k").await.created().1);
    assert_eq!(deployment.status_count(), 2);
}

#[tokio::test]
async fn a_gateway_starts_while_the_server_is_down() {
    let mut deployment = Deployment::start().await;
    deployment.redis.stop().unwrap();
    let replica = deployment.replica(&[]);
    assert_eq!(replica.add("k").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    replica.add_as(TOKEN, None, "without a key").await.created();
    deployment.redis.start_again().unwrap();
    replica.until_shared_state_is(true).await;
    assert!(!replica.add("k").await.created().1);
}

#[tokio::test]
async fn a_full_store_rejects_new_keys_and_keeps_old_ones_at_all_replicas() {
    let deployment = Deployment::start().await;
    // A tenant, or all callers without one, may use a quarter.
    let settings = ["--state-capacity", "8"];
    let (one, other) = (deployment.replica(&settings), deployment.replica(&settings));
    one.add("1").await.created();
    other.add("2").await.created();
    for replica in [&one, &other] {
        assert_eq!(replica.add("3").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
        assert!(replica.add("1").await.created().1);
        assert!(replica.add("2").await.created().1);
    }
    assert_eq!(deployment.status_count(), 2);
    // A replica that has not stored anything shows it too.
    let idle = deployment.replica(&settings);
    for replica in [&one, &other, &idle] {
        until("the metrics show what is stored", async || {
            let entries = replica.metric("intune_graphql_idempotency_entries").await;
            let capacity = replica.metric("intune_graphql_idempotency_capacity").await;
            (entries - 2.0).abs() < 0.5 && (capacity - 8.0).abs() < 0.5
        })
        .await;
    }
}

#[tokio::test]
async fn records_expire_by_the_server_s_clock_and_make_space() {
    let deployment = Deployment::start().await;
    let replica = deployment.replica(&["--state-capacity", "4", "--state-retention", "1s"]);
    replica.add("1").await.created();
    assert_eq!(replica.add("2").await.failure().0, "STATE_UNAVAILABLE");
    until("the first record expires", async || replica.add("2").await.0.get("errors").is_none()).await;
    // They are removed also if no further call has a key.
    until("the second record is removed", async || {
        let keys = deployment.redis.command(&["KEYS", "intune-graphql:record:*"]).unwrap();
        let usage = deployment.redis.command(&["HGET", "intune-graphql:usage", "total"]).unwrap();
        let tenants = deployment.redis.command(&["HLEN", "intune-graphql:usage"]).unwrap();
        (keys.as_str(), usage.as_str(), tenants.as_str()) == ("*0\r\n", "$1\r\n0\r\n", ":1\r\n")
    })
    .await;
}

/// What is damaged affects only its own key, also when it expires.
#[tokio::test]
async fn damaged_records_do_not_affect_other_keys() {
    let deployment = Deployment::start().await;
    let replica = deployment.replica(&[]);
    replica.add("k").await.created();
    let keys = deployment.redis.command(&["KEYS", "intune-graphql:record:*"]).unwrap();
    let key = keys.lines().find(|line| line.starts_with("intune-graphql:record:")).unwrap();
    for damage in [&["SET", key, ""][..], &["SET", key, "\u{1}short"], &["DEL", key]] {
        deployment.redis.command(damage).unwrap();
        if damage[0] == "DEL" {
            deployment.redis.command(&["RPUSH", key, "of another type"]).unwrap();
        }
        let reply = replica.add("k").await;
        assert_eq!(reply.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
        assert!(
            reply.0.to_string().contains("cannot read what is stored of this idempotency key"),
            "{reply:?}"
        );
        replica.add(&format!("other-{}", damage.join("").len())).await.created();
        assert_eq!(replica.admin("/readyz").await, (200, "ready\n".to_owned()));
    }
    let id = key.strip_prefix("intune-graphql:record:").unwrap();
    deployment.redis.command(&["ZADD", "intune-graphql:expiries", "1", id]).unwrap();
    replica.add("another").await.created();
    assert_eq!(deployment.redis.command(&["EXISTS", key]).unwrap(), ":0\r\n");
    assert!(!replica.add("k").await.created().1);
}

/// A server without memory takes no new keys, and what it has stays true.
#[tokio::test]
async fn a_server_without_memory_rejects_new_keys() {
    let deployment = Deployment::start().await;
    let replica = deployment.replica(&[]);
    replica.add("old").await.created();
    deployment.redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    assert_eq!(replica.add("new").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    assert!(replica.add("old").await.created().1);
    deployment.redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert!(!replica.add("new").await.created().1);
    let log = replica.kill();
    assert!(log.contains("OOM") && !log.contains("keys is full"), "{log}");
}

/// The owner of a lease stores the outcome, although the server has lost the record meanwhile.
#[tokio::test]
async fn a_record_that_the_server_lost_is_stored_again_by_its_owner() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    one.add("before").await.created();
    deployment.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
    let first = tokio::spawn(one.add("k"));
    deployment.until_received("POST", 1).await;
    // As after a failover to a server that had not received the record yet.
    let found = deployment.redis.command(&["KEYS", "intune-graphql:record:*"]).unwrap();
    for key in found.lines().filter(|line| line.starts_with("intune-graphql:record:")) {
        deployment.redis.command(&["DEL", key]).unwrap();
    }
    let first = first.await.unwrap();
    assert_eq!(other.add("k").await.created(), (first.created().0, true));
    assert_eq!(deployment.status_count(), 2);
}

/// All data lost: the replicas agree on a new hash key, and keys work again.
#[tokio::test]
async fn replicas_go_on_after_the_server_lost_all_data() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    one.add("k").await.created();
    deployment.redis.command(&["FLUSHALL"]).unwrap();
    let third = deployment.replica(&[]);
    third.add("new").await.created();
    for replica in [&one, &other] {
        until("the replica has found the loss", async || replica.add("new").await.0.get("errors").is_none())
            .await;
        assert!(replica.add("new").await.created().1);
    }
    // The replica that notices it first stores the hash key again, and then the other has nothing to notice.
    let logs = one.kill() + &other.kill();
    assert!(logs.contains("the shared state has lost its data"), "{logs}");
    assert_eq!(deployment.status_count(), 2);
}

#[tokio::test]
async fn records_of_a_newer_version_are_not_touched() {
    let deployment = Deployment::start().await;
    let replica = deployment.replica(&[]);
    replica.add("k").await.created();
    let keys = deployment.redis.command(&["KEYS", "intune-graphql:record:*"]).unwrap();
    let key = keys.lines().find(|line| line.starts_with("intune-graphql:record:")).unwrap();
    deployment.redis.command(&["SETRANGE", key, "0", "\u{2}"]).unwrap();
    assert_eq!(replica.add("k").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    assert_eq!(deployment.status_count(), 1);
    assert!(deployment.redis.command(&["GETRANGE", key, "0", "0"]).unwrap().contains('\u{2}'));
    // Other keys work.
    assert!(!replica.add("other").await.created().1);
    // What a later version of the same format appends is ignored.
    deployment.redis.command(&["SETRANGE", key, "0", "\u{1}"]).unwrap();
    deployment.redis.command(&["APPEND", key, "more"]).unwrap();
    assert!(replica.add("k").await.created().1);
}

#[tokio::test]
async fn data_of_another_format_are_refused_at_the_start() {
    let deployment = Deployment::start().await;
    deployment.redis.command(&["HSET", "intune-graphql:meta", "format", "2", "hash_key", "x"]).unwrap();
    let url = deployment.redis.url();
    let arguments = ["--graph-url", &deployment.root, "--state-url", &url];
    let log = crate::replica::Replica::start(&arguments, &[]).err().unwrap();
    assert!(log.contains("--state-url") && log.contains("format 2"), "{log}");
}

/// Sixty calls while the server restarts several times.
#[tokio::test]
async fn a_server_that_restarts_loses_and_doubles_nothing() {
    let mut deployment = Deployment::with_redis(RedisServer::start().unwrap()).await;
    let replicas = [deployment.replica(&[]), deployment.replica(&[])];
    for number in 0..60 {
        if number % 20 == 10 {
            deployment.redis.kill().unwrap();
            deployment.redis.start_again().unwrap();
        }
        let key = number.to_string();
        let mut attempt = number;
        until("the write succeeds", async || {
            attempt += 1;
            let reply = replicas[attempt % 2].add(&key).await;
            if reply.0.get("errors").is_some() {
                assert_eq!(reply.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
                return false;
            }
            true
        })
        .await;
        assert_eq!(deployment.status_count(), number + 1);
    }
}

#[tokio::test]
async fn a_rolling_restart_keeps_all_keys() {
    let deployment = Deployment::start().await;
    let mut replicas = vec![deployment.replica(&[]), deployment.replica(&[])];
    let mut ids = Vec::new();
    for restart in 0..4 {
        let key = format!("key-{restart}");
        for replica in &replicas {
            ids.push((key.clone(), replica.add(&key).await.created().0.to_owned()));
        }
        let (code, log) = replicas.remove(0).stop();
        assert_eq!(code, Some(0), "{log}");
        replicas.push(deployment.replica(&[]));
        for (key, id) in &ids {
            assert_eq!(replicas[1].add(key).await.created(), (id.as_str(), true));
        }
    }
    assert_eq!(deployment.status_count(), 4);
}

/// The owner of a lapsed lease still stores the outcome.
#[tokio::test]
async fn an_outcome_is_stored_after_an_outage_that_is_longer_than_the_lease() {
    let mut deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&SHORT), deployment.replica(&SHORT));
    deployment.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
    let first = tokio::spawn(one.add("k"));
    deployment.until_received("POST", 1).await;
    deployment.redis.kill().unwrap();
    let first = first.await.unwrap();
    let stopped = Instant::now();
    while stopped.elapsed() < Duration::from_secs(12) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    deployment.redis.start_again().unwrap();
    other.until_shared_state_is(true).await;
    until("the outcome is stored", async || {
        let reply = other.add("k").await;
        reply.0.get("errors").is_none() && reply.created() == (first.created().0, true)
    })
    .await;
    assert_eq!(deployment.status_count(), 1);
}

/// A drain goes on until the outcome of a write is stored.
#[tokio::test]
async fn a_stopping_replica_stores_the_outcome_once_the_server_is_back() {
    let mut deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    deployment.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
    let first = tokio::spawn(one.add("k"));
    deployment.until_received("POST", 1).await;
    deployment.redis.kill().unwrap();
    let first = first.await.unwrap();
    one.signal("-TERM");
    until("the drain has begun", async || one.admin("/readyz").await.0 == 503).await;
    deployment.redis.start_again().unwrap();
    let (code, log) = tokio::task::spawn_blocking(|| one.stop()).await.unwrap();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("could not be stored;"), "{log}");
    other.until_shared_state_is(true).await;
    assert_eq!(other.add("k").await.created(), (first.created().0, true));
}

#[tokio::test]
async fn a_drain_that_ends_before_the_outcome_is_stored_says_so() {
    let mut deployment = Deployment::start().await;
    let replica = deployment.replica(&["--drain-timeout", "2s"]);
    deployment.replace_faults(&["slow-first-byte;wait=1s;method=POST;times=1"]);
    let first = tokio::spawn(replica.add("k"));
    deployment.until_received("POST", 1).await;
    deployment.redis.kill().unwrap();
    first.await.unwrap().created();
    let (_, log) = tokio::task::spawn_blocking(|| replica.stop()).await.unwrap();
    assert!(log.contains("outcomes of calls with an idempotency key could not be stored"), "{log}");
}

/// What the server reads only after it has stalled was reported as not sent, and takes no key.
#[tokio::test]
async fn a_key_is_not_taken_by_a_command_that_arrives_late() {
    let deployment = Deployment::start().await;
    let (one, other) = (deployment.replica(&[]), deployment.replica(&[]));
    one.add("before").await.created();
    deployment.redis.pause().unwrap();
    let stalled: Vec<_> = (0..6).map(|number| tokio::spawn(one.add(&number.to_string()))).collect();
    for call in stalled {
        assert_eq!(call.await.unwrap().failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    }
    one.kill();
    // Beyond the tolerance of the command's deadline.
    tokio::time::sleep(Duration::from_secs(1)).await;
    deployment.redis.resume().unwrap();
    other.until_shared_state_is(true).await;
    for number in 0..6 {
        assert!(!other.add(&number.to_string()).await.created().1);
    }
    assert_eq!(deployment.status_count(), 7);
}

/// A server that answers, but takes no changes.
#[tokio::test]
async fn readiness_says_that_the_server_rejects_changes() {
    let deployment = Deployment::start().await;
    let (idle, replica) = (deployment.replica(&[]), deployment.replica(&[]));
    idle.until_shared_state_is(true).await;
    deployment.redis.command(&["CONFIG", "SET", "min-replicas-to-write", "1"]).unwrap();
    assert_eq!(replica.add("k").await.failure(), ("STATE_UNAVAILABLE", "NOT_SENT", true));
    // Also where no call has a key.
    for replica in [&replica, &idle] {
        replica.until_shared_state_is(false).await;
        let (status, body) = replica.admin("/readyz").await;
        assert_eq!(status, 200);
        assert!(body.contains("NOREPLICAS") || body.contains("NotEnoughReplicas"), "{body}");
    }
    deployment.redis.command(&["CONFIG", "SET", "min-replicas-to-write", "0"]).unwrap();
    idle.until_shared_state_is(true).await;
    assert!(!replica.add("k").await.created().1);
    for replica in [&replica, &idle] {
        replica.until_shared_state_is(true).await;
        assert_eq!(replica.admin("/readyz").await, (200, "ready\n".to_owned()));
    }
    let log = replica.kill();
    assert!(log.contains("NOREPLICAS"), "{log}");
}

/// A failover that closes no connection: the gateway leaves the server that is no longer the primary.
#[tokio::test]
async fn a_server_that_becomes_a_replica_is_left() {
    let deployment = Deployment::start().await;
    let replica = deployment.replica(&[]);
    replica.until_shared_state_is(true).await;
    let primary = RedisServer::start().unwrap();
    let port = primary.port().to_string();
    deployment.redis.command(&["REPLICAOF", "127.0.0.1", &port]).unwrap();
    replica.until_shared_state_is(false).await;
    assert!(replica.admin("/readyz").await.1.contains("read-only replica"));
    deployment.redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    replica.until_shared_state_is(true).await;
}
