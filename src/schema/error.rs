//! Errors as callers see them: every one has a code of [`ErrorCode`], says whether the same request may be sent again,
//! and for a write what is known of it. Inner messages stay inside: they are logged once, where they are turned into a
//! [`FieldError`].

use std::time::Duration;

use async_graphql::{Enum, ErrorExtensionValues, Name, PathSegment, Pos, ServerError, Value};
use http::StatusCode;
use indexmap::IndexMap;
use serde::{Serialize, Serializer};
use tracing::{error, warn};

use super::operation::RequestError;
use crate::graph::{self, Answered, ApiError, Outcome};

/// Every GraphQL error has `extensions.code`, one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ErrorCode {
    /// No usable bearer token came, or Graph answered 401.
    Unauthenticated,
    /// Graph answered 403.
    Forbidden,
    /// Graph answered 404, or an id names nothing.
    NotFound,
    /// The input breaks a rule that GraphQL's types can't state, or Graph answered 400/422.
    BadUserInput,
    /// Graph answered 409 or 412.
    Conflict,
    /// An idempotency key came back with other input.
    IdempotencyKeyReused,
    /// Graph answered 429, or the gateway still honours an earlier Retry-After to this caller.
    Throttled,
    /// Graph could not be reached, or answered that it is not available.
    UpstreamUnavailable,
    /// The store that keeps idempotency keys cannot be reached, or is full.
    StateUnavailable,
    /// No answer in time to a read.
    UpstreamTimeout,
    /// Graph answered outside its contract.
    UpstreamError,
    /// Graph has no such operation in this tenant, cloud or version. The live service may say so of this very mutation.
    UpstreamNotSupported,
    /// A write was sent and its answer was lost: it may have happened.
    OutcomeUnknown,
    /// The gateway itself is full; come back after retryAfter.
    Overloaded,
    /// Not a GraphQL-over-HTTP request: bad JSON, an array, wrong method or media type.
    BadRequest,
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema.
    GraphqlValidationFailed,
    /// A limit on the document or the request: size, tokens, nesting, depth, aliases, root fields, directives, expanded
    /// fragments, cost.
    QueryTooLarge,
    /// Introspection is turned off on this gateway.
    IntrospectionDisabled,
    /// The gateway does not know the document that a hash or id stands for.
    PersistedQueryNotFound,
    /// This gateway takes no persisted documents.
    PersistedQueryNotSupported,
    /// The gateway itself failed.
    InternalServerError,
}

impl ErrorCode {
    /// The code as it stands in `extensions.code`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Conflict => "CONFLICT",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::Throttled => "THROTTLED",
            Self::UpstreamUnavailable => "UPSTREAM_UNAVAILABLE",
            Self::StateUnavailable => "STATE_UNAVAILABLE",
            Self::UpstreamTimeout => "UPSTREAM_TIMEOUT",
            Self::UpstreamError => "UPSTREAM_ERROR",
            Self::UpstreamNotSupported => "UPSTREAM_NOT_SUPPORTED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::Overloaded => "OVERLOADED",
            Self::BadRequest => "BAD_REQUEST",
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::QueryTooLarge => "QUERY_TOO_LARGE",
            Self::IntrospectionDisabled => "INTROSPECTION_DISABLED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
        }
    }
}

/// What is known of whether Graph did a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::graph::Outcome")]
pub enum WriteOutcome {
    /// Nothing reached Graph.
    NotSent,
    /// Graph refused it, and by its own word wrote nothing.
    Rejected,
    /// It was sent and its answer was lost: it may have happened.
    Unknown,
    /// Graph did it, though the object could not be read.
    Applied,
}

impl WriteOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "NOT_SENT",
            Self::Rejected => "REJECTED",
            Self::Unknown => "UNKNOWN",
            Self::Applied => "APPLIED",
        }
    }
}

/// What a resolver answers instead of a value. It has no `Display` on purpose: async-graphql makes its error from
/// anything that has, so `?` would send inner texts to strangers.
#[derive(Debug, Clone)]
pub struct FieldError(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    code: ErrorCode,
    message: String,
    retryable: bool,
    outcome: Option<WriteOutcome>,
    retry_after: Option<Duration>,
    graph: Option<GraphErrorDetail>,
    www_authenticate: Option<String>,
}

/// Where in Graph an error came from: what Microsoft's support asks for.
#[derive(Debug, Clone)]
struct GraphErrorDetail {
    status: u16,
    code: Option<String>,
    request_id: Option<String>,
    client_request_id: String,
}

