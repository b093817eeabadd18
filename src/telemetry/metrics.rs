//! Every metric, with its labels; the names are what `/metrics` shows. Labels never hold ids or anything a caller sent.

use std::sync::OnceLock;

use metrics::{counter, describe_counter};
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

/// Resolvers that panicked.
const PANICS: &str = "intune_graphql_panics_total";

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
            describe_counter!(PANICS, "Resolvers that panicked; each failed one request");
            // Shown from the start, so that a first occurrence is a change.
            counter!(FILTER_IGNORED_ROWS).absolute(0);
            counter!(FILTER_IGNORED_COUNTS).absolute(0);
            counter!(ORDER_IGNORED_PAGES).absolute(0);
            counter!(RETRY_BUDGET_SPENT).absolute(0);
            counter!(BREAKER_OPENED).absolute(0);
            counter!(PANICS).absolute(0);
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

/// A resolver panicked.
pub(crate) fn panicked() {
    counter!(PANICS).increment(1);
}
