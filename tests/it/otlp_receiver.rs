//! A collector of traces, as OTLP over HTTP and over gRPC has it: it decodes what it receives, and keeps it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long a state is waited for before a test has failed.
const TIMEOUT: Duration = Duration::from_secs(15);

const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A span as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) trace_id: String,
    pub(crate) id: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) attributes: Map<String, Value>,
    /// The ids of linked spans, with the items of a batch.
    pub(crate) links: Vec<(String, Map<String, Value>)>,
    pub(crate) is_error: bool,
    pub(crate) times: (u64, u64),
}

/// What a collector has received.
#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) spans: Vec<Span>,
    pub(crate) resource: Map<String, Value>,
    pub(crate) scopes: BTreeMap<String, String>,
    /// The headers of the last export.
    pub(crate) headers: HeaderMap,
    /// All bytes.
    pub(crate) bytes: Vec<u8>,
}

/// A collector on a free port.
pub(crate) struct OtlpReceiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Received>>,
    count: watch::Receiver<usize>,
}

#[derive(Clone)]
struct Collector {
    received: Arc<Mutex<Received>>,
    count: watch::Sender<usize>,
}

impl OtlpReceiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::<Mutex<Received>>::default();
        let (sender, count) = watch::channel(0);
        let state = Collector { received: Arc::clone(&received), count: sender };
        let router = Router::new()
            .route("/v1/traces", post(receive))
            .route(GRPC_PATH, post(receive_grpc))
            .with_state(state);
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, received, count }
    }

    /// The value of `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until there are so many spans, and returns all that was received.
    pub(crate) async fn until(&self, spans: usize) -> Received {
        let mut count = self.count.clone();
        let awaited = tokio::time::timeout(TIMEOUT, count.wait_for(|count| *count >= spans)).await;
        let received = std::mem::take(&mut *self.received.lock().unwrap());
        assert!(awaited.is_ok(), "{spans} spans: {received:#?}");
        received
    }

    /// What has been received so far.
    pub(crate) fn received(&self) -> Received {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

async fn receive(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> StatusCode {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    collector.keep(headers, &body);
    StatusCode::OK
}

/// A message has a prefix of five bytes: whether it is compressed, and its length.
async fn receive_grpc(State(collector): State<Collector>, headers: HeaderMap, body: Bytes) -> Response {
    assert_eq!(headers["content-type"], "application/grpc");
    let (prefix, message) = body.split_at(5);
    assert_eq!(prefix, [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes()].concat());
    collector.keep(headers, &Bytes::copy_from_slice(message));
    let frames = [
        Frame::data(Bytes::from_static(&[0; 5])),
        Frame::trailers(HeaderMap::from_iter([(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )])),
    ];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, std::convert::Infallible>)));
    ([("content-type", "application/grpc")], Body::new(body)).into_response()
}

impl Collector {
    fn keep(&self, headers: HeaderMap, body: &Bytes) {
        let export = ExportTraceServiceRequest::decode(body.clone()).unwrap();
        let mut received = self.received.lock().unwrap();
        for of_resource in export.resource_spans {
            received.resource = attributes(&of_resource.resource.unwrap_or_default().attributes);
            for of_scope in of_resource.scope_spans {
                let scope = of_scope.scope.unwrap_or_default();
                received.scopes.insert(scope.name, scope.version);
                received.spans.extend(of_scope.spans.into_iter().map(|span| {
                    Span {
                        kind: span.kind(),
                        trace_id: hex(&span.trace_id),
                        id: hex(&span.span_id),
                        parent: hex(&span.parent_span_id),
                        attributes: attributes(&span.attributes),
                        links: span
                            .links
                            .iter()
                            .map(|link| (hex(&link.span_id), attributes(&link.attributes)))
                            .collect(),
                        is_error: span.status.as_ref().is_some_and(|status| status.code == 2),
                        times: (span.start_time_unix_nano, span.end_time_unix_nano),
                        name: span.name,
                    }
                }));
            }
        }
        received.headers = headers;
        received.bytes.extend_from_slice(body);
        let count = received.spans.len();
        drop(received);
        self.count.send_replace(count);
    }
}

fn attributes(given: &[KeyValue]) -> Map<String, Value> {
    let value = |attribute: &KeyValue| match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(AnyValue::StringValue(text)) => json!(text),
        Some(AnyValue::IntValue(number)) => json!(number),
        other => panic!("an attribute is neither a text nor a number: {other:?}"),
    };
    let mut attributes = Map::new();
    for attribute in given {
        let previous = attributes.insert(attribute.key.clone(), value(attribute));
        assert_eq!(previous, None, "{} is there twice", attribute.key);
    }
    attributes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
