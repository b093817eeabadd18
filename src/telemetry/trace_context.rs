//! The caller's trace, from the header `traceparent` (W3C Trace Context, level 1).

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{SpanId, TraceId};

/// The header, in requests to the gateway and in its calls to Graph.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Length of `traceparent` in version 00, in bytes. Later versions may append to it.
const LENGTH: usize = 55;

/// A valid `traceparent`, in the form of version 00.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    header: HeaderValue,
}

impl TraceContext {
    /// Reads the header; `None` if it is missing, repeated or invalid, as the specification requires.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.as_bytes()),
            _ => None,
        }
    }

    /// Parses `version "-" trace-id "-" parent-id "-" trace-flags`, all of them lowercase hexadecimal digits.
    fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let is_hex = |range: std::ops::Range<usize>| {
            known[range].iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_zero = |range: std::ops::Range<usize>| known[range].iter().all(|byte| *byte == b'0');
        let has_form = is_hex(0..2)
            && is_hex(3..35)
            && is_hex(36..52)
            && is_hex(53..55)
            && [2, 35, 52].iter().all(|index| known[*index] == b'-');
        // Version ff is forbidden; version 00 has exactly this length.
        let version = &known[..2];
        let fits = match version {
            b"ff" => false,
            b"00" => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with(b"-"),
        };
        if !has_form || !fits || is_zero(3..35) || is_zero(36..52) {
            return None;
        }
        let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
        header[2..].copy_from_slice(&known[2..]);
        Some(Self { header: HeaderValue::from_bytes(&header).ok()? })
    }

    /// The context of a span that is sampled.
    pub(crate) fn sampled(trace: TraceId, span: SpanId) -> Self {
        let header = HeaderValue::from_str(&format!("00-{trace}-{span}-01"));
        Self { header: header.expect("hexadecimal digits are a header value") }
    }

    /// The trace's id: 32 hexadecimal digits.
    pub(crate) fn trace_id(&self) -> &str {
        self.part(3..35)
    }

    /// The trace's id.
    pub(crate) fn id(&self) -> TraceId {
        TraceId::from_hex(self.trace_id()).unwrap_or(TraceId::INVALID)
    }

    /// The id of the caller's span.
    pub(crate) fn parent(&self) -> SpanId {
        SpanId::from_hex(self.part(36..52)).unwrap_or(SpanId::INVALID)
    }

    /// Whether the caller records the trace.
    pub(crate) fn is_sampled(&self) -> bool {
        u8::from_str_radix(self.part(53..55), 16).is_ok_and(|flags| flags & 1 == 1)
    }

    fn part(&self, range: std::ops::Range<usize>) -> &str {
        self.header.to_str().ok().and_then(|text| text.get(range)).unwrap_or_default()
    }

    /// The value of [`TRACEPARENT`] in calls to Graph.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HeaderMap, HeaderValue, TRACEPARENT, TraceContext};

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn sent_on(value: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_str(value).unwrap())]);
        let found = TraceContext::from_headers(&headers)?;
        Some(found.header().to_str().unwrap().to_owned())
    }

    #[test]
    fn a_valid_header_is_sent_on_in_version_00() {
        let later = format!("cc{}", &VALID[2..]);
        for value in [VALID.to_owned(), later.clone(), format!("{later}-more"), format!("{later}-")] {
            assert_eq!(sent_on(&value).as_deref(), Some(VALID), "{value}");
        }
    }

    #[test]
    fn an_invalid_header_is_ignored() {
        for value in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
        ] {
            assert_eq!(sent_on(value), None, "{value}");
        }
        let mut twice = HeaderMap::new();
        twice.append(TRACEPARENT, HeaderValue::from_static(VALID));
        twice.append(TRACEPARENT, HeaderValue::from_static(VALID));
        assert_eq!(TraceContext::from_headers(&twice), None);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = TraceContext::parse(&value);
        }
    }
}
