//! Events that replicas share by publish and subscribe. Delivery is at most once.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use super::event_format::SharedEvent;
use super::event_listener::Listener;
use super::event_publisher::Publisher;
use super::shared_connection::SharedState;
use crate::telemetry::metrics;

/// Sends events to the other replicas, and receives theirs. Clones share the queue.
#[derive(Clone)]
pub struct SharedEvents(Arc<Inner>);

struct Inner {
    state: SharedState,
    replica: [u8; 16],
    publisher: Publisher,
}

impl SharedEvents {
    /// The events of a shared state. Nothing is sent or received before [`SharedEvents::run`].
    #[must_use]
    pub fn new(state: SharedState) -> Self {
        let replica = Uuid::new_v4().into_bytes();
        metrics::set_shared_events_up(false);
        let publisher = Publisher::new(state.clone(), replica);
        Self(Arc::new(Inner { state, replica, publisher }))
    }

    /// Sends an event in the background. It is dropped if the server cannot be reached or too many events wait.
    pub fn publish(&self, event: SharedEvent<'_>) {
        self.0.publisher.publish(event);
    }

    /// Sends and receives until the future is dropped. `on_event` handles the events of other replicas, and returns false for
    /// one that is invalid. Each new connection begins with [`SharedEvent::Missed`].
    pub async fn run(self, on_event: impl FnMut(SharedEvent<'_>) -> bool) {
        let Inner { state, replica, publisher } = &*self.0;
        let listener = Listener::new(state, publisher, *replica, on_event);
        tokio::join!(publisher.run(), listener.run());
    }

    /// Waits until each event was sent or dropped, while [`SharedEvents::run`] runs.
    pub async fn flush(&self) {
        self.0.publisher.flush().await;
    }
}

impl fmt::Debug for SharedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedEvents").finish_non_exhaustive()
    }
}
