//! The request that a task works for: the ids that its log lines, its errors and its calls to Graph share.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

use fastrand::Rng;
use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

use super::calls::Calls;
use super::failed_items::FailedItems;
use super::trace_context::TraceContext;

/// The header of the request's id, in requests to the gateway, in its responses and in its calls to Graph.
pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// Maximum length of an operation's name in log lines, in bytes.
const MAX_NAME: usize = 100;

tokio::task_local! {
    static CURRENT: Arc<RequestTelemetry>;
}

/// The ids of one request, its operation, and what it has sent to Graph.
#[derive(Debug)]
pub struct RequestTelemetry {
    client_request_id: Uuid,
    header: HeaderValue,
    trace_context: Option<TraceContext>,
    operation: OnceLock<(Option<String>, &'static str)>,
    calls: Calls,
    failed_items: FailedItems,
}

impl RequestTelemetry {
    /// The telemetry of a request with these headers. The id is the caller's `client-request-id` if it is a GUID, else a
    /// random one.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Arc<Self> {
        let id = headers.get(CLIENT_REQUEST_ID).and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok());
        Arc::new(Self::new(id.unwrap_or_else(random_id), TraceContext::from_headers(headers)))
    }

    /// The telemetry of a request that has no headers.
    #[must_use]
    pub fn random() -> Arc<Self> {
        Arc::new(Self::new(random_id(), None))
    }

    /// The telemetry of a request that is part of a longer trace: a random id, and the trace's ids.
    pub(crate) fn in_trace(trace_context: Option<TraceContext>) -> Arc<Self> {
        Arc::new(Self::new(random_id(), trace_context))
    }

    fn new(client_request_id: Uuid, trace_context: Option<TraceContext>) -> Self {
        let mut text = Uuid::encode_buffer();
        let text = client_request_id.hyphenated().encode_lower(&mut text);
        let header = HeaderValue::from_str(text).expect("a GUID is a header value");
        Self {
            client_request_id,
            header,
            trace_context,
            operation: OnceLock::new(),
            calls: Calls::default(),
            failed_items: FailedItems::default(),
        }
    }

    /// The request's id.
    #[must_use]
    pub fn client_request_id(&self) -> Uuid {
        self.client_request_id
    }

    /// The request's id as the value of [`CLIENT_REQUEST_ID`].
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// The caller's trace, if it sent a valid `traceparent`.
    pub(crate) fn trace_context(&self) -> Option<&TraceContext> {
        self.trace_context.as_ref()
    }

    /// Sets the name and the type of the operation, once it is known.
    pub(crate) fn set_operation(&self, name: Option<&str>, kind: &'static str) {
        let name = name.map(|name| name[..name.floor_char_boundary(MAX_NAME)].to_owned());
        // A request has one operation.
        let _ = self.operation.set((name, kind));
    }

    /// Name and type of the operation; `unknown` if the request was rejected before its document was read.
    pub(crate) fn operation(&self) -> (Option<&str>, &'static str) {
        let (name, kind) = self.operation.get().map_or((&None, "unknown"), |(name, kind)| (name, *kind));
        (name.as_deref(), kind)
    }

    /// What the request has sent to Graph so far.
    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The items of the request's bulk writes that failed so far.
    pub(crate) fn failed_items(&self) -> &FailedItems {
        &self.failed_items
    }

    /// Runs `future` for this request: its log lines and errors have the request's ids. A task that it spawns needs a scope of
    /// its own.
    pub(crate) fn scope<F: Future>(self: &Arc<Self>, future: F) -> TaskLocalFuture<Arc<Self>, F> {
        CURRENT.scope(Arc::clone(self), future)
    }

    /// Runs `function` for this request.
    pub(crate) fn sync_scope<T>(self: &Arc<Self>, function: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(Arc::clone(self), function)
    }
}

/// The request that this task works for.
pub(crate) fn current() -> Option<Arc<RequestTelemetry>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// Runs `future` for the request that this task works for, in a task of its own.
pub(crate) fn inherit<F: Future>(future: F) -> Either<TaskLocalFuture<Arc<RequestTelemetry>, F>, F> {
    match current() {
        Some(telemetry) => Either::Left(telemetry.scope(future)),
        None => Either::Right(future),
    }
}

/// A random id. It only correlates log lines, so it comes from a generator of the thread rather than from
/// the system, which would cost a system call. The system seeds the generator with 128 bits, so that ids
/// of different threads and processes do not collide.
fn random_id() -> Uuid {
    thread_local! {
        static GENERATORS: RefCell<[Rng; 2]> = RefCell::new(seeded());
    }
    GENERATORS.with_borrow_mut(|[high, low]| {
        uuid::Builder::from_random_bytes(Uuid::from_u64_pair(high.u64(..), low.u64(..)).into_bytes())
            .into_uuid()
    })
}

fn seeded() -> [Rng; 2] {
    let (high, low) = Uuid::new_v4().as_u64_pair();
    [high, low].map(Rng::with_seed)
}
