//! The size of one response, counted while it is built: bounded for each request, and reserved in the memory that all
//! responses share.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_graphql::ServerError;

use super::error_budget::ErrorBudget;

/// Bytes of each response that are not reserved in the shared memory: short responses always have room.
const UNRESERVED: usize = 16 * 1024;
/// Bytes that are reserved at a time.
const CHUNK: usize = 64 * 1024;

/// The part of the memory for responses that one response has reserved. Dropping it frees the memory.
pub trait ResponseMemory: Send + Sync {
    /// Reserves this many more bytes. Returns false and reserves nothing if there is no room.
    fn try_grow(&mut self, bytes: usize) -> bool;

    /// Reserves this many more bytes, even if there is no room.
    fn grow(&mut self, bytes: usize);
}

/// Whether a part of a response may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// It may be null instead. It leaves a sixteenth of the limit to values that may not.
    Nullable,
    /// Without it, the nearest object above it that may be null is null.
    Required,
    /// It reports a write, and is delivered even beyond the limit.
    Guaranteed,
}

/// The limit that a part of a response exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    /// The limit of each response, in bytes.
    Response(usize),
    /// The memory that all responses share.
    Memory,
}

/// The budget of one response. Its fields are resolved by one task, so that nothing waits for the lock.
pub(super) struct ResponseBudget {
    max: usize,
    /// Estimated bytes of the response so far.
    charged: AtomicUsize,
    /// Estimated bytes that building it takes at present.
    held: AtomicUsize,
    /// Maximum number of bytes of both that need no further reservation.
    available: AtomicUsize,
    /// Bytes of values that were made and did not fit.
    wasted: AtomicUsize,
    state: Mutex<BudgetState>,
}

struct BudgetState {
    /// The limit that the last value exceeded.
    exceeded: Exceeded,
    errors: ErrorBudget,
    memory: Option<Box<dyn ResponseMemory>>,
}

/// Memory that is counted until this is dropped.
pub(super) struct TemporaryReservation<'a> {
    budget: &'a ResponseBudget,
    bytes: usize,
}

impl Drop for TemporaryReservation<'_> {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Relaxed);
    }
}

impl ResponseBudget {
    /// The budget of a response of at most `max` bytes, which are reserved in `memory`.
    pub(super) fn new(max: usize, memory: Box<dyn ResponseMemory>) -> Self {
        let exceeded = Exceeded::Response(max);
        Self {
            max,
            charged: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            available: AtomicUsize::new(UNRESERVED),
            wasted: AtomicUsize::new(0),
            state: Mutex::new(BudgetState { exceeded, errors: ErrorBudget::default(), memory: Some(memory) }),
        }
    }

    /// The part of the shared memory that a response reserves before it is built, for this many
    /// bytes that are known in advance.
    pub(super) fn reserved_ahead(bytes: usize) -> usize {
        bytes.saturating_sub(UNRESERVED)
    }

    /// The same budget, in which [`ResponseBudget::reserved_ahead`] has been reserved, for parts
    /// that are counted as they are built.
    pub(super) fn with_reserved(self, bytes: usize) -> Self {
        self.available.store(bytes.max(UNRESERVED), Relaxed);
        self
    }

    /// The same budget, in which this many bytes of the response are reserved and built without
    /// being counted.
    pub(super) fn with_charged(self, bytes: usize) -> Self {
        self.charged.store(bytes, Relaxed);
        self.with_reserved(bytes)
    }

    /// Counts a part of the response.
    ///
    /// # Errors
    ///
    /// The limit that it exceeds; nothing is counted then.
    pub(super) fn charge(&self, bytes: usize, priority: Priority) -> Result<(), Exceeded> {
        let limit = match priority {
            Priority::Nullable => self.max - self.max / 16,
            Priority::Required => self.max,
            Priority::Guaranteed => usize::MAX,
        };
        let charged = self.charged.load(Relaxed).saturating_add(bytes);
        if charged > limit {
            return Err(Exceeded::Response(self.max));
        }
        self.reserve(charged, self.held.load(Relaxed), priority)?;
        self.charged.store(charged, Relaxed);
        Ok(())
    }

