//! SIGTERM: what is under way is answered, and nobody can keep the process from ending.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use intune_graphql::sandbox::{self, FaultRule, Sandbox};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::Program;
use crate::harness::{TOKEN, http_client};

fn serve(root: &str, deadline: &str) -> (Program, String) {
    let mut gateway = Program::start(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--graph-url",
        root,
        "--deadline",
        deadline,
    ]);
    let address = gateway.line("listening on http://");
    (gateway, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_under_way_is_answered() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    let sandbox = Sandbox::new(sandbox::Settings::default());
    tokio::spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
    sandbox.inject(FaultRule::once("slow-first-byte;wait=1s".parse().unwrap()));

    let (mut gateway, address) = serve(&root, "20s");
    let admin = gateway.line("admin listening on ");
    let client = http_client().build().unwrap();
    let request = client
        .post(format!("http://{address}/graphql"))
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"))
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string());
    let answer = tokio::spawn(async move { request.send().await.unwrap().text().await.unwrap() });
    while sandbox.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    gateway.terminate();
    // Whoever asks is told, and is not taken any more.
    while client.get(format!("{admin}/readyz")).send().await.unwrap().status() != 503 {
        tokio::task::yield_now().await;
    }
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!answer.is_finished(), "the write is still under way");
    let answer: Value = serde_json::from_str(&answer.await.unwrap()).unwrap();
    assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
    assert_eq!(gateway.ended().0, Some(0));
    assert_eq!(sandbox.requests().len(), 1);
}

/// Sends a write that Graph takes so long to answer, hangs up, and asks the gateway to stop; its exit code and what it
/// said then.
async fn stop_after_hanging_up(wait: &str) -> (Option<i32>, String, Duration) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    let sandbox = Sandbox::new(sandbox::Settings::default());
    tokio::spawn(sandbox::run(listener, sandbox.clone(), std::future::pending()));
    sandbox.inject(FaultRule::once(format!("slow-first-byte;wait={wait}").parse().unwrap()));

    let (gateway, address) = serve(&root, "2s");
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    let mut stream = TcpStream::connect(&address).unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).unwrap();
    while sandbox.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(stream);
    let asked = Instant::now();
    let (code, said) = tokio::task::spawn_blocking(|| gateway.stop()).await.unwrap();
    (code, said, asked.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_caller_is_gone_is_finished_and_said_to_be_cut_off_where_it_is() {
    let (code, said, taken) = stop_after_hanging_up("1s").await;
    assert_eq!(code, Some(0), "{said}");
    assert!(taken >= Duration::from_millis(700), "{taken:?}");

    let (code, said, taken) = stop_after_hanging_up("60s").await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: a write to Microsoft Graph was cut off"), "{said}");
    assert!(taken < Duration::from_secs(20), "{taken:?}");
}

/// How long a gateway with a deadline of a second takes to end while this client is connected.
fn time_to_end(client: impl FnOnce(&mut TcpStream)) -> Duration {
    let (gateway, address) = serve("http://127.0.0.1:1/beta", "1s");
    let mut stream = TcpStream::connect(address).unwrap();
    client(&mut stream);
    let asked = Instant::now();
    assert_eq!(gateway.stop().0, Some(0));
    asked.elapsed()
}

#[test]
fn clients_that_stop_halfway_do_not_keep_it_from_ending() {
    const HEAD: &str = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let limit = Duration::from_secs(10);

    assert!(time_to_end(|_| {}) < limit, "a client that says nothing");
    assert!(time_to_end(|stream| stream.write_all(HEAD.as_bytes()).unwrap()) < limit, "half a head");
    let body = format!("{HEAD}content-length: 100\r\n\r\n{{");
    assert!(time_to_end(|stream| stream.write_all(body.as_bytes()).unwrap()) < limit, "half a body");

    // Asks for more than the sockets' buffers hold, and reads nothing of it.
    let query = (0..1000).map(|index| format!("a{index}:__typename ")).collect::<String>();
    let query = json!({ "query": format!("{{{query}}}") }).to_string();
    let request = format!("{HEAD}content-length: {}\r\n\r\n{query}", query.len());
    let taken = time_to_end(|stream| {
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        while stream.write_all(request.as_bytes()).is_ok() {}
        let mut first = [0];
        stream.read_exact(&mut first).unwrap();
    });
    assert!(taken < limit, "a client that reads nothing: {taken:?}");
}
