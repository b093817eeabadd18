//! The settings, as plain data: clap fills them from flags and environment variables, they are checked once, and
//! nothing changes them afterwards. Every field's comment is its `--help` text, and says its unit.
//!
//! A setting is a flag and a variable: `--graph-url` is `INTUNE_GRAPHQL_GRAPH_URL`. A secret is never a flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::graph::{Cloud, CreatePath};
use crate::sandbox::settings::{IdPolicy, Profile, RefMode, StatusIds, Switch};
use crate::sandbox::{Fault, FaultRule, Settings};

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
    Serve(GatewayConfig),
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
    #[arg(long, env = "INTUNE_GRAPHQL_CONNECT_TIMEOUT", value_name = "DURATION", default_value = "10s",
          value_parser = duration)]
    pub connect_timeout: Duration,
    /// Largest answer that is read from Graph, in bytes, after decompression.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_GRAPH_RESPONSE", value_name = "BYTES", default_value_t = 16 * 1024 * 1024)]
    pub max_graph_response: usize,
}

/// Limits of one GraphQL request.
#[derive(Debug, Clone, Args)]
pub struct HttpConfig {
    /// Time for one request, Graph's answers included, as in `30s`.
    #[arg(long, env = "INTUNE_GRAPHQL_DEADLINE", value_name = "DURATION", default_value = "30s",
          value_parser = duration)]
    pub deadline: Duration,
    /// Largest request body, in bytes.
    #[arg(long, env = "INTUNE_GRAPHQL_MAX_BODY", value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub max_body: usize,
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

/// The sandbox's settings. Faults are written as in `503;retry-after=1;times=2`; the documentation of the module
/// `sandbox::faults` lists them.
#[derive(Debug, Clone, Args)]
pub struct SandboxConfig {
    /// Where the sandbox is served; its Graph root is `/beta`. Port 0 takes a free port and prints it.
    #[arg(
        long,
        env = "INTUNE_GRAPHQL_SANDBOX_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:4010"
    )]
    pub listen: SocketAddr,
    /// Scheme, host and port in links, as in `https://graph.example.org`; taken from each request where unset.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// What to play: Graph as documented, or as it was reported to be.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_PROFILE", value_enum, default_value_t = Profile::Documented)]
    pub profile: Profile,
    /// Check the Authorization header.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_AUTH", value_enum, default_value_t = Switch::On)]
    pub auth: Switch,
    /// What `POST …/deviceStatuses/$ref` does.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_REF_MODE", value_enum, default_value_t = RefMode::Refuse)]
    pub ref_mode: RefMode,
    /// What becomes of an `id` in the body of a create.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_IDS", value_enum, default_value_t = IdPolicy::Ignore)]
    pub ids: IdPolicy,
    /// Form of the ids of new status rows.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_STATUS_IDS", value_enum, default_value_t = StatusIds::Composite)]
    pub status_ids: StatusIds,
    /// Refuse properties that a type lacks; off passes over them.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_STRICT_BODIES", value_enum, default_value_t = Switch::On)]
    pub strict_bodies: Switch,
    /// Honour `Prefer: return=minimal`.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_RETURN_MINIMAL", value_enum, default_value_t = Switch::On)]
    pub return_minimal: Switch,
    /// Compress answers for callers who accept it.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_GZIP", value_enum, default_value_t = Switch::On)]
    pub gzip: Switch,
    /// Seed of the data, of new ids and of random faults.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_SEED", value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Provisioning configurations at start; the first has a fixed id.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_CONFIGURATIONS", value_name = "COUNT", default_value_t = 5)]
    pub configurations: usize,
    /// Device statuses at start; nine in ten belong to the first configuration.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_STATUSES", value_name = "COUNT", default_value_t = 1200)]
    pub statuses: usize,
    /// Entities per page, at most.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_PAGE_SIZE", value_name = "COUNT", default_value_t = 1000,
          value_parser = at_least_one)]
    pub page_size: usize,
    /// Largest request body, in bytes.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_MAX_BODY", value_name = "BYTES", default_value_t = 4 * 1024 * 1024)]
    pub max_body: usize,
    /// Requests to keep for `GET /_sandbox/requests`; 0 keeps none.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_RECORD", value_name = "COUNT", default_value_t = 10_000)]
    pub record: usize,
    /// A fault from the start on; may be given several times.
    #[arg(long = "fault", env = "INTUNE_GRAPHQL_SANDBOX_FAULTS", value_name = "RULE", value_delimiter = ' ')]
    pub faults: Vec<FaultRule>,
    /// Share of requests, 0 to 1, that meet a fault of the mix.
    #[arg(long, env = "INTUNE_GRAPHQL_SANDBOX_FAULT_RATE", value_name = "SHARE", default_value_t = 0.0,
          value_parser = share)]
    pub fault_rate: f64,
    /// What random faults are drawn from, with spaces between them; each is as likely as the next.
    #[arg(
        long,
        env = "INTUNE_GRAPHQL_SANDBOX_FAULT_MIX",
        value_name = "FAULTS",
        value_delimiter = ' ',
        default_value = "429;retry-after=1 500;body=wrapped 503 504;body=empty-message drop-applied"
    )]
    pub fault_mix: Vec<Fault>,
}

impl From<SandboxConfig> for Settings {
    fn from(config: SandboxConfig) -> Self {
        Self {
            profile: config.profile,
            public_url: config.public_url.map(|url| url.trim_end_matches('/').to_owned()),
            auth: config.auth,
            ref_mode: config.ref_mode,
            ids: config.ids,
            status_ids: config.status_ids,
            strict_bodies: config.strict_bodies,
            return_minimal: config.return_minimal,
            gzip: config.gzip,
            seed: config.seed,
            configurations: config.configurations,
            statuses: config.statuses,
            page_size: config.page_size,
            max_body: config.max_body,
            record: config.record,
            faults: config.faults,
            fault_rate: config.fault_rate,
            fault_mix: config.fault_mix,
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number, at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "must be a number between 0 and 1".to_owned())
}

/// The defaults of `--help`, for what is started without a command line of its own.
impl Default for GraphConfig {
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

fn defaults<T: Args>() -> T {
    let command = T::augment_args(clap::Command::new("defaults")).mut_args(|arg| arg.env(None::<&str>));
    let matches = command.get_matches_from(["defaults"]);
    T::from_arg_matches(&matches).expect("every setting has a default")
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

    use super::{Cli, Command, Settings};

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
