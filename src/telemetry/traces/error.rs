//! Why traces cannot be exported.

use opentelemetry_otlp::ExporterBuildError;

/// Why traces cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum TracerError {
    /// A setting cannot be used.
    #[error("OTEL_EXPORTER_OTLP_*: the exporter cannot be built")]
    Exporter(#[from] ExporterBuildError),
    /// The endpoint cannot be used for gRPC.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT: not usable")]
    Endpoint(#[from] tonic::transport::Error),
    /// No thread can be started.
    #[error("cannot start the thread that exports traces")]
    Thread(#[from] std::io::Error),
}
