//! The simulated service: its data, and its settings as reads and writes apply them.

use std::sync::{Mutex, PoisonError, RwLock};

use crate::approvals::Approvals;
use crate::auth::{self, Caller};
use crate::call::Call;
use crate::paging::OrderCache;
use crate::random::Random;
use crate::seed;
use crate::settings::{Profile, Settings};
use crate::store::Store;

/// The simulated service: its data, requests for approval and settings.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) store: RwLock<Store>,
    pub(crate) orders: OrderCache,
    pub(crate) approvals: Approvals,
    ids: Mutex<Random>,
}

impl Service {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            store: RwLock::new(seed::store(&settings)),
            orders: OrderCache::default(),
            approvals: Approvals::default(),
            // Not the sequence of the data, so that new ids differ from seeded ones.
            ids: Mutex::new(Random::new(!settings.seed)),
            settings,
        }
    }

    /// Restores the data of the start.
    pub(crate) fn reset(&self) {
        self.approvals.clear();
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        *store = seed::store(&self.settings);
        *self.ids.lock().unwrap_or_else(PoisonError::into_inner) = Random::new(!self.settings.seed);
    }

    pub(crate) fn guid(&self) -> String {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).guid()
    }

    /// Shuffles items.
    pub(crate) fn shuffle<T>(&self, items: &mut [T]) {
        let mut random = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        for last in (1..items.len()).rev() {
            let chosen = random.below(u64::try_from(last).unwrap_or(0) + 1);
            items.swap(last, usize::try_from(chosen).unwrap_or(last));
        }
    }

    /// The caller of a request; the default caller if authentication is off.
    pub(crate) fn caller(&self, call: &Call<'_>) -> Result<Caller, auth::Unauthorized> {
        if self.settings.auth.is_on() { auth::caller(&call.message.headers) } else { Ok(Caller::DEFAULT) }
    }

    /// Maximum number of entities per page; at least 1, because paging would never end with 0.
    pub(crate) fn page_size(&self) -> usize {
        self.settings.page_size.max(1)
    }

    /// Whether responses repeat dates as the caller wrote them.
    pub(crate) fn echoes_dates(&self) -> bool {
        self.settings.profile == Profile::Documented
    }

    pub(crate) fn is_live_like(&self) -> bool {
        self.settings.profile == Profile::LiveLike
    }
}
