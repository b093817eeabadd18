//! The settings as plain data. clap fills them from flags and environment variables; they are
//! checked once and never change. Each field's comment is its `--help` text with its unit.
//!
//! A setting is a flag and a variable: `--graph-url` is `INTUNE_GRAPHQL_GRAPH_URL`. A secret is never a flag.

mod effective;
mod file;
mod front_end;
mod graph;
mod limits;
mod logging;
mod renamed;
mod state;
mod suggestion;
mod traces;
mod usage_error;
mod values;
mod variables;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use self::effective::{EffectiveSetting, SettingSource};
use self::file::ConfigFile;
pub use self::front_end::{FrontEndConfig, SubscriptionConfig, TrustedDocumentsMode};
pub use self::graph::{Cloud, CreatePath, GraphConfig};
pub use self::limits::{LimitsConfig, LoadConfig, RequestConfig};
pub use self::logging::{AccessLog, AccessLogConfig, LogConfig, LogFormat};
pub use self::state::StateConfig;
pub use self::traces::{OtelVariable, RootSampler, SamplerConfig, TracesConfig, TracesProtocol};
pub use self::usage_error::UsageError;
use self::values::{address, boolean, duration, page_size};

/// A GraphQL gateway in front of Microsoft Graph's Intune app provisioning endpoints.
///
/// Start with `intune-graphql demo`: it needs no account, no token and no network.
#[derive(Debug, Parser)]
#[command(name = "intune-graphql", version, max_term_width = 110)]
pub struct Cli {
    /// What to run.
    #[command(subcommand)]
    pub command: Command,
    /// What to log.
    #[command(flatten)]
    pub log: LogConfig,
    /// The settings of the command, and where each value came from.
    #[arg(skip)]
    pub effective: Vec<EffectiveSetting>,
    /// The variables of OpenTelemetry that are set.
    #[arg(skip)]
    pub otel: Vec<OtelVariable>,
}

impl Cli {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    ///
    /// A request for help or the version, or an invalid setting. A renamed setting and an unknown
    /// variable are errors that contain the right name.
    pub fn read(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self, UsageError> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        variables::check_encoding(std::env::vars_os()).map_err(UsageError::Setting)?;
        let mut definition = Self::definition();
        let mut matches = parse(&definition, &arguments)?;
        let command = matches.subcommand_name().unwrap_or_default().to_owned();
        if !["schema", "healthcheck"].contains(&command.as_str()) {
            let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
            variables::check(&definition, names).map_err(UsageError::Setting)?;
        }
        let mut file = None;
        if let Some(path) = config_file(&matches) {
            let read = ConfigFile::read(path).map_err(UsageError::Setting)?;
            definition = read.apply(definition, &command).map_err(UsageError::Setting)?;
            matches = parse(&definition, &arguments)?;
            file = Some(read);
        }
        let mut cli = Self::from_arg_matches(&matches)
            .map_err(|error| UsageError::new(&definition, &arguments, error))?;
        let traces = match &mut cli.command {
            Command::Serve(config) | Command::Config(config) => Some(&mut config.traces),
            #[cfg(feature = "sandbox")]
            Command::Demo(config) => Some(&mut config.traces),
            _ => None,
        };
        if let Some(traces) = traces {
            let lookup =
                |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
            *traces = TracesConfig::read(lookup).map_err(UsageError::Setting)?;
            cli.otel = traces::variables(lookup);
        }
        if let Command::Serve(config) | Command::Config(config) = &mut cli.command {
            config.state.read_password();
        }
        if let Some((name, matches)) = matches.subcommand() {
            cli.effective = effective::effective(&definition, name, matches, file.as_ref());
        }
        Ok(cli)
    }

