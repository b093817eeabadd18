//! Shared state of all sessions of one client: the connections, the service root, and the limits of
//! the process.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tower::retry::budget::TpsBudget;

use super::connect::{ClientError, Connector};
use super::http_client::HttpClient;
use super::in_place::Writes;
use super::pool::Pool;
use super::refused_options::RefusedOptions;
use super::retry_after_cache::RetryAfterCache;
use super::root::ServiceRoot;
use super::settings::{ClientSettings, CreatePath};
use crate::memory::MemoryBudget;

/// Window of the retry budget.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// Retries a second that are allowed however few requests there are.
const BUDGET_FLOOR: u32 = 10;
/// Retries that are allowed beyond it, as a part of the requests.
const BUDGET_SHARE: f32 = 0.2;

/// Shared state of all sessions of one client.
pub(super) struct ClientState {
    pub(super) http: HttpClient,
    pub(super) root: ServiceRoot,
    pub(super) create_path: CreatePath,
    pub(super) max_response: usize,
    /// Memory of responses that are not used yet.
    pub(super) responses: Arc<MemoryBudget>,
    pub(super) attempt_timeout: Duration,
    pub(super) honors_client_ids: bool,
    pub(super) retry_after: Arc<RetryAfterCache>,
    pub(super) refused_options: RefusedOptions,
    /// Limits the retries of the process, to protect a failing Graph.
    pub(super) budget: TpsBudget,
    /// Cancelled when the process is to stop: nothing is waited for that would be sent after a while.
    pub(super) stopping: CancellationToken,
    /// Cancelled when no further requests are accepted. Requests that have not reached a connection
    /// are then not sent.
    pub(super) draining: CancellationToken,
    /// Cancelled when the process is about to end. Callers then receive the known outcomes.
    pub(super) cut_off: CancellationToken,
    /// The writes in flight, including those whose callers disconnected.
    pub(super) writes: Writes,
}

impl ClientState {
    /// The state of a client without any connection yet.
    ///
    /// # Errors
    ///
    /// If the certificate authorities cannot be used.
    pub(super) fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        let connector = Connector::new(&settings.root, settings.ca.as_deref())?;
        let pool = Pool::new(connector, settings.connect_timeout);
        let http = HttpClient::new(pool, settings.attempt_timeout);
        let ClientSettings {
            root,
            create_path,
            max_response,
            max_buffered,
            max_buffered_per_caller,
            attempt_timeout,
            honors_client_ids,
            ..
        } = settings;
        Ok(Self {
            http,
            root,
            create_path,
            max_response,
            responses: MemoryBudget::shared(max_buffered, max_buffered_per_caller),
            attempt_timeout,
            honors_client_ids,
            retry_after: Arc::new(RetryAfterCache::new().map_err(|_| ClientError::NoRandomness)?),
            refused_options: RefusedOptions::default(),
            budget: TpsBudget::new(BUDGET_WINDOW, BUDGET_FLOOR, BUDGET_SHARE),
            stopping: CancellationToken::new(),
            draining: CancellationToken::new(),
            cut_off: CancellationToken::new(),
            writes: Writes::default(),
        })
    }
}
