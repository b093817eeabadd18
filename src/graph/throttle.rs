//! Who was told to wait, and until when: a caller whom Graph throttles asks again in vain, and every such request counts
//! against it all the same (Microsoft Graph: "Throttling limits").

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::hmac;
use ring::rand::SystemRandom;
use tokio::time::Instant;

use super::auth::Authorization;

/// Most waits that are remembered; beyond it Graph is asked, and says so again.
const MOST: usize = 10_000;

/// What Graph counts apart: Intune allows ten times as many reads as writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Direction {
    Read,
    Write,
}

/// The waits that Graph asked for, by caller. A caller is known by a keyed hash of the token, and forgotten when the wait
/// is over.
pub(super) struct ThrottleMemory {
    key: hmac::Key,
    waits: Mutex<HashMap<Waiting, Instant>>,
    /// Spares the hash where nobody waits.
    is_empty: AtomicBool,
}

type Waiting = ([u8; 32], Direction);

impl ThrottleMemory {
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?;
        Ok(Self { key, waits: Mutex::default(), is_empty: AtomicBool::new(true) })
    }

    /// Graph asked this caller to wait.
    pub(super) fn remember(&self, caller: &Authorization, direction: Direction, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut waits = self.lock();
        if waits.len() >= MOST {
            waits.retain(|_, until| *until > now);
        }
        if waits.len() < MOST {
            let until = now + wait;
            let remembered = waits.entry((caller.keyed_hash(&self.key), direction)).or_insert(until);
            *remembered = until.max(*remembered);
            self.is_empty.store(false, Ordering::Release);
        }
    }

    /// How long this caller has to wait yet.
    pub(super) fn remaining(&self, caller: &Authorization, direction: Direction) -> Option<Duration> {
        if self.is_empty.load(Ordering::Acquire) {
            return None;
        }
        let waiting = (caller.keyed_hash(&self.key), direction);
        let mut waits = self.lock();
        let left = waits.get(&waiting)?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            waits.remove(&waiting);
            self.is_empty.store(waits.is_empty(), Ordering::Release);
            return None;
        }
        Some(left)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Waiting, Instant>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderValue;
    use tokio::time::advance;

    use super::{Authorization, Direction, MOST, ThrottleMemory};

    fn caller(token: &str) -> Authorization {
        Authorization::parse(&HeaderValue::from_str(&format!("Bearer {token}")).unwrap()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_is_one_callers_and_one_directions_and_ends() {
        let memory = ThrottleMemory::new().unwrap();
        let wait = Duration::from_secs(5);
        assert_eq!(memory.remaining(&caller("a"), Direction::Write), None);
        memory.remember(&caller("a"), Direction::Write, wait);
        memory.remember(&caller("a"), Direction::Write, Duration::from_secs(1));
        assert_eq!(memory.remaining(&caller("a"), Direction::Write), Some(wait));
        assert_eq!(memory.remaining(&caller("a"), Direction::Read), None);
        assert_eq!(memory.remaining(&caller("b"), Direction::Write), None);
        advance(wait).await;
        assert_eq!(memory.remaining(&caller("a"), Direction::Write), None);
        assert!(memory.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded_and_makes_room_for_new_ones() {
        let memory = ThrottleMemory::new().unwrap();
        for token in 0..=MOST {
            memory.remember(&caller(&token.to_string()), Direction::Read, Duration::from_secs(1));
        }
        assert_eq!(memory.lock().len(), MOST);
        advance(Duration::from_secs(1)).await;
        memory.remember(&caller("new"), Direction::Read, Duration::from_secs(1));
        assert_eq!(memory.lock().len(), 1);
    }
}
