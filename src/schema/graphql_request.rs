//! A GraphQL request, independent of the transport.

use std::sync::Arc;

use graphql_prepare::JsonVariables;

/// A GraphQL request, independent of the transport.
#[derive(Debug, Clone)]
pub struct GraphqlRequest {
    /// The text of the document, if the request has it.
    pub query: Option<String>,
    /// The id of a trusted document.
    pub document_id: Option<String>,
    /// The hash of the document, if the request has it.
    pub persisted_query: Option<PersistedQuery>,
    /// Name of the operation to execute. Optional if the document has only one.
    pub operation_name: Option<String>,
    /// Values for the operation's variables.
    pub variables: JsonVariables,
    /// Whether the request may only read, as requests by GET.
    pub is_read_only: bool,
    /// Name of the client that sent it, as it says. Only set where documents are reported.
    pub client_name: Option<Arc<str>>,
}

/// The reference to a document that was sent before (`extensions.persistedQuery`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistedQuery {
    /// The version of the protocol. Only 1 is defined.
    pub version: u32,
    /// SHA-256 of the document's text, in hexadecimal digits; or the id of a trusted document.
    pub sha256_hash: String,
}
