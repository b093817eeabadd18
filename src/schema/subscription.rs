//! Subscriptions: a stream of events, each executed like a query, with the subscriber's token, its
//! own timeout and an empty cache.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::{Context, Data, ID, Object, Response, Subscription as GraphqlSubscription};
use async_trait::async_trait;
use futures_util::Stream;
use futures_util::stream;

use super::bounded::Bounded;
use super::context::{RequestContext, SchemaContext, shared_schema_context};
use super::error::{ErrorCode, FieldError};
use super::global_id::{self, GlobalId};
use super::response_budget::ResponseBudget;
use super::selection::Selected;
use super::status_events::{Received, StatusReceiver};
use super::types::DeviceStatus;
use crate::graph::odata::Select;
use crate::graph::{Key, ReadAllowance, Session};
use crate::telemetry::request::{self, RequestTelemetry};
use crate::telemetry::traces::{CallScope, Span, SpanError, within};

/// The subscriber's session, and the limits of each event.
#[derive(Clone)]
pub(super) struct Subscriber {
    pub(super) session: Option<Session>,
    pub(super) event_timeout: Duration,
    /// The read allowance of its events.
    pub(super) allowance: ReadAllowance,
    /// Makes the budget of an event's response.
    pub(super) new_budget: Arc<dyn Fn() -> ResponseBudget + Send + Sync>,
    pub(super) last: LatestBudget,
}

/// The budget of the latest response. Events are executed one after another.
#[derive(Clone, Default)]
pub(super) struct LatestBudget(Arc<Mutex<Option<Arc<ResponseBudget>>>>);

impl LatestBudget {
    /// Takes the budget of the last response.
    pub(super) fn take(&self) -> Option<Arc<ResponseBudget>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, budget: Arc<ResponseBudget>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(budget);
    }
}

impl Subscriber {
    /// Graph on behalf of the subscriber, for one event. An event's reads take from the allowance, so that one write does
    /// not become as many reads as there are subscribers.
    fn session(&self, allowance: Option<ReadAllowance>) -> Option<Session> {
        let deadline = Instant::now() + self.event_timeout;
        self.session.as_ref().map(|session| session.renewed(deadline, allowance))
    }
}

/// Events as they happen, over a WebSocket (`graphql-transport-ws`) or as server-sent events
/// (`graphql-sse`).
pub(super) struct Subscription;

/// Events as they happen, over a WebSocket (`graphql-transport-ws`) or as server-sent events
/// (`graphql-sse`).
#[GraphqlSubscription]
impl Subscription {
    /// Sends an event for each device status that the gateway adds to the configuration, also
    /// through its other replicas if they share their state. Treat an event as a hint to refetch:
    /// it is delivered at most once.
    ///
    /// Only writes by callers of the same tenant cause events. The subscriber must be able to read
    /// the configuration in Graph; if Graph refuses, the subscription ends with an error. An event
    /// is null if the check of that permission failed, or with the error `STATE_UNAVAILABLE` if
    /// events may have been missed: read the list again. The subscription goes on.
    async fn device_status_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration: its global id or its id in Graph (`graphId`).")]
        configuration_id: ID,
    ) -> Result<impl Stream<Item = Option<Result<Bounded<DeviceStatusAdded>, FieldError>>> + use<>, FieldError>
    {
        let configuration = global_id::configuration_key(&configuration_id, "configurationId")?;
        let subscriber: &Subscriber = ctx
            .data_opt()
            .ok_or_else(|| FieldError::internal("a subscription was executed without its subscriber"))?;
        // Before the authorization check, so that no event in between is missed.
        let tenant_hint = subscriber.session.as_ref().and_then(Session::tenant_hint);
        let schema = shared_schema_context(ctx)?;
        let topic = schema.status_events.topic(tenant_hint, configuration.clone());
        let receiver = schema.status_events.subscribe(topic);
        let subscriber = subscriber.clone();
        let mut added = AddedStatuses { subscriber, configuration, receiver, authorization: None, schema };
        added.authorize().await?;
        Ok(stream::unfold(Some(added), |added| async {
            let mut added = added?;
            let key = match added.receiver.next().await? {
                Received::Added(key) => key,
                Received::Missed => return Some((Some(Err(FieldError::events_missed())), Some(added))),
            };
            let configuration = added.configuration.clone();
            match added.authorize().await {
                Ok(()) => {
                    let event = Bounded::guaranteed(DeviceStatusAdded { configuration, key });
                    Some((Some(Ok(event)), Some(added)))
                }
                Err(error) => {
                    let is_final = matches!(
                        error.code(),
                        ErrorCode::Unauthenticated | ErrorCode::Forbidden | ErrorCode::NotFound
                    );
                    Some((Some(Err(error)), (!is_final).then_some(added)))
                }
            }
        }))
    }
}