impl FieldError {
    /// An error that no repetition mends.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            code,
            message: message.into(),
            retryable: false,
            outcome: None,
            retry_after: None,
            graph: None,
            www_authenticate: None,
        }))
    }

    /// The input breaks a rule that GraphQL's types can't state. `what` names the argument and the rule.
    #[must_use]
    pub fn bad_user_input(what: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadUserInput, what)
    }

    /// No usable bearer token came with the request.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorCode::Unauthenticated,
            "No usable access token: send one header \"Authorization: Bearer <token>\" with an access token for \
             Microsoft Graph.",
        )
    }

    /// Graph gave an object an id that cannot stand in a path.
    #[must_use]
    pub fn unusable_key() -> Self {
        Self::new(ErrorCode::UpstreamError, "Microsoft Graph gave the object an id that cannot be used.")
    }

    /// The gateway itself failed; `what` is for the log alone.
    #[must_use]
    pub fn internal(what: &str) -> Self {
        error!(what, "the gateway failed");
        internal()
    }

    /// The same error, of a write of which `outcome` is known.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = Some(outcome.into());
        self
    }

    fn with_api(mut self, api: ApiError) -> Self {
        self.0.retry_after = api.retry_after;
        self.0.www_authenticate = api.www_authenticate;
        self.0.graph = Some(GraphErrorDetail {
            status: api.status.as_u16(),
            code: api.code,
            request_id: api.request_id,
            client_request_id: api.client_request_id,
        });
        self
    }

    fn with_answered(mut self, answered: Answered) -> Self {
        self.0.graph = Some(GraphErrorDetail {
            status: answered.status.as_u16(),
            code: None,
            request_id: answered.request_id,
            client_request_id: answered.client_request_id,
        });
        self
    }

    fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }
}

/// A read that failed.
impl From<graph::Error> for FieldError {
    fn from(error: graph::Error) -> Self {
        log(&error, None);
        match error {
            graph::Error::InvalidKey(invalid) => Self::bad_user_input(format!("The id {invalid}.")),
            graph::Error::Connect(_) => unavailable(),
            graph::Error::Transport(_) => {
                Self::new(ErrorCode::UpstreamError, "Microsoft Graph's answer was lost or cut short.")
                    .retryable()
            }
            graph::Error::Timeout | graph::Error::DeadlinePassed => timeout(),
            graph::Error::OutOfContract { answer, .. } => {
                out_of_contract().with_answered(*answer).retryable()
            }
            graph::Error::Internal(_) => internal(),
            graph::Error::Api(api) => {
                let status = api.status;
                match refusal(&api) {
                    Some(error) => error,
                    None if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) => {
                        unavailable()
                    }
                    None if matches!(status, StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT) => {
                        timeout()
                    }
                    None => failed(status).retryable(),
                }
                .with_api(*api)
            }
        }
    }
}

/// A create that failed.
impl From<graph::WriteError> for FieldError {
    fn from(graph::WriteError { outcome, error }: graph::WriteError) -> Self {
        log(&error, Some(outcome));
        let lost = || {
            Self::new(
                ErrorCode::OutcomeUnknown,
                "The create was sent to Microsoft Graph and its answer was lost: it may have happened. Look before you \
                 send it again.",
            )
        };
        match error {
            graph::Error::InvalidKey(invalid) => Self::bad_user_input(format!("The id {invalid}.")),
            graph::Error::Connect(_) => unavailable(),
            graph::Error::DeadlinePassed => timeout(),
            graph::Error::Transport(_) | graph::Error::Timeout => lost(),
            graph::Error::Internal(_) => internal(),
            graph::Error::OutOfContract { answer, .. } if outcome == Outcome::Applied => Self::new(
                ErrorCode::UpstreamError,
                "Microsoft Graph created the object, but did not say which: do not send the create again.",
            )
            .with_answered(*answer),
            graph::Error::OutOfContract { answer, .. } => lost().with_answered(*answer),
            graph::Error::Api(api) => match (refusal(&api), outcome) {
                (Some(error), _) => error,
                (None, Outcome::Rejected) => unavailable(),
                (None, _) => lost(),
            }
            .with_api(*api),
        }
        .with_outcome(outcome)
    }
}

/// The errors by which Graph refuses a request, whatever the operation. `None` where the status says that Graph
/// failed, so that the operation decides what is known.
fn refusal(api: &ApiError) -> Option<FieldError> {
    use ErrorCode as Code;

    if api.is_not_supported() {
        return Some(FieldError::new(
            Code::UpstreamNotSupported,
            format!(
                "Microsoft Graph has no such operation in this tenant, cloud or version: {}{}",
                api.request_line,
                quoted(api)
            ),
        ));
    }
    let (code, sentence) = match api.status {
        StatusCode::UNAUTHORIZED => {
            (Code::Unauthenticated, "Microsoft Graph does not accept the access token")
        }
        StatusCode::FORBIDDEN => (Code::Forbidden, "Microsoft Graph does not allow this to the caller"),
        StatusCode::NOT_FOUND | StatusCode::GONE => (Code::NotFound, "Microsoft Graph has no such object"),
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => {
            (Code::Conflict, "Microsoft Graph found a conflict with the object as it stands")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = "Microsoft Graph throttles the caller: send the request again after a while";
            return Some(FieldError::new(Code::Throttled, format!("{wait}{}", quoted(api))).retryable());
        }
        StatusCode::REQUEST_TIMEOUT => return None,
        status if status.is_client_error() => (Code::BadUserInput, "Microsoft Graph refused the request"),
        _ => return None,
    };
    Some(FieldError::new(code, format!("{sentence}{}", quoted(api))))
}

