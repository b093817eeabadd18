//! Opens connections to the service root's origin: name resolution, TCP, a tunnel through a proxy, TLS.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::sync::Notify;
use tower::{Service, ServiceExt as _};

use super::root::ServiceRoot;
use super::tls::{TlsError, install_tls_provider, tls_client_config};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Https<C> = HttpsConnector<C>;
type Direct = Https<HttpConnector>;
/// Through a proxy, which may itself use TLS.
type Proxied = Https<Tunnel<Direct>>;

/// Idle time before TCP keep-alive probes. Middleboxes drop idle connections silently.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Why no client could be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The system's random number generator failed.
    #[error("the system provides no random numbers")]
    NoRandomness,
    /// The service root's origin forms no address.
    #[error("the service root's origin is not usable")]
    Origin(#[source] http::uri::InvalidUri),
    /// The service root has no host.
    #[error("the service root has no host")]
    NoHost,
    /// The trusted certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The proxy of an environment variable cannot be used. Its value may have a password.
    #[error("{0}: not a proxy; it must be http:// or https:// with a host and an optional port")]
    Proxy(&'static str),
}

/// The proxy to an origin. One that cannot be used is not ignored: calls would leave the network by another way.
fn proxy(origin: &Uri) -> Result<Option<Intercept>, ClientError> {
    let names = match origin.scheme_str() {
        Some("https") => ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
    };
    for name in names {
        let value = std::env::var(name).unwrap_or_default();
        let proxy = Matcher::builder().all(value.as_str()).build().intercept(origin);
        if !value.is_empty()
            && !proxy.is_some_and(|proxy| matches!(proxy.uri().scheme_str(), Some("http" | "https")))
        {
            return Err(ClientError::Proxy(name));
        }
    }
    Ok(Matcher::from_env().intercept(origin))
}

/// Opens connections to one origin.
pub(super) struct Connector {
    origin: Uri,
    /// The origin as the `Host` header has it.
    host: HeaderValue,
    route: Route,
}

enum Route {
    Direct(Direct),
    Proxied(Box<Proxied>),
}

impl Connector {
    /// A connector to the origin of `root`. The variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` apply,
    /// except towards loopback: a proxy would be a second host to see the token there, and could not reach this machine.
    ///
    /// # Errors
    ///
    /// If the certificate authorities or the proxy cannot be used.
    pub(super) fn new(root: &ServiceRoot, ca: Option<&Path>) -> Result<Self, ClientError> {
        install_tls_provider();
        let origin: Uri = root.url().origin().ascii_serialization().parse().map_err(ClientError::Origin)?;
        let host = origin.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
        let Some(Ok(host)) = host else { return Err(ClientError::NoHost) };
        let tls = tls_client_config(ca)?;
        let direct = |tls, http| {
            HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_or_http()
                .enable_http1()
                .enable_http2()
                .wrap_connector(http)
        };
        let proxy = if root.is_loopback() { None } else { proxy(&origin)? };
        let route = match proxy {
            None => Route::Direct(direct(tls, tcp())),
            Some(proxy) => {
                // The proxy is used with HTTP/1.1: CONNECT, and then TLS to the origin inside.
                let to_proxy = HttpsConnectorBuilder::new()
                    .with_tls_config(tls.clone())
                    .https_or_http()
                    .enable_http1()
                    .wrap_connector(tcp());
                let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
                if let Some(credentials) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(credentials.clone());
                }
                let proxied = HttpsConnectorBuilder::new()
                    .with_tls_config(tls)
                    .https_or_http()
                    .enable_http1()
                    .enable_http2()
                    .wrap_connector(tunnel);
                Route::Proxied(Box::new(proxied))
            }
        };
        Ok(Self { origin, host, route })
    }

    /// The origin, as in `https://graph.microsoft.com`.
    pub(super) fn origin(&self) -> &Uri {
        &self.origin
    }

    /// The `Host` header.
    pub(super) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Opens a connection, TLS included.
    ///
    /// # Errors
    ///
    /// An error before the connection was established. Nothing of a request was sent.
    pub(super) async fn connect(&self) -> Result<Stream, BoxError> {
        match &self.route {
            Route::Direct(connector) => open(connector.clone(), self.origin.clone()).await,
            Route::Proxied(connector) => open((**connector).clone(), self.origin.clone()).await,
        }
    }
}

async fn open<C>(connector: C, origin: Uri) -> Result<Stream, BoxError>
where
    C: Service<Uri, Error = BoxError>,
    C::Response: Io + Connection + 'static,
{
    let io = connector.oneshot(origin).await?;
    let is_http2 = io.connected().is_negotiated_h2();
    let readable = Arc::new(FirstRead::default());
    Ok(Stream {
        is_http2,
        first_read: Arc::clone(&readable),
        io: WatchedIo { io: Box::new(io), first_read: readable },
    })
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(TCP_KEEP_ALIVE));
    tcp
}

/// The transport of HTTP.
pub(super) trait Io: Read + Write + Send + Unpin {}
impl<T: Read + Write + Send + Unpin> Io for T {}

/// An open connection, before any HTTP.
pub(super) struct Stream {
    /// Whether TLS negotiated HTTP/2; HTTP/1.1 otherwise.
    pub(super) is_http2: bool,
    /// Signals that the peer has sent data.
    pub(super) first_read: Arc<FirstRead>,
    pub(super) io: WatchedIo,
}

/// Signals once that the first bytes of the peer were read.
#[derive(Default)]
pub(super) struct FirstRead {
    done: AtomicBool,
    notify: Notify,
}

impl FirstRead {
    /// Resolves when the peer has sent data, or at once if it already has.
    pub(super) async fn wait(&self) {
        let notified = self.notify.notified();
        if !self.done.load(Ordering::Acquire) {
            notified.await;
        }
    }

    fn set(&self) {
        if !self.done.swap(true, Ordering::AcqRel) {
            self.notify.notify_waiters();
        }
    }
}

/// A connection's bytes, watched for the first that the peer sends.
pub(super) struct WatchedIo {
    io: Box<dyn Io>,
    first_read: Arc<FirstRead>,
}

impl Read for WatchedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<std::io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        // The end of the connection counts too: the waiter then finds it closed.
        if read.is_ready() {
            self.first_read.set();
        }
        read
    }
}

impl Write for WatchedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
