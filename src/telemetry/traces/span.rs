//! The spans of one trace.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Instant, SystemTime};

use http::HeaderValue;
use opentelemetry::trace::{Link, SpanContext, SpanKind, Status, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, StringValue, TraceFlags, TraceId, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use ring::digest::{SHA256, digest};

use super::queue::SpanQueue;
use crate::telemetry::metrics::{self, SpanResult};
use crate::telemetry::random::random_bits;
use crate::telemetry::trace_context::TraceContext;

/// Maximum number of spans of one request, or of one event of a subscription. A list with a failing field for each node would
/// otherwise fill the queue.
const MAX_SPANS: u32 = 500;
/// Maximum length of a text in a span, in bytes.
const MAX_TEXT: usize = 256;
/// Maximum number of links of one span.
const MAX_LINKS: usize = 64;
/// Number of attributes that a span has room for at first.
const ATTRIBUTES: usize = 12;

/// The trace of one request that is sampled.
#[derive(Debug)]
pub(crate) struct Trace {
    queue: Arc<SpanQueue>,
    id: TraceId,
    /// The caller's span.
    caller: Option<SpanId>,
    /// The span of the HTTP request.
    request: SpanId,
    /// The span of the operation.
    operation: SpanId,
    /// Hash of the document.
    document: OnceLock<String>,
    spans: AtomicU32,
}

/// A span that has not ended. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Span {
    trace: Arc<Trace>,
    id: SpanId,
    parent: Option<SpanId>,
    is_parent_remote: bool,
    kind: SpanKind,
    name: Cow<'static, str>,
    started_at: SystemTime,
    started: Instant,
    attributes: Vec<KeyValue>,
    links: SpanLinks,
    status: Status,
    is_discarded: bool,
}

/// What a span failed with.
#[derive(Debug, Clone)]
pub(crate) struct SpanError {
    /// The value of `error.type`.
    pub(crate) error_type: Cow<'static, str>,
}

pub(super) fn random_trace_id() -> TraceId {
    let [high, low] = random_bits();
    // An id of zeros is invalid.
    TraceId::from(u128::from(high) << 64 | u128::from(low | 1))
}

fn random_span_id() -> SpanId {
    SpanId::from(random_bits()[0] | 1)
}

impl Trace {
    pub(super) fn new(queue: Arc<SpanQueue>, id: TraceId, caller: Option<&TraceContext>) -> Self {
        Self {
            queue,
            id,
            caller: caller.map(TraceContext::parent),
            request: random_span_id(),
            operation: random_span_id(),
            document: OnceLock::new(),
            spans: AtomicU32::new(0),
        }
    }

    /// The trace as a caller of a span would send it on.
    pub(crate) fn context(&self) -> TraceContext {
        TraceContext::sampled(self.id, self.request)
    }

    /// Begins the span of the HTTP request.
    pub(crate) fn begin_request(self: &Arc<Self>, name: &'static str) -> Box<Span> {
        self.begin(self.request, self.caller, SpanKind::Server, name.into())
    }

    /// Begins the span of the operation: that of an HTTP request, or one of a WebSocket, which has no request of its own.
    pub(crate) fn begin_operation(self: &Arc<Self>, is_of_request: bool) -> Box<Span> {
        let (parent, kind) = if is_of_request {
            (Some(self.request), SpanKind::Internal)
        } else {
            (self.caller, SpanKind::Server)
        };
        self.begin(self.operation, parent, kind, Cow::Borrowed("GraphQL Operation"))
    }

    /// Begins the span of an event of the operation, which is a subscription.
    pub(crate) fn begin_event(self: &Arc<Self>) -> Box<Span> {
        self.spans.store(0, Ordering::Relaxed);
        self.begin(
            random_span_id(),
            Some(self.operation),
            SpanKind::Internal,
            Cow::Borrowed("subscription event"),
        )
    }

    /// Begins a span below another. `None` if the trace has too many.
    pub(crate) fn begin_child(
        self: &Arc<Self>,
        parent: SpanId,
        kind: SpanKind,
        name: Cow<'static, str>,
    ) -> Option<Box<Span>> {
        if self.spans.fetch_add(1, Ordering::Relaxed) >= MAX_SPANS {
            metrics::trace_spans(SpanResult::Dropped, 1);
            return None;
        }
        Some(self.begin(random_span_id(), Some(parent), kind, name))
    }

