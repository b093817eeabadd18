//! Limits of one request, of one document, and of all requests together.

use std::time::Duration;

use clap::Args;
use graphql_prepare::Limits;

use super::values::{backlog, duration, nesting, percent, positive};

/// Limits of one request.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Request limits")]
pub struct RequestConfig {
    /// Maximum time for one request, calls to Graph included.
    #[arg(long, env = "INTUNE_GRAPHQL_REQUEST_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
    /// Maximum size of a request body in bytes.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_REQUEST_BODY", value_name = "BYTES", default_value_t = 1024 * 1024, value_parser = positive)]
    pub max_request_body: usize,
    /// Maximum time to receive a request body or a WebSocket message.
    #[arg(long, env = "INTUNE_GRAPHQL_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub body_timeout: Duration,
    /// Maximum size of a configuration's `payload` in bytes. The request has it in base64, which is a third
    /// larger: for a payload of 1 MiB, raise `--max-request-body` to 1500000.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CONFIGURATION_PAYLOAD", value_name = "BYTES", default_value_t = 1024 * 1024, value_parser = positive)]
    pub max_configuration_payload: usize,
    /// Maximum number of pages, of up to 1000 rows each, that the gateway reads to filter or sort one list whose
    /// `$filter` or `$orderby` Graph refuses, and as many to count it. With 0, Graph's error is returned.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_FALLBACK_PAGES", value_name = "COUNT", default_value_t = 5)]
    pub max_fallback_pages: usize,
    /// Maximum size of a response in bytes, estimated while it is built: its text and about 100 bytes per
    /// field. A field beyond it is null with `QUERY_TOO_LARGE`; the ids of written objects are always
    /// returned.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_RESPONSE", value_name = "BYTES", default_value_t = 16 * 1024 * 1024, value_parser = positive)]
    pub max_response: usize,
}

/// Limits of one GraphQL document. A request that exceeds one is rejected with `QUERY_TOO_LARGE` before anything executes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Document limits")]
pub struct LimitsConfig {
    /// Maximum length of a document in bytes.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_DOCUMENT", value_name = "BYTES", default_value_t = Limits::default().document, value_parser = positive)]
    pub max_document: usize,
    /// Maximum number of tokens.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_TOKENS", value_name = "COUNT", default_value_t = Limits::default().tokens, value_parser = positive)]
    pub max_tokens: usize,
    /// Maximum nesting of brackets in a document and in a variable's value, 1 to 64.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_NESTING", value_name = "COUNT", default_value_t = Limits::default().nesting, value_parser = nesting)]
    pub max_nesting: usize,
    /// Maximum number of directives.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_DIRECTIVES", value_name = "COUNT", default_value_t = Limits::default().directives)]
    pub max_directives: usize,
    /// Maximum number of selections after fragments are expanded.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SELECTIONS", value_name = "COUNT", default_value_t = Limits::default().expanded_selections, value_parser = positive)]
    pub max_selections: usize,
    /// Maximum depth of fields, introspection excluded.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_DEPTH", value_name = "COUNT", default_value_t = Limits::default().depth, value_parser = positive)]
    pub max_depth: usize,
    /// Maximum number of aliases.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_ALIASES", value_name = "COUNT", default_value_t = Limits::default().aliases)]
    pub max_aliases: usize,
    /// Maximum number of root fields in a query.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_ROOT_FIELDS", value_name = "COUNT", default_value_t = Limits::default().root_fields, value_parser = positive)]
    pub max_root_fields: usize,
    /// Maximum number of root fields in a mutation.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_ROOT_MUTATIONS", value_name = "COUNT", default_value_t = Limits::default().root_mutations)]
    pub max_root_mutations: usize,
    /// Maximum number of calls to Graph that an operation may cause; each item of a batch counts. Intune
    /// allows an app 1000 per tenant in 20 s.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_COST", value_name = "CALLS", default_value_t = Limits::default().cost, value_parser = positive)]
    pub max_cost: usize,
    /// Maximum number of values in an introspection result. Reading the whole schema takes a tenth of the
    /// default.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_INTROSPECTION", value_name = "COUNT", default_value_t = Limits::default().introspection)]
    pub max_introspection: usize,
}

/// Limits of all requests and connections together.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load limits")]
pub struct LoadConfig {
    /// Maximum number of requests in flight.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CONCURRENT_REQUESTS", value_name = "COUNT", default_value_t = 8192, value_parser = positive)]
    pub max_concurrent_requests: usize,
    /// Maximum number of requests that wait for one in flight to end. More are rejected with 503.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_QUEUED_REQUESTS", value_name = "COUNT", default_value_t = 1024)]
    pub max_queued_requests: usize,
    /// Share of each of the two limits, and of `--max-buffered-bytes`, that one caller may use, in percent, 1 to 100.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CALLER_SHARE", value_name = "PERCENT", default_value_t = 25, value_parser = percent)]
    pub max_caller_share: usize,
    /// Size in bytes of three separate memory budgets: request bodies and WebSocket messages, responses from
    /// Graph, and responses to clients. At least `--max-request-body`. Resident memory may reach two to three
    /// times as much. Beyond a budget, requests are rejected with 503 and large fields are null
    /// with `OVERLOADED`.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_BUFFERED_BYTES", value_name = "BYTES", default_value_t = 256 * 1024 * 1024)]
    pub max_buffered_bytes: usize,
    /// Maximum number of client connections; more wait. Limited to half of the files that the system lets the
    /// process open.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = 10_000, value_parser = positive)]
    pub max_connections: usize,
    /// Maximum number of connections that wait to be accepted. The system may limit it further (Linux:
    /// `net.core.somaxconn`).
    #[arg(long, env = "INTUNE_GRAPHQL_LISTEN_BACKLOG", value_name = "COUNT", default_value_t = 4096, value_parser = backlog)]
    pub listen_backlog: u32,
    /// Maximum time to receive the head of a request, and the first request of a connection.
    #[arg(long, env = "INTUNE_GRAPHQL_HEADER_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub header_timeout: Duration,
    /// Maximum time that a connection may stay open without a request.
    #[arg(long, env = "INTUNE_GRAPHQL_IDLE_TIMEOUT", value_name = "DURATION", default_value = "75s", value_parser = duration)]
    pub idle_timeout: Duration,
    /// Maximum time for a client to read a response, which it may exceed if it reads at least 16 KiB/s.
    #[arg(long, env = "INTUNE_GRAPHQL_SEND_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub send_timeout: Duration,
}
