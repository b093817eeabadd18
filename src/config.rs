//! The settings, as plain data: clap fills them from flags and environment variables, they are checked once, and
//! nothing changes them afterwards. Every field's comment is its `--help` text, and says its unit.
//!
//! A setting is a flag and a variable: `--graph-url` is `INTUNE_GRAPHQL_GRAPH_URL`. A secret is never a flag.

mod sandbox;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use http::HeaderValue;

pub use self::sandbox::SandboxConfig;
use crate::graph::{Cloud, CreatePath};
use crate::schema::operation::Limits;
use crate::server::{AdmissionLimits, ConnectionLimits};

/// A typed GraphQL façade over Microsoft Graph's Intune app provisioning endpoints.
///
/// Start with `intune-graphql demo`: it needs no account, no token and no network.
#[derive(Debug, Parser)]
#[command(name = "intune-graphql", version, max_term_width = 110)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
    /// How and what to log; logs go to standard error.
    #[command(flatten)]
    pub log: LogConfig,
}

/// The program's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a gateway and a sandbox on this machine: nothing to set up, a mutation to paste.
    Demo(DemoConfig),
    /// Run the gateway in front of Microsoft Graph.
    Serve(Box<GatewayConfig>),
    /// Run an in-memory stand-in for Microsoft Graph, spoken to over HTTP.
    Sandbox(SandboxConfig),
    /// Print the GraphQL schema (SDL).
    Schema,
    /// Exit 0 when the gateway (or sandbox) at the given address is ready, 1 when it is not.
    Healthcheck(HealthcheckConfig),
}

/// What is logged, and in which form. Tokens and bodies never are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogConfig {
    /// Levels to log, as in `info` or `warn,intune_graphql=debug`.
    #[arg(long, global = true, env = "INTUNE_GRAPHQL_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// Form of a log line.
    #[arg(long, global = true, env = "INTUNE_GRAPHQL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// The gateway's settings.
#[derive(Debug, Clone, Args)]
pub struct GatewayConfig {
    /// Where GraphQL is served. Port 0 takes a free port and prints it.
    #[arg(long, env = "INTUNE_GRAPHQL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4000")]
    pub listen: SocketAddr,
    /// Where `/livez` and `/readyz` are served.
    #[arg(long, env = "INTUNE_GRAPHQL_ADMIN_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4001")]
    pub admin_listen: SocketAddr,
    /// Which Microsoft Graph to speak to.
    #[command(flatten)]
    pub graph: GraphConfig,
    /// What a GraphQL request may cost and see.
    #[command(flatten)]
    pub http: HttpConfig,
    /// What a document may ask for.
    #[command(flatten)]
    pub limits: LimitsConfig,
    /// How much is taken on at a time.
    #[command(flatten)]
    pub load: LoadConfig,
    /// File with the documents that are trusted, by their ids: the manifest that Relay, graphql-codegen or Apollo writes.
    #[arg(long, env = "INTUNE_GRAPHQL_TRUSTED_DOCUMENTS", value_name = "FILE")]
    pub trusted_documents: Option<PathBuf>,
    /// Take no other documents than the trusted ones.
    #[arg(long, env = "INTUNE_GRAPHQL_TRUSTED_DOCUMENTS_ONLY", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set, requires = "trusted_documents")]
    pub trusted_documents_only: bool,
    /// Origins whose pages may send requests from a browser, as in `https://app.example.org`; may be repeated, or given
    /// with commas between. Without it none but the gateway's own may; `*` is not offered.
    #[arg(long = "cors-origin", env = "INTUNE_GRAPHQL_CORS_ORIGIN", value_name = "ORIGIN", value_delimiter = ',',
          value_parser = origin)]
    pub cors_origins: Vec<HeaderValue>,
    /// How many objects a page has where the caller does not say, 1 to 1000.
    #[arg(long, env = "INTUNE_GRAPHQL_DEFAULT_PAGE_SIZE", value_name = "COUNT", default_value_t = 50,
          value_parser = page_size)]
    pub default_page_size: usize,
    /// File with the key that cursors are sealed with, 32 bytes in base64 (`openssl rand -base64 32`), which replicas
    /// share. Without it the key is random, and cursors hold until the gateway ends.
    #[arg(long, env = "INTUNE_GRAPHQL_CURSOR_KEY_FILE", value_name = "FILE")]
    pub cursor_key_file: Option<PathBuf>,
    /// For how long a subscriber is told of events after Graph has last let the token read what they are of, as in `60s`;
    /// then Graph is asked again.
    #[arg(long, env = "INTUNE_GRAPHQL_SUBSCRIBER_RECHECK", value_name = "DURATION", default_value = "60s",
          value_parser = humantime::parse_duration)]
    pub subscriber_recheck: Duration,
    /// Where idempotency keys are kept.
    #[command(flatten)]
    pub state: StateConfig,
    /// How long requests are still taken after SIGTERM, so that load balancers notice first, as in `5s`.
    #[arg(long, env = "INTUNE_GRAPHQL_DRAIN_DELAY", value_name = "DURATION", default_value = "0s",
          value_parser = humantime::parse_duration)]
    pub drain_delay: Duration,
    /// How long what is under way may take to finish after that, as in `30s`.
    #[arg(long, env = "INTUNE_GRAPHQL_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "30s",
          value_parser = duration)]
    pub drain_timeout: Duration,
    /// Serve the GraphiQL page at `/graphiql`.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPHIQL", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub graphiql: bool,
    /// Answer introspection (`__schema`, `__type`).
    #[arg(long, env = "INTUNE_GRAPHQL_INTROSPECTION", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub introspection: bool,
}

