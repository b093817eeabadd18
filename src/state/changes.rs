//! Tells those who wait for a record that it has changed, within one process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::record::RecordId;

/// Who waits for which record.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<HashMap<RecordId, watch::Sender<()>>>);

impl Changes {
    /// Begins to wait for the record's next change.
    pub(super) fn next(&self, id: RecordId) -> NextChange {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        NextChange(waiting.entry(id).or_insert_with(|| watch::Sender::new(())).subscribe())
    }

    /// The record has changed.
    pub(super) fn tell(&self, id: RecordId) {
        // All who wait are told by the sender's end.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }
}

/// A change to come.
pub(super) struct NextChange(watch::Receiver<()>);

impl NextChange {
    pub(super) async fn come(mut self) {
        // Nothing is ever sent: the error is the news.
        let _ = self.0.changed().await;
    }
}
