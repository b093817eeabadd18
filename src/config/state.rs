//! Where idempotency keys are stored.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{positive, retention};

/// Where idempotency keys are stored, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Idempotency keys")]
pub struct StateConfig {
    /// File that stores idempotency keys, created if missing. Each gateway needs its own. Without it, keys
    /// are stored in memory and lost when the gateway stops.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_FILE", value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// How long an idempotency key is stored after its last write.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_RETENTION", value_name = "DURATION", default_value = "24h", value_parser = retention)]
    pub state_retention: Duration,
    /// Maximum number of writes whose keys are stored; one tenant may use a quarter. Beyond it, new keys are
    /// rejected. Each item of a bulk call counts until the call ends, and afterwards only if it may have
    /// written something.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_CAPACITY", value_name = "COUNT", default_value_t = 250_000, value_parser = positive)]
    pub state_capacity: usize,
}
