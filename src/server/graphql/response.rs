//! Responses to requests that were executed.

use serde::Serialize;

use crate::schema::{ErrorCode, Executed, ResponseMemory};
use crate::telemetry::operation::OperationResult;

/// The response to a request that was executed. A request error has no `data` (GraphQL, section 7.1), and is a
/// [`RequestRejection`](super::rejection::RequestRejection).
#[derive(Serialize)]
pub(super) struct GraphqlResponse {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<async_graphql::ServerError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<async_graphql::Value>,
    /// The memory that the response takes.
    #[serde(skip)]
    memory: Option<Box<dyn ResponseMemory>>,
}

impl GraphqlResponse {
    /// The response to a query or a mutation.
    pub(super) fn single(Executed { response, memory }: Executed) -> Self {
        Self { errors: response.errors, data: Some(response.data), memory }
    }

    /// One response of a subscription. If the subscription could not start, that is a request error (GraphQL, section 6.2.3).
    pub(super) fn event(Executed { response, memory }: Executed) -> Self {
        let has_started = response.errors.is_empty() || response.data != async_graphql::Value::Null;
        Self { errors: response.errors, data: has_started.then_some(response.data), memory }
    }

    /// The response as the access log and the metrics see it.
    pub(super) fn result(&self) -> OperationResult<'_> {
        OperationResult {
            code: self.errors.first().and_then(|error| extension(error, "code")),
            errors: self.errors.len(),
            outcome: self.errors.iter().find_map(|error| extension(error, "outcome")),
        }
    }

    /// Whether an error says that Microsoft Graph refused the token.
    pub(super) fn is_unauthenticated(&self) -> bool {
        let code = ErrorCode::Unauthenticated.as_str();
        self.errors.iter().any(|error| extension(error, "code") == Some(code))
    }

    /// Whether the operation was executed. A subscription that could not start has no data.
    pub(super) fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// The memory that the response takes, to be kept until it has been sent.
    pub(super) fn into_memory(self) -> Option<Box<dyn ResponseMemory>> {
        self.memory
    }
}

/// A member of an error's extensions that is text.
fn extension<'e>(error: &'e async_graphql::ServerError, name: &str) -> Option<&'e str> {
    match error.extensions.as_ref()?.get(name)? {
        async_graphql::Value::String(text) => Some(text),
        _ => None,
    }
}
