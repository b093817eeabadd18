//! The failed items of a request's bulk writes. They are no errors of the GraphQL response, but its log line shows them.

use std::sync::{Mutex, PoisonError};

/// The error of an item that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailedItem {
    pub(crate) code: &'static str,
    /// What is known of its write.
    pub(crate) outcome: &'static str,
}

/// The failed items of one request.
#[derive(Debug, Default)]
pub(crate) struct FailedItems(Mutex<Summary>);

/// What a log line and the metrics show of failed items.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Number of items that failed.
    pub(crate) count: usize,
    /// The first of them.
    pub(crate) first: Option<FailedItem>,
    /// The first of them in a bulk write of which no item succeeded.
    pub(crate) first_of_failed_write: Option<FailedItem>,
}

impl FailedItems {
    /// Adds the results of a bulk write: `None` for each item that succeeded.
    pub(crate) fn add(&self, results: impl IntoIterator<Item = Option<FailedItem>>) {
        let mut first = None;
        let mut count = 0;
        let mut has_succeeded = false;
        for result in results {
            match result {
                Some(failed) => {
                    count += 1;
                    first = first.or(Some(failed));
                }
                None => has_succeeded = true,
            }
        }
        let mut summary = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        summary.count += count;
        summary.first = summary.first.or(first);
        if !has_succeeded {
            summary.first_of_failed_write = summary.first_of_failed_write.or(first);
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
