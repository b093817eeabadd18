//! The progress of the creates of one call, and the one moment at which it is reported to the caller.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::graph::error::{Error, Outcome};
use crate::graph::send_gate::SendGate;

/// The progress of each create of one call.
pub(super) struct Progress<R>(Mutex<State<R>>);

struct State<R> {
    items: Vec<ItemProgress<R>>,
    /// The progress was reported: no further attempt begins.
    is_reported: bool,
}

/// The progress of one create. `worst_outcome` is that of its attempts so far.
pub(super) enum ItemProgress<R> {
    /// No attempt is in flight.
    Waiting { worst_outcome: Outcome, error: Option<Error> },
    /// An attempt has started. The gate records whether it was sent.
    InFlight { worst_outcome: Outcome, gate: SendGate },
    /// It has ended with this result.
    Done(R),
}

impl<R> Progress<R> {
    /// The progress of `count` creates, none of which has begun.
    pub(super) fn new(count: usize) -> Self {
        let waiting = |_| ItemProgress::Waiting { worst_outcome: Outcome::NotSent, error: None };
        Self(Mutex::new(State { items: (0..count).map(waiting).collect(), is_reported: false }))
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the progress of one create. Does nothing once it was reported.
    pub(super) fn set(&self, index: usize, progress: ItemProgress<R>) {
        if let Some(item) = self.lock().items.get_mut(index) {
            *item = progress;
        }
    }

    /// Begins an attempt at each create of a group, given by index and worst outcome so far; `None` if they were reported
    /// as not sent.
    pub(super) fn begin(&self, group: impl Iterator<Item = (usize, Outcome)>) -> Option<SendGate> {
        let mut state = self.lock();
        if state.is_reported {
            return None;
        }
        let gate = SendGate::default();
        for (index, worst_outcome) in group {
            if let Some(item) = state.items.get_mut(index) {
                *item = ItemProgress::InFlight { worst_outcome, gate: gate.clone() };
            }
        }
        Some(gate)
    }

    /// Returns the progress of each create. No attempt starts afterwards; the gates decide about
    /// those that have started.
    pub(super) fn report(&self) -> Vec<ItemProgress<R>> {
        let mut state = self.lock();
        state.is_reported = true;
        std::mem::take(&mut state.items)
    }

    /// Whether the progress was reported.
    pub(super) fn is_reported(&self) -> bool {
        self.lock().is_reported
    }
}
