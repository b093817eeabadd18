//! Errors of a request of which nothing executes.

use async_graphql::{PathSegment, Pos};
use graphql_prepare::RequestErrorKind;
use serde::{Serialize, Serializer};

use super::ErrorCode;

/// One reason why a request does not execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    code: ErrorCode,
    /// A sentence for the caller.
    message: String,
    /// Places in the document; empty if the error is about no place in it.
    locations: Vec<Pos>,
    /// The path to a variable's value, the variable's name first.
    variable: Option<Vec<PathSegment>>,
}

impl RequestError {
    /// The error's code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// An error about no place in the document.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), locations: Vec::new(), variable: None }
    }
}

impl From<graphql_prepare::RequestError> for RequestError {
    fn from(error: graphql_prepare::RequestError) -> Self {
        let graphql_prepare::RequestError { kind, message, locations, variable } = error;
        let code = match kind {
            RequestErrorKind::Syntax => ErrorCode::GraphqlParseFailed,
            RequestErrorKind::Validation => ErrorCode::GraphqlValidationFailed,
            RequestErrorKind::Variable => ErrorCode::BadUserInput,
            RequestErrorKind::Operation => ErrorCode::BadRequest,
            RequestErrorKind::TooLarge => ErrorCode::QueryTooLarge,
        };
        Self { code, message, locations, variable }
    }
}

/// The entry in a response's `errors`.
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
