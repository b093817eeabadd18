//! Errors as callers receive them. Each has an [`ErrorCode`] and whether the same request may be
//! sent again; errors of writes also have the outcome.

mod approval;
mod code;
mod operation_error;
mod request_error;
mod upstream;

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Context, ErrorExtensionValues, Name, ServerError, SimpleObject, Value};
use indexmap::IndexMap;
use tracing::{error, warn};
use uuid::Uuid;

pub use self::code::ErrorCode;
pub(crate) use self::code::{ForbiddenReason, WriteOutcome};
pub(super) use self::operation_error::OperationError;
pub use self::request_error::RequestError;
use crate::graph::{ApiError, ApprovalRefusal, Forbidden, Outcome, ResponseInfo};
use crate::telemetry::request;

/// The error of a resolver. It has no `Display` on purpose: async-graphql converts any error with
/// `Display`, so `?` would expose internal messages to callers.
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
    /// Of the call to Graph that failed, also if there was no response.
    client_request_id: Option<Uuid>,
    www_authenticate: Option<String>,
    /// Of a request that Graph did not allow.
    forbidden: Option<Forbidden>,
    /// The code of an open request for approval.
    approval_code: Option<String>,
}

/// The details of a response from Graph. Microsoft support asks for them.
#[derive(Debug, Clone, SimpleObject)]
pub(super) struct GraphErrorDetail {
    /// The HTTP status of the response.
    status: u16,
    /// The error code in the response, for example `Forbidden`. Null if the response has none.
    code: Option<String>,
    /// The `request-id` header of the response. Null if the response has none.
    request_id: Option<String>,
    /// The `client-request-id` that the gateway sent with the request. Null if it is not known.
    client_request_id: Option<String>,
}

