//! Reports of operations that were executed although their documents are not trusted: a metric, and log lines by operation
//! and client name.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::telemetry::metrics;

/// Maximum number of operations, by client, that are counted separately.
const MAX_OPERATIONS: usize = 1000;
/// Maximum length of a name that is kept, in bytes.
const MAX_NAME: usize = 100;
/// The least time between two log lines about one operation of one client, which also bounds the number of lines.
const INTERVAL: Duration = Duration::from_secs(60);
/// Name of the operations and clients beyond the maximum. Neither an operation nor a client can have it.
const OTHERS: &str = "(others)";

/// Counts operations whose documents are not trusted.
pub(super) struct UntrustedReport {
    counts: Mutex<HashMap<Names, Count>>,
}

/// Names of an operation and of its client.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Names {
    operation: Option<String>,
    client: Option<String>,
}

#[derive(Default)]
struct Count {
    operations: u64,
    logged_at: Option<Instant>,
}

impl UntrustedReport {
    pub(super) fn new() -> Self {
        Self { counts: Mutex::default() }
    }

    /// Counts an operation, and logs it if it was not logged lately. `hash` is the SHA-256 hash of its document.
    pub(super) fn record(&self, operation: Option<&str>, client: Option<&str>, hash: &[u8; 32]) {
        metrics::untrusted_document();
        let names = Names { operation: operation.map(shortened), client: client.map(shortened) };
        let Some((names, operations)) = self.count(names, Instant::now()) else { return };
        warn!(
            operation.name = names.operation,
            client.name = names.client,
            operations,
            document.hash = hex(hash),
            "an operation is not among the trusted documents; it would be rejected if they were enforced"
        );
    }

    /// Counts an operation: its names and its number so far, if it is to be logged.
    fn count(&self, names: Names, now: Instant) -> Option<(Names, u64)> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let names = if counts.len() < MAX_OPERATIONS || counts.contains_key(&names) {
            names
        } else {
            Names { operation: Some(OTHERS.to_owned()), client: Some(OTHERS.to_owned()) }
        };
        let count = counts.entry(names.clone()).or_default();
        count.operations += 1;
        if count.logged_at.is_some_and(|logged_at| now.saturating_duration_since(logged_at) < INTERVAL) {
            return None;
        }
        count.logged_at = Some(now);
        Some((names, count.operations))
    }
}

fn shortened(name: &str) -> String {
    name[..name.floor_char_boundary(MAX_NAME)].to_owned()
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(operation: &str) -> Names {
        Names { operation: Some(operation.to_owned()), client: Some("web".to_owned()) }
    }

    #[test]
    fn an_operation_is_logged_once_a_minute_with_its_number() {
        let report = UntrustedReport::new();
        let start = Instant::now();
        let logged = |at: u64| {
            let logged = report.count(names("A"), start + Duration::from_secs(at));
            logged.map(|(_, operations)| operations)
        };
        assert_eq!([0, 1, 59, 60, 61, 120].map(logged), [Some(1), None, None, Some(4), None, Some(6)]);
    }

    #[test]
    fn operations_beyond_the_maximum_are_counted_together() {
        let report = UntrustedReport::new();
        let now = Instant::now();
        for number in 0..MAX_OPERATIONS + 500 {
            report.count(names(&format!("Operation{number}")), now);
        }
        let counts = report.counts.lock().unwrap();
        assert_eq!(counts.len(), MAX_OPERATIONS + 1);
        let others = Names { operation: Some(OTHERS.to_owned()), client: Some(OTHERS.to_owned()) };
        assert_eq!(counts[&others].operations, 500);
    }

    #[test]
    fn each_of_many_operations_is_logged() {
        let report = UntrustedReport::new();
        let now = Instant::now();
        let logged = (0..100).filter(|number| report.count(names(&number.to_string()), now).is_some());
        assert_eq!(logged.count(), 100);
    }
}
