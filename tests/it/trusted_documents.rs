//! The rollout of trusted documents: reports of what would be rejected, and a manifest that changes.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::commands::program;
use crate::fake_graph::{FakeGraph, Protocol};
use crate::gateway_process::GatewayProcess;
use crate::harness::{Reply, TOKEN, http_client};
use crate::websocket::Socket;

const TRUSTED: &str = "query Trusted { __typename }";
const UNTRUSTED: &str = "query Untrusted { __typename }";
const REPORTED: &str = "intune_graphql_untrusted_documents_total";
const LOADED: &str = r#"intune_graphql_trusted_documents_reloads_total{result="loaded"}"#;
const REJECTED: &str = r#"intune_graphql_trusted_documents_reloads_total{result="rejected"}"#;
const STALE: &str = "intune_graphql_trusted_documents_stale";

/// A manifest in a folder of its own.
struct Manifest(tempfile::TempDir);

impl Manifest {
    fn new(documents: &Value) -> Self {
        let manifest = Self(tempfile::tempdir().unwrap());
        manifest.replace(&documents.to_string());
        manifest
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("documents.json")
    }

    /// Replaces the file at once, as tools do.
    fn replace(&self, text: &str) {
        let new = self.0.path().join("new.json");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    async fn serve(&self, mode: &str) -> GatewayProcess {
        let graph = FakeGraph::start(Protocol::Http1).await;
        let file = self.file();
        let file = file.to_str().unwrap();
        GatewayProcess::start(&graph, &["--trusted-documents", file, "--trusted-documents-mode", mode])
    }
}

async fn send(gateway: &GatewayProcess, client: Option<&str>, body: Value) -> Reply {
    let request = http_client().build().unwrap().post(format!("http://{}/graphql", gateway.address()));
    let mut request = request
        .header("content-type", "application/json")
        .header("accept", "application/graphql-response+json")
        .body(body.to_string());
    if let Some(client) = client {
        request = request.header("apollographql-client-name", client);
    }
    Reply::read(request.send().await.unwrap()).await
}

async fn by_id(gateway: &GatewayProcess, id: &str) -> Reply {
    send(gateway, None, json!({"documentId": id})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reported_operations_are_executed_counted_and_logged_by_operation_and_client() {
    let gateway = Manifest::new(&json!({"a": TRUSTED})).serve("report").await;
    for body in [json!({"query": TRUSTED}), json!({"documentId": "a"})] {
        send(&gateway, Some("web"), body).await.data();
    }
    assert_eq!(gateway.metric(REPORTED).await, 0.0);
    for client in [Some("web"), Some("web"), Some("ios"), None] {
        send(&gateway, client, json!({"query": UNTRUSTED})).await.data();
    }
    // A document that was registered by its hash.
    let hash = ring::digest::digest(&ring::digest::SHA256, b"{ __typename }");
    let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let extensions = json!({"persistedQuery": {"version": 1, "sha256Hash": hash}});
    for body in
        [json!({"query": "{ __typename }", "extensions": extensions}), json!({"extensions": extensions})]
    {
        send(&gateway, Some("legacy\tclient"), body).await.data();
    }
    // Operations that are rejected in any mode.
    send(&gateway, Some("web"), json!({"query": "query Wrong { nothing }"})).await.error();
    send(&gateway, Some("web"), json!({"documentId": "b"})).await.error();
    // A browser cannot send headers with a WebSocket.
    let mut socket = Socket::open(&format!("http://{}", gateway.address()), &[]).await.unwrap();
    let payload = json!({"Authorization": format!("Bearer {TOKEN}"), "apollographql-client-name": "socket"});
    socket.send(json!({"type": "connection_init", "payload": payload})).await;
    socket.next().await;
    socket.subscribe("s", UNTRUSTED).await;
    assert_eq!(socket.next().await["type"], "next");
    assert_eq!(gateway.metric(REPORTED).await, 7.0);

    let (code, log) = gateway.stop_with_log().await;
    assert_eq!(code, Some(0));
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("is not among the trusted documents")).collect();
    let of = |operation: &str, client: &str| {
        let is_it = |line: &&&str| {
            let name = |name: &str, value: &str| match value {
                "" => !line.contains(name),
                value => line.contains(&format!("{name}={value} ")),
            };
            name("operation.name", operation) && name("client.name", client)
        };
        lines.iter().filter(is_it).count()
    };
    assert_eq!(lines.len(), 5, "{log}");
    for (operation, client) in [("Untrusted", "web"), ("Untrusted", "ios"), ("Untrusted", ""), ("", "")] {
        assert_eq!(of(operation, client), 1, "{operation} of {client}: {log}");
    }
    assert_eq!(of("Untrusted", "socket"), 1, "{log}");
    assert!(lines.iter().all(|line| line.contains(" WARN ") && line.contains("document.hash=")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_manifest_replaces_the_documents_and_no_request_fails() {
    let manifest = Manifest::new(&json!({"a": TRUSTED}));
    let gateway = manifest.serve("enforce").await;
    by_id(&gateway, "a").await.data();
    assert_eq!(by_id(&gateway, "b").await.code(), "PERSISTED_QUERY_NOT_FOUND");

    let (is_done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let requests = async {
        while !is_done.load(Ordering::Relaxed) {
            by_id(&gateway, "a").await.data();
            sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    let changes = async {
        manifest.replace(&json!({"a": TRUSTED, "b": UNTRUSTED}).to_string());
        gateway.until_metric(LOADED, 1.0).await;
        by_id(&gateway, "b").await.data();
        send(&gateway, None, json!({"query": UNTRUSTED})).await.data();
        manifest.replace(&json!({"a": TRUSTED}).to_string());
        gateway.until_metric(LOADED, 2.0).await;
        is_done.store(true, Ordering::Relaxed);
    };
    futures_util::future::join(requests, changes).await;
    assert!(sent.into_inner() > 10);
    assert_eq!(by_id(&gateway, "b").await.code(), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(gateway.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_cannot_be_used_is_rejected_and_the_previous_one_stays() {
    let manifest = Manifest::new(&json!({"a": TRUSTED}));
    let gateway = manifest.serve("enforce").await;
    let wrong = [
        "{".to_owned(),
        json!({"a": TRUSTED, "b": "query B { nothing }"}).to_string(),
        json!([TRUSTED]).to_string(),
        json!({}).to_string(),
    ];
    for (text, rejected) in wrong.iter().zip([1.0, 2.0, 3.0, 4.0]) {
        manifest.replace(text);
        gateway.until_metric(REJECTED, rejected).await;
        assert_eq!(gateway.metric(STALE).await, 1.0);
        by_id(&gateway, "a").await.data();
        assert_eq!(by_id(&gateway, "b").await.code(), "PERSISTED_QUERY_NOT_FOUND");
    }
    std::fs::remove_file(manifest.file()).unwrap();
    gateway.until_metric(REJECTED, 5.0).await;
    by_id(&gateway, "a").await.data();
    // To open a pipe waits for a writer.
    let fifo = std::process::Command::new("mkfifo").arg(manifest.file()).status().unwrap();
    assert!(fifo.success());
    gateway.until_metric(REJECTED, 6.0).await;
    manifest.replace(&json!({"b": UNTRUSTED}).to_string());
    gateway.until_metric(LOADED, 1.0).await;
    assert_eq!(gateway.metric(STALE).await, 0.0);
    by_id(&gateway, "b").await.data();

    let (code, log) = gateway.stop_with_log().await;
    assert_eq!(code, Some(0));
    let lines: Vec<&str> =
        log.lines().filter(|line| line.contains("the new trusted documents cannot be used")).collect();
    assert_eq!(lines.len(), 6, "{log}");
    assert!(lines.iter().all(|line| line.contains("ERROR")), "{log}");
    for (line, why) in lines.iter().zip([
        "line 1",
        "`nothing`",
        "neither a map",
        "has no document",
        "No such file",
        "not a regular file",
    ]) {
        assert!(line.contains(why), "{line}");
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn sighup_reads_the_manifest_again_and_does_not_stop_the_gateway() {
    let manifest = Manifest::new(&json!({"a": TRUSTED}));
    let gateway = manifest.serve("enforce").await;
    for reloads in [1.0, 2.0] {
        gateway.signal("-HUP");
        gateway.until_metric(LOADED, reloads).await;
    }
    by_id(&gateway, "a").await.data();
    assert_eq!(gateway.stop().await, Some(0));
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn sighup_stops_a_gateway_without_a_manifest() {
    let graph = FakeGraph::start(Protocol::Http1).await;
    let gateway = GatewayProcess::start(&graph, &[]);
    gateway.signal("-HUP");
    assert_eq!(gateway.ended().await, Some(0));
}

#[test]
fn the_mode_replaces_a_switch_and_needs_a_manifest() {
    let error = |arguments: &[&str], variables: &[(&str, &str)]| {
        let output = program(arguments).envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for (arguments, variables, expected) in [
        (
            &["serve", "--trusted-documents-only"][..],
            &[][..],
            "error: --trusted-documents-only is now --trusted-documents-mode\n",
        ),
        (
            &["serve"],
            &[("INTUNE_GRAPHQL_TRUSTED_DOCUMENTS_ONLY", "true")],
            "error: INTUNE_GRAPHQL_TRUSTED_DOCUMENTS_ONLY is now INTUNE_GRAPHQL_TRUSTED_DOCUMENTS_MODE\n",
        ),
        (
            &["serve", "--trusted-documents-mode", "report"],
            &[],
            "error: --trusted-documents-mode: needs --trusted-documents\n",
        ),
    ] {
        assert_eq!(error(arguments, variables), expected);
    }
}
