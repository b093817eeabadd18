//! A write that was reported as not sent is never sent afterwards, and nothing is sent after a disconnect: not after the request
//! timeout, SIGTERM, a slow TLS handshake or a stalled store.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, join_all};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::bulk::BULK;
use crate::fake_graph::{ConnectionScript, FakeGraph, Gate, Protocol, Reply as Answer, Seen};
use crate::gateway_process::{GatewayProcess, disconnect};
use crate::harness::{Gateway, TOKEN};
use crate::hooked_store::{StoreCall, hooked_service};

pub(crate) const READ: &str =
    "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName } }";

/// Variables of a create whose `deviceDisplayName` is `name`.
pub(crate) fn named(name: &str) -> Value {
    let mut status = device_status();
    status["deviceDisplayName"] = json!(name);
    input(status)
}

/// The input of a bulk whose names are numbers.
pub(crate) fn bulk(count: usize, key: Option<&str>) -> Value {
    let status = |number: usize| named(&number.to_string())["input"]["deviceStatus"].clone();
    let statuses: Vec<Value> = (0..count).map(status).collect();
    json!({"configurationId": "c", "deviceStatuses": statuses, "idempotencyKey": key})
}

/// A gate at which calls of the store stall.
#[derive(Debug, Clone)]
struct StallGate {
    gate: Gate,
    /// Number of calls that have reached the gate.
    reached: Arc<watch::Sender<usize>>,
}

impl StallGate {
    fn new() -> Self {
        Self { gate: Gate::closed(), reached: Arc::new(watch::Sender::new(0)) }
    }

    async fn pass(&self) {
        self.reached.send_modify(|reached| *reached += 1);
        self.gate.passed().await;
    }

    async fn is_reached(&self) {
        self.reached.subscribe().wait_for(|reached| *reached > 0).await.unwrap();
    }

    /// A gateway whose store stalls in these calls.
    async fn gateway(
        &self,
        graph: &FakeGraph,
        request_timeout: Duration,
        stalls: impl Fn(StoreCall) -> bool + Send + Sync + 'static,
    ) -> Gateway {
        let gate = self.clone();
        let service = hooked_service(move |call| {
            let (gate, stalls) = (gate.clone(), stalls(call));
            async move {
                if stalls {
                    gate.pass().await;
                }
                Ok(())
            }
            .boxed()
        });
        let builder = graph.gateway().settings(|settings| settings.request_timeout = request_timeout);
        builder.api(|api| api.idempotency = service).start().await
    }
}

/// The names of those of a bulk's results that have this outcome.
pub(crate) fn with_outcome(results: &Value, outcome: &str) -> HashSet<String> {
    let results = results.as_array().unwrap().iter().enumerate();
    results
        .filter(|(_, result)| result["error"]["outcome"] == outcome)
        .map(|(index, _)| index.to_string())
        .collect()
}

/// A bulk that the deadline cuts, and nine creates with keys after it in the same document.
async fn a_bulk_that_is_cut(key: Option<&str>) {
    const LIMIT: Duration = Duration::from_secs(20);
    let graph = FakeGraph::start(Protocol::Http1).await;
    let batches = graph.hold_posts();
    // The first of the nine waits for the store, so the document continues after the bulk call has
    // returned.
    let (stall, reads_before) = (StallGate::new(), usize::from(key.is_some()));
    let stalls = move |call| matches!(call, StoreCall::Get(number) if number > reads_before);
    let gateway = stall.gateway(&graph, Duration::from_secs(1), stalls).await;
    let mut document = "mutation($bulk: AddDeviceStatusesInput!".to_owned();
    for number in 0..9 {
        document += &format!(", $k{number}: AddDeviceStatusInput!");
    }
    document += ") { bulk: addDeviceStatuses(input: $bulk) { results { error { code outcome retryable } } }";
    let mut variables = json!({ "bulk": bulk(1000, key) });
    for number in 0..9 {
        document += &format!(" k{number}: addDeviceStatus(input: $k{number}) {{ deviceStatusId }}");
        let mut keyed = named(&format!("keyed {number}"))["input"].take();
        keyed["idempotencyKey"] = json!(format!("key-{number}"));
        variables[format!("k{number}")] = keyed;
    }
    document += " }";
    let mut reply = tokio::spawn(gateway.graphql(&document, variables));
    let told = tokio::select! {
        reply = &mut reply => Some(reply.unwrap()),
        () = stall.is_reached() => None,
        () = tokio::time::sleep(LIMIT) => panic!("the deadline ends the bulk"),
    };
    // The bulk call has returned. The sent requests get their responses now, which makes room for
    // more.
    let sent_before = graph.seen().names().len();
    assert!((1..1000).contains(&sent_before), "{sent_before}");
    batches.open();
    if told.is_none() {
        // Batches that follow are sent long before these are through.
        for _ in 0..20 {
            gateway.graphql(READ, json!({"id": "c"})).await.data();
        }
    }
    stall.gate.open();
    let told = match told {
        Some(told) => told,
        None => tokio::time::timeout(LIMIT, reply).await.unwrap().unwrap(),
    };
    gateway.stop().await;

    let results = &told.json["data"]["bulk"]["results"];
    let not_sent = with_outcome(results, "NOT_SENT");
    assert_eq!(not_sent.len(), 1000 - sent_before);
    let keyed = told.json["errors"].as_array().unwrap();
    assert_eq!(keyed.len(), 9);
    assert!(keyed.iter().all(|error| error["extensions"]["retryable"] == true), "{keyed:?}");
    for result in results.as_array().unwrap().iter().filter(|result| result["error"]["outcome"] == "NOT_SENT")
    {
        assert_eq!(result["error"], json!({"code": "THROTTLED", "outcome": "NOT_SENT", "retryable": true}));
    }
    let received: HashSet<String> = graph.seen().names().into_iter().collect();
    let belied = received.intersection(&not_sent).count();
    assert_eq!(belied, 0, "so many were told not to be sent, and were");
    assert_eq!(received.len(), sent_before, "nor was anything else");
}

