//! Where logs go: standard error, one line each. Tokens and bodies are never logged, at any level.

pub mod metrics;
pub mod request;
pub mod trace_context;

use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use tracing::error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("write it as in info or warn,intune_graphql=debug")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Another subscriber is installed.
    #[error("logging is set up already")]
    Installed(#[from] TryInitError),
}

/// Form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Installs the process-wide subscriber, and has panics logged by it.
///
/// # Errors
///
/// If the filter cannot be parsed, or a subscriber is already installed.
pub fn init(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Text => registry
            .with(fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr))
            .try_init()?,
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()?
        }
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Logs only the location. The message of a panic may contain any value, for example a token.
fn log_panic(panic: &PanicHookInfo<'_>) {
    error!(location = panic.location().map(tracing::field::display), "panicked");
}
