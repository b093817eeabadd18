//! One call, and a client that repeats it as it is told to, or hangs up.

use std::time::{Duration, Instant};

use msgraph_sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

/// How many statuses a bulk call has.
const BULK: usize = 30;
/// How often a client repeats a call.
const PATIENCE: usize = 12;
/// How long it waits at most, and where it is not told; shorter than people would, so that the run ends.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_millis(100);
/// How long it tries to reach a gateway that is being started again.
const LONGEST_RESTART: Duration = Duration::from_secs(60);

/// The outcome of an attempt that the client ended itself.
const HUNG_UP: &str = "hung up";

const ADD: &str =
    "mutation($input: AddDeviceStatusInput!) { addDeviceStatus(input: $input) { deviceStatusId } }";
const ADD_MANY: &str =
    "mutation($input: AddDeviceStatusesInput!) { addDeviceStatuses(input: $input) { results {
    deviceStatusId error { code outcome retryable retryAfter } } } }";

/// What a call carries that makes it safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: it is repeated only after an answer that says that nothing was written.
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

impl Kind {
    /// A mix in which most carry something.
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

    /// Whether repeating it doubles nothing, whatever became of it before.
    pub(crate) fn is_safe(self, keeps_ids: bool) -> bool {
        self.has_key() || (self.has_id() && keeps_ids)
    }
}

/// What a client knows of one status in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is there; its global id.
    Created(String),
    /// It is there, and nobody knows its id.
    Applied,
    /// It is not there: `NOT_SENT` or `REJECTED`.
    NotWritten,
    /// It may be there.
    Unknown,
}

/// A status that a call was to write.
#[derive(Debug)]
pub(crate) struct Status {
    /// Its user name, by which it is found in the sandbox.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) told: Told,
    pub(crate) attempts: Vec<Attempt>,
}

/// One attempt of a client's, and what it was told of one status.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) sent: Instant,
    pub(crate) ended: Instant,
    /// `None`: there was no answer.
    pub(crate) told: Option<Told>,
    pub(crate) hung_up: bool,
    /// In words.
    pub(crate) text: String,
}

/// What an attempt came to.
enum Reply {
    Answer(String),
    /// The gateway was not reached, so that nothing was sent.
    NotConnected,
    /// The connection was lost.
    Lost(String),
    HungUp,
}

/// Clients of one gateway.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
    /// Whether the sandbox keeps ids, and so a `graphId` makes repeats safe.
    pub(crate) keeps_ids: bool,
    /// Share of attempts that end with a disconnect before the answer.
    pub(crate) hang_ups: f64,
    pub(crate) seed: u64,
}

