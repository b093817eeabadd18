//! Records each call to Graph: its duration and result, and a log line if it failed.

use std::time::Instant;

use http::{Method, Version};
use tracing::{info, warn};

use super::call_span::CallSpan;
use super::caller::Caller;
use super::error::{ApiError, Error, Outcome, WriteError};
use super::response::GraphResponse;
use super::retry_after_cache::OperationKind;
use crate::telemetry::metrics::{self, BatchKind, CallLabels, CallResult, NoResponse, NotSent, WriteResult};
use crate::telemetry::operation::milliseconds;
use crate::telemetry::rate_limit::LineLimit;
use crate::telemetry::route::Route;
use crate::tls_error::causes;

/// Largest number of log lines per second, of each kind, about calls that failed.
const MAX_LINES: u64 = 10;
/// Largest number of log lines per second about unknown outcomes. A call has one.
const MAX_UNKNOWN_LINES: u64 = 100;

/// Calls that Graph refused, by its own word: the callers' business.
static REFUSED: LineLimit = LineLimit::new(MAX_LINES);
/// Calls that failed.
static FAILED: LineLimit = LineLimit::new(MAX_LINES);
/// Writes of unknown outcome.
static UNKNOWN: LineLimit = LineLimit::new(MAX_UNKNOWN_LINES);
/// Writes of unknown outcome whose callers have left.
static UNDELIVERED: LineLimit = LineLimit::new(MAX_UNKNOWN_LINES);
/// Batches with failed items.
static ITEMS: LineLimit = LineLimit::new(MAX_LINES);

/// A call that has not ended. If it is dropped before [`CallRecord::end`], the request has ended without its response.
pub(super) struct CallRecord<'a> {
    caller: &'a Caller,
    method: Method,
    route: Route,
    started: Instant,
    has_ended: bool,
    span: Option<CallSpan>,
}

impl<'a> CallRecord<'a> {
    pub(super) fn begin(caller: &'a Caller, method: &Method, route: Route) -> Self {
        let started = Instant::now();
        caller.telemetry.calls().begin(started);
        Self { caller, method: method.clone(), route, started, has_ended: false, span: None }
    }

    /// The record of a call that has a span.
    pub(super) fn with_span(mut self, span: CallSpan) -> Self {
        self.span = Some(span);
        self
    }

    /// Sets the version of the response's protocol.
    pub(super) fn set_version(&mut self, version: Version) {
        if let Some(span) = &mut self.span {
            span.set_version(version);
        }
    }

    /// Records the result.
    pub(super) fn end(mut self, result: Result<&GraphResponse, &Error>) {
        self.has_ended = true;
        // Of those, nothing was sent, and nothing was tried.
        let is_call = !matches!(
            result,
            Err(Error::BreakerOpen { .. }
                | Error::Withdrawn
                | Error::OverBudget { .. }
                | Error::Unsendable(_))
        );
        if let Some(span) = self.span.take() {
            if is_call { span.end(result) } else { span.discard() }
        }
        if is_call {
            self.count(result_of(result));
        } else if let Err(Error::BreakerOpen { .. }) = result {
            metrics::graph_call_not_sent(NotSent::BreakerOpen);
        }
        match result {
            Ok(response) => {
                self.caller.telemetry.calls().suggest_request_id(response.info().request_id.as_deref());
            }
            Err(Error::Api(api)) => self.log_response(api),
            Err(error) if is_call => self.log_failure(error),
            Err(_) => {}
        }
    }

    fn count(&self, result: CallResult) {
        let duration = self.started.elapsed();
        self.caller.telemetry.calls().add(duration);
        metrics::graph_call(CallLabels::of(self.method.as_str(), self.route), result, duration);
    }

    fn log_response(&self, api: &ApiError) {
        if let Some(id) = &api.request_id {
            self.caller.telemetry.calls().set_request_id(id);
        }
        let is_refusal = api.status.is_client_error();
        let limit = if is_refusal { &REFUSED } else { &FAILED };
        let Some(suppressed) = limit.allow() else { return };
        macro_rules! log {
            ($level:ident, $message:literal) => {
                $level!(
                    graph.method = self.method.as_str(),
                    graph.route = self.route.as_str(),
                    graph.status = api.status.as_u16(),
                    graph.code = api.code,
                    graph.request_id = api.request_id,
                    retry_after_ms = api.retry_after.map(milliseconds),
                    duration_ms = milliseconds(self.started.elapsed()),
                    suppressed = (suppressed > 0).then_some(suppressed),
                    $message
                )
            };
        }
        match api {
            api if api.is_throttled() => log!(info, "Graph throttled a call"),
            _ if is_refusal => log!(info, "Graph refused a call"),
            _ => log!(warn, "Graph failed a call"),
        }
    }

    fn log_failure(&self, error: &Error) {
        let Some(suppressed) = FAILED.allow() else { return };
        let response = match error {
            Error::UnexpectedResponse { response, .. } => Some(response),
            _ => None,
        };
        let cause = causes(error);
        warn!(
            graph.method = self.method.as_str(),
            graph.route = self.route.as_str(),
            graph.status = response.map(|response| response.status.as_u16()),
            graph.request_id = response.and_then(|response| response.request_id.as_deref()),
            %error,
            cause = (!cause.is_empty()).then_some(cause),
            duration_ms = milliseconds(self.started.elapsed()),
            suppressed = (suppressed > 0).then_some(suppressed),
            "a call to Graph has no usable response"
        );
    }
}

