//! The proof that nothing is lost and nothing doubled: clients write through a gateway to a sandbox that fails in every
//! way it knows, the gateway is drained and started again in the middle, and then what callers were told is held against
//! what the sandbox has.
//!
//! `storm --faults hard` adds faults below the requests: connections, HTTP/2 streams, the disk, clients that disconnect.
//!
//! `cargo run --release --example nothing_lost -- --help`

mod call;
mod disk;
mod evidence;
mod faults;
#[path = "../support/gateway.rs"]
mod gateway;
mod storm;
mod tally;
mod windows;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use intune_graphql::commands;
use intune_graphql::config::Cli;
use msgraph_sandbox::settings::IdPolicy;

/// Writes through a gateway to a sandbox that fails, and compares what was told with what is there.
#[derive(Debug, Parser)]
#[command(max_term_width = 110)]
struct Proof {
    #[command(subcommand)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Faults of all kinds, and a gateway that is drained and started again.
    Storm(StormArgs),
    /// Bulk calls under Intune's published windows, repeated with their keys until all is there.
    Windows(WindowsArgs),
}

#[derive(Debug, Args)]
struct StormArgs {
    /// Calls to make.
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    /// Clients that make them at the same time.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Seed of the faults and of the calls.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Share of the sandbox's requests that meet a fault.
    #[arg(long, default_value_t = 0.2)]
    fault_rate: f64,
    /// What the sandbox does with the ids that callers give; `keep` is told to the gateway.
    #[arg(long, value_enum, default_value_t = IdPolicy::Keep)]
    ids: IdPolicy,
    /// Which faults to meet.
    #[arg(long, value_enum, default_value_t = Faults::Usual)]
    faults: Faults,
    /// Let Graph break its own word: 429 and 503 after it has done the write. Doubles are then counted, not failed.
    #[arg(long)]
    broken_word: bool,
}

/// Which faults a run meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// Refusals, failures, dropped connections and odd successes. The gateway restarts once, at half time.
    Usual,
    /// Over HTTPS and HTTP/2, these and: refused streams, GOAWAY, late handshakes, closed connections, answers that cannot
    /// be read, a disk that stalls (needs a C compiler), clients that disconnect, and restarts at random moments.
    Hard,
}

#[derive(Debug, Args)]
struct WindowsArgs {
    /// Statuses to add, in calls of 1000 at most.
    #[arg(long, default_value_t = 2000)]
    items: usize,
}

fn main() -> ExitCode {
    // The gateway is a process of its own, so that it can be stopped as operators stop it: this program again.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return match commands::run(Cli::parse().command) {
            Ok(code) => code,
            Err(error) => fail(&format!("{error:#}")),
        };
    }
    let proof = Proof::parse();
    intune_graphql::graph::install_tls_provider();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let kept = runtime.block_on(async {
        match proof.run {
            Run::Storm(args) => storm::run(&args).await,
            Run::Windows(args) => windows::run(&args).await,
        }
    });
    match kept {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => fail("the gateway did not keep its word"),
        Err(error) => fail(&format!("{error:#}")),
    }
}

#[expect(clippy::print_stderr, reason = "the one line that says why the proof failed")]
fn fail(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}
