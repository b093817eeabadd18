//! The values of `extensions.code` and `extensions.outcome`.

use async_graphql::Enum;
use async_graphql::resolver_utils::EnumType;

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
    /// Graph answered 429, or the gateway still honours an earlier Retry-After to this caller, or the events of live updates
    /// have read as much as they may.
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
    /// The gateway itself is full; come back after retryAfter. On a field that is null: all responses together have no room
    /// for it.
    Overloaded,
    /// Not a GraphQL-over-HTTP request: bad JSON, an array, wrong method or media type.
    BadRequest,
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document does not fit the schema.
    GraphqlValidationFailed,
    /// A limit on the document or the request: size, tokens, nesting, depth, aliases and their length, root fields, directives,
    /// expanded fragments, cost. On a field that is null: the response has no room for it.
    QueryTooLarge,
    /// Introspection is turned off on this gateway.
    IntrospectionDisabled,
    /// The gateway does not know the document that a hash or id stands for.
    PersistedQueryNotFound,
    /// `extensions.persistedQuery` has another version than 1, the only one that this gateway takes. Send the document's text.
    PersistedQueryNotSupported,
    /// The gateway itself failed.
    InternalServerError,
}

impl ErrorCode {
    /// The code as it is in `extensions.code`, which is its name in the schema.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        name(self)
    }
}

/// What is known of whether Graph did a write that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::graph::Outcome")]
pub(crate) enum WriteOutcome {
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
    /// The outcome as it is in `extensions.outcome`, which is its name in the schema.
    pub(crate) fn as_str(self) -> &'static str {
        name(self)
    }
}

/// The name of a value in the schema.
fn name<T: EnumType>(value: T) -> &'static str {
    let item = T::items().iter().find(|item| item.value == value);
    item.expect("the derived list has every value").name
}