/// Graph's own sentence, after a colon; a full stop where it has none.
fn quoted(api: &ApiError) -> String {
    api.message.as_ref().map_or_else(|| ".".to_owned(), |message| format!(": {message}"))
}

fn unavailable() -> FieldError {
    let message =
        "Microsoft Graph cannot be reached or is not available: send the request again after a while.";
    FieldError::new(ErrorCode::UpstreamUnavailable, message).retryable()
}

fn timeout() -> FieldError {
    FieldError::new(ErrorCode::UpstreamTimeout, "Microsoft Graph did not answer in time.").retryable()
}

fn failed(status: StatusCode) -> FieldError {
    FieldError::new(
        ErrorCode::UpstreamError,
        format!("Microsoft Graph failed with status {}.", status.as_u16()),
    )
}

fn out_of_contract() -> FieldError {
    FieldError::new(ErrorCode::UpstreamError, "Microsoft Graph's answer could not be read.")
}

fn internal() -> FieldError {
    FieldError::new(ErrorCode::InternalServerError, "The gateway failed.")
}

/// The one place where a failed call to Graph is logged. Refusals are the caller's business, and kept to debug.
fn log(error: &graph::Error, outcome: Option<Outcome>) {
    let outcome = outcome.map(|outcome| WriteOutcome::from(outcome).as_str());
    match error {
        graph::Error::Api(api) if api.status.is_client_error() => tracing::debug!(
            graph.status = api.status.as_u16(),
            graph.code = api.code,
            graph.request_id = api.request_id,
            outcome,
            "Graph refused the request"
        ),
        graph::Error::Api(api) => warn!(
            graph.status = api.status.as_u16(),
            graph.code = api.code,
            graph.request_id = api.request_id,
            outcome,
            "Graph failed"
        ),
        graph::Error::InvalidKey(_) => {}
        error => {
            let cause = std::iter::successors(std::error::Error::source(error), |cause| cause.source())
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": ");
            warn!(%error, cause, outcome, "no usable answer from Graph");
        }
    }
}

impl From<FieldError> for async_graphql::Error {
    fn from(FieldError(error): FieldError) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.as_str());
        extensions.set("retryable", error.retryable);
        if let Some(outcome) = error.outcome {
            extensions.set("outcome", outcome.as_str());
        }
        if let Some(wait) = error.retry_after {
            extensions.set("retryAfter", seconds(wait));
        }
        if let Some(graph) = error.graph {
            extensions.set("graph", graph.into_value());
        }
        if let Some(challenge) = error.www_authenticate {
            extensions.set("wwwAuthenticate", challenge);
        }
        Self { message: error.message, source: None, extensions: Some(extensions) }
    }
}

impl GraphErrorDetail {
    fn into_value(self) -> Value {
        let text = |text: Option<String>| text.map_or(Value::Null, Value::String);
        Value::Object(IndexMap::from_iter([
            (Name::new("status"), Value::from(self.status)),
            (Name::new("code"), text(self.code)),
            (Name::new("requestId"), text(self.request_id)),
            (Name::new("clientRequestId"), Value::String(self.client_request_id)),
        ]))
    }
}

/// Seconds as a JSON number: whole where they are whole.
fn seconds(wait: Duration) -> Value {
    if wait.subsec_nanos() == 0 { Value::from(wait.as_secs()) } else { Value::from(wait.as_secs_f64()) }
}

/// A request error as it stands in an answer's `errors`.
impl Serialize for RequestError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Body<'a> {
            message: &'a str,
            #[serde(skip_serializing_if = "<[_]>::is_empty")]
            locations: &'a [Pos],
            extensions: Extensions<'a>,
        }
        #[derive(Serialize)]
        struct Extensions<'a> {
            code: &'static str,
            retryable: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            variable: Option<&'a [PathSegment]>,
        }
        let code = self.code.as_str();
        let extensions = Extensions { code, retryable: false, variable: self.variable.as_deref() };
        Body { message: &self.message, locations: &self.locations, extensions }.serialize(serializer)
    }
}

/// Gives an error of the library's own, which has no code, the one of a failure of the gateway: requests are checked
/// before they execute, so that nothing a caller sends can be its cause.
pub(super) fn with_code(error: &mut ServerError) {
    let coded = error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some());
    if !coded {
        warn!(message = error.message, "execution failed");
        error.message = "The gateway failed.".to_owned();
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", ErrorCode::InternalServerError.as_str());
        extensions.set("retryable", false);
    }
}
