//! Events of added statuses reach the subscribers of all replicas.

use serde_json::json;

use crate::replica::{Deployment, Replica, until};
use crate::subscriber::{Subscriber, token};

const NOTICE: &str = "STATE_UNAVAILABLE";
const RECEIVED: &str = "intune_graphql_shared_events_total{result=\"received\"}";
const INVALID: &str = "intune_graphql_shared_events_total{result=\"invalid\"}";
const DUPLICATE: &str = "intune_graphql_shared_events_total{result=\"duplicate\"}";

/// Two replicas that receive each other's events.
async fn two(deployment: &Deployment) -> [Replica; 2] {
    let replicas = [(); 2].map(|()| deployment.replica(&[]));
    until_linked(&replicas, true).await;
    replicas
}

/// Waits until events of other replicas are received, or are not.
pub(crate) async fn until_linked(replicas: &[Replica], is_linked: bool) {
    for replica in replicas {
        until("the connection for events changes", async || {
            (replica.metric("intune_graphql_shared_events_up").await > 0.5) == is_linked
        })
        .await;
    }
}

/// Adds a status, and returns its global id.
async fn add(replica: &Replica, token: &str) -> String {
    replica.add_as(token, None, "a device").await.created().0.to_owned()
}

/// A subscriber of each transport at each replica.
pub(crate) async fn subscribers(
    deployment: &Deployment,
    replicas: &[Replica],
    tenant: &str,
) -> Vec<Subscriber> {
    let mut subscribers = Vec::new();
    for replica in replicas {
        subscribers.push(Subscriber::sse(deployment, replica, &token(tenant)).await);
        subscribers.push(Subscriber::socket(deployment, replica, &token(tenant)).await);
    }
    subscribers
}

/// Adds a status at each replica, and expects that all subscribers receive it next.
pub(crate) async fn each_receives(replicas: &[Replica], subscribers: &mut [Subscriber], tenant: &str) {
    for replica in replicas {
        let id = add(replica, &token(tenant)).await;
        for (index, subscriber) in subscribers.iter_mut().enumerate() {
            assert_eq!(subscriber.next().await, id, "{index}");
        }
    }
}

pub(crate) async fn each_is_told(subscribers: &mut [Subscriber]) {
    for (index, subscriber) in subscribers.iter_mut().enumerate() {
        assert_eq!(subscriber.next().await, NOTICE, "{index}");
    }
}

#[tokio::test]
async fn an_event_reaches_the_subscribers_of_all_replicas_once_and_no_other_tenant() {
    let deployment = Deployment::start().await;
    let replicas = two(&deployment).await;
    let mut of_a = subscribers(&deployment, &replicas, "a").await;
    let mut of_b = subscribers(&deployment, &replicas, "b").await;
    // An event for the wrong subscribers, or a second one, would arrive before their next.
    for _ in 0..3 {
        each_receives(&replicas, &mut of_a, "a").await;
        each_receives(&replicas, &mut of_b, "b").await;
    }
    for replica in &replicas {
        until("events are counted", async || replica.metric(RECEIVED).await >= 6.0).await;
        assert!(replica.metric(RECEIVED).await < 6.5);
    }
}

#[tokio::test]
async fn databases_of_one_server_share_no_events() {
    let deployment = Deployment::start().await;
    let replicas = [0, 0, 1]
        .map(|database| deployment.replica_at(&format!("{}/{database}", deployment.redis.url()), &[], &[]));
    until_linked(&replicas, true).await;
    let mut of_other = subscribers(&deployment, &replicas[2..], "a").await;
    let mut subscribers = subscribers(&deployment, &replicas[..2], "a").await;
    each_receives(&replicas[..2], &mut subscribers, "a").await;
    each_receives(&replicas[2..], &mut of_other, "a").await;
}

#[tokio::test]
async fn messages_of_another_version_or_without_sense_are_ignored() {
    let deployment = Deployment::start().await;
    let replicas = two(&deployment).await;
    let mut subscribers = subscribers(&deployment, &replicas, "a").await;
    let channels = deployment.redis.command(&["PUBSUB", "CHANNELS"]).unwrap();
    let channel = channels.lines().find(|line| line.starts_with("intune-graphql:events:")).unwrap();
    let forged = |configuration: &str, status: &str| {
        let key = |key: &str| format!("{}{key}", char::from(u8::try_from(key.len()).unwrap()));
        // Version, replica, number, kind and tenant.
        let start = format!("\u{1}{}\u{1}\0{}", "r".repeat(16), "t".repeat(32));
        format!("{start}{}{}", key(configuration), key(status))
    };
    let good = forged("c", "s");
    let newer = good.replacen('\u{1}', "\u{2}", 1);
    let long = "\u{1}".repeat(100_000);
    let (dots, empty) = (forged("..", "s").replace('r', "q"), forged("c", "").replace('r', "p"));
    let invalid = [&newer, &long, "", "x", "\u{1}", &good[..good.len() - 1], &dots, &empty];
    for message in invalid.into_iter().chain([&*good, &*good]) {
        assert_eq!(deployment.redis.command(&["PUBLISH", channel, message]).unwrap(), ":2\r\n");
    }
    for replica in &replicas {
        until("events are counted", async || replica.metric(DUPLICATE).await >= 1.0).await;
        assert!((replica.metric(INVALID).await - 8.0).abs() < 0.5, "{}", replica.metric(INVALID).await);
        assert!((replica.metric(RECEIVED).await - 1.0).abs() < 0.5);
    }
    // Another version has sent what this one cannot read.
    each_is_told(&mut subscribers).await;
    each_receives(&replicas, &mut subscribers, "a").await;
}

