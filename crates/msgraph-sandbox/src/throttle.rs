//! Throttling: the published limits of Intune applications, in windows of 20 s (Microsoft Graph: "Microsoft Graph
//! service-specific throttling limits").

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::auth::Caller;

/// Length of a window, on the sandbox's clock.
const WINDOW: Duration = Duration::from_secs(20);

/// Writes of one app in one tenant, per window.
const APP_WRITES: u64 = 100;
/// Writes of all apps in a tenant, per window.
const TENANT_WRITES: u64 = 200;
/// Requests of one app in one tenant, per window.
const APP_REQUESTS: u64 = 1000;
/// Requests of all apps in a tenant, per window.
const TENANT_REQUESTS: u64 = 2000;

/// Minimum clock rate, because a clock that does not advance would make waits infinite.
const MIN_CLOCK_RATE: f64 = 0.001;

/// The throttling windows and their clock.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Clock,
    windows: Mutex<HashMap<Bucket, Window>>,
}

/// The requests that a window counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Bucket {
    tenant: &'static str,
    /// All apps if `None`.
    app: Option<&'static str>,
    writes_only: bool,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    /// On the sandbox's clock.
    start: Duration,
    requests: u64,
}

/// A clock that can run faster than the wall clock and that tests can advance.
#[derive(Debug)]
struct Clock {
    started: Instant,
    /// Times the speed of the wall clock.
    rate: f64,
    offset: Mutex<Duration>,
}

impl Throttle {
    /// `clock_rate`: how many times faster than the wall clock the windows pass; above 0.
    pub(crate) fn new(clock_rate: f64) -> Self {
        let clock =
            Clock { started: Instant::now(), rate: clock_rate.max(MIN_CLOCK_RATE), offset: Mutex::default() };
        Self { clock, windows: Mutex::default() }
    }

    /// Counts a request, including a throttled one.
    ///
    /// # Errors
    ///
    /// The `Retry-After` of a throttled request in seconds of wall-clock time, rounded up and at least 1.
    pub(crate) fn check(&self, caller: &Caller, is_write: bool) -> Result<(), u64> {
        let now = self.clock.now();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = buckets(caller)
            .into_iter()
            .filter(|(bucket, _)| is_write || !bucket.writes_only)
            .filter_map(|(bucket, limit)| {
                let window = windows.entry(bucket).or_insert(Window { start: now, requests: 0 });
                if now.saturating_sub(window.start) >= WINDOW {
                    *window = Window { start: now, requests: 0 };
                }
                window.requests += 1;
                (window.requests > limit).then(|| window.start.saturating_add(WINDOW).saturating_sub(now))
            })
            .max();
        match wait {
            None => Ok(()),
            Some(wait) => Err(self.clock.wall_seconds(wait)),
        }
    }

    /// Advances the clock.
    pub(crate) fn advance(&self, by: Duration) {
        let mut offset = self.clock.offset.lock().unwrap_or_else(PoisonError::into_inner);
        *offset = offset.saturating_add(by);
    }

    pub(crate) fn reset(&self) {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn buckets(caller: &Caller) -> [(Bucket, u64); 4] {
    let Caller { tenant, app, .. } = *caller;
    [
        (Bucket { tenant, app: Some(app), writes_only: true }, APP_WRITES),
        (Bucket { tenant, app: None, writes_only: true }, TENANT_WRITES),
        (Bucket { tenant, app: Some(app), writes_only: false }, APP_REQUESTS),
        (Bucket { tenant, app: None, writes_only: false }, TENANT_REQUESTS),
    ]
}

impl Clock {
    fn now(&self) -> Duration {
        let offset = *self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        self.started.elapsed().mul_f64(self.rate).saturating_add(offset)
    }

    fn wall_seconds(&self, wait: Duration) -> u64 {
        let wall = wait.div_f64(self.rate);
        (wall.as_secs() + u64::from(wall.subsec_nanos() > 0)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Throttle;
    use crate::auth::Caller;

    /// Number of requests that pass, and the first `Retry-After`.
    fn passes(throttle: &Throttle, caller: &Caller, is_write: bool, requests: usize) -> (usize, Option<u64>) {
        let results: Vec<_> = (0..requests).map(|_| throttle.check(caller, is_write)).collect();
        let first_refusal = results.iter().find_map(|result| result.err());
        (results.iter().filter(|result| result.is_ok()).count(), first_refusal)
    }

    const OTHER_APP: Caller = Caller { app: "other", ..Caller::DEFAULT };
    const THIRD_APP: Caller = Caller { app: "third", ..Caller::DEFAULT };

    #[test]
    fn each_of_the_four_windows_limits_requests() {
        let throttle = Throttle::new(1.0);
        assert_eq!(passes(&throttle, &Caller::DEFAULT, true, 150).0, 100);
        // Throttled requests count toward the tenant's window, too.
        assert_eq!(passes(&throttle, &OTHER_APP, true, 100).0, 50);
        let throttle = Throttle::new(1.0);
        assert_eq!(passes(&throttle, &Caller::DEFAULT, false, 1100).0, 1000);
        assert_eq!(passes(&throttle, &OTHER_APP, false, 1000).0, 900);
        assert_eq!(passes(&throttle, &THIRD_APP, false, 1).0, 0);
        assert_eq!(passes(&throttle, &Caller { tenant: "other", ..THIRD_APP }, false, 1).0, 1);
    }

    #[test]
    fn retry_after_is_the_rest_of_the_window() {
        let throttle = Throttle::new(1.0);
        assert_eq!(passes(&throttle, &Caller::DEFAULT, true, 101), (100, Some(20)));
        throttle.advance(Duration::from_millis(19_500));
        assert_eq!(passes(&throttle, &Caller::DEFAULT, true, 1), (0, Some(1)));
        throttle.advance(Duration::from_millis(500));
        assert_eq!(passes(&throttle, &Caller::DEFAULT, true, 101).0, 100);
        throttle.reset();
        assert_eq!(passes(&throttle, &Caller::DEFAULT, true, 1).0, 1);
    }

    #[test]
    fn a_fast_clock_shortens_retry_after() {
        let throttle = Throttle::new(10.0);
        assert_eq!(passes(&throttle, &Caller::DEFAULT, true, 101), (100, Some(2)));
    }
}
