//! TLS on the listeners. The certificate is read again when its files change.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use super::connection::ClientStream;

use crate::tls_error::describe_tls;

/// How often the files are compared with the certificate in use.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);
/// Maximum size of either file, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file has no certificate.
    #[error("{} has no certificate in PEM format", .0.display())]
    NoCertificate(PathBuf),
    /// A file has no private key.
    #[error("{} has no private key in PEM format", .0.display())]
    NoKey(PathBuf),
    /// The certificate and the key do not belong together, or are of a kind that is not supported.
    #[error("the certificate cannot be used with the key: {}", describe_tls(.0))]
    Unusable(rustls::Error),
}

/// The PEM files of a certificate chain and of its private key.
#[derive(Debug, Clone)]
pub struct CertificateFiles {
    /// The certificate chain, the server's certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Accepts TLS connections.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    certificate: Arc<CurrentCertificate>,
    files: CertificateFiles,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the certificate. Offers HTTP/2 and HTTP/1.1 by ALPN.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or the certificate cannot be used.
    pub fn read(files: CertificateFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let content = files.read()?;
        let key = content.parse(&files, &provider)?;
        let certificate = Arc::new(CurrentCertificate {
            provider: Arc::clone(&provider),
            current: RwLock::new((content, Arc::new(key))),
        });
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<CurrentCertificate>::clone(&certificate));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate, files })
    }

    /// Completes the handshake of a connection.
    ///
    /// # Errors
    ///
    /// If the client closes the connection or offers nothing that is supported.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<ClientStream> {
        Ok(ClientStream::Tls(Box::new(self.acceptor.accept(stream).await?)))
    }

    /// Exchanges the certificate for new connections whenever its files change, until the future is dropped. A pair that
    /// cannot be used is logged once, and the previous certificate stays.
    pub(super) async fn watch(&self) {
        let mut rejected = None;
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            let files = self.files.clone();
            let Ok(content) = tokio::task::spawn_blocking(move || files.read()).await else { continue };
            let result = match content {
                Ok(content) if self.certificate.is(&content) => {
                    rejected = None;
                    continue;
                }
                Ok(content) => self.certificate.exchange(content, &self.files),
                Err(error) => Err(error),
            };
            let problem = result.err().map(|error| match std::error::Error::source(&error) {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            });
            match &problem {
                None => info!(file = %self.files.certificate.display(), "the TLS certificate was exchanged"),
                Some(error) if problem != rejected => {
                    warn!(error, "the new TLS certificate cannot be used; the previous one stays");
                }
                Some(_) => {}
            }
            rejected = problem;
        }
    }
}

/// The content of both files.
#[derive(PartialEq, Eq)]
struct FileContent {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateFiles {
    fn read(&self) -> Result<FileContent, TlsError> {
        Ok(FileContent { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut content = Vec::new();
    let result = std::fs::File::open(path);
    let result = result.and_then(|file| file.take(MAX_FILE_BYTES).read_to_end(&mut content));
    match result {
        Ok(_) => Ok(content),
        Err(source) => Err(TlsError::Unreadable { path: path.to_owned(), source }),
    }
}

impl FileContent {
    fn parse(&self, files: &CertificateFiles, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| TlsError::NoCertificate(files.certificate.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
        CertifiedKey::from_der(chain, key, provider).map_err(TlsError::Unusable)
    }
}

/// The certificate of new connections.
struct CurrentCertificate {
    provider: Arc<CryptoProvider>,
    current: RwLock<(FileContent, Arc<CertifiedKey>)>,
}

impl CurrentCertificate {
    fn is(&self, content: &FileContent) -> bool {
        self.current.read().unwrap_or_else(PoisonError::into_inner).0 == *content
    }

    fn exchange(&self, content: FileContent, files: &CertificateFiles) -> Result<(), TlsError> {
        let key = content.parse(files, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = (content, Arc::new(key));
        Ok(())
    }
}

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).1))
    }
}

impl std::fmt::Debug for CurrentCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurrentCertificate").finish_non_exhaustive()
    }
}
