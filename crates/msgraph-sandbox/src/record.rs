//! The requests that arrived, for tests to read: bounded in number and in bytes, the oldest dropped first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value as Json;

use crate::call::Message;

/// Most bytes of bodies that are kept; a long run with large bodies would otherwise fill the memory before it fills
/// the record.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Counts all recorded requests, from 1 on; dropped ones leave no gap at the end.
    pub number: u64,
    /// The method.
    pub method: Method,
    /// The path in the request's own spelling, not decoded, version included.
    pub path: String,
    /// The query in the request's own spelling, without `?`.
    pub query: Option<String>,
    /// All headers with all their values, names in lower case. Tokens are in here.
    pub headers: HeaderMap,
    /// The body's bytes; empty where it was not read.
    pub body: Bytes,
    /// When its body had been read, or was given up.
    pub at: Instant,
    /// The number of its connection: 1 for the first one that the sandbox accepted.
    pub connection: u64,
    /// Whether it came as an HTTP/2 stream.
    pub is_http2: bool,
    /// The faults that it met, in their text form; those of a batch's items follow the batch's own, as `item N: …`.
    pub faults: Vec<String>,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) connection: u64,
    pub(crate) is_http2: bool,
}

impl RecordedRequest {
    /// The first value of a header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON; `None` where it is none.
    #[must_use]
    pub fn json(&self) -> Option<Json> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The items of a batch, in their order; empty where the request is no batch.
    #[must_use]
    pub fn batch_items(&self) -> Vec<Json> {
        let items = self.json().and_then(|mut body| match body.get_mut("requests").map(Json::take) {
            Some(Json::Array(items)) => Some(items),
            _ => None,
        });
        items.unwrap_or_default()
    }
}

/// A ring of requests.
#[derive(Debug)]
pub(crate) struct Record {
    capacity: usize,
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    requests: VecDeque<RecordedRequest>,
    body_bytes: usize,
    arrived: u64,
    dropped: u64,
}

impl Record {
    /// A record of so many requests; 0 records nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, ring: Mutex::default() }
    }

    /// Gives the number of the request; 0 where nothing is recorded.
    pub(crate) fn push(&self, message: &Message, source: Source, faults: &[String]) -> u64 {
        if self.capacity == 0 {
            return 0;
        }
        let mut request = copy(message, source, faults.to_vec());
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.arrived += 1;
        let number = ring.arrived;
        request.number = number;
        ring.body_bytes += request.body.len();
        ring.requests.push_back(request);
        while ring.requests.len() > self.capacity || ring.body_bytes > MAX_BODY_BYTES {
            let Some(oldest) = ring.requests.pop_front() else { break };
            ring.body_bytes -= oldest.body.len();
            ring.dropped += 1;
        }
        number
    }

    /// Adds a fault to a request that is still there.
    pub(crate) fn note(&self, number: u64, fault: String) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = ring.requests.front().map(|request| request.number) else { return };
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| ring.requests.get_mut(index)) {
            request.faults.push(fault);
        }
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).requests.iter().cloned().collect()
    }

    /// How many requests the record let go since it was last cleared.
    pub(crate) fn dropped(&self) -> u64 {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).dropped
    }

    pub(crate) fn clear(&self) {
        *self.ring.lock().unwrap_or_else(PoisonError::into_inner) = Ring::default();
    }
}

/// A copy that holds no part of the connection's read buffer, which every header value and body points into.
fn copy(message: &Message, source: Source, faults: Vec<String>) -> RecordedRequest {
    let headers = message
        .headers
        .iter()
        .filter_map(|(name, value)| {
            let value = HeaderValue::from_bytes(&Bytes::copy_from_slice(value.as_bytes())).ok()?;
            Some((HeaderName::clone(name), value))
        })
        .collect();
    RecordedRequest {
        number: 0,
        method: message.method.clone(),
        path: message.path.clone(),
        query: message.query.clone(),
        headers,
        body: Bytes::copy_from_slice(&message.body),
        at: Instant::now(),
        connection: source.connection,
        is_http2: source.is_http2,
        faults,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, Method};

    use super::{MAX_BODY_BYTES, Record, Source};
    use crate::call::Message;

    const SOURCE: Source = Source { connection: 1, is_http2: false };

    fn message(path: &str, body: Bytes) -> Message {
        Message { method: Method::POST, path: path.to_owned(), query: None, headers: HeaderMap::new(), body }
    }

    #[test]
    fn the_oldest_requests_go_first() {
        let record = Record::new(2);
        for path in ["/1", "/2", "/3"] {
            record.push(&message(path, Bytes::new()), SOURCE, &[]);
        }
        let kept: Vec<_> = record.all().into_iter().map(|request| (request.number, request.path)).collect();
        assert_eq!(kept, [(2, "/2".to_owned()), (3, "/3".to_owned())]);
        assert_eq!(record.dropped(), 1);
        record.clear();
        assert_eq!((record.all().len(), record.dropped()), (0, 0));
    }

    #[test]
    fn a_fault_is_added_to_its_request_as_long_as_it_is_there() {
        let record = Record::new(2);
        let numbers: Vec<u64> =
            ["/1", "/2", "/3"].map(|path| record.push(&message(path, Bytes::new()), SOURCE, &[])).to_vec();
        record.note(numbers[0], "429".to_owned());
        record.note(numbers[2], "503".to_owned());
        let faults: Vec<_> = record.all().into_iter().map(|request| request.faults).collect();
        assert_eq!(faults, [vec![], vec!["503".to_owned()]]);
    }

    #[test]
    fn bodies_are_bounded_in_bytes() {
        let record = Record::new(1000);
        let body = Bytes::from(vec![b' '; MAX_BODY_BYTES / 2]);
        for _ in 0..3 {
            record.push(&message("/", body.clone()), SOURCE, &[]);
        }
        assert_eq!(record.all().len(), 2);
    }

    #[test]
    fn every_value_of_a_header_is_kept() {
        let record = Record::new(1);
        let mut sent = message("/", Bytes::new());
        for value in ["a", "b"] {
            sent.headers.append("prefer", value.parse().unwrap());
        }
        record.push(&sent, SOURCE, &[]);
        let values: Vec<_> =
            record.all()[0].headers.get_all("prefer").iter().map(|value| value.as_bytes().to_vec()).collect();
        assert_eq!(values, [b"a".to_vec(), b"b".to_vec()]);
    }
}
