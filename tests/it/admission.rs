//! Concurrency limits, and clients and upstreams that are slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use http::StatusCode;
use intune_graphql::server::{self, ConcurrencyLimits, ConnectionLimits};
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::commands::Program;
use crate::harness::{Gateway, Reply, connection_limits, fresh_token, http_client};
use crate::slow_clients::{connect, head};

async fn read(gateway: &Gateway, token: &str) -> Reply {
    read_with(gateway, &format!("Bearer {token}")).await
}

async fn read_with(gateway: &Gateway, authorization: &str) -> Reply {
    let query = format!("{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id }} }}");
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .header("authorization", authorization)
        .body(json!({"query": query}).to_string());
    Reply::read(request.send().await.unwrap()).await
}

fn refusal(reply: &Reply) -> &str {
    assert_eq!((reply.status, reply.code()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    assert_eq!(reply.headers["retry-after"], "1");
    let extensions = &reply.error()["extensions"];
    assert_eq!((&extensions["retryable"], &extensions["retryAfter"]), (&json!(true), &json!(1)));
    reply.error()["message"].as_str().unwrap()
}

/// A Graph without objects, which responds only when the test allows it.
pub(crate) struct HeldResponses {
    pub(crate) root: String,
    asked: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
}

impl HeldResponses {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}/beta", listener.local_addr().unwrap());
        let (asked, answers) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
        let held = Self { root, asked: Arc::clone(&asked), answers: Arc::clone(&answers) };
        let router = Router::new().fallback(async move || {
            asked.fetch_add(1, Ordering::SeqCst);
            let _answer = answers.acquire().await;
            StatusCode::NOT_FOUND
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        held
    }

    async fn gateway(&self, limits: ConcurrencyLimits) -> Arc<Gateway> {
        let long = Duration::from_secs(300);
        let gateway = Gateway::builder().graph_root(&self.root).attempt_timeout(long);
        let gateway = gateway.settings(|settings| {
            settings.concurrency = limits;
            settings.request_timeout = long;
        });
        Arc::new(gateway.start().await)
    }

    pub(crate) fn requests(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(crate) async fn until_requests(&self, times: usize) {
        while self.requests() < times {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn answer(&self) {
        self.answers.add_permits(1);
    }
}

fn reading(gateway: &Arc<Gateway>, authorization: String) -> JoinHandle<Reply> {
    let gateway = Arc::clone(gateway);
    tokio::spawn(async move { read_with(&gateway, &authorization).await })
}

#[tokio::test]
async fn at_twice_the_limit_admitted_requests_succeed_and_others_are_rejected_immediately() {
    let upstream = HeldResponses::start().await;
    let limits =
        ConcurrencyLimits { max_concurrent_requests: 4, max_queued_requests: 0, max_caller_share: 100 };
    let gateway = upstream.gateway(limits).await;
    let taken: Vec<_> = (0..4).map(|_| reading(&gateway, format!("Bearer {}", fresh_token()))).collect();
    upstream.until_requests(4).await;
    for _ in 0..4 {
        assert!(refusal(&read(&gateway, &fresh_token()).await).starts_with("The gateway is full"));
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(gateway.admin(path).await, StatusCode::OK);
    }
    assert!(taken.iter().all(|taken| !taken.is_finished()), "the refused waited for nobody");
    upstream.answer();
    for taken in taken {
        taken.await.unwrap().data();
    }
    // It recovers.
    read(&gateway, &fresh_token()).await.data();
}

#[tokio::test]
async fn one_caller_cannot_use_all_permits() {
    let upstream = HeldResponses::start().await;
    // A quarter of eight.
    let limits =
        ConcurrencyLimits { max_concurrent_requests: 8, max_queued_requests: 0, max_caller_share: 25 };
    let gateway = upstream.gateway(limits).await;
    let (greedy, other) = (fresh_token(), fresh_token());
    // One caller, however the header is written.
    let first = reading(&gateway, format!("Bearer {greedy}"));
    let second = reading(&gateway, format!("bearer {greedy}"));
    upstream.until_requests(2).await;
    for header in [format!("Bearer {greedy}"), format!("BEARER  {greedy}")] {
        let refused = read_with(&gateway, &header).await;
        assert!(refusal(&refused).starts_with("The caller already uses its share"), "{refused:?}");
    }
    let modest = reading(&gateway, format!("Bearer {other}"));
    upstream.until_requests(3).await;
    upstream.answer();
    for taken in [first, second, modest] {
        taken.await.unwrap().data();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_show_requests_in_flight_and_queued() {
    let upstream = HeldResponses::start().await;
    let mut gateway = Program::serve(
        &upstream.root,
        &[
            "--graph-attempt-timeout",
            "5m",
            "--request-timeout",
            "5m",
            "--max-concurrent-requests",
            "2",
            "--max-queued-requests",
            "1",
            "--max-caller-share",
            "100",
        ],
    );
    let (url, admin) = (gateway.line("listening on "), gateway.line("admin listening on "));
    let client = http_client().build().unwrap();
    let metrics = async || {
        let answer = client.get(format!("{admin}/metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let show = async |lines: &[&str]| {
        loop {
            let text = metrics().await;
            if lines.iter().all(|line| text.lines().any(|found| found == *line)) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    show(&[
        "intune_graphql_requests_in_flight 0",
        "intune_graphql_requests_queued 0",
        "intune_graphql_rejected_total{reason=\"full\"} 0",
        "intune_graphql_rejected_total{reason=\"waited_too_long\"} 0",
        "intune_graphql_rejected_total{reason=\"caller_share\"} 0",
    ])
    .await;
    let query = format!("{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id }} }}");
    let body = json!({"query": query}).to_string();
    let send = || {
        let request = client.post(format!("{url}/graphql")).header("content-type", "application/json");
        request.bearer_auth(fresh_token()).body(body.clone()).send()
    };
    let mut taken: Vec<_> = (0..2).map(|_| tokio::spawn(send())).collect();
    upstream.until_requests(2).await;
    taken.push(tokio::spawn(send()));
    show(&["intune_graphql_requests_in_flight 2", "intune_graphql_requests_queued 1"]).await;
    assert_eq!(send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    show(&["intune_graphql_rejected_total{reason=\"full\"} 1"]).await;
    upstream.answer();
    for taken in taken {
        assert_eq!(taken.await.unwrap().unwrap().status(), StatusCode::OK);
    }
    show(&["intune_graphql_requests_in_flight 0", "intune_graphql_requests_queued 0"]).await;
    assert_eq!(gateway.stop().0, Some(0));
}

#[tokio::test]
async fn connections_above_the_limit_wait() {
    let limits = ConnectionLimits { max_connections: 2, ..connection_limits() };
    let gateway = Gateway::builder().settings(|settings| settings.connections = limits).start().await;
    let (first, second) = (connect(&gateway).await, connect(&gateway).await);
    let third = gateway.graphql("{ __typename }", json!({}));
    tokio::pin!(third);
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut third).await.is_err(), "no room yet");
    drop((first, second));
    third.await.data();
}

/// Connects this many clients at once to a server that accepts none of them, and counts those that
/// are connected.
async fn connected_at_once(address: &str, clients: usize) -> usize {
    let connects = (0..clients).map(|_| TcpStream::connect(address));
    // A client that finds the queue full tries again after a second.
    let connects = connects.map(|connect| tokio::time::timeout(Duration::from_millis(900), connect));
    let connected = futures_util::future::join_all(connects).await;
    connected.iter().filter(|connected| matches!(connected, Ok(Ok(_)))).count()
}

#[cfg(unix)]
#[tokio::test]
async fn a_burst_of_connections_waits_in_the_backlog() {
    const CLIENTS: usize = 500;
    let system = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
    let expected = system.map_or(128, |most| most.trim().parse().unwrap()).min(CLIENTS);
    // Nothing is accepted: connected clients are in the queue.
    for listener in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = server::bind(listener.parse().unwrap(), 4096) else { continue };
        let address = listener.local_addr().unwrap().to_string();
        assert!(connected_at_once(&address, CLIENTS).await >= expected, "{address}");
    }
    let short = server::bind("127.0.0.1:0".parse().unwrap(), 10).unwrap();
    let connected = connected_at_once(&short.local_addr().unwrap().to_string(), 100).await;
    assert!((10..50).contains(&connected), "{connected}");
    // The program's own listeners, whose one connection at a time is taken.
    let mut gateway = Program::serve("http://127.0.0.1:1/beta", &["--max-connections", "1"]);
    let url = gateway.line("listening on ");
    let _taken = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    assert!(connected_at_once(url.trim_start_matches("http://"), CLIENTS).await >= expected.min(CLIENTS - 1));
    assert_eq!(gateway.stop().0, Some(0));
}

#[tokio::test]
async fn a_slow_graph_response_times_out() {
    let gateway = Gateway::builder()
        .attempt_timeout(Duration::from_millis(400))
        .settings(|settings| settings.request_timeout = Duration::from_millis(900))
        .start()
        .await;
    gateway.sandbox.inject("slow-body;piece=1;pause=100ms".parse().unwrap());
    let start = Instant::now();
    let reply = read(&gateway, &fresh_token()).await;
    assert_eq!(reply.code(), "UPSTREAM_TIMEOUT");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn slow_uploads_hold_no_permits() {
    let limits =
        ConcurrencyLimits { max_concurrent_requests: 2, max_queued_requests: 0, max_caller_share: 100 };
    let gateway = Gateway::builder().settings(|settings| settings.concurrency = limits).start().await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&gateway).await;
        stream.write_all(head(&fresh_token(), 100).as_bytes()).await.unwrap();
        silent.push(stream);
    }
    for _ in 0..20 {
        read(&gateway, &fresh_token()).await.data();
    }
}

#[tokio::test]
async fn the_total_size_of_request_bodies_is_limited() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_bytes = 300_000).start().await;
    let large = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(200_000)}}).to_string();
    let post = async || {
        let request = gateway.post().header("content-type", "application/json");
        let request = request.header("accept", "application/graphql-response+json");
        Reply::read(request.body(large.clone()).send().await.unwrap()).await
    };
    post().await.data();
    // A body without its last byte leaves no room for another large one, and enough for small ones.
    let mut slow = connect(&gateway).await;
    slow.write_all(head("slow", large.len()).as_bytes()).await.unwrap();
    slow.write_all(&large.as_bytes()[..large.len() - 1]).await.unwrap();
    while post().await.status != StatusCode::SERVICE_UNAVAILABLE {}
    let reply = post().await;
    assert_eq!((reply.status, reply.code()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    read(&gateway, &fresh_token()).await.data();
    drop(slow);
    while post().await.status != StatusCode::OK {}
}

#[tokio::test]
async fn the_total_size_of_one_callers_request_bodies_is_limited() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_per_caller = 300_000);
    let gateway = gateway.start().await;
    let large = json!({"query": "{ __typename }", "variables": {"x": "x".repeat(200_000)}}).to_string();
    let post = async |token: &str| {
        let request = gateway.post().header("content-type", "application/json").bearer_auth(token);
        let request = request.header("accept", "application/graphql-response+json");
        Reply::read(request.body(large.clone()).send().await.unwrap()).await
    };
    post("slow").await.data();
    // A body without its last byte leaves no room for another large one of the same caller.
    let mut slow = connect(&gateway).await;
    slow.write_all(head("slow", large.len()).as_bytes()).await.unwrap();
    slow.write_all(&large.as_bytes()[..large.len() - 1]).await.unwrap();
    let rejected = loop {
        post("another").await.data();
        let reply = post("slow").await;
        if reply.status != StatusCode::OK {
            break reply;
        }
    };
    assert_eq!((rejected.status, rejected.code()), (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"));
    post("another").await.data();
    gateway.graphql_as(Some("slow"), "{ __typename }", json!({})).await.data();
    drop(slow);
    while post("slow").await.status != StatusCode::OK {}
}

#[tokio::test]
async fn unfinished_headers_count_toward_buffered_bytes() {
    let gateway = Gateway::builder().settings(|settings| settings.max_buffered_bytes = 100_000).start().await;
    let head =
        format!("GET /graphql?query={{__typename}} HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(50_000));
    let is_served = async || {
        let mut stream = connect(&gateway).await;
        // The gateway may have closed the connection before it has read all.
        let _ = stream.write_all(head.as_bytes()).await;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.is_ok_and(|_| start.starts_with(b"HTTP/1.1 200"))
    };
    assert!(is_served().await);
    let mut unfinished = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(&gateway).await;
        stream.write_all(&head.as_bytes()[..head.len() - 1]).await.unwrap();
        unfinished.push(stream);
    }
    while is_served().await {}
    // There is always room for a short one.
    read(&gateway, &fresh_token()).await.data();
    // Those that have room are served when they come, and leave it to others.
    for mut stream in unfinished {
        stream.write_all(b"\n").await.unwrap();
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
    }
    assert!(is_served().await);
}
