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

/// Maximum number of requests, and maximum total size of their bodies in bytes. The oldest are dropped first. Parsed, a body
/// can take 16 times its size.
const MAX_REQUESTS: usize = 10_000;
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

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
    body: WriteBody,
    /// Size of the body as it came, in bytes.
    body_bytes: usize,
    /// On the clock of the approvals.
    expires: Duration,
}

/// A body for comparison: an item of a batch may write the same JSON in another way than a single request.
#[derive(Debug, PartialEq)]
enum WriteBody {
    Json(Json),
    Other(Bytes),
}

/// Why a write is not executed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rejection {
    pub(crate) error: GraphError,
    /// The code to send in a header.
    pub(crate) code: Option<String>,
}

impl From<GraphError> for Rejection {
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
    /// Admits a write that was approved and returns its code, or opens a request for its approval. A code admits one write:
    /// it can be used again only after [`Self::reopen`].
    pub(crate) fn admit(&self, message: &Message, caller: &Caller) -> Result<String, Rejection> {
        let justification = message.headers.get(JUSTIFICATION);
        let code = message.headers.get(CODE);
        let url = message.path_and_query();
        let body = WriteBody::of(&message.body);
        let mut state = self.lock();
        let mut newest_first = state.requests.iter_mut().rev();
        let of_write = newest_first.find(|held| held.is_of(&message.method, &url, &body, caller));
        match (justification, code) {
            (None, None) => {
                Err(bad_request("Header 'x-msft-approval-justification' is required to request approval")
                    .into())
            }
            (Some(_), Some(_)) => Err(forbidden().into()),
            (None, Some(code)) => {
                let of_code = of_write.filter(|held| held.request.code.as_bytes() == code.as_bytes());
                match of_code.map(|held| &mut held.request) {
                    Some(request) if request.state == ApprovalState::Approved => {
                        request.state = ApprovalState::Completed;
                        Ok(request.code.clone())
                    }
                    Some(request) if request.state == ApprovalState::Pending => Err(already_open().into()),
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
                        url,
                        justification,
                        state: ApprovalState::Pending,
                    },
                    caller: *caller,
                    body,
                    body_bytes: message.body.len(),
                    expires,
                });
                Err(Rejection { error: pending(&code), code: Some(code) })
            }
        }
    }

    /// Makes a code valid again: the write that it admitted has failed.
    pub(crate) fn reopen(&self, code: &str) {
        self.decide(code, ApprovalState::Completed, ApprovalState::Approved);
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
        self.body_bytes += held.body_bytes;
        self.requests.push_back(held);
        while self.requests.len() > MAX_REQUESTS || self.body_bytes > MAX_BODY_BYTES {
            let Some(oldest) = self.requests.pop_front() else { break };
            self.body_bytes -= oldest.body_bytes;
        }
    }
}

impl HeldWrite {
    /// Whether a write is this one: the same method, URL, body and identity.
    fn is_of(&self, method: &Method, url: &str, body: &WriteBody, caller: &Caller) -> bool {
        self.request.method == *method
            && self.request.url == url
            && self.caller == *caller
            && self.body == *body
    }
}

impl WriteBody {
    fn of(body: &Bytes) -> Self {
        // A copy, so that a held item does not keep the whole batch that it is a part of.
        serde_json::from_slice(body).map_or_else(|_| Self::Other(Bytes::copy_from_slice(body)), Self::Json)
    }
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
