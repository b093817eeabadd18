//! The HTTP client towards Graph: one connection pool, one service root, no redirects.

use std::fmt;
use std::sync::Arc;

use super::caller::Caller;
use super::client_state::ClientState;
use super::connect::ClientError;
use super::root::ServiceRoot;
use super::session::Session;
use super::settings::ClientSettings;
use crate::shared_state::WaitCache;

/// Microsoft Graph at one service root. Cheap to clone; clones share the connection pool.
#[derive(Clone)]
pub struct Client(Arc<ClientState>);

impl Client {
    /// A client without any connection yet.
    ///
    /// # Errors
    ///
    /// If the certificate authorities cannot be used.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(ClientState::new(settings)?)))
    }

    /// The client on behalf of `caller`: every call has that caller's token and deadline.
    #[must_use]
    pub fn session(&self, caller: Caller) -> Session {
        Session::new(Arc::clone(&self.0), caller)
    }

    /// Opens a connection of the current runtime, so that its first request finds one. A failure has no consequence: that
    /// request tries again.
    pub async fn open_connection(self) {
        self.0.http.open_early().await;
    }

    /// Ends the waits for a later attempt at once, and allows no further ones: the process is to stop.
    pub fn stop_retries(&self) {
        self.0.stopping.cancel();
    }

    /// Sends no write any more that has not reached a connection: the process is to stop, and takes no further request.
    pub fn stop_sending(&self) {
        self.0.draining.cancel();
    }

    /// Ends the waits of callers for writes that have been sent: the process is about to end. Their outcome is unknown.
    pub fn cut_off(&self) {
        self.0.cut_off.cancel();
    }

    /// Waits until no write is in flight, including those of disconnected callers.
    pub async fn wait_for_writes(&self) {
        self.0.writes.wait().await;
    }

    /// Ends the writes of disconnected callers, whose outcome is then logged as unknown: the process ends.
    pub fn abandon_writes(&self) {
        self.0.writes.abandon();
    }

    /// The number of writes in flight.
    #[must_use]
    pub fn writes_in_flight(&self) -> usize {
        self.0.writes.count()
    }

    /// What this process knows of callers' `Retry-After`, to be shared with other replicas.
    #[must_use]
    pub fn retry_after_cache(&self) -> Arc<impl WaitCache + use<>> {
        Arc::clone(&self.0.retry_after)
    }

    /// The service root.
    #[must_use]
    pub fn root(&self) -> &ServiceRoot {
        &self.0.root
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("root", &self.0.root).finish_non_exhaustive()
    }
}
