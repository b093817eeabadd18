//! The WebSocket upgrade: its headers and the origin check.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::Gateway;
use crate::slow_clients::connect;

pub(crate) const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
pub(crate) const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
pub(crate) const PROTOCOL: &str = "Sec-WebSocket-Protocol: graphql-transport-ws\r\n";
pub(crate) const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

/// Requests a WebSocket with these headers, and reads the head of the response.
pub(crate) async fn ask(gateway: &Gateway, version: &str, headers: &[&str]) -> (TcpStream, String) {
    let mut stream = connect(gateway).await;
    let head = format!("GET /graphql HTTP/{version}\r\n{}\r\n", headers.concat());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = String::new();
    while !said.ends_with("\r\n\r\n") {
        said.push(char::from(stream.read_u8().await.unwrap()));
    }
    (stream, said)
}

#[tokio::test]
async fn every_valid_form_of_the_upgrade_headers_is_accepted() {
    let gateway = Gateway::start().await;
    let host = "Host: x\r\n";
    for upgrade in [
        UPGRADE,
        "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Connection: Upgrade\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n",
        "Connection: keep-alive , upgrade\r\nUpgrade: WebSocket\r\n",
        "Connection: UPGRADE\r\nUpgrade: h2c, WEBSOCKET\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket, foo\r\n",
        "Connection: Upgrade\r\nUpgrade: foo\r\nUpgrade: websocket\r\n",
    ] {
        let (_, said) = ask(&gateway, "1.1", &[host, upgrade, VERSION, KEY, PROTOCOL]).await;
        assert!(said.starts_with("HTTP/1.1 101 "), "{upgrade}: {said}");
        // The example of RFC 6455, section 1.3.
        assert!(said.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{said}");
        assert!(said.contains("sec-websocket-protocol: graphql-transport-ws\r\n"), "{said}");
    }
    let protocols = "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: a,graphql-transport-ws\r\n";
    let (_, said) = ask(&gateway, "1.1", &[host, UPGRADE, VERSION, KEY, protocols]).await;
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    for (version, headers, status) in [
        ("1.1", ["Connection: keep-alive\r\nUpgrade: websocket\r\n", VERSION, KEY, PROTOCOL], "400"),
        ("1.1", ["Connection: no-upgrade\r\nUpgrade: websocket\r\n", VERSION, KEY, PROTOCOL], "400"),
        ("1.1", ["Connection: Upgrade\r\nUpgrade: websockets\r\n", VERSION, KEY, PROTOCOL], "400"),
        ("1.1", [UPGRADE, "", KEY, PROTOCOL], "426"),
        ("1.1", [UPGRADE, "Sec-WebSocket-Version: 8\r\n", KEY, PROTOCOL], "426"),
        ("1.1", [UPGRADE, VERSION, "", PROTOCOL], "400"),
        ("1.1", [UPGRADE, VERSION, "Sec-WebSocket-Key: c2hvcnQ=\r\n", PROTOCOL], "400"),
        ("1.1", [UPGRADE, VERSION, "Sec-WebSocket-Key: ?\r\n", PROTOCOL], "400"),
        ("1.1", [UPGRADE, VERSION, KEY, ""], "400"),
        ("1.1", [UPGRADE, VERSION, KEY, "Sec-WebSocket-Protocol: graphql-ws\r\n"], "400"),
        // HTTP/1.0 has no upgrades: this is a GET without a query.
        ("1.0", [UPGRADE, VERSION, KEY, PROTOCOL], "400"),
    ] {
        let (_, said) = ask(&gateway, version, &[host, &headers.concat()]).await;
        assert!(said.starts_with(&format!("HTTP/{version} {status} ")), "{headers:?}: {said}");
        assert_eq!(status == "426", said.contains("sec-websocket-version: 13\r\n"), "{said}");
    }
}

#[tokio::test]
async fn the_default_port_from_a_proxy_counts_as_the_same_origin() {
    let gateway = Gateway::start().await;
    for (host, origin, status) in [
        ("name:443", "https://name", "101"),
        ("name", "https://name", "101"),
        ("NAME:80", "http://name", "101"),
        ("name", "http://name:80", "101"),
        ("name:8443", "https://name:8443", "101"),
        ("name:80", "https://name", "403"),
        ("name:443", "http://name", "403"),
        ("name:443", "https://other", "403"),
        ("name", "null", "403"),
    ] {
        let headers = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        let (_, said) = ask(&gateway, "1.1", &[&headers, UPGRADE, VERSION, KEY, PROTOCOL]).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {origin}: {said}");
    }
}

#[tokio::test]
async fn an_upgrade_with_several_origins_is_rejected() {
    let gateway = Gateway::start().await;
    for (first, second) in [
        ("https://name", "https://other"),
        ("https://other", "https://name"),
        ("https://name", "https://name"),
        ("https://name", "null"),
        ("https://name", ""),
    ] {
        let headers = format!("Host: name\r\nOrigin: {first}\r\nOrigin: {second}\r\n");
        let (_, said) = ask(&gateway, "1.1", &[&headers, UPGRADE, VERSION, KEY, PROTOCOL]).await;
        assert!(said.starts_with("HTTP/1.1 403 "), "{first} {second}: {said}");
    }
}
