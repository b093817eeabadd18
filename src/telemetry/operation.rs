//! One GraphQL operation, from its start to its response: its metrics, and a line of the access log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use super::metrics;
use super::rate_limit::LineLimit;
use super::request::{RequestTelemetry, UNKNOWN_TYPE};
use super::traces::{Span, SpanError};

/// Largest number of lines per second about failed operations.
const MAX_ERROR_LINES: u64 = 100;
/// The code of an operation without errors, and without a bulk write of which every item failed.
const OK: &str = "OK";
/// The code of an operation whose client disconnected before the response.
const CANCELLED: &str = "CANCELLED";

/// Which operations are logged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AccessLog {
    /// Which kinds of operations.
    pub mode: AccessLogMode,
    /// Share of the operations without errors that are logged, 0 to 1.
    pub sample: f64,
}

/// Which kinds of operations are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessLogMode {
    /// None.
    Off,
    /// Those with errors, or with failed items of bulk writes.
    Errors,
    /// All.
    All,
}

/// Where an operation came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Http,
    WebSocket,
}

/// The response to an operation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OperationResult<'a> {
    /// The code of the first error.
    pub(crate) code: Option<&'a str>,
    /// Number of errors.
    pub(crate) errors: usize,
    /// What is known of the first write that failed.
    pub(crate) outcome: Option<&'a str>,
}

/// An operation that has not ended. If it is dropped before [`Operation::finish`], the client has disconnected.
pub(crate) struct Operation {
    telemetry: Arc<RequestTelemetry>,
    access_log: AccessLog,
    transport: Transport,
    started: Instant,
    state: State,
    /// The span, if the request is sampled. That of a subscription ends when its stream begins.
    span: Option<Box<Span>>,
}

/// The code of a subscription's response that events may have been missed. The subscription goes on.
const EVENTS_MISSED: &str = "STATE_UNAVAILABLE";

enum State {
    Open,
    /// A subscription, with the code of its first response if that was an error that it may have ended with. It ends
    /// when it is dropped.
    Streaming {
        code: Option<String>,
        events: u64,
    },
    Finished,
}

impl Operation {
    /// Begins an operation of a request.
    pub(crate) fn begin(
        telemetry: &Arc<RequestTelemetry>,
        access_log: AccessLog,
        transport: Transport,
    ) -> Self {
        if access_log.mode == AccessLogMode::All {
            telemetry.calls().keep_ids();
        }
        let telemetry = Arc::clone(telemetry);
        let span = telemetry.trace().map(|trace| trace.begin_operation(transport == Transport::Http));
        Self { telemetry, access_log, transport, started: Instant::now(), state: State::Open, span }
    }

    /// The operation has its response.
    pub(crate) fn finish(mut self, result: OperationResult<'_>, http_status: Option<u16>) {
        self.state = State::Finished;
        self.end_span(result);
        self.record(result, http_status, None);
    }

    /// The operation is a subscription.
    pub(crate) fn begin_streaming(&mut self) {
        self.state = State::Streaming { code: None, events: 0 };
        self.end_span(OperationResult::default());
    }

    /// A response of a subscription.
    pub(crate) fn count_event(&mut self, result: OperationResult<'_>) {
        if let State::Streaming { code, events } = &mut self.state {
            if *events == 0 && result.code != Some(EVENTS_MISSED) {
                *code = result.code.map(str::to_owned);
            }
            *events += 1;
            metrics::subscription_event_sent();
        }
    }

    fn end_span(&mut self, result: OperationResult<'_>) {
        let Some(mut span) = self.span.take() else { return };
        let (name, kind) = self.telemetry.operation();
        if kind != UNKNOWN_TYPE {
            span.set_static("graphql.operation.type", kind);
            match name {
                Some(name) => {
                    span.set_text("graphql.operation.name", name);
                    span.set_name(format!("{kind} {name}"));
                }
                None => span.set_name(kind.to_owned()),
            }
        }
        if let Some(hash) = span.trace().clone().document() {
            span.set_text("graphql.document.hash", hash);
        }
        span.set_text("client_request_id", self.telemetry.header().to_str().unwrap_or_default());
        if let Some(code) = result.code {
            span.set_error(SpanError { error_type: code.to_owned().into() });
        }
    }

    fn record(&self, result: OperationResult<'_>, http_status: Option<u16>, events: Option<u64>) {
        let failed_items = self.telemetry.failed_items().summary();
        let failed_write = failed_items.first_of_failed_write.map(|item| item.code);
        let error_code = result.code.or(failed_write);
        let code = error_code.unwrap_or(OK);
        let outcome = result.outcome.or(failed_items.first.map(|item| item.outcome));
        let is_error = error_code.is_some() || failed_items.count > 0;
        let duration = self.started.elapsed();
        // The time that a subscription is open says nothing about the gateway.
        let response_time = events.is_none().then_some(duration);
        metrics::operation(self.telemetry.operation().1, error_code, response_time);
        let suppressed = match self.access_log.mode {
            AccessLogMode::Off => return,
            AccessLogMode::Errors if !is_error => return,
            AccessLogMode::Errors | AccessLogMode::All if is_error => match ERRORS.allow() {
                Some(suppressed) => suppressed,
                None => return,
            },
            AccessLogMode::Errors | AccessLogMode::All => {
                // A share of 1 needs no random number.
                if self.access_log.sample < 1.0 && fastrand::f64() >= self.access_log.sample {
                    return;
                }
                0
            }
        };
        self.telemetry.sync_scope(|| {
            let (name, kind) = self.telemetry.operation();
            let calls = self.telemetry.calls();
            info!(
                target: "intune_graphql::access",
                { operation.name = name,
                "operation.type" = kind,
                transport = match self.transport {
                    Transport::Http => "http",
                    Transport::WebSocket => "websocket",
                },
                code,
                errors = result.errors,
                outcome,
                failed_items = (failed_items.count > 0).then_some(failed_items.count),
                http.status = http_status,
                events,
                duration_ms = milliseconds(duration),
                graph.calls = calls.count(),
                graph.duration_ms = milliseconds(calls.duration()),
                graph.batch_items = calls.batch_items(),
                graph.retries = calls.retries(),
                graph.request_id = calls.request_id(),
                suppressed = (suppressed > 0).then_some(suppressed) },
                "operation"
            );
        });
    }
}

static ERRORS: LineLimit = LineLimit::new(MAX_ERROR_LINES);

impl Drop for Operation {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.state, State::Finished) {
            State::Open => {
                let result = OperationResult { code: Some(CANCELLED), ..OperationResult::default() };
                self.end_span(result);
                self.record(result, None, None);
            }
            State::Streaming { code, events } => {
                let result = OperationResult {
                    code: code.as_deref(),
                    errors: usize::from(code.is_some()),
                    outcome: None,
                };
                self.record(result, None, Some(events));
            }
            State::Finished => {}
        }
    }
}

/// Milliseconds, with three digits after the decimal point.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
