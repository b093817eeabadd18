//! Admission, preparation and execution of a request, the same for every transport.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use async_graphql::parser::types::OperationType;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::rejection::RequestRejection;
use super::response::GraphqlResponse;
use crate::graph::{Authorization, Caller};
use crate::memory::{BudgetExceeded, Reservation};
use crate::schema::{GraphqlRequest, ResponseMemory};
use crate::server::app::App;
use crate::server::concurrency_limiter::CallerId;
use crate::telemetry::metrics::{self, Overloaded};
use crate::telemetry::operation::Operation;
use crate::telemetry::request::RequestTelemetry;

/// The result of a request that was executed.
pub(super) enum ExecutionResult {
    /// A query or a mutation.
    Single(GraphqlResponse),
    /// A subscription, with its permit.
    Stream(BoxStream<'static, GraphqlResponse>),
}

/// The caller of a request.
pub(super) struct CallerContext {
    pub(super) id: CallerId,
    pub(super) token: Option<Authorization>,
    /// The request's ids.
    pub(super) telemetry: Arc<RequestTelemetry>,
    pub(super) deadline: Instant,
    /// Cancelled when the client disconnects: no further call to Graph is made then.
    pub(super) disconnected: CancellationToken,
}

/// Executes a request: a query or mutation to its end, a subscription when its stream is polled. `body` is the memory of
/// the request's body. `may_subscribe` is the
/// rejection if it must not be a subscription. Before a mutation executes, `is_write` is set.
///
/// # Errors
///
/// The rejection of a request that was not executed.
pub(super) async fn execute(
    app: &App,
    request: GraphqlRequest,
    caller: CallerContext,
    mut body: Reservation,
    may_subscribe: Result<(), RequestRejection>,
    is_write: &mut bool,
) -> Result<ExecutionResult, RequestRejection> {
    let CallerContext { id, token, telemetry, deadline, disconnected } = caller;
    let memory_share = id.memory_share();
    body.charge(memory_share).map_err(|BudgetExceeded| {
        metrics::refused(Overloaded::Memory);
        RequestRejection::Overloaded(Overloaded::Memory)
    })?;
    let permit = tokio::select! {
        biased;
        permit = app.request_limiter.acquire(id, deadline.into()) => permit,
        // A client that has disconnected must not take the permit that others wait for.
        () = disconnected.cancelled() => Err(Overloaded::WaitedTooLong),
    };
    let permit = permit.map_err(RequestRejection::Overloaded)?;
    if let Some(trace) = telemetry.trace() {
        let sent_hash = request.persisted_query.as_ref().map(|document| document.sha256_hash.as_str());
        trace.set_document(request.query.as_deref(), sent_hash);
    }
    if let Some(lookup) = app.api.look_up_document(&request) {
        lookup.await;
    }
    let prepared = app.api.prepare(request)?;
    let operation_type = match prepared.operation_type {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    let name = prepared.operation_name.as_ref().map(async_graphql::Name::as_str);
    telemetry.set_operation(name, operation_type);
    // Cancels the calls to Graph when this future is dropped, because the client has disconnected.
    let cancel_on_drop = disconnected.clone().drop_guard();
    let for_events = Arc::clone(&telemetry);
    let session = |token: Option<Authorization>, guard| {
        let caller =
            |authorization| Caller { authorization, telemetry, deadline, disconnected, guard, memory_share };
        token.map(|authorization| app.graph.session(caller(authorization)))
    };
    if prepared.operation_type == OperationType::Subscription {
        may_subscribe?;
        let subscription_permit = app
            .subscription_limiter
            .acquire(id, deadline.into())
            .await
            .map_err(RequestRejection::Overloaded)?;
        let response_memory = Arc::clone(&app.response_memory);
        let memory =
            move || -> Box<dyn ResponseMemory> { Box::new(response_memory.reservation_of(memory_share)) };
        let responses =
            app.api.subscribe(prepared, session(token, None), app.settings.request_timeout, memory);
        // A subscription keeps the variables and the document of its request.
        let guards = (subscription_permit, cancel_on_drop, body);
        let mut responses = responses
            .map(move |response| {
                let _ = &guards;
                GraphqlResponse::event(response)
            })
            .boxed();
        // The stream is polled outside of the request's scope, by the task that sends the events.
        let responses = stream::poll_fn(move |cx| for_events.sync_scope(|| responses.poll_next_unpin(cx)));
        return Ok(ExecutionResult::Stream(responses.boxed()));
    }
    let mut memory = Box::new(app.response_memory.reservation_of(memory_share));
    // Reserved before a mutation executes, so that its outcome can always be delivered.
    if !app.api.reserve(&prepared, memory.as_mut()) {
        metrics::refused(Overloaded::Memory);
        return Err(RequestRejection::Overloaded(Overloaded::Memory));
    }
    // Writes that go on without their caller still count.
    let guard: Arc<dyn Any + Send + Sync> = Arc::new((permit, body));
    *is_write = prepared.operation_type == OperationType::Mutation;
    Ok(ExecutionResult::Single(GraphqlResponse::single(
        app.api.execute(prepared, session(token, Some(Arc::clone(&guard))), memory).await,
    )))
}

/// The memory of a response that is being built.
impl ResponseMemory for Reservation {
    fn try_grow(&mut self, bytes: usize) -> bool {
        Reservation::reserve(self, bytes).is_ok()
    }

    fn grow(&mut self, bytes: usize) {
        self.force_reserve(bytes);
    }
}

/// Runs `handle`, and turns a panic into a rejection. `handle` sets its argument before it executes a mutation.
pub(super) async fn catch_panic<T>(
    handle: impl AsyncFnOnce(&mut bool) -> Result<T, RequestRejection>,
) -> Result<T, RequestRejection> {
    let mut is_write = false;
    let result = AssertUnwindSafe(handle(&mut is_write)).catch_unwind().await;
    result.unwrap_or_else(|_panic| {
        metrics::panicked();
        error!("a request panicked");
        Err(RequestRejection::Failed { is_write })
    })
}

/// The responses of a subscription, counted by its operation, which ends with them.
pub(super) fn record_stream(
    mut operation: Operation,
    responses: BoxStream<'static, GraphqlResponse>,
) -> BoxStream<'static, GraphqlResponse> {
    operation.begin_streaming();
    responses.inspect(move |response| operation.count_event(response.result())).boxed()
}
