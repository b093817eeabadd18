//! A request from its text to its response: prepared by [`graphql_prepare`], executed by the
//! library.

use async_graphql::parser::types::OperationType;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::{Response, ServerError, ValidationMode};
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt as _, future};
use tokio::sync::{Notify, Semaphore};

use super::context::{RequestContext, SchemaContext};
use super::document_cache::DocumentCache;
use super::error::{ErrorCode, RequestError};
use super::graphql_request::GraphqlRequest;
use super::manifest_watch::ManifestWatch;
use super::persisted_documents::PersistedDocuments;
use super::preparation::{caller_preparer, operator_preparer};
use super::response_budget::{ResponseBudget, ResponseMemory};
use super::status_events::StatusEvents;
use super::subscription::{LatestBudget, PerEventContext, Subscriber};
use super::trusted_documents::{TrustedDocuments, TrustedDocumentsError};
use super::untrusted_report::UntrustedReport;
use super::{CursorKey, GatewaySchema, build, error};
use crate::graph::{ReadBudget, ReadRates, Session};
use crate::idempotency::{IdempotencyService, StoreError};
use crate::shared_state::{SharedDocuments, SharedEvents};
use crate::telemetry::metrics;
use crate::tls_error::with_causes;
use graphql_prepare::{Limits, PreparedOperation, Preparer, unwrap_shared_response};

/// Maximum number of concurrent authorization checks. After a pause, one write can make all of them
/// due.
const MAX_CONCURRENT_CHECKS: usize = 64;

/// Why a request is not executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrepareError {
    /// Its document, operation or variables are wrong.
    Request(Vec<RequestError>),
    /// It is a mutation in a read-only request (GET).
    WriteByGet,
}

impl From<Vec<graphql_prepare::RequestError>> for PrepareError {
    fn from(errors: Vec<graphql_prepare::RequestError>) -> Self {
        Self::Request(errors.into_iter().map(RequestError::from).collect())
    }
}

impl From<graphql_prepare::RequestError> for PrepareError {
    fn from(error: graphql_prepare::RequestError) -> Self {
        RequestError::from(error).into()
    }
}

impl From<RequestError> for PrepareError {
    fn from(error: RequestError) -> Self {
        Self::Request(vec![error])
    }
}

/// Whether what requests need besides Graph can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// All of it.
    Good,
    /// Requests without an idempotency key are served; why others are not, for operators.
    Degraded(String),
    /// This gateway should get no requests, and why, for operators.
    Bad(String),
}

/// The GraphQL API.
pub struct Api {
    preparer: Preparer,
    documents: DocumentCache,
    persisted: Arc<PersistedDocuments>,
    manifest: Option<Arc<ManifestWatch>>,
    untrusted: UntrustedReport,
    executing: GatewaySchema,
    /// The same for subscriptions. Its per-event extension would slow down large queries.
    streaming: GatewaySchema,
    read_budget: ReadBudget,
    status_events: StatusEvents,
    introspection: bool,
    idempotency: IdempotencyService,
    max_response: usize,
}

/// A response, and the memory that it takes until it has been sent.
pub struct Executed {
    /// The response.
    pub response: Response,
    /// The memory that is reserved for it. Dropping it frees the memory.
    pub memory: Option<Box<dyn ResponseMemory>>,
}

/// Settings of the schema.
#[derive(Debug)]
pub struct ApiSettings {
    /// Whether introspection is enabled.
    pub introspection: bool,
    /// Limits of documents.
    pub limits: Limits,
    /// The documents that the operator trusts.
    pub trusted_documents: TrustedDocuments,
    /// The page size of lists without `first`; 1 to 1000.
    pub default_page_size: usize,
    /// The key that seals cursors.
    pub cursor_key: CursorKey,
    /// Maximum size of a configuration's payload, in bytes before base64.
    pub max_configuration_payload: usize,
    /// Maximum number of pages that are read for one list because Graph refuses a query option; with
    /// 0, the read fails.
    pub max_fallback_pages: usize,
    /// Maximum size of a response, in bytes as estimated while it is built.
    pub max_response: usize,
    /// Idempotency keys and the outcomes of their writes.
    pub idempotency: IdempotencyService,
    /// How long a successful authorization check of a subscriber is reused.
    pub subscription_recheck: Duration,
    /// Read limits of subscription events.
    pub subscription_reads: ReadRates,
    /// The events that replicas share; `None` if they share no state.
    pub shared_events: Option<SharedEvents>,
    /// The persisted documents that replicas share; `None` if they share no state.
    pub shared_documents: Option<SharedDocuments>,
}

