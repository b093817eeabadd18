//! TLS, with a certificate of the operator's or one that is made for the run. Some clients need https: the JavaScript
//! SDK follows next links over nothing else, and HTTP/2 is agreed on by ALPN.

use std::fmt;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::settings::{Settings, Tls};

/// The protocol name of HTTP/2 in ALPN.
pub(crate) const H2: &[u8] = b"h2";
/// The names that a made certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Characters on a line of PEM (RFC 7468).
const PEM_LINE: usize = 64;

/// A certificate for this machine's loopback by an authority of its own. Both are new each time and nowhere on disk.
#[derive(Clone, PartialEq, Eq)]
pub struct TestCertificate {
    authority: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl TestCertificate {
    /// Makes an authority, and a certificate by it for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    ///
    /// Where the machine gives no random numbers.
    pub fn make() -> io::Result<Self> {
        let mut authority = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "intune-graphql sandbox");
        let authority_key = KeyPair::generate().map_err(io::Error::other)?;
        let signed = authority.self_signed(&authority_key).map_err(io::Error::other)?;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = CertificateParams::new(NAMES.map(str::to_owned))
            .and_then(|params| params.signed_by(&key, &Issuer::new(authority, authority_key)))
            .map_err(io::Error::other)?;
        Ok(Self {
            authority: signed.der().to_vec(),
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
        })
    }

    /// The authority's certificate in PEM form, for clients to trust: what a gateway's `--graph-ca` names.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        let text = STANDARD.encode(&self.authority);
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        let mut rest = text.as_str();
        while let Some((line, later)) = rest.split_at_checked(PEM_LINE) {
            pem.push_str(line);
            pem.push('\n');
            rest = later;
        }
        if !rest.is_empty() {
            pem.push_str(rest);
            pem.push('\n');
        }
        pem + "-----END CERTIFICATE-----\n"
    }
}

impl fmt::Debug for TestCertificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("TestCertificate").finish_non_exhaustive()
    }
}

/// The acceptor that the settings ask for; none for plain http.
pub(crate) fn acceptor(settings: &Settings) -> io::Result<Option<TlsAcceptor>> {
    let Some(tls) = &settings.tls else { return Ok(None) };
    let (chain, key) = match tls {
        Tls::Files { certificate, key } => (
            CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(invalid)?,
            PrivateKeyDer::from_pem_file(key).map_err(invalid)?,
        ),
        Tls::Made(made) => (
            vec![CertificateDer::from(made.certificate.clone())],
            PrivatePkcs8KeyDer::from(made.key.clone()).into(),
        ),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(invalid)?;
    let offered: &[&[u8]] = if settings.http2.is_on() { &[H2, b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
