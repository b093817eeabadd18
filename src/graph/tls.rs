//! TLS towards a server: the trusted certificates, the system's and those of a PEM file.

use std::path::Path;
use std::sync::{Arc, Once};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use super::key_usage::allows_servers;

use crate::tls_error::describe_tls;

/// Why certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file has no certificate in PEM format.
    #[error("{path} contains no certificate in PEM format")]
    NotPem {
        /// The file.
        path: String,
    },
    /// TLS cannot be set up with the certificates.
    #[error("the certificates cannot be used: {}", describe_tls(.0))]
    Unusable(Error),
}

/// Selects the cryptography provider of TLS. Call it before any HTTP client is created.
pub fn install_tls_provider() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        // An error means that a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// The settings of a client that trusts the system's certificate authorities, and the certificates of a PEM file.
///
/// # Errors
///
/// If the file has no certificates, or they cannot be used.
pub fn tls_client_config(file: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match file {
        None => Arc::new(Verifier::new(Arc::clone(&provider)).map_err(TlsError::Unusable)?),
        Some(path) => {
            let verifier = ConfiguredCertificates::new(certificates(path)?, &provider);
            Arc::new(verifier.map_err(TlsError::Unusable)?)
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Unusable)?;
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let name = path.display().to_string();
    let pem = match std::fs::read(path) {
        Ok(pem) => pem,
        Err(source) => return Err(TlsError::Unreadable { path: name, source }),
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).flatten().collect();
    if certificates.is_empty() { Err(TlsError::NotPem { path: name }) } else { Ok(certificates) }
}

/// Trusts the system's certificate authorities and the configured certificates, each as an authority and, if it is the
/// server's own certificate, as that.
///
/// `webpki` rejects a server certificate that is an authority (`CA:TRUE`), which is what `openssl req -x509` makes, and one
/// without an authority. If it is a configured one, byte for byte, the operator has vouched for it. Its validity period, its
/// names, its purpose and the signature of the handshake are checked like those of any other.
#[derive(Debug)]
struct ConfiguredCertificates {
    certificates: Vec<CertificateDer<'static>>,
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
    verifier: Verifier,
}

impl ConfiguredCertificates {
    fn new(
        certificates: Vec<CertificateDer<'static>>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        let verifier = Verifier::new_with_extra_roots(certificates.clone(), Arc::clone(provider))?;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { certificates, roots, algorithms, verifier })
    }

    /// Whether the certificate is a configured one in its validity period.
    fn is_configured(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<bool, Error> {
        if !self.certificates.contains(certificate) {
            return Ok(false);
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        let result =
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, &[], now, self.algorithms.all);
        // `webpki` checks the validity period before these two, and the purpose after them.
        let is_valid = match result {
            Ok(()) | Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => true,
            Err(Error::InvalidCertificate(CertificateError::Other(OtherError(error)))) => {
                matches!(error.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
            }
            Err(_) => false,
        };
        if is_valid && !allows_servers(certificate) {
            return Err(CertificateError::InvalidPurpose.into());
        }
        Ok(is_valid)
    }
}

impl ServerCertVerifier for ConfiguredCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_configured(end_entity, now)? {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
