//! Callers are isolated from each other, and a request can neither choose its path at Graph nor add headers.

use futures_util::future::join_all;
use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::add_device_status::{MUTATION, device_status, input};
use crate::harness::{Gateway, Reply, TOKEN, fresh_token};
use crate::hostile_documents::assert_serving;
use crate::hostile_requests::connect;

#[tokio::test]
async fn ids_stay_one_segment_of_the_graph_path() {
    let gateway = Gateway::start().await;
    let root = "/beta/deviceAppManagement/iosLobAppProvisioningConfigurations/";
    for id in [
        "x/../../../users",
        "x?$filter=",
        "%2e%2e%2f",
        "x\r\nHost: a",
        "..",
        "%2e%2e",
        "x#y",
        "x\\..\\y",
        "ü",
    ] {
        gateway.clear_requests();
        let mut variables = input(device_status());
        variables["input"]["configurationId"] = json!(id);
        gateway.graphql(MUTATION, variables).await.error();
        for sent in gateway.sent() {
            let segments: Vec<&str> =
                sent.path.strip_prefix(root).unwrap_or_else(|| panic!("{}", sent.path)).split('/').collect();
            assert_eq!((segments.len(), segments[1]), (2, "deviceStatuses"), "{id:?}: {}", sent.path);
            assert_eq!(sent.query, None);
        }
    }
    assert_serving(&gateway).await;
}

#[tokio::test]
async fn two_callers_share_neither_requests_nor_responses() {
    let gateway = Gateway::start().await;
    let document = format!(
        "{{ iosLobAppProvisioningConfiguration(id: \"{DEMO_CONFIGURATION_ID}\") {{ id displayName }} }}"
    );
    let (allowed, forbidden) = (fresh_token(), "no-scope-token".to_owned());
    let calls = (0..20).map(|index| {
        let token = if index % 2 == 0 { &allowed } else { &forbidden };
        gateway.graphql_as(Some(token), &document, json!({}))
    });
    let replies = join_all(calls).await;
    for (index, reply) in replies.iter().enumerate() {
        if index % 2 == 0 {
            assert!(reply.data()["iosLobAppProvisioningConfiguration"]["displayName"].is_string());
        } else {
            assert_eq!(reply.code(), "FORBIDDEN");
            assert!(reply.json["data"]["iosLobAppProvisioningConfiguration"].is_null());
        }
    }
    let sent = gateway.sent();
    assert_eq!(sent.len(), 20);
    for token in [&allowed, &forbidden] {
        let header = format!("Bearer {token}");
        assert_eq!(sent.iter().filter(|sent| sent.header("authorization") == Some(&header)).count(), 10);
    }
}

#[tokio::test]
async fn only_allowlisted_headers_go_to_graph() {
    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let gateway = Gateway::start().await;
    let request = gateway
        .post()
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("connection", "authorization, x-hop")
        .header("x-hop", "1")
        .header("cookie", "session=1")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-for", "1.2.3.4")
        .header("forwarded", "for=1.2.3.4")
        .header("prefer", "return=minimal")
        .header("x-sandbox-fault", "500")
        .header("tracestate", "vendor=1")
        .header("baggage", "user=1")
        .header("traceparent", TRACEPARENT)
        .header("origin", "https://evil.example")
        .body(json!({"query": MUTATION, "variables": input(device_status())}).to_string());
    Reply::read(request.send().await.unwrap()).await.data();
    let [sent] = &gateway.sent()[..] else { panic!("one request") };
    for name in [
        // It speaks of the caller's connection to the gateway, which is not Graph's.
        "connection",
        "x-hop",
        "cookie",
        "x-forwarded-host",
        "x-forwarded-for",
        "forwarded",
        "prefer",
        "x-sandbox-fault",
        "tracestate",
        "baggage",
        "origin",
    ] {
        assert_eq!(sent.header(name), None, "{name}");
    }
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(sent.header("traceparent"), Some(TRACEPARENT), "an id that says nothing of the caller");

    // Two lengths: the chunks count (RFC 9112, section 6.3). The bytes that another proxy would
    // parse as a second request are neither answered nor forwarded.
    gateway.clear_requests();
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    let smuggled = "GET /graphql?query={smuggled:__typename} HTTP/1.1\r\nhost: x\r\n\r\n";
    for lengths in [
        "content-length: 5\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
    ] {
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer {TOKEN}\r\n\
             {lengths}\r\n{:x}\r\n{body}\r\n0\r\n\r\n{smuggled}",
            body.len()
        );
        let mut stream = connect(&gateway).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The connection may be reset because of unread bytes.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{lengths}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("smuggled"), "{lengths}: {answer}");
    }
    let sent = gateway.sent();
    assert_eq!(sent.len(), 2);
    for sent in sent {
        assert_eq!(sent.header("transfer-encoding"), None);
        assert_eq!(sent.header("content-length"), Some(sent.body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn no_object_is_readable_without_a_token() {
    let gateway = Gateway::start().await;
    let id = "ig~1.c.~4qI2MTYx4qIxNqLiMTai4g";
    for document in [
        format!("{{ node(id: \"{id}\") {{ id }} }}"),
        format!("{{ nodes(ids: [\"{id}\"]) {{ ...F }} }} fragment F on Node {{ id }}"),
        format!("{{ ... on Query {{ iosLobAppProvisioningConfiguration(id: \"{id}\") {{ id }} }} }}"),
        "{ iosLobAppProvisioningConfigurations { totalCount } }".to_owned(),
    ] {
        let reply = gateway.graphql_as(None, &document, json!({})).await;
        assert_eq!(reply.code(), "UNAUTHENTICATED", "{document}");
    }
    assert!(gateway.sent().is_empty());
}
