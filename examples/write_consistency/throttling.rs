//! Bulk calls under Intune's published throttling limit of 100 writes in 20 s per app and tenant, in real time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use msgraph_sandbox::settings::Switch;
use msgraph_sandbox::{DEMO_CONFIGURATION_ID, Settings};
use serde_json::{Value, json};

use crate::ThrottlingArgs;
use crate::gateway::{Gateway, StateFile, start_sandbox};

const MAX_ITEMS_PER_CALL: usize = 1000;
const WRITES_PER_WINDOW: usize = 100;
const WINDOW: Duration = Duration::from_secs(20);
/// Maximum duration of the run, relative to the minimum that the limit allows.
const MAX_RATIO: f64 = 1.2;

const ADD_MANY: &str =
    "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) { createdCount
    results { deviceStatusId error { code outcome retryable retryAfter } } } }";

#[expect(clippy::print_stdout, reason = "the figures are the program's purpose")]
pub(crate) async fn run(args: &ThrottlingArgs) -> anyhow::Result<bool> {
    let (sandbox, root) =
        start_sandbox(Settings { throttle: Switch::On, statuses: 0, record: 1, ..Settings::default() })
            .await?;
    let state = StateFile::new();
    let gateway = Gateway::start(&root, "127.0.0.1:0", state.path(), &["--log", "error"])?;
    let url = format!("http://{}/graphql", gateway.address);
    let http = reqwest::Client::builder().no_proxy().build()?;
    println!("{} statuses in calls of at most {MAX_ITEMS_PER_CALL}, 100 writes in 20 s", args.items);

    let start = Instant::now();
    let mut reported = 0;
    for (call, first) in (0..args.items).step_by(MAX_ITEMS_PER_CALL).enumerate() {
        let last = args.items.min(first + MAX_ITEMS_PER_CALL);
        let statuses: Vec<Value> = (first..last).map(status).collect();
        let input = json!({"configurationId": DEMO_CONFIGURATION_ID, "idempotencyKey": format!("call-{call}"),
            "deviceStatuses": statuses});
        let body = json!({"query": ADD_MANY, "variables": {"input": input}}).to_string();
        loop {
            let request =
                http.post(&url).header("content-type", "application/json").bearer_auth("throttling-token");
            let answer = request.body(body.clone()).send().await?.text().await?;
            let answer: Value = serde_json::from_str(&answer)?;
            let payload = &answer["data"]["addDeviceStatuses"];
            let results = payload["results"].as_array().with_context(|| format!("no results: {answer}"))?;
            let mut wait: f64 = 0.0;
            for error in results.iter().map(|result| &result["error"]).filter(|error| !error.is_null()) {
                ensure!(
                    error["code"] == "THROTTLED" && error["retryable"] == true,
                    "permanently rejected: {error}"
                );
                wait = wait.max(error["retryAfter"].as_f64().context("no retryAfter")?);
            }
            println!(
                "{:>4} s  call {call}: {} of {} exist, retry after {wait:.1} s",
                start.elapsed().as_secs(),
                payload["createdCount"],
                results.len(),
            );
            if wait == 0.0 {
                reported += results.len();
                break;
            }
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
        }
    }
    let took = start.elapsed();
    let minimum = WINDOW * u32::try_from(args.items.div_ceil(WRITES_PER_WINDOW) - 1)?;

    let mut present: HashMap<String, usize> = HashMap::new();
    for status in sandbox.device_statuses(DEMO_CONFIGURATION_ID) {
        *present.entry(status["userName"].to_string()).or_default() += 1;
    }
    let duplicated = present.values().filter(|count| **count > 1).count();
    let ratio = took.as_secs_f64() / minimum.as_secs_f64();
    println!("reported created {reported}, present {}, duplicated {duplicated}", present.len());
    println!(
        "took {:.1} s; the limit allows {} s; ratio {ratio:.3}, at most {MAX_RATIO}",
        took.as_secs_f64(),
        minimum.as_secs()
    );
    Ok(reported == args.items && present.len() == args.items && duplicated == 0 && ratio <= MAX_RATIO)
}

fn status(number: usize) -> Value {
    json!({
        "deviceDisplayName": "throttling", "userName": format!("status-{number}"), "deviceModel": "iPad", "platform": 8,
        "status": "COMPLIANT", "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59.9999999Z",
        "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00", "userPrincipalName": "throttling@example.org",
    })
}
