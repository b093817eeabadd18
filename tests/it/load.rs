//! A gateway that is asked for more than it takes, and clients that take their time.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::StatusCode;
use intune_graphql::sandbox::DEMO_CONFIGURATION_ID;
use intune_graphql::server::{AdmissionLimits, ConnectionLimits};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Gateway, Reply, fresh_token};

async fn read(gateway: &Gateway, token: &str) -> Reply {
    let query = format!("{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id }} }}");
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .bearer_auth(token)
        .body(json!({"query": query}).to_string());
    Reply::read(request.send().await.unwrap()).await
}

#[tokio::test]
async fn at_twice_the_bound_those_taken_succeed_and_the_rest_is_told_at_once() {
    let limits = AdmissionLimits { in_flight: 4, waiting: 0, token_share: 100 };
    let gateway = Gateway::builder().settings(|settings| settings.admission = limits).start().await;
    gateway.sandbox.inject("slow-first-byte;wait=2s".parse().unwrap());
    let start = Instant::now();
    let calls = (0..8).map(|_| async {
        let reply = read(&gateway, &fresh_token()).await;
        (reply, start.elapsed())
    });
    let health = async {
        while gateway.sent().len() < 4 {
            tokio::task::yield_now().await;
        }
        for path in ["/livez", "/readyz"] {
            assert_eq!(gateway.admin(path).await, StatusCode::OK);
        }
    };
    let (replies, ()) = tokio::join!(join_all(calls), health);
    let (taken, refused): (Vec<_>, Vec<_>) =
        replies.into_iter().partition(|(reply, _)| reply.status == StatusCode::OK);
    assert_eq!((taken.len(), refused.len()), (4, 4));
    for (reply, _) in &taken {
        reply.data();
    }
    for (reply, elapsed) in &refused {
        assert_eq!((reply.status, reply.code()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
        assert_eq!(reply.headers["retry-after"], "1");
        let extensions = &reply.error()["extensions"];
        assert_eq!((&extensions["retryable"], &extensions["retryAfter"]), (&json!(true), &json!(1)));
        assert!(*elapsed < Duration::from_secs(2), "it did not wait for the others: {elapsed:?}");
    }
    // It recovers by itself.
    gateway.sandbox.clear_faults();
    read(&gateway, &fresh_token()).await.data();
}

#[tokio::test]
async fn one_caller_leaves_room_for_the_others() {
    let limits = AdmissionLimits { in_flight: 4, waiting: 4, token_share: 25 };
    let gateway = Gateway::builder().settings(|settings| settings.admission = limits).start().await;
    gateway.sandbox.inject("slow-first-byte;wait=1s".parse().unwrap());
    let (greedy, other) = (fresh_token(), fresh_token());
    let storm = join_all((0..6).map(|_| read(&gateway, &greedy)));
    let modest = async {
        while gateway.sent().len() < 2 {
            tokio::task::yield_now().await;
        }
        read(&gateway, &other).await
    };
    let (replies, modest) = tokio::join!(storm, modest);
    assert_eq!(
        replies.iter().filter(|reply| reply.status == StatusCode::OK).count(),
        2,
        "a quarter of eight"
    );
    modest.data();
}

async fn connect(gateway: &Gateway) -> TcpStream {
    TcpStream::connect(gateway.url.strip_prefix("http://").unwrap()).await.unwrap()
}

/// Whether the gateway closes the connection, whatever it says before.
async fn is_closed(mut stream: TcpStream) -> bool {
    let mut said = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut said)).await.is_ok()
}

#[tokio::test]
async fn clients_that_take_their_time_are_let_go() {
    let limits = ConnectionLimits {
        connections: 100,
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(600),
    };
    let gateway = Gateway::builder()
        .settings(|settings| {
            settings.connections = limits;
            settings.deadline = Duration::from_millis(500);
        })
        .start()
        .await;
    for begun in [
        "",
        "P",
        "PRI * HTT",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST /graphql HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        "GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut stream = connect(&gateway).await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        assert!(is_closed(stream).await, "{begun:?}");
    }
    gateway.graphql("{ __typename }", json!({})).await.data();
}

#[tokio::test]
async fn more_connections_than_the_bound_wait_for_their_turn() {
    let limits = ConnectionLimits { connections: 2, ..ConnectionLimits::default() };
    let gateway = Gateway::builder().settings(|settings| settings.connections = limits).start().await;
    let (first, second) = (connect(&gateway).await, connect(&gateway).await);
    let third = gateway.graphql("{ __typename }", json!({}));
    tokio::pin!(third);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut third).await.is_err(), "no room yet");
    drop((first, second));
    third.await.data();
}

#[tokio::test]
async fn an_upstream_that_answers_drop_by_drop_is_given_up() {
    let gateway = Gateway::builder()
        .attempt_timeout(Duration::from_millis(400))
        .settings(|settings| settings.deadline = Duration::from_millis(900))
        .start()
        .await;
    gateway.sandbox.inject("slow-body;piece=1;pause=100ms".parse().unwrap());
    let start = Instant::now();
    let reply = read(&gateway, &fresh_token()).await;
    assert_eq!(reply.code(), "UPSTREAM_TIMEOUT");
    assert!(start.elapsed() < Duration::from_secs(10));
}
