//! The sandbox over https.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use msgraph_sandbox::settings::{Settings, Tls};
use msgraph_sandbox::{Sandbox, run};
use tokio::net::TcpListener;

use super::{Graph, demo};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[tokio::test]
async fn links_stay_on_https() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let directory = std::env::temp_dir().join(format!("sandbox-tls-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    std::fs::write(&certificate, pem("CERTIFICATE", made.cert.der())).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", &made.signing_key.serialize_der())).unwrap();

    let tls = Tls::Files { certificate, key };
    let graph = Graph::with(Settings { tls: Some(tls), ..Settings::default() }).await;
    let port = graph.address.rsplit(':').next().unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_der(made.cert.der()).unwrap()])
        .build()
        .unwrap();
    let url = format!("https://localhost:{port}{}", demo("/deviceStatuses?$top=1"));
    let answer = super::reply(client.get(url).bearer_auth("t")).await.expect(200);
    let link = answer["@odata.nextLink"].as_str().unwrap();
    assert!(link.starts_with(&format!("https://localhost:{port}/beta/")), "{link}");
    super::reply(client.get(link).bearer_auth("t")).await.expect(200);
    std::fs::remove_dir_all(directory).unwrap();
}

#[tokio::test]
async fn a_missing_certificate_is_reported_at_start() {
    let tls = Tls::Files { certificate: "/nope.pem".into(), key: "/nope.pem".into() };
    let sandbox = Sandbox::new(Settings { tls: Some(tls), ..Settings::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(run(listener, sandbox, std::future::pending()).await.is_err());
}
