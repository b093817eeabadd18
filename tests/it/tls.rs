//! A Graph root over https: the trusted certificate authorities.

use std::path::PathBuf;

use msgraph_sandbox::{self as sandbox, Sandbox};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::add_device_status::{MUTATION, device_status, input};
use crate::commands::program;
use crate::gateway_process::GatewayProcess;
use crate::harness::{Gateway, TOKEN};
use crate::localhost_tls;

/// A sandbox behind TLS, with a certificate for `localhost` by a private authority.
struct TlsSandbox {
    sandbox: Sandbox,
    root: String,
    /// The authority, in PEM form.
    ca: PathBuf,
}

impl TlsSandbox {
    async fn start() -> Self {
        let (acceptor, ca) = localhost_tls::acceptor(b"http/1.1");
        Self::start_with(acceptor, ca).await
    }

    /// One that presents a certificate with this key.
    async fn start_with_certificate(
        certificate: &CertificateDer<'static>,
        key: &KeyPair,
    ) -> (Self, NamedTempFile) {
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), localhost_tls::pem("CERTIFICATE", certificate)).unwrap();
        let acceptor = localhost_tls::acceptor_with(certificate.clone(), key);
        (Self::start_with(acceptor, file.path().to_owned()).await, file)
    }

    async fn start_with(acceptor: TlsAcceptor, ca: PathBuf) -> Self {
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = plain.local_addr().unwrap();
        let sandbox = Sandbox::new(sandbox::Settings::default());
        tokio::spawn(sandbox::run(plain, sandbox.clone(), std::future::pending()));
        let root = format!("https://localhost:{}/beta", localhost_tls::forward(acceptor, inner).await);
        Self { sandbox, root, ca }
    }
}

#[tokio::test]
async fn a_configured_private_authority_is_trusted() {
    let graph = TlsSandbox::start().await;
    let gateway = Gateway::builder().graph_root(&graph.root).graph_ca(graph.ca.clone()).start().await;
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.data()["addDeviceStatus"]["deviceStatus"]["userName"], "User Name value");
    let sent = graph.sandbox.requests();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
}

#[tokio::test]
async fn nothing_is_sent_to_an_untrusted_server() {
    let graph = TlsSandbox::start().await;
    let other = TlsSandbox::start().await;
    let wrong_name = graph.root.replace("localhost", "127.0.0.1");
    for builder in [
        Gateway::builder().graph_root(&graph.root),
        Gateway::builder().graph_root(&graph.root).graph_ca(other.ca.clone()),
        Gateway::builder().graph_root(&wrong_name).graph_ca(graph.ca.clone()),
    ] {
        let reply = builder.start().await.graphql(MUTATION, input(device_status())).await;
        assert_eq!(reply.code(), "UPSTREAM_UNAVAILABLE");
        assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
        assert_eq!(reply.error()["extensions"]["retryable"], true);
    }
    assert!(graph.sandbox.requests().is_empty() && other.sandbox.requests().is_empty());
}

#[tokio::test]
async fn the_servers_own_certificate_is_trusted_if_it_is_configured() {
    let authority = localhost_tls::Authority::new();
    let (issued, issued_key) = authority.issue();
    let issued_key = KeyPair::try_from(issued_key).unwrap();
    let (own, own_key) = localhost_tls::self_signed(|_| {});
    for (certificate, key) in [(own, own_key), (issued, issued_key)] {
        let (graph, _file) = TlsSandbox::start_with_certificate(&certificate, &key).await;
        let gateway = Gateway::builder().graph_root(&graph.root).graph_ca(graph.ca.clone()).start().await;
        gateway.graphql(MUTATION, input(device_status())).await.data();
        assert_eq!(graph.sandbox.requests().len(), 1);
    }
}