/// Which Microsoft Graph, and how to reach it. The proxy variables (`HTTPS_PROXY`, `NO_PROXY`) are honoured, except
/// towards a loopback address.
#[derive(Debug, Clone, Args)]
pub struct GraphConfig {
    /// The national cloud whose `/beta` to use.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CLOUD", value_enum, default_value_t = Cloud::Global)]
    pub graph_cloud: Cloud,
    /// Any other Graph root, version included, as in `http://127.0.0.1:4010/beta`. Wins over the cloud.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_URL", value_name = "URL")]
    pub graph_url: Option<String>,
    /// PEM file with certificate authorities to trust besides the system's.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_CA", value_name = "FILE")]
    pub graph_ca: Option<PathBuf>,
    /// Allow a plain-http Graph root that is not loopback: callers' tokens then cross the network unencrypted.
    #[arg(long, env = "INTUNE_GRAPHQL_ALLOW_INSECURE_GRAPH", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub allow_insecure_graph: bool,
    /// Which of the two documented URLs creates a device status.
    #[arg(long, env = "INTUNE_GRAPHQL_CREATE_PATH", value_enum, default_value_t = CreatePath::Collection)]
    pub create_path: CreatePath,
    /// Longest wait for a connection to Graph, as in `500ms` or `10s`.
    #[arg(long, env = "INTUNE_GRAPHQL_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "5s",
          value_parser = duration)]
    pub connect_timeout: Duration,
    /// Longest wait for the answer to one attempt at a read, or at a write that may be sent again, as in `10s`; longer than
    /// the wait for a connection. A create is sent once and waited for until the deadline.
    #[arg(long, env = "INTUNE_GRAPHQL_ATTEMPT_TIMEOUT", value_name = "DURATION", default_value = "10s",
          value_parser = duration)]
    pub attempt_timeout: Duration,
    /// Graph keeps the `graphId` that callers give new objects, and refuses a second one of the same: a create whose answer
    /// was lost is then sent again. Only where that was tried; on the live service such ids may be ignored.
    #[arg(long, env = "INTUNE_GRAPHQL_GRAPH_KEEPS_IDS", value_name = "BOOL", default_value_t = false,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub graph_keeps_ids: bool,
    /// Largest answer that is read from Graph, in bytes, after decompression.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_GRAPH_RESPONSE", value_name = "BYTES", default_value_t = 16 * 1024 * 1024,
          value_parser = positive)]
    pub max_graph_response: usize,
}

/// Where idempotency keys are kept, and for how long.
#[derive(Debug, Clone, Args)]
pub struct StateConfig {
    /// File that keeps idempotency keys, made where there is none; each gateway needs one of its own. Without it they are
    /// kept in memory, and forgotten when the gateway ends.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_FILE", value_name = "FILE")]
    pub state_file: Option<PathBuf>,
    /// How long an idempotency key is known after its last write, as in `24h`.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_RETENTION", value_name = "DURATION", default_value = "24h",
          value_parser = retention)]
    pub state_retention: Duration,
    /// Most writes whose keys are known at once; each item of a bulk call is one. Beyond it new keys are refused.
    #[arg(long, env = "INTUNE_GRAPHQL_STATE_CAPACITY", value_name = "COUNT", default_value_t = 250_000,
          value_parser = positive)]
    pub state_capacity: usize,
}

