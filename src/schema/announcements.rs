//! Statuses that this gateway has added, told to whoever listens for those of their configuration with the tenant hint of
//! the caller who added them: at most once, and by their keys alone, since what one caller may see of them is not what
//! another may.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::graph::{CreateObserver, CreateOutcome, Key};
use crate::telemetry::metrics;

/// How many statuses are kept for a listener that is slower than they come; the oldest go first.
const MOST_KEPT: usize = 256;

/// Where statuses are announced. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Announcements(Arc<Mutex<ByConfiguration>>);

/// Those that somebody listens for.
type ByConfiguration = HashMap<Place, broadcast::Sender<Key>>;

/// A configuration of a tenant. The key alone does not tell tenants apart: a configuration that was copied, or restored
/// from a backup, may have the same one in two of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// What the caller's token says, unverified; a caller without a hint shares events with those without one alone.
    pub(super) tenant_hint: Option<String>,
    pub(super) configuration: Key,
}

impl Announcements {
    /// Tells whoever listens that a status has been added to a configuration.
    fn announce(&self, place: &Place, status: &Key) {
        if let Some(listeners) = self.lock().get(place) {
            // Where the last of them has just gone, nobody misses it.
            let _ = listeners.send(status.clone());
        }
    }

    /// Listens from now on.
    pub(super) fn listen(&self, place: Place) -> Listener {
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
    pub(super) journal: Arc<dyn CreateObserver>,
    pub(super) announcements: Announcements,
    pub(super) place: Place,
}

#[async_trait]
impl CreateObserver for Announcing {
    async fn before_send(&self, creates: &[usize]) -> Result<(), Arc<dyn std::error::Error + Send + Sync>> {
        self.journal.before_send(creates).await
    }

    async fn after_send(&self, creates: &[(usize, CreateOutcome)]) {
        self.journal.after_send(creates).await;
        for (_, fate) in creates {
            if let CreateOutcome::Created(status) = fate {
                self.announcements.announce(&self.place, status);
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

    use super::{Announcements, Key, MOST_KEPT, Place};

    fn key(text: &str) -> Key {
        Key::new(text).unwrap()
    }

    fn place(tenant_hint: Option<&str>, configuration: &str) -> Place {
        Place { tenant_hint: tenant_hint.map(str::to_owned), configuration: key(configuration) }
    }

    #[test]
    fn listeners_hear_of_their_own_configuration_whatever_its_case() {
        let guid = "e2a23631-3631-e2a2-3136-a2e23136a2e2";
        let announcements = Announcements::default();
        let mut one = announcements.listen(place(None, guid));
        let mut same = announcements.listen(place(None, &guid.to_uppercase()));
        let mut other = announcements.listen(place(None, "ab-2"));
        announcements.announce(&place(None, &guid.replace("e2", "E2")), &key("s"));
        assert_eq!(one.next().now_or_never(), Some(Some(key("s"))));
        assert_eq!(same.next().now_or_never(), Some(Some(key("s"))));
        assert_eq!(other.next().now_or_never(), None);
        assert_eq!(one.next().now_or_never(), None, "at most once");
    }

    #[test]
    fn listeners_hear_of_their_own_tenant_alone() {
        let hints = [None, Some("a"), Some("b")];
        for adds in hints {
            let announcements = Announcements::default();
            let mut listeners = hints.map(|hint| announcements.listen(place(hint, "c")));
            announcements.announce(&place(adds, "c"), &key("s"));
            for (listener, hint) in listeners.iter_mut().zip(hints) {
                assert_eq!(listener.next().now_or_never().is_some(), hint == adds, "{adds:?} to {hint:?}");
            }
        }
    }

    #[test]
    fn a_slow_listener_misses_the_oldest() {
        let announcements = Announcements::default();
        let mut listener = announcements.listen(place(None, "c"));
        for number in 0..MOST_KEPT + 3 {
            announcements.announce(&place(None, "c"), &key(&number.to_string()));
        }
        assert_eq!(listener.next().now_or_never(), Some(Some(key("3"))));
    }

    #[test]
    fn nothing_is_kept_of_a_configuration_that_nobody_listens_for() {
        let announcements = Announcements::default();
        announcements.announce(&place(None, "c"), &key("s"));
        let (one, other) = (announcements.listen(place(None, "c")), announcements.listen(place(None, "c")));
        drop(one);
        assert_eq!(announcements.lock().len(), 1);
        drop(other);
        assert_eq!(announcements.lock().len(), 0);
    }
}
