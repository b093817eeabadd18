//! Events of device statuses that this gateway or another replica added, delivered at most once to the subscribers of the
//! configuration with the tenant hint of the caller who added them. An event contains only the key, because callers differ
//! in what they may read.

use std::collections::HashMap;
use std::fmt;
use std::future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep_until};

use crate::graph::{CreateObserver, CreateOutcome, Key};
use crate::shared_state::{SharedEvent, SharedEvents, TenantHash};
use crate::telemetry::metrics;

/// Minimum time between two notices to a receiver that is too slow: each makes it read a list.
const NOTICE_INTERVAL: Duration = Duration::from_secs(5);
/// Events that are buffered for a slow receiver. The oldest are dropped first.
const MAX_BUFFERED_EVENTS: usize = 256;

/// Publishes events to receivers. Clones share their receivers.
#[derive(Clone, Default)]
pub(super) struct StatusEvents(Arc<Inner>);

#[derive(Default)]
struct Inner {
    senders: Mutex<SendersByTopic>,
    /// `None` if no state is shared.
    shared: Option<Shared>,
}

/// The events of other replicas.
struct Shared {
    events: SharedEvents,
    /// Counts how often events of other replicas may have been missed.
    missed: watch::Sender<u64>,
}

/// The senders of topics that have receivers.
type SendersByTopic = HashMap<StatusTopic, broadcast::Sender<Key>>;

/// The topic of events: a configuration of a tenant. Two tenants may have a configuration of the same key if it was copied
/// or restored from a backup.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct StatusTopic {
    tenant: Tenant,
    configuration: Key,
}

/// The unverified tenant of the caller's token. No hint matches only no hint. All topics of a process have the same variant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Tenant {
    Hint(Option<String>),
    /// If events are shared with other replicas.
    Hash(TenantHash),
}

/// What a receiver receives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// The key of a status that was added.
    Added(Key),
    /// Events may have been missed.
    Missed,
}

impl StatusEvents {
    /// Events that are also sent to other replicas.
    pub(super) fn shared(events: SharedEvents) -> Self {
        let shared = Shared { events, missed: watch::Sender::new(0) };
        Self(Arc::new(Inner { senders: Mutex::default(), shared: Some(shared) }))
    }

    /// The topic of a configuration, for callers whose tokens have this hint.
    pub(super) fn topic(&self, tenant_hint: Option<String>, configuration: Key) -> StatusTopic {
        let tenant = match &self.0.shared {
            None => Tenant::Hint(tenant_hint),
            Some(_) => Tenant::Hash(TenantHash::of(tenant_hint.as_deref())),
        };
        StatusTopic { tenant, configuration }
    }

    /// Publishes that a status has been added to a configuration.
    fn publish(&self, topic: &StatusTopic, status: &Key) {
        self.deliver(topic, status);
        if let (Some(shared), Tenant::Hash(tenant)) = (&self.0.shared, &topic.tenant) {
            shared.events.publish(SharedEvent::Added {
                tenant: *tenant,
                configuration: topic.configuration.as_str(),
                status: status.as_str(),
            });
        }
    }

    /// Sends an event to the receivers of this process.
    fn deliver(&self, topic: &StatusTopic, status: &Key) {
        if let Some(receivers) = self.lock().get(topic) {
            // Fails only if the last receiver has just been dropped.
            let _ = receivers.send(status.clone());
        }
    }

    /// Sends events to other replicas, and receives theirs, until the future is dropped.
    pub(super) async fn run(self) {
        if let Some(shared) = &self.0.shared {
            shared.events.clone().run(|event| self.receive(event).is_some()).await;
        }
    }

    /// Handles an event of another replica; `None` if it has an invalid key.
    fn receive(&self, event: SharedEvent<'_>) -> Option<()> {
        match event {
            SharedEvent::Added { tenant, configuration, status } => {
                let configuration = Key::new(configuration).ok()?;
                let topic = StatusTopic { tenant: Tenant::Hash(tenant), configuration };
                self.deliver(&topic, &Key::new(status).ok()?);
            }
            SharedEvent::Missed { .. } => self.0.shared.as_ref()?.missed.send_modify(|count| *count += 1),
        }
        Some(())
    }

