//! On whose behalf Graph is called, and for how long.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::auth::Authorization;
use crate::memory::MemoryShare;
use crate::telemetry::request::RequestTelemetry;

/// On whose behalf, and until when.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The caller's `Authorization` header.
    pub authorization: Authorization,
    /// The request's ids. Its `client-request-id` is sent with every call of the request. Graph echoes
    /// it, and Microsoft support asks for it.
    pub telemetry: Arc<RequestTelemetry>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Cancelled when the caller disconnects. Nothing new is sent afterwards; requests in flight
    /// are finished.
    pub disconnected: CancellationToken,
    /// What the request uses of the server's limits. Writes are finished without their caller, and hold it until then.
    pub guard: Option<Arc<dyn Any + Send + Sync>>,
    /// The caller's part of the memory of responses.
    pub memory_share: MemoryShare,
}
