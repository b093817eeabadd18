//! Attempts at creates: the pending creates, and the results of an attempt.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::create_observer::CreateOutcome;
use super::created::{CreateResult, Created};
use crate::graph::batch::MAX_ITEMS;
use crate::graph::error::{Error, Outcome, WriteError, WriteKind};
use crate::graph::key::Key;
use crate::graph::models::Entity;
use crate::graph::retry::{Delay, Reason, Retries};

/// A create without a result.
pub(super) struct PendingCreate {
    pub(super) index: usize,
    pub(super) retries: Retries,
    /// The worst outcome of the attempts so far.
    pub(super) worst_outcome: Outcome,
    /// The error of the last attempt.
    pub(super) error: Option<Error>,
    /// Why it is sent again.
    pub(super) retry_reason: Option<Reason>,
    /// Whether it was sent again after an attempt that Graph may have done.
    pub(super) is_resent: bool,
    pub(super) not_before: Instant,
}

impl PendingCreate {
    /// Whether Graph requested a wait.
    pub(super) fn is_throttled(&self) -> bool {
        self.error.as_ref().is_some_and(|error| error.is_throttled() || error.retry_after().is_some())
    }
}

/// The result of an attempt at a create.
pub(super) enum AttemptResult<T> {
    Done(CreateResult<T>),
    Retry { error: Error, delay: Delay },
}

impl<T: Entity> AttemptResult<T> {
    pub(super) fn failed(pending: &PendingCreate, error: Error) -> Self {
        let error = WriteError::after(WriteKind::Create, pending.worst_outcome, error);
        Self::Done(Err(WriteError { is_resent: pending.is_resent, ..error }))
    }

    /// Whether this is a retry without a `Retry-After`.
    pub(super) fn spends_budget(&self) -> bool {
        matches!(self, Self::Retry { delay, .. } if !delay.from_retry_after)
    }

    /// Whether this is a retry after a wait that Graph named.
    pub(super) fn has_retry_after(&self) -> bool {
        matches!(self, Self::Retry { delay, .. } if delay.from_retry_after)
    }

    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Retry { delay, .. } => Some(delay.wait),
            Self::Done(_) => None,
        }
    }

    pub(super) fn outcome(&self, pending: &PendingCreate) -> CreateOutcome {
        match self {
            Self::Done(Ok(Created::Key(key))) => CreateOutcome::Created(key.clone()),
            // The key was checked when the response was read.
            Self::Done(Ok(Created::Entity(entity))) => {
                Key::new(entity.key()).map_or(CreateOutcome::Failed(Outcome::Applied), CreateOutcome::Created)
            }
            // What came of an earlier attempt whose response was lost is more than that.
            Self::Done(Err(error)) if error.error.requires_approval() && !error.is_resent => {
                CreateOutcome::ApprovalRequired
            }
            Self::Done(Err(error)) if error.outcome == Outcome::Rejected && error.error.awaits_approval() => {
                CreateOutcome::ApprovalPending
            }
            Self::Done(Err(error)) => CreateOutcome::Failed(error.outcome),
            Self::Retry { .. } => CreateOutcome::Failed(pending.worst_outcome),
        }
    }
}

/// Takes the next creates that may be sent, at most as many as fit into a batch.
pub(super) fn next_group(
    waiting: &mut VecDeque<PendingCreate>,
    paused_until: Instant,
) -> Option<Vec<PendingCreate>> {
    let now = Instant::now();
    if paused_until > now {
        return None;
    }
    let mut group = Vec::new();
    let mut later = VecDeque::with_capacity(waiting.len());
    while let Some(pending) = waiting.pop_front() {
        if group.len() < MAX_ITEMS && pending.not_before <= now {
            group.push(pending);
        } else {
            later.push_back(pending);
        }
    }
    *waiting = later;
    (!group.is_empty()).then_some(group)
}
