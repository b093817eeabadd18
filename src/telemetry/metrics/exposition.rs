//! The metrics in Prometheus' text format, version 0.0.4.

use std::fmt::{Display, Write as _};

use super::instances as all;
use super::instruments::{Counter, Gauge, Histogram};
use super::labels::{
    BatchKind, BreakerState, CALLS, CODES, Deviation, LookupResult, NoResponse, NotSent, OPERATION_TYPES,
    Overloaded, RefusedOption, ReloadResult, RetryReason, STATUSES, SharedDocumentResult, SharedEventResult,
    SpanResult, WriteResult,
};
use super::process::{self, Process};

/// The media type of [`render`].
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const NANOSECONDS: f64 = 1e-9;

/// The page under construction.
struct Page(String);

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Page {
    /// Begins a metric. Its samples follow.
    fn metric<'a>(&'a mut self, name: &'a str, kind: &str, help: &str) -> Metric<'a> {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Metric { page: &mut self.0, name }
    }

    fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.metric(name, "counter", help).sample("", &[], counter.get());
    }

    fn counters(&mut self, name: &str, help: &str, label: &str, values: &[&str], counters: &[Counter]) {
        let mut metric = self.metric(name, "counter", help);
        for (value, counter) in values.iter().zip(counters) {
            metric.sample("", &[(label, value)], counter.get());
        }
    }

    fn gauge(&mut self, name: &str, help: &str, gauge: &Gauge) {
        self.metric(name, "gauge", help).sample("", &[], gauge.get());
    }
}

struct Metric<'a> {
    page: &'a mut String,
    name: &'a str,
}

