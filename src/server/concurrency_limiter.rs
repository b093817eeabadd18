//! Limits the requests in flight, the requests that wait for one of those to end, and the share of both that one caller may
//! use. Requests beyond a limit are rejected at once. Subscriptions have a limiter of their own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::graph::Authorization;
use crate::memory::MemoryShare;
use crate::telemetry::metrics::{self, Overloaded};

/// Limits of the requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrencyLimits {
    /// Maximum number of requests in flight.
    pub max_concurrent_requests: usize,
    /// Maximum number of requests that wait for one of those to end.
    pub max_queued_requests: usize,
    /// Share of each limit that one caller may use, in percent. Requests without a token count as one caller.
    pub max_caller_share: usize,
}

/// Grants permits to requests.
pub(super) struct ConcurrencyLimiter {
    in_flight: Arc<Semaphore>,
    /// Permits of the requests in flight and of those that wait.
    in_flight_or_queued: Arc<Semaphore>,
    /// Limit of one caller's requests, those that wait included.
    per_caller_limit: usize,
    /// Limit of one caller's requests in flight.
    per_caller_in_flight: usize,
    gauge: fn() -> metrics::GaugeGuard,
    requests_by_caller: Arc<RequestsByCaller>,
}

/// The requests of each caller. Callers without requests have no entry.
type RequestsByCaller = Mutex<HashMap<CallerId, CallerRequests>>;

/// A caller: the keyed hash of the token. Requests without a token have one in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CallerId([u8; 32]);

/// Distinguishes callers without storing their tokens.
pub(super) struct CallerIds(hmac::Key);

impl CallerIds {
    /// # Panics
    ///
    /// If the system provides no random numbers.
    pub(super) fn new() -> Self {
        Self(hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("random numbers"))
    }

    /// The caller with this token.
    pub(super) fn of(&self, token: Option<&Authorization>) -> CallerId {
        CallerId(token.map_or([0; 32], |token| token.keyed_hash(&self.0)))
    }
}

impl CallerId {
    /// The caller's part of the memory budgets.
    pub(super) fn memory_share(self) -> MemoryShare {
        MemoryShare::of_hash(&self.0)
    }
}

struct CallerRequests {
    /// Number of requests in flight and of those that wait.
    count: usize,
    in_flight: Arc<Semaphore>,
}

/// Permission to execute a request; returned when it is dropped.
pub(super) struct Permit {
    _in_flight_or_queued: OwnedSemaphorePermit,
    _in_flight: OwnedSemaphorePermit,
    _in_flight_of_caller: OwnedSemaphorePermit,
    _gauge: metrics::GaugeGuard,
    _caller: CallerPermit,
}

/// One request of a caller's share; returned when it is dropped.
struct CallerPermit {
    requests_by_caller: Arc<RequestsByCaller>,
    caller: CallerId,
}

impl ConcurrencyLimiter {
    /// A limiter whose requests in flight `gauge` counts.
    pub(super) fn new(limits: ConcurrencyLimits, gauge: fn() -> metrics::GaugeGuard) -> Self {
        let ConcurrencyLimits { max_concurrent_requests, max_queued_requests, max_caller_share } = limits;
        let max_requests =
            max_concurrent_requests.saturating_add(max_queued_requests).min(Semaphore::MAX_PERMITS);
        Self {
            in_flight: Arc::new(Semaphore::new(max_concurrent_requests.min(Semaphore::MAX_PERMITS))),
            in_flight_or_queued: Arc::new(Semaphore::new(max_requests)),
            per_caller_limit: (max_requests.saturating_mul(max_caller_share) / 100).max(1),
            per_caller_in_flight: (max_concurrent_requests
                .min(max_requests)
                .saturating_mul(max_caller_share)
                / 100)
                .max(1),
            gauge,
            requests_by_caller: Arc::default(),
        }
    }

    /// Acquires a permit for a request of `caller`, and waits for it until `deadline` if the queue has room.
    ///
    /// # Errors
    ///
    /// The limit that was reached, which is also counted in the metrics.
    pub(super) async fn acquire(&self, caller: CallerId, deadline: Instant) -> Result<Permit, Overloaded> {
        let reject = |reason| {
            metrics::refused(reason);
            reason
        };
        let (caller, in_flight_of_caller) =
            self.try_acquire_for(caller).ok_or_else(|| reject(Overloaded::CallerShare))?;
        let in_flight_or_queued = Arc::clone(&self.in_flight_or_queued)
            .try_acquire_owned()
            .map_err(|_| reject(Overloaded::Full))?;
        let queued = metrics::queued();
        // The caller's own limit first, so that a caller who has reached it takes no permit from others.
        let in_flight = async {
            let of_caller = in_flight_of_caller.acquire_owned().await?;
            Ok::<_, AcquireError>((of_caller, Arc::clone(&self.in_flight).acquire_owned().await?))
        };
        let in_flight = tokio::time::timeout_at(deadline, in_flight).await;
        drop(queued);
        match in_flight {
            Ok(Ok((of_caller, in_flight))) => Ok(Permit {
                _in_flight_or_queued: in_flight_or_queued,
                _in_flight: in_flight,
                _in_flight_of_caller: of_caller,
                _gauge: (self.gauge)(),
                _caller: caller,
            }),
            Ok(Err(_)) | Err(_) => Err(reject(Overloaded::WaitedTooLong)),
        }
    }

