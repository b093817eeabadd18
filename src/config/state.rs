//! Where idempotency keys are stored.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{positive, retention};

/// Where idempotency keys are kept, and for how long.
#[derive(Debug, Clone, Args)]
pub struct StateConfig {
    /// File that keeps idempotency keys, made where there is none; each gateway needs one of its own. Without it they are
    /// kept in memory, and forgotten when the gateway ends.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_FILE", value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// How long an idempotency key is known after its last write, as in `24h`.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_RETENTION", value_name = "DURATION", default_value = "24h",
          value_parser = retention)]
    pub state_retention: Duration,
    /// Most writes whose keys are known at once, of which one tenant has a quarter at most; beyond either new keys are refused.
    /// Each item of a bulk call is one write until the call has ended, and then only where it may have done something.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_CAPACITY", value_name = "COUNT", default_value_t = 250_000,
          value_parser = positive)]
    pub state_capacity: usize,
}
