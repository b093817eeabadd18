//! What front ends may use: origins, documents, GraphiQL, pages of lists, subscriptions.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use http::HeaderValue;

use super::values::{boolean, origin, page_size, positive};

/// What front ends may use.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Front ends")]
pub struct FrontEndConfig {
    /// Origins whose pages may call the gateway from a browser, for example `https://app.example.org`. Repeat
    /// it, or separate origins by commas. `*` is not supported.
    #[arg(long = "cors-origin", env = "INTUNE_GRAPHQL_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
    /// Serve GraphiQL at `/graphiql`.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPHIQL", value_name = "BOOL", default_value_t = false, value_parser = boolean,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub graphiql: bool,
    /// Answer introspection (`__schema` and `__type`), and suggest names of the schema in error messages.
    #[arg(long, env = "INTUNE_GRAPHQL_INTROSPECTION", value_name = "BOOL", default_value_t = false, value_parser = boolean,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub introspection: bool,
    /// Manifest of trusted documents, as Relay, graphql-codegen or Apollo write it. Each document is checked
    /// at start. The file is read again when it changes, and on SIGHUP.
    #[arg(long, env = "INTUNE_GRAPHQL_TRUSTED_DOCUMENTS", value_name = "FILE")]
    pub trusted_documents: Option<PathBuf>,
    /// What to do with documents that are not trusted.
    #[arg(long, env = "INTUNE_GRAPHQL_TRUSTED_DOCUMENTS_MODE", value_enum, default_value_t = TrustedDocumentsMode::Off)]
    pub trusted_documents_mode: TrustedDocumentsMode,
    /// Number of objects on a page if a query does not set `first`, 1 to 1000.
    #[arg(long, env = "INTUNE_GRAPHQL_DEFAULT_PAGE_SIZE", value_name = "COUNT", default_value_t = 50, value_parser = page_size)]
    pub default_page_size: usize,
    /// File with the key that encrypts cursors: 32 bytes in base64 (`openssl rand -base64 32`). Replicas must
    /// share it. Without it, the key is random, and cursors are valid until the gateway stops.
    #[arg(long, env = "INTUNE_GRAPHQL_CURSOR_KEY_FILE", value_name = "FILE")]
    pub cursor_key_file: Option<PathBuf>,
}

/// What to do with documents that are not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustedDocumentsMode {
    /// Execute them.
    Off,
    /// Execute them, and log and count them.
    Report,
    /// Reject them.
    Enforce,
}

/// Limits of subscriptions.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Subscriptions")]
pub struct SubscriptionConfig {
    /// Maximum number of open subscriptions; one caller may use `--max-caller-share` of them. They do not
    /// count toward `--max-concurrent-requests` and do not time out.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SUBSCRIPTIONS", value_name = "COUNT", default_value_t = 4096)]
    pub max_subscriptions: usize,
    /// How long the result of a successful authorization check is reused, at most. It is at least half of that, at random,
    /// so that subscribers that began together are not all checked at the same time.
    #[arg(long, env = "INTUNE_GRAPHQL_SUBSCRIPTION_RECHECK", value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    pub subscription_recheck: Duration,
    /// Maximum reads per second that the events of one subscription may cause, with a burst of ten seconds'
    /// worth. A field beyond it is null with `THROTTLED`.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SUBSCRIBER_READS", value_name = "PER_SECOND", default_value_t = 10, value_parser = positive)]
    pub max_subscriber_reads: usize,
    /// Maximum reads per second that the events of all subscriptions may cause, authorization checks
    /// included.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SUBSCRIPTION_READS", value_name = "PER_SECOND", default_value_t = 25, value_parser = positive)]
    pub max_subscription_reads: usize,
}