#[tokio::test]
async fn items_left_at_the_request_timeout_of_a_bulk_are_never_sent() {
    a_bulk_that_is_cut(None).await;
}

#[tokio::test]
async fn items_left_at_the_request_timeout_of_a_bulk_with_a_key_are_never_sent() {
    a_bulk_that_is_cut(Some("k")).await;
}

#[tokio::test]
async fn a_batch_whose_intent_is_not_stored_before_the_request_timeout_is_never_sent() {
    // The lease of the key is the first write, the intent the second.
    for count in [1, 30] {
        let graph = FakeGraph::start(Protocol::Http1).await;
        let stall = StallGate::new();
        let gateway =
            stall.gateway(&graph, Duration::from_secs(1), |call| call == StoreCall::Replace(2)).await;
        let reply = gateway.graphql(BULK, json!({ "input": bulk(count, Some("k")) })).await;
        assert!(*stall.reached.borrow() > 0, "the intent waits");
        let results = &reply.data()["addDeviceStatuses"]["results"];
        let not_sent = with_outcome(results, "NOT_SENT").len();
        let sent_before = graph.seen().names().len();
        stall.gate.open();
        gateway.stop().await;
        assert_eq!((not_sent, graph.seen().names().len()), (count - sent_before, sent_before));
    }
}

#[tokio::test]
async fn a_create_whose_intent_is_not_stored_before_the_request_timeout_is_never_sent() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let stall = StallGate::new();
    let gateway = stall.gateway(&graph, Duration::from_secs(1), |call| call == StoreCall::Replace(2)).await;
    let mut variables = named("late");
    variables["input"]["idempotencyKey"] = json!("k");
    let reply = gateway.graphql(MUTATION, variables).await;
    let (_, outcome, retryable) = reply.failure();
    assert_eq!((outcome, retryable), ("NOT_SENT", true));
    stall.gate.open();
    gateway.stop().await;
    assert_eq!(graph.seen().requests.len(), 0);
}

/// A Graph that continues no TLS handshake until the gate is open.
pub(crate) async fn slow_handshakes(protocol: Protocol) -> (FakeGraph, Gate) {
    let graph = FakeGraph::start(protocol).await;
    let handshakes = Gate::closed();
    let gate = handshakes.clone();
    graph.script_connections(move |_| ConnectionScript {
        handshake: gate.clone(),
        ..ConnectionScript::default()
    });
    (graph, handshakes)
}

