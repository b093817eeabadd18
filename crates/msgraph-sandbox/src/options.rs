//! The command line: settings as flags and environment variables.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use http::Uri;

use crate::faults::{FAULTS_HELP, Fault, FaultRule};
use crate::settings::{ApprovalPolicy, IdPolicy, Profile, RefMode, Settings, StatusIds, Switch, Tls};

/// The command-line options of the sandbox. Each is a flag and an environment variable `MSGRAPH_SANDBOX_…`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = FAULTS_HELP)]
pub struct Options {
    /// Address to listen on. The Graph root is `/beta` below it. Port 0 takes a free port and prints it.
    #[arg(long, env = "MSGRAPH_SANDBOX_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:4010")]
    pub listen: SocketAddr,
    /// Scheme, host and port in links, as in `https://graph.example.org`. Taken from each request if unset.
    #[arg(long, env = "MSGRAPH_SANDBOX_PUBLIC_URL", value_name = "URL", value_parser = origin)]
    pub public_url: Option<String>,
    /// PEM file with the certificate for https. Plain http if unset.
    #[arg(long, env = "MSGRAPH_SANDBOX_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// PEM file with that certificate's private key.
    #[arg(long, env = "MSGRAPH_SANDBOX_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// Serve https with a generated certificate for `localhost` and loopback addresses. Writes the certificate of its test
    /// authority to this PEM file, which clients must trust.
    #[arg(long, env = "MSGRAPH_SANDBOX_TLS_CA_OUT", value_name = "FILE", conflicts_with = "tls_certificate")]
    pub tls_ca_out: Option<PathBuf>,
    /// The former name of `--tls-ca-out`, which is an error.
    #[arg(long = "tls-ca", env = "MSGRAPH_SANDBOX_TLS_CA", value_name = "FILE", hide = true,
          value_parser = renamed_tls_ca)]
    _tls_ca: Option<Infallible>,
    /// Offer HTTP/2 over https. Plain http is always HTTP/1.1.
    #[arg(long, env = "MSGRAPH_SANDBOX_HTTP2", value_enum, default_value_t = Switch::On)]
    pub http2: Switch,
    /// Maximum number of concurrent streams on one HTTP/2 connection; streams above it are refused.
    #[arg(long, env = "MSGRAPH_SANDBOX_MAX_STREAMS", value_name = "COUNT", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub max_streams: u32,
    /// The behaviour to simulate: as documented, or as reported about the live service.
    #[arg(long, env = "MSGRAPH_SANDBOX_PROFILE", value_enum, default_value_t = Profile::Documented)]
    pub profile: Profile,
    /// Check the Authorization header.
    #[arg(long, env = "MSGRAPH_SANDBOX_AUTH", value_enum, default_value_t = Switch::On)]
    pub auth: Switch,
    /// What `POST …/deviceStatuses/$ref` does.
    #[arg(long, env = "MSGRAPH_SANDBOX_REF_MODE", value_enum, default_value_t = RefMode::Refuse)]
    pub ref_mode: RefMode,
    /// How to handle an `id` in the body of a create.
    #[arg(long, env = "MSGRAPH_SANDBOX_IDS", value_enum, default_value_t = IdPolicy::Ignore)]
    pub ids: IdPolicy,
    /// Form of the ids of new status rows.
    #[arg(long, env = "MSGRAPH_SANDBOX_STATUS_IDS", value_enum, default_value_t = StatusIds::Composite)]
    pub status_ids: StatusIds,
    /// Reject unknown properties; off ignores them.
    #[arg(long, env = "MSGRAPH_SANDBOX_STRICT_BODIES", value_enum, default_value_t = Switch::On)]
    pub strict_bodies: Switch,
    /// Honour `Prefer: return=minimal`.
    #[arg(long, env = "MSGRAPH_SANDBOX_RETURN_MINIMAL", value_enum, default_value_t = Switch::On)]
    pub return_minimal: Switch,
    /// Compress responses for clients that accept gzip.
    #[arg(long, env = "MSGRAPH_SANDBOX_GZIP", value_enum, default_value_t = Switch::On)]
    pub gzip: Switch,
    /// Seed of the data, of new ids and of random faults.
    #[arg(long, env = "MSGRAPH_SANDBOX_SEED", value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// Provisioning configurations at start; the first has a fixed id.
    #[arg(long, env = "MSGRAPH_SANDBOX_CONFIGURATIONS", value_name = "COUNT", default_value_t = 5)]
    pub configurations: usize,
    /// Device statuses at start; nine in ten belong to the first configuration.
    #[arg(long, env = "MSGRAPH_SANDBOX_STATUSES", value_name = "COUNT", default_value_t = 1200)]
    pub statuses: usize,
    /// Maximum number of entities per page.
    #[arg(long, env = "MSGRAPH_SANDBOX_PAGE_SIZE", value_name = "COUNT", default_value_t = 1000,
          value_parser = at_least_one)]
    pub page_size: usize,
    /// Maximum size of a request body in bytes.
    #[arg(long, env = "MSGRAPH_SANDBOX_MAX_BODY", value_name = "BYTES", default_value_t = 4 * 1024 * 1024)]
    pub max_body: usize,
    /// Maximum number of requests to record for `GET /_sandbox/requests`; 0 records none.
    #[arg(long, env = "MSGRAPH_SANDBOX_RECORD", value_name = "COUNT", default_value_t = 10_000)]
    pub record: usize,
    /// Accept absolute and versioned URLs of batch items.
    #[arg(long, env = "MSGRAPH_SANDBOX_LENIENT_BATCH_URLS", value_enum, default_value_t = Switch::Off)]
    pub lenient_batch_urls: Switch,
    /// The writes that need the approval of a second administrator (Multi Admin Approval).
    #[arg(long, env = "MSGRAPH_SANDBOX_APPROVAL", value_enum, default_value_t = ApprovalPolicy::Off)]
    pub approval: ApprovalPolicy,
    /// Enforce the published throttling limits: in 20 s, 100 writes and 1000 requests per app, and twice that per tenant.
    #[arg(long, env = "MSGRAPH_SANDBOX_THROTTLE", value_enum, default_value_t = Switch::Off,
          num_args = 0..=1, default_missing_value = "on")]
    pub throttle: Switch,
    /// Send `Retry-After` with throttled requests. The live service often does not.
    #[arg(long, env = "MSGRAPH_SANDBOX_RETRY_AFTER", value_enum, default_value_t = Switch::On)]
    pub retry_after: Switch,
    /// Speed of the throttling windows relative to the wall clock.
    #[arg(long, env = "MSGRAPH_SANDBOX_CLOCK_RATE", value_name = "FACTOR", default_value_t = 1.0,
          value_parser = above_zero)]
    pub clock_rate: f64,
    /// A fault rule, as in `503;retry-after=1;times=2`; may be repeated. `--help` lists the faults.
    #[arg(long = "fault", env = "MSGRAPH_SANDBOX_FAULTS", value_name = "RULE", value_delimiter = ' ')]
    pub faults: Vec<FaultRule>,
    /// Share of requests, 0 to 1, that get a random fault of the mix.
    #[arg(long, env = "MSGRAPH_SANDBOX_FAULT_RATE", value_name = "SHARE", default_value_t = 0.0,
          value_parser = share)]
    pub fault_rate: f64,
    /// The random faults, separated by spaces; each has the same probability.
    #[arg(
        long,
        env = "MSGRAPH_SANDBOX_FAULT_MIX",
        value_name = "FAULTS",
        value_delimiter = ' ',
        default_value = "429;retry-after=1 500;body=wrapped 503 504;body=empty-message drop-applied"
    )]
    pub fault_mix: Vec<Fault>,
}

