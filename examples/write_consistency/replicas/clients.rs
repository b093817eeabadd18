//! Clients that create objects with keys, and repeat each call on other replicas until its end; and a client that reads and
//! creates without a key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};
use uuid::Uuid;

use super::history::{Call, CallKind, Event, ItemResult, NoResponse, Outcome, Recorder};
use super::response::{self, Response};
use crate::call::device_status;

/// One key in this number is of a bulk call.
const BULK_EVERY: u64 = 20;
/// Maximum number of objects of a bulk call: more than one `$batch` has.
const MAX_BULK: usize = 30;
/// Share of attempts that are sent to two replicas at once.
const CONCURRENT_RATE: f64 = 0.2;
/// Share of attempts whose client would disconnect before the gateway's own timeout. The others wait for a paused replica.
const IMPATIENT_RATE: f64 = 0.9;
/// Share of keys that are repeated once more after a success.
const CONFIRMED_RATE: f64 = 0.5;
/// Responses with an unknown outcome until a client gives up. A key stays unknown until it expires.
const MAX_UNKNOWN: usize = 3;
/// Maximum time for one key.
const MAX_KEY_TIME: Duration = Duration::from_secs(60);
/// Maximum wait of a patient client for a response: a paused replica responds when it continues.
const PATIENCE: Duration = Duration::from_secs(60);
/// Maximum wait of the client without keys, which has to reach the other replicas while one is paused.
const QUIET_PATIENCE: Duration = Duration::from_secs(3);
const MIN_WAIT: Duration = Duration::from_millis(50);
const MAX_WAIT: Duration = Duration::from_secs(1);
/// Pause of a client between two keys, which bounds the size of the history.
const PAUSE: Duration = Duration::from_millis(100);

const ADD: &str =
    "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId replayed } }";
const ADD_MANY: &str =
    "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) { results {
    deviceStatusId replayed error { code outcome retryable retryAfter } } } }";
const READ: &str = "query($id: ID!) { iosLobAppProvisioningConfiguration(id: $id) { id } }";

/// Clients of several replicas.
pub(super) struct Clients {
    pub(super) http: reqwest::Client,
    /// The address of each replica.
    pub(super) replicas: Vec<String>,
    pub(super) recorder: Arc<Recorder>,
    /// A configuration that no fault of the sandbox affects, for calls without a key.
    pub(super) quiet_configuration: String,
    /// Below the gateway's request timeout.
    pub(super) impatience: Duration,
    pub(super) seed: u64,
    pub(super) is_stopping: AtomicBool,
    pub(super) next_key: AtomicU64,
    pub(super) next_call: AtomicU64,
}

/// A call that can be sent several times.
struct Operation {
    kind: CallKind,
    key: Option<String>,
    names: Vec<String>,
    token: String,
    body: String,
}

/// The end of an attempt.
enum End {
    Response(Response),
    None,
}

