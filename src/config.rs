//! The settings, as plain data: clap fills them from flags and environment variables, they are checked once, and
//! nothing changes them afterwards. Every field's comment is its `--help` text, and says its unit.
//!
//! A setting is a flag and a variable: `--graph-url` is `INTUNE_GRAPHQL_GRAPH_URL`. A secret is never a flag.

mod graph;
mod limits;
mod renamed;
mod request;
mod state;
mod values;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use http::HeaderValue;

pub use self::graph::{Cloud, CreatePath, GraphConfig};
pub use self::limits::{LimitsConfig, LoadConfig};
pub use self::request::RequestConfig;
pub use self::state::StateConfig;
use self::values::{duration, origin, page_size, positive};

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

impl Cli {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    ///
    /// As clap reports them, requests for help and version included. A setting that was renamed is an error that names the
    /// new one.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        let mut definition = Self::definition();
        let matches = definition.try_get_matches_from_mut(arguments);
        let matches = matches.map_err(|error| renamed::name_flag(&mut definition, error))?;
        let cli = Self::from_arg_matches(&matches)?;
        if let Command::Serve(_) = cli.command {
            renamed::check_variables(&mut definition)?;
        }
        Ok(cli)
    }

    /// The command line as it is defined, with the variables of `sandbox` under the prefix of this program's own.
    #[must_use]
    pub fn definition() -> clap::Command {
        let command = Self::command();
        #[cfg(feature = "sandbox")]
        let command = command.mut_subcommand("sandbox", |sandbox| sandbox.mut_args(with_own_prefix));
        command
    }
}

#[cfg(feature = "sandbox")]
fn with_own_prefix(arg: clap::Arg) -> clap::Arg {
    let variable =
        arg.get_env().and_then(|name| name.to_str()).map(|name| name.replace("MSGRAPH_", "INTUNE_GRAPHQL_"));
    match variable {
        Some(variable) => arg.env(variable),
        None => arg,
    }
}

/// The program's commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a gateway and a sandbox on this machine: nothing to set up, a mutation to paste.
    #[cfg(feature = "sandbox")]
    Demo(DemoConfig),
    /// Run the gateway in front of Microsoft Graph.
    Serve(Box<GatewayConfig>),
    /// Run an in-memory stand-in for Microsoft Graph, spoken to over HTTP.
    #[cfg(feature = "sandbox")]
    Sandbox(Box<msgraph_sandbox::Options>),
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
    /// Limits of one request.
    #[command(flatten)]
    pub request: RequestConfig,
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
    #[arg(long, env = "INTUNE_GRAPHQL_SUBSCRIPTION_RECHECK", value_name = "DURATION", default_value = "60s",
          value_parser = humantime::parse_duration)]
    pub subscription_recheck: Duration,
    /// Most reads of Microsoft Graph a second that the events of one subscription may cause; after a pause, ten seconds' worth
    /// at once. A field beyond it is null, with `THROTTLED`.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SUBSCRIBER_READS", value_name = "PER_SECOND",
          default_value_t = 10, value_parser = positive)]
    pub max_subscriber_reads: usize,
    /// The same for the events of all subscriptions together. Checks of what a subscriber may read are counted, and wait
    /// for their turn.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_SUBSCRIPTION_READS", value_name = "PER_SECOND",
          default_value_t = 25, value_parser = positive)]
    pub max_subscription_reads: usize,
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

/// The demo's settings.
#[cfg(feature = "sandbox")]
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

/// The defaults of `--help`, for a gateway that is started without a command line of its own.
impl Default for GatewayConfig {
    fn default() -> Self {
        defaults()
    }
}

fn defaults<T: Args>() -> T {
    let command = T::augment_args(clap::Command::new("defaults")).mut_args(|arg| arg.env(None::<&str>));
    let matches = command.get_matches_from(["defaults"]);
    T::from_arg_matches(&matches).expect("every setting has a default")
}

#[cfg(test)]
mod tests {
    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::definition().debug_assert();
    }

    #[test]
    fn every_setting_has_a_variable() {
        for command in std::iter::once(Cli::definition()).chain(Cli::definition().get_subcommands().cloned())
        {
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
