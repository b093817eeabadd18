//! How much the gateway takes on, on the command line: of requests, connections and streams, and of a document.

use std::time::Duration;

use clap::Args;

use super::values::{backlog, duration, nesting, percent, positive};
use graphql_prepare::Limits;

/// How much the gateway takes on at a time.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadConfig {
    /// Maximum number of requests in flight.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CONCURRENT_REQUESTS", value_name = "COUNT",
          default_value_t = 8192,
          value_parser = positive)]
    pub max_concurrent_requests: usize,
    /// Maximum number of requests that wait for one of those to end; more are rejected with 503.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_QUEUED_REQUESTS", value_name = "COUNT", default_value_t = 1024)]
    pub max_queued_requests: usize,
    /// Share of both limits that one caller may use, in percent, 1 to 100.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CALLER_SHARE", value_name = "PERCENT",
          default_value_t = 25, value_parser = percent)]
    pub max_caller_share: usize,
    /// Maximum number of open subscriptions. They do not count toward `--max-concurrent-requests`; the share of one caller
    /// is the same.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SUBSCRIPTIONS", value_name = "COUNT", default_value_t = 4096)]
    pub max_subscriptions: usize,
    /// Most bytes of all bodies and WebSocket messages together, as many of what is read from Graph and not yet used, and as
    /// many of all answers that are being built or have not been taken; no less than a body may have. Resident memory may
    /// come to two or three times as much. Beyond it, larger bodies are refused with 503, bulk mutations with large results,
    /// and requests of clients that have answers to take; fields of larger answers are null with `OVERLOADED`.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_BUFFERED_BYTES", value_name = "BYTES", default_value_t = 256 * 1024 * 1024)]
    pub max_buffered_bytes: usize,
    /// Most connections; more wait to be taken. No more than half of the files that the system lets the process open.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CONNECTIONS", value_name = "COUNT",
          default_value_t = 10_000,
          value_parser = positive)]
    pub max_connections: usize,
    /// Most connections that wait to be accepted; a client that finds this queue full tries again after a second. The system
    /// may cap it (Linux: `net.core.somaxconn`).
    #[arg(long, env = "INTUNE_GRAPHQL_LISTEN_BACKLOG", value_name = "COUNT", default_value_t = 4096,
          value_parser = backlog)]
    pub listen_backlog: u32,
    /// Longest wait for the head of a request from its first byte on, and for the first request of a connection, as in
    /// `10s`.
    #[arg(long, env = "INTUNE_GRAPHQL_HEADER_TIMEOUT", value_name = "DURATION", default_value = "10s",
          value_parser = duration)]
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request, as in `75s`.
    #[arg(long, env = "INTUNE_GRAPHQL_IDLE_TIMEOUT", value_name = "DURATION", default_value = "75s",
          value_parser = duration)]
    pub idle_timeout: Duration,
    /// How long a client may take to take an answer, as in `60s`.
    #[arg(long, env = "INTUNE_GRAPHQL_SEND_TIMEOUT", value_name = "DURATION", default_value = "60s",
          value_parser = duration)]
    pub send_timeout: Duration,
}

/// Limits of one GraphQL document. A request that passes one is `QUERY_TOO_LARGE`, and Graph is not asked.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of a document")]
pub struct LimitsConfig {
    /// Longest document, in bytes.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_DOCUMENT", value_name = "BYTES", default_value_t = Limits::default().document,
          value_parser = positive)]
    pub max_document: usize,
    /// Most tokens.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_TOKENS", value_name = "COUNT", default_value_t = Limits::default().tokens,
          value_parser = positive)]
    pub max_tokens: usize,
    /// How deep brackets of any kind may nest in a document, and in a variable's value, 1 to 64.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_NESTING", value_name = "COUNT", default_value_t = Limits::default().nesting,
          value_parser = nesting)]
    pub max_nesting: usize,
    /// Most directives.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_DIRECTIVES", value_name = "COUNT",
          default_value_t = Limits::default().directives)]
    pub max_directives: usize,
    /// Most selections once fragments are expanded.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SELECTIONS", value_name = "COUNT",
          default_value_t = Limits::default().expanded_selections,
          value_parser = positive)]
    pub max_selections: usize,
    /// How deep fields may nest, introspection left out.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_DEPTH", value_name = "COUNT", default_value_t = Limits::default().depth,
          value_parser = positive)]
    pub max_depth: usize,
    /// Most aliases.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_ALIASES", value_name = "COUNT", default_value_t = Limits::default().aliases)]
    pub max_aliases: usize,
    /// Most fields of a query itself.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_ROOT_FIELDS", value_name = "COUNT",
          default_value_t = Limits::default().root_fields,
          value_parser = positive)]
    pub max_root_fields: usize,
    /// Most fields of a mutation itself.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_ROOT_MUTATIONS", value_name = "COUNT",
          default_value_t = Limits::default().root_mutations)]
    pub max_root_mutations: usize,
    /// Most calls to Graph that an operation may cause; items of a batch count one each. Intune takes 1000 of an app in a
    /// tenant in 20 s.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_COST", value_name = "CALLS", default_value_t = Limits::default().cost,
          value_parser = positive)]
    pub max_cost: usize,
    /// Most values that introspection may give; to ask for the whole schema takes a tenth of the default.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_INTROSPECTION", value_name = "COUNT",
          default_value_t = Limits::default().introspection)]
    pub max_introspection: usize,
}
