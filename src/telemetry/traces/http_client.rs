//! The HTTP client and the gRPC channel of exports: connections of their own, which no call to Graph uses.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::builderstates::WantsProtocols1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::HttpClient;
use rustls::ClientConfig;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;
use tower::util::MapErr;

use super::error::TracerError;
use crate::tls_error::with_causes;

/// Maximum size of a collector's response, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

type TlsConnector = HttpsConnector<HttpConnector>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the last connection failed, which the exporter's own errors do not say.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectError(Arc<Mutex<Option<String>>>);

impl ConnectError {
    /// Removes it.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn keep(&self, error: &BoxError) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(with_causes(&**error));
    }

    fn kept_from(
        &self,
        connector: TlsConnector,
    ) -> MapErr<TlsConnector, impl FnOnce(BoxError) -> BoxError + Clone + use<>> {
        let kept = self.clone();
        connector.map_err(move |error| {
            kept.keep(&error);
            error
        })
    }
}

/// Sends exports over HTTP.
pub(super) struct ExportClient<C>(Client<C, Full<Bytes>>);

/// A client whose failed connections are kept in `errors`.
pub(super) fn client(
    tls: ClientConfig,
    errors: &ConnectError,
) -> ExportClient<impl Connect + Clone + Send + Sync + 'static> {
    let connector = connector(tls).enable_http1().enable_http2().wrap_connector(tcp());
    ExportClient(Client::builder(TokioExecutor::new()).build(errors.kept_from(connector)))
}

/// The channel of exports by gRPC. It connects when it is used. Failed connections are kept in `errors`.
///
/// # Errors
///
/// If the endpoint is not usable.
pub(super) fn channel(
    endpoint: String,
    tls: ClientConfig,
    errors: &ConnectError,
) -> Result<Channel, TracerError> {
    let endpoint = Endpoint::from_shared(endpoint)?;
    let connector = connector(tls).enable_http2().wrap_connector(tcp());
    Ok(endpoint.connect_with_connector_lazy(errors.kept_from(connector)))
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp
}

fn connector(tls: ClientConfig) -> HttpsConnectorBuilder<WantsProtocols1> {
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http()
}

#[async_trait]
impl<C: Connect + Clone + Send + Sync + 'static> HttpClient for ExportClient<C> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, BoxError> {
        let mut request = request.map(Full::new);
        // No library logs them then.
        request.headers_mut().values_mut().for_each(|value| value.set_sensitive(true));
        let response = self.0.request(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_RESPONSE).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl<C> fmt::Debug for ExportClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportClient")
    }
}
