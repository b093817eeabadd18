//! Shared state of resolvers: the schema's context for the process, and the context of one request.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_graphql::{Context, ContextBase};
use tokio::sync::Semaphore;

use super::cursor::CursorKey;
use super::entity_cache::EntityCache;
use super::error::FieldError;
use super::response_budget::ResponseBudget;
use super::status_events::StatusEvents;
use crate::graph::{Key, ReadBudget, Session, models};
use crate::idempotency::IdempotencyService;

/// Shared state of the resolvers of the process.
#[derive(Debug)]
pub(super) struct SchemaContext {
    /// The key that seals cursors.
    pub(super) cursor_key: CursorKey,
    /// The page size of lists without `first`.
    pub(super) default_page_size: usize,
    /// Maximum size of a configuration's payload, in bytes before base64.
    pub(super) max_configuration_payload: usize,
    /// Maximum number of pages that are read because Graph refuses a query option.
    pub(super) max_fallback_pages: usize,
    /// Idempotency keys and the outcomes of their writes.
    pub(super) idempotency: IdempotencyService,
    /// Events of added statuses.
    pub(super) status_events: StatusEvents,
    /// How long a successful authorization check of a subscriber is reused, at most.
    pub(super) subscription_recheck: Duration,
    /// The read budget of subscription events.
    pub(super) read_budget: ReadBudget,
    /// Bounds concurrent authorization checks of subscribers.
    pub(super) authorization_checks: Semaphore,
}

/// Shared state of the resolvers of one request.
#[derive(Default)]
pub(super) struct RequestContext {
    session: Option<Session>,
    response: Option<Arc<ResponseBudget>>,
    /// Configurations, by key.
    pub(super) configurations: EntityCache<Key, models::IosLobAppProvisioningConfiguration>,
    /// Device statuses that were read one by one, by their configuration's key and their own.
    pub(super) device_statuses: EntityCache<(Key, Key), models::DeviceStatus>,
    ignored_filter: AtomicBool,
    ignored_order: AtomicBool,
    short_list: AtomicBool,
}

impl RequestContext {
    /// The context of a request whose response is charged to `response`.
    pub(super) fn new(session: Option<Session>, response: Arc<ResponseBudget>) -> Self {
        Self { session, response: Some(response), ..Self::default() }
    }

    /// Empties the caches of entities: a write is about to change some of them.
    pub(super) fn invalidate(&self) {
        self.configurations.invalidate();
        self.device_statuses.invalidate();
    }

    /// Whether this is the first filter of the request that Graph ignored.
    pub(super) fn first_ignored_filter(&self) -> bool {
        !self.ignored_filter.swap(true, Ordering::Relaxed)
    }

    /// Whether this is the first list of the request that was shorter than its count.
    pub(super) fn first_short_list(&self) -> bool {
        !self.short_list.swap(true, Ordering::Relaxed)
    }

    /// Whether this is the first order of the request that Graph ignored.
    pub(super) fn first_ignored_order(&self) -> bool {
        !self.ignored_order.swap(true, Ordering::Relaxed)
    }
}

/// The caller's session with Graph. In a trace, the calls of the field are part of its span.
///
/// # Errors
///
/// `UNAUTHENTICATED` without a usable token.
pub(super) fn session<'a>(ctx: &Context<'a>) -> Result<Cow<'a, Session>, FieldError> {
    let session = request_context(ctx)?.session.as_ref().ok_or_else(FieldError::unauthenticated)?;
    Ok(session.for_field(ctx.item.node.name.node.as_str()).map_or(Cow::Borrowed(session), Cow::Owned))
}

/// The context of the request.
pub(super) fn request_context<'a>(ctx: &Context<'a>) -> Result<&'a RequestContext, FieldError> {
    ctx.data_opt().ok_or_else(|| FieldError::internal("a request was executed without its context"))
}

/// The budget of the response that is being built; `None` outside of requests.
pub(super) fn budget<'a, I>(ctx: &ContextBase<'a, I>) -> Option<&'a ResponseBudget> {
    ctx.data_opt::<RequestContext>()?.response.as_deref()
}

/// The context of the schema.
pub(super) fn schema_context<'a>(ctx: &Context<'a>) -> Result<&'a SchemaContext, FieldError> {
    shared_schema_context_of(ctx).map(|context| &**context)
}

/// The context of the schema, to be kept beyond the field.
pub(super) fn shared_schema_context(ctx: &Context<'_>) -> Result<Arc<SchemaContext>, FieldError> {
    shared_schema_context_of(ctx).cloned()
}

fn shared_schema_context_of<'a>(ctx: &Context<'a>) -> Result<&'a Arc<SchemaContext>, FieldError> {
    ctx.data_opt().ok_or_else(|| FieldError::internal("the schema was built without its context"))
}
