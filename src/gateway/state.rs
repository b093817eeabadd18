//! Builds the store of idempotency keys, and the state that replicas share, from their settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;

use crate::config::{GatewayConfig, StateConfig};
use crate::graph::tls_client_config;
use crate::idempotency::{FileStore, IdempotencyService, MemoryStore, Store};
use crate::shared_state::{ConnectionSettings, RecordSettings, RecordStore, ServerAddress, SharedState};

/// How much longer a lease lasts than a call and its last request to Graph can take.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// Checks where the state is stored. Reads no file.
pub(super) fn check(config: &StateConfig) -> anyhow::Result<()> {
    let Some(url) = &config.state_url else {
        anyhow::ensure!(config.state_ca.is_none(), "--state-ca: needs --state-url");
        anyhow::ensure!(config.state_password_file.is_none(), "--state-password-file: needs --state-url");
        anyhow::ensure!(config.state_password.is_none(), "INTUNE_GRAPHQL_STATE_PASSWORD: needs --state-url");
        return Ok(());
    };
    anyhow::ensure!(config.state_file.is_none(), "--state-url: replaces --state-file; set one of them");
    anyhow::ensure!(
        config.state_password.is_none() || config.state_password_file.is_none(),
        "--state-password-file: replaces INTUNE_GRAPHQL_STATE_PASSWORD; set one of them"
    );
    let address = ServerAddress::parse(url).context("--state-url")?;
    anyhow::ensure!(
        !address.has_user() || config.state_password.is_some() || config.state_password_file.is_some(),
        "--state-url: a user needs a password; set the variable INTUNE_GRAPHQL_STATE_PASSWORD or --state-password-file"
    );
    anyhow::ensure!(
        config.state_ca.is_none() || address.is_tls(),
        "--state-ca: needs a rediss:// URL in --state-url"
    );
    Ok(())
}

/// The shared state; `None` without `--state-url`. Nothing is connected yet.
pub(super) fn shared_state(config: &StateConfig) -> anyhow::Result<Option<SharedState>> {
    let Some(url) = &config.state_url else { return Ok(None) };
    let address = ServerAddress::parse(url).context("--state-url")?;
    let password = match &config.state_password_file {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("--state-password-file: cannot read {}", file.display()))?;
            let password = text.trim_end_matches(['\r', '\n']);
            anyhow::ensure!(!password.is_empty(), "--state-password-file: {} is empty", file.display());
            Some(SecretString::from(password))
        }
        None => config.state_password.clone(),
    };
    let tls = match address.is_tls() {
        true => Some(Arc::new(tls_client_config(config.state_ca.as_deref()).context("--state-ca")?)),
        false => None,
    };
    Ok(Some(SharedState::new(ConnectionSettings { address, password, tls })))
}

/// The service with the store that the settings name. Creates the state file if there is none.
pub(super) fn idempotency_service(
    config: &GatewayConfig,
    shared_state: Option<SharedState>,
) -> anyhow::Result<IdempotencyService> {
    let StateConfig { state_file, state_capacity: capacity, state_retention: retention, .. } = &config.state;
    let (capacity, retention) = (*capacity, *retention);
    let store: Arc<dyn Store> = match (shared_state, state_file) {
        (Some(state), _) => {
            let lease = config.request.request_timeout + config.graph.graph_attempt_timeout + LEASE_MARGIN;
            Arc::new(RecordStore::new(state, RecordSettings { lease, retention, capacity }))
        }
        (None, Some(file)) => Arc::new(FileStore::open(file, capacity).context("--state-file")?),
        (None, None) => {
            let store = MemoryStore::new(capacity);
            Arc::new(store.map_err(|_| anyhow::anyhow!("the system provides no random numbers"))?)
        }
    };
    Ok(IdempotencyService::new(store, retention))
}
