//! The command line of intune-graphql.

use std::process::ExitCode;

use anyhow::Context as _;
use intune_graphql::commands::{self, NotReady};
use intune_graphql::config::{Cli, UsageError};
use intune_graphql::printable::printable;
use intune_graphql::telemetry;
use mimalloc::MiMalloc;

/// Faster than the system's allocator for many small, short-lived allocations: see `docs/decisions/allocator.md`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The exit code of a program that cannot start with its settings.
const BAD_START: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(UsageError::Help(help)) => help.exit(),
        Err(UsageError::Setting(message)) => return fail(BAD_START, &message),
    };
    let format = commands::log_format(cli.log.log_format);
    let logging = telemetry::init(&cli.log.log, format).context("--log");
    match logging.and_then(|()| commands::run(cli)) {
        Ok(code) => code,
        // Docker reserves exit code 2, and interprets 1 as "unhealthy".
        Err(error) if error.is::<NotReady>() => fail(1, &format!("{error:#}")),
        Err(error) => fail(BAD_START, &format!("{error:#}")),
    }
}

#[expect(clippy::print_stderr, reason = "the one line that says why the program does not start")]
fn fail(code: u8, message: &str) -> ExitCode {
    // Messages quote arguments, variables and files.
    eprintln!("error: {}", printable(message));
    ExitCode::from(code)
}
