//! HTTP/2 streams that Graph refuses, and therefore did not process (RFC 9113, section 8.7), and
//! streams of which only the response is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::add_device_status::MUTATION;
use crate::bulk::BULK;
use crate::fake_graph::{
    Admission, CANCEL, ConnectionScript, ENHANCE_YOUR_CALM, FakeGraph, Head, INTERNAL_ERROR, NO_ERROR,
    Protocol, REFUSED_STREAM, Reply as Answer,
};
use crate::harness::{Gateway, fresh_token};
use crate::never_sent::{READ, bulk, named};

/// Maximum time of a retry after a refused stream, which needs no wait.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn graph() -> FakeGraph {
    FakeGraph::start(Protocol::TlsHttp2).await
}

/// Sends 40 creates at once, each of which is created once.
async fn create_forty(graph: &FakeGraph, gateway: &Gateway, what: &str) {
    let names: Vec<String> = (10..50).map(|number| number.to_string()).collect();
    let start = Instant::now();
    let creates = names.iter().map(|name| gateway.graphql_as(Some(&fresh_token()), MUTATION, named(name)));
    for reply in join_all(creates).await {
        assert!(reply.json.get("errors").is_none(), "{what}: {:#}", reply.json);
    }
    assert!(start.elapsed() < AT_ONCE, "{what}: {:?}", start.elapsed());
    let mut created = graph.seen().names();
    created.sort_unstable();
    assert_eq!(created, names, "{what}: each once");
}

/// Refuses the first so many POSTs.
fn refuse_first(graph: &FakeGraph, count: usize) {
    let refused = AtomicUsize::new(0);
    graph.script_streams(move |head| {
        if head.method == "POST" && refused.fetch_add(1, Ordering::Relaxed) < count {
            Admission::Reset(REFUSED_STREAM)
        } else {
            Admission::Accepted
        }
    });
}

#[tokio::test]
async fn creates_on_refused_streams_are_resent_immediately() {
    for count in [1, 16, 40] {
        let graph = graph().await;
        refuse_first(&graph, count);
        let gateway = graph.gateway().start().await;
        create_forty(&graph, &gateway, &format!("the first {count} refused")).await;
    }
}

#[tokio::test]
async fn creates_beyond_the_stream_limit_are_created_once() {
    for limit in [1, 5, 39] {
        let graph = graph().await;
        graph.script_connections(move |_| ConnectionScript {
            max_streams: Some(limit),
            ..ConnectionScript::default()
        });
        let gateway = graph.gateway().start().await;
        create_forty(&graph, &gateway, &format!("{limit} streams")).await;
    }
}

/// Refused once the whole request has arrived: by the code it was not processed all the same.
#[tokio::test]
async fn a_create_refused_after_its_body_is_resent() {
    let graph = graph().await;
    graph.script_replies(|request| match request.number {
        1 => Answer::reset(REFUSED_STREAM),
        _ => Answer::usual(),
    });
    let gateway = graph.gateway().start().await;
    let start = Instant::now();
    gateway.graphql(MUTATION, named("a")).await.data();
    assert!(start.elapsed() < AT_ONCE);
    assert_eq!(graph.seen().names(), ["a", "a"]);
}

#[tokio::test]
async fn creates_above_the_last_stream_of_a_goaway_are_resent_immediately() {
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let graph = graph().await;
        // The first stream is the read's; five creates are taken, and six are not.
        graph.script_streams(move |Head { connection, stream, nth, .. }| match (connection, nth) {
            (1, 7..12) => Admission::Ignored,
            (1, 12) => Admission::GoAway { last: stream - 2 * 6, code },
            _ => Admission::Accepted,
        });
        let gateway = graph.gateway().start().await;
        gateway.graphql(READ, json!({"id": "c"})).await.data();
        create_forty(&graph, &gateway, &format!("GOAWAY {code}")).await;
    }
}

/// As a server does before a restart: first all streams may end, then those that have started.
#[tokio::test]
async fn a_graceful_goaway_loses_nothing() {
    let graph = graph().await;
    let answers = graph.hold_posts();
    let gateway = graph.gateway().start().await;
    let first = tokio::spawn(gateway.graphql(MUTATION, named("first")));
    graph.until("the first create", |seen| seen.posts() == 1).await;
    graph.go_away(1, 0x7fff_ffff, NO_ERROR);
    let second = tokio::spawn(gateway.graphql(MUTATION, named("second")));
    graph.until("the second create", |seen| seen.posts() == 2).await;
    let last =
        graph.requests().iter().filter(|request| request.connection == 1).map(|request| request.stream).max();
    graph.go_away(1, last.unwrap(), NO_ERROR);
    let third = tokio::spawn(gateway.graphql(MUTATION, named("third")));
    graph.until("the third create", |seen| seen.posts() == 3).await;
    assert_ne!(graph.requests()[2].connection, 1);
    answers.open();
    for reply in [first, second, third] {
        reply.await.unwrap().data();
    }
    assert_eq!(graph.seen().names(), ["first", "second", "third"]);
}

