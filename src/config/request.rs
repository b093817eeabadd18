//! Limits of one GraphQL request.

use std::time::Duration;

use clap::Args;

use super::values::{duration, positive};

/// Limits of one GraphQL request.
#[derive(Debug, Clone, Args)]
pub struct RequestConfig {
    /// Time for one request, Graph's answers included, as in `30s`.
    #[arg(long, env = "INTUNE_GRAPHQL_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "30s",
          value_parser = duration)]
    pub request_timeout: Duration,
    /// Largest request body, in bytes.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_REQUEST_BODY", value_name = "BYTES", default_value_t = 1024 * 1024,
          value_parser = positive)]
    pub max_request_body: usize,
    /// Time for a request's body to come, or for a WebSocket's message, as in `10s`.
    #[arg(long, env = "INTUNE_GRAPHQL_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s",
          value_parser = duration)]
    pub body_timeout: Duration,
    /// Largest payload of a configuration, in bytes before base64, which makes it a third longer: a payload of this size
    /// needs a larger `--max-request-body` than the default.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CONFIGURATION_PAYLOAD", value_name = "BYTES", default_value_t = 1024 * 1024,
          value_parser = positive)]
    pub max_configuration_payload: usize,
    /// Largest response, in bytes as they are estimated while it is built: its text, and about 100 bytes for each field. A
    /// field beyond it is null with `QUERY_TOO_LARGE`. Ids of what a mutation wrote are always delivered.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_RESPONSE", value_name = "BYTES", default_value_t = 16 * 1024 * 1024,
          value_parser = positive)]
    pub max_response: usize,
}
