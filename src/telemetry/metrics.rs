//! The metrics of the process, as `/metrics` shows them; `docs/metrics.md` documents each. Labels have fixed lists of values, and each
//! series exists from the start, so that the first increment is visible.
//!
//! Counting costs one atomic addition: there is no registry to look a series up in.

mod exposition;
mod instances;
mod instruments;
mod labels;
mod process;

use std::time::Duration;

pub(crate) use self::exposition::{CONTENT_TYPE, render};
use self::instruments::Gauge;
pub(crate) use self::labels::{
    BatchKind, BreakerState, Deviation, LookupResult, NoResponse, NotSent, Overloaded, RefusedOption,
    ReloadResult, RetryReason, SharedDocumentResult, SharedEventResult, SpanResult, WriteResult,
};
use self::labels::{CALLS, CODES, OPERATION_TYPES, STATUSES, status_index};
use super::route::Route;

/// Keeps the start time of the process.
pub(super) fn record_start() {
    process::start_time();
}

/// Counts an operation that has ended, with the code of its first error. A subscription has no duration of interest.
pub(crate) fn operation(operation_type: &str, code: Option<&str>, duration: Option<Duration>) {
    let kind = OPERATION_TYPES.iter().position(|known| *known == operation_type);
    let kind = kind.unwrap_or(OPERATION_TYPES.len() - 1);
    // A code that is not in the list is a mistake of ours, which a test shows.
    let code =
        code.map_or(0, |code| CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1));
    instances::REQUESTS[kind][code].add(1);
    if let Some(duration) = duration {
        instances::REQUEST_DURATIONS[kind].observe(nanoseconds(duration));
    }
}

/// Method and route of a call to Graph, looked up once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallLabels(usize);

impl CallLabels {
    /// The labels of a call; those of the last entry if it is not a call that the gateway is known to make.
    pub(crate) fn of(method: &str, route: Route) -> Self {
        let index = CALLS.iter().position(|known| *known == (method, route));
        Self(index.unwrap_or(CALLS.len() - 1))
    }
}

/// What came of a call to Graph, or of an item of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallResult {
    /// Graph responded with this status.
    Response(u16),
    NoResponse(NoResponse),
}

impl CallResult {
    fn index(self) -> usize {
        match self {
            Self::Response(status) => status_index(status),
            Self::NoResponse(reason) => STATUSES.len() + reason as usize,
        }
    }
}

/// Counts a call to Graph that has ended.
pub(crate) fn graph_call(labels: CallLabels, result: CallResult, duration: Duration) {
    instances::GRAPH_REQUESTS[labels.0][result.index()].add(1);
    instances::GRAPH_DURATIONS[labels.0].observe(nanoseconds(duration));
}

/// Counts a call to Graph that was not sent.
pub(crate) fn graph_call_not_sent(reason: NotSent) {
    instances::GRAPH_NOT_SENT[reason as usize].add(1);
}

/// Counts the items of a batch that Graph has answered.
pub(crate) fn batch(kind: BatchKind, items: impl ExactSizeIterator<Item = CallResult>) {
    let size = u64::try_from(items.len()).unwrap_or(u64::MAX);
    instances::BATCH_SIZES[kind as usize].observe(size);
    instances::REQUESTS_SAVED.add(size.saturating_sub(1));
    for item in items {
        instances::BATCH_ITEMS[kind as usize][item.index()].add(1);
    }
}

/// Counts a call that was sent again.
pub(crate) fn graph_retry(reason: RetryReason) {
    instances::RETRIES[reason as usize].add(1);
}

/// Counts a retry that the budget did not allow.
pub(crate) fn retry_budget_spent() {
    instances::RETRY_BUDGET_SPENT.add(1);
}

/// Counts a wait that Graph asked for.
pub(crate) fn retry_after_wait(wait: Duration) {
    instances::RETRY_AFTER_WAITS.observe(nanoseconds(wait));
}

/// Shows the state of the circuit breaker.
pub(crate) fn set_breaker_state(state: BreakerState) {
    for (index, gauge) in instances::BREAKER_STATES.iter().enumerate() {
        gauge.set(i64::from(index == state as usize));
    }
}

/// Counts an opening of the circuit breaker.
pub(crate) fn breaker_opened() {
    instances::BREAKER_OPENED.add(1);
}

/// Counts a write, or an item of a bulk write, by what is known of it at its end.
pub(crate) fn write(result: WriteResult) {
    instances::WRITES[result as usize].add(1);
}

