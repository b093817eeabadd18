//! Random bits for ids, which only correlate log lines and spans.

use std::cell::RefCell;

use fastrand::Rng;
use uuid::Uuid;

/// 128 random bits. They come from a generator of the thread rather than from the system, which would cost a system call.
/// The system seeds the generator with 128 bits, so that ids of different threads and processes do not collide.
pub(super) fn random_bits() -> [u64; 2] {
    thread_local! {
        static GENERATORS: RefCell<[Rng; 2]> = RefCell::new(seeded());
    }
    GENERATORS.with_borrow_mut(|[high, low]| [high.u64(..), low.u64(..)])
}

fn seeded() -> [Rng; 2] {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    [high, low].map(Rng::with_seed)
}