    fn try_acquire_for(&self, caller: CallerId) -> Option<(CallerPermit, Arc<Semaphore>)> {
        let mut requests_by_caller = self.requests_by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = requests_by_caller.entry(caller).or_insert_with(|| CallerRequests {
            count: 0,
            in_flight: Arc::new(Semaphore::new(self.per_caller_in_flight)),
        });
        if requests.count >= self.per_caller_limit {
            return None;
        }
        requests.count += 1;
        let in_flight = Arc::clone(&requests.in_flight);
        drop(requests_by_caller);
        Some((CallerPermit { requests_by_caller: Arc::clone(&self.requests_by_caller), caller }, in_flight))
    }
}

impl Drop for CallerPermit {
    fn drop(&mut self) {
        let mut requests_by_caller = self.requests_by_caller.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = requests_by_caller.get_mut(&self.caller) {
            requests.count -= 1;
            if requests.count == 0 {
                requests_by_caller.remove(&self.caller);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use http::HeaderValue;
    use tokio::time::Instant;

    use super::{Authorization, CallerId, CallerIds, ConcurrencyLimiter, ConcurrencyLimits, Overloaded};
    use crate::telemetry::metrics;

    fn of(token: &'static str) -> CallerId {
        static IDS: std::sync::LazyLock<CallerIds> = std::sync::LazyLock::new(CallerIds::new);
        IDS.of(Some(&Authorization::parse(&HeaderValue::from_static(token)).unwrap()))
    }

    fn limiter(concurrent: usize, queued: usize, share: usize) -> ConcurrencyLimiter {
        let limits = ConcurrencyLimits {
            max_concurrent_requests: concurrent,
            max_queued_requests: queued,
            max_caller_share: share,
        };
        ConcurrencyLimiter::new(limits, metrics::in_flight)
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_in_flight_some_wait_and_the_rest_is_refused_at_once() {
        let limiter = limiter(2, 1, 100);
        let deadline = Instant::now() + Duration::from_secs(5);
        let acquire = || limiter.acquire(of("Bearer none"), deadline);
        let (first, _second) = (acquire().await.unwrap(), acquire().await.unwrap());
        let waiting = tokio::spawn({
            let turn = std::sync::Arc::clone(&limiter.in_flight);
            async move { turn.acquire_owned().await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
        let _third = acquire().await.unwrap();
        // Two in flight; a third waits until its deadline, and a fourth has no room to wait.
        let start = Instant::now();
        let mut waits = std::pin::pin!(acquire());
        assert!(futures_util::poll!(&mut waits).is_pending());
        let another = of("Bearer a");
        let refused = limiter.acquire(another, deadline).now_or_never().expect("it is refused at once");
        assert_eq!(refused.err(), Some(Overloaded::Full));
        assert_eq!(waits.await.err(), Some(Overloaded::WaitedTooLong));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn one_token_has_its_share_and_no_more() {
        let limiter = limiter(8, 0, 25);
        let deadline = Instant::now() + Duration::from_secs(5);
        let (a, b) = (of("Bearer a"), of("Bearer b"));
        let first = limiter.acquire(a, deadline).await.unwrap();
        let _second = limiter.acquire(a, deadline).await.unwrap();
        for refused in [a, of("bearer a"), of("BEARER   a")] {
            assert_eq!(limiter.acquire(refused, deadline).await.err(), Some(Overloaded::CallerShare));
        }
        let _other = limiter.acquire(b, deadline).await.unwrap();
        drop(first);
        let again = limiter.acquire(a, deadline).await.unwrap();
        assert_eq!(
            limiter.requests_by_caller.lock().unwrap().len(),
            2,
            "known only while they have requests"
        );
        drop(again);
    }

    #[tokio::test]
    async fn the_queue_gives_one_caller_no_further_place_in_flight() {
        let limiter = limiter(4, 100, 50);
        let deadline = Instant::now() + Duration::from_secs(5);
        let (a, b) = (of("Bearer a"), of("Bearer b"));
        let first = limiter.acquire(a, deadline).await.unwrap();
        let _second = limiter.acquire(a, deadline).await.unwrap();
        let mut third = std::pin::pin!(limiter.acquire(a, deadline));
        assert!(futures_util::poll!(&mut third).is_pending());
        let _other = limiter.acquire(b, deadline).await.unwrap();
        let _other = limiter.acquire(b, deadline).await.unwrap();
        drop(first);
        third.await.unwrap();
    }
}
