//! Settings of traces, as plain data.

use std::fmt;
use std::time::Duration;

use rustls::ClientConfig;

use super::sampler::Sampler;

/// Settings of traces.
#[derive(Clone)]
pub struct TraceSettings {
    /// URL that spans are sent to: with its path for HTTP, without one for gRPC.
    pub endpoint: String,
    /// How spans are sent.
    pub protocol: Protocol,
    /// How the collector is trusted, for `https`.
    pub tls: ClientConfig,
    /// Headers of each export. They may be secret.
    pub headers: Vec<(String, String)>,
    /// Time limit for one export, its retries included.
    pub timeout: Duration,
    /// Which requests are traced.
    pub sampler: Sampler,
    /// Attributes of the process, `service.name` among them.
    pub resource: Vec<(String, String)>,
    /// How spans are collected.
    pub batch: BatchSettings,
}

/// How spans are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP over HTTP, in Protobuf.
    HttpProtobuf,
    /// OTLP over gRPC.
    Grpc,
}

/// How spans are collected before they are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSettings {
    /// Maximum number of spans that wait. Further ones are dropped.
    pub max_queue_size: usize,
    /// Maximum number of spans in one export.
    pub max_export_batch_size: usize,
    /// Maximum time that a span waits for others.
    pub schedule_delay: Duration,
}

/// Without the headers' values.
impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceSettings")
            .field("endpoint", &self.endpoint)
            .field("protocol", &self.protocol)
            .field("sampler", &self.sampler)
            .finish_non_exhaustive()
    }
}