/// Continues the handshakes, waits until nothing is in flight, and returns the names of the
/// received objects.
async fn arrived(graph: &FakeGraph, handshakes: &Gate, gateway: GatewayProcess) -> Vec<String> {
    handshakes.open();
    let is_through = |seen: &Seen| {
        seen.connections.iter().all(|connection| connection.is_established || connection.is_closed)
    };
    graph.until("handshakes end", is_through).await;
    assert_eq!(gateway.stop().await, Some(0));
    graph.until("all connections end", Seen::all_closed).await;
    graph.seen().names()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_if_the_caller_disconnects_during_the_tls_handshake() {
    for protocol in [Protocol::TlsHttp1, Protocol::TlsHttp2] {
        for (query, variables) in [(MUTATION, named("late")), (BULK, json!({ "input": bulk(30, None) }))] {
            let (graph, handshakes) = slow_handshakes(protocol).await;
            let gateway = GatewayProcess::start(
                &graph,
                &[
                    "--request-timeout",
                    "30s",
                    "--graph-connect-timeout",
                    "30s",
                    "--graph-attempt-timeout",
                    "31s",
                ],
            );
            let caller = gateway.spawn(TOKEN, query, variables);
            graph.until("a connection", |seen| !seen.connections.is_empty()).await;
            disconnect(&caller).await;
            gateway.until_in_flight(0).await;
            assert_eq!(arrived(&graph, &handshakes, gateway).await, [""; 0], "{protocol:?} {query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_if_the_request_times_out_during_the_tls_handshake() {
    for protocol in [Protocol::TlsHttp1, Protocol::TlsHttp2] {
        let (graph, handshakes) = slow_handshakes(protocol).await;
        let gateway = GatewayProcess::start(
            &graph,
            &["--request-timeout", "1s", "--graph-connect-timeout", "30s", "--graph-attempt-timeout", "31s"],
        );
        let (single, bulk) = tokio::join!(
            gateway.graphql(TOKEN, MUTATION, named("late")),
            gateway.graphql(TOKEN, BULK, json!({ "input": bulk(30, None) })),
        );
        let names = arrived(&graph, &handshakes, gateway).await;
        assert_eq!(single.failure(), ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true), "{protocol:?}");
        assert_eq!(with_outcome(&bulk.data()["addDeviceStatuses"]["results"], "NOT_SENT").len(), 30);
        assert_eq!(names, [""; 0], "{protocol:?}");
    }
}

/// A second create waits for a stream: one is allowed, and further connections do not come about.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_waits_for_a_stream_is_not_sent_after_a_disconnect() {
    let graph = FakeGraph::start(Protocol::TlsHttp2).await;
    let handshakes = Gate::closed();
    let others = handshakes.clone();
    graph.script_connections(move |number| match number {
        1 => ConnectionScript { max_streams: Some(1), ..ConnectionScript::default() },
        _ => ConnectionScript { handshake: others.clone(), ..ConnectionScript::default() },
    });
    let gateway = GatewayProcess::start(
        &graph,
        &["--request-timeout", "30s", "--graph-connect-timeout", "30s", "--graph-attempt-timeout", "31s"],
    );
    gateway.graphql(TOKEN, READ, json!({"id": "c"})).await.data();
    let answers = graph.hold_posts();
    let first = gateway.spawn(TOKEN, MUTATION, named("first"));
    graph.until("the first create", |seen| seen.posts() == 1).await;
    let second = gateway.spawn(TOKEN, MUTATION, named("second"));
    gateway.until_in_flight(2).await;
    // By then it has been parsed, and waits.
    for _ in 0..20 {
        gateway.metric("intune_graphql_requests_in_flight").await;
    }
    disconnect(&second).await;
    gateway.until_in_flight(1).await;
    answers.open();
    first.await.unwrap().data();
    assert_eq!(arrived(&graph, &handshakes, gateway).await, ["first"]);
}

/// The head of the request may be sent by then, which writes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_waits_for_flow_control_is_not_sent_after_a_disconnect() {
    let graph = FakeGraph::start(Protocol::TlsHttp2).await;
    graph.script_connections(|_| ConnectionScript { window: 0, ..ConnectionScript::default() });
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "30s"]);
    gateway.graphql(TOKEN, READ, json!({"id": "c"})).await.data();
    let caller = gateway.spawn(TOKEN, MUTATION, named("late"));
    graph.until("the head of the create", |seen| seen.connections[0].streams == 2).await;
    disconnect(&caller).await;
    gateway.until_in_flight(0).await;
    graph.grow_window(1, 3, 65_535);
    // Frames of one connection are read in order.
    gateway.graphql(TOKEN, READ, json!({"id": "c"})).await.data();
    assert_eq!(gateway.stop().await, Some(0));
    graph.until("all connections end", Seen::all_closed).await;
    assert_eq!(graph.seen().names(), [""; 0]);
}

/// A create that was reported as rejected must not exist.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_waits_for_flow_control_is_not_sent_after_an_early_response() {
    for window in [0, 100] {
        let graph = FakeGraph::start(Protocol::TlsHttp2).await;
        graph.script_connections(move |_| ConnectionScript {
            window,
            has_window_updates: false,
            ..ConnectionScript::default()
        });
        let gateway = GatewayProcess::start(&graph, &["--request-timeout", "30s"]);
        gateway.graphql(TOKEN, READ, json!({"id": "c"})).await.data();
        for (stream, query) in [(3, MUTATION), (5, BULK)] {
            let input = if query == BULK { json!({ "input": bulk(3, None) }) } else { named("early") };
            let caller = gateway.spawn(TOKEN, query, input);
            graph.until("its head", |seen| seen.connections[0].open_streams.contains(&stream)).await;
            graph.answer(1, stream, 400);
            let reply = caller.await.unwrap();
            let told = reply.json.to_string();
            assert!(told.contains("REJECTED") && !told.contains("UNKNOWN"), "{window}: {told}");
            graph.grow_window(1, stream, 65_535);
        }
        gateway.graphql(TOKEN, READ, json!({"id": "c"})).await.data();
        assert_eq!(gateway.stop().await, Some(0));
        assert_eq!(graph.seen().names(), [""; 0], "{window}");
    }
}

