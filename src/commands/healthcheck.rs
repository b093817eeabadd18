//! `healthcheck`: checks whether a running gateway is ready, for images without another HTTP
//! client.

use anyhow::{Context as _, bail};
use reqwest::redirect::Policy;
use url::Url;

use crate::config::HealthcheckConfig;
use crate::graph::{install_tls_provider, tls_client_config};
use crate::printable::value_without_credentials;
use crate::tls_error::causes;

/// Succeeds if the response is 200. An address, or a URL without a path, means the admin listener's `/readyz`.
pub(super) async fn run(config: &HealthcheckConfig) -> anyhow::Result<()> {
    let url = if config.url.contains("://") { config.url.clone() } else { format!("http://{}", config.url) };
    let mut url = Url::parse(&url)
        .with_context(|| format!("--url: {} is not a URL", value_without_credentials(&url)))?;
    if url.path() == "/" {
        url.set_path("/readyz");
    }
    // What was parsed as a path may have been meant as a user and a password.
    let shown = value_without_credentials(if config.url.contains('@') { &config.url } else { url.as_str() });
    install_tls_provider();
    // The gateway is on this machine or in this network, without a proxy in between. A redirect is not readiness.
    let mut client = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(config.timeout);
    if let Some(ca) = &config.ca {
        let tls = tls_client_config(Some(ca)).context("--ca")?;
        client = client.tls_backend_preconfigured(tls);
    }
    let client = client.build()?;
    let response = match client.get(url).send().await {
        Ok(response) => response,
        Err(error) => {
            let error = error.without_url();
            bail!("no response from {shown}: {error}: {}", causes(&error));
        }
    };
    if !response.status().is_success() {
        bail!("{shown} returned {}", response.status());
    }
    Ok(())
}
