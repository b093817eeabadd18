//! A limit of repeated log lines: a failing Graph must not fill the disk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Allows a number of lines per second, and counts those beyond it.
pub(crate) struct LineLimit {
    per_second: u64,
    /// The second of the current window, and the lines in it.
    second: AtomicU64,
    lines: AtomicU64,
    suppressed: AtomicU64,
}

impl LineLimit {
    pub(crate) const fn new(per_second: u64) -> Self {
        // No line is in a window that is never current.
        let second = AtomicU64::new(u64::MAX);
        Self { per_second, second, lines: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// Whether a line may be written: then the number of lines that were suppressed before it. Threads that race may exceed
    /// the limit by a few lines.
    pub(crate) fn allow(&self) -> Option<u64> {
        self.allow_at(seconds())
    }

    fn allow_at(&self, now: u64) -> Option<u64> {
        if self.second.swap(now, Ordering::Relaxed) != now {
            self.lines.store(0, Ordering::Relaxed);
        }
        if self.lines.fetch_add(1, Ordering::Relaxed) < self.per_second {
            return Some(self.suppressed.swap(0, Ordering::Relaxed));
        }
        self.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// Seconds since the first call.
fn seconds() -> u64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs()
}

#[cfg(test)]
mod tests {
    use super::LineLimit;

    #[test]
    fn lines_beyond_the_limit_are_counted_by_the_next_line() {
        let limit = LineLimit::new(2);
        let allowed: Vec<_> = [0, 0, 0, 0, 1, 1, 1, 5].map(|second| limit.allow_at(second)).to_vec();
        assert_eq!(allowed, [Some(0), Some(0), None, None, Some(2), Some(0), None, Some(1)]);
    }
}
