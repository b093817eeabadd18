//! Errors of failed calls to Graph: their code, message, outcome and whether to retry. Causes are not returned to callers.

use std::time::Duration;

use http::StatusCode;
use tracing::warn;

use super::{ErrorCode, FieldError, ForbiddenReason, WriteOutcome, approval, internal};
use crate::graph::{self, ApiError, ApprovalRefusal, Outcome, WriteKind};
use crate::telemetry::rate_limit::LineLimit;
use crate::tls_error::causes;

/// A read that failed.
impl From<graph::Error> for FieldError {
    fn from(mut error: graph::Error) -> Self {
        if let graph::Error::Api(api) = &mut error {
            // Reads need no approval.
            api.approval = None;
        }
        log(&error, None);
        let is_of_call = is_of_call(&error);
        let error = repeatable(error, None);
        if is_of_call { error.of_call() } else { error }
    }
}

/// A write that failed.
impl From<graph::WriteError> for FieldError {
    fn from(graph::WriteError { kind, outcome, error, is_resent }: graph::WriteError) -> Self {
        log(&error, Some(outcome));
        let is_of_call = is_of_call(&error) || outcome != Outcome::NotSent;
        let error = match kind {
            WriteKind::Keyed => repeatable(error, Some(outcome)),
            WriteKind::Create | WriteKind::Action => not_repeatable(kind, error, outcome, is_resent),
        };
        let error = error.with_outcome(outcome);
        if is_of_call { error.of_call() } else { error }
    }
}

/// Whether the error belongs to a call to Graph, including one that was rejected before it was sent: its ids help to find
/// the earlier calls. The other errors are of the input or of the gateway.
fn is_of_call(error: &graph::Error) -> bool {
    !matches!(
        error,
        graph::Error::InvalidKey(_)
            | graph::Error::OverBudget { .. }
            | graph::Error::NotRecorded(_)
            | graph::Error::Unsendable(_)
    )
}

/// The error of an idempotent request: a read, or an update or deletion with its outcome.
fn repeatable(error: graph::Error, outcome: Option<Outcome>) -> FieldError {
    match error {
        graph::Error::InvalidKey(invalid) => FieldError::bad_user_input(format!("The id {invalid}.")),
        graph::Error::Connect(_) | graph::Error::Unprocessed(_) | graph::Error::Withdrawn => unavailable(),
        graph::Error::BreakerOpen { retry_after } => unavailable().with_retry_after(retry_after),
        graph::Error::Throttled { retry_after } => throttled(retry_after),
        graph::Error::NotStarted { retry_after } => not_started(retry_after),
        graph::Error::OverBudget { retry_after } => over_budget(retry_after),
        graph::Error::NotRecorded(_) => not_recorded(),
        graph::Error::Transport(_) => {
            let message = "Microsoft Graph's response was lost or incomplete. Try again.";
            FieldError::new(ErrorCode::UpstreamError, message).retryable()
        }
        graph::Error::Timeout => timeout(),
        graph::Error::DeadlinePassed => too_late(),
        graph::Error::UnexpectedResponse { response, .. } => {
            unexpected_response().with_response_info(*response).retryable()
        }
        graph::Error::ReadTooMuch { max } => read_too_much(max),
        graph::Error::MemoryExhausted => memory_exhausted(),
        graph::Error::Unsendable(_) | graph::Error::Internal(_) => internal(),
        graph::Error::Api(api) => match (refusal(&api, WriteKind::Keyed, outcome), api.status) {
            (Some(error), _) => error,
            (None, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) => unavailable(),
            (None, StatusCode::GATEWAY_TIMEOUT | StatusCode::REQUEST_TIMEOUT) => timeout(),
            (None, status) => failed(status).retryable(),
        }
        .with_api(*api),
    }
}

