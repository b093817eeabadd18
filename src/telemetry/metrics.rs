//! Every metric, with its labels; the names are what `/metrics` shows. Labels never hold ids or anything a caller sent.

use std::sync::OnceLock;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Rows that a list withheld since Graph answered them in spite of the filter.
const FILTER_IGNORED_ROWS: &str = "intune_graphql_graph_filter_ignored_rows_total";
/// Counts by status that were not given since Graph ignored their filters.
const FILTER_IGNORED_COUNTS: &str = "intune_graphql_graph_filter_ignored_counts_total";
/// Pages whose rows stood in another order than Graph was asked for.
const ORDER_IGNORED_PAGES: &str = "intune_graphql_graph_order_ignored_pages_total";

/// Calls to Graph that were sent again, by `reason`.
const GRAPH_RETRIES: &str = "intune_graphql_graph_retries_total";
/// Calls to Graph that were not sent again since the retry budget was spent.
const RETRY_BUDGET_SPENT: &str = "intune_graphql_graph_retry_budget_spent_total";
/// How often calls to Graph began to be refused since no connection came about.
const BREAKER_OPENED: &str = "intune_graphql_graph_breaker_opened_total";

/// Panics, of which each failed one request or one write.
const PANICS: &str = "intune_graphql_panics_total";

/// Requests that were refused since there was no room for them, by `reason`.
const REFUSED: &str = "intune_graphql_refused_total";
/// Requests in flight.
const IN_FLIGHT: &str = "intune_graphql_requests_in_flight";
/// Requests that wait for one in flight to end.
const QUEUED: &str = "intune_graphql_requests_queued";
/// Open subscriptions.
const SUBSCRIPTIONS: &str = "intune_graphql_subscriptions";
/// Added statuses that listeners were too slow to hear of.
const ANNOUNCEMENTS_MISSED: &str = "intune_graphql_announcements_missed_total";
/// Reads that events of live updates did not make since their budget was spent.
const SUBSCRIPTION_READS_REFUSED: &str = "intune_graphql_subscription_reads_refused_total";
/// Connections to the public listener.
const CONNECTIONS: &str = "intune_graphql_connections";

/// Counts into a registry that `/metrics` shows; one for the process.
///
/// # Panics
///
/// Where something else has installed a recorder, which nothing here does.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let handle = PrometheusBuilder::new().install_recorder().expect("nothing else records metrics");
            describe_counter!(FILTER_IGNORED_ROWS, "Rows withheld since Graph ignored the filter they miss");
            describe_counter!(
                FILTER_IGNORED_COUNTS,
                "Counts by status not given since Graph ignored their filters"
            );
            describe_counter!(
                ORDER_IGNORED_PAGES,
                "Pages whose rows Graph gave in another order than asked for"
            );
            describe_counter!(GRAPH_RETRIES, "Calls to Graph that were sent again");
            describe_counter!(
                RETRY_BUDGET_SPENT,
                "Calls to Graph not sent again since the retry budget was spent"
            );
            describe_counter!(
                BREAKER_OPENED,
                "How often calls to Graph began to be refused since no connection came about"
            );
            describe_counter!(
                REFUSED,
                "Requests refused since the gateway was full, or a token had its share"
            );
            describe_counter!(PANICS, "Panics; each failed one request or one write");
            describe_gauge!(IN_FLIGHT, "Requests in flight");
            describe_gauge!(QUEUED, "Requests that wait for one in flight to end");
            describe_gauge!(SUBSCRIPTIONS, "Open subscriptions, which are not requests in flight");
            describe_counter!(
                ANNOUNCEMENTS_MISSED,
                "Added statuses that subscribers were too slow to hear of"
            );
            describe_counter!(
                SUBSCRIPTION_READS_REFUSED,
                "Reads that events of live updates did not make since their budget was spent"
            );
            describe_gauge!(CONNECTIONS, "Open connections, those to the admin listener too");
            // Shown from the start, so that a first occurrence is a change.
            counter!(FILTER_IGNORED_ROWS).absolute(0);
            counter!(FILTER_IGNORED_COUNTS).absolute(0);
            counter!(ORDER_IGNORED_PAGES).absolute(0);
            counter!(RETRY_BUDGET_SPENT).absolute(0);
            counter!(BREAKER_OPENED).absolute(0);
            counter!(PANICS).absolute(0);
            counter!(ANNOUNCEMENTS_MISSED).absolute(0);
            counter!(SUBSCRIPTION_READS_REFUSED).absolute(0);
            for reason in Overloaded::ALL {
                counter!(REFUSED, "reason" => reason.label()).absolute(0);
            }
            for level in [IN_FLIGHT, QUEUED, SUBSCRIPTIONS, CONNECTIONS] {
                gauge!(level).set(0.0);
            }
            handle
        })
        .clone()
}

/// Graph ignored a filter, and so many rows were withheld.
pub(crate) fn filter_ignored(rows: u64) {
    counter!(FILTER_IGNORED_ROWS).increment(rows);
}

/// Graph ignored the filters of a list's counts.
pub(crate) fn counts_ignored() {
    counter!(FILTER_IGNORED_COUNTS).increment(1);
}

/// Graph ignored an order.
pub(crate) fn order_ignored() {
    counter!(ORDER_IGNORED_PAGES).increment(1);
}

/// A call to Graph is sent again.
pub(crate) fn graph_retry(reason: &'static str) {
    counter!(GRAPH_RETRIES, "reason" => reason).increment(1);
}

/// A call to Graph was not sent again since the retry budget was spent.
pub(crate) fn retry_budget_spent() {
    counter!(RETRY_BUDGET_SPENT).increment(1);
}

/// Calls to Graph begin to be refused.
pub(crate) fn breaker_opened() {
    counter!(BREAKER_OPENED).increment(1);
}

/// Something panicked, and its request or write was answered with an error.
pub(crate) fn panicked() {
    counter!(PANICS).increment(1);
}

/// The limit for which a request is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overloaded {
    /// As many requests are in flight and queued as may be.
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
    counter!(REFUSED, "reason" => reason.label()).increment(1);
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

/// A listener was too slow to hear of so many added statuses.
pub(crate) fn announcements_missed(statuses: u64) {
    counter!(ANNOUNCEMENTS_MISSED).increment(statuses);
}

/// An event of a live update did not read something since the budget was spent.
pub(crate) fn subscription_read_refused() {
    counter!(SUBSCRIPTION_READS_REFUSED).increment(1);
}

/// A connection is open.
pub(crate) fn connection() -> GaugeGuard {
    GaugeGuard::new(CONNECTIONS)
}

/// A request waits for one in flight to end.
pub(crate) fn queued() -> GaugeGuard {
    GaugeGuard::new(QUEUED)
}
