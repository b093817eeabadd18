//! Where idempotency keys are stored.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;

use super::values::{positive, retention};

/// The variable with the password of the shared state. It has no flag, because it is a secret.
pub(super) const PASSWORD_VARIABLE: &str = "INTUNE_GRAPHQL_STATE_PASSWORD";

/// Where idempotency keys are stored, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Idempotency keys")]
pub struct StateConfig {
    /// File that stores idempotency keys, created if missing. Each gateway needs its own. Without it, keys
    /// are stored in memory and lost when the gateway stops.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_FILE", value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// Valkey or Redis server that stores idempotency keys instead of a file, for several gateways:
    /// `redis://[USER@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. The gateways also share persisted queries,
    /// events and `Retry-After` through it. The password is not part of the URL: set the variable
    /// `INTUNE_GRAPHQL_STATE_PASSWORD` or `--state-password-file`.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_URL", value_name = "URL")]
    pub state_url: Option<String>,
    /// File with the password of that server. The variable `INTUNE_GRAPHQL_STATE_PASSWORD` can be set instead.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_PASSWORD_FILE", value_name = "FILE")]
    pub state_password_file: Option<PathBuf>,
    /// PEM file with certificate authorities to trust in addition to the system's, for a `rediss://` URL.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_CA", value_name = "FILE")]
    pub state_ca: Option<PathBuf>,
    /// How long an idempotency key is stored after its last write.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_RETENTION", value_name = "DURATION", default_value = "24h", value_parser = retention)]
    pub state_retention: Duration,
    /// Maximum number of writes whose keys are stored; one tenant may use a quarter. Beyond it, new keys are
    /// rejected. Each item of a bulk call counts until the call ends, and afterwards only if it may have
    /// written something. All replicas with one server need the same number.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_CAPACITY", value_name = "COUNT", default_value_t = 250_000, value_parser = positive)]
    pub state_capacity: usize,
    /// The password of the server, from `INTUNE_GRAPHQL_STATE_PASSWORD`.
    #[arg(skip)]
    pub state_password: Option<SecretString>,
}

impl StateConfig {
    /// Takes the password from the environment.
    pub(super) fn read_password(&mut self) {
        let value = std::env::var(PASSWORD_VARIABLE).ok().filter(|value| !value.is_empty());
        self.state_password = value.map(SecretString::from);
    }
}
