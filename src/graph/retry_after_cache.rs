//! The `Retry-After` of throttled callers. A request before its end would fail, and would count against the caller's limit
//! all the same (Microsoft Graph: "Throttling limits").

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use ring::rand::SystemRandom;
use tokio::time::Instant;

use super::auth::Authorization;
use super::retry_after::MAX_WAIT;
use crate::shared_state::{WaitCache, WaitId, WaitQueue};

/// Maximum number of callers in the cache. Further callers reach Graph, which returns `Retry-After`
/// again.
const MAX_ENTRIES: usize = 10_000;
/// Set while there are entries.
const HAS_ENTRIES: u8 = 1;
/// Set if the next call is to be noted.
const IS_WATCHED: u8 = 2;

/// Operations with limits of their own: Intune allows ten times as many reads as writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum OperationKind {
    Read,
    Write,
}

/// The latest `Retry-After` by caller. The key is a keyed hash of the token; an entry lasts as long as its wait.
///
/// The key of the hashes is random, or that of the replicas that share waits.
pub(super) struct RetryAfterCache {
    key: Mutex<Arc<hmac::Key>>,
    waits: Mutex<HashMap<WaitId, Instant>>,
    /// Zero while a call has nothing to do here, which saves the hash.
    flags: AtomicU8,
    queue: WaitQueue,
}

impl RetryAfterCache {
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self {
            key: Mutex::new(Arc::new(key)),
            waits: Mutex::default(),
            flags: AtomicU8::new(0),
            queue: WaitQueue::default(),
        })
    }

    /// Keeps the longest wait of this caller.
    pub(super) fn insert(&self, caller: &Authorization, kind: OperationKind, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let (id, until) = (self.id(caller, kind), Instant::now() + wait);
        if self.raise(id, until) {
            self.queue.push(id, until);
        }
    }

    /// The remaining wait of this caller, if any.
    pub(super) fn remaining(&self, caller: &Authorization, kind: OperationKind) -> Option<Duration> {
        match self.flags.load(Ordering::Acquire) {
            0 => None,
            flags => self.find_remaining(caller, kind, flags),
        }
    }

    fn find_remaining(&self, caller: &Authorization, kind: OperationKind, flags: u8) -> Option<Duration> {
        if flags & IS_WATCHED != 0 {
            self.flags.fetch_and(!IS_WATCHED, Ordering::AcqRel);
            self.queue.note_call();
        }
        if flags & HAS_ENTRIES == 0 {
            return None;
        }
        let id = self.id(caller, kind);
        let mut waits = self.lock();
        let left = waits.get(&id)?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            waits.remove(&id);
            self.note_entries(&waits);
            return None;
        }
        Some(left)
    }

    fn id(&self, caller: &Authorization, kind: OperationKind) -> WaitId {
        let key = Arc::clone(&self.key.lock().unwrap_or_else(PoisonError::into_inner));
        WaitId { caller: caller.keyed_hash(&key), is_write: kind == OperationKind::Write }
    }

    /// Keeps the later end of a wait. Returns whether it was raised.
    fn raise(&self, id: WaitId, until: Instant) -> bool {
        let mut waits = self.lock();
        if waits.len() >= MAX_ENTRIES {
            retain_pending(&mut waits);
        }
        if waits.get(&id).is_some_and(|known| *known >= until)
            || (waits.len() >= MAX_ENTRIES && !waits.contains_key(&id))
        {
            return false;
        }
        waits.insert(id, until);
        self.note_entries(&waits);
        true
    }

    fn note_entries(&self, waits: &HashMap<WaitId, Instant>) {
        match waits.is_empty() {
            true => self.flags.fetch_and(!HAS_ENTRIES, Ordering::AcqRel),
            false => self.flags.fetch_or(HAS_ENTRIES, Ordering::AcqRel),
        };
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WaitId, Instant>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn retain_pending(waits: &mut HashMap<WaitId, Instant>) {
    let now = Instant::now();
    waits.retain(|_, until| *until > now);
}

impl WaitCache for RetryAfterCache {
    fn set_key(&self, key: &[u8; 32]) {
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key));
        *self.key.lock().unwrap_or_else(PoisonError::into_inner) = key;
        let mut waits = self.lock();
        waits.clear();
        self.note_entries(&waits);
    }

    fn insert_shared(&self, id: WaitId, rest: Duration) {
        if !rest.is_zero() {
            self.raise(id, Instant::now() + rest.min(MAX_WAIT));
        }
    }

    fn remove_expired(&self) {
        let mut waits = self.lock();
        retain_pending(&mut waits);
        self.note_entries(&waits);
    }

    fn watch_calls(&self) {
        self.flags.fetch_or(IS_WATCHED, Ordering::AcqRel);
    }

    fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use http::HeaderValue;
    use tokio::time::advance;

    use super::{Authorization, MAX_ENTRIES, MAX_WAIT, OperationKind, RetryAfterCache};
    use crate::shared_state::WaitCache as _;

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

    #[tokio::test(start_paused = true)]
    async fn a_shared_wait_applies_under_the_shared_key_and_is_bounded() {
        let [here, there] = [(); 2].map(|()| RetryAfterCache::new().unwrap());
        for cache in [&here, &there] {
            cache.set_key(&[7; 32]);
        }
        let id = there.id(&caller("a"), OperationKind::Read);
        here.insert_shared(id, Duration::MAX);
        here.insert_shared(id, Duration::from_secs(1));
        assert_eq!(here.remaining(&caller("a"), OperationKind::Read), Some(MAX_WAIT));
        assert_eq!(here.remaining(&caller("a"), OperationKind::Write), None);
        here.insert_shared(there.id(&caller("b"), OperationKind::Read), Duration::from_secs(1));
        advance(Duration::from_secs(1)).await;
        here.remove_expired();
        assert_eq!(here.lock().len(), 1);
        here.set_key(&[8; 32]);
        assert_eq!(here.remaining(&caller("a"), OperationKind::Read), None);
        assert!(here.lock().is_empty() && here.flags.load(Ordering::Relaxed) == 0);
        here.watch_calls();
        for _ in 0..2 {
            here.remaining(&caller("a"), OperationKind::Read);
            assert_eq!(here.flags.load(Ordering::Relaxed), 0, "one call is noted");
        }
    }
}
