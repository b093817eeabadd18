//! Where logs go: standard error, one line each. Tokens and bodies are never logged, at any level.

mod calls;
pub(crate) mod failed_items;
mod log_format;
pub mod metrics;
pub mod operation;
mod random;
pub(crate) mod rate_limit;
pub mod request;
pub(crate) mod route;
pub mod trace_context;
pub mod traces;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use self::log_format::LineFormat;
pub use self::log_format::LogFormat;
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
    #[error("logging is already set up")]
    Installed(#[from] TryInitError),
}

/// Installs the process-wide subscriber, and has panics logged by it.
///
/// # Errors
///
/// If the filter cannot be parsed, or a subscriber is already installed.
pub fn init(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    metrics::record_start();
    let filter = EnvFilter::try_new(filter)?;
    let has_color = has_color(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR"));
    let layer = fmt::layer().event_format(LineFormat { format, has_color }).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(layer).try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Whether log lines are colored: on a terminal, unless `NO_COLOR` is set and not empty (no-color.org).
fn has_color(is_terminal: bool, no_color: Option<OsString>) -> bool {
    is_terminal && no_color.is_none_or(|value| value.is_empty())
}

/// Logs only the location. The message of a panic may contain any value, for example a token.
fn log_panic(panic: &PanicHookInfo<'_>) {
    error!(location = panic.location().map(tracing::field::display), "panicked");
}

#[cfg(test)]
mod tests {
    use super::has_color;

    #[test]
    fn no_color_is_respected() {
        for (is_terminal, no_color, expected) in
            [(true, None, true), (true, Some(""), true), (true, Some("1"), false), (false, None, false)]
        {
            assert_eq!(has_color(is_terminal, no_color.map(Into::into)), expected, "{no_color:?}");
        }
    }
}
