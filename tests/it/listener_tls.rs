//! TLS on the gateway's own listeners.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http::Version;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::{Program, program};
use crate::harness::{Gateway, TOKEN, http_client};
use crate::localhost_tls::{self, Authority, pem};
use crate::websocket::Socket;

/// A certificate and its key in a folder of their own.
struct Certificate {
    folder: tempfile::TempDir,
}

impl Certificate {
    fn new(authority: &Authority) -> Self {
        let certificate = Self { folder: tempfile::tempdir().unwrap() };
        certificate.write(authority.issue());
        certificate
    }

    fn write(&self, (certificate, key): (CertificateDer<'static>, Vec<u8>)) {
        std::fs::write(self.certificate(), pem("CERTIFICATE", &certificate)).unwrap();
        std::fs::write(self.key(), pem("PRIVATE KEY", &key)).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A gateway with TLS, and its two addresses, which have the name of the certificate.
fn serve(graph: &Gateway, certificate: &Certificate, more: &[&str]) -> (Program, String, String) {
    let root = graph.sandbox_url.clone();
    let (certificate, key) = (certificate.certificate(), certificate.key());
    let arguments = [&["--tls-cert", text(&certificate), "--tls-key", text(&key)], more].concat();
    let mut gateway = Program::serve(&root, &arguments);
    let url = gateway.line("listening on ").replace("127.0.0.1", "localhost");
    let admin = gateway.line("admin listening on ").replace("127.0.0.1", "localhost");
    (gateway, url, admin)
}

fn client(authority: &Authority) -> reqwest::ClientBuilder {
    let ca = reqwest::Certificate::from_pem(&std::fs::read(&authority.ca).unwrap()).unwrap();
    http_client().tls_certs_only([ca])
}

async fn send(client: &reqwest::Client, url: &str) -> (Version, Value) {
    let body = json!({"query": MUTATION, "variables": input(device_status())}).to_string();
    let request = client.post(format!("{url}/graphql")).bearer_auth(TOKEN);
    let request = request.header("content-type", "application/json").body(body);
    let response = request.send().await.unwrap();
    (response.version(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

/// A connection whose handshake is complete.
async fn connect(url: &str, authority: &Authority) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&authority.ca).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(url.strip_prefix("https://").unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// The certificate that a new connection is served with.
async fn served(url: &str, authority: &Authority) -> Vec<u8> {
    let stream = connect(url, authority).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_http_versions_and_websockets_are_served_over_tls() {
    let (graph, authority) = (Gateway::start().await, Authority::new());
    let certificate = Certificate::new(&authority);
    let (gateway, url, admin) = serve(&graph, &certificate, &[]);
    assert!(url.starts_with("https://") && admin.starts_with("http://"), "{url} {admin}");
    for (client, version) in [
        (client(&authority).build().unwrap(), Version::HTTP_2),
        (client(&authority).http1_only().build().unwrap(), Version::HTTP_11),
    ] {
        let (used, answer) = send(&client, &url).await;
        assert_eq!(used, version);
        assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
    }

    let upgrade = Socket::upgrade(&url.replace("https", "http"), &[]);
    let (mut socket, _) = client_async(upgrade, connect(&url, &authority).await).await.unwrap();
    let init = json!({"type": "connection_init", "payload": {"Authorization": format!("Bearer {TOKEN}")}});
    socket.send(Message::text(init.to_string())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap().into_text().unwrap(), "{\"type\":\"connection_ack\"}");
    assert_eq!(gateway.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_may_use_tls_and_the_health_check_trusts_an_authority() {
    let (graph, authority) = (Gateway::start().await, Authority::new());
    let certificate = Certificate::new(&authority);
    let (gateway, _, admin) = serve(&graph, &certificate, &["--admin-tls"]);
    assert!(admin.starts_with("https://"), "{admin}");
    for (more, code) in [(&["--ca", text(&authority.ca)][..], 0), (&[], 1)] {
        let check = program(&[&["healthcheck", "--url", &admin], more].concat()).output().unwrap();
        assert_eq!(check.status.code(), Some(code), "{check:?}");
    }
    assert_eq!(gateway.stop().0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_trusts_a_certificate_that_is_its_own_authority() {
    let graph = Gateway::start().await;
    let new = |change: fn(&mut rcgen::CertificateParams)| {
        let certificate = Certificate { folder: tempfile::tempdir().unwrap() };
        let (der, key) = localhost_tls::self_signed(change);
        certificate.write((der, key.serialize_der()));
        certificate
    };
    let (valid, other, expired) = (new(|_| {}), new(|_| {}), new(localhost_tls::expired));
    for (served, trusted, host, code) in [
        (&valid, &valid, "localhost", 0),
        (&valid, &valid, "127.0.0.1", 1),
        (&valid, &other, "localhost", 1),
        (&expired, &expired, "localhost", 1),
    ] {
        let (gateway, _, admin) = serve(&graph, served, &["--admin-tls"]);
        let url = admin.replace("localhost", host);
        let check =
            program(&["healthcheck", "--url", &url, "--ca", text(&trusted.certificate())]).output().unwrap();
        assert_eq!(check.status.code(), Some(code), "{host}: {check:?}");
        assert_eq!(gateway.stop().0, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_exchanged_under_load_without_a_failed_request() {
    let (graph, authority) = (Gateway::start().await, Authority::new());
    let certificate = Certificate::new(&authority);
    let (gateway, url, _) = serve(&graph, &certificate, &[]);
    let first = served(&url, &authority).await;

    let is_done = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let builder = client(&authority);
            // Half of the workers open a connection for each request.
            let builder = if worker % 2 == 0 { builder.pool_max_idle_per_host(0) } else { builder };
            let (client, url, is_done) = (builder.build().unwrap(), url.clone(), Arc::clone(&is_done));
            tokio::spawn(async move {
                let mut count = 0;
                while !is_done.load(Ordering::Relaxed) {
                    let (_, answer) = send(&client, &url).await;
                    assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
                    count += 1;
                }
                count
            })
        })
        .collect();

    let (second, key) = authority.issue();
    // Not a pair: the key is the first certificate's.
    std::fs::write(certificate.certificate(), pem("CERTIFICATE", &second)).unwrap();
    let exchanged = async {
        // Long enough to be noticed; nothing may change.
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(served(&url, &authority).await, first);
        certificate.write((second.clone(), key));
        while served(&url, &authority).await != second.to_vec() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), exchanged).await.expect("the new certificate");
    is_done.store(true, Ordering::Relaxed);
    for worker in workers {
        assert!(worker.await.unwrap() > 0);
    }
    let (code, said) = gateway.stop();
    assert_eq!(code, Some(0));
    assert_eq!(said.matches("the new TLS certificate cannot be used").count(), 1, "{said}");
    assert_eq!(said.matches("the TLS certificate was exchanged").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_complete_the_handshake_is_disconnected() {
    let (graph, authority) = (Gateway::start().await, Authority::new());
    let certificate = Certificate::new(&authority);
    let (gateway, url, _) =
        serve(&graph, &certificate, &["--header-timeout", "200ms", "--max-connections", "1"]);
    for first_bytes in [&b""[..], b"\x16\x03\x01\x02\x00\x01", b"POST /graphql HTTP/1.1\r\n\r\n"] {
        let mut silent = TcpStream::connect(url.strip_prefix("https://").unwrap()).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut silent, first_bytes).await.unwrap();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(10), silent.read_to_end(&mut rest));
        let _ = closed.await.expect("the connection to be closed");
    }
    let (_, answer) = send(&client(&authority).build().unwrap(), &url).await;
    assert!(answer["data"]["addDeviceStatus"]["deviceStatusId"].is_string(), "{answer}");
    assert_eq!(gateway.stop().0, Some(0));
}

#[test]
fn tls_settings_that_cannot_be_used_stop_the_start() {
    let authority = Authority::new();
    let (one, other) = (Certificate::new(&authority), Certificate::new(&authority));
    let (certificate, key, other_key) = (one.certificate(), one.key(), other.key());
    let (certificate, key, other_key) = (text(&certificate), text(&key), text(&other_key));
    for (arguments, expected) in [
        (&["--tls-cert", certificate][..], "--tls-cert: needs --tls-key"),
        (&["--tls-key", key], "--tls-key: needs --tls-cert"),
        (&["--admin-tls"], "--admin-tls: needs --tls-cert and --tls-key"),
        (&["--tls-cert", "/nonexistent", "--tls-key", key], "/nonexistent: No such file"),
        (&["--tls-cert", key, "--tls-key", key], "has no certificate in PEM format"),
        (&["--tls-cert", certificate, "--tls-key", certificate], "has no private key in PEM format"),
        (&["--tls-cert", certificate, "--tls-key", other_key], "the certificate cannot be used with the key"),
    ] {
        let output = program(&[&["serve"], arguments].concat()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.lines().count() == 1 && error.contains(expected), "{arguments:?}: {error}");
    }
}
