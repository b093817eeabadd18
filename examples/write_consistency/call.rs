//! One call, and a client that repeats it as the response allows, or disconnects.

use std::time::{Duration, Instant};

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

/// Number of statuses in a bulk call.
const BULK: usize = 30;
/// Maximum number of attempts of a call.
const MAX_ATTEMPTS: usize = 12;
/// Maximum wait before a repeat, and the default without `retryAfter`. Both are short, so that the run ends.
const MAX_WAIT: Duration = Duration::from_secs(2);
const DEFAULT_WAIT: Duration = Duration::from_millis(100);
/// Maximum time to reach a gateway that restarts.
const MAX_RESTART_WAIT: Duration = Duration::from_secs(60);

/// The text of an attempt that the client ended.
const DISCONNECTED: &str = "disconnected";

const ADD: &str =
    "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }";
const ADD_MANY: &str =
    "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) { results {
    deviceStatusId error { code outcome retryable retryAfter } } } }";

/// The members of a call that make it safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// No key: the call is repeated only after a response that reports that nothing was written.
    Plain,
    /// An idempotency key.
    Keyed,
    /// A `graphId`.
    Identified,
    /// Both.
    KeyedIdentified,
    /// Many statuses, and a key.
    Bulk,
}

impl CallKind {
    /// A mix of calls, most with a key or an id.
    pub(crate) fn of(number: usize) -> Self {
        match number % 20 {
            0..=3 => Self::Plain,
            4..=10 => Self::Keyed,
            11..=15 => Self::Identified,
            16..=18 => Self::KeyedIdentified,
            _ => Self::Bulk,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "neither key nor id",
            Self::Keyed => "with a key",
            Self::Identified => "with an id",
            Self::KeyedIdentified => "with a key and an id",
            Self::Bulk => "in bulk, with a key",
        }
    }

    fn has_key(self) -> bool {
        matches!(self, Self::Keyed | Self::KeyedIdentified | Self::Bulk)
    }

    fn has_id(self) -> bool {
        matches!(self, Self::Identified | Self::KeyedIdentified)
    }

    /// Whether a repeat cannot create a duplicate after any outcome.
    pub(crate) fn is_safe(self, keeps_ids: bool) -> bool {
        self.has_key() || (self.has_id() && keeps_ids)
    }
}

/// The outcome of one status, as the gateway reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReportedOutcome {
    /// It exists; its global id.
    Created(String),
    /// It exists; its id is unknown.
    Applied,
    /// It does not exist: `NOT_SENT` or `REJECTED`.
    NotWritten,
    /// It may exist.
    Unknown,
}

/// A status that a call was to write.
#[derive(Debug)]
pub(crate) struct Status {
    /// Its user name, by which it is found in the sandbox.
    pub(crate) name: String,
    pub(crate) kind: CallKind,
    pub(crate) reported: ReportedOutcome,
    pub(crate) attempts: Vec<Attempt>,
}

/// One attempt of a client, and the outcome that it reported for one status.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
    /// `None` if there was no response.
    pub(crate) reported: Option<ReportedOutcome>,
    pub(crate) disconnected: bool,
    /// For the history of a violation.
    pub(crate) text: String,
}

/// The result of an attempt.
enum AttemptResult {
    Response(String),
    /// The gateway was not reached, so that nothing was sent.
    NotConnected,
    /// The connection was lost.
    Lost(String),
    Disconnected,
}

/// Clients of one gateway.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    /// Whether the sandbox keeps ids, and so a `graphId` makes repeats safe.
    pub(crate) keeps_ids: bool,
    /// Share of attempts that end with a disconnect before the response.
    pub(crate) disconnects: f64,
    pub(crate) seed: u64,
}

