//! A record: what is known of the writes that came with one idempotency key.

use std::fmt;

use serde::{Deserialize, Serialize};

/// By what a record is found: a keyed hash of the key's scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub [u8; 32]);

/// Some of its digits, for the log.
impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "RecordId({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// What is known of one write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ItemState {
    /// It was not sent, or Graph refused it: it may be sent.
    Free,
    /// It was sent, or is about to be, and its owner has not said what came of it.
    UnderWay,
    /// The object of this key is there.
    Created(String),
    /// Graph did it without saying which object it made.
    Applied,
    /// It was sent, and nobody knows what came of it.
    Unknown,
}

/// What is known of the writes that came with one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Grows with each replacement.
    pub version: u64,
    /// Keyed hash of what was to be written.
    pub input: [u8; 32],
    /// Whether a call is at work on it.
    pub is_owned: bool,
    /// Seconds since 1970 after which it is forgotten, unless it is owned.
    pub expires: u64,
    /// One for each write of the call.
    pub items: Vec<ItemState>,
}

impl Record {
    /// Whether it is to be forgotten.
    #[must_use]
    pub fn has_expired(&self, now: u64) -> bool {
        !self.is_owned && self.expires <= now
    }

    /// Whether all of it is known to have done nothing.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.items.iter().all(|item| *item == ItemState::Free)
    }

    /// Ends ownership where the owner has gone without a word: of what it had under way nobody knows what came.
    pub fn abandon(&mut self) {
        self.is_owned = false;
        for item in &mut self.items {
            if *item == ItemState::UnderWay {
                *item = ItemState::Unknown;
            }
        }
    }
}
