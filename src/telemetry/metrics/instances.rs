//! The numbers of the process, by label. The functions of [`super`] change them, and [`super::exposition`] shows them.

use super::instruments::{Counter, Gauge, Histogram, OptionalFlag};
use super::labels::{
    BatchKind, BreakerState, CALLS, CODES, Deviation, LookupResult, NoResponse, NotSent, OPERATION_TYPES,
    Overloaded, RefusedOption, ReloadResult, RetryReason, STATUSES, SharedDocumentResult, SharedEventResult,
    SpanResult, WriteResult,
};

/// Upper bounds of durations, in nanoseconds: 1 ms to 30 s.
pub(super) const DURATIONS: [u64; 13] = {
    let mut bounds = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 30_000];
    let mut index = 0;
    while index < bounds.len() {
        bounds[index] *= NANOSECONDS_PER_MILLISECOND;
        index += 1;
    }
    bounds
};
const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;
/// Upper bounds of the number of items in a batch.
pub(super) const SIZES: [u64; 5] = [2, 5, 10, 15, 20];

pub(super) type Durations = Histogram<{ DURATIONS.len() }>;
pub(super) type Counters<const VALUES: usize> = [Counter; VALUES];

const fn counters<const VALUES: usize>() -> Counters<VALUES> {
    [const { Counter::new() }; VALUES]
}

const fn durations<const VALUES: usize>() -> [Durations; VALUES] {
    [const { Histogram::new(&DURATIONS) }; VALUES]
}

pub(super) static REQUESTS: [Counters<{ CODES.len() }>; OPERATION_TYPES.len()] =
    [const { counters() }; OPERATION_TYPES.len()];
pub(super) static REQUEST_DURATIONS: [Durations; OPERATION_TYPES.len()] = durations();
pub(super) static IN_FLIGHT: Gauge = Gauge::new();
pub(super) static DETACHED_WRITES: Gauge = Gauge::new();
pub(super) static QUEUED: Gauge = Gauge::new();
pub(super) static REJECTED: Counters<{ Overloaded::VALUES.len() }> = counters();
pub(super) static CONNECTIONS: Gauge = Gauge::new();
pub(super) static PANICS: Counter = Counter::new();

pub(super) static UNTRUSTED_DOCUMENTS: Counter = Counter::new();
pub(super) static RELOADS: Counters<{ ReloadResult::VALUES.len() }> = counters();
pub(super) static STALE_DOCUMENTS: Gauge = Gauge::new();

pub(super) static SUBSCRIPTIONS: Gauge = Gauge::new();
pub(super) static EVENTS_SENT: Counter = Counter::new();
pub(super) static EVENTS_DROPPED: Counter = Counter::new();
pub(super) static SUBSCRIPTION_READS_REJECTED: Counter = Counter::new();

/// By response status, and then by [`NoResponse`].
pub(super) const RESULTS: usize = STATUSES.len() + NoResponse::VALUES.len();
pub(super) static GRAPH_REQUESTS: [Counters<RESULTS>; CALLS.len()] = [const { counters() }; CALLS.len()];
pub(super) static GRAPH_DURATIONS: [Durations; CALLS.len()] = durations();
pub(super) static GRAPH_NOT_SENT: Counters<{ NotSent::VALUES.len() }> = counters();
pub(super) static BATCH_SIZES: [Histogram<{ SIZES.len() }>; BatchKind::VALUES.len()] =
    [const { Histogram::new(&SIZES) }; BatchKind::VALUES.len()];
pub(super) static BATCH_ITEMS: [Counters<RESULTS>; BatchKind::VALUES.len()] =
    [const { counters() }; BatchKind::VALUES.len()];
pub(super) static REQUESTS_SAVED: Counter = Counter::new();
pub(super) static RETRIES: Counters<{ RetryReason::VALUES.len() }> = counters();
pub(super) static RETRY_BUDGET_SPENT: Counter = Counter::new();
pub(super) static RETRY_AFTER_WAITS: Durations = Histogram::new(&DURATIONS);
pub(super) static BREAKER_STATES: [Gauge; BreakerState::VALUES.len()] =
    [const { Gauge::new() }; BreakerState::VALUES.len()];
pub(super) static BREAKER_OPENED: Counter = Counter::new();
pub(super) static WRITES: Counters<{ WriteResult::VALUES.len() }> = counters();

pub(super) static DEVIATIONS: Counters<{ Deviation::VALUES.len() }> = counters();
pub(super) static FILTER_IGNORED_ROWS: Counter = Counter::new();
pub(super) static REFUSED_OPTIONS: Counters<{ RefusedOption::VALUES.len() }> = counters();

pub(super) static TRACE_SPANS: Counters<{ SpanResult::VALUES.len() }> = counters();

pub(super) static LOOKUPS: Counters<{ LookupResult::VALUES.len() }> = counters();
pub(super) static IDEMPOTENCY_USED: Gauge = Gauge::new();
pub(super) static IDEMPOTENCY_CAPACITY: Gauge = Gauge::new();
pub(super) static SHARED_STATE_UP: OptionalFlag = OptionalFlag::new();
pub(super) static SHARED_DOCUMENTS: Counters<{ SharedDocumentResult::VALUES.len() }> = counters();
pub(super) static SHARED_EVENTS: Counters<{ SharedEventResult::VALUES.len() }> = counters();
pub(super) static SHARED_EVENTS_UP: OptionalFlag = OptionalFlag::new();
