//! Starts a sandbox from the command line, and checks a running one.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpListener;

use crate::certificate::TestCertificate;
use crate::options::Options;
use crate::settings::{Settings, Tls};
use crate::{Sandbox, run, tls};

/// Timeout of each read and write of a health check.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(3);

/// Binds the listener, passes the line `sandbox listening on http://ADDR/beta` to `announce`, and serves until `shutdown`
/// completes.
///
/// # Errors
///
/// If the address is in use, or a certificate cannot be generated, read or written. The message names the setting.
pub async fn start(
    options: Options,
    announce: impl FnOnce(&str) -> io::Result<()>,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let address = options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| context(&error, &format!("--listen: cannot listen on {address}")))?;
    let authority = options.tls_ca_out.clone();
    let mut settings = Settings::from(options);
    if let Some(file) = authority {
        let certificate = TestCertificate::generate()
            .map_err(|error| context(&error, "--tls-ca-out: cannot generate a certificate"))?;
        std::fs::write(&file, certificate.authority_pem())
            .map_err(|error| context(&error, &format!("--tls-ca-out: cannot write {}", file.display())))?;
        settings.tls = Some(Tls::Generated(certificate));
    }
    // Nothing is announced with a certificate that cannot be used.
    tls::acceptor(&settings)?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    announce(&format!("sandbox listening on {scheme}://{}/beta", listener.local_addr()?))?;
    run(listener, Sandbox::new(settings), shutdown).await
}

fn context(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

/// Requests `/_sandbox/health` from a sandbox on plain HTTP.
///
/// # Errors
///
/// If it does not respond with 200 within three seconds.
pub fn is_healthy(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, HEALTHCHECK_TIMEOUT)?;
    stream.set_read_timeout(Some(HEALTHCHECK_TIMEOUT))?;
    stream.set_write_timeout(Some(HEALTHCHECK_TIMEOUT))?;
    write!(stream, "GET /_sandbox/health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut status_line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut status_line)?;
    if &status_line != b"HTTP/1.1 200" {
        return Err(io::Error::other("the response is not 200"));
    }
    Ok(())
}