impl Clients {
    /// Creates objects with keys until the run stops.
    pub(super) async fn create_with_keys(&self, client: u64) -> anyhow::Result<()> {
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(client));
        while !self.is_stopping.load(Ordering::Relaxed) {
            let number = self.next_key.fetch_add(1, Ordering::Relaxed);
            let count = if number % BULK_EVERY == BULK_EVERY - 1 { random.usize(2..=MAX_BULK) } else { 1 };
            let names: Vec<String> = (0..count).map(|item| format!("key-{number}-{item}")).collect();
            let operation = keyed(format!("key-{number}"), names, format!("token-{client}"));
            self.repeat_until_its_end(&operation, &mut random).await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn repeat_until_its_end(
        &self,
        operation: &Operation,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut replica = random.usize(..self.replicas.len());
        let mut unknown = 0;
        let mut backoff = MIN_WAIT;
        while start.elapsed() < MAX_KEY_TIME {
            let patience = if random.f64() < IMPATIENT_RATE { self.impatience } else { PATIENCE };
            let first = self.attempt(operation, replica, patience);
            let ends = if random.f64() < CONCURRENT_RATE {
                let (first, second) =
                    tokio::join!(first, self.attempt(operation, self.other(replica, random), patience));
                vec![first?, second?]
            } else {
                vec![first.await?]
            };
            replica = self.other(replica, random);
            let responses: Vec<&Response> = ends
                .iter()
                .filter_map(|end| match end {
                    End::Response(response) => Some(response),
                    End::None => None,
                })
                .collect();
            if responses.iter().any(|response| is_done(&response.results)) {
                if random.f64() < CONFIRMED_RATE {
                    self.attempt(operation, replica, patience).await?;
                }
                return Ok(());
            }
            let has_unknown = |response: &&&Response| {
                response
                    .results
                    .iter()
                    .any(|result| matches!(result.outcome, Outcome::Unknown | Outcome::Applied))
            };
            unknown += responses.iter().filter(has_unknown).count();
            let is_final = responses.iter().any(|response| !response.is_retryable);
            if is_final || unknown >= MAX_UNKNOWN {
                return Ok(());
            }
            let wait = responses.iter().filter_map(|response| response.wait).max().unwrap_or(backoff);
            tokio::time::sleep(wait.clamp(MIN_WAIT, MAX_WAIT)).await;
            backoff = (backoff * 2).min(MAX_WAIT);
        }
        Ok(())
    }

    /// Reads, and creates without a key, on each replica in turn until the run stops.
    pub(super) async fn read_and_create(&self) -> anyhow::Result<()> {
        for number in 0_u64.. {
            if self.is_stopping.load(Ordering::Relaxed) {
                break;
            }
            for replica in 0..self.replicas.len() {
                let read = read_operation(&self.quiet_configuration);
                self.attempt(&read, replica, QUIET_PATIENCE).await?;
                let name = format!("plain-{number}-{replica}");
                let plain = plain(&self.quiet_configuration, name);
                self.attempt(&plain, replica, QUIET_PATIENCE).await?;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// A replica other than this one.
    fn other(&self, replica: usize, random: &mut fastrand::Rng) -> usize {
        let count = self.replicas.len();
        (replica + random.usize(1..count.max(2))) % count
    }

    /// Sends a call once, and records it and its end.
    async fn attempt(
        &self,
        operation: &Operation,
        replica: usize,
        patience: Duration,
    ) -> anyhow::Result<End> {
        let call = self.next_call.fetch_add(1, Ordering::Relaxed);
        let request_id = Uuid::new_v4().to_string();
        let request = self
            .http
            .post(format!("http://{}/graphql", self.replicas[replica]))
            .header("content-type", "application/json")
            .header("client-request-id", &request_id)
            .bearer_auth(&operation.token)
            .body(operation.body.clone());
        self.recorder.record(&Event::Call(Call {
            at: self.recorder.now(),
            call,
            kind: operation.kind,
            key: operation.key.clone(),
            names: operation.names.clone(),
            replica,
            request_id,
        }))?;
        let exchange = async {
            match request.send().await {
                Ok(response) => response.text().await.map_err(|_| NoResponse::Lost),
                Err(error) if error.is_connect() => Err(NoResponse::NotConnected),
                Err(_) => Err(NoResponse::Lost),
            }
        };
        let text = tokio::time::timeout(patience, exchange).await.unwrap_or(Err(NoResponse::Disconnected));
        let at = self.recorder.now();
        let response =
            text.and_then(|text| response::read(&text, operation.names.len()).ok_or(NoResponse::Unreadable));
        match response {
            Ok(response) => {
                let results = response.results.clone();
                self.recorder.record(&Event::Response { at, call, results })?;
                Ok(End::Response(response))
            }
            Err(reason) => {
                self.recorder.record(&Event::NoResponse { at, call, reason })?;
                Ok(End::None)
            }
        }
    }
}

fn is_done(results: &[ItemResult]) -> bool {
    results.iter().all(|result| result.outcome.is_success())
}

fn keyed(key: String, names: Vec<String>, token: String) -> Operation {
    let mut input = json!({"configurationId": DEMO_CONFIGURATION_ID, "idempotencyKey": key});
    let query = match names.as_slice() {
        [name] => {
            input["deviceStatus"] = device_status(name);
            ADD
        }
        names => {
            input["deviceStatuses"] = names.iter().map(|name| device_status(name)).collect();
            ADD_MANY
        }
    };
    let body = body(query, &json!({"input": input}));
    Operation { kind: CallKind::Keyed, key: Some(key), names, token, body }
}

fn plain(configuration: &str, name: String) -> Operation {
    let input = json!({"configurationId": configuration, "deviceStatus": device_status(&name)});
    let body = body(ADD, &json!({"input": input}));
    Operation { kind: CallKind::Plain, key: None, names: vec![name], token: "quiet-token".to_owned(), body }
}

fn read_operation(configuration: &str) -> Operation {
    let body = body(READ, &json!({"id": configuration}));
    Operation { kind: CallKind::Read, key: None, names: Vec::new(), token: "quiet-token".to_owned(), body }
}

fn body(query: &str, variables: &Value) -> String {
    json!({"query": query, "variables": variables}).to_string()
}
