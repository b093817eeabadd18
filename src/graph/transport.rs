//! One attempt at a request to Graph and its response, with the caller's token and ids, always to the configured origin.
//! Callers decide whether another attempt follows.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::time::Instant;
use tower::retry::budget::Budget as _;

use super::allowance::ReadAllowance;
use super::approval::Approval;
use super::batch::{self, Item};
use super::body_limit::BodyLimit;
use super::call_log::{self, CallRecord};
use super::call_span::CallSpan;
use super::caller::Caller;
use super::client_state::ClientState;
use super::error::Error;
use super::http_client::PendingResponse;
use super::request::Request;
use super::response::{GraphResponse, RequestLine};
use super::retry::{Delay, Reason};
use super::retry_after_cache::OperationKind;
use super::send_gate::SendGate;
use crate::telemetry::metrics::{self, NotSent};
use crate::telemetry::route::Route;

/// How often a request that Graph did not process is sent again at once, on another connection if
/// necessary.
const MAX_RESENDS: u32 = 2;
/// Time to wait before the caller retries the writes that did not fit the request timeout or the
/// shutdown.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The client on behalf of one caller. Shared by all calls of a request.
pub(super) struct Transport {
    pub(super) client: Arc<ClientState>,
    pub(super) caller: Caller,
    /// The budget of reads that a caller did not request.
    pub(super) allowance: Option<ReadAllowance>,
}

/// A batch without responses to its items.
pub(super) enum BatchError {
    /// The batch failed as a whole.
    Failed(Error),
    /// Its response is malformed JSON, possibly because of one item.
    Broken(Error),
}

impl Transport {
    /// The caller's deadline; an error if it has passed or the caller has disconnected, because
    /// nothing more may be sent.
    pub(super) fn deadline(&self) -> Result<Instant, Error> {
        let deadline = Instant::from_std(self.caller.deadline);
        if deadline <= Instant::now() || self.caller.disconnected.is_cancelled() {
            Err(Error::DeadlinePassed)
        } else {
            Ok(deadline)
        }
    }

    /// Takes one read of the allowance, each attempt at one.
    pub(super) fn take_read(&self) -> Result<(), Error> {
        let taken = self.allowance.as_ref().map_or(Ok(()), ReadAllowance::take);
        taken.map_err(|retry_after| Error::OverBudget { retry_after })
    }

    /// Whether a request may still be sent: the caller is connected and no shutdown has begun.
    pub(super) fn can_continue(&self) -> bool {
        !self.caller.disconnected.is_cancelled() && !self.is_stopping()
    }

    /// Whether the process is to stop: no batch of creates starts then.
    pub(super) fn is_stopping(&self) -> bool {
        self.client.stopping.is_cancelled()
    }

    /// Whether the wait ends before the caller's patience does.
    pub(super) fn is_in_time(&self, delay: Delay) -> bool {
        Instant::now() + delay.wait < Instant::from_std(self.caller.deadline)
    }

    /// Waits before a further attempt. False if there must be none: the retry budget is spent, the
    /// caller has disconnected, or the process is about to stop.
    pub(super) async fn pause(&self, delay: Delay) -> bool {
        if !delay.from_retry_after && !self.client.budget.withdraw() {
            metrics::retry_budget_spent();
            return false;
        }
        if delay.from_retry_after {
            metrics::retry_after_wait(delay.wait);
        }
        self.wait_until(Instant::now() + delay.wait).await
    }

    /// Waits; false if the caller has disconnected or the process is about to stop.
    pub(super) async fn wait_until(&self, until: Instant) -> bool {
        tokio::select! {
            () = tokio::time::sleep_until(until) => self.can_continue(),
            () = self.caller.disconnected.cancelled() => false,
            () = self.client.stopping.cancelled() => false,
        }
    }

    /// The rest of the caller's latest `Retry-After`.
    pub(super) fn remaining_retry_after(&self, kind: OperationKind) -> Option<Duration> {
        self.client.retry_after.remaining(&self.caller.authorization, kind)
    }

    /// `GET` of a URL relative to the service root.
    pub(super) async fn get(&self, url: &str) -> Result<GraphResponse, Error> {
        let request = self.request(Method::GET, url)?;
        self.read(request).await
    }

    /// Reads several URLs with one `POST /$batch`. Returns one result for each URL, in order.
    pub(super) async fn get_batch(
        &self,
        urls: &[String],
    ) -> Result<Vec<Result<GraphResponse, Error>>, BatchError> {
        let items = urls.iter().map(|url| Item { method: "GET", url, body: None, approval: None });
        let (request, count) = self.batch_request(items).map_err(BatchError::Failed)?;
        let outer = self.read(request).await.map_err(BatchError::Failed)?;
        self.items(&outer, count, "GET", urls.iter().map(String::as_str), OperationKind::Read)
    }