    /// Subscribes to the events from now on.
    pub(super) fn subscribe(&self, topic: StatusTopic) -> StatusReceiver {
        let missed = self.0.shared.as_ref().map(|shared| shared.missed.subscribe());
        let mut senders = self.lock();
        let receivers =
            senders.entry(topic.clone()).or_insert_with(|| broadcast::Sender::new(MAX_BUFFERED_EVENTS));
        StatusReceiver {
            keys: Some(receivers.subscribe()),
            missed,
            notice_due: None,
            next_notice: Instant::now(),
            topic,
            events: self.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SendersByTopic> {
        self.0.senders.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Changes when events of other replicas may have been missed. Several times before the next event count once.
    missed: Option<watch::Receiver<u64>>,
    /// When a notice of dropped events is due, if some were dropped.
    notice_due: Option<Instant>,
    /// The earliest time of the next such notice.
    next_notice: Instant,
    topic: StatusTopic,
    events: StatusEvents,
}

impl StatusReceiver {
    /// Returns what comes next; `None` at the end of the events.
    pub(super) async fn next(&mut self) -> Option<Received> {
        loop {
            if self.notice_due.is_some_and(|at| at <= Instant::now()) {
                return Some(self.notice());
            }
            let keys = self.keys.as_mut()?;
            let missed = async {
                match &mut self.missed {
                    Some(missed) => missed.changed().await.is_ok(),
                    None => future::pending().await,
                }
            };
            let notice = async {
                match self.notice_due {
                    Some(at) => sleep_until(at).await,
                    None => future::pending().await,
                }
            };
            tokio::select! {
                biased;
                true = missed => return Some(self.notice()),
                () = notice => return Some(self.notice()),
                key = keys.recv() => match key {
                    Ok(key) => return Some(Received::Added(key)),
                    Err(RecvError::Lagged(count)) => {
                        metrics::subscription_events_dropped(count);
                        self.notice_due.get_or_insert(self.next_notice);
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// The notice that events may have been missed, for all reasons so far.
    fn notice(&mut self) -> Received {
        if let Some(missed) = &mut self.missed {
            missed.mark_unchanged();
        }
        self.notice_due = None;
        self.next_notice = Instant::now() + NOTICE_INTERVAL;
        Received::Missed
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

    use super::{Key, MAX_BUFFERED_EVENTS, Received, StatusEvents, StatusReceiver, StatusTopic};
    use crate::shared_state::{
        ConnectionSettings, ServerAddress, SharedEvent, SharedEvents, SharedState, TenantHash,
    };

    const GUID: &str = "e2a23631-3631-e2a2-3136-a2e23136a2e2";

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    /// Events of a gateway that is alone, and of one that shares them by a server that is never connected to.
    fn both_kinds() -> [StatusEvents; 2] {
        let address = ServerAddress::parse("redis://localhost").unwrap();
        let state = SharedState::new(ConnectionSettings { address, password: None, tls: None });
        [StatusEvents::default(), StatusEvents::shared(SharedEvents::new(state))]
    }

    fn topic(events: &StatusEvents, tenant_hint: Option<&str>, configuration: &str) -> StatusTopic {
        events.topic(tenant_hint.map(str::to_owned), key(configuration))
    }

    fn subscribe(events: &StatusEvents, tenant_hint: Option<&str>, configuration: &str) -> StatusReceiver {
        events.subscribe(topic(events, tenant_hint, configuration))
    }

    fn next(receiver: &mut StatusReceiver) -> Option<Received> {
        receiver.next().now_or_never().flatten()
    }

    fn added(text: &str) -> Option<Received> {
        Some(Received::Added(key(text)))
    }

    #[test]
    fn receivers_get_events_of_their_configuration_in_any_case() {
        for events in both_kinds() {
            let mut one = subscribe(&events, None, GUID);
            let mut same = subscribe(&events, None, &GUID.to_uppercase());
            let mut other = subscribe(&events, None, "ab-2");
            events.publish(&topic(&events, None, &GUID.replace("e2", "E2")), &key("s"));
            assert_eq!(next(&mut one), added("s"));
            assert_eq!(next(&mut same), added("s"));
            assert_eq!(next(&mut other), None);
            assert_eq!(next(&mut one), None, "at most once");
        }
    }

    #[test]
    fn receivers_get_events_of_their_tenant_only() {
        let hints = [None, Some(""), Some("a"), Some("b")];
        for adds in hints {
            for events in both_kinds() {
                let mut receivers = hints.map(|hint| subscribe(&events, hint, "c"));
                events.publish(&topic(&events, adds, "c"), &key("s"));
                for (receiver, hint) in receivers.iter_mut().zip(hints) {
                    assert_eq!(next(receiver).is_some(), hint == adds, "{adds:?} to {hint:?}");
                }
            }
        }
    }

    #[test]
    fn events_of_other_replicas_are_received_by_their_tenant_if_they_are_valid() {
        let [alone, events] = both_kinds();
        let hints = [None, Some(""), Some("a"), Some("b")];
        fn event<'a>(hint: Option<&str>, configuration: &'a str, status: &'a str) -> SharedEvent<'a> {
            SharedEvent::Added { tenant: TenantHash::of(hint), configuration, status }
        }
        for adds in hints {
            let mut receivers = hints.map(|hint| subscribe(&events, hint, GUID));
            let configuration = GUID.to_uppercase();
            assert_eq!(events.receive(event(adds, &configuration, "s")), Some(()));
            for (receiver, hint) in receivers.iter_mut().zip(hints) {
                assert_eq!(next(receiver), added("s").filter(|_| hint == adds), "{adds:?} to {hint:?}");
            }
        }
        for (configuration, status) in [("", "s"), ("c", ""), ("..", "s"), ("c", "%2e")] {
            assert_eq!(events.receive(event(None, configuration, status)), None);
        }
        assert_eq!(alone.receive(SharedEvent::Missed { milliseconds_ago: 0 }), None);
    }

    #[test]
    fn a_slow_receiver_is_told_that_it_missed_the_oldest_events() {
        for events in both_kinds() {
            let mut receiver = subscribe(&events, None, "c");
            for number in 0..MAX_BUFFERED_EVENTS + 3 {
                events.publish(&topic(&events, None, "c"), &key(&number.to_string()));
            }
            assert_eq!(next(&mut receiver), Some(Received::Missed));
            assert_eq!(next(&mut receiver), added("3"));
        }
    }

    #[test]
    fn missed_events_of_other_replicas_are_told_once() {
        let [_, events] = both_kinds();
        assert_eq!(events.receive(SharedEvent::Missed { milliseconds_ago: 0 }), Some(()));
        let mut receiver = subscribe(&events, None, "c");
        assert_eq!(next(&mut receiver), None, "not before it began");
        events.publish(&topic(&events, None, "c"), &key("s"));
        for _ in 0..3 {
            events.receive(SharedEvent::Missed { milliseconds_ago: 0 });
        }
        assert_eq!(next(&mut receiver), Some(Received::Missed));
        assert_eq!(next(&mut receiver), added("s"));
        assert_eq!(next(&mut receiver), None);
    }

    #[test]
    fn topics_without_receivers_are_removed() {
        let events = StatusEvents::default();
        events.publish(&topic(&events, None, "c"), &key("s"));
        let (one, other) = (subscribe(&events, None, "c"), subscribe(&events, None, "c"));
        drop(one);
        assert_eq!(events.lock().len(), 1);
        drop(other);
        assert_eq!(events.lock().len(), 0);
    }
}
