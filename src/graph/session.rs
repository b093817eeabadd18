//! The calls of one caller: the shared state of a request, and the methods that collections use.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::Method;
use serde::Serialize;
use tower::retry::budget::Budget as _;
use url::Url;

use super::allowance::ReadAllowance;
use super::approval::Approval;
use super::call_log::WriteRecord;
use super::call_span::span_error;
use super::caller::Caller;
use super::client_state::ClientState;
use super::data_loader::DataLoader;
use super::error::{Error, WriteError, WriteKind};
use super::models::Entity;
use super::odata::Select;
use super::page::Page;
use super::read_batch::ReadResult;
use super::response::GraphResponse;
use super::settings::CreatePath;
use super::transport::Transport;
use super::writes::{self, Write};
use crate::telemetry::metrics;
use crate::telemetry::traces::{CallScope, SharedSpan, SpanId, SpanKind};

/// Graph as one caller may use it, for the time of one request. Reads that become ready together travel together. Cheap
/// to clone; clones are the same session.
#[derive(Clone)]
pub struct Session {
    pub(super) transport: Arc<Transport>,
    /// Made by the first read: most mutations read nothing.
    loader: Arc<OnceLock<DataLoader>>,
    /// The span of the resolver that uses the session, if the request is sampled.
    span: Option<SharedSpan>,
}

impl Session {
    pub(super) fn new(client: Arc<ClientState>, caller: Caller) -> Self {
        Self::of(Transport { client, caller, allowance: None })
    }

    fn of(transport: Transport) -> Self {
        Self { loader: Arc::default(), transport: Arc::new(transport), span: None }
    }

    /// The same caller's session with another deadline and an empty cache. With an allowance, reads
    /// beyond it are [`Error::OverBudget`].
    #[must_use]
    pub fn renewed(&self, deadline: Instant, allowance: Option<ReadAllowance>) -> Self {
        let Transport { client, caller, .. } = &*self.transport;
        let caller = Caller { deadline, ..caller.clone() };
        Self::of(Transport { client: Arc::clone(client), caller, allowance })
    }

    /// The same session for the resolver of a field, with a span of its own, which ends with the last clone of the session.
    /// `None` if the request is not sampled.
    #[must_use]
    pub fn for_field(&self, name: &str) -> Option<Self> {
        let trace = self.transport.caller.telemetry.trace()?;
        let parent = CallScope::current().map_or(trace.operation(), |scope| scope.parent);
        let mut span = trace.begin_child(parent, SpanKind::Internal, format!("resolve {name}").into())?;
        span.set_text("graphql.field.name", name);
        Some(Self { span: Some(SharedSpan::new(span)), ..self.clone() })
    }

    /// The span that calls to Graph are part of, if the request is sampled.
    pub(super) fn call_parent(&self) -> Option<SpanId> {
        self.span.as_ref().map(SharedSpan::use_as_parent)
    }

    /// Records an error as that of the resolver. An entity that Graph does not have may be no error.
    pub(super) fn record_error(&self, error: &Error) {
        let is_absent = matches!(error, Error::Api(api) if matches!(api.status.as_u16(), 404 | 410));
        if let Some(span) = self.span.as_ref().filter(|_| !is_absent) {
            span.set_error(span_error(error));
        }
    }

    /// When the caller stops waiting.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.transport.caller.deadline
    }

    /// Resolves when the process begins to drain.
    pub async fn draining(&self) {
        self.transport.draining().await;
    }

    /// The caller's tenant from the token: not verified, and never used to authorize. `None` if the
    /// token is opaque.
    #[must_use]
    pub fn tenant_hint(&self) -> Option<String> {
        self.transport.caller.authorization.tenant_hint()
    }

    /// The state of the client, and the caller.
    pub(super) fn client_and_caller(&self) -> (&ClientState, &Caller) {
        (&self.transport.client, &self.transport.caller)
    }

    /// Takes one retry of the budget of the process. False if it is spent.
    pub(super) fn take_retry(&self) -> bool {
        let is_allowed = self.transport.client.budget.withdraw();
        if !is_allowed {
            metrics::retry_budget_spent();
        }
        is_allowed
    }

    pub(super) fn create_path(&self) -> CreatePath {
        self.transport.client.create_path
    }

    pub(super) fn root(&self) -> &Url {
        self.transport.client.root.url()
    }

    fn loader(&self) -> &DataLoader {
        self.loader.get_or_init(|| DataLoader::new(Arc::clone(&self.transport)))
    }

    /// Boxed, since the futures of all resolvers that may read would be as large as this one, and are moved several times.
    fn load<'s>(&'s self, path: String, query: String, select: &'s Select) -> BoxFuture<'s, ReadResult> {
        let read = self.loader().read(path, query, select, self.call_parent());
        match self.span {
            None => read.boxed(),
            Some(_) => read.inspect_err(|error| self.record_error(error)).boxed(),
        }
    }

    /// Reads one entity.
    pub(super) async fn get(&self, path: String, select: &Select) -> ReadResult {
        self.load(path, String::new(), select).await
    }

    /// Reads a page of a collection.
    pub(super) async fn page<T: Entity>(
        &self,
        path: &str,
        query: String,
        select: &Select,
    ) -> Result<Page<T>, Error> {
        let response = self.load(path.to_owned(), query, select).await?;
        Page::read(&response, self.root(), path)
    }

    /// Reads a path with a query.
    pub(super) async fn read(&self, path: String, query: String) -> ReadResult {
        self.load(path, query, &Select::new()).await
    }

    /// Sends a write other than a create, as often as its kind allows. `read` reads the response.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        kind: WriteKind,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        approval: Option<&Approval>,
        read: impl FnOnce(&GraphResponse) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, WriteError> {
        let is_delete = method == Method::DELETE;
        let record = WriteRecord::new(&method, path);
        let write = Write { kind, method, path, approval, record: &record };
        let result = writes::write(&self.transport, self.call_parent(), write, body, read).await;
        if let Err(error) = &result {
            self.record_error(&error.error);
        }
        record.delivered(std::iter::once(writes::failure(result.as_ref(), is_delete)));
        self.invalidate().await;
        result
    }

    /// Clears the cache, because a write may have changed entities.
    pub(super) async fn invalidate(&self) {
        if let Some(loader) = self.loader.get() {
            loader.invalidate().await;
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("caller", &self.transport.caller).finish_non_exhaustive()
    }
}
