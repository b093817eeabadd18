//! An error as an object, for one item of a bulk write.

use std::time::Duration;

use async_graphql::Object;

use crate::schema::bounded::Bounded;
use crate::telemetry::failed_items::FailedItem;

use super::{ErrorCode, FieldError, ForbiddenReason, GraphErrorDetail, WriteOutcome, whole_seconds};

/// The error of one item of a bulk write. It has the members that `message` and `extensions` of a
/// GraphQL error have.
#[derive(Debug)]
pub(crate) struct OperationError(FieldError);

impl From<FieldError> for OperationError {
    fn from(error: FieldError) -> Self {
        Self(error)
    }
}

impl OperationError {
    /// The error as the access log and the metrics see it.
    pub(crate) fn failed_item(&self) -> FailedItem {
        FailedItem {
            code: self.0.0.code.as_str(),
            outcome: self.0.0.outcome.unwrap_or(WriteOutcome::Unknown).as_str(),
        }
    }
}

/// The error of one item of a bulk write. It has the members that `message` and `extensions` of a
/// GraphQL error have.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl OperationError {
    /// The kind of error, for programs.
    async fn code(&self) -> ErrorCode {
        self.0.0.code
    }

    /// A description of the error for developers. Do not parse it.
    async fn message(&self) -> &str {
        &self.0.0.message
    }

    /// Whether the identical request may be sent again without creating anything twice.
    async fn retryable(&self) -> bool {
        self.0.0.retryable
    }

    /// What is known about the write.
    async fn outcome(&self) -> WriteOutcome {
        // An error without one is the gateway's own, of which nothing is known.
        self.0.0.outcome.unwrap_or(WriteOutcome::Unknown)
    }

    /// What the caller lacks. Null unless the code is `FORBIDDEN`.
    async fn reason(&self) -> Option<ForbiddenReason> {
        self.0.0.forbidden.as_ref().map(|forbidden| forbidden.reason.into())
    }

    /// The permissions of which the caller needs one, as Graph names them. Null if Graph did not name
    /// any.
    async fn required_permissions(&self) -> Option<&[String]> {
        let forbidden = self.0.0.forbidden.as_ref()?;
        (!forbidden.required_permissions.is_empty()).then_some(&forbidden.required_permissions)
    }

    /// The code of the open request for approval, for `itemApprovals`. Null unless the code of the
    /// error is `APPROVAL_PENDING`, and null if Graph did not return it.
    async fn approval_code(&self) -> Option<&str> {
        self.0.0.approval_code.as_deref()
    }

    /// The time to wait before a retry, in whole seconds. Null if it is not known.
    async fn retry_after(&self) -> Option<f64> {
        self.0.0.retry_after.map(|wait| Duration::from_secs(whole_seconds(wait)).as_secs_f64())
    }

    /// The `client-request-id` of the call to Graph that failed, for support requests. Null if Graph was
    /// not called.
    async fn client_request_id(&self) -> Option<String> {
        self.0.0.client_request_id.map(|id| id.to_string())
    }

    /// The details of Graph's response, for support requests. Null if Graph was not called or did
    /// not respond.
    async fn graph(&self) -> Option<Bounded<&GraphErrorDetail>> {
        self.0.0.graph.as_ref().map(Bounded::guaranteed)
    }
}
