//! All metrics, with their labels, under the names in `/metrics`. Labels never contain ids or input
//! of callers.

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Rows withheld from lists because Graph ignored a filter.
const FILTER_IGNORED_ROWS: &str = "intune_graphql_graph_filter_ignored_rows_total";
/// Counts by status not returned because Graph ignored their filter.
const FILTER_IGNORED_COUNTS: &str = "intune_graphql_graph_filter_ignored_counts_total";
/// Pages in another order than requested.
const ORDER_IGNORED_PAGES: &str = "intune_graphql_graph_order_ignored_pages_total";

/// Calls to Graph that were retried, by `reason`.
const GRAPH_RETRIES: &str = "intune_graphql_graph_retries_total";
/// Retries not sent because the retry budget was used up.
const RETRY_BUDGET_SPENT: &str = "intune_graphql_graph_retry_budget_spent_total";
/// Times the circuit breaker opened.
const BREAKER_OPENED: &str = "intune_graphql_graph_breaker_opened_total";

/// Panics; each failed one request or one write.
const PANICS: &str = "intune_graphql_panics_total";

/// Requests rejected because of a limit, by `reason`.
const REJECTED: &str = "intune_graphql_rejected_total";
/// Requests in flight.
const IN_FLIGHT: &str = "intune_graphql_requests_in_flight";
/// Requests that wait for one in flight to end.
const QUEUED: &str = "intune_graphql_requests_queued";
/// Open subscriptions.
const SUBSCRIPTIONS: &str = "intune_graphql_subscriptions";
/// Events that subscribers were too slow to receive.
const EVENTS_DROPPED: &str = "intune_graphql_subscription_events_dropped_total";
/// Reads of events rejected because their budget was used up.
const SUBSCRIPTION_READS_REJECTED: &str = "intune_graphql_subscription_reads_rejected_total";
/// Connections to the public listener.
const CONNECTIONS: &str = "intune_graphql_connections";

/// Counts into a registry that `/metrics` shows; one for the process.
///
/// # Panics
///
/// If another recorder is installed, which nothing in this program does.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let handle = PrometheusBuilder::new().install_recorder().expect("nothing else records metrics");
            describe_counter!(FILTER_IGNORED_ROWS, "Rows withheld from lists because Graph ignored a filter");
            describe_counter!(
                FILTER_IGNORED_COUNTS,
                "Counts by status not returned because Graph ignored their filter"
            );
            describe_counter!(ORDER_IGNORED_PAGES, "Pages in another order than requested");
            describe_counter!(GRAPH_RETRIES, "Calls to Graph that were retried");
            describe_counter!(RETRY_BUDGET_SPENT, "Retries not sent because the retry budget was used up");
            describe_counter!(BREAKER_OPENED, "Times the circuit breaker opened");
            describe_counter!(REJECTED, "Requests rejected because of a limit");
            describe_counter!(PANICS, "Panics; each failed one request or one write");
            describe_gauge!(IN_FLIGHT, "Requests in flight");
            describe_gauge!(QUEUED, "Requests that wait for one in flight to end");
            describe_gauge!(SUBSCRIPTIONS, "Open subscriptions, which are not requests in flight");
            describe_counter!(EVENTS_DROPPED, "Events that subscribers were too slow to receive");
            describe_counter!(
                SUBSCRIPTION_READS_REJECTED,
                "Reads of events rejected because their budget was used up"
            );
            describe_gauge!(CONNECTIONS, "Open connections, including those to the admin listener");
            // Every series exists from the start, so that the first increment is visible.
            counter!(FILTER_IGNORED_ROWS).absolute(0);
            counter!(FILTER_IGNORED_COUNTS).absolute(0);
            counter!(ORDER_IGNORED_PAGES).absolute(0);
            counter!(RETRY_BUDGET_SPENT).absolute(0);
            counter!(BREAKER_OPENED).absolute(0);
            counter!(PANICS).absolute(0);
            counter!(EVENTS_DROPPED).absolute(0);
            counter!(SUBSCRIPTION_READS_REJECTED).absolute(0);
            for reason in Overloaded::ALL {
                counter!(REJECTED, "reason" => reason.label()).absolute(0);
            }
            for level in [IN_FLIGHT, QUEUED, SUBSCRIPTIONS, CONNECTIONS] {
                gauge!(level).set(0.0);
            }
            handle
        })
        .clone()
}

/// Counts rows withheld because Graph ignored a filter.
pub(crate) fn filter_ignored(rows: u64) {
    counter!(FILTER_IGNORED_ROWS).increment(rows);
}

/// Counts a list whose filtered counts Graph ignored.
pub(crate) fn counts_ignored() {
    counter!(FILTER_IGNORED_COUNTS).increment(1);
}

/// Counts a page in another order than requested.
pub(crate) fn order_ignored() {
    counter!(ORDER_IGNORED_PAGES).increment(1);
}

/// Counts a retried call.
pub(crate) fn graph_retry(reason: &'static str) {
    counter!(GRAPH_RETRIES, "reason" => reason).increment(1);
}

/// Counts a retry that the budget did not allow.
pub(crate) fn retry_budget_spent() {
    counter!(RETRY_BUDGET_SPENT).increment(1);
}

/// Counts an opening of the circuit breaker.
pub(crate) fn breaker_opened() {
    counter!(BREAKER_OPENED).increment(1);
}

/// Counts a panic.
pub(crate) fn panicked() {
    counter!(PANICS).increment(1);
}

/// The limit for which a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overloaded {
    /// The limits of requests in flight and of queued requests are reached.
    Full,
    /// The request waited for a permit until its deadline.
    WaitedTooLong,
    /// The caller uses its share of the requests.
    CallerShare,
    /// Request bodies or unsent responses use as much memory as they may.
    Memory,
}

impl Overloaded {
    const ALL: [Self; 4] = [Self::Full, Self::WaitedTooLong, Self::CallerShare, Self::Memory];

    fn label(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::WaitedTooLong => "waited_too_long",
            Self::CallerShare => "caller_share",
            Self::Memory => "memory",
        }
    }
}

/// A request was rejected.
pub(crate) fn refused(reason: Overloaded) {
    counter!(REJECTED, "reason" => reason.label()).increment(1);
}

/// Counts one in a gauge until it is dropped.
pub(crate) struct GaugeGuard(&'static str);

impl GaugeGuard {
    fn new(level: &'static str) -> Self {
        gauge!(level).increment(1.0);
        Self(level)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        gauge!(self.0).decrement(1.0);
    }
}

/// A request is in flight.
pub(crate) fn in_flight() -> GaugeGuard {
    GaugeGuard::new(IN_FLIGHT)
}

/// A subscription is open.
pub(crate) fn subscription() -> GaugeGuard {
    GaugeGuard::new(SUBSCRIPTIONS)
}

/// Counts events that a slow subscriber did not receive.
pub(crate) fn subscription_events_dropped(events: u64) {
    counter!(EVENTS_DROPPED).increment(events);
}

/// An event of a live update did not read something since the budget was spent.
pub(crate) fn subscription_read_refused() {
    counter!(SUBSCRIPTION_READS_REJECTED).increment(1);
}

/// A connection is open.
pub(crate) fn connection() -> GaugeGuard {
    GaugeGuard::new(CONNECTIONS)
}

/// A request waits for one in flight to end.
pub(crate) fn queued() -> GaugeGuard {
    GaugeGuard::new(QUEUED)
}
