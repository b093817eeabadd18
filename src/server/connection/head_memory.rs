//! The memory of an incomplete request head, which counts toward that of all request bodies.

use crate::memory::{BudgetExceeded, Reservation};

/// Maximum size of a request head, in bytes.
pub(crate) const MAX_HEAD_BYTES: u32 = 64 * 1024;
/// Bytes of each incomplete head that are not counted; most heads are smaller.
const UNCOUNTED_BYTES: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct HeadMemory {
    /// Bytes that have been received of an incomplete head.
    received: usize,
    /// Bytes of them that have been counted.
    counted: usize,
    reservation: Reservation,
}

impl HeadMemory {
    pub(super) fn new(reservation: Reservation) -> Self {
        Self { received: 0, counted: 0, reservation }
    }

    /// Records bytes of a head. No more of them are buffered than a head may have: hyper rejects what goes beyond.
    pub(super) fn received(&mut self, bytes: usize) {
        self.received = (self.received + bytes).min(MAX_HEAD_BYTES as usize);
    }

    /// Counts the received bytes.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] if all incomplete heads and bodies together use as much memory as they may.
    pub(super) fn count(&mut self) -> Result<(), BudgetExceeded> {
        let counted = self.received.saturating_sub(UNCOUNTED_BYTES);
        if counted > self.counted {
            self.reservation.reserve(counted - self.counted)?;
            self.counted = counted;
        }
        Ok(())
    }

    /// Records that the head is complete.
    pub(super) fn release(&mut self) {
        (self.received, self.counted) = (0, 0);
        self.reservation.release();
    }
}