/// The error of a request that is not idempotent: a create or an action.
fn not_repeatable(kind: WriteKind, error: graph::Error, outcome: Outcome, is_resent: bool) -> FieldError {
    let lost = || {
        let message = "The write was sent to Microsoft Graph, and its response was lost: it may have happened. Check \
                       before you send it again.";
        FieldError::new(ErrorCode::OutcomeUnknown, message)
    };
    match error {
        graph::Error::InvalidKey(invalid) => FieldError::bad_user_input(format!("The id {invalid}.")),
        graph::Error::Connect(_) | graph::Error::Unprocessed(_) | graph::Error::Withdrawn => unavailable(),
        graph::Error::BreakerOpen { retry_after } => unavailable().with_retry_after(retry_after),
        graph::Error::Throttled { retry_after } => throttled(retry_after),
        graph::Error::NotStarted { retry_after } => not_started(retry_after),
        graph::Error::OverBudget { retry_after } => over_budget(retry_after),
        graph::Error::NotRecorded(_) => not_recorded(),
        graph::Error::DeadlinePassed => too_late(),
        graph::Error::Transport(_) | graph::Error::Timeout => lost(),
        graph::Error::ReadTooMuch { max } => read_too_much(max),
        graph::Error::MemoryExhausted => memory_exhausted(),
        graph::Error::Unsendable(_) | graph::Error::Internal(_) => internal(),
        graph::Error::UnexpectedResponse { response, .. } if outcome == Outcome::Applied => {
            FieldError::created_without_key().with_response_info(*response)
        }
        graph::Error::UnexpectedResponse { response, .. } => lost().with_response_info(*response),
        // A rejection is of the last attempt. An unknown outcome of an earlier attempt takes
        // precedence.
        graph::Error::Api(api) => match (refusal(&api, kind, Some(outcome)), outcome) {
            (Some(error), Outcome::Unknown) if api.requires_approval() && is_resent => {
                error.with_message(approval::REQUIRED_AFTER_LOSS.to_owned() + &quoted(&api))
            }
            (Some(error), Outcome::Unknown) if api.is_not_supported() || api.requires_approval() => error,
            (_, Outcome::Unknown) => lost(),
            (Some(error), _) => error,
            (None, _) => unavailable(),
        }
        .with_api(*api),
    }
}

/// The errors of responses by which Graph rejects a request, independent of the operation. `None`
/// if the status means that Graph failed; the outcome then depends on the operation. `outcome` is `None` for a read.
fn refusal(api: &ApiError, kind: WriteKind, outcome: Option<Outcome>) -> Option<FieldError> {
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
    match &api.approval {
        Some(ApprovalRefusal::Required) => {
            let message = approval::required(kind);
            return Some(FieldError::new(Code::ApprovalRequired, message + &quoted(api)));
        }
        Some(ApprovalRefusal::Pending { code }) => {
            let message = approval::pending(code.is_some());
            return Some(FieldError::new(Code::ApprovalPending, message + &quoted(api)));
        }
        Some(ApprovalRefusal::NotApproved) | None => {}
    }
    let (code, sentence) = match api.status {
        StatusCode::UNAUTHORIZED => (Code::Unauthenticated, "Microsoft Graph rejected the access token"),
        StatusCode::FORBIDDEN => {
            let reason = api.forbidden().map(|forbidden| ForbiddenReason::from(forbidden.reason));
            let advice = match (&api.approval, reason) {
                (Some(ApprovalRefusal::NotApproved), Some(ForbiddenReason::Approval)) => {
                    approval::not_approved(outcome)
                }
                (_, reason) => reason.map_or("", ForbiddenReason::advice),
            };
            let sentence = "Microsoft Graph does not allow the caller to do this";
            let message = quoted(api);
            let end = if advice.is_empty() || message.ends_with('.') { "" } else { "." };
            return Some(FieldError::new(Code::Forbidden, format!("{sentence}{message}{end}{advice}")));
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => (Code::NotFound, "Microsoft Graph has no such object"),
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => {
            (Code::Conflict, "Microsoft Graph found a conflict: the object has changed, or exists already")
        }
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = "Microsoft Graph throttles the caller; try again later";
            return Some(FieldError::new(Code::Throttled, format!("{wait}{}", quoted(api))).retryable());
        }
        StatusCode::REQUEST_TIMEOUT => return None,
        status if status.is_client_error() => (Code::BadUserInput, "Microsoft Graph rejected the request"),
        _ => return None,
    };
    Some(FieldError::new(code, format!("{sentence}{}", quoted(api))))
}