impl Api {
    /// Builds the schema.
    ///
    /// # Errors
    ///
    /// If a trusted document is invalid.
    ///
    /// # Panics
    ///
    /// If the built-in SDL cannot be parsed, which a test would detect.
    pub fn new(settings: ApiSettings) -> Result<Self, TrustedDocumentsError> {
        let ApiSettings {
            introspection,
            limits,
            trusted_documents,
            default_page_size,
            cursor_key,
            max_configuration_payload,
            max_fallback_pages,
            max_response,
            idempotency,
            subscription_recheck,
            subscription_reads,
            shared_events,
            shared_documents,
        } = settings;
        let for_operator = operator_preparer(limits, default_page_size);
        trusted_documents.check(&for_operator)?;
        let manifest = trusted_documents.manifest().map(|(file, stamp)| (file.to_owned(), stamp));
        let persisted = Arc::new(PersistedDocuments::new(trusted_documents, shared_documents));
        let manifest = manifest.map(|(file, stamp)| {
            Arc::new(ManifestWatch::new(file, stamp, for_operator, Arc::clone(&persisted)))
        });
        let preparer = caller_preparer(limits, default_page_size, introspection);
        let status_events = shared_events.map_or_else(StatusEvents::default, StatusEvents::shared);
        let schema_context = Arc::new(SchemaContext {
            cursor_key,
            default_page_size,
            max_configuration_payload,
            max_fallback_pages,
            idempotency: idempotency.clone(),
            status_events: status_events.clone(),
            subscription_recheck,
            read_budget: ReadBudget::new(subscription_reads),
            authorization_checks: Semaphore::new(MAX_CONCURRENT_CHECKS),
        });
        let build = || build(ValidationMode::Fast).data(Arc::clone(&schema_context));
        Ok(Self {
            persisted,
            manifest,
            untrusted: UntrustedReport::new(),
            preparer,
            documents: DocumentCache::new(),
            executing: build().finish(),
            streaming: build().extension(PerEventContext).finish(),
            read_budget: schema_context.read_budget.clone(),
            status_events,
            introspection,
            idempotency,
            max_response,
        })
    }

    /// Whether the dependencies of requests other than Graph can be used at present.
    pub(crate) fn health(&self) -> Health {
        match self.idempotency.health() {
            Ok(()) => Health::Good,
            Err(error @ StoreError::Unreachable(_)) => Health::Degraded(with_causes(&error)),
            Err(error) => Health::Bad(with_causes(&error)),
        }
    }

    /// The service of idempotency keys.
    pub(crate) fn idempotency(&self) -> &IdempotencyService {
        &self.idempotency
    }

    /// Limits of documents.
    pub(crate) fn limits(&self) -> &Limits {
        self.preparer.limits()
    }

    /// Whether operations that are not trusted are reported, with the names of their clients.
    pub(crate) fn reports_untrusted(&self) -> bool {
        self.persisted.reports_untrusted()
    }

    /// Reads the trusted documents again whenever their manifest changes or `reload` is notified, until the future is
    /// dropped.
    pub(crate) async fn watch_trusted_documents(&self, reload: &Notify) {
        match &self.manifest {
            Some(manifest) => Arc::clone(manifest).run(reload).await,
            None => future::pending().await,
        }
    }

    /// Sends events to other replicas, and receives theirs, until the future is dropped.
    pub(crate) fn share_events(&self) -> impl Future<Output = ()> + Send + use<> {
        self.status_events.clone().run()
    }

