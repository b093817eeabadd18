//! Checks that no write is lost or duplicated. Clients write through a gateway to a sandbox with faults of all kinds. The
//! gateway drains and restarts during the run. Then the outcomes that callers received are compared with the objects and
//! recorded requests of the sandbox.
//!
//! `replicas` does so with several gateways, and checks a recorded history.
//!
//! `load --faults hard` adds faults below the requests: connections, HTTP/2 streams, the disk, clients that disconnect.
//!
//! `cargo run --release --example write_consistency -- --help`

mod call;
mod disk;
mod evidence;
mod faults;
#[path = "../support/gateway.rs"]
mod gateway;
mod load;
mod preload;
#[expect(dead_code, reason = "tests use more of it")]
#[path = "../../tests/replicas/redis_server.rs"]
mod redis_server;
mod replicas;
mod replicas_throttling;
mod report;
mod throttling;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use intune_graphql::commands;
use intune_graphql::config::Cli;
use msgraph_sandbox::settings::IdPolicy;

use self::replicas::{CheckArgs, ReplicasArgs};

/// Writes through a gateway to a sandbox with faults, and compares the reported outcomes with the data.
#[derive(Debug, Parser)]
#[command(max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Concurrent writes under faults of all kinds, with restarts of the gateway.
    Load(LoadArgs),
    /// Bulk calls under Intune's published throttling limits, repeated with their keys until all items exist.
    Throttling(ThrottlingArgs),
    /// Concurrent writes with keys through three replicas that share a Redis server, while replicas and the server are
    /// paused, killed and restarted. Needs `redis-server` and a C compiler.
    Replicas(ReplicasArgs),
    /// Checks the recorded history of `replicas` again.
    Check(CheckArgs),
    /// Clients of three gateways under these limits, with and without a shared `Retry-After`. Compares the share of 429 in
    /// Graph's responses. Needs a `redis-server`.
    ReplicasThrottling(ReplicasThrottlingArgs),
}

#[derive(Debug, Args)]
struct LoadArgs {
    /// Calls to make.
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    /// Clients that make the calls concurrently.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Seed of the faults and of the calls.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Share of the sandbox's requests with a fault.
    #[arg(long, default_value_t = 0.2)]
    fault_rate: f64,
    /// How the sandbox handles ids in creates; with `keep`, the gateway gets `--graph-honors-client-ids`.
    #[arg(long, value_enum, default_value_t = IdPolicy::Keep)]
    ids: IdPolicy,
    /// The set of faults.
    #[arg(long, value_enum, default_value_t = Faults::Usual)]
    faults: Faults,
    /// Add false rejections: 429 and 503 after the write was executed. Duplicates are then counted, but do not fail the run.
    #[arg(long)]
    false_rejections: bool,
}

/// The set of faults of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// Refusals, failures, dropped connections and odd successes. The gateway restarts once, half-way.
    Usual,
    /// These, over HTTPS and HTTP/2, and also: refused streams, GOAWAY, late handshakes, closed connections, unreadable
    /// responses, a slow disk (needs a C compiler), clients that disconnect, and restarts at random moments.
    Hard,
}

#[derive(Debug, Args)]
struct ThrottlingArgs {
    /// Statuses to add, in calls of 1000 at most.
    #[arg(long, default_value_t = 2000)]
    items: usize,
}

#[derive(Debug, Args)]
struct ReplicasThrottlingArgs {
    /// Statuses to add, in calls of 5.
    #[arg(long, default_value_t = 600)]
    items: usize,
    /// Clients that make the calls concurrently, in turn at each gateway.
    #[arg(long, default_value_t = 12)]
    clients: usize,
    /// Time that Graph takes for each response.
    #[arg(long, default_value = "200ms", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Seed of the pauses between calls.
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

fn main() -> anyhow::Result<ExitCode> {
    // The gateway is a separate process of this program, so that it can be stopped with SIGTERM.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return commands::run(Cli::parse());
    }
    let arguments = Arguments::parse();
    intune_graphql::graph::install_tls_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let is_consistent = runtime.block_on(async {
        match arguments.scenario {
            Scenario::Load(args) => load::run(&args).await,
            Scenario::Throttling(args) => throttling::run(&args).await,
            Scenario::Replicas(args) => replicas::run(&args).await,
            Scenario::Check(args) => replicas::check(&args),
            Scenario::ReplicasThrottling(args) => replicas_throttling::run(&args).await,
        }
    })?;
    anyhow::ensure!(is_consistent, "the result is not as it should be");
    Ok(ExitCode::SUCCESS)
}
