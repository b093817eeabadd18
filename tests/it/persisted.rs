//! Persisted documents: registered by hash, or trusted by the operator.

use std::fmt::Write as _;
use std::path::PathBuf;

use http::{Method, StatusCode};
use intune_graphql::schema::{TrustedDocuments, TrustedDocumentsMode};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::commands::Program;
use crate::harness::{Gateway, Reply};

const QUERY: &str = "query A { __typename }";

fn hash(text: &str) -> String {
    let mut digits = String::new();
    for byte in digest(&SHA256, text.as_bytes()).as_ref() {
        write!(digits, "{byte:02x}").unwrap();
    }
    digits
}

async fn send(gateway: &Gateway, body: Value) -> Reply {
    let request = gateway.post().header("content-type", "application/json");
    let request = request.header("accept", "application/graphql-response+json").body(body.to_string());
    Reply::read(request.send().await.unwrap()).await
}

fn by_hash(text: &str) -> Value {
    json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": hash(text)}}})
}

fn with_text(text: &str) -> Value {
    let mut body = by_hash(text);
    body["query"] = json!(text);
    body
}

fn is_answered(reply: &Reply) {
    assert_eq!(reply.data(), &json!({"__typename": "Query"}));
}

#[tokio::test]
async fn a_sent_document_can_be_requested_by_its_hash() {
    let gateway = Gateway::start().await;
    let reply = send(&gateway, by_hash(QUERY)).await;
    assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_FOUND");
    assert_eq!(reply.error()["message"], "PersistedQueryNotFound", "some clients look for it");
    is_answered(&send(&gateway, with_text(QUERY)).await);
    is_answered(&send(&gateway, by_hash(QUERY)).await);
    // By GET too, as clients send hashes to caches.
    let extensions = by_hash(QUERY)["extensions"].to_string();
    let path = format!(
        "/graphql?{}",
        url::form_urlencoded::Serializer::new(String::new()).append_pair("extensions", &extensions).finish()
    );
    is_answered(&Reply::read(gateway.request(Method::GET, &path).send().await.unwrap()).await);
}

#[tokio::test]
async fn a_document_with_a_wrong_hash_is_not_stored() {
    let gateway = Gateway::start().await;
    let mut body = with_text(QUERY);
    body["query"] = json!("query B { __typename }");
    let reply = send(&gateway, body).await;
    assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"));
    assert_eq!(send(&gateway, by_hash(QUERY)).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    // Nor is an invalid document.
    for bad in ["{", "{ nothing }"] {
        send(&gateway, with_text(bad)).await.error();
        assert_eq!(send(&gateway, by_hash(bad)).await.code(), "PERSISTED_QUERY_NOT_FOUND");
    }
    for extension in [json!(1), json!({}), json!({"version": "1", "sha256Hash": ""}), json!({"version": 1})] {
        let reply =
            send(&gateway, json!({"query": QUERY, "extensions": {"persistedQuery": extension}})).await;
        assert_eq!(reply.code(), "BAD_REQUEST");
    }
    let version = json!({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": hash(QUERY)}}});
    assert_eq!(send(&gateway, version).await.code(), "PERSISTED_QUERY_NOT_SUPPORTED");
}

/// A manifest's file, as the tools of front ends write it.
fn manifest(manifest: &str) -> PathBuf {
    let name = format!("intune-graphql-trusted-{}-{}", std::process::id(), hash(manifest));
    let file = std::env::temp_dir().join(name);
    std::fs::write(&file, manifest).unwrap();
    file
}

fn trusted(documents: &Value) -> TrustedDocuments {
    let file = manifest(&documents.to_string());
    let documents = TrustedDocuments::read(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    documents
}

#[tokio::test]
async fn trusted_documents_are_available_at_start_to_each_kind_of_client() {
    let relay = json!({"abc": QUERY});
    let apollo = json!({"format": "apollo-persisted-query-manifest", "version": 1,
        "operations": [{"id": "abc", "name": "A", "type": "query", "body": QUERY}]});
    for manifest in [relay, apollo] {
        let documents = trusted(&manifest);
        let gateway = Gateway::builder().api(|api| api.trusted_documents = documents).start().await;
        for body in [
            json!({"documentId": "abc"}),
            json!({"doc_id": "abc"}),
            json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "abc"}}}),
        ] {
            is_answered(&send(&gateway, body).await);
        }
        is_answered(
            &Reply::read(gateway.request(Method::GET, "/graphql?documentId=abc").send().await.unwrap()).await,
        );
        is_answered(&send(&gateway, json!({"documentId": "abc", "doc_id": "abc"})).await);
        // What clients that must send a query send beside an id.
        is_answered(&send(&gateway, json!({"documentId": "abc", "query": ""})).await);
        assert_eq!(send(&gateway, json!({"documentId": "other"})).await.code(), "PERSISTED_QUERY_NOT_FOUND");
        send(&gateway, json!({"query": "{ __typename }"})).await.data();
    }
}

