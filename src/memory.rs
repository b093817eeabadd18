//! A budget for memory that callers can fill: request bodies, responses from Microsoft Graph, and
//! responses that clients have not read. Each has its own limit; the budget limits their sum, and the part of it that one
//! caller may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of counters of callers. Callers whose keyed hashes share a counter share a part of the budget: with two of them
/// that is as likely as one in so many. Counters in an array need neither a lock nor an allocation for each request.
const COUNTERS: usize = 1 << 12;

/// Counts the bytes that are reserved, up to a maximum.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    reserved: AtomicUsize,
    max: usize,
    /// Bytes that one caller may reserve.
    max_per_caller: usize,
    /// Empty if callers have no limit of their own.
    by_caller: Box<[AtomicUsize]>,
}

/// The caller whose part of a budget is used; by default, that of none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryShare(Option<u16>);

/// Bytes of a budget, which returns them when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    budget: Arc<MemoryBudget>,
    share: MemoryShare,
    bytes: usize,
}

/// The budget has too few bytes left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BudgetExceeded;

impl MemoryBudget {
    /// A budget of `max` bytes.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { reserved: AtomicUsize::new(0), max, max_per_caller: max, by_caller: Box::default() })
    }

    /// A budget of `max` bytes, of which one caller may reserve `max_per_caller`.
    pub(crate) fn shared(max: usize, max_per_caller: usize) -> Arc<Self> {
        let by_caller = if max_per_caller < max { COUNTERS } else { 0 };
        let by_caller = std::iter::repeat_with(AtomicUsize::default).take(by_caller).collect();
        Arc::new(Self { reserved: AtomicUsize::new(0), max, max_per_caller, by_caller })
    }

    fn of_caller(&self, share: MemoryShare) -> Option<&AtomicUsize> {
        self.by_caller.get(usize::from(share.0?))
    }

    /// Whether no bytes are left for a caller.
    pub(crate) fn is_full(&self, share: MemoryShare) -> bool {
        self.reserved.load(Ordering::Relaxed) >= self.max
            || self.of_caller(share).is_some_and(|of| of.load(Ordering::Relaxed) >= self.max_per_caller)
    }

    fn is_exceeded(&self, share: MemoryShare) -> bool {
        self.reserved.load(Ordering::Relaxed) > self.max
            || self.of_caller(share).is_some_and(|of| of.load(Ordering::Relaxed) > self.max_per_caller)
    }

    /// Whether no bytes are reserved.
    pub(crate) fn is_empty(&self) -> bool {
        self.reserved.load(Ordering::Relaxed) == 0
    }

    /// A reservation of no bytes, for no caller.
    pub(crate) fn reservation(self: &Arc<Self>) -> Reservation {
        self.reservation_of(MemoryShare::default())
    }

    /// A reservation of no bytes, for a caller.
    pub(crate) fn reservation_of(self: &Arc<Self>, share: MemoryShare) -> Reservation {
        Reservation { budget: Arc::clone(self), share, bytes: 0 }
    }
}

impl MemoryShare {
    /// The part of the caller with this keyed hash.
    pub(crate) fn of_hash(hash: &[u8; 32]) -> Self {
        let [first, second, ..] = *hash;
        let counter = usize::from(u16::from_le_bytes([first, second])) % COUNTERS;
        Self(u16::try_from(counter).ok())
    }
}

impl Reservation {
    /// Reserves further bytes.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] if the budget has fewer left, or the caller may use fewer; the reservation is unchanged.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), BudgetExceeded> {
        if bytes == 0 {
            return Ok(());
        }
        self.force_reserve(bytes);
        if self.budget.is_exceeded(self.share) {
            self.shrink(bytes);
            return Err(BudgetExceeded);
        }
        Ok(())
    }

    /// Reserves further bytes, also beyond the budget: a response that has been built is sent.
    pub(crate) fn force_reserve(&mut self, bytes: usize) {
        self.budget.reserved.fetch_add(bytes, Ordering::Relaxed);
        if let Some(of_caller) = self.budget.of_caller(self.share) {
            of_caller.fetch_add(bytes, Ordering::Relaxed);
        }
        self.bytes += bytes;
    }

    /// Counts the bytes toward the part of a caller who was unknown before.
    ///
    /// # Errors
    ///
    /// [`BudgetExceeded`] if the caller uses too much with them.
    pub(crate) fn charge(&mut self, share: MemoryShare) -> Result<(), BudgetExceeded> {
        if self.share == share {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes);
        Self { budget: Arc::clone(&self.budget), share: self.share, bytes }.release();
        self.share = share;
        self.force_reserve(bytes);
        if self.budget.is_exceeded(share) { Err(BudgetExceeded) } else { Ok(()) }
    }

    /// The number of reserved bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Moves all bytes to another reservation.
    pub(crate) fn take(&mut self) -> Self {
        Self { budget: Arc::clone(&self.budget), share: self.share, bytes: std::mem::take(&mut self.bytes) }
    }

    /// Returns all bytes to the budget.
    pub(crate) fn release(&mut self) {
        self.shrink(self.bytes);
    }

    fn shrink(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.budget.reserved.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(of_caller) = self.budget.of_caller(self.share) {
            of_caller.fetch_sub(bytes, Ordering::Relaxed);
        }
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
    use super::{BudgetExceeded, MemoryBudget, MemoryShare};

    #[test]
    fn what_is_reserved_is_bounded_and_is_returned() {
        let budget = MemoryBudget::new(100);
        let (mut first, mut second) = (budget.reservation(), budget.reservation());
        first.reserve(60).unwrap();
        assert_eq!(second.reserve(41), Err(BudgetExceeded));
        second.reserve(40).unwrap();
        assert_eq!(second.reserve(1), Err(BudgetExceeded));
        assert!(budget.is_full(MemoryShare::default()));
        second.force_reserve(50);
        assert_eq!(budget.reservation().reserve(1), Err(BudgetExceeded));
        second.release();
        assert!(!budget.is_full(MemoryShare::default()) && !budget.is_empty());
        drop(second);
        first.reserve(40).unwrap();
        drop(first);
        assert!(budget.is_empty());
    }
    #[test]
    fn a_caller_uses_a_part_of_the_budget() {
        let budget = MemoryBudget::shared(100, 40);
        let (a, b) = (MemoryShare::of_hash(&[1; 32]), MemoryShare::of_hash(&[2; 32]));
        let (mut first, mut second, mut other) =
            (budget.reservation_of(a), budget.reservation_of(a), budget.reservation_of(b));
        first.reserve(30).unwrap();
        assert_eq!(second.reserve(11), Err(BudgetExceeded));
        second.reserve(10).unwrap();
        assert!(budget.is_full(a) && !budget.is_full(b));
        other.reserve(40).unwrap();
        // Nobody's bytes are limited by the budget alone, until they are someone's.
        let mut unknown = budget.reservation();
        unknown.reserve(20).unwrap();
        assert_eq!(unknown.charge(a), Err(BudgetExceeded));
        drop((unknown, first));
        let mut unknown = budget.reservation();
        unknown.reserve(30).unwrap();
        unknown.charge(a).unwrap();
        assert_eq!(second.reserve(1), Err(BudgetExceeded));
        assert_eq!(unknown.take().bytes(), 30);
        second.reserve(30).unwrap();
        drop((second, other));
        assert!(budget.is_empty());
    }
}
