//! A Graph root over https: the trusted certificate authorities.

use std::path::PathBuf;

use msgraph_sandbox::{self as sandbox, Sandbox};
use rcgen::KeyPair;
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::add_device_status::{MUTATION, device_status, input};
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
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("https://localhost:{}/beta", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut outer) = acceptor.accept(stream).await else { return };
                    let mut inner = TcpStream::connect(inner).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
                });
            }
        });
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
