//! Connections to Graph that hang, close or are at their limit, and their effect on other callers.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::add_device_status::MUTATION;
use crate::fake_graph::{ConnectionScript, FakeGraph, Gate, Protocol, Reply as Answer, Seen};
use crate::gateway_process::GatewayProcess;
use crate::harness::{Reply, TOKEN, fresh_token};
use crate::never_sent::{READ, named};

#[track_caller]
fn is_read(reply: &Reply, what: &str) {
    let data = &reply.json["data"]["iosLobAppProvisioningConfiguration"];
    assert_eq!(data["displayName"], "A configuration", "{what}: {:#}", reply.json);
}

/// A Graph that stops answering on its first connection: nothing is written to it any more.
async fn hanging_first(protocol: Protocol) -> (FakeGraph, Gate) {
    let graph = FakeGraph::start(protocol).await;
    let output = Gate::opened();
    let first = output.clone();
    graph.script_connections(move |number| match number {
        1 => ConnectionScript { output: first.clone(), ..ConnectionScript::default() },
        _ => ConnectionScript::default(),
    });
    (graph, output)
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_move_away_from_a_hanging_connection() {
    let (graph, output) = hanging_first(Protocol::TlsHttp2).await;
    let gateway = graph.gateway().attempt_timeout(Duration::from_secs(1)).start().await;
    is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "before");
    output.close();
    let start = Instant::now();
    let reads = (0..24).map(|_| gateway.graphql_as(Some(&fresh_token()), READ, json!({"id": "c"})));
    for reply in join_all(reads).await {
        is_read(&reply, "while it hangs");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "an attempt and a back-off: {:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..10 {
        is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "afterwards");
    }
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    let seen = graph.seen();
    assert!(seen.requests.iter().rev().take(10).all(|request| request.connection > 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_on_a_hanging_connection_is_unknown_and_the_next_one_succeeds() {
    let (graph, output) = hanging_first(Protocol::TlsHttp2).await;
    let gateway = graph
        .gateway()
        .attempt_timeout(Duration::from_secs(1))
        .settings(|settings| settings.request_timeout = Duration::from_secs(5))
        .start()
        .await;
    is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "before");
    output.close();
    let lost = tokio::spawn(gateway.graphql(MUTATION, named("lost")));
    graph.until("the create", |seen| seen.posts() == 1).await;
    is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "while it hangs");
    gateway.graphql(MUTATION, named("next")).await.data();
    assert_eq!(lost.await.unwrap().failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false));
    assert_eq!(graph.seen().names(), ["lost", "next"]);
}

/// Creates of one caller, all unanswered, take no stream from another.
#[tokio::test(flavor = "multi_thread")]
async fn slow_creates_of_one_caller_do_not_delay_others() {
    const CREATES: usize = 130;
    for limit in [100, 5, 1] {
        let graph = FakeGraph::start(Protocol::TlsHttp2).await;
        graph.script_connections(move |_| ConnectionScript {
            max_streams: Some(limit),
            ..ConnectionScript::default()
        });
        let gateway = GatewayProcess::start(&graph, &["--request-timeout", "30s"]);
        is_read(&gateway.graphql(TOKEN, READ, json!({"id": "c"})).await, "the first");
        let answers = graph.hold_posts();
        let creates: Vec<_> =
            (0..CREATES).map(|number| gateway.spawn(TOKEN, MUTATION, named(&number.to_string()))).collect();
        gateway.until_in_flight(CREATES).await;
        let limit = usize::try_from(limit).unwrap();
        graph.until("as many creates as one connection takes", |seen| seen.posts() >= limit).await;

        // No create ends before the read: it depends on none of them.
        let read = gateway.spawn("another-tenant", READ, json!({"id": "d"}));
        let read = tokio::time::timeout(Duration::from_secs(10), read).await;
        answers.open();
        is_read(&read.expect("an answer while the creates are held").unwrap(), &format!("limit {limit}"));
        for create in creates {
            create.await.unwrap().data();
        }
        assert_eq!(gateway.stop().await, Some(0));
        let seen = graph.seen();
        assert_eq!(seen.posts(), CREATES, "limit {limit}: each once");
        for connection in &seen.connections {
            assert!(connection.max_open_streams <= limit, "limit {limit}: {}", connection.max_open_streams);
            assert_eq!(connection.refused, 0, "limit {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_circuit_breaker_closes_when_a_connection_is_established() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp2] {
        let mut graph = FakeGraph::refusing(protocol);
        // Ends before the first back-off does.
        let gateway = graph
            .gateway()
            .settings(|settings| settings.request_timeout = Duration::from_millis(950))
            .start()
            .await;
        for _ in 0..5 {
            let reply = gateway.graphql(MUTATION, named("early")).await;
            assert_eq!(reply.failure(), ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true));
        }
        let answers = graph.hold_posts();
        graph.listen();
        // It is open for a second.
        let probe = loop {
            let mut create = tokio::spawn(gateway.graphql(MUTATION, named("probe")));
            tokio::select! {
                reply = &mut create => assert_eq!(reply.unwrap().code(), "UPSTREAM_UNAVAILABLE"),
                () = graph.until("the probe", |seen| seen.posts() == 1) => break create,
            }
        };
        let reads = (0..10).map(|_| gateway.graphql_as(Some(&fresh_token()), READ, json!({"id": "c"})));
        for reply in join_all(reads).await {
            is_read(&reply, "while the probe is held");
        }
        assert!(!probe.is_finished());
        answers.open();
        probe.await.unwrap().data();
    }
}

/// A probe waits for a connection without TLS. A hanging handshake is not one.
#[tokio::test(flavor = "multi_thread")]
async fn the_circuit_breaker_stays_open_while_the_probes_handshake_hangs() {
    let mut graph = FakeGraph::refusing(Protocol::TlsHttp2);
    let gateway = graph
        .gateway()
        .settings(|settings| settings.request_timeout = Duration::from_millis(950))
        .start()
        .await;
    for _ in 0..5 {
        assert_eq!(gateway.graphql(MUTATION, named("early")).await.code(), "UPSTREAM_UNAVAILABLE");
    }
    let handshake = Gate::closed();
    let gate = handshake.clone();
    graph.script_connections(move |_| ConnectionScript {
        handshake: gate.clone(),
        ..ConnectionScript::default()
    });
    graph.listen();
    let probe = loop {
        let mut create = tokio::spawn(gateway.graphql(MUTATION, named("probe")));
        tokio::select! {
            reply = &mut create => assert_eq!(reply.unwrap().code(), "UPSTREAM_UNAVAILABLE"),
            () = graph.until("the probe", |seen| seen.connections.len() == 1) => break create,
        }
    };
    let reply = gateway.graphql(MUTATION, named("meanwhile")).await;
    assert_eq!(reply.failure(), ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true));
    assert!(!probe.is_finished());
    handshake.open();
    probe.await.unwrap().data();
    assert_eq!(graph.seen().names(), ["probe"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_on_a_closing_connection_is_resent_immediately() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp1] {
        let graph = FakeGraph::start(protocol).await;
        graph.script_connections(|number| ConnectionScript {
            requests: (number <= 3).then_some(1),
            ..ConnectionScript::default()
        });
        let gateway = graph.gateway().start().await;
        for round in 1..=4 {
            let start = Instant::now();
            is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "it is sent again");
            assert!(
                start.elapsed() < Duration::from_millis(900),
                "{protocol:?} {round}: {:?}",
                start.elapsed()
            );
        }
        let connections: Vec<usize> = graph.requests().iter().map(|request| request.connection).collect();
        assert_eq!(connections, [1, 2, 3, 4], "{protocol:?}");
        assert!(graph.seen().connections[..3].iter().all(|connection| connection.is_closed));
    }
}

