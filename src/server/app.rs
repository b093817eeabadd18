//! The state that the public and the admin listener share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::concurrency_limiter::{CallerIds, ConcurrencyLimiter};
use super::settings::Settings;
use crate::graph;
use crate::memory::MemoryBudget;
use crate::schema::Api;

/// The state that all handlers share.
pub(super) struct App {
    pub(super) api: Api,
    pub(super) graph: graph::Client,
    pub(super) caller_ids: CallerIds,
    pub(super) request_limiter: ConcurrencyLimiter,
    pub(super) subscription_limiter: ConcurrencyLimiter,
    /// Cancelled when a shutdown begins to drain: subscriptions end then.
    pub(super) draining: CancellationToken,
    /// Memory of request bodies and WebSocket messages.
    pub(super) request_memory: Arc<MemoryBudget>,
    /// Memory of responses that are being built or have not been sent.
    pub(super) response_memory: Arc<MemoryBudget>,
    pub(super) settings: Settings,
}
