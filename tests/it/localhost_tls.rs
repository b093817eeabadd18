//! TLS with a certificate for `localhost` by a new test authority.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};

/// A certificate authority of a test.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, a PEM file.
    pub(crate) ca: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("localhost-tls-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, format!("Authority of {name}"));
        let key = KeyPair::generate().unwrap();
        let certificate = authority.self_signed(&key).unwrap();
        let ca = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
        std::fs::write(&ca, pem("CERTIFICATE", certificate.der())).unwrap();
        Self { issuer: Issuer::new(authority, key), ca }
    }

    /// A certificate for `localhost` and its key, in DER.
    pub(crate) fn issue(&self) -> (CertificateDer<'static>, Vec<u8>) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (certificate.signed_by(&key, &self.issuer).unwrap().der().clone(), key.serialize_der())
    }
}

/// A certificate for `localhost` that is its own authority, as `openssl req -x509` makes it by default, and its key.
pub(crate) fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> (CertificateDer<'static>, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    certificate.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    certificate.distinguished_name.push(DnType::CommonName, "localhost");
    change(&mut certificate);
    (certificate.self_signed(&key).unwrap().der().clone(), key)
}

/// A certificate for `localhost` by a new authority, its key, and the PEM file of the authority.
pub(crate) fn issued(
    change: impl FnOnce(&mut CertificateParams),
) -> (CertificateDer<'static>, KeyPair, PathBuf) {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    change(&mut certificate);
    let certificate = certificate.signed_by(&key, &authority.issuer).unwrap().der().clone();
    (certificate, key, authority.ca)
}

/// A certificate that was valid until 2020.
pub(crate) fn expired(certificate: &mut CertificateParams) {
    certificate.not_before = rcgen::date_time_ymd(2019, 1, 1);
    certificate.not_after = rcgen::date_time_ymd(2020, 1, 1);
}

/// An acceptor of HTTP/1.1 that presents a certificate, and signs with this key even if it is of another one.
pub(crate) fn acceptor_with(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = ring::sign::any_supported_type(&key).unwrap();
    let resolver = SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(resolver));
    TlsAcceptor::from(Arc::new(config))
}

/// Binary data in PEM format.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// An acceptor that offers one protocol, and the PEM file of its authority.
pub(crate) fn acceptor(protocol: &[u8]) -> (TlsAcceptor, PathBuf) {
    let authority = Authority::new();
    let (certificate, key) = authority.issue();
    let key = PrivateKeyDer::try_from(key).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    (TlsAcceptor::from(Arc::new(config)), authority.ca)
}

/// Forwards what TLS connections to the returned port contain.
pub(crate) async fn forward(acceptor: TlsAcceptor, to: SocketAddr) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let mut inner = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
    port
}
