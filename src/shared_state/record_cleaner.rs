//! Removes expired idempotency records, and finds out whether the server accepts changes, also while no call has a key.

use std::time::Duration;

use redis::Script;
use tokio::time::sleep;

use super::shared_connection::{PREFIX, SharedState};
use crate::telemetry::metrics;

/// How often the server is looked at.
const INTERVAL: Duration = Duration::from_secs(5);
/// Maximum number of records that one script removes, during which the server does nothing else: some milliseconds.
const MAX_REMOVED: i64 = 500;
/// Delay before the next script if there are more.
const NEXT_DELAY: Duration = Duration::from_millis(50);

impl SharedState {
    /// Removes expired records, and shows how much of `capacity` is in use, until the future is dropped.
    pub async fn clean_records(self, capacity: usize) {
        let script =
            Script::new(concat!(include_str!("scripts/records.lua"), include_str!("scripts/clean.lua")));
        let keys = [format!("{PREFIX}expiries"), format!("{PREFIX}usage")];
        let (prefix, max_removed) = (format!("{PREFIX}record:"), MAX_REMOVED.to_string());
        loop {
            let cleaned: Result<(i64, i64), _> =
                self.invoke(&script, &keys, &[prefix.as_bytes(), max_removed.as_bytes()]).await;
            self.note_change(&cleaned);
            let delay = match cleaned {
                Ok((expired, used)) => {
                    metrics::set_idempotency_usage(usize::try_from(used).unwrap_or_default(), capacity);
                    if expired < MAX_REMOVED { INTERVAL } else { NEXT_DELAY }
                }
                // The metrics keep their last values.
                Err(_) => INTERVAL,
            };
            sleep(delay).await;
        }
    }
}
