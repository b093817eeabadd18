//! The server's settings, as plain data.

use std::time::Duration;

use http::HeaderValue;

use super::admission::AdmissionLimits;
use super::graphiql::PageSettings;
use super::listener::ConnectionLimits;

/// What the gateway is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Time for one request, Graph's answers included.
    pub deadline: Duration,
    /// Largest request body, in bytes.
    pub max_body: usize,
    /// Time for a request's body to come.
    pub body_timeout: Duration,
    /// Most bytes of all bodies together, and of all answers that are being built or have not been taken.
    pub max_buffered: usize,
    /// How many requests are taken at a time.
    pub admission: AdmissionLimits,
    /// How many streams of live updates may be open; a token has its share of them as of requests.
    pub max_streams: usize,
    /// What connections may do.
    pub connections: ConnectionLimits,
    /// How long requests are still taken after readiness is gone, so that load balancers notice first.
    pub drain_delay: Duration,
    /// How long what is under way may take to finish after that.
    pub drain_timeout: Duration,
    /// Origins whose pages may send requests from a browser.
    pub cors_origins: Vec<HeaderValue>,
    /// The GraphiQL page, where it is served.
    pub graphiql: Option<PageSettings>,
}
