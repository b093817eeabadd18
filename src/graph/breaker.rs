//! The circuit breaker on Graph's origin: while connections fail, they are not tried for every call.
//!
//! Only connect failures open it. Intune responds with 500 to an invalid filter: if that counted,
//! one caller could open the circuit breaker for all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::telemetry::metrics::{self, BreakerState};

/// Consecutive connect failures that open it.
const FAILURES_TO_OPEN: u32 = 5;
/// Time that it stays open at first, doubled after each probe that fails.
const MIN_OPEN: Duration = Duration::from_secs(1);
/// Maximum time that it stays open.
const MAX_OPEN: Duration = Duration::from_secs(30);

/// The breaker. Opening a connection takes a [`CallPermit`], on which the result is reported.
#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug)]
enum State {
    /// Calls are allowed. This many connection attempts have failed since the last success.
    Closed { failures: u32 },
    /// Nothing passes before then.
    Open { until: Instant, open_for: Duration },
    /// One probe is on its way, and decides.
    HalfOpen { open_for: Duration },
}

/// The permit to open a connection.
#[derive(Debug)]
pub(super) struct CallPermit {
    breaker: Arc<Breaker>,
    is_probe: bool,
}

impl Breaker {
    pub(super) fn new() -> Self {
        metrics::set_breaker_state(BreakerState::Closed);
        Self(Mutex::new(State::Closed { failures: 0 }))
    }

    /// Allows a connection attempt, or returns how long to wait.
    pub(super) fn try_acquire(self: &Arc<Self>) -> Result<CallPermit, Duration> {
        let mut state = self.state();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, open_for } => {
                let left = until.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    return Err(left);
                }
                *state = State::HalfOpen { open_for };
                metrics::set_breaker_state(BreakerState::HalfOpen);
                true
            }
            State::HalfOpen { .. } => return Err(MIN_OPEN),
        };
        Ok(CallPermit { breaker: Arc::clone(self), is_probe })
    }

    /// Whether a call without a connection may wait for one, or else how long to back off. Calls do
    /// not wait for a probe.
    pub(super) fn check(&self) -> Result<(), Duration> {
        match *self.state() {
            State::Closed { .. } => Ok(()),
            State::Open { until, .. } => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() { Ok(()) } else { Err(left) }
            }
            State::HalfOpen { .. } => Err(MIN_OPEN),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallPermit {
    /// The connection was established. Responses on it do not predict later connections.
    pub(super) fn connected(self) {
        let mut state = self.breaker.state();
        match *state {
            State::Closed { ref mut failures } => *failures = 0,
            State::HalfOpen { .. } if self.is_probe => {
                info!("Graph can be reached again; the circuit breaker is closed");
                metrics::set_breaker_state(BreakerState::Closed);
                *state = State::Closed { failures: 0 };
            }
            // A connection attempt that started before the circuit breaker opened does not predict
            // later ones.
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    /// No connection was made.
    pub(super) fn failed(self) {
        let mut state = self.breaker.state();
        let open_for = match *state {
            State::Closed { ref mut failures } => {
                *failures += 1;
                if *failures < FAILURES_TO_OPEN {
                    return;
                }
                MIN_OPEN
            }
            State::HalfOpen { open_for } if self.is_probe => (open_for * 2).min(MAX_OPEN),
            State::Open { .. } | State::HalfOpen { .. } => return,
        };
        *state = State::Open { until: Instant::now() + open_for, open_for };
        metrics::set_breaker_state(BreakerState::Open);
        drop(state);
        metrics::breaker_opened();
        warn!(open_for_ms = open_for.as_millis(), "Graph cannot be reached; the circuit breaker is open");
    }
}

/// A dropped probe decides nothing: the next connection attempt is the next probe.
impl Drop for CallPermit {
    fn drop(&mut self) {
        if self.is_probe {
            let mut state = self.breaker.state();
            if let State::HalfOpen { open_for } = *state {
                *state = State::Open { until: Instant::now(), open_for };
                metrics::set_breaker_state(BreakerState::Open);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::{Instant, advance};

    use super::{Breaker, FAILURES_TO_OPEN, MAX_OPEN, MIN_OPEN};

    async fn opened() -> Arc<Breaker> {
        let breaker = Arc::new(Breaker::new());
        for _ in 0..FAILURES_TO_OPEN {
            breaker.try_acquire().unwrap().failed();
        }
        assert_eq!(breaker.try_acquire().unwrap_err(), MIN_OPEN);
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_only() {
        let breaker = Arc::new(Breaker::new());
        for _ in 0..10 {
            for _ in 1..FAILURES_TO_OPEN {
                breaker.try_acquire().unwrap().failed();
            }
            breaker.try_acquire().unwrap().connected();
        }
        opened().await;
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_decides() {
        let breaker = opened().await;
        advance(MIN_OPEN).await;
        let probe = breaker.try_acquire().unwrap();
        assert!(breaker.try_acquire().is_err(), "a second one waits");
        probe.failed();
        assert_eq!(breaker.try_acquire().unwrap_err(), MIN_OPEN * 2);
        advance(MIN_OPEN * 2).await;
        drop(breaker.try_acquire().unwrap());
        breaker.try_acquire().unwrap().connected();
        let (_a, _b) = (breaker.try_acquire().unwrap(), breaker.try_acquire().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn late_answers_of_calls_from_before_decide_nothing() {
        let breaker = Arc::new(Breaker::new());
        let (early, late) = (breaker.try_acquire().unwrap(), breaker.try_acquire().unwrap());
        for _ in 0..FAILURES_TO_OPEN {
            breaker.try_acquire().unwrap().failed();
        }
        early.connected();
        late.failed();
        assert_eq!(breaker.try_acquire().unwrap_err(), MIN_OPEN);
    }

    proptest! {
        /// The circuit breaker never stays open: a call is allowed within the longest open time.
        #[test]
        fn it_never_locks_up(steps in prop::collection::vec((0..4_u8, 0..40_u64), 0..200)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let breaker = Arc::new(Breaker::new());
                let mut under_way = Vec::new();
                for (step, seconds) in steps {
                    match (step, breaker.try_acquire()) {
                        (0, Ok(permit)) => permit.connected(),
                        (1, Ok(permit)) => permit.failed(),
                        (2, Ok(permit)) => under_way.push(permit),
                        (_, Ok(permit)) => drop(permit),
                        (_, Err(wait)) => {
                            prop_assert!(wait <= MAX_OPEN);
                            advance(Duration::from_secs(seconds)).await;
                        }
                    }
                }
                under_way.clear();
                let start = Instant::now();
                while let Err(wait) = breaker.try_acquire() {
                    advance(wait).await;
                    prop_assert!(start.elapsed() <= MAX_OPEN);
                }
                Ok(())
            })?;
        }
    }
}
