//! Requests over TLS and HTTP/2, as the gateway sends them to Graph: for the latency of the sandbox alone.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;

/// Clients that trust the certificate authority in a PEM file. Each has one HTTP/2 connection.
pub(crate) fn clients(ca: &Path, count: usize) -> anyhow::Result<Vec<reqwest::Client>> {
    // An error means that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = std::fs::read(ca).with_context(|| format!("cannot read {}", ca.display()))?;
    let certificate = reqwest::Certificate::from_pem(&pem)?;
    let client = || {
        let builder = reqwest::Client::builder().tls_certs_only([certificate.clone()]).no_proxy();
        Ok(builder.http2_prior_knowledge().build()?)
    };
    (0..count).map(|_| client()).collect()
}

/// One request, which a client sends repeatedly.
pub(crate) struct Direct {
    client: reqwest::Client,
    url: Arc<str>,
    token: Arc<str>,
    body: Bytes,
}

impl Direct {
    pub(crate) fn new(client: reqwest::Client, url: &str, token: &str, body: &[u8]) -> Self {
        Self { client, url: url.into(), token: token.into(), body: Bytes::copy_from_slice(body) }
    }

    /// Sends the request once. Returns the size of the response body; `None` if the response is an error.
    pub(crate) async fn send(&self) -> reqwest::Result<Option<usize>> {
        let request = self.client.post(&*self.url).bearer_auth(&*self.token);
        let response =
            request.header("content-type", "application/json").body(self.body.clone()).send().await?;
        let is_success = response.status().is_success();
        let body = response.bytes().await?;
        Ok(is_success.then_some(body.len()))
    }
}
