//! Waits of throttled callers that replicas share: what one learned from a `Retry-After`, the others need not try.
//!
//! A task exchanges waits by one script: it adds what this replica learned, and reads what others have added since the last
//! time. It uses the connection of all commands, whose failures it shares, and polls, because that needs neither a further
//! connection nor a second way to catch up after a failure. No request waits for it. It polls only while this replica calls
//! Graph, so that the server has no work of idle replicas.
//!
//! Best effort: a wait that could not be sent is dropped. The others then learn it from Graph, as without sharing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Script;
use ring::hmac;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tracing::warn;

use super::shared_connection::{PREFIX, SharedState, Unavailable};

/// How often waits of other replicas are read while this one calls Graph.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Minimum time between two exchanges. Waits that are learned meanwhile are sent together.
const MIN_INTERVAL: Duration = Duration::from_millis(20);
/// How long after a call to Graph polling goes on.
const IDLE_AFTER: Duration = Duration::from_secs(10);
/// How often waits that have ended are removed while this replica calls Graph.
const CLEANUP_INTERVAL: Duration = Duration::from_secs(1);
/// Maximum number of waits that are to be sent. Further ones are dropped.
const MAX_QUEUED: usize = 1000;
/// Maximum number of waits in one exchange, in each direction.
const MAX_EXCHANGED: usize = 500;
/// Maximum number of waits in the store. Further ones are dropped.
const MAX_KEPT: usize = 10_000;
/// First byte of a wait in the store. Another one is of a version that this one does not know.
const VERSION: u8 = 1;
const READ: u8 = b'r';
const WRITE: u8 = b'w';
/// Distinguishes hashes of tokens from other hashes with the same key.
const KEY_PURPOSE: &[u8] = b"retry-after";

/// A caller and a kind of operation, which have a wait of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WaitId {
    /// A keyed hash of the caller's token.
    pub caller: [u8; 32],
    /// Whether writes have to wait, or else reads.
    pub is_write: bool,
}

/// The waits that a replica knows.
pub trait WaitCache: Send + Sync {
    /// Replaces the key of callers' hashes. Waits under the earlier key are forgotten.
    fn set_key(&self, key: &[u8; 32]);

    /// Adds a wait of another replica. It is not queued again.
    fn insert_shared(&self, id: WaitId, rest: Duration);

    /// Removes waits that have ended. Those of callers that do not return would make each call look for its own.
    fn remove_expired(&self);

    /// Calls [`WaitQueue::note_call`] at the next call to Graph.
    fn watch_calls(&self);

    /// What is to be sent.
    fn queue(&self) -> &WaitQueue;
}

/// New waits of this replica, until they are sent.
#[derive(Debug, Default)]
pub struct WaitQueue {
    /// The end of each.
    waits: Mutex<HashMap<WaitId, Instant>>,
    /// Whether waits are shared at all.
    is_open: AtomicBool,
    has_call: AtomicBool,
    added: Notify,
    called: Notify,
}

impl WaitQueue {
    /// Adds a wait, if waits are shared and there is space. A longer one replaces a shorter one of the same caller.
    pub fn push(&self, id: WaitId, until: Instant) {
        if !self.is_open.load(Ordering::Acquire) {
            return;
        }
        let mut waits = self.lock();
        let count = waits.len();
        match waits.entry(id) {
            Entry::Occupied(mut known) => {
                let longest = until.max(*known.get());
                known.insert(longest);
            }
            Entry::Vacant(free) if count < MAX_QUEUED => {
                free.insert(until);
                self.added.notify_one();
            }
            Entry::Vacant(_) => {}
        }
    }

    /// Notes that Graph is called.
    pub fn note_call(&self) {
        self.has_call.store(true, Ordering::Release);
        self.called.notify_one();
    }

    /// Takes a number of waits.
    fn take(&self) -> Vec<(WaitId, Instant)> {
        let mut waits = self.lock();
        let ids: Vec<_> = waits.keys().copied().take(MAX_EXCHANGED).collect();
        ids.into_iter().filter_map(|id| waits.remove_entry(&id)).collect()
    }

    fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<WaitId, Instant>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the script returns: the next position, whether there may be more, and waits with their rest in milliseconds.
type Found = (Vec<u8>, bool, Vec<(Vec<u8>, i64)>);

/// What an exchange returned.
struct Exchanged {
    /// Where the next one continues.
    position: u64,
    has_more: bool,
    waits: Vec<(WaitId, Duration)>,
}

impl SharedState {
    /// Shares the waits of a cache with those of other replicas, until the future is dropped.
    pub async fn share_waits(self, cache: Arc<impl WaitCache>) {
        let script = Script::new(include_str!("scripts/waits.lua"));
        let queue = cache.queue();
        queue.is_open.store(true, Ordering::Release);
        let mut connections = self.connections();
        let (mut hash_key, mut position) = (None, 0);
        let [mut last_call, mut last_cleanup] = [Instant::now(); 2];
        let mut is_rejected = false;
        loop {
            // Another server, or its restart, may count from another number.
            if connections.has_changed().unwrap_or_default() {
                connections.mark_unchanged();
                position = 0;
            }
            if let Ok(current) = self.hash_key()
                && hash_key != Some(current)
            {
                hash_key = Some(current);
                position = 0;
                cache.set_key(&token_key(&current));
                queue.lock().clear();
            }
            let has_more = match self.exchange(&script, position, &queue.take()).await {
                Ok(exchanged) => {
                    is_rejected = false;
                    position = exchanged.position;
                    for (id, rest) in exchanged.waits {
                        cache.insert_shared(id, rest);
                    }
                    exchanged.has_more || !queue.is_empty()
                }
                // Logged by the connection.
                Err(Unavailable::NotConnected(_)) => false,
                Err(error) => {
                    if !std::mem::replace(&mut is_rejected, true) {
                        let reason = crate::tls_error::with_causes(&error);
                        warn!(reason, "Retry-After of throttled callers is not shared with other replicas");
                    }
                    false
                }
            };
            sleep(MIN_INTERVAL).await;
            if has_more {
                continue;
            }
            if last_cleanup.elapsed() >= CLEANUP_INTERVAL {
                last_cleanup = Instant::now();
                cache.remove_expired();
            }
            cache.watch_calls();
            if queue.has_call.swap(false, Ordering::AcqRel) {
                last_call = Instant::now();
            }
            if last_call.elapsed() < IDLE_AFTER {
                tokio::select! {
                    () = queue.added.notified() => {}
                    _ = connections.changed() => position = 0,
                    () = sleep(POLL_INTERVAL) => {}
                }
            } else {
                tokio::select! {
                    () = queue.added.notified() => {}
                    () = queue.called.notified() => {}
                    _ = connections.changed() => position = 0,
                }
            }
        }
    }

    /// Sends waits, and reads those of others after the position.
    async fn exchange(
        &self,
        script: &Script,
        position: u64,
        waits: &[(WaitId, Instant)],
    ) -> Result<Exchanged, Unavailable> {
        let keys = ["ends", "order", "changes"].map(|name| format!("{PREFIX}waits:{name}"));
        let mut arguments = [position.to_string(), MAX_EXCHANGED.to_string(), MAX_KEPT.to_string()]
            .map(String::into_bytes)
            .to_vec();
        let now = Instant::now();
        for (id, until) in waits {
            let rest = until.saturating_duration_since(now).as_millis();
            if rest > 0 {
                arguments.extend([encode(*id), rest.to_string().into_bytes()]);
            }
        }
        let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
        let (next, has_more, found): Found = self.invoke(script, &keys, &arguments).await?;
        let next = std::str::from_utf8(&next).ok().and_then(|next| next.parse().ok());
        let known = |(value, rest): (Vec<u8>, i64)| {
            Some((decode(&value)?, Duration::from_millis(u64::try_from(rest).ok()?)))
        };
        let waits = found.into_iter().filter_map(known).take(MAX_EXCHANGED).collect();
        Ok(Exchanged { position: next.unwrap_or(position), has_more, waits })
    }
}

/// The key of callers' hashes.
fn token_key(hash_key: &[u8; 32]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, hash_key), KEY_PURPOSE);
    let mut key = [0; 32];
    key.copy_from_slice(tag.as_ref());
    key
}

/// A wait in the store: the version, the kind, the caller.
fn encode(id: WaitId) -> Vec<u8> {
    let kind = if id.is_write { WRITE } else { READ };
    [&[VERSION, kind][..], &id.caller].concat()
}

/// The wait of a value; `None` if another version has written it.
fn decode(value: &[u8]) -> Option<WaitId> {
    let [VERSION, kind, caller @ ..] = value else { return None };
    let is_write = match *kind {
        READ => false,
        WRITE => true,
        _ => return None,
    };
    Some(WaitId { caller: caller.try_into().ok()?, is_write })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{MAX_EXCHANGED, MAX_QUEUED, WaitId, WaitQueue, decode, encode, token_key};

    fn id(number: usize) -> WaitId {
        let mut caller = [0; 32];
        caller[..8].copy_from_slice(&number.to_be_bytes());
        WaitId { caller, is_write: number.is_multiple_of(2) }
    }

    #[test]
    fn the_queue_is_bounded_and_keeps_the_longest_wait_of_each_caller() {
        let (queue, now) = (WaitQueue::default(), Instant::now());
        queue.push(id(0), now);
        assert!(queue.is_empty(), "waits are not shared yet");
        queue.is_open.store(true, Ordering::Release);
        for number in 0..MAX_QUEUED + 10 {
            queue.push(id(number), now);
        }
        let longest = now + Duration::from_secs(2);
        for until in [longest, now + Duration::from_secs(1)] {
            queue.push(id(0), until);
        }
        let mut taken = queue.take();
        assert_eq!(taken.len(), MAX_EXCHANGED);
        while !queue.is_empty() {
            taken.extend(queue.take());
        }
        assert_eq!(taken.len(), MAX_QUEUED);
        assert!(taken.contains(&(id(0), longest)));
    }

    #[test]
    fn values_of_other_versions_are_ignored() {
        for number in 0..2 {
            let value = encode(id(number));
            assert_eq!(decode(&value), Some(id(number)));
            assert_eq!(decode(&value[..33]), None);
            assert_eq!(decode(&[&value[..], &[0]].concat()), None);
            for at in 0..2 {
                let mut other = value.clone();
                other[at] += 2;
                assert_eq!(decode(&other), None);
            }
        }
        assert_eq!(decode(&[]), None);
        assert_ne!(token_key(&[7; 32]), [7; 32]);
    }
}