/// Graph's message after a colon, or a full stop if it has none.
fn quoted(api: &ApiError) -> String {
    api.message.as_ref().map_or_else(|| ".".to_owned(), |message| format!(": {message}"))
}

fn unavailable() -> FieldError {
    let message = "Microsoft Graph is unavailable. Try again later.";
    FieldError::new(ErrorCode::UpstreamUnavailable, message).retryable()
}

fn throttled(wait: Duration) -> FieldError {
    let message = "Microsoft Graph throttles the caller, and its `Retry-After` has not passed. Try again after `retryAfter` seconds.";
    FieldError::new(ErrorCode::Throttled, message).retryable().with_retry_after(wait)
}

fn over_budget(wait: Duration) -> FieldError {
    let message = "Subscriptions have used up their limit of reads. Query the object by its id, or wait \
                   `retryAfter` seconds for later events.";
    FieldError::new(ErrorCode::Throttled, message).retryable().with_retry_after(wait)
}

fn not_started(wait: Duration) -> FieldError {
    let message = "The request timed out, or the gateway shut down, before this was sent to Microsoft Graph. Repeat the call \
                   after `retryAfter` seconds.";
    FieldError::new(ErrorCode::Throttled, message).retryable().with_retry_after(wait)
}

fn not_recorded() -> FieldError {
    let message = "The gateway could not record the write under its idempotency key, so it was not sent. Repeat the call later with the \
                   same key.";
    FieldError::new(ErrorCode::StateUnavailable, message).retryable()
}

fn read_too_much(max: usize) -> FieldError {
    let message = format!(
        "The request has read {max} bytes from Microsoft Graph, which is the limit. Select fewer fields, or smaller \
         pages."
    );
    FieldError::new(ErrorCode::QueryTooLarge, message)
}

fn memory_exhausted() -> FieldError {
    let message = "The gateway has no memory left for Microsoft Graph's response. Try again after `retryAfter` seconds.";
    FieldError::new(ErrorCode::Overloaded, message).retryable_after(Duration::from_secs(1))
}

fn timeout() -> FieldError {
    FieldError::new(ErrorCode::UpstreamTimeout, "Microsoft Graph did not respond in time. Try again.")
        .retryable()
}

/// A call that was not sent to Graph.
fn too_late() -> FieldError {
    let message = "This was not sent to Microsoft Graph: the request had reached its time limit, or its client had closed \
                   its side of the connection. Try again.";
    FieldError::new(ErrorCode::UpstreamTimeout, message).retryable()
}

fn failed(status: StatusCode) -> FieldError {
    FieldError::new(
        ErrorCode::UpstreamError,
        format!("Microsoft Graph failed with status {}.", status.as_u16()),
    )
}

fn unexpected_response() -> FieldError {
    FieldError::new(ErrorCode::UpstreamError, "Microsoft Graph's response could not be read.")
}

/// Maximum number of lines per second: a bulk call can fail a thousand times.
static LINES: LineLimit = LineLimit::new(100);

/// Logs a failure that is not of a call to Graph. Failed calls are logged when they end.
fn log(error: &graph::Error, outcome: Option<Outcome>) {
    match error {
        graph::Error::NotRecorded(_)
        | graph::Error::Unsendable(_)
        | graph::Error::Internal(_)
        | graph::Error::UnexpectedResponse { .. } => {
            let cause = causes(error);
            let outcome = outcome.map(|outcome| WriteOutcome::from(outcome).as_str());
            if let Some(suppressed) = LINES.allow() {
                let suppressed = (suppressed > 0).then_some(suppressed);
                let cause = (!cause.is_empty()).then_some(cause);
                warn!(%error, cause, outcome, suppressed, "a call to Graph failed");
            }
        }
        _ => {}
    }
}