    /// Sends a write, as long as the gate allows it.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
        approval: Option<&Approval>,
        gate: &SendGate,
    ) -> Result<GraphResponse, Error> {
        let mut request = self.request(method, path)?;
        request.body = body;
        request.approval = approval.cloned();
        request.gate = Some(gate.clone());
        let withdrawal = async {
            self.withdrawn().await;
            Error::Withdrawn
        };
        let response = self.send_write(request, gate, withdrawal).await;
        response.map_err(|error| error.of_write(approval))
    }

    /// Creates with one `POST /$batch`, each body at `path` and with its approval, while the gate allows it and the
    /// process is not about to stop. Returns one result for each body, in order.
    pub(super) async fn post_batch(
        &self,
        path: &str,
        bodies: &[(&Bytes, Option<&Approval>)],
        gate: &SendGate,
    ) -> Result<Vec<Result<GraphResponse, Error>>, Error> {
        let item = |(body, approval)| Item { method: "POST", url: path, body: Some(body), approval };
        let items = bodies.iter().copied().map(item);
        let (mut request, count) = self.batch_request(items)?;
        request.gate = Some(gate.clone());
        let withdrawal = async {
            tokio::select! {
                () = self.withdrawn() => {}
                () = self.client.stopping.cancelled() => {}
            }
            Error::NotStarted { retry_after: RETRY_AFTER }
        };
        let outer = self.send_write(request, gate, withdrawal).await.map_err(Error::of_batch)?;
        let items = self.items(&outer, count, "POST", bodies.iter().map(|_| path), OperationKind::Write);
        let items = items.map_err(|(BatchError::Failed(error) | BatchError::Broken(error))| error)?;
        let of_write = |(response, (_, approval)): (Result<_, Error>, &(_, Option<&Approval>))| {
            response.map_err(|error| error.of_write(*approval))
        };
        Ok(items.into_iter().zip(bodies).map(of_write).collect())
    }

    /// Whether no write reaches a connection any more.
    pub(super) fn is_draining(&self) -> bool {
        self.client.draining.is_cancelled()
    }

    /// Resolves when no write reaches a connection any more.
    pub(super) async fn draining(&self) {
        self.client.draining.cancelled().await;
    }

    /// Waits for a write that continues without its caller, until the deadline or the end of the process.
    pub(super) async fn wait_for_write<T>(
        &self,
        deadline: Instant,
        write: impl Future<Output = T>,
    ) -> Option<T> {
        tokio::select! {
            biased;
            ended = write => Some(ended),
            () = tokio::time::sleep_until(deadline) => None,
            () = self.client.cut_off.cancelled() => None,
        }
    }

    /// Resolves when no write may begin any more: the caller disconnected, the request timed out, or the process drains.
    async fn withdrawn(&self) {
        tokio::select! {
            () = self.caller.disconnected.cancelled() => {}
            () = self.client.draining.cancelled() => {}
            () = tokio::time::sleep_until(Instant::from_std(self.caller.deadline)) => {}
        }
    }

    /// Sends a write. If `withdrawal` resolves before the write has reached a connection, the write
    /// is not sent, and the result is that error. Otherwise its response is awaited.
    async fn send_write(
        &self,
        request: Request,
        gate: &SendGate,
        withdrawal: impl Future<Output = Error>,
    ) -> Result<GraphResponse, Error> {
        let sending = self.send(request, OperationKind::Write);
        tokio::pin!(sending);
        tokio::select! {
            biased;
            response = &mut sending => response,
            error = withdrawal => if gate.close() { sending.await } else { Err(error) },
        }
    }

    /// Sends a read.
    async fn read(&self, request: Request) -> Result<GraphResponse, Error> {
        self.send(request, OperationKind::Read).await
    }

    fn batch_request<'a>(
        &self,
        items: impl ExactSizeIterator<Item = Item<'a>>,
    ) -> Result<(Request, usize), Error> {
        let count = items.len();
        let body = batch::envelope(items).map_err(|_| Error::Unsendable("the batch could not be written"))?;
        let mut request = self.request(Method::POST, "/$batch")?;
        request.body = Some(body.into());
        Ok((request, count))
    }

    /// The items of a batch response, each as a separate response.
    fn items<'a>(
        &self,
        outer: &GraphResponse,
        count: usize,
        method: &str,
        urls: impl Iterator<Item = &'a str>,
        kind: OperationKind,
    ) -> Result<Vec<Result<GraphResponse, Error>>, BatchError> {
        let items = batch::read_responses(outer.body(), count).map_err(|unreadable| {
            let error = outer.contradiction("the body has no readable batch response");
            match unreadable {
                batch::Unreadable::Broken => BatchError::Broken(error),
                batch::Unreadable::Other => BatchError::Failed(error),
            }
        })?;
        let root = self.client.root.url().path();
        let classify = |(url, item): (&str, Result<batch::ItemResponse, &'static str>)| {
            let item = item.map_err(|what| outer.contradiction(what))?;
            let path = url.split('?').next().unwrap_or_default();
            let response = outer.item(item, RequestLine { method, root, path }, &self.caller);
            self.record_retry_after(&response, kind);
            response
        };
        let items: Vec<_> = urls.zip(items).map(classify).collect();
        self.caller.telemetry.calls().add_batch_items(items.len());
        call_log::record_items(&items, kind);
        Ok(items)
    }

    /// A request to `path`, which starts with a slash and is relative to the service root. The
    /// origin is always that of the service root.
    fn request(&self, method: Method, path: &str) -> Result<Request, Error> {
        let path_and_query = self.client.root.path_and_query(path);
        let path_and_query = path_and_query.ok_or(Error::Unsendable("a path does not form a URL"))?;
        let telemetry = &self.caller.telemetry;
        Ok(Request {
            method,
            route: Route::of(path),
            path_and_query,
            authorization: self.caller.authorization.header(),
            client_request_id: telemetry.header().clone(),
            traceparent: telemetry.trace_context().map(|trace| trace.header().clone()),
            approval: None,
            body: None,
            gate: None,
        })
    }

    /// Sends the request and reads the whole response. Nothing is sent while a `Retry-After` of the
    /// caller is pending or the circuit breaker is open.
    async fn send(&self, mut request: Request, kind: OperationKind) -> Result<GraphResponse, Error> {
        if let Some(retry_after) = self.remaining_retry_after(kind) {
            metrics::graph_call_not_sent(NotSent::RetryAfter);
            return Err(Error::Throttled { retry_after });
        }
        self.client.budget.deposit();
        let (record, received) = self.receive(&mut request).await?;
        let (method, path) = (request.method.as_str(), request.path_and_query.path());
        let request_line = RequestLine { method, root: "", path };
        let gives_up = request.gate.is_none();
        let limit = BodyLimit::new(
            self.client.max_response,
            &self.client.responses,
            self.caller.memory_share,
            !gives_up,
        );
        let response = received
            .read(gives_up, |response| GraphResponse::read(response, limit, request_line, &self.caller))
            .await
            .unwrap_or(Err(Error::Timeout));
        record.end(response.as_ref());
        self.record_retry_after(&response, kind);
        response
    }

    /// Waits for the head of the response. A request that Graph did not process is sent again at
    /// once, and so is a read that was lost on a connection that was open for a while, since that
    /// connection was probably closing.
    async fn receive(&self, request: &mut Request) -> Result<(CallRecord<'_>, PendingResponse), Error> {
        let mut resends = 0;
        loop {
            let mut record = CallRecord::begin(&self.caller, &request.method, request.route);
            if let Some(span) = CallSpan::begin(&self.caller, request, self.client.root.url(), resends) {
                // Graph's spans, if there are any, are below the one of the attempt.
                request.traceparent = Some(span.traceparent());
                record = record.with_span(span);
            }
            let failure = match self.client.http.send(request).await {
                Ok(received) => {
                    record.set_version(received.response.version());
                    return Ok((record, received));
                }
                Err(failure) => failure,
            };
            record.end(Err(&failure.error));
            let reason = match &failure.error {
                Error::Unprocessed(_) if resends < MAX_RESENDS => Reason::Refused,
                Error::Transport(_) if failure.was_reused && request.gate.is_none() && resends == 0 => {
                    Reason::Lost
                }
                _ => return Err(failure.error),
            };
            let may_be_sent = match &request.gate {
                Some(gate) => gate.reopen(),
                None => self.take_read().is_ok(),
            };
            if !may_be_sent || !self.can_continue() || !self.client.budget.withdraw() {
                return Err(failure.error);
            }
            resends += 1;
            reason.count::<()>(&Ok(()));
        }
    }

    fn record_retry_after(&self, response: &Result<GraphResponse, Error>, kind: OperationKind) {
        if let Err(Error::Api(api)) = response
            && api.is_throttled()
            && let Some(wait) = api.retry_after
        {
            self.client.retry_after.insert(&self.caller.authorization, kind, wait);
        }
    }
}
