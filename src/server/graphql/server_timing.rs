//! The header `Server-Timing` (W3C Server Timing) of a response: how long its request took, how much of that it waited for
//! Microsoft Graph, and how many calls it made. Browsers show each metric by its description.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use http::HeaderValue;

use crate::telemetry::request::RequestTelemetry;

/// The texts of the header, around its numbers.
const GRAPH: &[u8] = b"graph;dur=";
const GATEWAY: &[u8] = b";desc=\"Microsoft Graph\", gateway;dur=";
const CALLS: &[u8] = b";desc=\"Gateway\", calls;desc=\"Graph calls: ";
const BATCH_ITEMS: &[u8] = b"\", items;desc=\"Batch items: ";
const END: &[u8] = b"\"";

/// Maximum number of digits of a number, with its decimal point.
const MAX_DIGITS: usize = 21;
const MAX_LENGTH: usize =
    GRAPH.len() + GATEWAY.len() + CALLS.len() + BATCH_ITEMS.len() + END.len() + 4 * MAX_DIGITS;

/// The header's value for a request that took `total`.
pub(super) fn header(telemetry: &RequestTelemetry, total: Duration) -> Option<HeaderValue> {
    let calls = telemetry.calls();
    let graph = calls.waited().min(total);
    value(graph, total - graph, calls.count(), calls.batch_items())
}

fn value(graph: Duration, gateway: Duration, calls: u32, batch_items: u32) -> Option<HeaderValue> {
    let mut text = BytesMut::with_capacity(MAX_LENGTH);
    text.put_slice(GRAPH);
    put_milliseconds(&mut text, graph);
    text.put_slice(GATEWAY);
    put_milliseconds(&mut text, gateway);
    text.put_slice(CALLS);
    put_number(&mut text, calls.into(), 1);
    text.put_slice(BATCH_ITEMS);
    put_number(&mut text, batch_items.into(), 1);
    text.put_slice(END);
    HeaderValue::from_maybe_shared(text.freeze()).ok()
}

/// Milliseconds, with three digits after the decimal point.
fn put_milliseconds(text: &mut BytesMut, duration: Duration) {
    let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    put_number(text, microseconds / 1000, 1);
    text.put_u8(b'.');
    put_number(text, microseconds % 1000, 3);
}

/// A number with at least `min_digits` digits. `format!` takes several times as many instructions.
fn put_number(text: &mut BytesMut, mut number: u64, min_digits: usize) {
    let mut digits = [b'0'; MAX_DIGITS];
    let mut start = MAX_DIGITS;
    while number > 0 || MAX_DIGITS - start < min_digits {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
    text.put_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_written() {
        let value = |graph, gateway, calls, items| value(graph, gateway, calls, items).unwrap();
        assert_eq!(
            value(Duration::from_micros(1_838), Duration::from_nanos(45_999), 1, 0),
            "graph;dur=1.838;desc=\"Microsoft Graph\", gateway;dur=0.045;desc=\"Gateway\", \
             calls;desc=\"Graph calls: 1\", items;desc=\"Batch items: 0\""
        );
        let longest = value(Duration::MAX, Duration::ZERO, u32::MAX, u32::MAX);
        assert_eq!(
            longest,
            "graph;dur=18446744073709551.615;desc=\"Microsoft Graph\", gateway;dur=0.000;desc=\"Gateway\", \
             calls;desc=\"Graph calls: 4294967295\", items;desc=\"Batch items: 4294967295\""
        );
        assert!(longest.len() <= MAX_LENGTH);
    }
}