impl Drop for CallRecord<'_> {
    fn drop(&mut self) {
        self.caller.telemetry.calls().end();
        if self.has_ended {
            return;
        }
        if let Some(span) = self.span.take() {
            span.cancel();
        }
        self.count(CallResult::NoResponse(NoResponse::Cancelled));
        if !self.caller.disconnected.is_cancelled() {
            self.log_failure(&Error::Timeout);
        }
    }
}

/// What came of a call, or of an item.
fn result_of(result: Result<&GraphResponse, &Error>) -> CallResult {
    match result {
        Ok(response) => CallResult::Response(response.status().as_u16()),
        Err(Error::Api(api)) => CallResult::Response(api.status.as_u16()),
        Err(Error::Connect(_)) => CallResult::NoResponse(NoResponse::NotConnected),
        Err(Error::Unprocessed(_)) => CallResult::NoResponse(NoResponse::NotProcessed),
        Err(Error::Timeout) => CallResult::NoResponse(NoResponse::Timeout),
        Err(_) => CallResult::NoResponse(NoResponse::Lost),
    }
}

/// The writes of one call, for the metrics and the log: one write, or the items of a bulk.
#[derive(Debug, Clone)]
pub(super) struct WriteRecord {
    method: Method,
    route: Route,
}

impl WriteRecord {
    /// Writes by `method` to a path below the service root.
    pub(super) fn new(method: &Method, path: &str) -> Self {
        Self { method: method.clone(), route: Route::of(path) }
    }

    /// Counts writes whose caller receives their results. Unknown outcomes are logged in one line.
    pub(super) fn delivered<'e>(&self, results: impl Iterator<Item = Option<&'e WriteError>>) {
        if let Some((writes, error, suppressed)) = count_writes(results, &UNKNOWN) {
            let outcome = "UNKNOWN";
            warn!(
                graph.method = self.method.as_str(),
                graph.route = self.route.as_str(),
                writes,
                %error,
                outcome,
                suppressed,
                "the outcome of a write is unknown"
            );
        }
    }

    /// Counts writes whose caller has left before they ended. No response reports their outcomes.
    pub(super) fn undelivered<'e>(&self, results: impl Iterator<Item = Option<&'e WriteError>>) {
        if let Some((writes, error, suppressed)) = count_writes(results, &UNDELIVERED) {
            warn!(
                graph.method = self.method.as_str(),
                graph.route = self.route.as_str(),
                writes,
                %error,
                suppressed,
                "the outcome of a write is unknown, and its caller has left"
            );
        }
    }
}

/// Counts writes by outcome. If the outcome of some is unknown and a line about them may be written, returns their number,
/// the error of the first, and the number of lines left out before.
fn count_writes<'e>(
    results: impl Iterator<Item = Option<&'e WriteError>>,
    limit: &LineLimit,
) -> Option<(usize, &'e Error, Option<u64>)> {
    let (mut unknown, mut first) = (0, None);
    for error in results {
        // Expected in a tenant with approvals, and reported to the caller: not logged.
        let requires_approval = error.is_some_and(|error| error.error.requires_approval());
        metrics::write(match error.map(|error| error.outcome) {
            None => WriteResult::Succeeded,
            Some(Outcome::Unknown) if requires_approval => WriteResult::ApprovalRequired,
            Some(Outcome::NotSent) => WriteResult::NotSent,
            Some(Outcome::Rejected) => WriteResult::Rejected,
            Some(Outcome::Unknown) => WriteResult::Unknown,
            Some(Outcome::Applied) => WriteResult::Applied,
        });
        if let Some(WriteError { outcome: Outcome::Unknown, error, .. }) = error
            && !requires_approval
        {
            unknown += 1;
            first.get_or_insert(error);
        }
    }
    let first = first?;
    let suppressed = limit.allow()?;
    Some((unknown, first, (suppressed > 0).then_some(suppressed)))
}

/// Counts the items of a batch, and logs those that failed in one line.
pub(super) fn record_items(items: &[Result<GraphResponse, Error>], kind: OperationKind) {
    let kind = match kind {
        OperationKind::Read => BatchKind::Read,
        OperationKind::Write => BatchKind::Write,
    };
    metrics::batch(kind, items.iter().map(|item| result_of(item.as_ref())));
    let mut failed = items.iter().filter_map(|item| item.as_ref().err());
    let Some(first) = failed.next() else { return };
    let Some(suppressed) = ITEMS.allow() else { return };
    let api = match first {
        Error::Api(api) => Some(api),
        _ => None,
    };
    info!(
        items = items.len(),
        failed = 1 + failed.count(),
        // Of the first of them.
        graph.status = api.map(|api| api.status.as_u16()),
        graph.code = api.and_then(|api| api.code.as_deref()),
        graph.request_id = api.and_then(|api| api.request_id.as_deref()),
        suppressed = (suppressed > 0).then_some(suppressed),
        "items of a batch failed"
    );
}
