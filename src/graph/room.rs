//! The memory that one answer of Graph's takes while it is read and until it has been used.

use std::sync::Arc;

use super::error::Error;
use crate::memory::{BudgetExceeded, MemoryBudget, Reservation};
use crate::telemetry::metrics::{self, Overloaded};

/// Bytes that are counted at a time. As many of each answer are not counted: short answers always have room.
const STEP: usize = 64 * 1024;

/// What one answer may take, and what it takes of the memory that all answers share.
#[derive(Debug)]
pub(super) struct Room {
    /// Largest answer, in bytes.
    pub(super) max: usize,
    held: Reservation,
    is_for_write: bool,
}

impl Room {
    /// That of an answer of at most `max` bytes. One to a write is read whatever room there is, since it says what became of
    /// the write.
    pub(super) fn new(max: usize, memory: &Arc<MemoryBudget>, is_for_write: bool) -> Self {
        Self { max, held: memory.reservation(), is_for_write }
    }

    /// That of an answer of at most `max` bytes that shares no memory.
    #[cfg(any(test, fuzzing))]
    pub(super) fn own(max: usize) -> Self {
        Self::new(max, &MemoryBudget::new(usize::MAX), false)
    }

    /// Counts an answer of so many bytes so far.
    ///
    /// # Errors
    ///
    /// [`Error::NoRoom`] where all answers together have no room for it.
    pub(super) fn grow_to(&mut self, bytes: usize) -> Result<(), Error> {
        let counted = bytes.saturating_sub(STEP).div_ceil(STEP).saturating_mul(STEP);
        let missing = counted.saturating_sub(self.held.bytes());
        if missing == 0 {
            return Ok(());
        }
        if self.is_for_write {
            self.held.force_reserve(missing);
            return Ok(());
        }
        self.held.reserve(missing).map_err(|BudgetExceeded| {
            metrics::refused(Overloaded::Memory);
            Error::NoRoom
        })
    }

    /// What is held, to be kept as long as the answer.
    pub(super) fn into_held(self) -> Reservation {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_share_a_memory_and_those_to_writes_are_read_all_the_same() {
        let memory = MemoryBudget::new(3 * STEP);
        let room = |is_for_write| Room::new(usize::MAX, &memory, is_for_write);
        let (mut first, mut second, mut write) = (room(false), room(false), room(true));
        first.grow_to(STEP).unwrap();
        assert!(memory.is_empty(), "short ones are not counted");
        first.grow_to(3 * STEP - 1).unwrap();
        second.grow_to(2 * STEP).unwrap();
        assert!(matches!(second.grow_to(2 * STEP + 1), Err(Error::NoRoom)));
        write.grow_to(10 * STEP).unwrap();
        drop((write, first.into_held()));
        second.grow_to(4 * STEP).unwrap();
        drop(second);
        assert!(memory.is_empty());
    }
}
