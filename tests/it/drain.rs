//! Graceful shutdown: sent writes finish and are reported correctly.

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule, Sandbox, Settings};
use serde_json::{Value, json};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::Program;
use crate::harness::TOKEN;

struct Upstream {
    runtime: tokio::runtime::Runtime,
    sandbox: Sandbox,
    root: String,
}

fn upstream() -> Upstream {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sandbox = Sandbox::new(Settings::default());
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let root = format!("http://{}/beta", listener.local_addr().unwrap());
    runtime.spawn(msgraph_sandbox::run(listener, sandbox.clone(), std::future::pending()));
    Upstream { runtime, sandbox, root }
}

/// The program as a gateway, with its two addresses.
pub(crate) fn gateway(root: &str, more: &[&str]) -> (Program, String, String) {
    let mut gateway = Program::serve(root, more);
    let url = gateway.line("listening on ");
    let admin = gateway.line("admin listening on ");
    (gateway, url, admin)
}

fn client() -> reqwest::Client {
    crate::harness::http_client().build().unwrap()
}

/// The gateway's response to a create.
pub(crate) async fn post(url: String) -> Value {
    send(url, json!({"query": MUTATION, "variables": input(device_status())})).await
}

/// The gateway's response to a request; `None` if the connection ends before it.
pub(crate) async fn try_send(url: String, request: Value) -> Option<Value> {
    let body = request.to_string();
    let request =
        client().post(format!("{url}/graphql")).header("content-type", "application/json").body(body);
    let response = request.bearer_auth(TOKEN).send().await.ok()?;
    serde_json::from_str(&response.text().await.ok()?).ok()
}

async fn send(url: String, request: Value) -> Value {
    try_send(url, request).await.expect("an answer")
}

/// Waits until the sandbox has received this many requests.
async fn until_requests(sandbox: &Sandbox, times: usize) {
    while sandbox.requests().len() < times {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_in_flight_request_is_answered_and_the_exit_code_is_0() {
    let upstream = upstream();
    let (gateway, url, _) = gateway(&upstream.root, &[]);
    upstream.sandbox.inject(FaultRule::once("slow-first-byte;wait=1s".parse().unwrap()));
    let answer = upstream.runtime.spawn(post(url));
    upstream.runtime.block_on(until_requests(&upstream.sandbox, 1));
    assert_eq!(gateway.stop().0, Some(0));
    let answer = upstream.runtime.block_on(answer).unwrap();
    assert_eq!(answer["data"]["addDeviceStatus"]["deviceStatus"]["userName"], "User Name value", "{answer}");
}

#[test]
fn an_in_flight_write_finishes_after_its_caller_disconnects() {
    let upstream = upstream();
    let (gateway, url, _) = gateway(&upstream.root, &[]);
    let before = upstream.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len();
    upstream.sandbox.inject(FaultRule::once("slow-first-byte;wait=1s".parse().unwrap()));
    let caller = upstream.runtime.spawn(post(url));
    upstream.runtime.block_on(until_requests(&upstream.sandbox, 1));
    caller.abort();
    assert_eq!(gateway.stop().0, Some(0), "the write was not cut off");
    assert_eq!(upstream.sandbox.device_statuses(DEMO_CONFIGURATION_ID).len(), before + 1);
}

#[test]
fn a_write_that_exceeds_the_drain_timeout_is_counted_and_the_exit_code_is_1() {
    let upstream = upstream();
    let (gateway, url, _) = gateway(&upstream.root, &["--drain-timeout", "200ms"]);
    upstream.sandbox.inject(FaultRule::once("slow-first-byte;wait=60s".parse().unwrap()));
    upstream.runtime.spawn(post(url));
    upstream.runtime.block_on(until_requests(&upstream.sandbox, 1));
    let (code, said) = gateway.stop();
    assert_eq!(code, Some(1));
    assert!(said.contains("writes=1"), "{said}");
}

#[test]
fn readiness_fails_first_and_requests_are_accepted_until_the_delay_ends() {
    let upstream = upstream();
    let (gateway, url, admin) = gateway(&upstream.root, &["--drain-delay", "60s"]);
    gateway.terminate();
    upstream.runtime.block_on(async {
        let ready = async || client().get(format!("{admin}/readyz")).send().await.unwrap().status().as_u16();
        while ready().await != 503 {
            tokio::task::yield_now().await;
        }
        let answer = post(url).await;
        assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
    });
    let (code, said) = gateway.stop_at_once();
    assert_eq!(code, Some(0), "no write was cut off");
    assert!(said.contains("a second signal ends the shutdown"), "{said}");
}

#[test]
fn a_doubled_signal_does_not_cut_a_write() {
    let upstream = upstream();
    let (gateway, url, _) = gateway(&upstream.root, &[]);
    upstream.sandbox.inject(FaultRule::once("slow-first-byte;wait=2s".parse().unwrap()));
    let answer = upstream.runtime.spawn(post(url));
    upstream.runtime.block_on(until_requests(&upstream.sandbox, 1));
    gateway.terminate();
    assert_eq!(gateway.stop().0, Some(0));
    let answer = upstream.runtime.block_on(answer).unwrap();
    assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
}

#[test]
fn a_second_signal_ends_the_shutdown_and_tells_the_callers_of_writes() {
    let upstream = upstream();
    let (gateway, url, _) = gateway(&upstream.root, &[]);
    upstream.sandbox.inject(FaultRule::once("slow-first-byte;wait=60s".parse().unwrap()));
    let answer = upstream.runtime.spawn(post(url));
    upstream.runtime.block_on(until_requests(&upstream.sandbox, 1));
    let (code, said) = gateway.stop_at_once();
    assert_eq!(code, Some(1));
    assert!(said.contains("writes=1"), "{said}");
    let answer = upstream.runtime.block_on(answer).unwrap();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "OUTCOME_UNKNOWN", "{answer}");
}

#[test]
fn sighup_begins_the_drain() {
    let upstream = upstream();
    let (gateway, url, _) = gateway(&upstream.root, &[]);
    upstream.sandbox.inject(FaultRule::once("slow-first-byte;wait=1s".parse().unwrap()));
    let answer = upstream.runtime.spawn(post(url));
    upstream.runtime.block_on(until_requests(&upstream.sandbox, 1));
    gateway.signal("-HUP");
    assert_eq!(gateway.ended().0, Some(0));
    let answer = upstream.runtime.block_on(answer).unwrap();
    assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
}

#[test]
fn a_backoff_ends_immediately_and_returns_the_known_outcome() {
    let upstream = upstream();
    let (gateway, url, _) = gateway(&upstream.root, &["--drain-delay", "60s"]);
    upstream.sandbox.inject(FaultRule::always("429;retry-after=20".parse().unwrap()));
    let answer = upstream.runtime.spawn(post(url));
    upstream.runtime.block_on(until_requests(&upstream.sandbox, 1));
    gateway.terminate();
    let answer = upstream.runtime.block_on(answer).unwrap();
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!((&extensions["code"], &extensions["outcome"]), (&json!("THROTTLED"), &json!("REJECTED")));
    assert_eq!(gateway.stop_at_once().0, Some(0));
}
