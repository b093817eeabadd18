//! Keyed writes through three replicas that share a store, under disturbances of all of them, as a recorded history.

mod checker;
mod clients;
mod clock;
mod cluster;
mod disturbances;
mod history;
mod response;
mod table;
mod versions;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Sandbox, Settings};

use self::clients::Clients;
use self::cluster::{Cluster, ClusterSettings, REPLICA_CLOCKS, STORE_CLOCK};
use self::disturbances::Disturber;
use self::history::{Event, Recorder};
use self::versions::VersionCounts;
use crate::evidence::creates_with_faults;
use crate::faults::USUAL;
use crate::gateway::start_sandbox;

/// Maximum number of recorded requests of the sandbox.
const RECORD: usize = 1_000_000;
/// The timeouts of the gateways.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long a replica is paused: longer than a lease, which is the two first timeouts and 5 s.
const PAUSE: Duration = Duration::from_secs(12);
/// How long an impatient client waits.
const IMPATIENCE: Duration = Duration::from_millis(1500);

#[derive(Debug, Args)]
pub(crate) struct ReplicasArgs {
    /// How long to run, in rounds that have each disturbance once: about a minute each.
    #[arg(long, default_value = "10m", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Clients that make calls concurrently.
    #[arg(long, default_value_t = 48)]
    clients: u64,
    /// Seed of the faults, of the calls and of the order of disturbances.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Share of the requests to the sandbox with a fault.
    #[arg(long, default_value_t = 0.2)]
    fault_rate: f64,
    /// Let each replica keep its keys in memory. The check must then fail.
    #[arg(long)]
    separate: bool,
    /// The program `intune-graphql` of another version. All replicas start with it, and change to the version of this
    /// program one after the other in the first round, back in the second, and so on.
    #[arg(long, value_name = "PATH")]
    other_program: Option<PathBuf>,
    /// File for the history.
    #[arg(long, default_value = "target/replica-history.jsonl")]
    history: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// File with the history of a run.
    history: PathBuf,
}

#[expect(clippy::print_stdout, reason = "the progress is for the reader of the figures")]
pub(crate) async fn run(args: &ReplicasArgs) -> anyhow::Result<bool> {
    let (sandbox, root) = start_sandbox(sandbox_settings(args)?).await?;
    let millis = |time: Duration| format!("{}ms", time.as_millis());
    let (request, attempt, connect) =
        (millis(REQUEST_TIMEOUT), millis(ATTEMPT_TIMEOUT), millis(CONNECT_TIMEOUT));
    let options = [
        ("--request-timeout", request.as_str()),
        ("--graph-attempt-timeout", &attempt),
        ("--graph-connect-timeout", &connect),
        // One tenant may use a quarter.
        ("--state-capacity", "10000000"),
        ("--log", "error"),
    ];
    let settings = ClusterSettings {
        options: options.iter().flat_map(|(name, value)| [*name, *value]).map(str::to_owned).collect(),
        is_separate: args.separate,
        other_program: args.other_program.clone(),
    };
    if let Some(program) = &args.other_program {
        println!("this version: intune-graphql {}", env!("CARGO_PKG_VERSION"));
        println!("other version: {}, {}", version_text(program)?, program.display());
    }
    let cluster = Cluster::start(&root, settings)?;
    println!(
        "{} clients, {} % faults of {} kinds, seed {}, for {}, history in {}",
        args.clients,
        args.fault_rate * 100.0,
        USUAL.len(),
        args.seed,
        humantime::format_duration(args.duration),
        args.history.display(),
    );

    let recorder = Arc::new(Recorder::create(&args.history)?);
    for (replica, ahead_secs) in REPLICA_CLOCKS.into_iter().enumerate() {
        recorder.record(&Event::Clock { at: recorder.now(), replica: Some(replica), ahead_secs })?;
    }
    recorder.record(&Event::Clock { at: recorder.now(), replica: None, ahead_secs: STORE_CLOCK })?;
    for (replica, version) in cluster.versions().unwrap_or_default().iter().enumerate() {
        recorder.record(&Event::Version { at: recorder.now(), replica, version: *version })?;
    }
    let clients = Arc::new(Clients {
        http: reqwest::Client::builder().no_proxy().build()?,
        replicas: cluster.addresses().to_vec(),
        recorder: Arc::clone(&recorder),
        quiet_configuration: quiet_configuration(&sandbox)?,
        impatience: IMPATIENCE,
        seed: args.seed,
        is_stopping: AtomicBool::new(false),
        next_key: AtomicU64::new(0),
        next_call: AtomicU64::new(0),
    });
    let mut running = Vec::new();
    for client in 0..args.clients {
        let clients = Arc::clone(&clients);
        running.push(tokio::spawn(async move { clients.create_with_keys(client).await }));
    }
    let quiet = Arc::clone(&clients);
    running.push(tokio::spawn(async move { quiet.read_and_create().await }));

    let random = fastrand::Rng::with_seed(args.seed);
    let mut disturber = Disturber { cluster, recorder: &recorder, pause: PAUSE, random };
    let start = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || start.elapsed() < args.duration {
        disturber.round(rounds).await?;
        rounds += 1;
        let keys = clients.next_key.load(Ordering::Relaxed);
        println!("round {rounds}: {} s, {keys} keys", start.elapsed().as_secs());
    }
    clients.is_stopping.store(true, Ordering::Relaxed);
    for client in running {
        client.await??;
    }
    disturber.end().await?;
    record_sandbox(&sandbox, &clients.quiet_configuration, &recorder)?;
    recorder.flush()?;
    check_file(&args.history)
}

