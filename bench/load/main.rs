//! A load generator: sends one request over many connections. Each sends again after a response. Prints one line of JSON
//! with counts and latencies. `bench/run` uses it for all its measurements.
//!
//! `cargo run --release --example bench_load -- --help`

mod direct;
mod http1;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use serde_json::json;
use tokio::task::JoinSet;

use self::direct::Direct;
use self::http1::Connection;

/// Sends a request repeatedly, and prints counts and latencies as JSON.
#[derive(Debug, Parser)]
#[command(max_term_width = 110)]
struct Load {
    /// URL to send to: `http://ADDRESS/graphql`, or an https URL together with `--ca`.
    url: String,
    /// File with the body of the request. In each request over http, sixteen `@` become a random number.
    #[arg(long)]
    body: PathBuf,
    /// Number of requests in flight. Over http each has a separate connection.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Duration of the measurement, for example `5s`.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Time over which the connections start. It is not measured.
    #[arg(long, default_value = "0s", value_parser = humantime::parse_duration)]
    ramp: Duration,
    /// Number of different bearer tokens, since one caller may use only a share of the gateway.
    #[arg(long, default_value_t = 1)]
    tokens: usize,
    /// PEM file with the certificate authority of an https URL, which is called over HTTP/2.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// Number of concurrent streams of an HTTP/2 connection.
    #[arg(long, default_value_t = 100)]
    streams: usize,
}

/// Counts and latencies, in microseconds, of the requests that ended within the measured time.
#[derive(Debug, Default)]
struct Measured {
    latencies: Vec<u64>,
    failed: u64,
    bytes: u64,
}

/// The client of one connection.
enum Sender {
    Http1(Box<Connection>),
    Direct(Direct),
}

impl Sender {
    /// Sends the request once. Returns the size of a complete response without errors; otherwise `None`.
    async fn send(&mut self) -> Option<usize> {
        match self {
            Self::Http1(connection) => connection.send().await.ok().flatten(),
            Self::Direct(direct) => direct.send().await.ok().flatten(),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let load = Load::parse();
    // One thread, so that the gateway can use the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(load))
}

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
async fn run(load: Load) -> anyhow::Result<()> {
    ensure!(load.connections > 0 && load.tokens > 0 && load.streams > 0, "counts must be at least 1");
    let body = std::fs::read(&load.body).with_context(|| format!("cannot read {}", load.body.display()))?;
    let direct = match &load.ca {
        Some(ca) => Some(direct::clients(ca, load.connections.div_ceil(load.streams))?),
        None => None,
    };
    let begin = Instant::now();
    let from = begin + load.ramp;
    let until = from + load.duration;
    let mut connections = JoinSet::new();
    for number in 0..load.connections {
        let token = format!("bench-token-{}", number % load.tokens);
        let sender = match &direct {
            Some(clients) => {
                let client = clients[number / load.streams].clone();
                Sender::Direct(Direct::new(client, &load.url, &token, &body))
            }
            None => Sender::Http1(Box::new(Connection::new(&load.url, &token, &body)?)),
        };
        let share = f64::from(u32::try_from(number)?) / f64::from(u32::try_from(load.connections)?);
        let start = begin + load.ramp.mul_f64(share);
        connections.spawn(drive(sender, start, from, until));
    }
    let mut all = Measured::default();
    while let Some(measured) = connections.join_next().await {
        let measured = measured?;
        all.latencies.extend(measured.latencies);
        all.failed += measured.failed;
        all.bytes += measured.bytes;
    }
    let seconds = load.duration.as_secs_f64();
    all.latencies.sort_unstable();
    let at =
        |percent: usize| all.latencies.get(all.latencies.len() * percent / 100).copied().unwrap_or_default();
    let line = json!({
        "requests": all.latencies.len(),
        "failed": all.failed,
        "seconds": seconds,
        "bytes": all.bytes,
        "p50": at(50),
        "p99": at(99),
        "max": all.latencies.last(),
    });
    println!("{line}");
    Ok(())
}

/// Sends from `start` until `until`, and measures from `from`.
async fn drive(mut sender: Sender, start: Instant, from: Instant, until: Instant) -> Measured {
    let mut measured = Measured::default();
    tokio::time::sleep_until(start.into()).await;
    while Instant::now() < until {
        let sent = Instant::now();
        let answer = sender.send().await;
        let is_measured = sent >= from;
        match answer {
            Some(bytes) if is_measured => {
                let latency = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
                measured.latencies.push(latency);
                measured.bytes += bytes as u64;
            }
            Some(_) => {}
            None => {
                // A failure during the ramp is a failure too.
                measured.failed += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    measured
}