/// Limits of one GraphQL request.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Time for one request, Graph's answers included, as in `30s`.
    #[arg(long, env = "INTUNE_GRAPHQL_DEADLINE", value_name = "DURATION", default_value = "30s",
          value_parser = duration)]
    pub deadline: Duration,
    /// Largest request body, in bytes.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_BODY", value_name = "BYTES", default_value_t = 1024 * 1024,
          value_parser = positive)]
    pub max_body: usize,
    /// Time for a request's body to come, as in `10s`.
    #[arg(long, env = "INTUNE_GRAPHQL_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s",
          value_parser = duration)]
    pub body_timeout: Duration,
    /// Largest payload of a configuration, in bytes before base64, which makes it a third longer: a payload of this size
    /// needs a larger `--max-body` than the default.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_PAYLOAD", value_name = "BYTES", default_value_t = 1024 * 1024,
          value_parser = positive)]
    pub max_payload: usize,
}

/// How much the gateway takes on at a time.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct LoadConfig {
    /// Most requests in flight.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_IN_FLIGHT", value_name = "COUNT",
          default_value_t = AdmissionLimits::default().in_flight,
          value_parser = positive)]
    pub max_in_flight: usize,
    /// Most requests that wait until one of those is done; more are refused with 503.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_WAITING", value_name = "COUNT",
          default_value_t = AdmissionLimits::default().waiting)]
    pub max_waiting: usize,
    /// Most of both that one token may have, in hundredths, 1 to 100.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_TOKEN_SHARE", value_name = "PERCENT",
          default_value_t = AdmissionLimits::default().token_share, value_parser = percent)]
    pub max_token_share: usize,
    /// Most streams of live updates that are open, which are no requests in flight; one token may have its share of them.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_STREAMS", value_name = "COUNT", default_value_t = 4096)]
    pub max_streams: usize,
    /// Most bytes of all bodies together, and as many of all answers that have not been taken; no less than a body may have.
    /// Beyond it, larger bodies are refused with 503, and requests of clients that have answers to take.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_BUFFERED", value_name = "BYTES", default_value_t = 256 * 1024 * 1024)]
    pub max_buffered: usize,
    /// Most connections; more wait to be taken. No more than half of the files that the system lets the process open.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_CONNECTIONS", value_name = "COUNT",
          default_value_t = ConnectionLimits::default().connections,
          value_parser = positive)]
    pub max_connections: usize,
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

impl From<&LoadConfig> for AdmissionLimits {
    fn from(config: &LoadConfig) -> Self {
        Self {
            in_flight: config.max_in_flight,
            waiting: config.max_waiting,
            token_share: config.max_token_share,
        }
    }
}

impl From<&LoadConfig> for ConnectionLimits {
    fn from(config: &LoadConfig) -> Self {
        Self {
            connections: config.max_connections,
            header_timeout: config.header_timeout,
            idle_timeout: config.idle_timeout,
            send_timeout: config.send_timeout,
        }
    }
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

impl From<&LimitsConfig> for Limits {
    fn from(config: &LimitsConfig) -> Self {
        Self {
            document: config.max_document,
            tokens: config.max_tokens,
            nesting: config.max_nesting,
            directives: config.max_directives,
            expanded_selections: config.max_selections,
            depth: config.max_depth,
            aliases: config.max_aliases,
            root_fields: config.max_root_fields,
            root_mutations: config.max_root_mutations,
            cost: config.max_cost,
            introspection: config.max_introspection,
        }
    }
}

/// The demo's settings.
#[derive(Debug, Clone, Args)]
pub struct DemoConfig {
    /// Where GraphQL and GraphiQL are served. Port 0 takes a free port and prints it.
    #[arg(long, env = "INTUNE_GRAPHQL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4000")]
    pub listen: SocketAddr,
    /// Where `/livez` and `/readyz` are served.
    #[arg(long, env = "INTUNE_GRAPHQL_ADMIN_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4001")]
    pub admin_listen: SocketAddr,
    /// Where the sandbox is served.
    #[arg(
        long,
        env = "INTUNE_GRAPHQL_SANDBOX_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:4010"
    )]
    pub sandbox_listen: SocketAddr,
}

