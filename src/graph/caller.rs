//! On whose behalf Graph is called, and for how long.

use std::time::Instant;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::auth::Authorization;

/// On whose behalf, and until when.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The caller's `Authorization` header.
    pub authorization: Authorization,
    /// Sent as `client-request-id` with every call of the request. Graph echoes it, and Microsoft
    /// support asks for it.
    pub client_request_id: Uuid,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Cancelled when the caller disconnects. Nothing new is sent afterwards; requests in flight
    /// are finished.
    pub disconnected: CancellationToken,
}
