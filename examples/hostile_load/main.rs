//! Hostile and honest load at the same time, against a gateway in a separate process. It must not
//! fail, all honest requests must succeed, and memory and file descriptors must return to their
//! initial level.
//!
//! `cargo run --release --example hostile_load -- --help`

mod attacks;
#[path = "../support/gateway.rs"]
mod gateway;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use intune_graphql::commands;
use intune_graphql::config::Cli;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use self::attacks::SendMode;
use self::gateway::{Gateway, StateFile, start_sandbox};

/// Hostile and honest load at the same time.
#[derive(Debug, Parser)]
#[command(max_term_width = 110)]
struct Load {
    /// Duration of the load, for example `10m`.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Number of honest clients.
    #[arg(long, default_value_t = 8)]
    honest: usize,
    /// Number of hostile clients.
    #[arg(long, default_value_t = 16)]
    hostile: usize,
    /// Time of the first measurement of memory, compared with the last. The gateway's caches are full by then.
    #[arg(long, default_value = "1m", value_parser = humantime::parse_duration)]
    warm_up: Duration,
}

/// The counts so far.
#[derive(Debug, Default)]
struct Counts {
    honest: AtomicU64,
    failed: AtomicU64,
    hostile: AtomicU64,
    is_over: AtomicBool,
}

fn main() -> anyhow::Result<ExitCode> {
    // The gateway runs as a separate process of this program.
    if std::env::args().nth(1).as_deref() == Some("serve") {
        return commands::run(Cli::parse());
    }
    let load = Load::parse();
    intune_graphql::graph::install_tls_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(&load))?;
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
async fn run(load: &Load) -> anyhow::Result<()> {
    ensure!(load.warm_up < load.duration, "the warm-up is a part of the duration");
    let (_sandbox, root) = start_sandbox(Settings { record: 1, ..Settings::default() }).await?;
    let state = StateFile::new();
    let settings = [
        "--log",
        "error",
        "--request-timeout",
        "5s",
        "--header-timeout",
        "1s",
        "--body-timeout",
        "1s",
        "--idle-timeout",
        "7s",
        "--send-timeout",
        "2s",
    ];
    let gateway = Gateway::start(&root, "127.0.0.1:0", state.path(), &settings)?;
    let files_at_start = gateway.files().context("this system does not say how many files are open")?;
    println!("{} honest and {} hostile clients for {} s", load.honest, load.hostile, load.duration.as_secs());

    let counts = Arc::new(Counts::default());
    let mut clients = Vec::new();
    for number in 0..load.honest {
        clients.push(tokio::spawn(behave(gateway.address.clone(), number, Arc::clone(&counts))));
    }
    let together = Arc::new(Barrier::new(load.hostile));
    for number in 0..load.hostile {
        let attacker = Attacker { number, of: load.hostile, together: Arc::clone(&together) };
        clients.push(tokio::spawn(attacker.attack(gateway.address.clone(), Arc::clone(&counts))));
    }

    let start = Instant::now();
    let mut seconds = tokio::time::interval_at((start + SECOND).into(), SECOND);
    let mut memories = Vec::new();
    let tenth = (load.duration / 10).max(SECOND);
    let mut next_line = tenth;
    while start.elapsed() < load.duration {
        seconds.tick().await;
        let memory = gateway.memory().context("the gateway has ended")?;
        memories.push(memory);
        if start.elapsed() < next_line {
            continue;
        }
        next_line += tenth;
        let files = gateway.files().context("the gateway has ended")?;
        println!(
            "{:>4} s  honest {:>8}, of which failed {}; hostile {:>8}; {memory} KiB, {files} files",
            start.elapsed().as_secs(),
            counts.honest.load(Ordering::Relaxed),
            counts.failed.load(Ordering::Relaxed),
            counts.hostile.load(Ordering::Relaxed),
        );
    }
    counts.is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await?;
    }
    // The gateway's timeouts close the connections that the last attackers left open.
    let patience = Instant::now() + Duration::from_secs(30);
    let mut files = gateway.files().context("the gateway has ended")?;
    while files > files_at_start + POOL && Instant::now() < patience {
        tokio::time::sleep(Duration::from_millis(100)).await;
        files = gateway.files().context("the gateway has ended")?;
    }
    let warm_up = usize::try_from(load.warm_up.as_secs()).unwrap_or(usize::MAX);
    let (before, at_end) =
        (median(memories.iter().skip(warm_up).take(WINDOW)), median(memories.iter().rev().take(WINDOW)));
    let max_memory = memories.iter().max().copied().unwrap_or_default();
    let growth = at_end as f64 / before as f64;
    let code = gateway.drain().await?;
    let failed = counts.failed.load(Ordering::Relaxed);
    println!(
        "memory after the warm-up {before} KiB, at the end {at_end} KiB ({growth:.3}, {MAX_GROWTH} at most), {max_memory} KiB at most"
    );
    println!(
        "files at the start {files_at_start}, at the end {files}; exit code {code:?}; honest failures {failed}"
    );
    ensure!(failed == 0, "honest requests failed");
    ensure!(growth <= MAX_GROWTH, "memory grew");
    ensure!(files <= files_at_start + POOL, "files are left open");
    ensure!(code == Some(0), "the gateway did not end well");
    Ok(())
}

