//! `healthcheck`: asks a running gateway or sandbox whether it is ready, for images that hold no other HTTP client.

use anyhow::{Context as _, bail};

use crate::config::HealthcheckConfig;

/// Succeeds when the answer is 200.
pub(super) async fn run(config: &HealthcheckConfig) -> anyhow::Result<()> {
    let url =
        if config.url.contains("://") { config.url.clone() } else { format!("http://{}/readyz", config.url) };
    crate::graph::install_tls_provider();
    // Whoever is asked is on this machine or in this network, which no proxy is part of.
    let client = reqwest::Client::builder().no_proxy().timeout(config.timeout).build()?;
    let response = client.get(&url).send().await.with_context(|| format!("no answer from {url}"))?;
    if !response.status().is_success() {
        bail!("{url} answered {}", response.status());
    }
    Ok(())
}
