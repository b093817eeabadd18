//! What is logged, and how.

use clap::{Args, ValueEnum};

use super::values::{log_filter, sample};

/// What to log, to standard error. Tokens and bodies are never logged.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub struct LogConfig {
    /// Levels to log, for example `info` or `warn,intune_graphql=debug`.
    #[arg(long, global = true, env = "INTUNE_GRAPHQL_LOG", value_name = "FILTER", default_value = "info", value_parser = log_filter)]
    pub log: String,
    /// Format of a log line.
    #[arg(long, global = true, env = "INTUNE_GRAPHQL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Readable text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Which operations are logged.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access log")]
pub struct AccessLogConfig {
    /// Operations to log with a line each, at level `info`, target `intune_graphql::access`.
    #[arg(long, env = "INTUNE_GRAPHQL_ACCESS_LOG", value_enum, default_value_t = AccessLog::Errors)]
    pub access_log: AccessLog,
    /// Share of the operations without errors that `--access-log all` logs, in percent, for example `1` or
    /// `0.1`. Operations with errors are always logged, up to 100 per second.
    #[arg(long, env = "INTUNE_GRAPHQL_ACCESS_LOG_SAMPLE", value_name = "PERCENT", default_value = "100", value_parser = sample)]
    pub access_log_sample: f64,
}

/// Which operations are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AccessLog {
    /// None.
    Off,
    /// Those with errors, or with failed items of bulk writes.
    Errors,
    /// All.
    All,
}
