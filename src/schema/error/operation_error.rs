//! An error as an object: for one item of many, where the others stand.

use std::time::Duration;

use async_graphql::Object;

use crate::schema::bounded::Bounded;

use super::{ErrorCode, FieldError, GraphErrorDetail, WriteOutcome, whole_seconds};

/// What a GraphQL error carries in its message and extensions, for one item of many.
#[derive(Debug)]
pub(crate) struct OperationError(FieldError);

impl From<FieldError> for OperationError {
    fn from(error: FieldError) -> Self {
        Self(error)
    }
}

/// What a GraphQL error carries in its message and extensions, for one item of many.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl OperationError {
    /// What went wrong.
    async fn code(&self) -> ErrorCode {
        self.0.0.code
    }

    /// The same in words, for a developer.
    async fn message(&self) -> &str {
        &self.0.0.message
    }

    /// Whether the identical request may be sent again without doing anything twice.
    async fn retryable(&self) -> bool {
        self.0.0.retryable
    }

    /// What is known of whether Graph did it.
    async fn outcome(&self) -> WriteOutcome {
        // An error without one is the gateway's own, of which nothing is known.
        self.0.0.outcome.unwrap_or(WriteOutcome::Unknown)
    }

    /// Seconds to wait before the request is sent again, rounded up, where that is known.
    async fn retry_after(&self) -> Option<f64> {
        self.0.0.retry_after.map(|wait| Duration::from_secs(whole_seconds(wait)).as_secs_f64())
    }

    /// Where in Graph it came from, where Graph answered.
    async fn graph(&self) -> Option<Bounded<&GraphErrorDetail>> {
        self.0.0.graph.as_ref().map(Bounded::guaranteed)
    }
}
