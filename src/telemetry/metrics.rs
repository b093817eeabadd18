//! Every metric, with its labels; the names are what `/metrics` shows. Labels never hold ids or anything a caller sent.

use std::sync::OnceLock;

use metrics::{counter, describe_counter};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Rows that a list withheld since Graph answered them in spite of the filter.
const FILTER_IGNORED_ROWS: &str = "intune_graphql_graph_filter_ignored_rows_total";
/// Pages whose rows stood in another order than Graph was asked for.
const ORDER_IGNORED_PAGES: &str = "intune_graphql_graph_order_ignored_pages_total";

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
                ORDER_IGNORED_PAGES,
                "Pages whose rows Graph gave in another order than asked for"
            );
            // Shown from the start, so that a first occurrence is a change.
            counter!(FILTER_IGNORED_ROWS).absolute(0);
            counter!(ORDER_IGNORED_PAGES).absolute(0);
            handle
        })
        .clone()
}

/// Graph ignored a filter, and so many rows were withheld.
pub(crate) fn filter_ignored(rows: u64) {
    counter!(FILTER_IGNORED_ROWS).increment(rows);
}

/// Graph ignored an order.
pub(crate) fn order_ignored() {
    counter!(ORDER_IGNORED_PAGES).increment(1);
}
