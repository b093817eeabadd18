//! Faults of all kinds at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use intune_graphql::sandbox::Settings;
use intune_graphql::sandbox::settings::IdPolicy;
use tokio::sync::Mutex;

use crate::StormArgs;
use crate::call::{self, Status};
use crate::gateway::{Gateway, StateFile, start_sandbox};
use crate::tally::Tally;

/// Every way to fail of the lists "Errors", "Writes" and "Batch", each with the same share.
const FAULTS: &[&str] = &[
    "429",
    "429;retry-after=0",
    "429;body=throttled;retry-after=0.1",
    "429;body=wrapped;retry-after=date:1s",
    "503;retry-after=0.1",
    "503;body=wrapped",
    "service-timeout;retry-after=0.1",
    "service-timeout;retry-after=0.1;applied=true",
    "500;body=wrapped",
    "500;applied=true",
    "bad-gateway",
    "bad-gateway;applied=true",
    "gateway-timeout",
    "gateway-timeout;applied=true",
    "504;body=empty-message;applied=true",
    "400;body=wrapped",
    "409",
    "drop-unread",
    "drop-unread;close=reset",
    "drop-mid-answer",
    "drop-mid-answer;close=reset",
    "drop-applied",
    "drop-applied;close=reset",
    "slow-first-byte;wait=200ms",
    "slow-body;piece=200;pause=5ms",
    "created-204;header=location",
    "created-204;header=none",
    "empty-body",
    "truncated",
    "not-json",
    "without;members=id",
    "batch-item;item=1;status=429;retry-after=0.1",
    "batch-item;item=2;status=503",
    "batch-item;item=3;status=504;applied=true",
    "batch-missing;item=4",
    "batch-duplicate;item=5",
    "batch-malformed;item=6",
    "batch-shuffled",
];

/// Where Graph breaks its own word: it says that it did nothing, and has done it.
const BROKEN_WORD: &[&str] =
    &["429;applied=true", "429;retry-after=0.1;applied=true", "503;retry-after=0.1;applied=true"];

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
pub(crate) async fn run(args: &StormArgs) -> anyhow::Result<bool> {
    let mut faults: Vec<&str> = FAULTS.to_vec();
    if args.broken_word {
        // As often as all the others together.
        faults.extend(BROKEN_WORD.iter().cycle().take(FAULTS.len()));
    }
    let keeps_ids = args.ids == IdPolicy::Keep;
    let (sandbox, root) = start_sandbox(Settings {
        ids: args.ids,
        seed: args.seed,
        statuses: 0,
        record: 1,
        fault_rate: args.fault_rate,
        fault_mix: faults.iter().map(|fault| fault.parse()).collect::<Result<_, _>>().context("a fault")?,
        ..Settings::default()
    })
    .await?;
    let state = StateFile::new();
    let mut settings = vec!["--deadline", "10s", "--log", "error"];
    if keeps_ids {
        settings.push("--graph-keeps-ids");
    }
    let mut gateway = Gateway::start(&root, "127.0.0.1:0", state.path(), &settings)?;
    let address = gateway.address.clone();
    let url: Arc<str> = format!("http://{address}/graphql").into();
    println!(
        "{} calls by {} clients, {} % faults of {} kinds, seed {}, ids {}{}",
        args.calls,
        args.clients,
        args.fault_rate * 100.0,
        FAULTS.len() + if args.broken_word { BROKEN_WORD.len() } else { 0 },
        args.seed,
        if keeps_ids { "kept" } else { "ignored" },
        if args.broken_word { ", Graph's word broken" } else { "" },
    );

    let start = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let told: Arc<Mutex<Vec<Status>>> = Arc::default();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
    let clients: Vec<_> = (0..args.clients)
        .map(|_| {
            let (next, told, url, http) =
                (Arc::clone(&next), Arc::clone(&told), Arc::clone(&url), http.clone());
            let calls = args.calls;
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return;
                    }
                    let statuses = call::make(&http, &url, number, keeps_ids).await;
                    told.lock().await.extend(statuses);
                }
            })
        })
        .collect();

    let mut is_drained = false;
    for tenth in 1..=10 {
        while next.load(Ordering::Relaxed) < args.calls * tenth / 10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let (memory, files) =
            (gateway.memory().unwrap_or_default() / 1024, gateway.files().unwrap_or_default());
        let seconds = start.elapsed().as_secs();
        println!(
            "{:>3} % of the calls begun, {seconds:>4} s, gateway {memory} MiB, {files} files",
            tenth * 10
        );
        if tenth == 5 {
            let code = gateway.drain().await?;
            println!("      drained with exit code {code:?}, and started again");
            is_drained = code == Some(0);
            gateway = Gateway::start(&root, &address, state.path(), &settings)?;
        }
    }
    for client in clients {
        client.await?;
    }
    let code = gateway.drain().await?;
    println!("drained at the end with exit code {code:?}, after {} s", start.elapsed().as_secs());

    let tally = Tally::new(&told.lock().await, &sandbox, keeps_ids);
    tally.print();
    if args.broken_word {
        println!("Graph said that it had done nothing, and had: the doubles are the price of believing it.");
        return Ok(tally.missing == 0);
    }
    Ok(tally.is_kept() && is_drained && code == Some(0))
}
