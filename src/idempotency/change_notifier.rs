//! Notifications of changed records, within one process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::record::RecordId;

/// Notifies subscribers that a record has changed. Clones share their subscribers.
#[derive(Debug, Clone, Default)]
pub(super) struct ChangeNotifier(Arc<Mutex<Subscribers>>);

type Subscribers = HashMap<RecordId, watch::Sender<()>>;

impl ChangeNotifier {
    /// Subscribes to the record's next change.
    pub(super) fn subscribe(&self, id: RecordId) -> ChangeSubscription {
        let mut subscribers = self.lock();
        let receiver = subscribers.entry(id).or_insert_with(|| watch::Sender::new(())).subscribe();
        ChangeSubscription { notifier: self.clone(), id, receiver }
    }

    /// Notifies the record's subscribers.
    pub(super) fn notify(&self, id: RecordId) {
        // Dropping the sender wakes its receivers.
        self.lock().remove(&id);
    }

    /// Notifies all subscribers.
    pub(super) fn notify_all(&self) {
        self.lock().clear();
    }

    /// The number of records with subscribers.
    #[cfg(test)]
    pub(super) fn watched_records(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Subscribers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscription to a record's next change.
pub(super) struct ChangeSubscription {
    notifier: ChangeNotifier,
    id: RecordId,
    receiver: watch::Receiver<()>,
}

impl ChangeSubscription {
    /// Resolves at the change.
    pub(super) async fn changed(mut self) {
        // Nothing is ever sent: the closed channel is the notification.
        let _ = self.receiver.changed().await;
    }
}

/// The last subscription to a record removes its entry.
impl Drop for ChangeSubscription {
    fn drop(&mut self) {
        let mut subscribers = self.notifier.lock();
        // Subscriptions made after the change have another sender.
        let is_ours = |sender: &watch::Sender<()>| sender.subscribe().same_channel(&self.receiver);
        if subscribers.get(&self.id).is_some_and(|sender| sender.receiver_count() <= 1 && is_ours(sender)) {
            subscribers.remove(&self.id);
        }
    }
}
