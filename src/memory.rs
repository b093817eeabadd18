//! A budget for memory that callers can fill: request bodies, responses from Microsoft Graph, and
//! responses that clients have not read. Each has its own limit; the budget limits their sum.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the bytes that are reserved, up to a maximum.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    reserved: AtomicUsize,
    max: usize,
}

/// Bytes of a budget, which returns them when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

/// The budget has too few bytes left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetExceeded;

impl MemoryBudget {
    /// A budget of `max` bytes.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { reserved: AtomicUsize::new(0), max })
    }

    /// Whether no bytes are left.
    pub(crate) fn is_full(&self) -> bool {
        self.reserved.load(Ordering::Relaxed) >= self.max
    }

    /// Whether no bytes are reserved.
    pub(crate) fn is_empty(&self) -> bool {
        self.reserved.load(Ordering::Relaxed) == 0
    }

    /// A reservation of no bytes.
    pub(crate) fn reservation(self: &Arc<Self>) -> Reservation {
        Reservation { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Reservation {
    /// Reserves further bytes.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] if the budget has fewer left; the reservation is unchanged.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        self.force_reserve(bytes);
        if self.budget.reserved.load(Ordering::Relaxed) > self.budget.max {
            self.shrink(bytes);
            return Err(BudgetExceeded);
        }
        Ok(())
    }

    /// Reserves further bytes, also beyond the budget: a response that has been built is sent.
    pub(crate) fn force_reserve(&mut self, bytes: usize) {
        self.budget.reserved.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// The number of reserved bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Moves all bytes to another reservation.
    pub(crate) fn take(&mut self) -> Self {
        Self { budget: Arc::clone(&self.budget), bytes: std::mem::take(&mut self.bytes) }
    }

    /// Returns all bytes to the budget.
    pub(crate) fn release(&mut self) {
        self.shrink(self.bytes);
    }

    fn shrink(&mut self, bytes: usize) {
        self.budget.reserved.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::{BudgetExceeded, MemoryBudget};

    #[test]
    fn what_is_reserved_is_bounded_and_is_returned() {
        let budget = MemoryBudget::new(100);
        let (mut first, mut second) = (budget.reservation(), budget.reservation());
        first.reserve(60).unwrap();
        assert_eq!(second.reserve(41), Err(BudgetExceeded));
        second.reserve(40).unwrap();
        assert_eq!(second.reserve(1), Err(BudgetExceeded));
        assert!(budget.is_full());
        second.force_reserve(50);
        assert_eq!(budget.reservation().reserve(1), Err(BudgetExceeded));
        second.release();
        assert!(!budget.is_full() && !budget.is_empty());
        drop(second);
        first.reserve(40).unwrap();
        drop(first);
        assert!(budget.is_empty());
    }
}