/// What a program prints as its version.
fn version_text(program: &Path) -> anyhow::Result<String> {
    let output = Command::new(program).arg("--version").output();
    let output = output.with_context(|| format!("{} does not start", program.display()))?;
    ensure!(output.status.success(), "{} --version failed", program.display());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// Checks the history of a run again.
pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<bool> {
    check_file(&args.history)
}

#[expect(clippy::print_stdout, reason = "the result is the program's purpose")]
fn check_file(file: &Path) -> anyhow::Result<bool> {
    let events = history::read(file)?;
    let report = checker::check(&events);
    table::print(&report, &events);
    let versions = versions::count(&events);
    if let Some(versions) = &versions {
        versions.print();
    }
    let mut missing = Vec::new();
    for (kind, count) in table::disturbances(&events) {
        if count == 0 {
            missing.push(kind.text());
        }
    }
    let counts = &report.counts;
    for (text, count) in [
        ("repeats on another replica", counts.on_another_replica),
        ("replays by another replica", counts.replayed_elsewhere),
        ("refusals in an outage", counts.keyed_in_outages),
        ("reads in an outage", counts.reads_in_outages),
        ("creates without a key in an outage", counts.plain_in_outages),
    ] {
        if count == 0 {
            missing.push(text);
        }
    }
    missing.extend(versions.iter().flat_map(VersionCounts::missing));
    if !missing.is_empty() {
        println!("The history shows too little. It has no {}.", missing.join(", no "));
    }
    let mut exits = events.iter().filter_map(|event| match event {
        Event::Exit { code, .. } => Some(*code),
        _ => None,
    });
    let is_drained = exits.all(|code| code == Some(0));
    if !is_drained {
        println!("A replica did not end with exit code 0 after SIGTERM.");
    }
    Ok(report.violations.is_empty() && missing.is_empty() && is_drained)
}

/// Faults for the configuration that calls with keys use, and for batches. Another configuration has none.
fn sandbox_settings(args: &ReplicasArgs) -> anyhow::Result<Settings> {
    let mut faults = Vec::new();
    for path in [DEMO_CONFIGURATION_ID, "$batch"] {
        for fault in USUAL {
            let rate = args.fault_rate / USUAL.len() as f64;
            let rule = format!("{fault};path={path};rate={rate}");
            faults.push(rule.parse().with_context(|| rule.clone())?);
        }
    }
    Ok(Settings { seed: args.seed, statuses: 0, record: RECORD, faults, ..Settings::default() })
}

/// A configuration other than the one with faults.
fn quiet_configuration(sandbox: &Sandbox) -> anyhow::Result<String> {
    let configurations = sandbox.configurations();
    let ids = configurations.iter().filter_map(|configuration| configuration["id"].as_str());
    let mut others = ids.filter(|id| *id != DEMO_CONFIGURATION_ID);
    others.next().map(str::to_owned).context("the sandbox has one configuration")
}

/// Records what the sandbox has received, and what it has.
fn record_sandbox(sandbox: &Sandbox, quiet_configuration: &str, recorder: &Recorder) -> anyhow::Result<()> {
    for request in sandbox.requests() {
        let request_id = request.header("client-request-id").unwrap_or_default().to_owned();
        for (name, faults) in creates_with_faults(&request) {
            recorder.record(&Event::Create {
                at: recorder.at(request.at),
                name,
                request_id: request_id.clone(),
                faults,
            })?;
        }
    }
    for configuration in [DEMO_CONFIGURATION_ID, quiet_configuration] {
        for status in sandbox.device_statuses(configuration) {
            let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
            recorder.record(&Event::Object { name: text("userName"), id: text("id") })?;
        }
    }
    recorder.record(&Event::End { dropped: sandbox.dropped_requests() })
}