    /// The command line, with the variables of `sandbox` under the prefix of this program.
    #[must_use]
    pub fn definition() -> clap::Command {
        let command = Self::command();
        #[cfg(feature = "sandbox")]
        let command = command.mut_subcommand("sandbox", |sandbox| sandbox.mut_args(with_own_prefix));
        let command = variables::ignore_empty(command);
        // Help names variables, not their values: those may have credentials or control characters.
        let command = hide_variables(command);
        // A negative number is a wrong value, not a flag.
        command.mut_subcommands(|command| command.mut_args(|arg| arg.allow_negative_numbers(true)))
    }
}

fn hide_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| arg.hide_env_values(true));
    command.mut_subcommands(hide_variables)
}

fn parse(definition: &clap::Command, arguments: &[OsString]) -> Result<clap::ArgMatches, UsageError> {
    let matches = definition.clone().try_get_matches_from(arguments);
    matches.map_err(|error| UsageError::new(definition, arguments, error))
}

/// The configuration file of a subcommand that may have one.
fn config_file(matches: &clap::ArgMatches) -> Option<&PathBuf> {
    matches.subcommand()?.1.try_get_one("config").ok().flatten()
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
    /// Run a gateway with a sandbox behind it, and print a mutation to try.
    #[cfg(feature = "sandbox")]
    Demo(Box<DemoConfig>),
    /// Run the gateway in front of Microsoft Graph.
    Serve(Box<GatewayConfig>),
    /// Print the settings of `serve` in force, and where each value came from, as a configuration file.
    Config(Box<GatewayConfig>),
    /// Run the sandbox: an in-memory Microsoft Graph over HTTP.
    #[cfg(feature = "sandbox")]
    Sandbox(Box<msgraph_sandbox::Options>),
    /// Print the GraphQL schema (SDL).
    Schema,
    /// Check documents against the schema and the limits, offline: a manifest of trusted documents, or `.graphql` files.
    ///
    /// Prints a line for each problem, with file, line and column. Exits 0 if there is none, 1 if there are problems, and 2
    /// if the documents cannot be read.
    CheckDocuments(CheckDocumentsConfig),
    /// Exit 0 if the gateway at the given address is ready, else 1.
    Healthcheck(HealthcheckConfig),
}

/// The gateway's settings.
#[derive(Debug, Clone, Args)]
pub struct GatewayConfig {
    /// TOML file with settings. Keys are flags without `--`, for example `graph-cloud = "global"`. Variables and
    /// flags take precedence.
    #[arg(long, env = "INTUNE_GRAPHQL_CONFIG", value_name = "FILE", help_heading = "Configuration file")]
    pub config: Option<PathBuf>,
    /// Where to serve.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// TLS of the listeners.
    #[command(flatten)]
    pub tls: TlsConfig,
    /// Which Microsoft Graph to call, and how.
    #[command(flatten)]
    pub graph: GraphConfig,
    /// What front ends may use.
    #[command(flatten)]
    pub front_end: FrontEndConfig,
    /// Limits of subscriptions.
    #[command(flatten)]
    pub subscriptions: SubscriptionConfig,
    /// Where idempotency keys are stored.
    #[command(flatten)]
    pub state: StateConfig,
    /// Limits of one request.
    #[command(flatten)]
    pub request: RequestConfig,
    /// Limits of one document.
    #[command(flatten)]
    pub limits: LimitsConfig,
    /// Limits of all requests together.
    #[command(flatten)]
    pub load: LoadConfig,
    /// How to stop.
    #[command(flatten)]
    pub shutdown: ShutdownConfig,
    /// Which operations are logged.
    #[command(flatten)]
    pub access_log: AccessLogConfig,
    /// Where traces are sent, by the variables of OpenTelemetry; `None` if there are none.
    #[arg(skip)]
    pub traces: Option<TracesConfig>,
}

/// Where to serve.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listeners")]
pub struct ListenConfig {
    /// Address for GraphQL and GraphiQL. Port 0 takes a free port and prints it.
    #[arg(long, env = "INTUNE_GRAPHQL_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4000", value_parser = address)]
    pub listen: SocketAddr,
    /// Address for `/livez`, `/readyz` and `/metrics`.
    #[arg(long, env = "INTUNE_GRAPHQL_ADMIN_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4001", value_parser = address)]
    pub admin_listen: SocketAddr,
}

