//! The commands: each binds its listeners, prints their addresses, and runs until a stop signal.

mod check_documents;
#[cfg(feature = "sandbox")]
mod demo;
mod healthcheck;
mod signals;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::{error, info, warn};

use self::signals::Signals;
use crate::config::{
    self, Cli, Command, EffectiveSetting, GatewayConfig, OtelVariable, SettingSource, StateConfig,
};
use crate::gateway::{Gateway, Listeners, Settings};
use crate::{schema, server, telemetry};

/// A failed health check: the gateway is not ready.
#[derive(Debug, thiserror::Error)]
#[error("not ready")]
pub struct NotReady;

/// What a command prints and logs about itself.
struct Output {
    /// Form of the lines on standard output that name an address.
    format: telemetry::LogFormat,
    /// The settings in force.
    settings: Vec<EffectiveSetting>,
}

impl Output {
    /// Prints a line at once, because scripts wait for the address in it.
    fn announce(&self, line: &str) -> anyhow::Result<()> {
        match self.format {
            telemetry::LogFormat::Text => print(line),
            telemetry::LogFormat::Json => {
                let url = line.split("listening on ").nth(1);
                print(&serde_json::json!({"level": "INFO", "message": line, "url": url}).to_string())
            }
        }
    }

    /// Logs the version and the settings.
    fn log_start(&self) {
        let settings: Vec<String> = self.settings.iter().filter_map(EffectiveSetting::to_flag).collect();
        info!(version = env!("CARGO_PKG_VERSION"), settings = settings.join(" "), "starting");
    }
}

/// The form of log lines by its setting.
#[must_use]
pub fn log_format(config: config::LogFormat) -> telemetry::LogFormat {
    match config {
        config::LogFormat::Text => telemetry::LogFormat::Text,
        config::LogFormat::Json => telemetry::LogFormat::Json,
    }
}

/// Runs a command and returns its exit code, which is 1 if writes were cut off at shutdown, or if documents are invalid.
///
/// # Errors
///
/// Where a setting cannot be used or an address cannot be bound; [`NotReady`] where a health check fails.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let settings = cli.effective.clone();
    run_command(cli).map_err(|error| with_source(error, &settings))
}

/// Adds to an error that starts with a flag where its value came from, unless that was the command line.
fn with_source(error: anyhow::Error, settings: &[EffectiveSetting]) -> anyhow::Error {
    let message = format!("{error:#}");
    let flag = message.strip_prefix("--").and_then(|rest| rest.split(':').next());
    let setting = settings.iter().find(|setting| flag == Some(&setting.name));
    match setting.map(|setting| &setting.source) {
        Some(SettingSource::Variable(name)) => anyhow::anyhow!("{message} (set by {name})"),
        Some(SettingSource::File) => anyhow::anyhow!("{message} (set in the configuration file)"),
        Some(SettingSource::Flag | SettingSource::Default) | None => error,
    }
}

fn run_command(cli: Cli) -> anyhow::Result<ExitCode> {
    match &cli.command {
        Command::Schema => {
            print(&schema::sdl())?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::CheckDocuments(config) => return check_documents::run(config),
        Command::Config(config) => {
            Settings::check(config)?;
            print(&configuration_file(&cli.effective))?;
            if config.state.state_password.is_some() {
                print("\n# INTUNE_GRAPHQL_STATE_PASSWORD=***\n")?;
            }
            print(&otel_variables(&cli.otel))?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let output = Output { format: log_format(cli.log.log_format), settings: cli.effective };
    let mut runtime = match cli.command {
        // Its connections are served by threads of their own.
        Command::Serve(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build()?;
    let ended = runtime.block_on(async {
        match cli.command {
            #[cfg(feature = "sandbox")]
            Command::Demo(config) => demo::run(*config, &output).await?,
            Command::Serve(config) => return serve(*config, &output).await,
            #[cfg(feature = "sandbox")]
            Command::Sandbox(options) => {
                let signals = Signals::new(None)?;
                let announce = |line: &str| output.announce(line).map_err(std::io::Error::other);
                tokio::select! {
                    ended = msgraph_sandbox::start(*options, announce, signals.first()) => ended?,
                    () = signals.second() => {}
                }
            }
            Command::Healthcheck(config) => healthcheck::run(&config).await.context(NotReady)?,
            Command::Schema | Command::CheckDocuments(_) | Command::Config(_) => {}
        }
        Ok(ExitCode::SUCCESS)
    });
    // The process does not wait for a pending name lookup.
    runtime.shutdown_background();
    ended
}

async fn serve(config: GatewayConfig, output: &Output) -> anyhow::Result<ExitCode> {
    // Built before an address is printed: a script that waits for the address must not find a gateway that ends at once.
    let settings = Settings::from_config(&config)?;
    let reload = config.front_end.trusted_documents.is_some().then(|| Arc::clone(&settings.server.reload));
    let gateway = Gateway::new(settings)?;
    gateway.connect_shared_state().await?;
    let StateConfig { state_file, state_url, .. } = &config.state;
    if state_file.is_none() && state_url.is_none() {
        warn!(
            "idempotency keys are stored in memory and lost when the gateway stops; set --state-file or --state-url"
        );
    }
    if state_url.is_some() && config.front_end.cursor_key_file.is_none() {
        warn!(
            "other replicas reject the cursors of this one, since each has a random key; set --cursor-key-file"
        );
    }
    let listeners = Listeners {
        public: bind(config.listen.listen, config.load.listen_backlog, "--listen")?,
        admin: bind(config.listen.admin_listen, config.load.listen_backlog, "--admin-listen")?,
    };
    let signals = Signals::new(reload)?;
    output.log_start();
    let scheme = |is_tls| if is_tls { "https" } else { "http" };
    let (tls, admin_tls) = (config.tls.tls_cert.is_some(), config.tls.admin_tls);
    output.announce(&format!("listening on {}://{}", scheme(tls), listeners.public.local_addr()?))?;
    output.announce(&format!(
        "admin listening on {}://{}",
        scheme(admin_tls),
        listeners.admin.local_addr()?
    ))?;
    match gateway.run(listeners, signals.first(), signals.second()).await {
        0 => Ok(ExitCode::SUCCESS),
        writes => {
            error!(writes, "writes to Graph were cut off; their outcome is unknown");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The settings as a configuration file, in the groups of `--help`.
fn configuration_file(settings: &[EffectiveSetting]) -> String {
    let groups = settings.chunk_by(|left, right| left.group == right.group);
    let sections = groups.map(|group| {
        let lines = group.iter().map(|setting| format!("{setting}\n"));
        format!("# {}\n\n{}", group[0].group, lines.collect::<String>())
    });
    sections.collect::<Vec<_>>().join("\n")
}

/// The variables of OpenTelemetry that are set, as comments of a configuration file, which cannot set them.
fn otel_variables(variables: &[OtelVariable]) -> String {
    let lines = variables.iter().map(|variable| format!("# {variable}\n"));
    format!(
        "\n# Traces: variables of OpenTelemetry\n\n{}",
        match variables {
            [] => "# OTEL_EXPORTER_OTLP_ENDPOINT is not set: no traces\n".to_owned(),
            _ => lines.collect::<String>(),
        }
    )
}

fn bind(address: SocketAddr, backlog: u32, setting: &str) -> anyhow::Result<TcpListener> {
    server::bind(address, backlog).with_context(|| format!("{setting}: cannot listen on {address}"))
}

/// Prints a line to standard output and flushes it, because scripts wait for it.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())?;
    Ok(stdout.flush()?)
}