impl FieldError {
    /// An error that a retry does not resolve.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            code,
            message: message.into(),
            retryable: false,
            outcome: None,
            retry_after: None,
            graph: None,
            client_request_id: None,
            www_authenticate: None,
            forbidden: None,
            approval_code: None,
        }))
    }

    /// The input breaks a rule that the types of GraphQL cannot express. `what` names the argument
    /// and the rule.
    #[must_use]
    pub fn bad_user_input(what: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadUserInput, what)
    }

    /// The request has no usable bearer token.
    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorCode::Unauthenticated,
            "No usable access token. Send one header \"Authorization: Bearer <token>\", or over a WebSocket \
             `Authorization` in the payload of `connection_init` (`connectionParams` in graphql-ws).",
        )
    }

    /// Graph returned an object whose id cannot be used in a path.
    #[must_use]
    pub fn unusable_key() -> Self {
        Self::new(ErrorCode::UpstreamError, "Microsoft Graph returned an object whose id cannot be used.")
            .of_call()
    }

    /// Graph created an object without saying which.
    #[must_use]
    pub fn created_without_key() -> Self {
        let message =
            "Microsoft Graph created the object, but did not return its id. Do not send the create again.";
        Self::new(ErrorCode::UpstreamError, message).of_call()
    }

    /// Graph asked an earlier call with the key for an approval, and this call has none.
    #[must_use]
    pub fn approval_still_required() -> Self {
        let message = "Microsoft Graph asked an earlier call with this idempotency key for the approval of a second \
                       administrator, and this call has none. Repeat it with `approval: { justification: … }`, or with \
                       the code of an approved request. Check before that whether the object exists: the earlier \
                       call may have left it.";
        Self::new(ErrorCode::ApprovalRequired, message).with_outcome(Outcome::Unknown)
    }

    /// Graph holds the write of an earlier call with the key until it is approved, and this call has no approval.
    #[must_use]
    pub fn approval_still_pending() -> Self {
        Self::new(ErrorCode::ApprovalPending, approval::STILL_PENDING).with_outcome(Outcome::Rejected)
    }

    /// The value from Graph cannot be a value of the field.
    pub(super) fn unreadable_value(ctx: &Context<'_>) -> Self {
        Self::new(ErrorCode::UpstreamError, "Microsoft Graph's value of this field could not be read.")
            .of_call()
            .retryable_read(ctx)
    }

    /// The payload of a configuration is not a provisioning profile.
    pub(super) fn unreadable_profile(why: String) -> Self {
        let message = format!("The provisioning profile in `payload` could not be read: {why}.");
        Self::new(ErrorCode::UpstreamError, message)
    }

    /// Graph's list has rows that are not objects of its type.
    pub(super) fn unreadable_rows(ctx: &Context<'_>, count: usize, info: ResponseInfo) -> Self {
        let (rows, are) = if count == 1 { ("row", "is") } else { ("rows", "are") };
        let message =
            format!("{count} {rows} of Microsoft Graph's list could not be read and {are} left out.");
        Self::new(ErrorCode::UpstreamError, message).with_response_info(info).retryable_read(ctx)
    }

    /// Graph's link to the next page leads to a page that was read before.
    pub(super) fn repeated_link(ctx: &Context<'_>, info: ResponseInfo) -> Self {
        let message =
            "Microsoft Graph's link to the next page leads back to an earlier page. The list ends here.";
        Self::new(ErrorCode::UpstreamError, message).with_response_info(info).retryable_read(ctx)
    }

    /// Graph's link to the next page of a list cannot be followed.
    pub(super) fn unusable_link(ctx: &Context<'_>, info: ResponseInfo) -> Self {
        let message = "Microsoft Graph's link to the next page of the list is unusable. The list ends here.";
        Self::new(ErrorCode::UpstreamError, message).with_response_info(info).retryable_read(ctx)
    }

    /// Graph does not sort or count (`verb`) a list that is too long to do so here. `field` is what the caller asked for.
    pub(super) fn beyond_fallback(field: &str, verb: &str, max_pages: usize, page_size: usize) -> Self {
        let pages = if max_pages == 1 { "page" } else { "pages" };
        let message = format!(
            "Microsoft Graph does not {verb} this list, and the gateway reads at most {max_pages} {pages} of up to {page_size} \
             rows to do so (--max-fallback-pages). Leave `{field}` out."
        );
        Self::new(ErrorCode::QueryTooLarge, message).of_call()
    }

    /// The end of a list that is counted here cannot be reached.
    pub(super) fn list_without_end(info: ResponseInfo) -> Self {
        let message =
            "Microsoft Graph's link to the next page of the list is unusable, so it cannot be counted.";
        Self::new(ErrorCode::UpstreamError, message).with_response_info(info)
    }

    /// The code of the error.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Graph did a write, and does not show the object.
    #[must_use]
    pub fn not_shown(done: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("Microsoft Graph {done}, but does not show it yet.")).of_call()
    }

    /// A field for which a response of at most `max` bytes has no room.
    #[must_use]
    pub fn response_too_large(max: usize) -> Self {
        let message = format!(
            "The response is limited to {max} bytes, and has no room for this field. Select fewer fields or ask for \
             smaller pages."
        );
        Self::new(ErrorCode::QueryTooLarge, message)
    }

    /// A field for which the memory that all responses share has no room.
    #[must_use]
    pub fn no_memory() -> Self {
        let message = "The gateway has no memory left for this field.";
        Self::new(ErrorCode::Overloaded, message)
    }

    /// The error that replaces this number of errors that are not listed.
    #[must_use]
    pub fn errors_omitted(count: usize, max: usize) -> Self {
        let errors = if count == 1 { "error is" } else { "errors are" };
        let message = format!(
            "{count} further {errors} not listed: the errors of a response are limited to {max} bytes."
        );
        Self::new(ErrorCode::QueryTooLarge, message)
    }

    /// Events of a subscription may have been missed.
    pub(super) fn events_missed() -> Self {
        let message = "Events may have been missed. Read the list again; the subscription goes on.";
        Self::new(ErrorCode::StateUnavailable, message).retryable()
    }

    /// The gateway failed. `what` is only logged.
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

    /// The same error, of a call to Graph by the current request.
    fn of_call(mut self) -> Self {
        self.0.client_request_id = request::current().map(|request| request.client_request_id());
        self
    }

    fn with_api(mut self, api: ApiError) -> Self {
        self.0.retry_after = api.retry_after;
        self.0.forbidden = api.forbidden().filter(|_| self.0.code == ErrorCode::Forbidden);
        self.0.www_authenticate = api.www_authenticate;
        self.0.approval_code = match api.approval {
            Some(ApprovalRefusal::Pending { code }) if self.0.code == ErrorCode::ApprovalPending => code,
            _ => None,
        };
        self.0.graph = Some(GraphErrorDetail {
            status: api.status.as_u16(),
            code: api.code,
            request_id: api.request_id,
            client_request_id: Some(api.client_request_id.to_string()),
        });
        self
    }

    fn with_response_info(mut self, info: ResponseInfo) -> Self {
        self.0.graph = Some(GraphErrorDetail {
            status: info.status.as_u16(),
            code: None,
            request_id: info.request_id,
            client_request_id: Some(info.client_request_id.to_string()),
        });
        self
    }

    /// The same error, of a request that may be sent again after a while without doing anything twice.
    #[must_use]
    pub fn retryable_after(self, wait: Duration) -> Self {
        self.retryable().with_retry_after(wait)
    }

    fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// The same error, retryable unless the request is a mutation.
    fn retryable_read(self, ctx: &Context<'_>) -> Self {
        match ctx.query_env.operation.node.ty {
            OperationType::Query | OperationType::Subscription => self.retryable(),
            OperationType::Mutation => self,
        }
    }

    /// Adds the error to the response, at the field that is being resolved, whose value is kept.
    pub(super) fn add_to_response(self, ctx: &Context<'_>) {
        let error = async_graphql::Error::from(self).into_server_error(ctx.item.pos);
        ctx.add_error(ctx.set_error_path(error));
    }

    /// The same error with another message.
    #[must_use]
    pub fn with_message(mut self, message: String) -> Self {
        self.0.message = message;
        self
    }

    /// The same error, of a request that may be sent again without doing anything twice.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.0.retryable = true;
        self
    }
}

fn internal() -> FieldError {
    FieldError::new(ErrorCode::InternalServerError, "The gateway failed.")
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
            extensions.set("retryAfter", whole_seconds(wait));
        }
        match (error.graph, error.client_request_id) {
            (Some(graph), _) => extensions.set("graph", graph.into_value()),
            // Without a response there is neither a status nor an id of Graph's.
            (None, Some(id)) => {
                let id = (Name::new("clientRequestId"), Value::String(id.to_string()));
                extensions.set("graph", Value::Object(IndexMap::from_iter([id])));
            }
            (None, None) => {}
        }
        if let Some(challenge) = error.www_authenticate {
            extensions.set("wwwAuthenticate", challenge);
        }
        if let Some(Forbidden { reason, required_permissions }) = error.forbidden {
            extensions.set("reason", ForbiddenReason::from(reason).as_str());
            if !required_permissions.is_empty() {
                extensions.set("requiredPermissions", required_permissions);
            }
        }
        if let Some(code) = error.approval_code {
            extensions.set("approvalCode", code);
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
            (Name::new("clientRequestId"), text(self.client_request_id)),
        ]))
    }
}

/// The seconds of a wait, rounded up, so that a retry is never too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
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