/// The whole request arrives, and the connection ends without a response.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_on_a_reused_connection_that_closes_is_resent_immediately() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp1, Protocol::TlsHttp2] {
        let graph = FakeGraph::start(protocol).await;
        graph.script_replies(|request| match request.number {
            2 => Answer::close(),
            _ => Answer::usual(),
        });
        let gateway = graph.gateway().start().await;
        is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "the first");
        let start = Instant::now();
        is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "the second");
        assert!(start.elapsed() < Duration::from_millis(900), "{protocol:?}: {:?}", start.elapsed());
        assert_eq!(graph.seen().requests.len(), 3, "{protocol:?}");
    }
}

/// Several connections wait, all of which close as they are used.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_skips_all_closing_connections() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_connections(|number| ConnectionScript {
        requests: (number <= 8).then_some(1),
        ..ConnectionScript::default()
    });
    let gateway = graph.gateway().start().await;
    let gate = Gate::closed();
    let held = gate.clone();
    graph.script_replies(move |_| Answer::after(&held));
    let reads: Vec<_> = (0..8)
        .map(|_| tokio::spawn(gateway.graphql_as(Some(&fresh_token()), READ, json!({"id": "c"}))))
        .collect();
    graph.until("eight connections", |seen| seen.reads() == 8).await;
    gate.open();
    for read in reads {
        is_read(&read.await.unwrap(), "the first of each connection");
    }
    let start = Instant::now();
    is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "a new connection is made");
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!(graph.requests().last().unwrap().connection, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_whose_new_connections_all_close_is_not_resent_without_limit() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp2] {
        let graph = FakeGraph::start(protocol).await;
        graph.script_replies(|_| Answer::close());
        let gateway = graph
            .gateway()
            .settings(|settings| settings.request_timeout = Duration::from_millis(950))
            .start()
            .await;
        let reply = gateway.graphql(READ, json!({"id": "c"})).await;
        assert_eq!(reply.code(), "UPSTREAM_ERROR", "{protocol:?}");
        assert_eq!(graph.seen().reads(), 1, "{protocol:?}: the next one is due after a back-off");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_on_a_closing_connection_is_sent_once() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp1] {
        let graph = FakeGraph::start(protocol).await;
        graph.script_replies(|request| match request.number {
            2 => Answer::close(),
            _ => Answer::usual(),
        });
        let gateway = graph.gateway().start().await;
        is_read(&gateway.graphql(READ, json!({"id": "c"})).await, "the first");
        let reply = gateway.graphql(MUTATION, named("a")).await;
        assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false), "{protocol:?}");
        assert_eq!(graph.seen().names(), ["a"], "{protocol:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_gateway_leaves_no_connection_open() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp1, Protocol::TlsHttp2] {
        let graph = FakeGraph::start(protocol).await;
        let gateway = graph.gateway().start().await;
        let reads = (0..20).map(|_| gateway.graphql_as(Some(&fresh_token()), READ, json!({"id": "c"})));
        for reply in join_all(reads).await {
            is_read(&reply, "each");
        }
        gateway.stop().await;
        graph.until("all connections end", Seen::all_closed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_opened_before_a_request_needs_it() {
    for protocol in [Protocol::Http1, Protocol::TlsHttp1, Protocol::TlsHttp2] {
        let graph = FakeGraph::start(protocol).await;
        let gateway = GatewayProcess::start(&graph, &[]);
        graph.until("a connection", |seen| !seen.connections.is_empty()).await;
        is_read(&gateway.graphql(TOKEN, READ, json!({"id": "c"})).await, "the first request");
        assert_eq!(gateway.stop().await, Some(0));
    }
}