/// A deletion has no body that flow control could hold back.
#[tokio::test(flavor = "multi_thread")]
async fn a_delete_that_waits_for_a_stream_is_not_sent_after_a_disconnect_or_timeout() {
    let graph = FakeGraph::start(Protocol::TlsHttp2).await;
    let gateway = GatewayProcess::start(&graph, &["--request-timeout", "1500ms"]);
    gateway.graphql(TOKEN, READ, json!({"id": "c"})).await.data();
    graph.limit_streams(1, 0);
    // Its acknowledgement arrives before later requests are sent.
    graph.until("the limit is known", |seen| seen.connections[0].acknowledged == 2).await;
    let gone = gateway.spawn(TOKEN, DELETE, named("gone"));
    let told = gateway.spawn(TOKEN, DELETE, named("told"));
    gateway.until_in_flight(2).await;
    disconnect(&gone).await;
    assert_eq!(told.await.unwrap().failure(), ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true));
    graph.limit_streams(1, 100);
    gateway.graphql(TOKEN, READ, json!({"id": "c"})).await.data();
    assert_eq!(gateway.stop().await, Some(0));
    assert!(graph.seen().requests.iter().all(|request| request.method != "DELETE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_without_an_established_connection_is_not_sent() {
    for (connect_timeout, deadline) in [(5000, 1000), (400, 1900)] {
        for handshake in [false, true] {
            let graph = if handshake {
                slow_handshakes(Protocol::TlsHttp2).await.0
            } else {
                FakeGraph::dropping_packets(Protocol::Http1).await
            };
            let builder = graph.gateway().connect_timeout(Duration::from_millis(connect_timeout));
            let gateway = builder
                .settings(|settings| settings.request_timeout = Duration::from_millis(deadline))
                .start()
                .await;
            let creates: Vec<String> = (0..6).map(|number| number.to_string()).collect();
            for reply in join_all(creates.iter().map(|name| gateway.graphql(MUTATION, named(name)))).await {
                assert_eq!(
                    reply.failure(),
                    ("UPSTREAM_UNAVAILABLE", "NOT_SENT", true),
                    "{handshake} {connect_timeout}"
                );
            }
            let reply = gateway.graphql(BULK, json!({ "input": bulk(50, None) })).await;
            assert_eq!(with_outcome(&reply.data()["addDeviceStatuses"]["results"], "NOT_SENT").len(), 50);
            assert_eq!(graph.seen().requests.len(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_create_is_sent_when_the_network_recovers() {
    let mut graph = FakeGraph::dropping_packets(Protocol::Http1).await;
    let gateway = graph.gateway().connect_timeout(Duration::from_millis(300)).start().await;
    let reply = tokio::spawn(gateway.graphql(MUTATION, named("late")));
    graph.listen();
    reply.await.unwrap().data();
    assert_eq!(graph.seen().names(), ["late"]);
}

pub(crate) const DELETE: &str = "mutation {
    deleteIosLobAppProvisioningConfiguration(input: {id: \"c\"}) { deletedId } }";

/// Latency of Graph's, without which a bulk of a thousand may be done before any deadline.
#[tokio::test(flavor = "multi_thread")]
async fn the_reported_results_of_a_bulk_hold_whenever_graph_responds() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    graph.script_replies(|request| {
        let gate = Gate::closed();
        let opened = gate.clone();
        let wait = Duration::from_millis(20 + u64::try_from(request.number).unwrap() % 7 * 5);
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            opened.open();
        });
        Answer::after(&gate)
    });
    let arguments = ["--request-timeout", "300ms"];
    let gateway = GatewayProcess::start(&graph, &arguments);
    let mut told = HashSet::new();
    for round in 0..5 {
        let mut bulk = bulk(1000, None);
        for status in bulk["deviceStatuses"].as_array_mut().unwrap() {
            let name = format!("{round} {}", status["deviceDisplayName"].as_str().unwrap());
            status["deviceDisplayName"] = json!(name);
        }
        let reply = gateway.graphql(TOKEN, BULK, json!({ "input": bulk })).await;
        let not_sent = with_outcome(&reply.data()["addDeviceStatuses"]["results"], "NOT_SENT");
        told.extend(not_sent.into_iter().map(|name| format!("{round} {name}")));
    }
    assert_eq!(gateway.stop().await, Some(0));
    assert!(!told.is_empty());
    let belied = graph.seen().names().into_iter().filter(|name| told.contains(name)).count();
    assert_eq!(belied, 0);
}
