//! Answers to requests that executed.

use serde::Serialize;

use crate::schema::{Executed, ResponseMemory};

/// The answer to a request that executed. A request error has no `data` (GraphQL, section 7.1), and is another type.
#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<async_graphql::ServerError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<async_graphql::Value>,
    /// What it takes of the memory for answers.
    #[serde(skip)]
    memory: Option<Box<dyn ResponseMemory>>,
}

impl Answer {
    /// That to a query or a mutation.
    pub(super) fn whole(Executed { response, memory }: Executed) -> Self {
        Self { errors: response.errors, data: Some(response.data), memory }
    }

    /// One of those to a subscription. Where it could not begin, that is a request error (GraphQL, section 6.2.3).
    pub(super) fn live(Executed { response, memory }: Executed) -> Self {
        let has_begun = response.errors.is_empty() || response.data != async_graphql::Value::Null;
        Self { errors: response.errors, data: has_begun.then_some(response.data), memory }
    }

    /// What it takes of the memory for answers, to be kept until it has been sent.
    pub(super) fn into_memory(self) -> Option<Box<dyn ResponseMemory>> {
        self.memory
    }
}
