//! Memory that callers fill: bodies that are being read, what Graph answers, or answers that have not been taken. What each may hold is bounded
//! elsewhere; here it is what all of them hold together, so that many slow clients are no way to use up the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that are held, and the most that may be.
#[derive(Debug)]
pub(crate) struct Memory {
    held: AtomicUsize,
    most: usize,
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    memory: Arc<Memory>,
    bytes: usize,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Memory {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { held: AtomicUsize::new(0), most })
    }

    /// Whether as much is held as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.most
    }

    /// Whether nothing is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.held.load(Ordering::Relaxed) == 0
    }

    /// Holds nothing yet.
    pub(crate) fn hold(self: &Arc<Self>) -> Held {
        Held { memory: Arc::clone(self), bytes: 0 }
    }
}

impl Held {
    /// Holds so many more, where there is room for them.
    ///
    /// # Errors
    ///
    /// [`NoRoom`]; what was held before still is.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        self.must_grow(bytes);
        if self.memory.held.load(Ordering::Relaxed) > self.memory.most {
            self.shrink(bytes);
            return Err(NoRoom);
        }
        Ok(())
    }

    /// Holds so many more, room or not: an answer that has been made is sent, whatever that takes.
    pub(crate) fn must_grow(&mut self, bytes: usize) {
        self.memory.held.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// How many are held here.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Holds nothing any more.
    pub(crate) fn release(&mut self) {
        self.shrink(self.bytes);
    }

    fn shrink(&mut self, bytes: usize) {
        self.memory.held.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, NoRoom};

    #[test]
    fn what_is_held_is_bounded_and_comes_back() {
        let memory = Memory::new(100);
        let (mut first, mut second) = (memory.hold(), memory.hold());
        first.grow(60).unwrap();
        assert_eq!(second.grow(41), Err(NoRoom));
        second.grow(40).unwrap();
        assert_eq!(second.grow(1), Err(NoRoom));
        assert!(memory.is_full());
        second.must_grow(50);
        assert_eq!(memory.hold().grow(1), Err(NoRoom));
        second.release();
        assert!(!memory.is_full() && !memory.is_empty());
        drop(second);
        first.grow(40).unwrap();
        drop(first);
        assert!(memory.is_empty());
    }
}