impl Metric<'_> {
    fn sample(&mut self, suffix: &str, labels: Labels<'_>, value: impl Display) {
        let _ = write!(self.page, "{}{suffix}", self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let start = if index == 0 { '{' } else { ',' };
            // No value of a label has a character to escape.
            let _ = write!(self.page, "{start}{name}=\"{value}\"");
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.page, "{end} {value}");
    }

    /// A histogram, whose values are multiples of `unit`.
    fn histogram<const BUCKETS: usize>(
        &mut self,
        labels: Labels<'_>,
        histogram: &Histogram<BUCKETS>,
        unit: f64,
    ) {
        let with_bound = |metric: &mut Self, bound: &str, count: u64| {
            let labels = [labels, &[("le", bound)]].concat();
            metric.sample("_bucket", &labels, count);
        };
        let mut count = 0;
        for (bound, up_to) in histogram.cumulative() {
            with_bound(self, &rounded(scaled(bound, unit)).to_string(), up_to);
            count = up_to;
        }
        count += histogram.beyond();
        with_bound(self, "+Inf", count);
        self.sample("_sum", labels, scaled(histogram.sum(), unit));
        self.sample("_count", labels, count);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a sum of nanoseconds is exact up to 100 days")]
fn scaled(value: u64, unit: f64) -> f64 {
    value as f64 * unit
}

/// A bound as it was declared, without the error of the multiplication.
fn rounded(bound: f64) -> f64 {
    (bound * 1e6).round() / 1e6
}

/// The whole page.
pub(crate) fn render() -> String {
    let mut page = Page(String::with_capacity(64 * 1024));
    operations(&mut page);
    trusted_documents(&mut page);
    subscriptions(&mut page);
    graph_calls(&mut page);
    graph_limits(&mut page);
    idempotency(&mut page);
    shared_state(&mut page);
    traces(&mut page);
    process(&mut page);
    page.0
}

fn operations(page: &mut Page) {
    let mut metric = page.metric(
        "intune_graphql_requests_total",
        "counter",
        "GraphQL operations that have ended, by type and code of the first error",
    );
    for (operation_type, counters) in OPERATION_TYPES.iter().zip(&all::REQUESTS) {
        for (code, counter) in CODES.iter().zip(counters) {
            metric.sample("", &[("operation_type", operation_type), ("code", code)], counter.get());
        }
    }
    let mut metric = page.metric(
        "intune_graphql_request_duration_seconds",
        "histogram",
        "Time from a request's head to its response, without subscriptions",
    );
    for (operation_type, histogram) in OPERATION_TYPES.iter().zip(&all::REQUEST_DURATIONS) {
        if *operation_type != "subscription" {
            metric.histogram(&[("operation_type", operation_type)], histogram, NANOSECONDS);
        }
    }
    page.gauge(
        "intune_graphql_requests_in_flight",
        "Requests in flight, including those with detached writes",
        &all::IN_FLIGHT,
    );
    page.gauge(
        "intune_graphql_detached_writes",
        "Writes that wait for Microsoft Graph without their caller, and count as requests in flight",
        &all::DETACHED_WRITES,
    );
    page.gauge("intune_graphql_requests_queued", "Requests that wait for one in flight to end", &all::QUEUED);
    page.counters(
        "intune_graphql_rejected_total",
        "Requests rejected because of a limit",
        "reason",
        Overloaded::VALUES,
        &all::REJECTED,
    );
    page.gauge(
        "intune_graphql_connections",
        "Open connections, including those to the admin listener",
        &all::CONNECTIONS,
    );
    page.counter("intune_graphql_panics_total", "Panics; each failed one request or one write", &all::PANICS);
}

fn trusted_documents(page: &mut Page) {
    page.counter(
        "intune_graphql_untrusted_documents_total",
        "Operations executed that would be rejected if trusted documents were enforced",
        &all::UNTRUSTED_DOCUMENTS,
    );
    page.counters(
        "intune_graphql_trusted_documents_reloads_total",
        "Reads of the manifest of trusted documents after the start",
        "result",
        ReloadResult::VALUES,
        &all::RELOADS,
    );
    page.gauge(
        "intune_graphql_trusted_documents_stale",
        "1 while the manifest of trusted documents is rejected and the previous documents stay, else 0",
        &all::STALE_DOCUMENTS,
    );
}

fn subscriptions(page: &mut Page) {
    page.gauge("intune_graphql_subscriptions", "Open subscriptions", &all::SUBSCRIPTIONS);
    page.counter(
        "intune_graphql_subscription_events_sent_total",
        "Responses of subscriptions",
        &all::EVENTS_SENT,
    );
    page.counter(
        "intune_graphql_subscription_events_dropped_total",
        "Events that subscribers were too slow to receive",
        &all::EVENTS_DROPPED,
    );
    page.counter(
        "intune_graphql_subscription_reads_rejected_total",
        "Reads of events rejected because their budget was used up",
        &all::SUBSCRIPTION_READS_REJECTED,
    );
}

fn graph_calls(page: &mut Page) {
    let results = || STATUSES.iter().chain(NoResponse::VALUES);
    let mut metric = page.metric(
        "intune_graphql_graph_requests_total",
        "counter",
        "Calls to Microsoft Graph that have ended",
    );
    for ((method, route), counters) in CALLS.iter().zip(&all::GRAPH_REQUESTS) {
        for (status, counter) in results().zip(counters) {
            let labels = [("method", *method), ("route", route.as_str()), ("status", status)];
            metric.sample("", &labels, counter.get());
        }
    }
    let mut metric = page.metric(
        "intune_graphql_graph_request_duration_seconds",
        "histogram",
        "Durations of calls to Microsoft Graph, with the wait for a connection",
    );
    for ((method, route), histogram) in CALLS.iter().zip(&all::GRAPH_DURATIONS) {
        metric.histogram(&[("method", method), ("route", route.as_str())], histogram, NANOSECONDS);
    }
    page.counters(
        "intune_graphql_graph_requests_not_sent_total",
        "Calls to Microsoft Graph that were not sent",
        "reason",
        NotSent::VALUES,
        &all::GRAPH_NOT_SENT,
    );
    let mut metric = page.metric(
        "intune_graphql_graph_batch_size",
        "histogram",
        "Items of the batches that Microsoft Graph answered",
    );
    for (kind, histogram) in BatchKind::VALUES.iter().zip(&all::BATCH_SIZES) {
        metric.histogram(&[("kind", kind)], histogram, 1.0);
    }
    let mut metric = page.metric(
        "intune_graphql_graph_batch_items_total",
        "counter",
        "Items of the batches that Microsoft Graph answered, by their own status",
    );
    for (kind, counters) in BatchKind::VALUES.iter().zip(&all::BATCH_ITEMS) {
        for (status, counter) in results().zip(counters) {
            metric.sample("", &[("kind", kind), ("status", status)], counter.get());
        }
    }
    page.counter(
        "intune_graphql_graph_requests_saved_total",
        "Calls to Microsoft Graph that batching saved",
        &all::REQUESTS_SAVED,
    );
    page.counters(
        "intune_graphql_write_outcomes_total",
        "Writes and items of bulk writes, by what is known of them",
        "outcome",
        WriteResult::VALUES,
        &all::WRITES,
    );
}

fn graph_limits(page: &mut Page) {
    page.counters(
        "intune_graphql_graph_retries_total",
        "Calls to Microsoft Graph that were sent again",
        "reason",
        RetryReason::VALUES,
        &all::RETRIES,
    );
    page.counter(
        "intune_graphql_graph_retry_budget_spent_total",
        "Retries not sent because the retry budget was used up",
        &all::RETRY_BUDGET_SPENT,
    );
    page.metric(
        "intune_graphql_graph_retry_after_wait_seconds",
        "histogram",
        "Waits before a retry that Microsoft Graph asked for",
    )
    .histogram(&[], &all::RETRY_AFTER_WAITS, NANOSECONDS);
    let mut metric = page.metric(
        "intune_graphql_graph_breaker_state",
        "gauge",
        "State of the circuit breaker: 1 for the current one, else 0",
    );
    for (state, gauge) in BreakerState::VALUES.iter().zip(&all::BREAKER_STATES) {
        metric.sample("", &[("state", state)], gauge.get());
    }
    page.counter(
        "intune_graphql_graph_breaker_opened_total",
        "Times the circuit breaker opened",
        &all::BREAKER_OPENED,
    );
    page.counters(
        "intune_graphql_graph_deviations_total",
        "Responses of Microsoft Graph that deviate from its documentation",
        "kind",
        Deviation::VALUES,
        &all::DEVIATIONS,
    );
    page.counter(
        "intune_graphql_graph_filter_ignored_rows_total",
        "Rows withheld from lists because Microsoft Graph ignored a filter",
        &all::FILTER_IGNORED_ROWS,
    );
    page.counters(
        "intune_graphql_graph_refused_options_total",
        "Lists read without a query option that Microsoft Graph refuses",
        "option",
        RefusedOption::VALUES,
        &all::REFUSED_OPTIONS,
    );
}

fn idempotency(page: &mut Page) {
    page.counters(
        "intune_graphql_idempotency_lookups_total",
        "Lookups of idempotency keys",
        "result",
        LookupResult::VALUES,
        &all::LOOKUPS,
    );
    page.gauge(
        "intune_graphql_idempotency_entries",
        "Writes whose idempotency keys are stored",
        &all::IDEMPOTENCY_USED,
    );
    page.gauge(
        "intune_graphql_idempotency_capacity",
        "Maximum number of writes whose idempotency keys are stored",
        &all::IDEMPOTENCY_CAPACITY,
    );
    // A gateway without one would look like one whose server is down.
    if let Some(is_up) = all::SHARED_STATE_UP.get() {
        let help = "1 while the server of `--state-url` can be used, and accepts changes, else 0; missing without that setting";
        page.metric("intune_graphql_shared_state_up", "gauge", help).sample("", &[], u8::from(is_up));
    }
}

fn shared_state(page: &mut Page) {
    if let Some(is_up) = all::SHARED_EVENTS_UP.get() {
        let help = "1 while events of other replicas are received, else 0; missing without `--state-url`";
        page.metric("intune_graphql_shared_events_up", "gauge", help).sample("", &[], u8::from(is_up));
    }
    page.counters(
        "intune_graphql_shared_events_total",
        "Events sent to other replicas, and messages received from them",
        "result",
        SharedEventResult::VALUES,
        &all::SHARED_EVENTS,
    );
    page.counters(
        "intune_graphql_shared_documents_total",
        "Look-ups of persisted queries in the shared state, and registrations for other replicas",
        "result",
        SharedDocumentResult::VALUES,
        &all::SHARED_DOCUMENTS,
    );
}

fn traces(page: &mut Page) {
    page.counters(
        "intune_graphql_trace_spans_total",
        "Trace spans that have ended, by what became of them",
        "result",
        SpanResult::VALUES,
        &all::TRACE_SPANS,
    );
}

fn process(page: &mut Page) {
    page.metric("intune_graphql_build_info", "gauge", "Version of the gateway; always 1").sample(
        "",
        &[("version", env!("CARGO_PKG_VERSION"))],
        1,
    );
    let numbers = Process::read();
    for (name, kind, help, value) in [
        ("process_cpu_seconds_total", "counter", "CPU time, user and system", numbers.cpu_seconds),
        ("process_resident_memory_bytes", "gauge", "Resident memory", numbers.resident_bytes),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory", numbers.virtual_bytes),
        ("process_threads", "gauge", "Threads", numbers.threads),
        ("process_open_fds", "gauge", "Open files", numbers.open_files),
        ("process_max_fds", "gauge", "Maximum number of open files", numbers.max_files),
        (
            "process_start_time_seconds",
            "gauge",
            "Start of the process, since 1970",
            Some(process::start_time()),
        ),
    ] {
        if let Some(value) = value {
            page.metric(name, kind, help).sample("", &[], value);
        }
    }
}
