//! Counters, gauges and histograms: atomic numbers without locks, allocation or look-ups.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

/// A number that only grows.
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that grows and shrinks.
pub(super) struct Gauge(AtomicI64);

impl Gauge {
    pub(super) const fn new() -> Self {
        Self(AtomicI64::new(0))
    }

    pub(super) fn add(&self, count: i64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A flag that is missing until it is first set.
pub(super) struct OptionalFlag(AtomicU8);

impl OptionalFlag {
    const UNSET: u8 = 2;

    pub(super) const fn new() -> Self {
        Self(AtomicU8::new(Self::UNSET))
    }

    pub(super) fn set(&self, value: bool) {
        self.0.store(u8::from(value), Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            Self::UNSET => None,
            value => Some(value == 1),
        }
    }
}

/// Counts values by size. A value counts in the first bucket whose bound it does not exceed.
pub(super) struct Histogram<const BUCKETS: usize> {
    bounds: &'static [u64; BUCKETS],
    buckets: [AtomicU64; BUCKETS],
    /// Values beyond the last bound.
    beyond: AtomicU64,
    sum: AtomicU64,
}

impl<const BUCKETS: usize> Histogram<BUCKETS> {
    /// A histogram with these bounds, in ascending order.
    pub(super) const fn new(bounds: &'static [u64; BUCKETS]) -> Self {
        let buckets = [const { AtomicU64::new(0) }; BUCKETS];
        Self { bounds, buckets, beyond: AtomicU64::new(0), sum: AtomicU64::new(0) }
    }

    pub(super) fn observe(&self, value: u64) {
        let index = self.bounds.iter().position(|bound| value <= *bound);
        let bucket = index.and_then(|index| self.buckets.get(index)).unwrap_or(&self.beyond);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// Each bound with the number of values up to it.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut count = 0;
        self.bounds.iter().zip(&self.buckets).map(move |(bound, bucket)| {
            count += bucket.load(Ordering::Relaxed);
            (*bound, count)
        })
    }

    /// The values beyond the last bound.
    pub(super) fn beyond(&self) -> u64 {
        self.beyond.load(Ordering::Relaxed)
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Histogram;

    #[test]
    fn a_value_counts_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::new(&[1, 10]);
        for value in [0, 1, 2, 10, 11, 1000] {
            histogram.observe(value);
        }
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(1, 2), (10, 4)]);
        assert_eq!((histogram.beyond(), histogram.sum()), (2, 1024));
    }
}
