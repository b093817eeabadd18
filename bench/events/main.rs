//! Subscribes to events over server-sent events at several gateways, adds device statuses at a constant rate, and prints
//! which share of the events was delivered. `bench/replicas` uses it.
//!
//! A subscriber whose connection ends connects to the next gateway, and reads the whole list again, as a front end does.
//! Prints one line of JSON.
//!
//! `cargo run --release --example bench_events -- --help`

mod subscriber;
mod writer;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Subscribes, adds statuses, and counts delivered events.
#[derive(Debug, Parser)]
#[command(max_term_width = 110)]
struct Options {
    /// Addresses of the gateways, as `127.0.0.1:4000`.
    #[arg(required = true)]
    gateways: Vec<String>,
    /// Number of subscribers, spread over the gateways and the configurations.
    #[arg(long, default_value_t = 2000)]
    subscribers: usize,
    /// Ids of the configurations, spread over the subscribers and the statuses that are added.
    #[arg(long, required = true, value_delimiter = ',')]
    configurations: Vec<String>,
    /// Statuses that are added per second.
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// How long statuses are added.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// How long events may take after the last status was added.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    settle: Duration,
    /// File that is created when all subscriptions are open, for a script that then disturbs the gateways.
    #[arg(long)]
    ready: Option<std::path::PathBuf>,
}

/// What subscribers and writers share.
struct Shared {
    gateways: Vec<String>,
    configurations: Vec<String>,
    /// Subscriptions that were open at least once.
    open: AtomicUsize,
    /// Becomes true at the end.
    ended: watch::Sender<bool>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(options))
}

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
async fn run(options: Options) -> anyhow::Result<()> {
    ensure!(options.rate > 0.0, "--rate must be above 0");
    let shared = Arc::new(Shared {
        gateways: options.gateways.clone(),
        configurations: options.configurations.clone(),
        open: AtomicUsize::new(0),
        ended: watch::Sender::new(false),
    });
    let mut subscribers = JoinSet::new();
    for number in 0..options.subscribers {
        subscribers.spawn(subscriber::run(Arc::clone(&shared), number));
        // Not all connections at once: a listener's queue is bounded.
        if number % 100 == 99 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let started = Instant::now();
    while shared.open.load(Ordering::Relaxed) < options.subscribers {
        ensure!(started.elapsed() < Duration::from_secs(60), "subscriptions do not open");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if let Some(file) = &options.ready {
        std::fs::write(file, b"").with_context(|| format!("cannot write {}", file.display()))?;
    }
    // The start of a subscription is not confirmed: the server needs a moment after its response's head.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let began = Instant::now();
    let added = writer::run(&shared, options.rate, options.duration).await;
    tokio::time::sleep(options.settle).await;
    shared.ended.send_replace(true);

    let (mut delivered, mut doubled, mut missing, mut reconnects, mut notices, mut refetched) =
        (0, 0, 0, 0, 0, 0);
    let mut latencies = Vec::new();
    // When the first and the last status was added whose event was not delivered.
    let mut undelivered: Option<(Instant, Instant)> = None;
    let mut expected = 0;
    while let Some(seen) = subscribers.join_next().await {
        let seen = seen??;
        let of_configuration: HashSet<&str> = added
            .created
            .iter()
            .filter(|created| created.configuration == seen.configuration)
            .map(|created| created.id.as_str())
            .collect();
        expected += of_configuration.len();
        let events: HashSet<&str> = seen.events.iter().map(|(id, _)| id.as_str()).collect();
        doubled += seen.events.len() - events.len();
        delivered += events.intersection(&of_configuration).count();
        for id in of_configuration.iter().filter(|id| !events.contains(*id)) {
            if let Some(at) = added.answered_at.get(*id) {
                let (first, last) = undelivered.unwrap_or((*at, *at));
                undelivered = Some((first.min(*at), last.max(*at)));
            }
        }
        missing +=
            of_configuration.iter().filter(|id| !events.contains(*id) && !seen.listed.contains(**id)).count();
        reconnects += seen.reconnects;
        notices += seen.notices;
        refetched += usize::from(!seen.listed.is_empty());
        for (id, at) in &seen.events {
            latencies
                .extend(added.answered_at.get(id).map(|answered| at.saturating_duration_since(*answered)));
        }
    }
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).map(Duration::as_micros);
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let share = delivered as f64 / expected.max(1) as f64;
    let line = json!({
        "subscribers": options.subscribers,
        "added": added.created.len(),
        "add_failures": added.failures,
        "expected": expected,
        "delivered": delivered,
        "share": share,
        "doubled": doubled,
        "missing_after_refetch": missing,
        "reconnects": reconnects,
        "notices": notices,
        "refetched": refetched,
        "undelivered_s": undelivered.map(|(first, last)| [(first - began).as_secs_f64(), (last - began).as_secs_f64()]),
        "p50_us": at(50),
        "p99_us": at(99),
    });
    println!("{line}");
    Ok(())
}
