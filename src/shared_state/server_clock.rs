//! The server's clock, by which it decides whether a command arrives too late.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};
use tokio::time::Instant;

/// Tolerated difference between the server's clock and the time that was expected from it.
const TOLERANCE: Duration = Duration::from_millis(500);

/// The server's time in milliseconds since 1970, as it was at some time here.
#[derive(Clone, Copy)]
pub(super) struct ServerClock {
    milliseconds: u64,
    read_at: Instant,
}

impl ServerClock {
    pub(super) async fn read(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        let read_at = Instant::now();
        let (seconds, microseconds): (u64, u64) = cmd("TIME").query_async(connection).await?;
        Ok(Self { milliseconds: seconds.saturating_mul(1000).saturating_add(microseconds / 1000), read_at })
    }

    /// The server's time after `wait` from now, at the latest.
    pub(super) fn after(&self, wait: Duration) -> u64 {
        let ahead = self.read_at.elapsed() + wait + TOLERANCE;
        self.milliseconds.saturating_add(u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX))
    }
}
