//! A Graph that returns canned responses byte for byte, for responses that the sandbox does not produce.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::stream;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::harness::{Builder, Gateway};

/// A request that a [`CannedGraph`] received.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: http::Method,
    /// Below the service root, with the query.
    pub(crate) url: String,
    pub(crate) body: Bytes,
}

impl ReceivedRequest {
    /// The number of items of a batch; 0 for other requests.
    pub(crate) fn items(&self) -> usize {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["requests"].as_array().map_or(0, Vec::len)
    }
}

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct CannedResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    is_cut: bool,
}

impl CannedResponse {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), is_cut: false }
            .with("content-type", "application/json")
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same response, with a further value of a header.
    pub(crate) fn append(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same response, whose connection ends before its body.
    pub(crate) fn cut(mut self) -> Self {
        self.is_cut = true;
        self
    }

    fn response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        if !self.is_cut {
            return response.body(Body::from(self.body)).unwrap();
        }
        let length = self.body.len() + 10;
        let chunks = [Ok(self.body), Err(std::io::Error::other("cut"))];
        response.header("content-length", length).body(Body::from_stream(stream::iter(chunks))).unwrap()
    }
}

/// The upstream.
#[derive(Clone)]
pub(crate) struct CannedGraph {
    root: String,
    sent: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl CannedGraph {
    /// Responds to each request with the result of `answer`.
    pub(crate) async fn start(
        answer: impl Fn(&ReceivedRequest) -> CannedResponse + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}/beta", listener.local_addr().unwrap());
        let sent = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&sent);
        let router = Router::new().fallback(async move |request: Request| {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let url = head.uri.path_and_query().unwrap().as_str().trim_start_matches("/beta").to_owned();
            let request = ReceivedRequest { method: head.method, url, body };
            let answer = answer(&request);
            record.lock().unwrap().push(request);
            answer.response()
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { root, sent }
    }

    /// A gateway in front of it.
    pub(crate) fn behind(&self, gateway: Builder) -> Builder {
        gateway.graph_root(&self.root)
    }

    /// An impatient one: nothing is sent twice, unless Graph names the wait.
    pub(crate) async fn gateway(&self) -> Gateway {
        self.behind(Gateway::short_timeouts()).start().await
    }

    /// The requests since the last call.
    pub(crate) fn sent(&self) -> Vec<ReceivedRequest> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// The absolute URL of one below the service root.
    pub(crate) fn url(&self, below: &str) -> String {
        format!("{}{below}", self.root)
    }
}

/// Text as UTF-16 with a byte order mark.
pub(crate) fn utf_16(text: &str, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
}
