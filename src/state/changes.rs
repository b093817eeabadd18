//! Tells those who wait for a record that it has changed, within one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::record::RecordId;

/// Who waits for which record. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes(Arc<Mutex<Waiters>>);

type Waiters = HashMap<RecordId, watch::Sender<()>>;

impl Changes {
    /// Begins to wait for the record's next change.
    pub(super) fn next(&self, id: RecordId) -> NextChange {
        let mut waiting = self.lock();
        let receiver = waiting.entry(id).or_insert_with(|| watch::Sender::new(())).subscribe();
        NextChange { changes: self.clone(), id, receiver }
    }

    /// The record has changed.
    pub(super) fn tell(&self, id: RecordId) {
        // All who wait are told by the sender's end.
        self.lock().remove(&id);
    }

    /// Any record may have changed.
    pub(super) fn tell_all(&self) {
        self.lock().clear();
    }

    /// How many records are waited for.
    #[cfg(test)]
    pub(super) fn waited_for(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change to come.
pub(super) struct NextChange {
    changes: Changes,
    id: RecordId,
    receiver: watch::Receiver<()>,
}

impl NextChange {
    pub(super) async fn come(mut self) {
        // Nothing is ever sent: the error is the news.
        let _ = self.receiver.changed().await;
    }
}

/// The last who waits for a record leaves nothing behind, whether it was told or not.
impl Drop for NextChange {
    fn drop(&mut self) {
        let mut waiting = self.changes.lock();
        // Another sender is of others, who began to wait after the change.
        let is_ours = |sender: &watch::Sender<()>| sender.subscribe().same_channel(&self.receiver);
        if waiting.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1 && is_ours(sender)) {
            waiting.remove(&self.id);
        }
    }
}
