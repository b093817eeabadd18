//! The thread that exports spans.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{
    RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tonic::metadata::MetadataMap;
use tracing::warn;

use super::error::TracerError;
use super::http_client::{self, ConnectError};
use super::queue::SpanQueue;
use super::settings::{BatchSettings, Protocol, TraceSettings};
use crate::telemetry::metrics::{self, SpanResult};
use crate::telemetry::rate_limit::LineLimit;

/// Maximum number of log lines per second about failed exports.
const MAX_LINES: u64 = 1;

static FAILED: LineLimit = LineLimit::new(MAX_LINES);

/// Starts the thread. It ends after the queue is closed.
pub(super) fn start(settings: TraceSettings, queue: Arc<SpanQueue>) -> Result<(), TracerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let batch = settings.batch;
    // The longest that the client may retry, and what a collector may hang beyond.
    let timeout = settings.timeout;
    let errors = ConnectError::default();
    let exporter = {
        // Connections and timers of the exporter belong to this runtime.
        let _entered = runtime.enter();
        exporter(settings, &errors)?
    };
    std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
        // Also if the exporter panics, which a shutdown must not wait for.
        let _drained = queue.drained_guard();
        runtime.block_on(run(&exporter, &errors, &queue, batch, timeout));
        // The thread does not wait for a pending name lookup.
        runtime.shutdown_background();
    })?;
    Ok(())
}

fn exporter(settings: TraceSettings, errors: &ConnectError) -> Result<SpanExporter, TracerError> {
    let mut exporter = match settings.protocol {
        Protocol::HttpProtobuf => SpanExporter::builder()
            .with_http()
            .with_http_client(http_client::client(settings.tls, errors))
            .with_protocol(opentelemetry_otlp::Protocol::HttpBinary)
            .with_endpoint(settings.endpoint)
            .with_timeout(settings.timeout)
            .with_headers(settings.headers.into_iter().collect())
            .with_retry_policy(RetryPolicy::recommended())
            .build()?,
        Protocol::Grpc => SpanExporter::builder()
            .with_tonic()
            .with_channel(http_client::channel(settings.endpoint, settings.tls, errors)?)
            .with_timeout(settings.timeout)
            .with_metadata(MetadataMap::from_headers(header_map(&settings.headers)))
            .with_retry_policy(RetryPolicy::recommended())
            .build()?,
    };
    let attributes = settings.resource.into_iter().map(|(name, value)| KeyValue::new(name, value));
    exporter.set_resource(&Resource::builder_empty().with_attributes(attributes).build());
    Ok(exporter)
}

/// The headers, which were checked with the settings.
fn header_map(headers: &[(String, String)]) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    };
    headers.iter().filter_map(header).collect()
}

async fn run(
    exporter: &SpanExporter,
    errors: &ConnectError,
    queue: &SpanQueue,
    batch: BatchSettings,
    timeout: Duration,
) {
    let max = batch.max_export_batch_size;
    loop {
        let is_closed = queue.closed().is_cancelled();
        if !is_closed {
            collect(queue, batch).await;
        }
        // One export at least, even if the queue was closed in the meantime.
        loop {
            let spans = queue.take(max);
            if spans.is_empty() {
                break;
            }
            export(exporter, errors, spans, timeout).await;
            // Less than a batch waits for more, unless there will be none.
            if queue.len() < max && !queue.closed().is_cancelled() {
                break;
            }
        }
        if is_closed {
            return;
        }
    }
}

/// Waits for a span, and then until there is a batch or the delay has passed.
async fn collect(queue: &SpanQueue, batch: BatchSettings) {
    let collected = async {
        while queue.len() == 0 {
            queue.added().await;
        }
        let is_full = async {
            while queue.len() < batch.max_export_batch_size {
                queue.added().await;
            }
        };
        let _ = tokio::time::timeout(batch.schedule_delay, is_full).await;
    };
    tokio::select! {
        () = collected => {}
        () = queue.closed().cancelled() => {}
    }
}

async fn export(exporter: &SpanExporter, errors: &ConnectError, spans: Vec<SpanData>, timeout: Duration) {
    let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
    let error = match tokio::time::timeout(timeout, exporter.export(spans)).await {
        Ok(Ok(())) => {
            metrics::trace_spans(SpanResult::Exported, count);
            return;
        }
        Ok(Err(error)) => errors.take().unwrap_or_else(|| error.to_string()),
        Err(_elapsed) => "no response in time".to_owned(),
    };
    metrics::trace_spans(SpanResult::Failed, count);
    if let Some(suppressed) = FAILED.allow() {
        let suppressed = (suppressed > 0).then_some(suppressed);
        warn!(error, spans = count, suppressed, "trace spans could not be exported");
    }
}
