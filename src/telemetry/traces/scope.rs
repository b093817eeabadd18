//! The span that a call to Graph belongs to, for code that is not passed it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::Either;
use opentelemetry::{KeyValue, SpanId};
use tokio::task::futures::TaskLocalFuture;

use super::span::{Span, SpanError};

tokio::task_local! {
    static CURRENT: Arc<CallScope>;
}

/// What the calls to Graph that a future makes belong to.
#[derive(Debug)]
pub(crate) struct CallScope {
    /// The span that they are part of.
    pub(crate) parent: SpanId,
    /// How often the call has been sent before.
    pub(crate) resends: u32,
    /// The spans that wait for items of a batch, with the items' indices.
    pub(crate) resolvers: Vec<(SpanId, usize)>,
}

impl CallScope {
    /// The scope of a future in a span.
    pub(crate) fn of(parent: SpanId) -> Self {
        Self::resent(parent, 0)
    }

    /// The scope of a call that has been sent before.
    pub(crate) fn resent(parent: SpanId, resends: u32) -> Self {
        Self { parent, resends, resolvers: Vec::new() }
    }

    /// The scope of the task; `None` outside of all.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok()
    }

    /// Links a span to those that wait for its items.
    pub(crate) fn link(&self, span: &mut Span) {
        for (resolver, item) in &self.resolvers {
            let item = i64::try_from(*item).unwrap_or_default();
            span.link(*resolver, vec![KeyValue::new("graph.batch.item", item)]);
        }
    }
}

/// Runs `future` in a scope, if there is one.
pub(crate) fn within<F: Future>(
    scope: Option<CallScope>,
    future: F,
) -> Either<TaskLocalFuture<Arc<CallScope>, F>, F> {
    match scope {
        Some(scope) => Either::Left(CURRENT.scope(Arc::new(scope), future)),
        None => Either::Right(future),
    }
}

/// A span that several handles share. It ends with the last of them, and is exported only if it was used.
#[derive(Debug, Clone)]
pub(crate) struct SharedSpan(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: SpanId,
    span: Mutex<Option<Box<Span>>>,
    is_used: AtomicBool,
}

impl SharedSpan {
    pub(crate) fn new(span: Box<Span>) -> Self {
        Self(Arc::new(Shared {
            id: span.id(),
            span: Mutex::new(Some(span)),
            is_used: AtomicBool::new(false),
        }))
    }

    /// The id, for a span below this one or a link to it.
    pub(crate) fn use_as_parent(&self) -> SpanId {
        self.0.is_used.store(true, Ordering::Relaxed);
        self.0.id
    }

    /// Sets the status and `error.type`.
    pub(crate) fn set_error(&self, error: SpanError) {
        if let Some(span) = self.0.span.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            span.set_error(error);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let span = self.span.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(span), false) = (span, *self.is_used.get_mut()) {
            span.discard();
        }
    }
}
