//! Shows how full the shared store of idempotency records is, also at replicas that store none at present.

use std::time::Duration;

use redis::Script;
use tokio::time::sleep;

use super::shared_connection::{PREFIX, SharedState};
use crate::telemetry::metrics;

/// How often the use is read: more often than metrics usually are.
const INTERVAL: Duration = Duration::from_secs(5);

impl SharedState {
    /// Reads how much of `capacity` is in use, and shows it as metrics, until the future is dropped.
    pub async fn show_record_usage(self, capacity: usize) {
        let script = Script::new(include_str!("scripts/usage.lua"));
        let keys = [format!("{PREFIX}usage")];
        loop {
            // While the server cannot be reached, the metrics keep their last values.
            if let Ok(used) = self.invoke::<i64>(&script, &keys, &[]).await {
                metrics::set_idempotency_usage(usize::try_from(used).unwrap_or_default(), capacity);
            }
            sleep(INTERVAL).await;
        }
    }
}
