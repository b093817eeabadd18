//! The parameters of a GraphQL request: out of a JSON body by POST, out of the URL by GET (GraphQL over HTTP, "Request").

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::body::RequestBody;
use super::refusal::Refusal;
use crate::json::{self, UniqueKeys};
use crate::schema::{GraphqlRequest, PersistedQuery};
use crate::server::media_type;

/// Reads a request, whose variables may nest as deep as a document. By GET it may only read.
pub(super) async fn read(
    parts: &Parts,
    body: &mut RequestBody,
    nesting: usize,
) -> Result<GraphqlRequest, Refusal> {
    match parts.method {
        Method::GET => by_get(parts, nesting),
        Method::POST => by_post(&parts.headers, body, nesting).await,
        _ => Err(Refusal::method("GET, POST", "GraphQL requests are sent by POST, and queries also by GET.")),
    }
}

async fn by_post(
    headers: &HeaderMap,
    body: &mut RequestBody,
    nesting: usize,
) -> Result<GraphqlRequest, Refusal> {
    if !media_type::is_json(headers) {
        let message = "A request is sent with Content-Type: application/json, in UTF-8.";
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let is_coded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(is_coded) {
        return Err(Refusal::coded("A request is sent without Content-Encoding."));
    }
    parse(&body.read().await?, nesting)
}

/// Reads the body of a request by POST.
pub(super) fn parse(body: &[u8], nesting: usize) -> Result<GraphqlRequest, Refusal> {
    // A derived struct would also be read from an array.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("The body must be a JSON object with the member \"query\"."));
    }
    // Of a member that nobody knows, the JSON reader would not ask it.
    let body = std::str::from_utf8(body).map_err(|_| bad("The body is not UTF-8."))?;
    // A value stands within `variables`, and those within the body.
    let parameters: Parameters = read_json("the body", body, nesting.saturating_add(2))?;
    parameters.into_request(false)
}

/// JSON that nests no deeper than `deepest`, which is looked at before anything is built from it.
fn read_json<T: DeserializeOwned>(what: &str, text: &str, deepest: usize) -> Result<T, Refusal> {
    if json::nests_deeper(text.as_bytes(), deepest) {
        let message = format!("The brackets of {what} nest deeper than {deepest}.");
        return Err(Refusal::too_large(StatusCode::BAD_REQUEST, message));
    }
    serde_json::from_str(text).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Data => error.to_string(),
            _ => format!("not valid JSON at line {}, column {}", error.line(), error.column()),
        };
        bad(format!("Reading {what} failed: {problem}."))
    })
}

/// What a URL's parameters may be called.
const NAMES: [&str; 6] = ["query", "operationName", "documentId", "doc_id", "variables", "extensions"];

/// The URL's parameters, of which each may come once; others are passed over, as members of a body are. A body has no
/// meaning by GET, so that one of another kind than JSON is refused rather than passed over.
fn by_get(parts: &Parts, nesting: usize) -> Result<GraphqlRequest, Refusal> {
    if parts.headers.contains_key(CONTENT_TYPE) && !media_type::is_json(&parts.headers) {
        let message = "A request by GET has no body, and no Content-Type but application/json.";
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let mut parameters = Parameters::default();
    let mut seen = [false; NAMES.len()];
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        let Some(index) = NAMES.iter().position(|known| *known == name) else { continue };
        if std::mem::replace(&mut seen[index], true) {
            return Err(bad(format!("The parameter \"{name}\" stands in the URL twice.")));
        }
        let json = || {
            let what = format!("the parameter \"{name}\"");
            read_json(&what, &value, nesting.saturating_add(1))
        };
        let text = || Value::String(value.clone().into_owned());
        match &*name {
            "query" => parameters.query = text(),
            "operationName" => parameters.operation_name = text(),
            "documentId" => parameters.document_id = text(),
            "doc_id" => parameters.doc_id = text(),
            // Empty is how some clients say that there is none.
            "variables" if !value.is_empty() => parameters.variables = json()?,
            "extensions" if !value.is_empty() => parameters.extensions = json()?,
            _ => {}
        }
    }
    parameters.into_request(true)
}

/// The parameters of a request as they come, so that each can be refused by name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    query: Value,
    #[serde(rename = "operationName")]
    operation_name: Value,
    variables: UniqueKeys,
    extensions: UniqueKeys,
    #[serde(rename = "documentId")]
    document_id: Value,
    /// Relay's name for the same.
    doc_id: Value,
}

impl Parameters {
    fn into_request(self, is_read_only: bool) -> Result<GraphqlRequest, Refusal> {
        let query = optional_text(self.query, "query")?;
        let document_id =
            match (optional_text(self.document_id, "documentId")?, optional_text(self.doc_id, "doc_id")?) {
                (Some(one), Some(other)) if one != other => {
                    return Err(bad("\"documentId\" and \"doc_id\" name different documents."));
                }
                (one, other) => one.or(other),
            };
        let variables = match self.variables.0 {
            Value::Object(variables) => variables,
            Value::Null => serde_json::Map::new(),
            _ => return Err(bad("\"variables\" must be an object or null.")),
        };
        let persisted_query = match self.extensions.0 {
            Value::Object(mut extensions) => extensions.remove("persistedQuery"),
            Value::Null => None,
            _ => return Err(bad("\"extensions\" must be an object or null.")),
        };
        let persisted_query =
            persisted_query.filter(|query| !query.is_null()).map(persisted_query_of).transpose()?;
        let names_document = document_id.is_some() || persisted_query.is_some();
        if query.is_none() && !names_document {
            return Err(bad("The member \"query\" is missing."));
        }
        // No document is empty: it is how graphql-ws, which sends no message without a query, says that there is none.
        let query = query.filter(|text| !(text.is_empty() && names_document));
        // No operation has an empty name: it is how some clients say that there is none (GraphQL over HTTP, "GET").
        let operation_name =
            optional_text(self.operation_name, "operationName")?.filter(|name| !name.is_empty());
        Ok(GraphqlRequest { query, document_id, persisted_query, operation_name, variables, is_read_only })
    }
}

fn optional_text(value: Value, name: &str) -> Result<Option<String>, Refusal> {
    match value {
        Value::String(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ if name == "query" => Err(bad("\"query\" must be a string.")),
        _ => Err(bad(format!("\"{name}\" must be a string or null."))),
    }
}

fn persisted_query_of(value: Value) -> Result<PersistedQuery, Refusal> {
    #[derive(Deserialize)]
    struct Extension {
        version: u32,
        #[serde(rename = "sha256Hash")]
        sha256_hash: String,
    }
    let Extension { version, sha256_hash } = serde_json::from_value(value).map_err(|_| {
        bad("\"extensions.persistedQuery\" must have \"version\", a number, and \"sha256Hash\", a string.")
    })?;
    Ok(PersistedQuery { version, sha256_hash })
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::http(StatusCode::BAD_REQUEST, message)
}