/// Counts a deviation of Graph from its documentation.
pub(crate) fn deviation(kind: Deviation) {
    instances::DEVIATIONS[kind as usize].add(1);
}

/// Counts rows withheld because Graph ignored a filter.
pub(crate) fn filter_ignored(rows: u64) {
    instances::FILTER_IGNORED_ROWS.add(rows);
    deviation(Deviation::FilterIgnored);
}

/// Counts a list that is read without a query option that Graph refuses.
pub(crate) fn option_refused(option: RefusedOption) {
    instances::REFUSED_OPTIONS[option as usize].add(1);
}

/// Counts a lookup of an idempotency key.
pub(crate) fn idempotency_lookup(result: LookupResult) {
    instances::LOOKUPS[result as usize].add(1);
}

/// Shows how many writes the store of idempotency keys holds, and how many it can hold.
pub(crate) fn set_idempotency_usage(used: usize, capacity: usize) {
    instances::IDEMPOTENCY_USED.set(i64::try_from(used).unwrap_or(i64::MAX));
    instances::IDEMPOTENCY_CAPACITY.set(i64::try_from(capacity).unwrap_or(i64::MAX));
}

/// Shows whether the state that replicas share can be used.
pub(crate) fn set_shared_state_up(is_up: bool) {
    instances::SHARED_STATE_UP.set(is_up);
}

/// Counts events between replicas.
pub(crate) fn shared_events(result: SharedEventResult, events: usize) {
    instances::SHARED_EVENTS[result as usize].add(u64::try_from(events).unwrap_or(u64::MAX));
}

/// Counts a look-up or a registration of a persisted document that replicas share.
pub(crate) fn shared_documents(result: SharedDocumentResult) {
    instances::SHARED_DOCUMENTS[result as usize].add(1);
}

/// Shows whether events of other replicas are received.
pub(crate) fn set_shared_events_up(is_up: bool) {
    instances::SHARED_EVENTS_UP.set(is_up);
}

/// Counts trace spans that have ended.
pub(crate) fn trace_spans(result: SpanResult, spans: u64) {
    instances::TRACE_SPANS[result as usize].add(spans);
}

/// Counts a panic.
pub(crate) fn panicked() {
    instances::PANICS.add(1);
}

/// Counts a request that was rejected.
pub(crate) fn refused(reason: Overloaded) {
    instances::REJECTED[reason as usize].add(1);
}

/// Counts an operation that was executed although its document is not trusted.
pub(crate) fn untrusted_document() {
    instances::UNTRUSTED_DOCUMENTS.add(1);
}

/// Counts a read of the manifest of trusted documents, and shows whether the documents in use are older than it.
pub(crate) fn trusted_documents_reloaded(result: ReloadResult) {
    instances::RELOADS[result as usize].add(1);
    instances::STALE_DOCUMENTS.set(i64::from(result == ReloadResult::Rejected));
}

/// Counts an event that was sent to a subscriber.
pub(crate) fn subscription_event_sent() {
    instances::EVENTS_SENT.add(1);
}

/// Counts events that a subscriber was too slow to receive.
pub(crate) fn subscription_events_dropped(events: u64) {
    instances::EVENTS_DROPPED.add(events);
}

/// Counts a read of an event that was rejected because the budget was used up.
pub(crate) fn subscription_read_refused() {
    instances::SUBSCRIPTION_READS_REJECTED.add(1);
}

/// Counts one in a gauge until it is dropped.
pub(crate) struct GaugeGuard(&'static Gauge);

impl GaugeGuard {
    fn new(gauge: &'static Gauge) -> Self {
        gauge.add(1);
        Self(gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// A request is in flight.
pub(crate) fn in_flight() -> GaugeGuard {
    GaugeGuard::new(&instances::IN_FLIGHT)
}

/// A write goes on without its caller.
pub(crate) fn detached_write() -> GaugeGuard {
    GaugeGuard::new(&instances::DETACHED_WRITES)
}

/// A request waits for one in flight to end.
pub(crate) fn queued() -> GaugeGuard {
    GaugeGuard::new(&instances::QUEUED)
}

/// A subscription is open.
pub(crate) fn subscription() -> GaugeGuard {
    GaugeGuard::new(&instances::SUBSCRIPTIONS)
}

/// A connection is open.
pub(crate) fn connection() -> GaugeGuard {
    GaugeGuard::new(&instances::CONNECTIONS)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether a code of an operation has a series.
#[cfg(test)]
pub(crate) fn has_code(code: &str) -> bool {
    CODES.contains(&code)
}
