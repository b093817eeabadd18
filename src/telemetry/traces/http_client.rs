//! The HTTP client and the gRPC channel of exports: connections of their own, which no call to Graph uses.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::builderstates::WantsProtocols1;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::HttpClient;
use rustls::ClientConfig;
use tonic::transport::{Channel, Endpoint};

use super::error::TracerError;

/// Maximum size of a collector's response, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends exports over HTTP.
pub(super) struct ExportClient(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl ExportClient {
    pub(super) fn new(tls: ClientConfig) -> Self {
        let connector = connector(tls).enable_http1().enable_http2().wrap_connector(tcp());
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }
}

/// The channel of exports by gRPC. It connects when it is used.
///
/// # Errors
///
/// If the endpoint is not usable.
pub(super) fn channel(endpoint: String, tls: ClientConfig) -> Result<Channel, TracerError> {
    let endpoint = Endpoint::from_shared(endpoint)?;
    Ok(endpoint.connect_with_connector_lazy(connector(tls).enable_http2().wrap_connector(tcp())))
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
impl HttpClient for ExportClient {
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

impl fmt::Debug for ExportClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExportClient")
    }
}
