//! A bulk load through three gateways under Intune's published throttling limit of 100 writes in 20 s per app and tenant, in
//! real time: once with one shared state, and once with a state for each gateway, which therefore learns each `Retry-After`
//! from Graph itself. Both runs have the same clients, calls and seed, and take place at the same time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use msgraph_sandbox::settings::Switch;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, FaultRule, Settings};
use serde_json::{Value, json};

use crate::ReplicasThrottlingArgs;
use crate::gateway::{Gateway, start_sandbox};
use crate::redis_server::RedisServer;

const GATEWAYS: usize = 3;
const ITEMS_PER_CALL: usize = 5;
/// Maximum pause of a client between two calls.
const MAX_PAUSE: Duration = Duration::from_secs(5);

const ADD_MANY: &str = "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) {
    results { deviceStatusId error { code outcome retryable retryAfter } } } }";

/// What Graph received in one run.
struct Figures {
    /// Writes, each item of a batch by itself.
    received: usize,
    throttled: usize,
    took: Duration,
    /// Each status exists once.
    is_consistent: bool,
}

impl Figures {
    /// 429 per response.
    fn share(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let share = self.throttled as f64 / self.received as f64;
        share
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
pub(crate) async fn run(args: &ReplicasThrottlingArgs) -> anyhow::Result<bool> {
    let redis = RedisServer::start()?;
    println!(
        "{} statuses in calls of {ITEMS_PER_CALL} by {} clients of {GATEWAYS} gateways, 100 writes in 20 s, {} ms per \
         response, seed {}",
        args.items,
        args.clients,
        args.latency.as_millis(),
        args.seed
    );
    let database = |number: usize| format!("{}/{number}", redis.url());
    let separate = [1, 2, 3].map(database);
    let shared = [0; GATEWAYS].map(database);
    let (separate, shared) = tokio::try_join!(load(args, &separate), load(args, &shared))?;
    for (name, figures) in [("separate", &separate), ("shared", &shared)] {
        println!(
            "{name}: {} writes at Graph, {} of them 429 ({:.1} %), in {:.1} s, {}",
            figures.received,
            figures.throttled,
            figures.share() * 100.0,
            figures.took.as_secs_f64(),
            if figures.is_consistent { "each status exists once" } else { "statuses are missing or doubled" },
        );
    }
    Ok(separate.is_consistent && shared.is_consistent && shared.share() < separate.share())
}

/// Adds all statuses through gateways with these states.
async fn load(args: &ReplicasThrottlingArgs, states: &[String; GATEWAYS]) -> anyhow::Result<Figures> {
    let latency = format!("slow-first-byte;wait={}ms", args.latency.as_millis());
    let settings = Settings {
        throttle: Switch::On,
        statuses: 0,
        record: usize::MAX,
        faults: if args.latency.is_zero() { Vec::new() } else { vec![FaultRule::always(latency.parse()?)] },
        ..Settings::default()
    };
    let (sandbox, root) = start_sandbox(settings).await?;
    let start = |state: &String| {
        Gateway::start_in(&[], &root, "127.0.0.1:0", &["--state-url", state, "--log", "error"])
    };
    let gateways = states.iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
    let begin = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let calls = args.items.div_ceil(ITEMS_PER_CALL);
    let clients: Vec<_> = (0..args.clients)
        .map(|number| {
            let client = Client {
                http: reqwest::Client::builder().no_proxy().build()?,
                url: format!("http://{}/graphql", gateways[number % GATEWAYS].address),
                random: fastrand::Rng::with_seed(args.seed.wrapping_mul(1000).wrapping_add(number as u64)),
            };
            Ok(tokio::spawn(client.run(Arc::clone(&next), calls)))
        })
        .collect::<anyhow::Result<_>>()?;
    for client in clients {
        client.await??;
    }
    let took = begin.elapsed();
    let mut present: HashMap<String, usize> = HashMap::new();
    for status in sandbox.device_statuses(DEMO_CONFIGURATION_ID) {
        *present.entry(status["userName"].to_string()).or_default() += 1;
    }
    let created: usize = present.values().sum();
    let received = sandbox.requests().iter().map(|request| request.batch_items().len().max(1)).sum::<usize>();
    Ok(Figures {
        received,
        throttled: received - created,
        took,
        is_consistent: present.len() == calls * ITEMS_PER_CALL && created == present.len(),
    })
}

/// A client of one gateway, all with the same token.
struct Client {
    http: reqwest::Client,
    url: String,
    random: fastrand::Rng,
}

impl Client {
    async fn run(mut self, next: Arc<AtomicUsize>, calls: usize) -> anyhow::Result<()> {
        loop {
            self.pause().await;
            let call = next.fetch_add(1, Ordering::Relaxed);
            if call >= calls {
                return Ok(());
            }
            while let Some(wait) = self.call(call).await? {
                tokio::time::sleep(wait).await;
                self.pause().await;
            }
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(MAX_PAUSE.mul_f64(self.random.f64())).await;
    }

    /// Makes a call, or repeats it with its key. Returns how long to wait before it must be repeated.
    async fn call(&self, number: usize) -> anyhow::Result<Option<Duration>> {
        let first = number * ITEMS_PER_CALL;
        let statuses: Vec<Value> = (first..first + ITEMS_PER_CALL).map(status).collect();
        let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "idempotencyKey": format!("call-{number}"),
            "deviceStatuses": statuses});
        let body = json!({"query": ADD_MANY, "variables": {"input": input}}).to_string();
        let request = self.http.post(&self.url).header("content-type", "application/json");
        let answer = request.bearer_auth("throttling-token").body(body).send().await?.text().await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let results = answer["data"]["addDeviceStatuses"]["results"].as_array();
        let mut longest = None;
        for error in
            results.with_context(|| format!("no results: {answer}"))?.iter().map(|item| &item["error"])
        {
            if error.is_null() {
                continue;
            }
            ensure!(
                error["code"] == "THROTTLED" && error["retryable"] == true,
                "permanently rejected: {error}"
            );
            let wait = Duration::from_secs_f64(error["retryAfter"].as_f64().context("no retryAfter")?);
            longest = longest.max(Some(wait));
        }
        Ok(longest)
    }
}

fn status(number: usize) -> Value {
    json!({
        "deviceDisplayName": "throttling", "userName": format!("status-{number}"), "deviceModel": "iPad", "platform": 8,
        "status": "COMPLIANT", "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59.9999999Z",
        "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00", "userPrincipalName": "throttling@example.org",
    })
}
