//! Concurrent writes under faults of all kinds.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use msgraph_sandbox::settings::{IdPolicy, Tls};
use msgraph_sandbox::{Settings, TestCertificate};
use tokio::sync::Mutex;

use crate::call::{Clients, Status};
use crate::disk::StalledDisk;
use crate::evidence::Evidence;
use crate::faults::{CONNECTIONS, FALSE_REJECTIONS, HARD, USUAL};
use crate::gateway::{Gateway, StateFile, start_sandbox};
use crate::report::{Report, Violation};
use crate::{Faults, LoadArgs};

/// Maximum number of recorded requests, which explain violations.
const RECORD: usize = 1_000_000;
/// Streams on one HTTP/2 connection in a hard run: fewer than there are clients.
const MAX_STREAMS: u32 = 40;
/// Share of a client's attempts that end with a disconnect, in a hard run.
const DISCONNECT_RATE: f64 = 0.15;
/// Restarts of a hard run.
const RESTARTS: usize = 6;

/// The sandbox's certificate authority, in a file that is removed on drop.
struct Authority(PathBuf);

impl Authority {
    fn new(certificate: &TestCertificate) -> anyhow::Result<Self> {
        let file = std::env::temp_dir().join(format!("intune-graphql-example-{}.pem", std::process::id()));
        std::fs::write(&file, certificate.authority_pem())
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self(file))
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
pub(crate) async fn run(args: &LoadArgs) -> anyhow::Result<bool> {
    let is_hard = args.faults == Faults::Hard;
    let mut faults: Vec<&str> = USUAL.to_vec();
    if is_hard {
        faults.extend(HARD);
    }
    let mut kinds = faults.len() + if is_hard { CONNECTIONS.len() } else { 0 };
    if args.false_rejections {
        // Half of all faults.
        kinds += FALSE_REJECTIONS.len();
        faults.extend(FALSE_REJECTIONS.iter().cycle().take(faults.len()));
    }
    let keeps_ids = args.ids == IdPolicy::Keep;
    let mut settings = Settings {
        ids: args.ids,
        seed: args.seed,
        statuses: 0,
        record: RECORD,
        max_streams: MAX_STREAMS,
        fault_rate: args.fault_rate,
        fault_mix: faults.iter().map(|fault| fault.parse()).collect::<Result<_, _>>().context("a fault")?,
        ..Settings::default()
    };
    let mut options: Vec<String> =
        ["--request-timeout", if is_hard { "2s" } else { "10s" }, "--log", "error"]
            .map(str::to_owned)
            .to_vec();
    if keeps_ids {
        options.push("--graph-honors-client-ids".to_owned());
    }
    let mut authority = None;
    let mut disk = None;
    if is_hard {
        disk = Some(StalledDisk::new(args.seed, args.calls)?);
        let certificate = TestCertificate::generate()?;
        let file = authority.insert(Authority::new(&certificate)?);
        options.extend(["--graph-ca".to_owned(), file.0.display().to_string()]);
        settings.tls = Some(Tls::Generated(certificate));
        settings.faults =
            CONNECTIONS.iter().map(|rule| rule.parse()).collect::<Result<_, _>>().context("a rule")?;
    }
    let (sandbox, root) = start_sandbox(settings).await?;
    let state = StateFile::new();
    options.extend(["--state-file".to_owned(), state.path().display().to_string()]);
    let start_gateway = |address: &str, run: usize| {
        let environment = disk.as_ref().map(|disk| disk.environment(run)).transpose()?.unwrap_or_default();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        Gateway::start_in(&environment, &root, address, &options)
    };
    let mut gateway = start_gateway("127.0.0.1:0", 0)?;
    let address = gateway.address.clone();
    println!(
        "{} calls by {} clients, {} % faults of {kinds} kinds, seed {}, ids {}{}{}",
        args.calls,
        args.clients,
        args.fault_rate * 100.0,
        args.seed,
        if keeps_ids { "kept" } else { "ignored" },
        if is_hard { ", over HTTP/2, with a stalled disk, disconnects and restarts at random" } else { "" },
        if args.false_rejections { ", with false rejections" } else { "" },
    );

    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let reported: Arc<Mutex<Vec<Status>>> = Arc::default();
    let clients = Arc::new(Clients {
        http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?,
        url: format!("http://{address}/graphql"),
        keeps_ids,
        disconnects: if is_hard { DISCONNECT_RATE } else { 0.0 },
        seed: args.seed,
    });
    let running: Vec<_> = (0..args.clients)
        .map(|_| {
            let (next, reported, clients) = (Arc::clone(&next), Arc::clone(&reported), Arc::clone(&clients));
            let calls = args.calls;
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return;
                    }
                    let statuses = clients.make(number).await;
                    reported.lock().await.extend(statuses);
                }
            })
        })
        .collect();

    let mut codes = Vec::new();
    let mut restarts = restarts(args, is_hard).into_iter().peekable();
    for tenth in 1..=10 {
        let begun = args.calls * tenth / 10;
        loop {
            let reached = next.load(Ordering::Relaxed);
            if restarts.next_if(|restart| *restart <= reached).is_some() {
                let stopping = Instant::now();
                let code = gateway.drain().await?;
                let seconds = stopping.elapsed().as_secs_f64();
                println!("      drained in {seconds:.1} s with exit code {code:?}, and started again");
                codes.push(code);
                gateway = start_gateway(&address, codes.len())?;
            } else if reached >= begun {
                break;
            } else {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let (memory, files) =
            (gateway.memory().unwrap_or_default() / 1024, gateway.files().unwrap_or_default());
        let seconds = start.elapsed().as_secs();
        println!(
            "{:>3} % of the calls begun, {seconds:>4} s, gateway {memory} MiB, {files} files",
            tenth * 10
        );
    }
    for client in running {
        client.await?;
    }
    let code = gateway.drain().await?;
    println!("drained at the end with exit code {code:?}, after {} s", start.elapsed().as_secs());
    codes.push(code);
    let delays = disk.as_ref().map_or(0, StalledDisk::delays);
    if is_hard {
        println!("the disk stalled {delays} times");
    }

    let report = Report::new(&reported.lock().await, &Evidence::new(&sandbox, start), keeps_ids);
    report.print();
    if args.false_rejections {
        println!("With false rejections, duplicates are expected: the gateway trusts Graph's rejections.");
        return Ok(report.violations(Violation::Missing) == 0);
    }
    let is_stalled = !is_hard || delays > 0;
    Ok(report.is_consistent() && is_stalled && codes.iter().all(|code| *code == Some(0)))
}

/// The calls at whose start the gateway restarts, in order: half-way; in a hard run, a random call in each sixth.
fn restarts(args: &LoadArgs, is_hard: bool) -> Vec<usize> {
    if !is_hard {
        return vec![args.calls / 2];
    }
    let mut random = fastrand::Rng::with_seed(args.seed);
    let part = args.calls / RESTARTS;
    (0..RESTARTS).map(|index| part * index + random.usize(..part.max(1))).collect()
}
