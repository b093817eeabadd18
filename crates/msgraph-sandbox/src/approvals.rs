//! Multi Admin Approval: an access policy holds writes until a second administrator approves them (Microsoft Intune: "Use
//! Multi Admin Approval with the Microsoft Graph API").

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::HeaderName;
use http::{Method, StatusCode};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::auth::Caller;
use crate::call::Message;
use crate::error::{GraphError, Shape};

/// The header with the reason for a write, in base64.
const JUSTIFICATION: HeaderName = HeaderName::from_static("x-msft-approval-justification");
/// The header with the id of an approval request.
pub(crate) const CODE: HeaderName = HeaderName::from_static("x-msft-approval-code");

/// Maximum length of a justification, in base64.
const MAX_JUSTIFICATION: usize = 1024;
/// How long a request can be approved and used.
const LIFETIME: Duration = Duration::from_hours(72);

/// Maximum number of requests, and maximum total size of their bodies in bytes. The oldest are dropped first.
const MAX_REQUESTS: usize = 10_000;
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// A request for the approval of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRequest {
    /// The id of the request, a GUID.
    pub code: String,
    /// The method of the write.
    pub method: Method,
    /// Path and query of the write, as on a request line.
    pub url: String,
    /// The justification, decoded.
    pub justification: String,
    /// The state of the request.
    pub state: ApprovalState,
}

/// The state of a request for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalState {
    /// No administrator has decided.
    Pending,
    /// The write may be sent again, with the code.
    Approved,
    /// An administrator has refused it.
    Refused,
    /// Three days have passed without the write.
    Expired,
    /// The write was executed.
    Completed,
}

impl ApprovalState {
    /// The state's name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Completed => "completed",
        }
    }

    fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Approved)
    }
}

/// The requests for approval, oldest first.
#[derive(Debug)]
pub(crate) struct Approvals {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: VecDeque<HeldWrite>,
    body_bytes: usize,
    /// Time by which the clock was advanced.
    offset: Duration,
}

/// A write that was held, and the request for its approval.
#[derive(Debug)]
struct HeldWrite {
    request: ApprovalRequest,
    caller: Caller,
    body: Bytes,
    /// On the clock of the approvals.
    expires: Duration,
}

/// Why a write is not executed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Held {
    pub(crate) error: GraphError,
    /// The code to send in a header.
    pub(crate) code: Option<String>,
}

impl From<GraphError> for Held {
    fn from(error: GraphError) -> Self {
        Self { error, code: None }
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self { started: Instant::now(), state: Mutex::default() }
    }
}

impl Approvals {
    /// Admits a write that was approved and returns its code, or opens a request for its approval.
    pub(crate) fn admit(&self, message: &Message, caller: &Caller) -> Result<String, Held> {
        let justification = message.headers.get(JUSTIFICATION);
        let code = message.headers.get(CODE);
        let mut state = self.lock();
        let of_write = state.requests.iter().rev().find(|held| held.is_of(message, caller));
        match (justification, code) {
            (None, None) => {
                Err(bad_request("Header 'x-msft-approval-justification' is required to request approval")
                    .into())
            }
            (Some(_), Some(_)) => Err(forbidden().into()),
            (None, Some(code)) => {
                let of_code = of_write.filter(|held| held.request.code.as_bytes() == code.as_bytes());
                match of_code.map(|held| held.request.state) {
                    Some(ApprovalState::Approved) => {
                        Ok(String::from_utf8_lossy(code.as_bytes()).into_owned())
                    }
                    Some(ApprovalState::Pending) => Err(already_open().into()),
                    _ => Err(forbidden().into()),
                }
            }
            (Some(_), None) if of_write.is_some_and(|held| held.request.state.is_open()) => {
                Err(already_open().into())
            }
            (Some(justification), None) => {
                let justification = decoded(justification.as_bytes()).ok_or_else(|| {
                    let text =
                        "Header 'x-msft-approval-justification' must be base64 of at most 1024 characters";
                    bad_request(text)
                })?;
                let code = Uuid::new_v4().to_string();
                let expires = self.now(&state).saturating_add(LIFETIME);
                state.push(HeldWrite {
                    request: ApprovalRequest {
                        code: code.clone(),
                        method: message.method.clone(),
                        url: message.path_and_query(),
                        justification,
                        state: ApprovalState::Pending,
                    },
                    caller: *caller,
                    body: Bytes::copy_from_slice(&message.body),
                    expires,
                });
                Err(Held { error: pending(&code), code: Some(code) })
            }
        }
    }

