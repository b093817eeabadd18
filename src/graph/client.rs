//! The HTTP client towards Graph: one connection pool, one service root, no redirects.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::retry::budget::TpsBudget;

use super::caller::Caller;
use super::connect::{ClientError, Connector};
use super::http_client::HttpClient;
use super::pool::Pool;
use super::root::ServiceRoot;
use super::session::Session;
use super::throttle::ThrottleMemory;
use crate::memory::Memory;

/// How long requests count towards the retry budget.
const BUDGET_WINDOW: Duration = Duration::from_secs(10);
/// Retries a second that are allowed however few requests there are.
const BUDGET_FLOOR: u32 = 10;
/// Retries that are allowed beyond it, as a part of the requests.
const BUDGET_SHARE: f32 = 0.2;

/// Which URL creates a device status; the page 'Add deviceStatuses' shows both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CreatePath {
    /// `POST …/deviceStatuses`.
    Collection,
    /// `POST …/deviceStatuses/$ref`.
    Ref,
}

/// What a [`Client`] is made from.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The one origin, and the version, that is spoken to.
    pub root: ServiceRoot,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// Which URL creates a device status.
    pub create_path: CreatePath,
    /// Longest wait for a connection.
    pub connect_timeout: Duration,
    /// Longest wait for the answer to one attempt at a read, or at a write that may be sent again.
    pub attempt_timeout: Duration,
    /// Whether Graph keeps the keys that callers give new objects, and refuses a second one of the same key.
    pub keeps_ids: bool,
    /// Largest answer that is read, in bytes, after decompression.
    pub max_response: usize,
    /// Most bytes of all answers to reads together that have not been used.
    pub max_buffered: usize,
}

/// Microsoft Graph at one service root. Cheap to clone; clones share the connection pool.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(super) struct Inner {
    pub(super) http: HttpClient,
    pub(super) root: ServiceRoot,
    pub(super) create_path: CreatePath,
    pub(super) max_response: usize,
    /// What answers take until they have been used.
    pub(super) answers: Arc<Memory>,
    pub(super) attempt_timeout: Duration,
    pub(super) keeps_ids: bool,
    pub(super) throttles: ThrottleMemory,
    /// Allows retries to the whole process, so that a failing Graph is not hammered.
    pub(super) budget: TpsBudget,
    /// Cancelled when the process is to stop: nothing is waited for that would be sent after a while.
    pub(super) stopping: CancellationToken,
    /// Cancelled when no further request comes in: what has not reached a connection is not sent any more.
    pub(super) draining: CancellationToken,
    /// Cancelled when the process is about to end: callers are told what is known.
    pub(super) cut_off: CancellationToken,
    /// The writes that are under way, those that nobody waits for any more too.
    pub(super) writes: TaskTracker,
}

impl Client {
    /// A client without any connection yet.
    ///
    /// # Errors
    ///
    /// Where the certificate authorities cannot be used.
    pub fn new(settings: ClientSettings) -> Result<Self, ClientError> {
        let connector = Connector::new(&settings.root, settings.ca.as_deref())?;
        let pool = Pool::new(connector, settings.connect_timeout);
        let http = HttpClient::new(pool, settings.attempt_timeout);
        let ClientSettings {
            root, create_path, max_response, max_buffered, attempt_timeout, keeps_ids, ..
        } = settings;
        Ok(Self(Arc::new(Inner {
            http,
            root,
            create_path,
            max_response,
            answers: Memory::new(max_buffered),
            attempt_timeout,
            keeps_ids,
            throttles: ThrottleMemory::new().map_err(|_| ClientError::NoRandomness)?,
            budget: TpsBudget::new(BUDGET_WINDOW, BUDGET_FLOOR, BUDGET_SHARE),
            stopping: CancellationToken::new(),
            draining: CancellationToken::new(),
            cut_off: CancellationToken::new(),
            writes: TaskTracker::new(),
        })))
    }

    /// The client on behalf of nobody but `caller`: every call carries that caller's token and deadline.
    #[must_use]
    pub fn session(&self, caller: Caller) -> Session {
        Session::new(Arc::clone(&self.0), caller)
    }

    /// Ends the waits for a later attempt at once, and allows no further ones: the process is to stop.
    pub fn stop_waiting(&self) {
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

    /// Resolves when no write is under way any more, those included whose callers have gone.
    pub async fn written(&self) {
        self.0.writes.close();
        self.0.writes.wait().await;
    }

    /// How many writes are under way.
    #[must_use]
    pub fn writes_under_way(&self) -> usize {
        self.0.writes.len()
    }

    /// The service root that is spoken to.
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
