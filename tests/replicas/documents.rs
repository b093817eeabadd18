//! Automatic persisted queries: a document that one replica has registered is known to all.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::replica::{Deployment, Replica, until};

const QUERY: &str = "query A { __typename }";
const NOT_FOUND: &str = "PERSISTED_QUERY_NOT_FOUND";
const TEXTS: &str = "intune-graphql:documents";
const USED: &str = "intune-graphql:documents:used";
const MAX_BYTES: usize = 16 * 1024 * 1024;

fn hash(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The type name that a response has, or the code of its error.
async fn send(replica: &Replica, text: &str, with_text: bool) -> String {
    let mut body = json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash(text)}}});
    if with_text {
        body["query"] = json!(text);
    }
    let response = replica.post().bearer_auth("t").body(body.to_string()).send().await.unwrap();
    let response: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    let value = match response["errors"].get(0) {
        None => &response["data"]["__typename"],
        Some(error) => &error["extensions"]["code"],
    };
    value.as_str().unwrap_or_else(|| panic!("{response}")).to_owned()
}

pub(crate) async fn by_hash(replica: &Replica, text: &str) -> String {
    send(replica, text, false).await
}

/// Registers a document at a replica.
async fn register(replica: &Replica, text: &str) {
    assert_eq!(send(replica, text, true).await, "Query");
}

async fn count(replica: &Replica, result: &str) -> usize {
    let count =
        replica.metric(&format!("intune_graphql_shared_documents_total{{result=\"{result}\"}}")).await;
    format!("{count}").parse().unwrap()
}

/// Registers a document, and waits until the others can find it.
pub(crate) async fn share(replica: &Replica, text: &str) {
    let before = count(replica, "stored").await;
    register(replica, text).await;
    until("the document is stored", async || count(replica, "stored").await > before).await;
}

/// The number that the server replies to a command.
fn number(deployment: &Deployment, command: &[&str]) -> usize {
    let reply = deployment.redis.command(command).unwrap();
    let value = reply.trim_end().rsplit("\r\n").next().unwrap().trim_start_matches(':');
    value.parse().unwrap_or_else(|_| panic!("{reply:?}"))
}

#[tokio::test]
async fn a_document_that_one_replica_registers_is_known_to_all() {
    let deployment = Deployment::start().await;
    let replicas = [(); 2].map(|()| deployment.replica(&[]));
    assert_eq!(by_hash(&replicas[1], QUERY).await, NOT_FOUND);
    share(&replicas[0], QUERY).await;
    for found in [1, 1] {
        assert_eq!(by_hash(&replicas[1], QUERY).await, "Query");
        assert_eq!(count(&replicas[1], "found").await, found, "it is kept");
    }
    assert_eq!(by_hash(&replicas[0], QUERY).await, "Query");
    assert_eq!((count(&replicas[0], "found").await, count(&replicas[1], "not_found").await), (0, 1));
    // Repeated registrations are not stored again. Neither is an invalid document.
    register(&replicas[0], QUERY).await;
    assert_eq!(send(&replicas[0], "{ nothing }", true).await, "GRAPHQL_VALIDATION_FAILED");
    share(&replicas[0], "query B { __typename }").await;
    assert_eq!(count(&replicas[0], "stored").await, 2);
    assert_eq!(number(&deployment, &["HLEN", TEXTS]), 2);
    assert!(number(&deployment, &["TTL", TEXTS]) > 86_000);
}

#[tokio::test]
async fn a_text_with_another_hash_is_not_used() {
    let deployment = Deployment::start().await;
    let replicas = [(); 2].map(|()| deployment.replica(&[]));
    share(&replicas[0], QUERY).await;
    let id = hash(QUERY);
    for (wrong, result) in
        [("query Other { __typename }", "invalid"), ("", "invalid"), (&*"x".repeat(100_000), "not_found")]
    {
        let before = count(&replicas[1], result).await;
        deployment.redis.command(&["HSET", TEXTS, &id, wrong]).unwrap();
        assert_eq!(by_hash(&replicas[1], QUERY).await, NOT_FOUND);
        assert_eq!(count(&replicas[1], result).await, before + 1);
    }
    // The client's next request has the text, which replaces the wrong one.
    share(&replicas[1], QUERY).await;
    assert_eq!(by_hash(&deployment.replica(&[]), QUERY).await, "Query");
}

