//! The values of `extensions.code` and `extensions.outcome`.

use async_graphql::Enum;
use async_graphql::resolver_utils::EnumType;

/// The values of `extensions.code`, which every error has. `extensions.retryable` says whether the
/// same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum ErrorCode {
    /// The request has no usable access token, or Graph returned 401. Sign in again and retry with
    /// a new token.
    Unauthenticated,
    /// Graph returned 403: the caller lacks a permission or an Intune role. `reason` says which, and
    /// `requiredPermissions` names the permissions.
    Forbidden,
    /// Graph returned 404 or 410 to a write, or an object that must exist does not.
    NotFound,
    /// The input breaks a rule that the types of GraphQL cannot express, or Graph rejected it (400,
    /// 413, 422 or another 4xx). Correct the input.
    BadUserInput,
    /// Graph returned 409 or 412: the write conflicts with the present state. Read the object
    /// before you retry.
    Conflict,
    /// The tenant requires the approval of a second administrator for this write, and Graph asks for
    /// a justification. Repeat the call with `approval: { justification: … }`.
    ApprovalRequired,
    /// A request for the approval of this write is open. After the approval, repeat the call with
    /// `approval: { code: … }`; `approvalCode` is the code.
    ApprovalPending,
    /// The idempotency key was used before with other input. Use a new key for a new object.
    IdempotencyKeyReused,
    /// Graph returned 429, or a wait that Graph requested is pending for this caller. Retry after
    /// `retryAfter`.
    ///
    /// In an event of a subscription: events caused too many reads.
    Throttled,
    /// The gateway could not connect to Graph, or Graph returned 502 or 503. Retry later.
    UpstreamUnavailable,
    /// The store of idempotency keys is full or cannot be used, and nothing was sent. Retry later.
    ///
    /// In an event of a subscription: events may have been missed. Read the list again.
    StateUnavailable,
    /// Graph did not respond in time to a read, an update or a deletion, or no time was left to
    /// send a write. Retry later.
    UpstreamTimeout,
    /// Graph failed, or its response could not be read. A read may be retried; check the `outcome`
    /// of a write.
    UpstreamError,
    /// Graph has no such operation in this tenant, cloud or version. The live service may return
    /// this for `addDeviceStatus`. A retry does not help.
    UpstreamNotSupported,
    /// A write was sent and its response was lost: it may have been applied. Retry only with the
    /// same idempotency key; without a key, check first.
    OutcomeUnknown,
    /// The gateway has no capacity left, or the caller uses its share. Retry after `retryAfter`. On
    /// a field: there was no memory for its value.
    Overloaded,
    /// The request does not follow GraphQL over HTTP: for example invalid JSON, an array, or a
    /// wrong method or media type.
    BadRequest,
    /// The document has a syntax error.
    GraphqlParseFailed,
    /// The document does not match the schema.
    GraphqlValidationFailed,
    /// The request exceeds a limit, for example of size, depth, aliases or cost. Ask for less. On a
    /// field: the response or the reads of the request reached their limit.
    QueryTooLarge,
    /// Introspection is disabled on this gateway.
    IntrospectionDisabled,
    /// The gateway has no document with this hash or id. Send the text of the document, or add it
    /// to the trusted documents.
    PersistedQueryNotFound,
    /// `extensions.persistedQuery` has a version other than 1, which is not supported. Send the text
    /// of the document.
    PersistedQueryNotSupported,
    /// The gateway failed. Report it to the operator of the gateway.
    InternalServerError,
}

impl ErrorCode {
    /// The value of `extensions.code`: the name in the schema.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name(self)
    }
}

/// What is known about a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::graph::Outcome")]
pub(crate) enum WriteOutcome {
    /// The write was not sent to Graph. Nothing was written, and it will not be sent later.
    NotSent,
    /// Graph rejected the write. Nothing was written.
    Rejected,
    /// The write was sent, and its response was lost, or Graph asked for an approval: it may have
    /// been applied. Check before you send it again, or use an idempotency key.
    Unknown,
    /// Graph applied the write, but the object could not be read. Do not send it again.
    Applied,
}

impl WriteOutcome {
    /// The value of `extensions.outcome`: the name in the schema.
    pub(crate) fn as_str(self) -> &'static str {
        name(self)
    }
}

/// What the caller of a request that Graph did not allow lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::graph::ForbiddenReason")]
pub(crate) enum ForbiddenReason {
    /// A permission in the access token. `requiredPermissions` has the names if Graph returned them.
    Scope,
    /// An Intune role of the user.
    Role,
    /// The approval of a second administrator.
    Approval,
    /// Graph does not tell.
    Other,
}

impl ForbiddenReason {
    /// The value of `extensions.reason`: the name in the schema.
    pub(crate) fn as_str(self) -> &'static str {
        name(self)
    }

    /// What to ask an administrator for, as a sentence after a space. Empty if it is not known.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Scope => " Ask an administrator to grant the app one of the required permissions.",
            Self::Role => " Ask an administrator for an Intune role that allows it.",
            Self::Approval => " The tenant requires the approval of a second administrator.",
            Self::Other => "",
        }
    }
}

/// The name of a value in the schema.
fn name<T: EnumType>(value: T) -> &'static str {
    let item = T::items().iter().find(|item| item.value == value);
    item.expect("the derived list has every value").name
}

#[cfg(test)]
mod tests {
    use async_graphql::resolver_utils::EnumType as _;

    use super::ErrorCode;
    use crate::telemetry::metrics;

    #[test]
    fn each_code_has_a_metric() {
        for code in ErrorCode::items() {
            assert!(metrics::has_code(code.name), "{}", code.name);
        }
    }
}