    /// Records that an approved write was executed.
    pub(crate) fn complete(&self, code: &str) {
        self.decide(code, ApprovalState::Approved, ApprovalState::Completed);
    }

    /// Approves a pending request. Returns false if there is none.
    pub(crate) fn approve(&self, code: &str) -> bool {
        self.decide(code, ApprovalState::Pending, ApprovalState::Approved)
    }

    /// Refuses a pending request. Returns false if there is none.
    pub(crate) fn refuse(&self, code: &str) -> bool {
        self.decide(code, ApprovalState::Pending, ApprovalState::Refused)
    }

    fn decide(&self, code: &str, from: ApprovalState, to: ApprovalState) -> bool {
        let mut state = self.lock();
        let found =
            state.requests.iter_mut().find(|held| held.request.code == code && held.request.state == from);
        found.map(|held| held.request.state = to).is_some()
    }

    /// The requests, oldest first.
    pub(crate) fn all(&self) -> Vec<ApprovalRequest> {
        self.lock().requests.iter().map(|held| held.request.clone()).collect()
    }

    /// Advances the clock by which requests expire.
    pub(crate) fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.offset = state.offset.saturating_add(by);
    }

    /// Removes all requests.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.requests.clear();
        state.body_bytes = 0;
    }

    fn now(&self, state: &State) -> Duration {
        self.started.elapsed().saturating_add(state.offset)
    }

    /// The state, in which requests have expired that are too old.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.now(&state);
        for held in &mut state.requests {
            if held.request.state.is_open() && held.expires <= now {
                held.request.state = ApprovalState::Expired;
            }
        }
        state
    }
}

impl State {
    fn push(&mut self, held: HeldWrite) {
        self.body_bytes += held.body.len();
        self.requests.push_back(held);
        while self.requests.len() > MAX_REQUESTS || self.body_bytes > MAX_BODY_BYTES {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.body_bytes -= oldest.body.len();
        }
    }
}

impl HeldWrite {
    /// Whether a write is this one: the same method, URL, body and identity.
    fn is_of(&self, message: &Message, caller: &Caller) -> bool {
        self.request.method == message.method
            && self.caller == *caller
            && self.request.url == message.path_and_query()
            && is_same_body(&self.body, &message.body)
    }
}

/// Whether two bodies are the same JSON: an item of a batch may be written in another way than a single request.
fn is_same_body(one: &[u8], other: &[u8]) -> bool {
    let json = |body| serde_json::from_slice::<Json>(body).ok();
    one == other || json(one).is_some_and(|one| json(other) == Some(one))
}

/// The text of a justification; `None` if it is not valid.
fn decoded(value: &[u8]) -> Option<String> {
    let text = Some(value).filter(|value| (1..=MAX_JUSTIFICATION).contains(&value.len()));
    String::from_utf8(STANDARD.decode(text?).ok()?).ok()
}

fn bad_request(message: &'static str) -> GraphError {
    GraphError::bad_request(message).in_shape(Shape::Intune)
}

/// Assumed: the documentation has the status and the code, but not the sentence.
fn pending(code: &str) -> GraphError {
    let message = format!("The request was submitted for approval. x-msft-approval-code: {code}");
    GraphError::new(StatusCode::PRECONDITION_FAILED, "BadRequest", message).in_shape(Shape::Intune)
}

/// Assumed: the documentation has the status, but not the code and the sentence.
fn already_open() -> GraphError {
    let message = "An approval request for this operation exists already";
    GraphError::new(StatusCode::CONFLICT, "Conflict", message).in_shape(Shape::Intune)
}

/// Says nothing about the reason, as reported.
fn forbidden() -> GraphError {
    GraphError::new(StatusCode::FORBIDDEN, "Forbidden", "An error has occurred").in_shape(Shape::Intune)
}
