//! The script of the fake, which the test writes, and its record.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

/// A gate at which steps wait until the test opens it.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub(crate) fn opened() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    pub(crate) fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    /// Closes the gate for later steps.
    pub(crate) fn close(&self) {
        self.0.send_replace(false);
    }

    pub(crate) async fn passed(&self) {
        self.0.subscribe().wait_for(|is_open| *is_open).await.expect("the sender is held here");
    }
}

/// What one connection does.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionScript {
    /// The TLS handshake continues once this is open.
    pub(crate) handshake: Gate,
    /// Bytes are written once this is open. Received bytes are recorded in any case.
    pub(crate) output: Gate,
    /// HTTP/1: this many requests get a response, and the connection is reset at the first byte of
    /// the next one.
    pub(crate) requests: Option<usize>,
    /// HTTP/2: `SETTINGS_MAX_CONCURRENT_STREAMS`; further streams are refused with
    /// `REFUSED_STREAM`.
    pub(crate) max_streams: Option<u32>,
    /// HTTP/2: `SETTINGS_INITIAL_WINDOW_SIZE` for the bodies of requests.
    pub(crate) window: u32,
    /// HTTP/2: whether the window grows as data arrives.
    pub(crate) has_window_updates: bool,
    /// HTTP/2: whether PINGs are acknowledged.
    pub(crate) answers_pings: bool,
}

impl Default for ConnectionScript {
    fn default() -> Self {
        Self {
            handshake: Gate::opened(),
            output: Gate::opened(),
            requests: None,
            max_streams: None,
            window: 65_535,
            has_window_updates: true,
            answers_pings: true,
        }
    }
}

/// HTTP/2: the start of a request, from its header block.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// The connection's number, from 1.
    pub(crate) connection: usize,
    pub(crate) stream: u32,
    /// How many streams have begun on this connection, with this one.
    pub(crate) nth: usize,
    /// How many streams have begun on all connections, with this one.
    pub(crate) nth_of_all: usize,
    pub(crate) method: String,
    pub(crate) path: String,
}

/// HTTP/2: the treatment of a new stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Accepted,
    /// Not read and without a response, until a GOAWAY.
    Ignored,
    /// `RST_STREAM` with this code: the request is not read.
    Reset(u32),
    /// `GOAWAY` with this last stream and code; streams above it are ignored from now on.
    GoAway {
        last: u32,
        code: u32,
    },
}

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// A request that was received completely.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Its place among all requests, from 1.
    pub(crate) number: usize,
    /// The connection's number, from 1.
    pub(crate) connection: usize,
    /// HTTP/2; 0 otherwise.
    pub(crate) stream: u32,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) authorization: String,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn is_batch(&self) -> bool {
        self.path.ends_with("/$batch")
    }

    /// The bodies of the creates in it: one, or those of a batch.
    pub(crate) fn creates(&self) -> Vec<Value> {
        if self.method != "POST" {
            return Vec::new();
        }
        let body: Value = serde_json::from_slice(&self.body).expect("the gateway sends JSON");
        let Some(items) = body["requests"].as_array().filter(|_| self.is_batch()) else { return vec![body] };
        items.iter().filter(|item| item["method"] == "POST").map(|item| item["body"].clone()).collect()
    }

    /// The `deviceDisplayName` of each create in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |create: &Value| create["deviceDisplayName"].as_str().unwrap_or_default().to_owned();
        self.creates().iter().map(name).collect()
    }
}

/// The response to a request, and its time.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) after: Gate,
    pub(crate) content: Content,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// The response of Graph: the object of the requested id, or the created one.
    Usual,
    Canned {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    },
    /// `RST_STREAM` with this code; over HTTP/1 the end of the connection.
    Reset(u32),
    /// The end of the connection.
    Close,
}

impl Reply {
    pub(crate) fn usual() -> Self {
        Self { after: Gate::opened(), content: Content::Usual }
    }

    /// The usual one, once the gate is open.
    pub(crate) fn after(gate: &Gate) -> Self {
        Self { after: gate.clone(), content: Content::Usual }
    }

    pub(crate) fn never() -> Self {
        Self::after(&Gate::closed())
    }

    pub(crate) fn canned(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { after: Gate::opened(), content: Content::Canned { status, headers, body: body.into() } }
    }

    pub(crate) fn reset(code: u32) -> Self {
        Self { after: Gate::opened(), content: Content::Reset(code) }
    }

    pub(crate) fn close() -> Self {
        Self { after: Gate::opened(), content: Content::Close }
    }
}

/// The record of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Whether the TLS handshake is complete; at once without TLS.
    pub(crate) is_established: bool,
    /// Streams that have begun.
    pub(crate) streams: usize,
    /// Streams that are open, those left out that were refused.
    pub(crate) open_streams: BTreeSet<u32>,
    /// Maximum number of concurrent streams, including a refused one.
    pub(crate) max_open_streams: usize,
    /// Streams that were refused, or ignored as above the last stream of a GOAWAY.
    pub(crate) refused: usize,
    /// The last stream that a GOAWAY named: those above it are ignored.
    pub(crate) last_stream: Option<u32>,
    /// Streams that the gateway has reset.
    pub(crate) resets: usize,
    /// PINGs, without the acknowledgements.
    pub(crate) pings: usize,
    /// Acknowledgements of SETTINGS.
    pub(crate) acknowledged: usize,
    pub(crate) is_closed: bool,
    /// Bytes to be written, or the end.
    pub(super) output: mpsc::UnboundedSender<Output>,
}

#[derive(Debug)]
pub(super) enum Output {
    Bytes(Vec<u8>),
    Close,
}

/// The complete record of the fake.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// By number, from 1: the first is at 0.
    pub(crate) connections: Vec<Connection>,
    pub(crate) requests: Vec<Request>,
}

impl Seen {
    /// The `deviceDisplayName` of each create that was received.
    pub(crate) fn names(&self) -> Vec<String> {
        self.requests.iter().flat_map(Request::names).collect()
    }

    pub(crate) fn posts(&self) -> usize {
        self.requests.iter().filter(|request| request.method == "POST").count()
    }

    pub(crate) fn reads(&self) -> usize {
        self.requests.iter().filter(|request| request.method == "GET").count()
    }

    pub(crate) fn all_closed(&self) -> bool {
        self.connections.iter().all(|connection| connection.is_closed)
    }
}

impl Connection {
    pub(super) fn new(output: mpsc::UnboundedSender<Output>) -> Self {
        Self {
            is_established: false,
            streams: 0,
            open_streams: BTreeSet::new(),
            max_open_streams: 0,
            refused: 0,
            last_stream: None,
            resets: 0,
            pings: 0,
            acknowledged: 0,
            is_closed: false,
            output,
        }
    }
}
