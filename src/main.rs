//! The command line of intune-graphql.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::error::ErrorKind;
use intune_graphql::commands::{self, NotReady};
use intune_graphql::config::{Cli, LogFormat};
use intune_graphql::telemetry;

/// The exit code of a program that cannot start as it was told to.
const BAD_START: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let format = match cli.log.log_format {
        LogFormat::Text => telemetry::LogFormat::Text,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    let logging = telemetry::init(&cli.log.log, format).context("--log");
    match logging.and_then(|()| commands::run(cli.command)) {
        Ok(code) => code,
        // Docker keeps 2 for itself, and knows 1 as "unhealthy".
        Err(error) if error.is::<NotReady>() => fail(1, &format!("{error:#}")),
        Err(error) => fail(BAD_START, &format!("{error:#}")),
    }
}

/// Help and version as clap prints them; a bad setting in one line, which names it.
fn usage(error: &clap::Error) -> ExitCode {
    let help = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if help.contains(&error.kind()) {
        error.exit();
    }
    let text = error.to_string();
    let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
    fail(BAD_START, lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: "))
}

#[expect(clippy::print_stderr, reason = "the one line that says why the program does not start")]
fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(code)
}
