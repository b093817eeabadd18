//! The command line of `msgraph-sandbox`.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Parser, Subcommand};
use msgraph_sandbox::{Options, is_healthy, start};
use tracing_subscriber::EnvFilter;

/// An in-memory Microsoft Graph (Intune app provisioning) over HTTP, with faults, for testing Graph clients.
#[derive(Debug, Parser)]
#[command(name = "msgraph-sandbox", version, max_term_width = 110, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
    /// Levels to log to standard error, as in `info` or `debug`.
    #[arg(long, env = "MSGRAPH_SANDBOX_LOG", value_name = "FILTER", default_value = "info",
          value_parser = |text: &str| EnvFilter::builder().parse(text))]
    log: EnvFilter,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Exit 0 if the sandbox at the given address responds over plain HTTP, else 1.
    Healthcheck {
        /// Address of the sandbox.
        #[arg(
            long,
            env = "MSGRAPH_SANDBOX_HEALTHCHECK_ADDRESS",
            value_name = "ADDR",
            default_value = "127.0.0.1:4010"
        )]
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) if !help.use_stderr() => help.exit(),
        Err(error) => return fail(2, &describe(error)),
    };
    if let Some(Command::Healthcheck { address }) = cli.command {
        return match is_healthy(address) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &format!("{address}: {error}")),
        };
    }
    tracing_subscriber::fmt()
        .with_env_filter(cli.log)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(2, &format!("cannot start the runtime: {error}")),
    };
    match runtime.block_on(async { start(cli.options, announce, stop_signal()?).await }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(2, &error.to_string()),
    }
}

/// Prints the line that scripts wait for.
fn announce(line: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Resolves at the first SIGTERM or SIGINT (Ctrl-C). Registered at once, so that no signal after this call is missed.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        Ok(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// What is wrong with the arguments, without tips and usage. What was written may have lines and credentials of its own.
fn describe(mut error: clap::Error) -> String {
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(written)) = error.get(kind) {
            let shown = match written.rsplit_once('@') {
                Some((_credentials, host)) => format!("***@{host}"),
                None => written.clone(),
            };
            error.insert(kind, ContextValue::String(escape(&shown)));
        }
    }
    let message = error.to_string();
    let lines = message.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").to_owned()
}

#[expect(clippy::print_stderr, reason = "the line that says why the program ends")]
fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("error: {}", escape(message));
    ExitCode::from(code)
}

/// Escapes characters that move the cursor, change colors or the direction of the text, as Rust does.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        let is_direction = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if is_direction || char.is_control() {
            escaped.extend(char.escape_default());
        } else {
            escaped.push(char);
        }
    }
    escaped
}