    fn begin(
        self: &Arc<Self>,
        id: SpanId,
        parent: Option<SpanId>,
        kind: SpanKind,
        name: Cow<'static, str>,
    ) -> Box<Span> {
        Box::new(Span {
            is_parent_remote: parent.is_some() && parent == self.caller,
            trace: Arc::clone(self),
            id,
            parent,
            kind,
            name,
            started_at: SystemTime::now(),
            started: Instant::now(),
            attributes: Vec::with_capacity(ATTRIBUTES),
            links: SpanLinks::default(),
            status: Status::Unset,
            is_discarded: false,
        })
    }

    /// The id of the operation's span.
    pub(crate) fn operation(&self) -> SpanId {
        self.operation
    }

    /// Keeps the hash of the operation's document, from its text or as the caller sent it. The text is not exported.
    pub(crate) fn set_document(&self, text: Option<&str>, sent_hash: Option<&str>) {
        let is_hash = |hash: &&str| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = match (text, sent_hash.filter(is_hash)) {
            (Some(text), _) => {
                let hash = digest(&SHA256, text.as_bytes());
                let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
                digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
            }
            (None, Some(hash)) => hash.to_ascii_lowercase(),
            (None, None) => return,
        };
        self.document.get_or_init(|| format!("sha256:{digits}"));
    }

    /// The hash of the operation's document, as `sha256:` and hexadecimal digits.
    pub(crate) fn document(&self) -> Option<&str> {
        self.document.get().map(String::as_str)
    }
}

impl Span {
    pub(crate) fn id(&self) -> SpanId {
        self.id
    }

    pub(crate) fn trace(&self) -> &Arc<Trace> {
        &self.trace
    }

    pub(crate) fn set_name(&mut self, name: String) {
        self.name = Cow::Owned(name);
    }

    /// Sets an attribute that is a fixed text.
    pub(crate) fn set_static(&mut self, key: &'static str, value: &'static str) {
        self.attributes.push(KeyValue::new(key, value));
    }

    /// Sets an attribute that is a text. The end of a long one is cut off.
    pub(crate) fn set_text(&mut self, key: &'static str, value: &str) {
        let text = value[..value.floor_char_boundary(MAX_TEXT)].to_owned();
        self.attributes.push(KeyValue::new(key, Value::String(StringValue::from(text))));
    }

    /// Sets an attribute that is a number.
    pub(crate) fn set_number(&mut self, key: &'static str, value: impl Into<i64>) {
        self.attributes.push(KeyValue::new(key, value.into()));
    }

    /// Sets the status and `error.type`.
    pub(crate) fn set_error(&mut self, error: SpanError) {
        if self.status == Status::Unset {
            self.status = Status::Error { description: Cow::Borrowed("") };
            self.set_text("error.type", &error.error_type);
        }
    }

    /// Adds a link to another span of the trace.
    pub(crate) fn link(&mut self, span: SpanId, attributes: Vec<KeyValue>) {
        if self.links.links.len() < MAX_LINKS {
            self.links.links.push(Link::new(self.trace.span_context(span), attributes, 0));
        } else {
            self.links.dropped_count += 1;
        }
    }

    /// Drops the span without exporting it.
    pub(crate) fn discard(mut self) {
        self.is_discarded = true;
    }

    /// The value of `traceparent` in a request that this span is about.
    pub(crate) fn traceparent(&self) -> HeaderValue {
        TraceContext::sampled(self.trace.id, self.id).header().clone()
    }
}

impl Trace {
    fn span_context(&self, span: SpanId) -> SpanContext {
        SpanContext::new(self.id, span, TraceFlags::SAMPLED, false, TraceState::NONE)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        static SCOPE: LazyLock<InstrumentationScope> = LazyLock::new(|| {
            InstrumentationScope::builder(env!("CARGO_PKG_NAME"))
                .with_version(env!("CARGO_PKG_VERSION"))
                .build()
        });
        if self.is_discarded {
            return;
        }
        self.trace.queue.push(SpanData {
            span_context: self.trace.span_context(self.id),
            parent_span_id: self.parent.unwrap_or(SpanId::INVALID),
            parent_span_is_remote: self.is_parent_remote,
            span_kind: self.kind.clone(),
            name: std::mem::take(&mut self.name),
            start_time: self.started_at,
            end_time: self.started_at + self.started.elapsed(),
            attributes: std::mem::take(&mut self.attributes),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: std::mem::take(&mut self.links),
            status: std::mem::take(&mut self.status),
            instrumentation_scope: SCOPE.clone(),
        });
    }
}