#[tokio::test]
async fn documents_in_the_server_expire_and_are_bounded() {
    let deployment = Deployment::start().await;
    let replicas = [(); 2].map(|()| deployment.replica(&[]));
    share(&replicas[0], QUERY).await;
    deployment.redis.command(&["ZADD", USED, "1", &hash(QUERY)]).unwrap();
    assert_eq!(by_hash(&replicas[1], QUERY).await, NOT_FOUND);

    let large = |index: usize| format!("query Q{index} {{ __typename }} # {}", "x".repeat(32_000));
    for index in 0..50 {
        share(&replicas[0], &large(index)).await;
    }
    assert_eq!(number(&deployment, &["HLEN", TEXTS]), 50, "the expired one is gone");
    // The first is used again, and stays.
    assert_eq!(by_hash(&replicas[1], &large(0)).await, "Query");
    let all = MAX_BYTES / 32_000 + 6;
    for index in 50..all {
        share(&replicas[0], &large(index)).await;
    }
    let stored = number(&deployment, &["HLEN", TEXTS]);
    assert!(stored < all && stored > all - 20, "{stored} of {all}");
    assert_eq!(number(&deployment, &["ZCARD", USED]), stored);
    let bytes = number(&deployment, &["GET", "intune-graphql:documents:bytes"]);
    assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES - 40_000, "{bytes}");
    let new = deployment.replica(&[]);
    assert_eq!(by_hash(&new, &large(0)).await, "Query");
    assert_eq!(by_hash(&new, &large(1)).await, NOT_FOUND);
    assert_eq!(by_hash(&new, &large(all - 1)).await, "Query");
}

#[tokio::test]
async fn without_the_server_an_unknown_document_is_not_found_at_once() {
    let mut deployment = Deployment::start().await;
    let replicas = [(); 2].map(|()| deployment.replica(&[]));
    share(&replicas[0], QUERY).await;
    // A flood of unknown documents, while the server is silent. Ordinary requests go on.
    deployment.redis.pause().unwrap();
    let texts: Vec<String> = (0..200).map(|index| format!("query U{index} {{ __typename }}")).collect();
    let start = Instant::now();
    let codes = join_all(texts.iter().map(|text| by_hash(&replicas[1], text))).await;
    assert!(codes.iter().all(|code| code == NOT_FOUND));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(count(&replicas[1], "failed").await, 200);
    deployment.redis.resume().unwrap();
    for replica in &replicas {
        replica.until_shared_state_is(true).await;
    }

    deployment.redis.kill().unwrap();
    for replica in &replicas {
        replica.until_shared_state_is(false).await;
    }
    let start = Instant::now();
    assert_eq!(by_hash(&replicas[1], QUERY).await, NOT_FOUND);
    assert!(start.elapsed() < Duration::from_millis(250), "{:?}", start.elapsed());
    let new = "query New { __typename }";
    register(&replicas[0], new).await;
    assert_eq!(by_hash(&replicas[0], new).await, "Query");
    deployment.redis.start_again().unwrap();
    for replica in &replicas {
        replica.until_shared_state_is(true).await;
    }
    assert_eq!(by_hash(&replicas[1], QUERY).await, "Query", "the server has stored it");
    assert_eq!(by_hash(&replicas[1], new).await, NOT_FOUND);
    share(&replicas[0], new).await;
    assert_eq!(by_hash(&replicas[1], new).await, "Query");
}

#[tokio::test]
async fn a_gateway_that_accepts_only_trusted_documents_asks_for_no_others() {
    let deployment = Deployment::start().await;
    let sharing = deployment.replica(&[]);
    share(&sharing, QUERY).await;
    let trusted = "query Trusted { __typename }";
    let file = deployment.redis.folder().join("trusted.json");
    std::fs::write(&file, json!({ hash(trusted): trusted }).to_string()).unwrap();
    let file = file.to_str().unwrap();
    for (mode, code, asked) in [("enforce", NOT_FOUND, 0), ("report", "Query", 1)] {
        let replica = deployment.replica(&["--trusted-documents", file, "--trusted-documents-mode", mode]);
        assert_eq!(by_hash(&replica, trusted).await, "Query");
        register(&replica, trusted).await;
        assert_eq!(by_hash(&replica, QUERY).await, code);
        let all = replica.metric("intune_graphql_shared_documents_total").await;
        assert!((all - f64::from(asked)).abs() < 0.5, "{mode}: {all}");
    }
}
