//! How far the creates of one call have come, and the one moment at which their caller is told.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::graph::error::{Error, Outcome};
use crate::graph::send_gate::SendGate;

/// How far each create has come, as the caller sees it at the deadline.
pub(super) struct Progress<R>(Mutex<Stages<R>>);

struct Stages<R> {
    stages: Vec<Stage<R>>,
    /// The caller has been told: nothing more begins.
    is_reported: bool,
}

/// How far a create has come.
pub(super) enum Stage<R> {
    /// It is not under way; the attempts so far left this known.
    Waiting { earlier: Outcome, error: Option<Error> },
    /// An attempt has begun; the gate knows whether it has been sent.
    Begun { earlier: Outcome, gate: SendGate },
    /// It has ended, with this result.
    Ended(R),
}

impl<R> Progress<R> {
    /// Of so many creates, none of which has begun.
    pub(super) fn new(count: usize) -> Self {
        let stages = (0..count).map(|_| Stage::Waiting { earlier: Outcome::NotSent, error: None }).collect();
        Self(Mutex::new(Stages { stages, is_reported: false }))
    }

    fn lock(&self) -> MutexGuard<'_, Stages<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody looks any more once the caller has taken what there was.
    pub(super) fn set(&self, index: usize, stage: Stage<R>) {
        if let Some(place) = self.lock().stages.get_mut(index) {
            *place = stage;
        }
    }

    /// Begins an attempt at each of a group, told by index and by what earlier attempts left known; `None` where the
    /// caller has been told that they were not sent.
    pub(super) fn begin(&self, group: impl Iterator<Item = (usize, Outcome)>) -> Option<SendGate> {
        let mut stages = self.lock();
        if stages.is_reported {
            return None;
        }
        let gate = SendGate::default();
        for (index, earlier) in group {
            if let Some(stage) = stages.stages.get_mut(index) {
                *stage = Stage::Begun { earlier, gate: gate.clone() };
            }
        }
        Some(gate)
    }

    /// What is to be told. From now on no attempt begins; those that have begun are for their gates to decide.
    pub(super) fn report(&self) -> Vec<Stage<R>> {
        let mut stages = self.lock();
        stages.is_reported = true;
        std::mem::take(&mut stages.stages)
    }

    /// Whether the caller has been told.
    pub(super) fn is_reported(&self) -> bool {
        self.lock().is_reported
    }
}
