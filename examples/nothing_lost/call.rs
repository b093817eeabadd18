//! One call, and a client that repeats it as it is told to.

use std::time::Duration;

use intune_graphql::sandbox::DEMO_CONFIGURATION_ID;
use serde_json::{Value, json};

/// How many statuses a bulk call has.
const BULK: usize = 30;
/// How often a client repeats a call.
const PATIENCE: usize = 12;
/// How long it waits at most, and where it is not told; shorter than people would, so that the run ends.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_millis(100);

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
}

/// Makes call `number`, and repeats it while that is safe and worth it.
pub(crate) async fn make(http: &reqwest::Client, url: &str, number: usize, keeps_ids: bool) -> Vec<Status> {
    let kind = Kind::of(number);
    let count = if kind == Kind::Bulk { BULK } else { 1 };
    let names: Vec<String> = (0..count).map(|item| format!("call-{number}-{item}")).collect();
    let body = body(number, kind, &names);
    let mut told = vec![Told::NotWritten; count];
    let mut was_unknown = vec![false; count];
    for _ in 0..PATIENCE {
        let request = http.post(url).header("content-type", "application/json").bearer_auth("storm-token");
        let answer = match request.body(body.clone()).send().await {
            Ok(answer) => answer.text().await,
            Err(error) if error.is_connect() => {
                // The gateway is being started again: nothing was sent.
                tokio::time::sleep(WAIT).await;
                continue;
            }
            Err(error) => Err(error),
        };
        let answers = answer.ok().and_then(|answer| read(&answer, count));
        // An answer that is lost says nothing, and only what is safe is repeated.
        let answers = answers.unwrap_or_else(|| {
            let lost = Answer { told: Told::Unknown, is_retryable: false, wait: None };
            vec![lost; count]
        });
        let mut wait = None;
        for (item, answer) in answers.into_iter().enumerate() {
            if matches!(told[item], Told::Created(_)) {
                // What is there stays there, whatever a repeat meets.
                continue;
            }
            was_unknown[item] |= answer.told == Told::Unknown;
            let again = match &answer.told {
                Told::Created(_) => false,
                Told::Unknown => kind.is_safe(keeps_ids),
                Told::NotWritten => answer.is_retryable,
            };
            if again {
                let asked = answer.wait.unwrap_or(WAIT).min(LONGEST_WAIT);
                wait = Some(wait.map_or(asked, |wait: Duration| wait.max(asked)));
            }
            told[item] = match answer.told {
                // What was not known once is known only by the object.
                Told::NotWritten if was_unknown[item] => Told::Unknown,
                told => told,
            };
        }
        let Some(wait) = wait else { break };
        tokio::time::sleep(wait).await;
    }
    names.into_iter().zip(told).map(|(name, told)| Status { name, kind, told }).collect()
}

fn body(number: usize, kind: Kind, names: &[String]) -> String {
    let statuses: Vec<Value> = names
        .iter()
        .map(|name| {
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
        return Some(Answer { told: Told::Created(id.to_owned()), is_retryable: false, wait: None });
    }
    let told = match error["outcome"].as_str()? {
        "NOT_SENT" | "REJECTED" => Told::NotWritten,
        _ => Told::Unknown,
    };
    let wait = error["retryAfter"].as_f64().and_then(|wait| Duration::try_from_secs_f64(wait).ok());
    Some(Answer { told, is_retryable: error["retryable"].as_bool()?, wait })
}