    /// Counts memory that building the response takes for a while: as much as half of the bound, besides the response.
    ///
    /// # Errors
    ///
    /// The limit that it exceeds.
    pub(super) fn reserve_temporary(&self, bytes: usize) -> Result<TemporaryReservation<'_>, Exceeded> {
        let held = self.held.load(Relaxed).saturating_add(bytes);
        if held > (self.max / 2).max(CHUNK) {
            return Err(Exceeded::Response(self.max));
        }
        self.reserve(self.charged.load(Relaxed), held, Priority::Nullable)?;
        self.held.store(held, Relaxed);
        Ok(TemporaryReservation { budget: self, bytes })
    }

    /// Reserves the shared memory for this many bytes. Small responses are not reserved, so they
    /// always have room.
    fn reserve(&self, charged: usize, held: usize, priority: Priority) -> Result<(), Exceeded> {
        let bytes = charged.saturating_add(held.saturating_sub(CHUNK));
        let available = self.available.load(Relaxed);
        let Some(missing) = bytes.checked_sub(available).filter(|missing| *missing > 0) else {
            return Ok(());
        };
        let grown = missing.checked_next_multiple_of(CHUNK).unwrap_or(missing);
        if let Some(memory) = &mut self.state().memory {
            if priority == Priority::Guaranteed {
                memory.grow(grown);
            } else if !memory.try_grow(grown) {
                return Err(Exceeded::Memory);
            }
        }
        self.available.store(available.saturating_add(grown), Relaxed);
        Ok(())
    }

    /// Records that a value of this many bytes did not fit.
    pub(super) fn waste(&self, bytes: usize, exceeded: Exceeded) {
        self.wasted.store(self.wasted.load(Relaxed).saturating_add(bytes), Relaxed);
        self.state().exceeded = exceeded;
    }

    /// The bound that was exceeded, if so much was made in vain that nothing more is made that may be null.
    pub(super) fn spent(&self) -> Option<Exceeded> {
        (self.wasted.load(Relaxed) >= self.max).then(|| self.state().exceeded)
    }

    /// Whether there is room for another error. If not, the error is counted as left out.
    pub(super) fn has_room_for_error(&self) -> bool {
        self.state().errors.has_room_or_omit()
    }

    /// Removes errors that were added since the last call and exceed the limit of errors.
    pub(super) fn limit_errors(&self, errors: &Mutex<Vec<ServerError>>) {
        let mut errors = errors.lock().unwrap_or_else(PoisonError::into_inner);
        if !errors.is_empty() {
            self.state().errors.limit(&mut errors);
        }
    }

    /// All of a response's errors as they are delivered.
    pub(super) fn final_errors(&self, errors: Vec<ServerError>) -> Vec<ServerError> {
        self.state().errors.finish(errors)
    }

    /// The memory that the response takes, to be kept until it is sent.
    pub(super) fn take_memory(&self) -> Option<Box<dyn ResponseMemory>> {
        self.state().memory.take()
    }

    fn state(&self) -> MutexGuard<'_, BudgetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum number of bytes of a text as a JSON string: those of control characters count as
