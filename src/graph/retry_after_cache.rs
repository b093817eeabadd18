//! The `Retry-After` of throttled callers. A request before its end would fail, and would count against the caller's limit
//! all the same (Microsoft Graph: "Throttling limits").

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use ring::rand::SystemRandom;
use tokio::time::Instant;

use super::auth::Authorization;

/// Maximum number of callers in the cache. Further callers reach Graph, which returns `Retry-After`
/// again.
const MAX_ENTRIES: usize = 10_000;

/// Operations with limits of their own: Intune allows ten times as many reads as writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OperationKind {
    Read,
    Write,
}

/// The latest `Retry-After` by caller. The key is a keyed hash of the token; an entry lasts as long as its wait.
pub(super) struct RetryAfterCache {
    key: hmac::Key,
    waits: Mutex<HashMap<CallerKey, Instant>>,
    /// Saves the hash while there are no entries.
    is_empty: AtomicBool,
}

type CallerKey = ([u8; 32], OperationKind);

impl RetryAfterCache {
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key, waits: Mutex::default(), is_empty: AtomicBool::new(true) })
    }

    /// Keeps the longest wait of this caller.
    pub(super) fn insert(&self, caller: &Authorization, kind: OperationKind, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut waits = self.lock();
        if waits.len() >= MAX_ENTRIES {
            waits.retain(|_, until| *until > now);
        }
        if waits.len() < MAX_ENTRIES {
            let until = now + wait;
            let remembered = waits.entry((caller.keyed_hash(&self.key), kind)).or_insert(until);
            *remembered = until.max(*remembered);
            self.is_empty.store(false, Ordering::Release);
        }
    }

    /// The remaining wait of this caller, if any.
    pub(super) fn remaining(&self, caller: &Authorization, kind: OperationKind) -> Option<Duration> {
        if self.is_empty.load(Ordering::Acquire) {
            return None;
        }
        let key = (caller.keyed_hash(&self.key), kind);
        let mut waits = self.lock();
        let left = waits.get(&key)?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            waits.remove(&key);
            self.is_empty.store(waits.is_empty(), Ordering::Release);
            return None;
        }
        Some(left)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallerKey, Instant>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use tokio::time::advance;

    use super::{Authorization, MAX_ENTRIES, OperationKind, RetryAfterCache};

    fn caller(token: &str) -> Authorization {
        Authorization::parse(&HeaderValue::from_str(&format!("Bearer {token}")).unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_applies_to_one_caller_and_one_kind_of_operation_and_ends() {
        let cache = RetryAfterCache::new().unwrap();
        let wait = Duration::from_secs(5);
        assert_eq!(cache.remaining(&caller("a"), OperationKind::Write), None);
        cache.insert(&caller("a"), OperationKind::Write, wait);
        cache.insert(&caller("a"), OperationKind::Write, Duration::from_secs(1));
        assert_eq!(cache.remaining(&caller("a"), OperationKind::Write), Some(wait));
        assert_eq!(cache.remaining(&caller("a"), OperationKind::Read), None);
        assert_eq!(cache.remaining(&caller("b"), OperationKind::Write), None);
        advance(wait).await;
        assert_eq!(cache.remaining(&caller("a"), OperationKind::Write), None);
        assert!(cache.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_cache_is_bounded_and_drops_what_has_expired() {
        let cache = RetryAfterCache::new().unwrap();
        for token in 0..=MAX_ENTRIES {
            cache.insert(&caller(&token.to_string()), OperationKind::Read, Duration::from_secs(1));
        }
        assert_eq!(cache.lock().len(), MAX_ENTRIES);
        advance(Duration::from_secs(1)).await;
        cache.insert(&caller("new"), OperationKind::Read, Duration::from_secs(1));
        assert_eq!(cache.lock().len(), 1);
    }
}