#[tokio::test]
async fn the_servers_own_certificate_needs_its_key_its_name_and_its_time() {
    let (certificate, key) = localhost_tls::self_signed(|_| {});
    let (other, other_key) = localhost_tls::self_signed(|_| {});
    let (expired, expired_key) = localhost_tls::self_signed(localhost_tls::expired);
    let (genuine, _file) = TlsSandbox::start_with_certificate(&certificate, &key).await;
    let (same_name, _file) = TlsSandbox::start_with_certificate(&other, &other_key).await;
    let (stolen, _file) = TlsSandbox::start_with_certificate(&certificate, &other_key).await;
    let (expired, _file) = TlsSandbox::start_with_certificate(&expired, &expired_key).await;
    let wrong_name = genuine.root.replace("localhost", "127.0.0.1");
    for (root, ca) in [
        (&genuine.root, &same_name.ca),
        (&same_name.root, &genuine.ca),
        (&stolen.root, &genuine.ca),
        (&expired.root, &expired.ca),
        (&wrong_name, &genuine.ca),
    ] {
        let gateway = Gateway::short_timeouts().graph_root(root).graph_ca(ca.clone()).start().await;
        let reply = gateway.graphql(MUTATION, input(device_status())).await;
        assert_eq!(reply.code(), "UPSTREAM_UNAVAILABLE", "{root}");
    }
    for graph in [genuine, same_name, stolen, expired] {
        assert!(graph.sandbox.requests().is_empty(), "{}", graph.root);
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_without_tls() {
    let plain = Gateway::start().await;
    let root = format!("{}/beta", plain.url.replace("http://", "https://"));
    let gateway = Gateway::builder().graph_root(&root).start().await;
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.code(), "UPSTREAM_UNAVAILABLE");
    assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_accepted_is_described_in_a_sentence() {
    let (certificate, key) = localhost_tls::self_signed(|_| {});
    let (expired, expired_key) = localhost_tls::self_signed(localhost_tls::expired);
    let (client, client_key) = localhost_tls::self_signed(|certificate| {
        certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (both, both_key) = localhost_tls::self_signed(|certificate| {
        let purposes = [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        certificate.extended_key_usages = purposes.to_vec();
    });
    let (issued_for_clients, issued_key, authority) = localhost_tls::issued(|certificate| {
        certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (own, _file) = TlsSandbox::start_with_certificate(&certificate, &key).await;
    let (expired, _file) = TlsSandbox::start_with_certificate(&expired, &expired_key).await;
    let (client, _file) = TlsSandbox::start_with_certificate(&client, &client_key).await;
    let (both, _file) = TlsSandbox::start_with_certificate(&both, &both_key).await;
    let (issued, _file) = TlsSandbox::start_with_certificate(&issued_for_clients, &issued_key).await;
    let plain = Gateway::start().await;
    let purpose = "the certificate is not for servers: its extended key usage is without serverAuth";
    for (root, ca, expected) in [
        (&own.root, None, "the certificate is that of an authority (CA:TRUE), which is trusted only if"),
        (&own.root, Some(&expired.ca), "the certificate is that of an authority (CA:TRUE), which is trusted"),
        (&expired.root, Some(&expired.ca), "the certificate was valid until 2020-01-01T00:00:00Z"),
        (&own.root.replace("localhost", "127.0.0.1"), Some(&own.ca), "is not valid for the name 127.0.0.1"),
        (&client.root, Some(&client.ca), purpose),
        (&issued.root, Some(&authority), purpose),
        (&both.root, Some(&both.ca), "404 Not Found"),
        (&plain.url.replace("http://", "https://"), None, "the response is not one of TLS"),
    ] {
        let url = root.replace("/beta", "/nothing");
        let mut arguments = vec!["healthcheck", "--url", &url];
        arguments.extend(ca.into_iter().flat_map(|ca| ["--ca", ca.to_str().unwrap()]));
        let output = tokio::task::block_in_place(|| program(&arguments).output().unwrap());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(expected) && !stderr.contains("OtherError"), "{expected}: {stderr}");
    }
    let gateway = GatewayProcess::serve(&expired.root, &["--graph-ca", expired.ca.to_str().unwrap()]);
    gateway.graphql(TOKEN, MUTATION, input(device_status())).await;
    let (_, log) = gateway.stop_with_log().await;
    let line = log.lines().find(|line| line.contains("no connection to Graph")).unwrap_or(&log);
    assert!(line.contains("cause=\"the certificate was valid until 2020-01-01T00:00:00Z\""), "{line}");
}