impl Clients {
    /// Makes call `number`, and repeats it while that is safe and useful.
    pub(crate) async fn make(&self, number: usize) -> Vec<Status> {
        let kind = CallKind::of(number);
        let count = if kind == CallKind::Bulk { BULK } else { 1 };
        let mut statuses: Vec<Status> = (0..count)
            .map(|item| Status {
                name: format!("call-{number}-{item}"),
                kind,
                reported: ReportedOutcome::NotWritten,
                attempts: Vec::new(),
            })
            .collect();
        let mut was_unknown = vec![false; count];
        let body = body(number, &statuses);
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(number as u64));
        let start = Instant::now();
        let mut attempts = 0;
        while attempts < MAX_ATTEMPTS {
            let sent = Instant::now();
            let reply = self.attempt(&body, &mut random).await;
            let ended = Instant::now();
            let (answers, lost) = match reply {
                AttemptResult::NotConnected if start.elapsed() < MAX_RESTART_WAIT => {
                    tokio::time::sleep(DEFAULT_WAIT).await;
                    continue;
                }
                AttemptResult::NotConnected => break,
                AttemptResult::Response(answer) => {
                    (read(&answer, count), format!("unreadable answer {answer:.200}"))
                }
                AttemptResult::Lost(error) => (None, format!("connection lost: {error}")),
                AttemptResult::Disconnected => (None, DISCONNECTED.to_owned()),
            };
            attempts += 1;
            let disconnected = lost == DISCONNECTED;
            let mut wait = None;
            for (item, status) in statuses.iter_mut().enumerate() {
                let answer = answers.as_ref().map(|answers| &answers[item]);
                status.attempts.push(Attempt {
                    sent,
                    ended,
                    reported: answer.map(|answer| answer.reported.clone()),
                    disconnected,
                    text: answer.map_or_else(|| lost.clone(), |answer| answer.text.clone()),
                });
                if matches!(status.reported, ReportedOutcome::Created(_)) {
                    // A created object exists, even if a repeat returns something else.
                    continue;
                }
                // After a lost response, only calls that are safe to repeat are repeated.
                let reported = answer.map_or(ReportedOutcome::Unknown, |answer| answer.reported.clone());
                was_unknown[item] |= reported == ReportedOutcome::Unknown;
                let should_retry = match &reported {
                    ReportedOutcome::Created(_) => false,
                    ReportedOutcome::Unknown | ReportedOutcome::Applied => kind.is_safe(self.keeps_ids),
                    ReportedOutcome::NotWritten => answer.is_some_and(|answer| answer.is_retryable),
                };
                if should_retry {
                    let requested =
                        answer.and_then(|answer| answer.wait).unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
                    wait = Some(wait.map_or(requested, |wait: Duration| wait.max(requested)));
                }
                status.reported = match reported {
                    ReportedOutcome::Created(id) => ReportedOutcome::Created(id),
                    // A created object exists, even if a repeat reports something else.
                    _ if status.reported == ReportedOutcome::Applied => ReportedOutcome::Applied,
                    // After an unknown outcome, only the object itself is proof.
                    ReportedOutcome::NotWritten if was_unknown[item] => ReportedOutcome::Unknown,
                    reported => reported,
                };
            }
            let Some(wait) = wait else { break };
            tokio::time::sleep(wait).await;
        }
        statuses
    }

    /// Sends the call once. A client that disconnects closes its connection.
    async fn attempt(&self, body: &str, random: &mut fastrand::Rng) -> AttemptResult {
        let request = self.http.post(&self.url).header("content-type", "application/json");
        let request = request.bearer_auth("load-token").body(body.to_owned());
        let exchange = async {
            match request.send().await {
                Ok(answer) => answer
                    .text()
                    .await
                    .map_or_else(|error| AttemptResult::Lost(format!("{error:?}")), AttemptResult::Response),
                Err(error) if error.is_connect() => AttemptResult::NotConnected,
                Err(error) => AttemptResult::Lost(format!("{error:?}")),
            }
        };
        if random.f64() >= self.disconnects {
            return exchange.await;
        }
        // Half of them within 20 ms, when calls have hardly begun, the others later.
        let longest = if random.bool() { 20 } else { 2000 };
        let patience = Duration::from_millis(random.u64(..longest));
        tokio::time::timeout(patience, exchange).await.unwrap_or(AttemptResult::Disconnected)
    }
}

/// The input of a status that is found in the sandbox by its user name.
pub(crate) fn device_status(name: &str) -> Value {
    json!({
        "deviceDisplayName": "load", "userName": name, "deviceModel": "iPad", "platform": 8, "status": "COMPLIANT",
        "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59.9999999Z",
        "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00", "userPrincipalName": "load@example.org",
    })
}

fn body(number: usize, statuses: &[Status]) -> String {
    let kind = CallKind::of(number);
    let statuses: Vec<Value> = statuses
        .iter()
        .map(|Status { name, .. }| {
            let mut status = device_status(name);
            if kind.has_id() {
                status["graphId"] = json!(format!("id-{name}"));
            }
            status
        })
        .collect();
    let mut input = json!({"configurationId": DEMO_CONFIGURATION_ID});
    if kind.has_key() {
        input["idempotencyKey"] = json!(format!("key-{number}"));
    }
    let query = if kind == CallKind::Bulk {
        input["deviceStatuses"] = json!(statuses);
        ADD_MANY
    } else {
        input["deviceStatus"] = statuses[0].clone();
        ADD
    };
    json!({"query": query, "variables": {"input": input}}).to_string()
}

/// The result of one status in a response.
#[derive(Debug, Clone)]
struct ItemResult {
    reported: ReportedOutcome,
    is_retryable: bool,
    wait: Option<Duration>,
    text: String,
}

/// Reads a response; `None` if it is not the gateway's.
fn read(answer: &str, count: usize) -> Option<Vec<ItemResult>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let data = &answer["data"];
    if let Some(results) = data["addDeviceStatuses"]["results"].as_array() {
        return results.iter().map(|result| item(&result["deviceStatusId"], &result["error"])).collect();
    }
    let error = &answer["errors"][0]["extensions"];
    let one = item(&data["addDeviceStatus"]["deviceStatusId"], error)?;
    Some(vec![one; count])
}

fn item(id: &Value, error: &Value) -> Option<ItemResult> {
    if let Some(id) = id.as_str() {
        let reported = ReportedOutcome::Created(id.to_owned());
        return Some(ItemResult {
            reported,
            is_retryable: false,
            wait: None,
            text: "reported created".to_owned(),
        });
    }
    let outcome = error["outcome"].as_str()?;
    let reported = match outcome {
        "NOT_SENT" | "REJECTED" => ReportedOutcome::NotWritten,
        "APPLIED" => ReportedOutcome::Applied,
        _ => ReportedOutcome::Unknown,
    };
    let is_retryable = error["retryable"].as_bool()?;
    let wait = error["retryAfter"].as_f64().and_then(|wait| Duration::try_from_secs_f64(wait).ok());
    let code = error["code"].as_str().unwrap_or_default();
    let text = format!("reported {outcome}, {code}{}", if is_retryable { ", retryable" } else { "" });
    Some(ItemResult { reported, is_retryable, wait, text })
}
