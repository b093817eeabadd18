//! The size of one response body and its part of the memory budget, from the first byte until the response has been used.

use std::sync::Arc;

use super::error::Error;
use crate::memory::{BudgetExceeded, MemoryBudget, MemoryShare, Reservation};
use crate::telemetry::metrics::{self, Overloaded};

/// Bytes that are reserved at a time. The first of them are free in each response, so short ones are always read.
const STEP: usize = 64 * 1024;

/// The limits of one body.
#[derive(Debug)]
pub(super) struct BodyLimit {
    /// Maximum size in bytes.
    pub(super) max: usize,
    reservation: Reservation,
    is_for_write: bool,
}

impl BodyLimit {
    /// The limits of a body of at most `max` bytes. The response to a write is read even beyond the
    /// budget, because it contains the outcome.
    pub(super) fn new(
        max: usize,
        budget: &Arc<MemoryBudget>,
        share: MemoryShare,
        is_for_write: bool,
    ) -> Self {
        Self { max, reservation: budget.reservation_of(share), is_for_write }
    }

    /// The limits of a body of at most `max` bytes with a separate budget.
    #[cfg(any(test, fuzzing))]
    pub(super) fn unshared(max: usize) -> Self {
        Self::new(max, &MemoryBudget::new(usize::MAX), MemoryShare::default(), false)
    }

    /// Reserves memory for a body of which this many bytes were received.
    ///
    /// # Errors
    ///
    /// [`Error::MemoryExhausted`] if the budget is exceeded.
    pub(super) fn reserve_up_to(&mut self, bytes: usize) -> Result<(), Error> {
        let counted = bytes.saturating_sub(STEP).div_ceil(STEP).saturating_mul(STEP);
        let missing = counted.saturating_sub(self.reservation.bytes());
        if missing == 0 {
            return Ok(());
        }
        if self.is_for_write {
            self.reservation.force_reserve(missing);
            return Ok(());
        }
        self.reservation.reserve(missing).map_err(|BudgetExceeded| {
            metrics::refused(Overloaded::Memory);
            Error::MemoryExhausted
        })
    }

    /// The reservation, to be held as long as the body.
    pub(super) fn into_reservation(self) -> Reservation {
        self.reservation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_share_a_budget_and_those_to_writes_may_exceed_it() {
        let budget = MemoryBudget::new(3 * STEP);
        let limit = |is_for_write| BodyLimit::new(usize::MAX, &budget, MemoryShare::default(), is_for_write);
        let (mut first, mut second, mut write) = (limit(false), limit(false), limit(true));
        first.reserve_up_to(STEP).unwrap();
        assert!(budget.is_empty(), "short ones are not counted");
        first.reserve_up_to(3 * STEP - 1).unwrap();
        second.reserve_up_to(2 * STEP).unwrap();
        assert!(matches!(second.reserve_up_to(2 * STEP + 1), Err(Error::MemoryExhausted)));
        write.reserve_up_to(10 * STEP).unwrap();
        drop((write, first.into_reservation()));
        second.reserve_up_to(4 * STEP).unwrap();
        drop(second);
        assert!(budget.is_empty());
    }
}
