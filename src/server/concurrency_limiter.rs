//! How many requests are taken at a time: so many in flight, some more that wait for their turn, and of both no more than
//! a share for any one token. Past it a request is refused at once, so that those that were taken are served. Streams are
//! taken likewise, and counted apart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::graph::Authorization;
use crate::telemetry::metrics::{self, Overloaded};

/// Limits of the requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrencyLimits {
    /// Maximum number of requests in flight.
    pub max_concurrent_requests: usize,
    /// Maximum number of requests that wait for one of those to end.
    pub max_queued_requests: usize,
    /// Share of both limits that one caller may use, in percent. Requests without a token count as one caller.
    pub max_caller_share: usize,
}

/// Takes requests in.
pub(super) struct Admission {
    in_flight: Arc<Semaphore>,
    /// Room for those in flight and those that wait.
    taken: Arc<Semaphore>,
    most_of_a_token: usize,
    counted: fn() -> metrics::Counted,
    key: hmac::Key,
    by_token: Arc<ByToken>,
}

/// How many requests each token has, by its keyed hash; one that has none is not there.
type ByToken = Mutex<HashMap<[u8; 32], usize>>;

/// A request that was taken, until this is dropped.
pub(super) struct Admitted {
    _taken: OwnedSemaphorePermit,
    _in_flight: OwnedSemaphorePermit,
    _counted: metrics::Counted,
    _of_a_token: OfAToken,
}

struct OfAToken {
    by_token: Arc<ByToken>,
    token: [u8; 32],
}

impl Admission {
    /// # Panics
    ///
    /// Where the machine gives no random numbers.
    pub(super) fn new(limits: ConcurrencyLimits, counted: fn() -> metrics::Counted) -> Self {
        let ConcurrencyLimits { max_concurrent_requests, max_queued_requests, max_caller_share } = limits;
        let most = max_concurrent_requests.saturating_add(max_queued_requests).min(Semaphore::MAX_PERMITS);
        Self {
            in_flight: Arc::new(Semaphore::new(max_concurrent_requests.min(Semaphore::MAX_PERMITS))),
            taken: Arc::new(Semaphore::new(most)),
            most_of_a_token: (most.saturating_mul(max_caller_share) / 100).max(1),
            counted,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("random numbers"),
            by_token: Arc::default(),
        }
    }

    /// Takes a request that comes with `token`, at once or when its turn comes before `deadline`.
    pub(super) async fn admit(
        &self,
        token: Option<&Authorization>,
        deadline: Instant,
    ) -> Result<Admitted, Overloaded> {
        let refuse = |reason| {
            metrics::refused(reason);
            reason
        };
        let of_a_token = self.of_a_token(token).ok_or_else(|| refuse(Overloaded::TokenShare))?;
        let taken = Arc::clone(&self.taken).try_acquire_owned().map_err(|_| refuse(Overloaded::Full))?;
        let waiting = metrics::waiting();
        let turn = Arc::clone(&self.in_flight).acquire_owned();
        let turn = tokio::time::timeout_at(deadline, turn).await;
        drop(waiting);
        match turn {
            Ok(Ok(in_flight)) => Ok(Admitted {
                _taken: taken,
                _in_flight: in_flight,
                _counted: (self.counted)(),
                _of_a_token: of_a_token,
            }),
            Ok(Err(_)) | Err(_) => Err(refuse(Overloaded::WaitedTooLong)),
        }
    }

    fn of_a_token(&self, token: Option<&Authorization>) -> Option<OfAToken> {
        let token = token.map_or([0; 32], |token| token.keyed_hash(&self.key));
        let mut by_token = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = by_token.entry(token).or_default();
        if *requests >= self.most_of_a_token {
            return None;
        }
        *requests += 1;
        drop(by_token);
        Some(OfAToken { by_token: Arc::clone(&self.by_token), token })
    }
}

impl Drop for OfAToken {
    fn drop(&mut self) {
        let mut by_token = self.by_token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = by_token.get_mut(&self.token) {
            *requests -= 1;
            if *requests == 0 {
                by_token.remove(&self.token);
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

    use super::{Admission, Authorization, ConcurrencyLimits, Overloaded};
    use crate::telemetry::metrics;

    fn of(token: &'static str) -> Authorization {
        Authorization::parse(&HeaderValue::from_static(token)).unwrap()
    }

    fn admission(concurrent: usize, queued: usize, share: usize) -> Admission {
        let limits = ConcurrencyLimits {
            max_concurrent_requests: concurrent,
            max_queued_requests: queued,
            max_caller_share: share,
        };
        Admission::new(limits, metrics::in_flight)
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_in_flight_some_wait_and_the_rest_is_refused_at_once() {
        let admission = admission(2, 1, 100);
        let deadline = Instant::now() + Duration::from_secs(5);
        let admit = || admission.admit(None, deadline);
        let (first, _second) = (admit().await.unwrap(), admit().await.unwrap());
        let waiting = tokio::spawn({
            let turn = std::sync::Arc::clone(&admission.in_flight);
            async move { turn.acquire_owned().await.is_ok() }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
        let _third = admit().await.unwrap();
        // Two in flight; a third waits until its deadline, and a fourth has no room to wait.
        let start = Instant::now();
        let mut waits = std::pin::pin!(admit());
        assert!(futures_util::poll!(&mut waits).is_pending());
        let another = of("Bearer a");
        let refused =
            admission.admit(Some(&another), deadline).now_or_never().expect("it is refused at once");
        assert_eq!(refused.err(), Some(Overloaded::Full));
        assert_eq!(waits.await.err(), Some(Overloaded::WaitedTooLong));
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn one_token_has_its_share_and_no_more() {
        let admission = admission(8, 0, 25);
        let deadline = Instant::now() + Duration::from_secs(5);
        let (a, b) = (of("Bearer a"), of("Bearer b"));
        let first = admission.admit(Some(&a), deadline).await.unwrap();
        let _second = admission.admit(Some(&a), deadline).await.unwrap();
        for refused in [&a, &of("bearer a"), &of("BEARER   a")] {
            assert_eq!(admission.admit(Some(refused), deadline).await.err(), Some(Overloaded::TokenShare));
        }
        let _other = admission.admit(Some(&b), deadline).await.unwrap();
        drop(first);
        let _again = admission.admit(Some(&a), deadline).await.unwrap();
        assert_eq!(admission.by_token.lock().unwrap().len(), 2, "known only while they have requests");
    }
}