/// The state of one subscription.
struct AddedStatuses {
    subscriber: Subscriber,
    configuration: Key,
    receiver: StatusReceiver,
    /// The last successful check.
    authorization: Option<Authorization>,
    schema: Arc<SchemaContext>,
}

/// Graph allowed a subscriber to read the configuration.
struct Authorization {
    at: Instant,
    /// How long that is relied on.
    reuse: Duration,
}

impl AddedStatuses {
    /// Checks with Graph that the subscriber may read the configuration, unless a recent check succeeded.
    async fn authorize(&mut self) -> Result<(), FieldError> {
        if self.authorization.as_ref().is_some_and(|last| last.at.elapsed() < last.reuse) {
            return Ok(());
        }
        // The first is part of a request. Those after it are caused by events; they wait, and the event with them.
        if self.authorization.is_some() {
            self.schema.read_budget.turn().await;
        }
        let closed = |_| FieldError::internal("the authorization checks were closed");
        let _permit = self.schema.authorization_checks.acquire().await.map_err(closed)?;
        let session = self.subscriber.session(None).ok_or_else(FieldError::unauthenticated)?;
        let configurations = session.ios_lob_app_provisioning_configurations().collection();
        match configurations.get_opt(&self.configuration, &Select::from(["id"])).await? {
            Some(_) => {
                // Subscribers that began together are not checked together again.
                let reuse = self.schema.subscription_recheck.mul_f64(0.5 + fastrand::f64() / 2.0);
                self.authorization = Some(Authorization { at: Instant::now(), reuse });
            }
            None => {
                let message = "Microsoft Graph has no such configuration.";
                return Err(FieldError::new(ErrorCode::NotFound, message));
            }
        }
        Ok(())
    }
}

/// The event that a device status was added to a configuration.
pub(super) struct DeviceStatusAdded {
    configuration: Key,
    key: Key,
}

/// The event that a device status was added to a configuration.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl DeviceStatusAdded {
    /// The global id of the device status. It is always known.
    async fn device_status_id(&self) -> ID {
        let (configuration, key) = (self.configuration.clone(), self.key.clone());
        ID(GlobalId::DeviceStatus { configuration, key }.encode())
    }

    /// The device status. It is read with the subscriber's own token, and only if it is selected.
    ///
    /// Null if Graph does not show it yet (404), or if it could not be read (with an error).
    /// `THROTTLED` means that events caused too many reads: use `deviceStatusId` and refetch after
    /// `retryAfter`.
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        let selected = Selected::of(ctx, "DeviceStatus");
        let status = DeviceStatus::load(ctx, selected, &self.configuration, &self.key).await.transpose()?;
        Some(status.map(Bounded::new))
    }
}

/// Begins the span of an event, if the request is sampled. The stream has no span: it would end too late to be looked at.
fn begin_event(telemetry: &RequestTelemetry) -> Option<Box<Span>> {
    let mut span = telemetry.trace()?.begin_event();
    let (name, kind) = telemetry.operation();
    span.set_static("graphql.operation.type", kind);
    if let Some(name) = name {
        span.set_text("graphql.operation.name", name);
        span.set_name(format!("{kind} {name} event"));
    }
    Some(span)
}

/// Gives each event a request context with its own session and deadline.
pub(super) struct PerEventContext;

impl ExtensionFactory for PerEventContext {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for PerEventContext {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let mut data = Data::default();
        let mut span = request::current().and_then(|telemetry| begin_event(&telemetry));
        if let Some(subscriber) = ctx.data_opt::<Subscriber>() {
            let budget = Arc::new((subscriber.new_budget)());
            subscriber.last.set(Arc::clone(&budget));
            let session = subscriber.session(Some(subscriber.allowance.clone()));
            data.insert(RequestContext::new(session, budget));
        }
        let scope = span.as_ref().map(|span| CallScope::of(span.id()));
        let response = within(scope, next.run_with_data(ctx, operation_name, data)).await;
        if let (Some(span), Some(error)) = (&mut span, response.errors.first()) {
            let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
            let code = match code {
                Some(async_graphql::Value::String(code)) => code.clone(),
                _ => ErrorCode::InternalServerError.as_str().to_owned(),
            };
            span.set_error(SpanError { error_type: code.into() });
        }
        response
    }
}