/// `\u0000`.
pub(super) fn json_length(text: &str) -> usize {
    /// Bytes whose escapes one byte counts, so that many of them are looked at in one step.
    const AT_A_TIME: usize = 32;
    let escapes = |bytes: &[u8]| -> u8 {
        let of = |byte: &u8| 5 * u8::from(*byte < 0x20) + u8::from(*byte == b'"') + u8::from(*byte == b'\\');
        bytes.iter().map(of).sum()
    };
    let (chunks, rest) = text.as_bytes().as_chunks::<AT_A_TIME>();
    let chunked: usize = chunks.iter().map(|chunk| usize::from(escapes(chunk))).sum();
    text.len() + 2 + chunked + usize::from(escapes(rest))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::{CHUNK, Exceeded, Priority, ResponseBudget, ResponseMemory, UNRESERVED, json_length};

    struct SharedMemory {
        held: Arc<AtomicUsize>,
        max: usize,
    }

    impl ResponseMemory for SharedMemory {
        fn try_grow(&mut self, bytes: usize) -> bool {
            let has_room = self.held.load(Ordering::Relaxed) + bytes <= self.max;
            if has_room {
                self.grow(bytes);
            }
            has_room
        }

        fn grow(&mut self, bytes: usize) {
            self.held.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn budget(max: usize, max_shared: usize) -> (ResponseBudget, Arc<AtomicUsize>) {
        let held = Arc::new(AtomicUsize::new(0));
        (ResponseBudget::new(max, Box::new(SharedMemory { held: Arc::clone(&held), max: max_shared })), held)
    }

    #[test]
    fn what_may_be_null_leaves_room_for_what_may_not() {
        let (budget, _) = budget(1600, usize::MAX);
        budget.charge(1500, Priority::Nullable).unwrap();
        assert_eq!(budget.charge(1, Priority::Nullable), Err(Exceeded::Response(1600)));
        budget.charge(100, Priority::Required).unwrap();
        assert_eq!(budget.charge(1, Priority::Required), Err(Exceeded::Response(1600)));
        budget.charge(10_000, Priority::Guaranteed).unwrap();
        assert_eq!(budget.charge(0, Priority::Required), Err(Exceeded::Response(1600)));
    }

    #[test]
    fn short_responses_reserve_nothing_and_longer_ones_whole_chunks() {
        let (budget, held) = budget(usize::MAX, 2 * CHUNK);
        budget.charge(UNRESERVED, Priority::Required).unwrap();
        assert_eq!(held.load(Ordering::Relaxed), 0);
        budget.charge(1, Priority::Required).unwrap();
        budget.charge(CHUNK - 1, Priority::Required).unwrap();
        assert_eq!(held.load(Ordering::Relaxed), CHUNK);
        assert_eq!(budget.charge(CHUNK + 1, Priority::Nullable), Err(Exceeded::Memory));
        budget.charge(CHUNK, Priority::Nullable).unwrap();
        assert_eq!(budget.charge(1, Priority::Required), Err(Exceeded::Memory));
        budget.charge(1, Priority::Guaranteed).unwrap();
        assert_eq!(held.load(Ordering::Relaxed), 3 * CHUNK);
    }

    #[test]
    fn what_is_held_for_a_while_has_a_bound_of_its_own() {
        let (budget, held) = budget(4 * CHUNK, usize::MAX);
        let one = budget.reserve_temporary(2 * CHUNK).unwrap();
        assert!(budget.reserve_temporary(1).is_err());
        budget.charge(3 * CHUNK, Priority::Nullable).unwrap();
        assert_eq!(held.load(Ordering::Relaxed), 4 * CHUNK);
        drop(one);
        drop(budget.reserve_temporary(2 * CHUNK).unwrap());
        assert_eq!(held.load(Ordering::Relaxed), 4 * CHUNK);
    }

    #[test]
    fn a_budget_is_spent_when_as_much_was_made_in_vain() {
        let (budget, _) = budget(1000, usize::MAX);
        budget.waste(999, Exceeded::Response(1000));
        assert_eq!(budget.spent(), None);
        budget.waste(usize::MAX, Exceeded::Memory);
        assert_eq!(budget.spent(), Some(Exceeded::Memory));
    }

    proptest! {
        #[test]
        fn no_json_string_is_longer_than_counted(text in "(\\PC|[\u{0}-\u{1f}\"\\\\])*") {
            prop_assert!(serde_json::to_string(&text).unwrap().len() <= json_length(&text));
        }

        #[test]
        fn plain_text_is_counted_exactly(text in "[a-zA-Z0-9+/= äß\"\\\\]*") {
            prop_assert_eq!(serde_json::to_string(&text).unwrap().len(), json_length(&text));
        }
    }
}
