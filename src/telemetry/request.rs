//! The request that a task works for: the ids that its log lines, its errors and its calls to Graph share.

use std::sync::{Arc, OnceLock};

use futures_util::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::futures::TaskLocalFuture;
use uuid::Uuid;

use super::calls::Calls;
use super::failed_items::FailedItems;
use super::random::random_bits;
use super::trace_context::TraceContext;
use super::traces::{Trace, Tracer};

/// The header of the request's id, in requests to the gateway, in its responses and in its calls to Graph.
pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The header of a response with the time that its request took.
pub(crate) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The type of an operation before its document was read.
pub(crate) const UNKNOWN_TYPE: &str = "unknown";

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
    trace: Option<Arc<Trace>>,
    operation: OnceLock<(Option<String>, &'static str)>,
    calls: Calls,
    failed_items: FailedItems,
}

impl RequestTelemetry {
    /// The telemetry of a request with these headers. The id is the caller's `client-request-id` if it is a GUID, else a
    /// random one. With a tracer, the request may have a trace.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap, tracer: Option<&Tracer>) -> Arc<Self> {
        let id = headers.get(CLIENT_REQUEST_ID).and_then(|id| Uuid::try_parse_ascii(id.as_bytes()).ok());
        Arc::new(Self::new(id.unwrap_or_else(random_id), TraceContext::from_headers(headers), tracer))
    }

    /// The telemetry of a request that has no headers.
    #[must_use]
    pub fn random() -> Arc<Self> {
        Arc::new(Self::new(random_id(), None, None))
    }

    /// The telemetry of a request that is part of a longer trace: a random id, and the trace's ids.
    pub(crate) fn in_trace(trace_context: Option<TraceContext>, tracer: Option<&Tracer>) -> Arc<Self> {
        Arc::new(Self::new(random_id(), trace_context, tracer))
    }

    fn new(client_request_id: Uuid, caller: Option<TraceContext>, tracer: Option<&Tracer>) -> Self {
        let trace = tracer.and_then(|tracer| tracer.trace(caller.as_ref()));
        let trace_context = trace.as_deref().map_or(caller, |trace| Some(trace.context()));
        let mut text = Uuid::encode_buffer();
        let text = client_request_id.hyphenated().encode_lower(&mut text);
        let header = HeaderValue::from_str(text).expect("a GUID is a header value");
        Self {
            client_request_id,
            header,
            trace_context,
            trace,
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

    /// The request's span, if it is sampled; else the caller's, if it sent a valid `traceparent`.
    pub(crate) fn trace_context(&self) -> Option<&TraceContext> {
        self.trace_context.as_ref()
    }

    /// The trace, if the request is sampled.
    pub(crate) fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// Sets the name and the type of the operation, once it is known.
    pub(crate) fn set_operation(&self, name: Option<&str>, kind: &'static str) {
        let name = name.map(|name| name[..name.floor_char_boundary(MAX_NAME)].to_owned());
        // A request has one operation.
        let _ = self.operation.set((name, kind));
    }

    /// Name and type of the operation; `unknown` if the request was rejected before its document was read.
    pub(crate) fn operation(&self) -> (Option<&str>, &'static str) {
        let (name, kind) = self.operation.get().map_or((&None, UNKNOWN_TYPE), |(name, kind)| (name, *kind));
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

/// A random id. It only correlates log lines.
fn random_id() -> Uuid {
    let [high, low] = random_bits();
    uuid::Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes()).into_uuid()
}