/// Maximum memory at the end, as a multiple of the memory after the warm-up.
const MAX_GROWTH: f64 = 1.1;
const SECOND: Duration = Duration::from_secs(1);
/// Window in seconds of the median of memory. Temporary allocations for a body or a document are
/// not growth.
const WINDOW: usize = 15;

fn median<'a>(memories: impl Iterator<Item = &'a u64>) -> u64 {
    let mut memories: Vec<u64> = memories.copied().collect();
    memories.sort_unstable();
    memories.get(memories.len() / 2).copied().unwrap_or_default()
}

/// Maximum of pooled connections to Graph, which are not leaks of attacks.
const POOL: usize = 64;

/// A hostile client.
struct Attacker {
    number: usize,
    /// The number of hostile clients.
    of: usize,
    together: Arc<Barrier>,
}

impl Attacker {
    /// First, all attackers run each kind at the same time; then each runs a different one. The
    /// maximum memory of a kind is reached within the first minute, so later growth is a leak.
    async fn attack(self, address: String, counts: Arc<Counts>) {
        let at_once = (0..attacks::KINDS).map(|kind| kind + attacks::KINDS * self.number);
        for turn in at_once {
            self.together.wait().await;
            attacks::attack(&address, turn, SendMode::Whole).await;
            counts.hostile.fetch_add(1, Ordering::Relaxed);
        }
        let mut turn = attacks::KINDS * self.of + self.number;
        while !counts.is_over.load(Ordering::Relaxed) {
            attacks::attack(&address, turn, SendMode::of(turn)).await;
            counts.hostile.fetch_add(1, Ordering::Relaxed);
            turn += 1;
        }
    }
}

/// An honest client: it reads, lists, and writes with a key. Each request must succeed.
async fn behave(address: String, number: usize, counts: Arc<Counts>) {
    let url = format!("http://{address}/graphql");
    let Ok(http) = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build() else {
        return;
    };
    let mut turn = 0;
    while !counts.is_over.load(Ordering::Relaxed) {
        turn += 1;
        let request = http
            .post(&url)
            .bearer_auth(format!("honest-{number}"))
            .header("content-type", "application/json");
        let answer = async { request.body(honest(number, turn)).send().await?.text().await };
        let answer = answer.await.ok().and_then(|answer| serde_json::from_str::<Value>(&answer).ok());
        counts.honest.fetch_add(1, Ordering::Relaxed);
        if answer.is_none_or(|answer| answer.get("errors").is_some() || answer["data"].is_null()) {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn honest(number: usize, turn: usize) -> String {
    let (query, variables) = match turn % 3 {
        0 => (
            "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { displayName version } }",
            json!({}),
        ),
        1 => (
            "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) {
                deviceStatuses(first: 20, filter: {status: {eq: ERROR}}) { nodes { userName status } } } }",
            json!({}),
        ),
        _ => (
            "mutation($status: DeviceStatusInput!, $key: String, $id: ID!) { addDeviceStatus(input: {
                configurationId: $id, idempotencyKey: $key, deviceStatus: $status}) { deviceStatusId } }",
            json!({
                // Few keys, so that the stored state does not grow.
                "key": format!("{number}-{}", turn % 60),
                "status": {
                    "deviceDisplayName": "honest", "userName": "honest", "deviceModel": "iPad", "platform": 8,
                    "status": "COMPLIANT", "userPrincipalName": "honest@example.org",
                    "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59.9999999Z",
                    "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00",
                },
            }),
        ),
    };
    let mut variables = variables;
    variables["id"] = json!(DEMO_CONFIGURATION_ID);
    json!({"query": query, "variables": variables}).to_string()
}
