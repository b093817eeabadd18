//! Statuses that this gateway has added, told to whoever listens for those of their configuration: at most once, and by
//! their keys alone, since what one caller may see of them is not what another may.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::graph::{Fate, Journal, Key};
use crate::telemetry::metrics;

/// How many statuses are kept for a listener that is slower than they come; the oldest go first.
const MOST_KEPT: usize = 256;

/// Where statuses are announced. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Announcements(Arc<Mutex<ByConfiguration>>);

/// Those configurations that somebody listens for.
type ByConfiguration = HashMap<Place, broadcast::Sender<Key>>;

/// A configuration, as keys are compared: Graph's are GUIDs, whose case says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place(String);

impl From<&Key> for Place {
    fn from(configuration: &Key) -> Self {
        Self(configuration.as_str().to_ascii_lowercase())
    }
}

impl Announcements {
    /// Tells whoever listens that a status has been added to a configuration.
    fn announce(&self, configuration: &Key, status: &Key) {
        if let Some(listeners) = self.lock().get(&configuration.into()) {
            // Where the last of them has just gone, nobody misses it.
            let _ = listeners.send(status.clone());
        }
    }

    /// Listens from now on.
    pub(super) fn listen(&self, configuration: &Key) -> Listener {
        let place = Place::from(configuration);
        let mut configurations = self.lock();
        let listeners =
            configurations.entry(place.clone()).or_insert_with(|| broadcast::Sender::new(MOST_KEPT));
        Listener { added: Some(listeners.subscribe()), place, announcements: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, ByConfiguration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements").finish_non_exhaustive()
    }
}

/// Hears of the statuses that are added to one configuration, until it is dropped.
pub(super) struct Listener {
    /// `None` only while it is being dropped.
    added: Option<broadcast::Receiver<Key>>,
    place: Place,
    announcements: Announcements,
}

impl Listener {
    /// The key of the next status; `None` where there will be no more.
    pub(super) async fn next(&mut self) -> Option<Key> {
        let added = self.added.as_mut()?;
        loop {
            match added.recv().await {
                Ok(key) => return Some(key),
                Err(RecvError::Lagged(missed)) => metrics::announcements_missed(missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut configurations = self.announcements.lock();
        self.added = None;
        if configurations.get(&self.place).is_some_and(|listeners| listeners.receiver_count() == 0) {
            configurations.remove(&self.place);
        }
    }
}

/// A journal that also announces the statuses that have been created, to whichever end their caller waited for them.
pub(super) struct Announcing {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) announcements: Announcements,
    pub(super) configuration: Key,
}

#[async_trait]
impl Journal for Announcing {
    async fn about_to_send(&self, creates: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        self.journal.about_to_send(creates).await
    }

    async fn ended(&self, creates: &[(usize, Fate)]) {
        self.journal.ended(creates).await;
        for (_, fate) in creates {
            if let Fate::Created(status) = fate {
                self.announcements.announce(&self.configuration, status);
            }
        }
    }

    async fn close(&self) {
        self.journal.close().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::{Announcements, Key, MOST_KEPT};

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    #[test]
    fn listeners_hear_of_their_own_configuration_whatever_its_case() {
        let announcements = Announcements::default();
        let (mut one, mut same) = (announcements.listen(&key("AB-1")), announcements.listen(&key("ab-1")));
        let mut other = announcements.listen(&key("ab-2"));
        announcements.announce(&key("aB-1"), &key("s"));
        assert_eq!(one.next().now_or_never(), Some(Some(key("s"))));
        assert_eq!(same.next().now_or_never(), Some(Some(key("s"))));
        assert_eq!(other.next().now_or_never(), None);
        assert_eq!(one.next().now_or_never(), None, "at most once");
    }

    #[test]
    fn a_slow_listener_misses_the_oldest() {
        let announcements = Announcements::default();
        let mut listener = announcements.listen(&key("c"));
        for number in 0..MOST_KEPT + 3 {
            announcements.announce(&key("c"), &key(&number.to_string()));
        }
        assert_eq!(listener.next().now_or_never(), Some(Some(key("3"))));
    }

    #[test]
    fn nothing_is_kept_of_a_configuration_that_nobody_listens_for() {
        let announcements = Announcements::default();
        announcements.announce(&key("c"), &key("s"));
        let (one, other) = (announcements.listen(&key("c")), announcements.listen(&key("c")));
        drop(one);
        assert_eq!(announcements.lock().len(), 1);
        drop(other);
        assert_eq!(announcements.lock().len(), 0);
    }
}