#[tokio::test]
async fn a_goaway_on_an_idle_connection_has_no_effect_on_requests() {
    let graph = graph().await;
    let gateway = graph.gateway().start().await;
    for round in 1..=3 {
        let start = Instant::now();
        gateway.graphql(MUTATION, named(&round.to_string())).await.data();
        gateway.graphql(READ, json!({"id": "c"})).await.data();
        assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
        let last = graph.requests().last().unwrap().stream;
        graph.go_away(round, last, NO_ERROR);
        graph.until("the gateway closes it", |seen| seen.connections[round - 1].is_closed).await;
    }
    assert_eq!(graph.seen().names(), ["1", "2", "3"]);
}

#[tokio::test]
async fn a_create_whose_streams_are_always_refused_is_not_sent() {
    let graph = graph().await;
    refuse_first(&graph, usize::MAX);
    let gateway =
        graph.gateway().settings(|settings| settings.request_timeout = Duration::from_secs(3)).start().await;
    let (single, many) = tokio::join!(
        gateway.graphql(MUTATION, named("a")),
        gateway.graphql(BULK, json!({ "input": bulk(30, None) })),
    );
    assert_eq!(single.failure(), ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true));
    let results = many.data()["addDeviceStatuses"]["results"].clone();
    assert!(
        results.as_array().unwrap().iter().all(|result| result["error"]["outcome"] == "NOT_SENT"),
        "{results:#}"
    );
    assert_eq!(graph.seen().names(), [""; 0]);
    let asked: usize = graph.seen().connections.iter().map(|connection| connection.streams).sum();
    assert!((2..=60).contains(&asked), "sent again, and no storm: {asked}");
}

#[tokio::test]
async fn batches_on_refused_streams_are_resent() {
    let graph = graph().await;
    graph.script_streams(|head| match head.nth_of_all {
        1 | 3 if head.path.ends_with("/$batch") => Admission::Reset(REFUSED_STREAM),
        _ => Admission::Accepted,
    });
    let gateway = graph.gateway().start().await;
    let reply = gateway.graphql(BULK, json!({ "input": bulk(90, None) })).await;
    assert_eq!(reply.data()["addDeviceStatuses"]["createdCount"], 90);
    assert_eq!(graph.seen().names().len(), 90);
}

#[tokio::test]
async fn reads_on_refused_streams_are_resent_immediately() {
    for go_away in [false, true] {
        let graph = graph().await;
        graph.script_streams(move |Head { nth_of_all, stream, .. }| match nth_of_all {
            2 if go_away => Admission::GoAway { last: stream - 2, code: NO_ERROR },
            2 | 3 if !go_away => Admission::Reset(REFUSED_STREAM),
            _ => Admission::Accepted,
        });
        let gateway = graph.gateway().start().await;
        gateway.graphql(READ, json!({"id": "a"})).await.data();
        let start = Instant::now();
        gateway.graphql(READ, json!({"id": "b"})).await.data();
        assert!(start.elapsed() < Duration::from_millis(900), "{go_away}: {:?}", start.elapsed());
        assert_eq!(graph.seen().reads(), 2);
    }
}

#[tokio::test]
async fn a_create_with_a_lost_response_is_unknown() {
    for code in [NO_ERROR, 1, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM] {
        let graph = graph().await;
        graph.script_replies(move |_| Answer::reset(code));
        let gateway = graph.gateway().start().await;
        let reply = gateway.graphql(MUTATION, named("a")).await;
        assert_eq!(reply.failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false), "{code}");
        assert_eq!(graph.seen().names(), ["a"], "{code}");
    }
    for code in [NO_ERROR, ENHANCE_YOUR_CALM] {
        let graph = graph().await;
        let _never = graph.hold_posts();
        let gateway = graph.gateway().start().await;
        let replies = ["a", "b"].map(|name| tokio::spawn(gateway.graphql(MUTATION, named(name))));
        graph.until("both creates", |seen| seen.posts() == 2).await;
        let streams: Vec<u32> = graph.requests().iter().map(|request| request.stream).collect();
        graph.reset(1, streams[0], CANCEL);
        graph.go_away(1, streams.into_iter().max().unwrap(), code);
        graph.close(1);
        for reply in replies {
            assert_eq!(reply.await.unwrap().failure(), ("OUTCOME_UNKNOWN", "UNKNOWN", false), "{code}");
        }
        assert_eq!(graph.seen().posts(), 2, "{code}");
    }
}

/// Those up to the last stream may have been processed, and the others were not.
#[tokio::test]
async fn a_goaway_separates_processed_creates_from_unprocessed_ones() {
    let graph = graph().await;
    graph.script_replies(|request| match request.connection {
        1 => Answer::never(),
        _ => Answer::usual(),
    });
    graph.script_streams(|Head { connection, stream, nth, .. }| match (connection, nth) {
        (1, 3) => Admission::GoAway { last: stream - 2, code: NO_ERROR },
        _ => Admission::Accepted,
    });
    let gateway = graph.gateway().start().await;
    let covered = ["a", "b"].map(|name| tokio::spawn(gateway.graphql(MUTATION, named(name))));
    graph.until("those that are covered", |seen| seen.posts() == 2).await;
    gateway.graphql(MUTATION, named("c")).await.data();
    gateway.graphql(MUTATION, named("d")).await.data();
    graph.close(1);
    let covered: Vec<Value> = join_all(covered).await.into_iter().map(|reply| reply.unwrap().json).collect();
    assert!(
        covered.iter().all(|reply| reply["errors"][0]["extensions"]["outcome"] == "UNKNOWN"),
        "{covered:#?}"
    );
    let mut names = graph.seen().names();
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "c", "d"]);
}
