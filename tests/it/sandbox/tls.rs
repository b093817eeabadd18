//! The sandbox over https.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use intune_graphql::sandbox::settings::{Settings, Tls};
use intune_graphql::sandbox::{Sandbox, run};
use tokio::net::TcpListener;

use super::{Graph, demo};
use crate::commands::Program;

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
async fn an_authority_is_made_and_written_on_request() {
    let ca = std::env::temp_dir().join(format!("sandbox-ca-{}.pem", std::process::id()));
    let file = ca.display().to_string();
    let arguments = ["sandbox", "--listen", "127.0.0.1:0", "--tls-ca", &file, "--max-streams", "3"];
    let mut program = Program::start(&arguments);
    let root = program.line("sandbox listening on ");
    assert!(root.starts_with("https://127.0.0.1:") && root.ends_with("/beta"), "{root}");
    let authority = reqwest::Certificate::from_pem(&std::fs::read(&ca).unwrap()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("{}/nope", root.replace("127.0.0.1", host));
        let answer = client.get(url).bearer_auth("t").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (400, reqwest::Version::HTTP_2));
    }
    assert_eq!(program.stop().0, Some(0));
    std::fs::remove_file(ca).unwrap();
}

#[tokio::test]
async fn a_missing_certificate_is_reported_at_start() {
    let tls = Tls::Files { certificate: "/nope.pem".into(), key: "/nope.pem".into() };
    let sandbox = Sandbox::new(Settings { tls: Some(tls), ..Settings::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(run(listener, sandbox, std::future::pending()).await.is_err());
}