impl From<Options> for Settings {
    fn from(config: Options) -> Self {
        Self {
            profile: config.profile,
            public_url: config.public_url,
            tls: config
                .tls_certificate
                .zip(config.tls_key)
                .map(|(certificate, key)| Tls::Files { certificate, key }),
            http2: config.http2,
            max_streams: config.max_streams,
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
            lenient_batch_urls: config.lenient_batch_urls,
            approval: config.approval,
            throttle: config.throttle,
            retry_after: config.retry_after,
            clock_rate: config.clock_rate,
            faults: config.faults,
            fault_rate: config.fault_rate,
            fault_mix: config.fault_mix,
        }
    }
}

fn renamed_tls_ca(_: &str) -> Result<Infallible, &'static str> {
    Err("is now --tls-ca-out")
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number, at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

fn above_zero(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|factor| (0.001..=1_000_000.0).contains(factor))
        .ok_or_else(|| "must be a number between 0.001 and 1000000".to_owned())
}

/// An http(s) URL without a user and a path.
fn origin(text: &str) -> Result<String, &'static str> {
    const EXPECTED: &str = "must be http:// or https:// with a host and an optional port";
    let url: Uri = text.parse().map_err(|_| EXPECTED)?;
    let is_origin = matches!(url.scheme_str(), Some("http" | "https"))
        && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && url.path_and_query().is_none_or(|path| path == "/");
    if is_origin { Ok(text.trim_end_matches('/').to_owned()) } else { Err(EXPECTED) }
}

fn share(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "must be a number between 0 and 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::{Options, Settings};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn every_setting_has_help_and_a_variable() {
        for arg in Cli::command().get_arguments().filter(|arg| arg.get_id() != "help") {
            let variable = arg.get_env().and_then(|name| name.to_str()).unwrap_or_default();
            assert!(variable.starts_with("MSGRAPH_SANDBOX_") && arg.get_help().is_some(), "{arg}");
        }
    }

    #[test]
    fn the_defaults_equal_those_of_the_settings() {
        let options = Cli::parse_from(["sandbox"]).options;
        // The mix is of no effect without a rate.
        let settings = Settings { fault_mix: Vec::new(), ..Settings::from(options) };
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn fault_rules_are_parsed() {
        let arguments = ["sandbox", "--fault", "503;times=1", "--fault", "drop-applied;method=POST"];
        let options = Cli::parse_from(arguments).options;
        assert_eq!(options.faults.len(), 2);
        assert_eq!(options.fault_mix.len(), 5);
        assert!(Cli::try_parse_from(["sandbox", "--fault", "nope"]).is_err());
    }
}
