//! A GraphQL request, independent of the transport.

use graphql_prepare::JsonVariables;

/// A GraphQL request, independent of the transport.
#[derive(Debug, Clone)]
pub struct GraphqlRequest {
    /// The document, where it came as text.
    pub query: Option<String>,
    /// The id of a trusted document.
    pub document_id: Option<String>,
    /// The hash of the document, where it came.
    pub persisted_query: Option<PersistedQuery>,
    /// Which of its operations to execute; may be left out where there is one.
    pub operation_name: Option<String>,
    /// Values for the operation's variables.
    pub variables: JsonVariables,
    /// Whether it came in a way in which nothing may be written: by GET.
    pub is_read_only: bool,
}

/// What a request says of a document that it has sent before (`extensions.persistedQuery`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistedQuery {
    /// The version of the protocol; 1 is the one that there is.
    pub version: u32,
    /// SHA-256 of the document's text, in hexadecimal digits; or the id of a trusted document.
    pub sha256_hash: String,
}
