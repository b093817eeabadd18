//! The state that the public and the admin listener share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::concurrency_limiter::Admission;
use super::settings::Settings;
use crate::graph;
use crate::memory::MemoryBudget;
use crate::schema::Api;

/// The state that all handlers share.
pub(super) struct App {
    pub(super) api: Api,
    pub(super) graph: graph::Client,
    pub(super) admission: Admission,
    pub(super) streams: Admission,
    /// Cancelled when no more is begun: streams end then.
    pub(super) stopping: CancellationToken,
    pub(super) bodies: Arc<MemoryBudget>,
    pub(super) answers: Arc<MemoryBudget>,
    pub(super) settings: Settings,
}
