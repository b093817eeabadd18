//! A certificate for loopback in the files that a `redis-server` with TLS reads.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::redis_server::free_port;

/// A certificate for `localhost` and `127.0.0.1` by a new test authority. The files are removed on drop.
#[derive(Debug)]
pub(crate) struct RedisCertificate {
    folder: TempDir,
    /// The port for TLS.
    pub(crate) port: u16,
}

impl RedisCertificate {
    pub(crate) fn generate() -> anyhow::Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "Authority of a test's Redis");
        let authority_key = KeyPair::generate()?;
        let signed = authority.self_signed(&authority_key)?;
        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate =
            CertificateParams::new(names)?.signed_by(&key, &Issuer::new(authority, authority_key))?;
        let files = Self { folder: TempDir::with_prefix("redis-certificate-")?, port: free_port()? };
        std::fs::write(files.file("ca.pem"), pem("CERTIFICATE", signed.der()))?;
        std::fs::write(files.file("certificate.pem"), pem("CERTIFICATE", certificate.der()))?;
        std::fs::write(files.file("key.pem"), pem("PRIVATE KEY", &key.serialize_der()))?;
        Ok(files)
    }

    /// The PEM file of the authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// `rediss://localhost:PORT`
    pub(crate) fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }

    /// The options of a server that presents the certificate. Clients need no certificate.
    pub(crate) fn options(&self) -> Vec<String> {
        let file = |name: &str| self.file(name).display().to_string();
        [
            ("--tls-port", self.port.to_string()),
            ("--tls-ca-cert-file", file("ca.pem")),
            ("--tls-cert-file", file("certificate.pem")),
            ("--tls-key-file", file("key.pem")),
            ("--tls-auth-clients", "no".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Binary data in PEM format, in lines of 64 characters (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, later) = rest.split_at(rest.len().min(64));
        pem += line;
        pem.push('\n');
        rest = later;
    }
    pem + &format!("-----END {label}-----\n")
}
