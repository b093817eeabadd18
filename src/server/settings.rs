//! The server's settings, as plain data.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio::sync::Notify;

use super::concurrency_limiter::ConcurrencyLimits;
use super::graphiql::GraphiqlSettings;
use super::listener::ConnectionLimits;
use super::tls::Tls;
use crate::telemetry::operation::AccessLog;
use crate::telemetry::traces::Tracer;

/// The server's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// TLS of the public listener.
    pub tls: Option<Tls>,
    /// Whether the admin listener uses TLS too.
    pub admin_tls: bool,
    /// Number of threads that serve connections. If 0, the runtime that accepts connections serves them too.
    pub workers: usize,
    /// Time limit for one request, including its calls to Graph.
    pub request_timeout: Duration,
    /// Maximum size of a request body, in bytes.
    pub max_request_body: usize,
    /// Time limit for receiving a request body, or a WebSocket message.
    pub body_timeout: Duration,
    /// Maximum total size of all request bodies and WebSocket messages, in bytes, and also of all responses that are being
    /// built or have not been sent.
    pub max_buffered_bytes: usize,
    /// Bytes of each of these budgets that one caller may use.
    pub max_buffered_per_caller: usize,
    /// Limits of the requests in flight.
    pub concurrency: ConcurrencyLimits,
    /// Maximum number of open subscriptions. One caller may use `max_caller_share` of them.
    pub max_subscriptions: usize,
    /// Limits of client connections.
    pub connections: ConnectionLimits,
    /// Time during which new requests are still served after readiness has become false, so that load balancers notice first.
    pub drain_delay: Duration,
    /// Time limit for finishing requests in flight after that.
    pub drain_timeout: Duration,
    /// Origins whose pages may send requests from a browser.
    pub cors_origins: Vec<HeaderValue>,
    /// Whether pages of loopback origins may as well, as of front ends in development.
    pub allow_loopback_origins: bool,
    /// Which operations are logged.
    pub access_log: AccessLog,
    /// Starts the traces of requests; `None` if there are none.
    pub tracer: Option<Tracer>,
    /// Notified when the manifest of trusted documents is to be read again.
    pub reload: Arc<Notify>,
    /// Settings of the GraphiQL page; `None` if it is not served.
    pub graphiql: Option<GraphiqlSettings>,
}
