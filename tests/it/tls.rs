//! A Graph root over https: the trusted certificate authorities.

use std::path::PathBuf;

use msgraph_sandbox::{self as sandbox, Sandbox};
use tokio::net::{TcpListener, TcpStream};

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
async fn nothing_is_sent_to_a_server_without_tls() {
    let plain = Gateway::start().await;
    let root = format!("{}/beta", plain.url.replace("http://", "https://"));
    let gateway = Gateway::builder().graph_root(&root).start().await;
    let reply = gateway.graphql(MUTATION, input(device_status())).await;
    assert_eq!(reply.code(), "UPSTREAM_UNAVAILABLE");
    assert_eq!(reply.error()["extensions"]["outcome"], "NOT_SENT");
}
