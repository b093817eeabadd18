//! Live updates: a stream for each subscription, whose events are executed one by one as a query is, each with the
//! subscriber's own token, a time of its own, and nothing that an earlier one has read.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextExecute};
use async_graphql::{Context, Data, ID, Object, Response, Subscription as GraphqlSubscription};
use async_trait::async_trait;
use futures_util::Stream;
use futures_util::stream;

use super::announcements::{Listener, Place};
use super::bounded::Bounded;
use super::error::{ErrorCode, FieldError};
use super::global_id::{self, GlobalId};
use super::request::{RequestData, Services, shared_services};
use super::response_budget::ResponseBudget;
use super::selection::Selected;
use super::types::DeviceStatus;
use crate::graph::odata::Select;
use crate::graph::{Key, ReadAllowance, Session};

/// Whose subscription it is, and how long an event of it may take.
#[derive(Clone)]
pub(super) struct Subscriber {
    pub(super) session: Option<Session>,
    pub(super) time_for_event: Duration,
    /// What its events may read.
    pub(super) allowance: ReadAllowance,
    /// Makes the budget of an event's response.
    pub(super) new_budget: Arc<dyn Fn() -> ResponseBudget + Send + Sync>,
    pub(super) last: LastBudget,
}

/// The budget of the response that was built last. Events are executed one after another.
#[derive(Clone, Default)]
pub(super) struct LastBudget(Arc<Mutex<Option<Arc<ResponseBudget>>>>);

impl LastBudget {
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
        let deadline = Instant::now() + self.time_for_event;
        self.session.as_ref().map(|session| session.renewed(deadline, allowance))
    }
}

/// Live updates.
pub(super) struct Subscription;

/// Live updates, over a WebSocket (`graphql-transport-ws`) or as Server-Sent Events (`graphql-sse`).
#[GraphqlSubscription]
impl Subscription {
    /// Statuses that callers of the subscriber's own tenant add to the configuration through this gateway. The subscriber
    /// must be allowed to read the configuration in Graph. A hint to refetch: an event is delivered at most once.
    async fn device_status_added(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration's global id, or Graph's own key.")] configuration_id: ID,
    ) -> Result<impl Stream<Item = Option<Result<Bounded<DeviceStatusAdded>, FieldError>>> + use<>, FieldError>
    {
        let configuration = global_id::configuration_key(&configuration_id, "configurationId")?;
        let subscriber: &Subscriber = ctx
            .data_opt()
            .ok_or_else(|| FieldError::internal("a subscription was executed without its subscriber"))?;
        // Before Graph is asked, so that nothing is missed in between.
        let tenant_hint = subscriber.session.as_ref().and_then(Session::tenant_hint);
        let place = Place { tenant_hint, configuration: configuration.clone() };
        let services = shared_services(ctx)?;
        let listener = services.announcements.listen(place);
        let subscriber = subscriber.clone();
        let mut added = Added { subscriber, configuration, listener, allowed_at: None, services };
        added.check_allowed().await?;
        Ok(stream::unfold(Some(added), |added| async {
            let mut added = added?;
            let key = added.listener.next().await?;
            let configuration = added.configuration.clone();
            match added.check_allowed().await {
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

/// What one subscription waits for.
struct Added {
    subscriber: Subscriber,
    configuration: Key,
    listener: Listener,
    /// When Graph last let the subscriber read the configuration.
    allowed_at: Option<Instant>,
    services: Arc<Services>,
}

impl Added {
    /// Asks Graph whether the subscriber may read the configuration, unless it has said so not long ago.
    async fn check_allowed(&mut self) -> Result<(), FieldError> {
        if self.allowed_at.is_some_and(|at| at.elapsed() < self.services.subscriber_recheck) {
            return Ok(());
        }
        // The first is part of a request. Those after it are caused by events; they wait, and the event with them.
        if self.allowed_at.is_some() {
            self.services.read_budget.turn().await;
        }
        let closed = |_| FieldError::internal("the checks of subscribers were closed");
        let _permit = self.services.checks.acquire().await.map_err(closed)?;
        let session = self.subscriber.session(None).ok_or_else(FieldError::unauthenticated)?;
        let configurations = session.ios_lob_app_provisioning_configurations().collection();
        match configurations.get_opt(&self.configuration, &Select::from(["id"])).await? {
            Some(_) => self.allowed_at = Some(Instant::now()),
            None => {
                let message = "Microsoft Graph has no such configuration.";
                return Err(FieldError::new(ErrorCode::NotFound, message));
            }
        }
        Ok(())
    }
}

/// A status that was added to a configuration.
pub(super) struct DeviceStatusAdded {
    configuration: Key,
    key: Key,
}

/// A status that was added to a configuration.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl DeviceStatusAdded {
    /// The status' global id.
    async fn device_status_id(&self) -> ID {
        let (configuration, key) = (self.configuration.clone(), self.key.clone());
        ID(GlobalId::DeviceStatus { configuration, key }.encode())
    }

    /// The status, read from Graph with the subscriber's own token, and only if selected; null where Graph does not show
    /// it.
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        let selected = Selected::of(ctx, "DeviceStatus");
        let status = DeviceStatus::load(ctx, selected, &self.configuration, &self.key).await.transpose()?;
        Some(status.map(Bounded::new))
    }
}

/// Gives each event what a request has: a session of its own, whose deadline is the event's.
pub(super) struct EachEvent;

impl ExtensionFactory for EachEvent {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait]
impl Extension for EachEvent {
    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let mut data = Data::default();
        if let Some(subscriber) = ctx.data_opt::<Subscriber>() {
            let budget = Arc::new((subscriber.new_budget)());
            subscriber.last.set(Arc::clone(&budget));
            let session = subscriber.session(Some(subscriber.allowance.clone()));
            data.insert(RequestData::new(session, budget));
        }
        next.run_with_data(ctx, operation_name, data).await
    }
}
