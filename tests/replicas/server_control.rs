//! The servers of these tests: start, stop, pause, passwords and TLS.

use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore};

use crate::redis_certificate::RedisCertificate;
use crate::redis_server::RedisServer;

#[test]
fn a_server_has_the_settings_that_the_gateway_asks_for() {
    let server = RedisServer::start().unwrap();
    assert_eq!(server.command(&["PING"]).unwrap(), "+PONG\r\n");
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
    for (setting, value) in
        [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")]
    {
        let reply = server.command(&["CONFIG", "GET", setting]).unwrap();
        assert!(reply.ends_with(&format!("\r\n{value}\r\n")), "{reply:?}");
    }
}

#[test]
fn a_server_keeps_its_data_and_port_when_it_is_stopped_or_killed() {
    let mut server = RedisServer::start().unwrap();
    let port = server.port();
    assert_eq!(server.command(&["SET", "key", "value"]).unwrap(), "+OK\r\n");
    server.stop().unwrap();
    assert!(server.command(&["PING"]).is_err());
    server.start_again().unwrap();
    assert_eq!(server.command(&["GET", "key"]).unwrap(), "$5\r\nvalue\r\n");
    server.kill().unwrap();
    server.start_again().unwrap();
    assert_eq!(server.command(&["GET", "key"]).unwrap(), "$5\r\nvalue\r\n");
    assert_eq!(server.port(), port);
}

#[test]
fn a_paused_server_does_not_respond_until_it_continues() {
    let mut server = RedisServer::start().unwrap();
    server.pause().unwrap();
    assert!(server.command(&["PING"]).is_err());
    server.resume().unwrap();
    assert_eq!(server.command(&["PING"]).unwrap(), "+PONG\r\n");
    server.pause().unwrap();
    server.stop().unwrap();
}

#[test]
fn a_server_can_have_a_password_and_less_memory() {
    let server = RedisServer::start_with(&["--requirepass", "secret", "--maxmemory", "5mb"], &[]).unwrap();
    assert!(server.command(&["PING"]).unwrap().starts_with("-NOAUTH"));
    let replies = server.commands(&[&["AUTH", "secret"], &["CONFIG", "GET", "maxmemory"]]).unwrap();
    assert!(replies.ends_with("\r\n5242880\r\n"), "{replies:?}");
}

#[test]
fn a_server_can_present_a_certificate() {
    let certificate = RedisCertificate::generate().unwrap();
    let options = certificate.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let _server = RedisServer::start_with(&options, &[]).unwrap();
    assert_eq!(certificate.url(), format!("rediss://localhost:{}", certificate.port));

    intune_graphql::graph::install_tls_provider();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate.authority()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", certificate.port)).unwrap();
    connection.complete_io(&mut stream).unwrap();
    assert!(!connection.is_handshaking());
}
