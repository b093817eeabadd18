//! The spans that have ended and wait to be exported: bounded in number and in bytes.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry_sdk::trace::SpanData;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::warn;

use crate::telemetry::metrics::{self, SpanResult};
use crate::telemetry::rate_limit::LineLimit;

/// Maximum size of all spans that wait, in bytes. 2048 spans, the default of `OTEL_BSP_MAX_QUEUE_SIZE`, seldom take 4 MiB.
const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maximum number of log lines per second about spans that were dropped.
const MAX_LINES: u64 = 1;

static DROPPED: LineLimit = LineLimit::new(MAX_LINES);

/// Spans that wait.
pub(super) struct SpanQueue {
    state: Mutex<State>,
    max_spans: usize,
    /// Notified when a span is added.
    added: Notify,
    /// Cancelled when no more spans are added.
    closed: CancellationToken,
    /// Cancelled when the exporter has exported the last span after that.
    drained: CancellationToken,
}

#[derive(Default)]
struct State {
    spans: VecDeque<SpanData>,
    bytes: usize,
}

impl SpanQueue {
    pub(super) fn new(max_spans: usize) -> Self {
        Self {
            state: Mutex::default(),
            max_spans,
            added: Notify::new(),
            closed: CancellationToken::new(),
            drained: CancellationToken::new(),
        }
    }

    /// Adds a span, or drops it if there is no room. Never waits.
    pub(super) fn push(&self, span: SpanData) {
        let size = size(&span);
        if self.closed.is_cancelled() {
            metrics::trace_spans(SpanResult::Dropped, 1);
            return;
        }
        let mut state = self.lock();
        if state.spans.len() >= self.max_spans || state.bytes.saturating_add(size) > MAX_BYTES {
            drop(state);
            metrics::trace_spans(SpanResult::Dropped, 1);
            if let Some(suppressed) = DROPPED.allow() {
                warn!(dropped = suppressed + 1, "trace spans were dropped: the queue is full");
            }
            return;
        }
        state.bytes += size;
        state.spans.push_back(span);
        drop(state);
        self.added.notify_one();
    }

    /// Takes the oldest spans, at most `max`.
    pub(super) fn take(&self, max: usize) -> Vec<SpanData> {
        let mut state = self.lock();
        let count = state.spans.len().min(max);
        let spans: Vec<_> = state.spans.drain(..count).collect();
        state.bytes -= spans.iter().map(size).sum::<usize>();
        spans
    }

    pub(super) fn len(&self) -> usize {
        self.lock().spans.len()
    }

    /// Waits until a span has been added since the last wait.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    /// Drops all later spans.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Cancelled by [`Self::close`].
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// The exporter has ended when this is dropped.
    pub(super) fn drained_guard(&self) -> DropGuard {
        self.drained.clone().drop_guard()
    }

    /// Waits until the exporter has ended.
    pub(super) async fn drained(&self) {
        self.drained.cancelled().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SpanQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanQueue").field("max_spans", &self.max_spans).finish_non_exhaustive()
    }
}

/// The size of a span in memory, about. Texts are short: see [`super::span`].
fn size(span: &SpanData) -> usize {
    const OF_ATTRIBUTE: usize = size_of::<opentelemetry::KeyValue>() + 32;
    const OF_LINK: usize = size_of::<opentelemetry::trace::Link>();
    let of_link = |link: &opentelemetry::trace::Link| OF_LINK + link.attributes.len() * OF_ATTRIBUTE;
    size_of::<SpanData>()
        + span.name.len()
        + span.attributes.capacity() * OF_ATTRIBUTE
        + span.links.iter().map(of_link).sum::<usize>()
}