    /// Looks for the document of a request at other replicas, before [`Api::prepare`]; `None` if that is not necessary.
    pub(crate) fn look_up_document(&self, request: &GraphqlRequest) -> Option<BoxFuture<'_, ()>> {
        self.persisted.look_up(request)
    }

    /// Checks a request, all of it, before anything executes.
    ///
    /// # Errors
    ///
    /// Errors of the document, the choice of the operation, or the variables;
    /// [`PrepareError::WriteByGet`] for a mutation in a read-only request.
    pub fn prepare(&self, mut request: GraphqlRequest) -> Result<PreparedOperation, PrepareError> {
        let resolved = self.persisted.resolve(&mut request)?;
        let reported = resolved.reported;
        let document = self.documents.get(&self.preparer, &resolved.text)?;
        self.persisted.register(resolved);
        let selected = document.operation(request.operation_name.as_deref())?;
        if request.is_read_only && selected.operation_type() == OperationType::Mutation {
            return Err(PrepareError::WriteByGet);
        }
        let prepared = self.preparer.prepare(selected, Some(request.variables))?;
        if prepared.introspects() && !self.introspection {
            let message = "Introspection is turned off on this gateway.";
            return Err(RequestError::new(ErrorCode::IntrospectionDisabled, message).into());
        }
        if let Some(hash) = reported {
            let name = prepared.operation_name.as_ref().map(async_graphql::Name::as_str);
            self.untrusted.record(name, request.client_name.as_deref(), &hash);
        }
        Ok(prepared)
    }

    /// Executes a prepared subscription as the caller of `session`, with one response per event.
    /// Each event has `event_timeout` and takes memory from `memory`. A subscription that cannot
    /// start has one response with the error. Nothing runs before the stream is polled.
    pub fn subscribe<M: Fn() -> Box<dyn ResponseMemory> + Send + Sync + 'static>(
        &self,
        prepared: PreparedOperation,
        session: Option<Session>,
        event_timeout: Duration,
        memory: M,
    ) -> impl Stream<Item = Executed> + Send + use<M> {
        let max_response = self.max_response;
        let new_budget = Arc::new(move || ResponseBudget::new(max_response, memory()));
        let last = LatestBudget::default();
        let allowance = self.read_budget.subscriber();
        let subscriber = Subscriber { session, event_timeout, allowance, new_budget, last: last.clone() };
        let request = prepared.into_request().data(subscriber);
        let responses = AssertUnwindSafe(self.streaming.execute_stream(request)).catch_unwind();
        responses.map(move |response| {
            let response = response.unwrap_or_else(|_panic| {
                metrics::panicked();
                Response::from_errors(vec![ServerError::new("a subscription panicked", None)])
            });
            executed(response, last.take().as_deref())
        })
    }

    /// Reserves the memory that a prepared query or mutation needs in any case. Returns false and
    /// reserves nothing if there is no room.
    pub fn reserve(&self, prepared: &PreparedOperation, memory: &mut dyn ResponseMemory) -> bool {
        let bytes = ResponseBudget::reserved_ahead(prepared.reserved_bytes);
        bytes == 0 || memory.try_grow(bytes)
    }

    /// Executes a prepared query or mutation as the caller of `session`. Without a session, fields
    /// that need Graph are `UNAUTHENTICATED`. The response uses `memory`, in which [`Api::reserve`]
    /// has reserved the minimum.
    pub async fn execute(
        &self,
        prepared: PreparedOperation,
        session: Option<Session>,
        memory: Box<dyn ResponseMemory>,
    ) -> Executed {
        let budget = ResponseBudget::new(self.max_response, memory);
        let budget = Arc::new(match prepared.operation_type {
            OperationType::Mutation => budget.with_reserved(prepared.reserved_bytes),
            _ => budget.with_charged(prepared.reserved_bytes),
        });
        let request = prepared.into_shared_request().data(RequestContext::new(session, Arc::clone(&budget)));
        let mut response = self.executing.execute(request).await;
        unwrap_shared_response(&mut response);
        executed(response, Some(&budget))
    }
}

fn executed(mut response: Response, budget: Option<&ResponseBudget>) -> Executed {
    response.errors.iter_mut().for_each(error::with_code);
    let Some(budget) = budget else { return Executed { response, memory: None } };
    response.errors = budget.final_errors(response.errors);
    Executed { response, memory: budget.take_memory() }
}
