//! TLS, with a configured or a generated certificate. Some clients need https: the JavaScript SDK follows next links over
//! https only, and HTTP/2 is negotiated by ALPN.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

use crate::settings::{Settings, Tls};

/// The protocol name of HTTP/2 in ALPN.
pub(crate) const H2: &[u8] = b"h2";

/// The TLS acceptor of the settings; `None` for plain http.
pub(crate) fn acceptor(settings: &Settings) -> io::Result<Option<TlsAcceptor>> {
    let Some(tls) = &settings.tls else { return Ok(None) };
    let (chain, key) = match tls {
        Tls::Files { certificate, key } => (
            CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| unreadable("--tls-certificate", certificate, &error))?,
            PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("--tls-key", key, &error))?,
        ),
        Tls::Generated(generated) => (
            vec![CertificateDer::from(generated.certificate.clone())],
            PrivatePkcs8KeyDer::from(generated.key.clone()).into(),
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

fn unreadable(setting: &str, file: &Path, error: &pem::Error) -> io::Error {
    let message = format!("{setting}: cannot read {}: {error}", file.display());
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
