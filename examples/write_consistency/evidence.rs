//! The objects and recorded requests of the sandbox, by the user names of the statuses.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use msgraph_sandbox::{DEMO_CONFIGURATION_ID, RecordedRequest, Sandbox};
use serde_json::Value;

use crate::call::{Attempt, ReportedOutcome, Status};

/// Maximum time for a request to reach the sandbox after its caller disconnected.
const IN_TRANSIT: Duration = Duration::from_secs(1);

/// The evidence of a run.
#[derive(Debug)]
pub(crate) struct Evidence {
    start: Instant,
    /// Ids of the existing objects.
    objects: HashMap<String, Vec<String>>,
    creates: HashMap<String, Vec<Create>>,
    dropped: u64,
}

/// A create as the sandbox received it.
#[derive(Debug)]
struct Create {
    at: Instant,
    faults: Vec<String>,
    text: String,
}

impl Evidence {
    /// Reads it from a sandbox. `start` is when the run began.
    pub(crate) fn new(sandbox: &Sandbox, start: Instant) -> Self {
        let mut objects: HashMap<String, Vec<String>> = HashMap::new();
        for status in sandbox.device_statuses(DEMO_CONFIGURATION_ID) {
            let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
            objects.entry(text("userName")).or_default().push(text("id"));
        }
        let mut creates: HashMap<String, Vec<Create>> = HashMap::new();
        for request in sandbox.requests() {
            for (name, create) in creates_of(&request) {
                creates.entry(name).or_default().push(create);
            }
        }
        Self { start, objects, creates, dropped: sandbox.dropped_requests() }
    }

    /// Number of objects with this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.objects.get(name).map_or(0, Vec::len)
    }

    /// Whether a create arrived after an attempt had reported that nothing was written, and before the next attempt.
    pub(crate) fn sent_after_not_written(&self, status: &Status) -> bool {
        let is_not_written = |attempt: &Attempt| attempt.reported == Some(ReportedOutcome::NotWritten);
        // The create of an earlier attempt with an unknown outcome may still be in transit.
        let known = status.attempts.iter().take_while(|attempt| is_not_written(attempt)).count();
        (0..known).any(|index| self.arrived_after(status, index, Duration::ZERO))
    }

    /// Whether a create arrived long after a client disconnected, and before its next attempt.
    pub(crate) fn sent_after_disconnect(&self, status: &Status) -> bool {
        let mut attempts = status.attempts.iter().enumerate();
        attempts.any(|(index, attempt)| attempt.disconnected && self.arrived_after(status, index, IN_TRANSIT))
    }

    fn arrived_after(&self, status: &Status, index: usize, grace: Duration) -> bool {
        let after = status.attempts[index].ended + grace;
        let before = status.attempts.get(index + 1).map(|attempt| attempt.sent);
        let creates = self.creates.get(&status.name).map(Vec::as_slice).unwrap_or_default();
        creates.iter().any(|create| create.at > after && before.is_none_or(|before| create.at < before))
    }

    /// Prints what happened to a status, in the order in which it happened.
    #[expect(clippy::print_stdout, reason = "the history explains a violation")]
    pub(crate) fn print(&self, what: &str, status: &Status) {
        println!("{} ({}): {what}", status.name, status.kind.name());
        let mut lines: Vec<(Instant, String)> = Vec::new();
        for attempt in &status.attempts {
            lines.push((attempt.sent, "client: sends".to_owned()));
            lines.push((attempt.ended, format!("client: {}", attempt.text)));
        }
        for create in self.creates.get(&status.name).into_iter().flatten() {
            lines.push((create.at, create.text.clone()));
        }
        lines.sort_by_key(|(at, _)| *at);
        for (at, text) in lines {
            println!("  {:>9.3} s  {text}", at.saturating_duration_since(self.start).as_secs_f64());
        }
        match self.objects.get(&status.name) {
            None => println!("  not in the sandbox"),
            Some(ids) => println!("  in the sandbox: {}", ids.join(", ")),
        }
        if self.dropped > 0 {
            println!("  the record is not whole: {} requests were dropped from it", self.dropped);
        }
    }
}

/// The names of the objects that a request is to create, each with the faults that its create met.
pub(crate) fn creates_with_faults(request: &RecordedRequest) -> impl Iterator<Item = (String, Vec<String>)> {
    creates_of(request).into_iter().map(|(name, create)| (name, create.faults))
}

/// The creates of a request, with their names.
fn creates_of(request: &RecordedRequest) -> Vec<(String, Create)> {
    if request.method != "POST" {
        return Vec::new();
    }
    let create = |body: &Value, place: Option<usize>| {
        let name = body["userName"].as_str()?.to_owned();
        let item = place.map_or_else(String::new, |place| format!(" item {place} of $batch"));
        // The faults of the request itself, and those of this item.
        let own = place.map(|place| format!("item {place}: "));
        let faults: Vec<&str> = request
            .faults
            .iter()
            .filter_map(|fault| match &own {
                Some(own) if fault.starts_with("item ") => fault.strip_prefix(own.as_str()),
                _ => Some(fault.as_str()),
            })
            .collect();
        let met = if faults.is_empty() { "no fault".to_owned() } else { faults.join(" and ") };
        let text = format!(
            "sandbox: receives it in request {}{item} on connection {}, which meets {met}",
            request.number, request.connection
        );
        let faults = faults.into_iter().map(str::to_owned).collect();
        Some((name, Create { at: request.at, faults, text }))
    };
    if request.path.ends_with("/$batch") {
        let items = request.batch_items();
        let numbered = items.iter().enumerate();
        return numbered.filter_map(|(index, item)| create(&item["body"], Some(index + 1))).collect();
    }
    request.json().and_then(|body| create(&body, None)).into_iter().collect()
}
