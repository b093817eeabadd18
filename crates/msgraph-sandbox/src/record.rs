//! The recorded requests, which tests read. The record is bounded in number and in bytes, and drops the oldest first.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value as Json;

use crate::call::Message;

/// Maximum total size of the recorded bodies in bytes, because large bodies would exhaust the memory before the record
/// reaches its capacity.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// A recorded request.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Number of the request, in order of arrival from 1. Clearing the record restarts at 1.
    pub number: u64,
    /// The method.
    pub method: Method,
    /// The path as the client sent it, not decoded, with the version.
    pub path: String,
    /// The query string as the client sent it, not decoded, without `?`.
    pub query: Option<String>,
    /// All headers, with names in lower case. They include access tokens.
    pub headers: HeaderMap,
    /// The body; empty if it was not read.
    pub body: Bytes,
    /// The time when the body was read completely, or failed.
    pub at: Instant,
    /// Number of the connection, in the order in which they were accepted, from 1.
    pub connection: u64,
    /// Whether the request used HTTP/2.
    pub is_http2: bool,
    /// The text form of each fault that applied. The faults of a batch's items follow those of the batch, as `item N: …`.
    pub faults: Vec<String>,
}

/// The connection of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionInfo {
    pub(crate) connection: u64,
    pub(crate) is_http2: bool,
}

impl RecordedRequest {
    /// The first value of a header; `None` if it is absent or not visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as JSON; `None` if it is not JSON.
    #[must_use]
    pub fn json(&self) -> Option<Json> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The items of a batch, in order; empty if the request is not a batch.
    #[must_use]
    pub fn batch_items(&self) -> Vec<Json> {
        let items = self.json().and_then(|mut body| match body.get_mut("requests").map(Json::take) {
            Some(Json::Array(items)) => Some(items),
            _ => None,
        });
        items.unwrap_or_default()
    }
}

/// The bounded record of requests.
#[derive(Debug)]
pub(crate) struct Record {
    capacity: usize,
    recorded: Mutex<RecordedRequests>,
}

#[derive(Debug, Default)]
struct RecordedRequests {
    requests: VecDeque<RecordedRequest>,
    body_bytes: usize,
    arrived: u64,
    dropped: u64,
}

impl Record {
    /// A record with room for `capacity` requests; 0 records nothing.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, recorded: Mutex::default() }
    }

    /// Records a request and returns its number; 0 if nothing is recorded.
    pub(crate) fn push(&self, message: &Message, source: ConnectionInfo, faults: &[String]) -> u64 {
        if self.capacity == 0 {
            return 0;
        }
        let mut request = copy(message, source, faults.to_vec());
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.arrived += 1;
        let number = recorded.arrived;
        request.number = number;
        recorded.body_bytes += request.body.len();
        recorded.requests.push_back(request);
        while recorded.requests.len() > self.capacity || recorded.body_bytes > MAX_BODY_BYTES {
            let Some(oldest) = recorded.requests.pop_front() else { break };
            recorded.body_bytes -= oldest.body.len();
            recorded.dropped += 1;
        }
        number
    }

    /// Adds a fault to a request that is still in the record.
    pub(crate) fn add_fault(&self, number: u64, fault: String) {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = recorded.requests.front().map(|request| request.number) else { return };
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| recorded.requests.get_mut(index)) {
            request.faults.push(fault);
        }
    }

    pub(crate) fn all(&self) -> Vec<RecordedRequest> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).requests.iter().cloned().collect()
    }

    /// Number of requests dropped since the record was last cleared.
    pub(crate) fn dropped(&self) -> u64 {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).dropped
    }

    pub(crate) fn clear(&self) {
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = RecordedRequests::default();
    }
}

/// A copy that does not keep the connection's read buffer alive, to which header values and the body refer.
fn copy(message: &Message, source: ConnectionInfo, faults: Vec<String>) -> RecordedRequest {
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

    use super::{ConnectionInfo, MAX_BODY_BYTES, Record};
    use crate::call::Message;

    const SOURCE: ConnectionInfo = ConnectionInfo { connection: 1, is_http2: false };

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
        record.add_fault(numbers[0], "429".to_owned());
        record.add_fault(numbers[2], "503".to_owned());
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