/// The address to ask.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckConfig {
    /// The admin listener's address, or a whole URL to ask instead of its `/readyz`.
    #[arg(
        long,
        env = "INTUNE_GRAPHQL_HEALTHCHECK_URL",
        value_name = "ADDR|URL",
        default_value = "127.0.0.1:4001"
    )]
    pub url: String,
    /// Longest wait for the answer, as in `3s`.
    #[arg(long, env = "INTUNE_GRAPHQL_HEALTHCHECK_TIMEOUT", value_name = "DURATION", default_value = "3s",
          value_parser = duration)]
    pub timeout: Duration,
}

/// The defaults of `--help`, for what is started without a command line of its own.
impl Default for GraphConfig {
    fn default() -> Self {
        defaults()
    }
}

/// The defaults of `--help`, for what is started without a command line of its own.
impl Default for StateConfig {
    fn default() -> Self {
        defaults()
    }
}

/// The defaults of `--help`, for what is started without a command line of its own.
impl Default for HttpConfig {
    fn default() -> Self {
        defaults()
    }
}

/// The defaults of `--help`, for what is started without a command line of its own.
impl Default for LoadConfig {
    fn default() -> Self {
        defaults()
    }
}

fn defaults<T: Args>() -> T {
    let command = T::augment_args(clap::Command::new("defaults")).mut_args(|arg| arg.env(None::<&str>));
    let matches = command.get_matches_from(["defaults"]);
    T::from_arg_matches(&matches).expect("every setting has a default")
}

/// A scheme, a host and perhaps a port, as browsers send it in `Origin`.
fn origin(text: &str) -> Result<HeaderValue, String> {
    if text == "*" {
        return Err("`*` is not offered: any page that a user opens could then reach the gateway; name each origin, as in \
                    https://app.example.org"
            .to_owned());
    }
    let url = url::Url::parse(text).map_err(|error| format!("{error}; write https://app.example.org"))?;
    if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != text {
        return Err(format!(
            "an origin is a scheme, a host and perhaps a port, as in {}",
            url.origin().ascii_serialization()
        ));
    }
    HeaderValue::from_str(text).map_err(|error| error.to_string())
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "must be a number from 1 on".to_owned())
}

fn page_size(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|size| (1..=1000).contains(size))
        .ok_or_else(|| "must be from 1 to 1000".to_owned())
}

fn percent(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|share| (1..=100).contains(share))
        .ok_or_else(|| "must be from 1 to 100".to_owned())
}

/// More would need more of the stack than a thread has.
fn nesting(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|depth| (1..=64).contains(depth))
        .ok_or_else(|| "must be from 1 to 64".to_owned())
}

/// At least a second, since keys expire by the second.
fn retention(text: &str) -> Result<Duration, String> {
    let retention = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, as in 30m or 24h"))?;
    if retention < Duration::from_secs(1) {
        return Err("must be at least one second".to_owned());
    }
    Ok(retention)
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, as in 500ms or 30s"))?;
    match duration {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        // Far longer than any request; beyond some thousands of years, clocks overflow.
        _ if duration > LONGEST => Err("must not be longer than one day".to_owned()),
        _ => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Command};
    use crate::sandbox::Settings;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_sandbox_starts_with_its_documented_settings() {
        let Command::Sandbox(config) = Cli::parse_from(["intune-graphql", "sandbox"]).command else {
            panic!("another command");
        };
        // The mix is of no effect without a rate.
        let settings = Settings { fault_mix: Vec::new(), ..Settings::from(config) };
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn sandbox_faults_are_read() {
        let arguments =
            ["intune-graphql", "sandbox", "--fault", "503;times=1", "--fault", "drop-applied;method=POST"];
        let Command::Sandbox(config) = Cli::parse_from(arguments).command else {
            panic!("another command");
        };
        assert_eq!(config.faults.len(), 2);
        assert_eq!(config.fault_mix.len(), 5);
        assert!(Cli::try_parse_from(["intune-graphql", "sandbox", "--fault", "nope"]).is_err());
    }

    #[test]
    fn every_setting_has_a_variable() {
        for command in std::iter::once(Cli::command()).chain(Cli::command().get_subcommands().cloned()) {
            for arg in
                command.get_arguments().filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
            {
                let flag = arg.get_long().expect("settings have a long flag");
                let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
                assert!(
                    variable.starts_with("INTUNE_GRAPHQL_"),
                    "--{flag} of `{}` has no variable",
                    command.get_name()
                );
                assert!(arg.get_help().is_some(), "--{flag} has no help");
            }
        }
    }
}