#[tokio::test]
async fn subscribers_are_told_once_that_events_may_have_been_missed() {
    let mut deployment = Deployment::start().await;
    let replicas = two(&deployment).await;
    let mut subscribers = subscribers(&deployment, &replicas, "a").await;
    each_receives(&replicas, &mut subscribers, "a").await;
    deployment.redis.kill().unwrap();
    until_linked(&replicas, false).await;
    // Each replica still delivers its own.
    let (first, second) = subscribers.split_at_mut(2);
    each_receives(&replicas[..1], first, "a").await;
    each_receives(&replicas[1..], second, "a").await;
    deployment.redis.start_again().unwrap();
    each_is_told(&mut subscribers).await;
    each_receives(&replicas, &mut subscribers, "a").await;
    // The connections for events alone.
    assert_eq!(deployment.redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).unwrap(), ":2\r\n");
    each_is_told(&mut subscribers).await;
    each_receives(&replicas, &mut subscribers, "a").await;
    // Other data, which have another channel.
    let other_key = "k".repeat(32);
    assert_eq!(
        deployment.redis.command(&["HSET", "intune-graphql:meta", "hash_key", &other_key]).unwrap(),
        ":0\r\n"
    );
    each_is_told(&mut subscribers).await;
    each_receives(&replicas, &mut subscribers, "a").await;
}

#[tokio::test]
async fn a_server_that_is_silent_is_noticed_without_events() {
    let deployment = Deployment::start().await;
    let replicas = two(&deployment).await;
    let mut subscribers = subscribers(&deployment, &replicas, "a").await;
    deployment.redis.pause().unwrap();
    let start = std::time::Instant::now();
    until_linked(&replicas, false).await;
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    deployment.redis.resume().unwrap();
    each_is_told(&mut subscribers).await;
    each_receives(&replicas, &mut subscribers, "a").await;
}

#[tokio::test]
async fn gateways_start_without_the_server_and_share_events_once_it_is_there() {
    let mut deployment = Deployment::start().await;
    deployment.redis.stop().unwrap();
    let replicas = [(); 2].map(|()| deployment.replica(&[]));
    let mut subscribers = subscribers(&deployment, &replicas, "a").await;
    let (first, second) = subscribers.split_at_mut(2);
    each_receives(&replicas[..1], first, "a").await;
    each_receives(&replicas[1..], second, "a").await;
    deployment.redis.start_again().unwrap();
    each_is_told(&mut subscribers).await;
    each_receives(&replicas, &mut subscribers, "a").await;
    // A subscription that begins now has missed nothing.
    let mut late = Subscriber::sse(&deployment, &replicas[0], &token("a")).await;
    let id = add(&replicas[1], &token("a")).await;
    assert_eq!(late.next().await, json!(id));
}

#[tokio::test]
async fn subscribers_of_other_replicas_are_told_of_events_that_could_not_be_sent() {
    const NOT_SENT: &str = "intune_graphql_shared_events_total{result=\"not_sent\"}";
    const ENDED: &str = "intune_graphql_requests_total{operation_type=\"subscription\",code=";
    let deployment = Deployment::start().await;
    let replicas = two(&deployment).await;
    let mut subscribers = subscribers(&deployment, &replicas, "a").await;
    let (of_first, of_second) = subscribers.split_at_mut(2);
    deployment.redis.command(&["ACL", "SETUSER", "default", "-publish"]).unwrap();
    each_receives(&replicas[..1], of_first, "a").await;
    until("the event is dropped", async || replicas[0].metric(NOT_SENT).await >= 1.0).await;
    deployment.redis.command(&["ACL", "SETUSER", "default", "+publish"]).unwrap();
    each_is_told(of_second).await;
    each_receives(&replicas, &mut subscribers, "a").await;
    // The subscriptions have not failed.
    drop(subscribers);
    for replica in &replicas {
        until("the subscriptions end", async || replica.metric(&format!("{ENDED}\"OK\"}}")).await >= 2.0)
            .await;
        assert!(replica.metric(&format!("{ENDED}\"STATE_UNAVAILABLE\"}}")).await < 0.5);
    }
}

#[tokio::test]
async fn a_replica_that_stops_sends_its_last_events() {
    let deployment = Deployment::start().await;
    let [first, second] = two(&deployment).await;
    let mut subscriber = Subscriber::sse(&deployment, &second, &token("a")).await;
    let id = add(&first, &token("a")).await;
    assert_eq!(tokio::task::spawn_blocking(|| first.stop().0).await.unwrap(), Some(0));
    assert_eq!(subscriber.next().await, json!(id));
}
