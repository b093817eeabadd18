//! Decisions read from bytes, so that a property test or a fuzzer makes them.

/// Bytes from which decisions are made. Once they are used up, every decision is the first of its kind.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        match count {
            0 | 1 => 0,
            2..=256 => usize::from(self.byte()) % count,
            _ => (usize::from(self.byte()) << 8 | usize::from(self.byte())) % count,
        }
    }

    /// True once in `count` times.
    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        count > 0 && self.below(count) == count - 1
    }

    pub(crate) fn pick<'i, T: ?Sized>(&mut self, items: &[&'i T]) -> Option<&'i T> {
        let index = self.below(items.len());
        items.get(index).copied()
    }
}