/// TLS of the listeners.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "TLS")]
pub struct TlsConfig {
    /// PEM file with the TLS certificate chain of the GraphQL listener. It is read again when it changes. Without it, the
    /// listener uses plain HTTP.
    #[arg(long, env = "INTUNE_GRAPHQL_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key of the certificate.
    #[arg(long, env = "INTUNE_GRAPHQL_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Use the certificate on the admin listener too.
    #[arg(long, env = "INTUNE_GRAPHQL_ADMIN_TLS", value_name = "BOOL", default_value_t = false, value_parser = boolean,
          num_args = 0..=1, default_missing_value = "true", action = clap::ArgAction::Set)]
    pub admin_tls: bool,
}

/// How to stop.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Shutdown")]
pub struct ShutdownConfig {
    /// How long requests are still accepted after SIGTERM, while `/readyz` already fails, so that load
    /// balancers notice.
    #[arg(long, env = "INTUNE_GRAPHQL_DRAIN_DELAY", value_name = "DURATION", default_value = "0s", value_parser = humantime::parse_duration)]
    pub drain_delay: Duration,
    /// Maximum time for requests in flight to finish after that.
    #[arg(long, env = "INTUNE_GRAPHQL_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub drain_timeout: Duration,
}

/// The demo's settings.
#[cfg(feature = "sandbox")]
#[derive(Debug, Clone, Args)]
pub struct DemoConfig {
    /// Where to serve.
    #[command(flatten)]
    pub listen: ListenConfig,
    /// Address for the sandbox.
    #[arg(
        long,
        env = "INTUNE_GRAPHQL_SANDBOX_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:4010", value_parser = address
    )]
    pub sandbox_listen: SocketAddr,
    /// Where traces are sent, by the variables of OpenTelemetry; `None` if there are none.
    #[arg(skip)]
    pub traces: Option<TracesConfig>,
}

/// Documents to check, and the limits of the gateway that executes them.
#[derive(Debug, Clone, Args)]
pub struct CheckDocumentsConfig {
    /// A manifest as for `serve --trusted-documents`, a folder with `.graphql` and `.gql` files, or one such file. Symbolic
    /// links, hidden folders and `node_modules` in a folder are skipped.
    #[arg(value_name = "MANIFEST|FOLDER|FILE")]
    pub path: PathBuf,
    /// Number of objects on a page if a query does not set `first`, 1 to 1000.
    #[arg(long, env = "INTUNE_GRAPHQL_DEFAULT_PAGE_SIZE", value_name = "COUNT", default_value_t = 50, value_parser = page_size)]
    pub default_page_size: usize,
    /// Limits of one document.
    #[command(flatten)]
    pub limits: LimitsConfig,
}

/// What to check.
#[derive(Debug, Clone, Args)]
pub struct HealthcheckConfig {
    /// Address of the admin listener, whose `/readyz` is requested, or a URL with another path.
    #[arg(
        long,
        env = "INTUNE_GRAPHQL_HEALTHCHECK_URL",
        value_name = "ADDR|URL",
        default_value = "127.0.0.1:4001"
    )]
    pub url: String,
    /// Maximum time for the response.
    #[arg(long, env = "INTUNE_GRAPHQL_HEALTHCHECK_TIMEOUT", value_name = "DURATION", default_value = "3s",
          value_parser = duration)]
    pub timeout: Duration,
    /// PEM file with certificate authorities to trust in addition to the system's, for an `https` URL.
    #[arg(long, env = "INTUNE_GRAPHQL_HEALTHCHECK_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// The defaults of `--help`, for a gateway that is started without a command line.
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
            let is_setting = |arg: &&clap::Arg| {
                !arg.is_positional() && !["help", "version"].contains(&arg.get_id().as_str())
            };
            for arg in command.get_arguments().filter(is_setting) {
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
