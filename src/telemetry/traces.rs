//! OpenTelemetry traces, exported over OTLP: the spans of a request, of its operation, of the resolvers that call Graph, and of
//! each call to Graph.
//!
//! Without a [`Tracer`], and for a request that is not sampled, no span is built. A span that has ended waits in a bounded
//! queue. A thread of its own exports the queue, so that a slow collector delays nothing. `docs/decisions/tracing.md` has the
//! reasons.

mod error;
mod export;
mod http_client;
mod queue;
mod sampler;
mod scope;
mod settings;
mod span;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use opentelemetry::SpanId;
pub(crate) use opentelemetry::trace::SpanKind;

pub use self::error::TracerError;
use self::queue::SpanQueue;
pub use self::sampler::{RootSampler, Sampler};
pub(crate) use self::scope::{CallScope, SharedSpan, within};
pub use self::settings::{BatchSettings, Protocol, TraceSettings};
pub(crate) use self::span::{Span, SpanError, Trace};
use super::trace_context::TraceContext;

/// Starts traces, and exports their spans. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tracer {
    sampler: Sampler,
    endpoint: Arc<str>,
    queue: Arc<SpanQueue>,
}

impl Tracer {
    /// Starts the thread that exports spans. No connection is made before there is a span.
    ///
    /// # Errors
    ///
    /// [`TracerError`].
    pub fn start(settings: TraceSettings) -> Result<Self, TracerError> {
        let queue = Arc::new(SpanQueue::new(settings.batch.max_queue_size));
        let (sampler, endpoint) = (settings.sampler, settings.endpoint.as_str().into());
        export::start(settings, Arc::clone(&queue))?;
        Ok(Self { sampler, endpoint, queue })
    }

    /// The URL that spans are sent to.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The trace of a request; `None` if it is not sampled.
    pub(crate) fn trace(&self, caller: Option<&TraceContext>) -> Option<Arc<Trace>> {
        let trace_id = caller.map_or_else(span::random_trace_id, TraceContext::id);
        let is_sampled = self.sampler.samples(trace_id, caller.map(TraceContext::is_sampled));
        is_sampled.then(|| Arc::new(Trace::new(Arc::clone(&self.queue), trace_id, caller)))
    }

    /// Exports the spans that have ended. Those that are not exported within `limit` are lost, and so are later ones.
    pub async fn shutdown(self, limit: Duration) {
        self.queue.close();
        let _ = tokio::time::timeout(limit, self.queue.drained()).await;
    }
}
