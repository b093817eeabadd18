//! Budgets for the reads that subscription events cause. Limits on requests do not cover them,
//! since one write causes as many events as there are subscribers, and each may read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::telemetry::metrics;

/// Capacity of a bucket, in seconds' worth of reads.
const SAVED_UP: u32 = 10;

/// Maximum reads per second that subscription events may cause, with a burst of ten seconds' worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadRates {
    /// For one subscription; at least 1.
    pub subscriber: usize,
    /// For all subscriptions together, authorization checks included; at least 1.
    pub process: usize,
}

/// The process' budget for reads of live updates. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct ReadBudget {
    process: Arc<Bucket>,
    subscriber: usize,
}

impl ReadBudget {
    /// A full budget.
    #[must_use]
    pub fn new(rates: ReadRates) -> Self {
        Self { process: Arc::new(Bucket::new(rates.process)), subscriber: rates.subscriber }
    }

    /// The share of one more subscription.
    #[must_use]
    pub fn subscriber(&self) -> ReadAllowance {
        ReadAllowance { own: Arc::new(Bucket::new(self.subscriber)), process: Arc::clone(&self.process) }
    }

    /// Waits for a turn, in the order of the calls. Waiting calls have precedence over reads that
    /// do not wait.
    pub async fn turn(&self) {
        let turn = self.process.reserve();
        tokio::time::sleep_until(turn).await;
    }
}

/// The reads that one subscription may use. Cheap to clone; clones share the budget.
#[derive(Debug, Clone)]
pub struct ReadAllowance {
    own: Arc<Bucket>,
    process: Arc<Bucket>,
}

impl ReadAllowance {
    /// Takes one read.
    ///
    /// # Errors
    ///
    /// The time until a read is available, if none is.
    pub(super) fn take(&self) -> Result<(), Duration> {
        let taken = self.own.take().and_then(|()| self.process.take().inspect_err(|_| self.own.give_back()));
        taken.inspect_err(|_| metrics::subscription_read_refused())
    }
}

/// A token bucket, as the time at which it will be full ("GCRA").
#[derive(Debug)]
struct Bucket {
    /// Between two tokens.
    interval: Duration,
    /// Time in which an empty bucket fills up.
    capacity: Duration,
    full_at: Mutex<Instant>,
}

impl Bucket {
    /// A full bucket for this many reads per second.
    fn new(rate: usize) -> Self {
        let interval = Duration::from_secs(1) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX);
        let capacity = Duration::from_secs(1) * SAVED_UP;
        Self { interval, capacity: capacity.max(interval), full_at: Mutex::new(Instant::now()) }
    }

    fn take(&self) -> Result<(), Duration> {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = (*full_at).max(now) + self.interval;
        match (next - now).checked_sub(self.capacity).filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(wait),
            None => {
                *full_at = next;
                Ok(())
            }
        }
    }

    /// Takes a token that may not be there yet: at the time returned it is.
    fn reserve(&self) -> Instant {
        let now = Instant::now();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = (*full_at).max(now) + self.interval;
        now + (*full_at - now).saturating_sub(self.capacity)
    }

    fn give_back(&self) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = full_at.checked_sub(self.interval).unwrap_or(*full_at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, advance};

    use super::{ReadAllowance, ReadBudget, ReadRates};

    fn taken(allowance: &ReadAllowance) -> usize {
        std::iter::from_fn(|| allowance.take().ok()).take(10_000).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_subscriber_has_its_rate_and_all_together_have_theirs() {
        let budget = ReadBudget::new(ReadRates { subscriber: 2, process: 5 });
        let (one, two, three) = (budget.subscriber(), budget.subscriber(), budget.subscriber());
        assert_eq!(taken(&one), 20);
        assert_eq!(one.take(), Err(Duration::from_millis(500)));
        assert_eq!((taken(&two), taken(&three)), (20, 10));
        assert_eq!(three.take(), Err(Duration::from_millis(200)));
        advance(Duration::from_secs(1)).await;
        // A read that the process limit rejects is not charged to the subscription.
        assert_eq!((taken(&one), taken(&three), taken(&two)), (2, 3, 0));
        advance(Duration::from_secs(100)).await;
        assert_eq!((taken(&three), taken(&one), taken(&two)), (20, 20, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_served_at_the_rate_and_before_who_does_not() {
        let budget = ReadBudget::new(ReadRates { subscriber: 1000, process: 5 });
        let begun = Instant::now();
        for _ in 0..50 {
            budget.turn().await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
        let turns = futures_util::future::join_all((0..10).map(|_| budget.turn()));
        let reads = async {
            let allowance = budget.subscriber();
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(allowance.take().is_err());
        };
        tokio::join!(turns, reads);
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }
}
