//! The header `Server-Timing` (W3C Server Timing) of a response: how long its request took, how much of that it waited for
//! Microsoft Graph, and how many calls it made. Browsers show each metric by its description.

use std::time::Duration;

use http::HeaderValue;

use crate::telemetry::request::RequestTelemetry;

/// The texts of the header, around its numbers.
const GRAPH: &[u8] = b"graph;dur=";
const CALLS: &[u8] = b";desc=\"Graph calls: ";
const BATCH_ITEMS: &[u8] = b", batch items: ";
const GATEWAY: &[u8] = b"\", gateway;dur=";

/// Maximum number of digits of a number, with its decimal point.
const MAX_DIGITS: usize = 21;
const MAX_LENGTH: usize = GRAPH.len() + CALLS.len() + BATCH_ITEMS.len() + GATEWAY.len() + 4 * MAX_DIGITS;

/// The header's value for a request that took `total`.
pub(super) fn header(telemetry: &RequestTelemetry, total: Duration) -> Option<HeaderValue> {
    let calls = telemetry.calls();
    let graph = calls.waited().min(total);
    value(graph, total - graph, calls.count(), calls.batch_items())
}

fn value(graph: Duration, gateway: Duration, calls: u32, batch_items: u32) -> Option<HeaderValue> {
    let mut text = Text { bytes: [0; MAX_LENGTH], start: MAX_LENGTH };
    text.prepend_milliseconds(gateway);
    text.prepend(GATEWAY);
    // Short, because the header's cost grows with its length.
    if batch_items > 0 {
        text.prepend_number(batch_items.into(), 1);
        text.prepend(BATCH_ITEMS);
    }
    text.prepend_number(calls.into(), 1);
    text.prepend(CALLS);
    text.prepend_milliseconds(graph);
    text.prepend(GRAPH);
    HeaderValue::from_bytes(&text.bytes[text.start..]).ok()
}

/// A text that is written from its end, as numbers are. `format!` takes several times as many instructions.
struct Text {
    bytes: [u8; MAX_LENGTH],
    start: usize,
}

impl Text {
    fn prepend(&mut self, part: &[u8]) {
        let end = self.start;
        self.start -= part.len();
        self.bytes[self.start..end].copy_from_slice(part);
    }

    /// Milliseconds, with three digits after the decimal point.
    fn prepend_milliseconds(&mut self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.prepend_number(microseconds % 1000, 3);
        self.prepend(b".");
        self.prepend_number(microseconds / 1000, 1);
    }

    /// A number with at least `min_digits` digits.
    fn prepend_number(&mut self, mut number: u64, min_digits: usize) {
        let end = self.start;
        while number > 0 || end - self.start < min_digits {
            self.start -= 1;
            self.bytes[self.start] = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_written() {
        let value = |graph, gateway, calls, items| value(graph, gateway, calls, items).unwrap();
        assert_eq!(
            value(Duration::from_micros(1_838), Duration::from_nanos(45_999), 1, 0),
            "graph;dur=1.838;desc=\"Graph calls: 1\", gateway;dur=0.045"
        );
        let longest = value(Duration::MAX, Duration::ZERO, u32::MAX, u32::MAX);
        assert_eq!(
            longest,
            "graph;dur=18446744073709551.615;desc=\"Graph calls: 4294967295, batch items: 4294967295\", \
             gateway;dur=0.000"
        );
        assert!(longest.len() <= MAX_LENGTH);
    }
}
