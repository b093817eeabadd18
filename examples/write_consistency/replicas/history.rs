//! The recorded history of a run: every call, response and disturbance, and the content of the sandbox, as lines of JSON.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Microseconds since the start of the run, by the monotonic clock of the recording process.
pub(super) type Micros = u64;

/// One line of a history. The lines are in no particular order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// A client sends a call.
    Call(Call),
    /// A client has received the response to a call.
    Response {
        at: Micros,
        call: u64,
        /// One for each of the call's names; one for a read.
        results: Vec<ItemResult>,
    },
    /// A client has received no response: it disconnected, or the connection failed.
    NoResponse { at: Micros, call: u64, reason: NoResponse },
    /// A step of a disturbance.
    Disturbance(Disturbance),
    /// From now on, a replica's wall clock or, without a replica, the store's is ahead of the true time.
    Clock { at: Micros, replica: Option<usize>, ahead_secs: i64 },
    /// From now on, a replica runs this version. Only in runs with two versions.
    Version { at: Micros, replica: usize, version: Version },
    /// A replica has ended after SIGTERM.
    Exit { at: Micros, replica: usize, code: Option<i32> },
    /// The sandbox has received a create.
    Create {
        at: Micros,
        /// The `userName` of the object.
        name: String,
        /// The `client-request-id` of the call that the create belongs to.
        request_id: String,
        /// The faults that it met. Without one, the sandbox creates the object.
        faults: Vec<String>,
    },
    /// An object that the sandbox has after the run.
    Object { name: String, id: String },
    /// The end of the history: all creates and objects are recorded, except for creates that the sandbox dropped from
    /// its record.
    End { dropped: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) at: Micros,
    /// Number of the call, unique.
    pub(super) call: u64,
    pub(super) kind: CallKind,
    /// The idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    /// The `userName` of each object to create.
    pub(super) names: Vec<String>,
    pub(super) replica: usize,
    /// The `client-request-id` that was sent, unique.
    pub(super) request_id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CallKind {
    /// A create or a bulk create with a key.
    Keyed,
    /// A create without a key.
    Plain,
    Read,
}

/// The result of one object in a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ItemResult {
    pub(super) outcome: Outcome,
    /// The object's id in Graph.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    /// The error's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// This call created the object.
    Created,
    /// An earlier call with the key created it.
    Replayed,
    /// A read succeeded.
    Read,
    /// Also for errors without `outcome`, which reject the whole request.
    NotSent,
    Rejected,
    Applied,
    Unknown,
}

impl Outcome {
    /// Whether the object exists.
    pub(super) fn is_success(self) -> bool {
        matches!(self, Self::Created | Self::Replayed)
    }

    /// Whether this call wrote nothing.
    pub(super) fn is_not_written(self) -> bool {
        matches!(self, Self::NotSent | Self::Rejected)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NoResponse {
    /// The replica was not reached, so nothing was sent.
    NotConnected,
    /// The connection was lost.
    Lost,
    /// The client stopped waiting.
    Disconnected,
    /// The response is not the gateway's.
    Unreadable,
}

impl NoResponse {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::NotConnected => "no connection",
            Self::Lost => "connection lost",
            Self::Disconnected => "client disconnected",
            Self::Unreadable => "unreadable response",
        }
    }
}

/// The version of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Version {
    /// That of the recording program.
    This,
    Other,
}

impl Version {
    /// The version that it changes to.
    pub(super) fn next(self) -> Self {
        match self {
            Self::This => Self::Other,
            Self::Other => Self::This,
        }
    }
}

/// One step of a disturbance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Disturbance {
    pub(super) at: Micros,
    pub(super) kind: DisturbanceKind,
    /// `None` for the store.
    pub(super) replica: Option<usize>,
    pub(super) phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DisturbanceKind {
    /// SIGSTOP for longer than every timeout, then SIGCONT.
    ReplicaPaused,
    /// SIGKILL, and a new start.
    ReplicaKilled,
    /// SIGTERM, the end of the process, and a new start.
    ReplicaRestarted,
    /// SIGTERM, and later a new start with the data.
    StoreStopped,
    /// SIGKILL, and later a new start with the data.
    StoreKilled,
    /// SIGSTOP, and later SIGCONT.
    StorePaused,
}

impl DisturbanceKind {
    pub(super) const ALL: [Self; 6] = [
        Self::ReplicaPaused,
        Self::ReplicaKilled,
        Self::ReplicaRestarted,
        Self::StoreStopped,
        Self::StoreKilled,
        Self::StorePaused,
    ];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::ReplicaPaused => "replica paused past every timeout",
            Self::ReplicaKilled => "replica killed",
            Self::ReplicaRestarted => "replica restarted",
            Self::StoreStopped => "store stopped",
            Self::StoreKilled => "store killed",
            Self::StorePaused => "store paused",
        }
    }
}

/// The phases of a disturbance, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// It is about to begin.
    Starting,
    /// It has taken full effect.
    Effective,
    /// It is about to end.
    Ending,
    /// The process serves again.
    Over,
}

/// Writes a history to a file.
pub(super) struct Recorder {
    start: Instant,
    file: Mutex<BufWriter<File>>,
}

impl Recorder {
    pub(super) fn create(file: &Path) -> anyhow::Result<Self> {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = File::create(file).with_context(|| format!("cannot make {}", file.display()))?;
        Ok(Self { start: Instant::now(), file: Mutex::new(BufWriter::new(file)) })
    }

    pub(super) fn now(&self) -> Micros {
        self.at(Instant::now())
    }

    pub(super) fn at(&self, instant: Instant) -> Micros {
        Micros::try_from(instant.saturating_duration_since(self.start).as_micros()).unwrap_or(Micros::MAX)
    }

    pub(super) fn record(&self, event: &Event) -> anyhow::Result<()> {
        let line = serde_json::to_string(event)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}").context("the history cannot be written")
    }

    pub(super) fn flush(&self) -> anyhow::Result<()> {
        Ok(self.file.lock().unwrap_or_else(PoisonError::into_inner).flush()?)
    }
}

/// Reads a history from a file.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Event>> {
    let lines = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let mut events = Vec::new();
    for (index, line) in BufReader::new(lines).lines().enumerate() {
        let event = serde_json::from_str(&line?)
            .with_context(|| format!("line {} of {} is not an event", index + 1, file.display()))?;
        events.push(event);
    }
    Ok(events)
}