impl Clients {
    /// Makes call `number`, and repeats it while that is safe and worth it.
    pub(crate) async fn make(&self, number: usize) -> Vec<Status> {
        let kind = Kind::of(number);
        let count = if kind == Kind::Bulk { BULK } else { 1 };
        let mut statuses: Vec<Status> = (0..count)
            .map(|item| Status {
                name: format!("call-{number}-{item}"),
                kind,
                told: Told::NotWritten,
                attempts: Vec::new(),
            })
            .collect();
        let mut was_unknown = vec![false; count];
        let body = body(number, &statuses);
        let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(number as u64));
        let start = Instant::now();
        let mut attempts = 0;
        while attempts < PATIENCE {
            let sent = Instant::now();
            let reply = self.attempt(&body, &mut random).await;
            let ended = Instant::now();
            let (answers, lost) = match reply {
                Reply::NotConnected if start.elapsed() < LONGEST_RESTART => {
                    tokio::time::sleep(WAIT).await;
                    continue;
                }
                Reply::NotConnected => break,
                Reply::Answer(answer) => (read(&answer, count), format!("unreadable answer {answer:.200}")),
                Reply::Lost(error) => (None, format!("connection lost: {error}")),
                Reply::HungUp => (None, HUNG_UP.to_owned()),
            };
            attempts += 1;
            let hung_up = lost == HUNG_UP;
            let mut wait = None;
            for (item, status) in statuses.iter_mut().enumerate() {
                let answer = answers.as_ref().map(|answers| &answers[item]);
                status.attempts.push(Attempt {
                    sent,
                    ended,
                    told: answer.map(|answer| answer.told.clone()),
                    hung_up,
                    text: answer.map_or_else(|| lost.clone(), |answer| answer.text.clone()),
                });
                if matches!(status.told, Told::Created(_)) {
                    // What is there stays there, whatever a repeat meets.
                    continue;
                }
                // A lost answer says nothing, and only what is safe is repeated.
                let told = answer.map_or(Told::Unknown, |answer| answer.told.clone());
                was_unknown[item] |= told == Told::Unknown;
                let again = match &told {
                    Told::Created(_) => false,
                    Told::Unknown | Told::Applied => kind.is_safe(self.keeps_ids),
                    Told::NotWritten => answer.is_some_and(|answer| answer.is_retryable),
                };
                if again {
                    let asked = answer.and_then(|answer| answer.wait).unwrap_or(WAIT).min(LONGEST_WAIT);
                    wait = Some(wait.map_or(asked, |wait: Duration| wait.max(asked)));
                }
                status.told = match told {
                    Told::Created(id) => Told::Created(id),
                    // An object that was created once exists, also where a repeat reports something else.
                    _ if status.told == Told::Applied => Told::Applied,
                    // What was not known once is known only by the object.
                    Told::NotWritten if was_unknown[item] => Told::Unknown,
                    told => told,
                };
            }
            let Some(wait) = wait else { break };
            tokio::time::sleep(wait).await;
        }
        statuses
    }

    /// Sends the call once. A client that hangs up closes its connection.
    async fn attempt(&self, body: &str, random: &mut fastrand::Rng) -> Reply {
        let request = self.http.post(&self.url).header("content-type", "application/json");
        let request = request.bearer_auth("storm-token").body(body.to_owned());
        let exchange = async {
            match request.send().await {
                Ok(answer) => {
                    answer.text().await.map_or_else(|error| Reply::Lost(format!("{error:?}")), Reply::Answer)
                }
                Err(error) if error.is_connect() => Reply::NotConnected,
                Err(error) => Reply::Lost(format!("{error:?}")),
            }
        };
        if random.f64() >= self.hang_ups {
            return exchange.await;
        }
        // Half of them at once, where calls have hardly begun, the others later.
        let longest = if random.bool() { 20 } else { 2000 };
        let patience = Duration::from_millis(random.u64(..longest));
        tokio::time::timeout(patience, exchange).await.unwrap_or(Reply::HungUp)
    }
}

fn body(number: usize, statuses: &[Status]) -> String {
    let kind = Kind::of(number);
    let statuses: Vec<Value> = statuses
        .iter()
        .map(|Status { name, .. }| {
            let mut status = json!({
                "deviceDisplayName": "storm", "userName": name, "deviceModel": "iPad", "platform": 8, "status": "COMPLIANT",
                "complianceGracePeriodExpirationDateTime": "9999-12-31T23:59:59.9999999Z",
                "lastReportedDateTime": "2016-12-31T23:57:41.6559639+03:00", "userPrincipalName": "storm@example.org",
            });
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
    let query = if kind == Kind::Bulk {
        input["deviceStatuses"] = json!(statuses);
        ADD_MANY
    } else {
        input["deviceStatus"] = statuses[0].clone();
        ADD
    };
    json!({"query": query, "variables": {"input": input}}).to_string()
}

/// What an answer says of one status.
#[derive(Debug, Clone)]
struct Answer {
    told: Told,
    is_retryable: bool,
    wait: Option<Duration>,
    text: String,
}

/// Reads an answer; `None` where it is none of the gateway's.
fn read(answer: &str, count: usize) -> Option<Vec<Answer>> {
    let answer: Value = serde_json::from_str(answer).ok()?;
    let data = &answer["data"];
    if let Some(results) = data["addDeviceStatuses"]["results"].as_array() {
        return results.iter().map(|result| item(&result["deviceStatusId"], &result["error"])).collect();
    }
    let error = &answer["errors"][0]["extensions"];
    let one = item(&data["addDeviceStatus"]["deviceStatusId"], error)?;
    Some(vec![one; count])
}

fn item(id: &Value, error: &Value) -> Option<Answer> {
    if let Some(id) = id.as_str() {
        let told = Told::Created(id.to_owned());
        return Some(Answer { told, is_retryable: false, wait: None, text: "told created".to_owned() });
    }
    let outcome = error["outcome"].as_str()?;
    let told = match outcome {
        "NOT_SENT" | "REJECTED" => Told::NotWritten,
        "APPLIED" => Told::Applied,
        _ => Told::Unknown,
    };
    let is_retryable = error["retryable"].as_bool()?;
    let wait = error["retryAfter"].as_f64().and_then(|wait| Duration::try_from_secs_f64(wait).ok());
    let code = error["code"].as_str().unwrap_or_default();
    let text = format!("told {outcome}, {code}{}", if is_retryable { ", retryable" } else { "" });
    Some(Answer { told, is_retryable, wait, text })
}
