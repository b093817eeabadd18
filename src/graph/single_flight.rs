//! Concurrent callers that look for the same answer: the first one looks, and the others wait for it. The answer
//! itself is kept elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

/// The searches in progress, by the hash of what is looked for.
#[derive(Debug, Default)]
pub(super) struct SingleFlight {
    /// Bounded by the number of callers: searches without any are removed by the next one.
    searches: Mutex<HashMap<u64, Weak<tokio::sync::Mutex<IsTried>>>>,
}

/// Whether a caller has begun the search.
type IsTried = bool;

/// A caller's turn. Others wait until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(OwnedMutexGuard<IsTried>);

impl SingleFlight {
    /// Waits while another caller looks for this; `None` at the deadline.
    pub(super) async fn turn(&self, key: u64, deadline: Instant) -> Option<Turn> {
        let search = self.search(key);
        timeout_at(deadline, search.lock_owned()).await.ok().map(Turn)
    }

    fn search(&self, key: u64) -> Arc<tokio::sync::Mutex<IsTried>> {
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        searches.retain(|_, search| search.strong_count() > 0);
        if let Some(search) = searches.get(&key).and_then(Weak::upgrade) {
            return search;
        }
        let search = Arc::default();
        searches.insert(key, Arc::downgrade(&search));
        search
    }
}

impl Turn {
    /// Begins the search; keep the result until it ends. `None` if another caller has searched in vain: the callers that
    /// waited for it then search at once, without waiting for each other.
    pub(super) fn begin(mut self) -> Option<Self> {
        let is_first = !std::mem::replace(&mut *self.0, true);
        is_first.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_searches_and_the_others_wait_for_it_but_not_for_each_other() {
        let flights = SingleFlight::default();
        let first = flights.turn(1, soon()).await.unwrap().begin().unwrap();
        let mut second = Box::pin(flights.turn(1, soon()));
        let mut third = Box::pin(flights.turn(1, soon()));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(flights.turn(2, soon()).await.unwrap().begin().is_some(), "another search does not wait");
        drop(first);
        assert!(second.await.unwrap().begin().is_none());
        assert!(third.await.unwrap().begin().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_the_deadline_and_searches_without_callers_are_removed() {
        let flights = SingleFlight::default();
        let first = flights.turn(1, soon()).await.unwrap().begin().unwrap();
        assert!(flights.turn(1, soon()).await.is_none());
        drop(first);
        for key in 0..100 {
            assert!(flights.turn(key, soon()).await.unwrap().begin().is_some());
        }
        assert_eq!(flights.searches.lock().unwrap().len(), 1);
    }
}
