//! The parameters of a GraphQL request: out of a JSON body by POST, out of the URL by GET (GraphQL over HTTP, "Request").

use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::Value;

use super::answer::Refusal;
use crate::schema::{GraphqlRequest, PersistedQuery};
use crate::server::media_type;

/// How deep the brackets of a body may nest: those of a document's limit, within the body and its `variables`.
const DEEPEST: usize = 66;

/// Reads a request. By GET it may only read.
pub(super) async fn read(
    parts: &Parts,
    body: Body,
    max_body: usize,
    deadline: Instant,
) -> Result<GraphqlRequest, Refusal> {
    match parts.method {
        Method::GET => by_get(parts),
        Method::POST => by_post(&parts.headers, body, max_body, deadline).await,
        _ => Err(Refusal::method("GET, POST", "GraphQL requests are sent by POST, and queries also by GET.")),
    }
}

async fn by_post(
    headers: &HeaderMap,
    body: Body,
    max: usize,
    deadline: Instant,
) -> Result<GraphqlRequest, Refusal> {
    if !media_type::is_json(headers) {
        let message = "A request is sent with Content-Type: application/json, in UTF-8.";
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    if headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity") {
        let message = "A request is sent without Content-Encoding.";
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    // A body that comes drop by drop would otherwise hold its connection, and a shutdown, for as long as it likes.
    let body = read_body(headers, body, max);
    let Ok(body) = tokio::time::timeout_at(deadline.into(), body).await else {
        return Err(Refusal::http(StatusCode::REQUEST_TIMEOUT, "The request's body did not come in time."));
    };
    let body = body?;
    // A derived struct would also be read from an array.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("The body must be a JSON object with the member \"query\"."));
    }
    check_nesting(&body)?;
    let parameters: Parameters = serde_json::from_slice(&body).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Data => error.to_string(),
            _ => format!("not valid JSON at line {}, column {}", error.line(), error.column()),
        };
        bad(format!("The body cannot be read: {problem}."))
    })?;
    parameters.into_request(false)
}

async fn read_body(headers: &HeaderMap, body: Body, max: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        let message = format!("The request's body is larger than {max} bytes.");
        Refusal::too_large(StatusCode::PAYLOAD_TOO_LARGE, message)
    };
    let declared = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    match Limited::new(body, max).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(bad("The request's body was cut short.")),
    }
}

/// Refuses a body that nests too deep in one pass over its bytes, before anything is built from it.
fn check_nesting(body: &[u8]) -> Result<(), Refusal> {
    let mut open = 0_usize;
    let mut is_text = false;
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_text = !is_text,
            b'\\' if is_text => drop(bytes.next()),
            b'[' | b'{' if !is_text => {
                open += 1;
                if open > DEEPEST {
                    let message = format!("The body's brackets nest deeper than {DEEPEST}.");
                    return Err(Refusal::too_large(StatusCode::BAD_REQUEST, message));
                }
            }
            b']' | b'}' if !is_text => open = open.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The URL's parameters, of which each may come once. A body has no meaning by GET, so that one of another kind than JSON
/// is refused rather than passed over.
fn by_get(parts: &Parts) -> Result<GraphqlRequest, Refusal> {
    if parts.headers.contains_key(CONTENT_TYPE) && !media_type::is_json(&parts.headers) {
        let message = "A request by GET has no body, and no Content-Type but application/json.";
        return Err(Refusal::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let mut parameters = Parameters::default();
    let mut seen = Vec::new();
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        if seen.contains(&name) {
            return Err(bad("A parameter stands in the URL twice."));
        }
        let json = || {
            check_nesting(value.as_bytes())?;
            serde_json::from_str(&value)
                .map_err(|_| bad(format!("The parameter \"{name}\" is not valid JSON.")))
        };
        let text = || Value::String(value.clone().into_owned());
        match &*name {
            "query" => parameters.query = text(),
            // Empty is how some clients say that there is none.
            "operationName" if !value.is_empty() => parameters.operation_name = text(),
            "documentId" => parameters.document_id = text(),
            "doc_id" => parameters.doc_id = text(),
            "variables" if !value.is_empty() => parameters.variables = json()?,
            "extensions" if !value.is_empty() => parameters.extensions = json()?,
            _ => {}
        }
        seen.push(name);
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
    variables: Value,
    extensions: Value,
    #[serde(rename = "documentId")]
    document_id: Value,
    /// Relay's name for the same.
    doc_id: Value,
}

impl Parameters {
    fn into_request(self, is_read_only: bool) -> Result<GraphqlRequest, Refusal> {
        let query = optional_text(self.query, "query")?;
        let document_id = match optional_text(self.document_id, "documentId")? {
            None => optional_text(self.doc_id, "doc_id")?,
            id => id,
        };
        let variables = match self.variables {
            Value::Object(variables) => variables,
            Value::Null => serde_json::Map::new(),
            _ => return Err(bad("\"variables\" must be an object or null.")),
        };
        let persisted_query = match self.extensions {
            Value::Object(mut extensions) => extensions.remove("persistedQuery"),
            Value::Null => None,
            _ => return Err(bad("\"extensions\" must be an object or null.")),
        };
        let persisted_query =
            persisted_query.filter(|query| !query.is_null()).map(persisted_query_of).transpose()?;
        if query.is_none() && document_id.is_none() && persisted_query.is_none() {
            return Err(bad("The member \"query\" is missing."));
        }
        Ok(GraphqlRequest {
            query,
            document_id,
            persisted_query,
            operation_name: optional_text(self.operation_name, "operationName")?,
            variables,
            is_read_only,
        })
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
