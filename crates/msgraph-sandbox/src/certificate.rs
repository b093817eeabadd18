//! A certificate for loopback by a test authority, both generated in memory.

use std::fmt;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The names that the certificate is valid for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Characters on a line of PEM (RFC 7468).
const PEM_LINE: usize = 64;

/// A certificate for loopback addresses and the test authority that issued it. Both are new each time and are not written
/// to disk.
#[derive(Clone, PartialEq, Eq)]
pub struct TestCertificate {
    authority: Vec<u8>,
    /// DER.
    pub(crate) certificate: Vec<u8>,
    /// PKCS #8, DER.
    pub(crate) key: Vec<u8>,
}

impl TestCertificate {
    /// Generates an authority, and a certificate that it issues for `localhost`, `127.0.0.1` and `::1`.
    ///
    /// # Errors
    ///
    /// If the operating system provides no random numbers.
    pub fn generate() -> io::Result<Self> {
        let mut authority = CertificateParams::new(Vec::new()).map_err(io::Error::other)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "msgraph-sandbox");
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

    /// The authority's certificate in PEM form. Clients of the sandbox must trust it.
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