#[tokio::test]
async fn a_request_must_name_exactly_one_document() {
    let other = "query B { b: __typename }";
    let documents = trusted(&json!({"abc": QUERY, "def": other, hash(QUERY): QUERY}));
    let gateway = Gateway::builder().api(|api| api.trusted_documents = documents).start().await;
    let by_id = |id: &str| json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": id}}});
    let and = |mut body: Value, member: &str, value: &str| {
        body[member] = json!(value);
        body
    };
    for body in [
        and(by_hash(QUERY), "query", QUERY),
        and(by_id("abc"), "query", QUERY),
        and(by_id("abc"), "documentId", "abc"),
        and(by_hash(QUERY), "documentId", "abc"),
        and(with_text(QUERY), "documentId", "abc"),
    ] {
        is_answered(&send(&gateway, body).await);
    }
    for body in [
        and(by_hash(QUERY), "query", other),
        and(by_id("abc"), "query", other),
        and(by_id("def"), "query", QUERY),
        json!({"documentId": "abc", "query": other}),
        and(by_id("def"), "documentId", "abc"),
        and(by_hash(other), "documentId", "abc"),
        and(with_text(other), "documentId", "abc"),
        json!({"documentId": "abc", "doc_id": "def"}),
    ] {
        let reply = send(&gateway, body.clone()).await;
        assert_eq!((reply.status, reply.code()), (StatusCode::BAD_REQUEST, "BAD_REQUEST"), "{body}");
    }
    // No other document is executed in place of the requested one.
    for body in [
        json!({"documentId": "other", "query": QUERY}),
        and(with_text(QUERY), "documentId", "other"),
        json!({"documentId": hash(other)}),
    ] {
        assert_eq!(send(&gateway, body.clone()).await.code(), "PERSISTED_QUERY_NOT_FOUND", "{body}");
    }
}

/// The line with the reason why a gateway with this manifest does not start.
fn refused(text: &str) -> String {
    let file = manifest(text);
    let free = "127.0.0.1:0";
    let (code, said) = Program::start(&[
        "serve",
        "--listen",
        free,
        "--admin-listen",
        free,
        "--trusted-documents",
        file.to_str().unwrap(),
    ])
    .ended();
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code, Some(2), "{said}");
    assert!(!said.contains("listening on"), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    let [error] = errors[..] else { panic!("one line: {said}") };
    error.to_owned()
}

#[test]
fn an_invalid_trusted_document_fails_the_start() {
    let list = "iosLobAppProvisioningConfigurations";
    for (text, why) in [
        ("{", "the end of the document"),
        ("{ nothing }", "`nothing`"),
        // The operator may see names of the schema, although introspection is off.
        ("{ nodse(ids: []) { id } }", "`Query` has no field `nodse`. Did you mean node or nodes?"),
        ("query ($n: Int) { __typename }", "`n`"),
        (&"{ __typename }".repeat(3000), "32768 bytes"),
        (
            &format!(
                "{{ {list}(first: 1000) {{ nodes {{ deviceStatuses(first: 1000) {{ nodes {{ id configuration {{ deviceStatusCounts {{ count }} }} }} }} }} }} }}"
            ),
            "calls",
        ),
    ] {
        let error = refused(&json!({"good": QUERY, "no\ngood": text}).to_string());
        let start = "error: --trusted-documents: the document \"no\\ngood\" is invalid: ";
        assert!(error.starts_with(start) && error.contains(why), "{error}");
    }
}

#[test]
fn an_invalid_manifest_fails_the_start() {
    let document = json!({"id": "abc", "name": "Q", "type": "query", "body": QUERY});
    let apollo = json!({"format": "apollo-persisted-query-manifest", "version": 1, "operations": [document, document]});
    for (manifest, why) in [
        (apollo.to_string(), "has the id \"abc\" twice"),
        (
            r#"{"abc": "{ __typename }", "abc": "{ __schema { __typename } }"}"#.to_owned(),
            "an object has a key twice at line 1",
        ),
        (String::new(), "EOF"),
        (r#"["{ __typename }"]"#.to_owned(), "neither a map of ids to documents nor Apollo's manifest"),
        (r#"{"abc": 1}"#.to_owned(), "neither"),
        (r#"{"format": "other", "operations": []}"#.to_owned(), "neither"),
    ] {
        let error = refused(&manifest);
        assert!(error.starts_with("error: --trusted-documents: ") && error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_trusted_document_may_be_valid_only_with_its_variables() {
    let lists = "query ($n: Int!, $yes: Boolean!) { iosLobAppProvisioningConfigurations(first: $n) { nodes {
        deviceStatuses(first: $n) { nodes { configuration { deviceStatuses(first: $n) @include(if: $yes) { totalCount } } } }
        } } }";
    let documents = trusted(&json!({"lists": lists}));
    let gateway = Gateway::builder().api(|api| api.trusted_documents = documents).start().await;
    let body = |n: usize, yes: bool| json!({"documentId": "lists", "variables": {"n": n, "yes": yes}});
    assert_eq!(send(&gateway, body(1000, true)).await.code(), "QUERY_TOO_LARGE");
    assert_eq!(send(&gateway, body(5, true)).await.code(), "UNAUTHENTICATED", "it is executed");
}

#[tokio::test]
async fn other_documents_are_rejected_unparsed_if_only_trusted_ones_are_allowed() {
    let mut documents = trusted(&json!({hash(QUERY): QUERY}));
    documents.mode = TrustedDocumentsMode::Enforce;
    let gateway = Gateway::builder().api(|api| api.trusted_documents = documents).start().await;
    is_answered(&send(&gateway, by_hash(QUERY)).await);
    is_answered(&send(&gateway, json!({"query": QUERY})).await);
    for query in ["{ __typename }", "{", "{ __schema { queryType { name } } }", "query A { __typename } "] {
        let (plain, hint) =
            (json!({"query": query}), "Only trusted documents are accepted: send `documentId` or its hash.");
        let not_found = "PersistedQueryNotFound";
        for (body, message) in [(plain, hint), (with_text(query), hint), (by_hash(query), not_found)] {
            let reply = send(&gateway, body).await;
            assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_FOUND", "{query}");
            assert_eq!(reply.error()["message"], message, "{query}");
        }
    }
}
