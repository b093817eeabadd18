//! Events of device statuses that this gateway added, delivered at most once to the subscribers of the configuration with
//! the tenant hint of the caller who added them. An event contains only the key, because callers differ in what they may
//! read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::graph::{CreateObserver, CreateOutcome, Key};
use crate::telemetry::metrics;

/// Events that are buffered for a slow receiver. The oldest are dropped first.
const MAX_BUFFERED_EVENTS: usize = 256;

/// Publishes events to receivers. Clones share their receivers.
#[derive(Clone, Default)]
pub(super) struct StatusEvents(Arc<Mutex<SendersByTopic>>);

/// The senders of topics that have receivers.
type SendersByTopic = HashMap<StatusTopic, broadcast::Sender<Key>>;

/// The topic of events: a configuration of a tenant. Two tenants may have a configuration of the same key if it was copied
/// or restored from a backup.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StatusTopic {
    /// The unverified tenant of the caller's token. No hint matches only no hint.
    pub(super) tenant_hint: Option<String>,
    pub(super) configuration: Key,
}

impl StatusEvents {
    /// Publishes that a status has been added to a configuration.
    fn publish(&self, topic: &StatusTopic, status: &Key) {
        if let Some(receivers) = self.lock().get(topic) {
            // Fails only if the last receiver has just been dropped.
            let _ = receivers.send(status.clone());
        }
    }

    /// Subscribes to the events from now on.
    pub(super) fn subscribe(&self, topic: StatusTopic) -> StatusReceiver {
        let mut senders = self.lock();
        let receivers =
            senders.entry(topic.clone()).or_insert_with(|| broadcast::Sender::new(MAX_BUFFERED_EVENTS));
        StatusReceiver { keys: Some(receivers.subscribe()), topic, events: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, SendersByTopic> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for StatusEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusEvents").finish_non_exhaustive()
    }
}

/// Receives the events of one topic until it is dropped.
pub(super) struct StatusReceiver {
    /// `None` only during the drop.
    keys: Option<broadcast::Receiver<Key>>,
    topic: StatusTopic,
    events: StatusEvents,
}

impl StatusReceiver {
    /// Returns the key of the next status; `None` at the end of the events.
    pub(super) async fn next(&mut self) -> Option<Key> {
        let keys = self.keys.as_mut()?;
        loop {
            match keys.recv().await {
                Ok(key) => return Some(key),
                Err(RecvError::Lagged(missed)) => metrics::subscription_events_dropped(missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for StatusReceiver {
    fn drop(&mut self) {
        let mut senders = self.events.lock();
        self.keys = None;
        if senders.get(&self.topic).is_some_and(|receivers| receivers.receiver_count() == 0) {
            senders.remove(&self.topic);
        }
    }
}

/// An observer that also publishes created statuses, even if the caller has disconnected.
pub(super) struct PublishingObserver {
    pub(super) observer: Arc<dyn CreateObserver>,
    pub(super) events: StatusEvents,
    pub(super) topic: StatusTopic,
}

#[async_trait]
impl CreateObserver for PublishingObserver {
    async fn before_send(&self, creates: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        self.observer.before_send(creates).await
    }

    async fn after_send(&self, creates: &[(usize, CreateOutcome)]) {
        self.observer.after_send(creates).await;
        for (_, fate) in creates {
            if let CreateOutcome::Created(status) = fate {
                self.events.publish(&self.topic, status);
            }
        }
    }

    async fn close(&self) {
        self.observer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::{Key, MAX_BUFFERED_EVENTS, StatusEvents, StatusTopic};

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    fn topic(tenant_hint: Option<&str>, configuration: &str) -> StatusTopic {
        StatusTopic { tenant_hint: tenant_hint.map(str::to_owned), configuration: key(configuration) }
    }

    #[test]
    fn receivers_get_events_of_their_configuration_in_any_case() {
        let guid = "e2a23631-3631-e2a2-3136-a2e23136a2e2";
        let events = StatusEvents::default();
        let mut one = events.subscribe(topic(None, guid));
        let mut same = events.subscribe(topic(None, &guid.to_uppercase()));
        let mut other = events.subscribe(topic(None, "ab-2"));
        events.publish(&topic(None, &guid.replace("e2", "E2")), &key("s"));
        assert_eq!(one.next().now_or_never(), Some(Some(key("s"))));
        assert_eq!(same.next().now_or_never(), Some(Some(key("s"))));
        assert_eq!(other.next().now_or_never(), None);
        assert_eq!(one.next().now_or_never(), None, "at most once");
    }

    #[test]
    fn receivers_get_events_of_their_tenant_only() {
        let hints = [None, Some("a"), Some("b")];
        for adds in hints {
            let events = StatusEvents::default();
            let mut receivers = hints.map(|hint| events.subscribe(topic(hint, "c")));
            events.publish(&topic(adds, "c"), &key("s"));
            for (receiver, hint) in receivers.iter_mut().zip(hints) {
                assert_eq!(receiver.next().now_or_never().is_some(), hint == adds, "{adds:?} to {hint:?}");
            }
        }
    }

    #[test]
    fn a_slow_receiver_misses_the_oldest_events() {
        let events = StatusEvents::default();
        let mut receiver = events.subscribe(topic(None, "c"));
        for number in 0..MAX_BUFFERED_EVENTS + 3 {
            events.publish(&topic(None, "c"), &key(&number.to_string()));
        }
        assert_eq!(receiver.next().now_or_never(), Some(Some(key("3"))));
    }

    #[test]
    fn topics_without_receivers_are_removed() {
        let events = StatusEvents::default();
        events.publish(&topic(None, "c"), &key("s"));
        let (one, other) = (events.subscribe(topic(None, "c")), events.subscribe(topic(None, "c")));
        drop(one);
        assert_eq!(events.lock().len(), 1);
        drop(other);
        assert_eq!(events.lock().len(), 0);
    }
}
