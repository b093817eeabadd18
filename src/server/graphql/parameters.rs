//! The parameters of a GraphQL request, from a JSON body (POST) or from the URL (GET). GraphQL over HTTP, "Request".

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::body::RequestBody;
use super::rejection::RequestRejection;
use crate::json::{self, UniqueKeys};
use crate::schema::{GraphqlRequest, PersistedQuery};
use crate::server::media_type;

/// Reads a request, whose variables may nest as deep as a document. A GET request must not be a mutation.
pub(super) async fn read(
    parts: &Parts,
    body: &mut RequestBody,
    nesting: usize,
) -> Result<GraphqlRequest, RequestRejection> {
    match parts.method {
        Method::GET => read_get(parts, nesting),
        Method::POST => read_post(&parts.headers, body, nesting).await,
        _ => Err(RequestRejection::method("GET, POST", "Send GraphQL requests by POST, or queries by GET.")),
    }
}

async fn read_post(
    headers: &HeaderMap,
    body: &mut RequestBody,
    nesting: usize,
) -> Result<GraphqlRequest, RequestRejection> {
    if !media_type::is_json(headers) {
        return Err(RequestRejection::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, unsupported_type(headers)));
    }
    let is_coded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(is_coded) {
        return Err(RequestRejection::content_coding(
            "Content-Encoding is not supported: send the body without one.",
        ));
    }
    parse(&body.read().await?, nesting)
}

/// Parses the body of a POST request.
pub(super) fn parse(body: &[u8], nesting: usize) -> Result<GraphqlRequest, RequestRejection> {
    // RFC 8259, section 8.1, allows parsers to ignore a byte order mark.
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    // A derived struct would also be read from an array.
    match body.trim_ascii_start().first() {
        Some(b'{') => {}
        Some(b'[') => {
            return Err(bad_request("Request batching is not supported: send one JSON object."));
        }
        _ => return Err(bad_request("The body must be a JSON object with the member \"query\".")),
    }
    // The JSON parser would not check it in unknown members.
    let body = std::str::from_utf8(body).map_err(|_| bad_request("The body is not UTF-8."))?;
    // Values are nested in `variables`, which are nested in the body.
    let parameters: Parameters = read_json("the body", body, nesting.saturating_add(2))?;
    parameters.into_request(false)
}

/// Names the received content type and the one to send.
fn unsupported_type(headers: &HeaderMap) -> String {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    match (types.next().map(HeaderValue::to_str), types.next()) {
        (None, _) => "Content-Type is missing: send `application/json`.".to_owned(),
        // Longer ones are no media type, and are not sent back.
        (Some(Ok(found)), None) if found.len() <= MAX_QUOTED_TYPE => {
            format!("Unsupported Content-Type `{found}`: send `application/json`.")
        }
        _ => "Unsupported Content-Type: send `application/json`.".to_owned(),
    }
}

/// Maximum length of a content type that a message repeats, in bytes.
const MAX_QUOTED_TYPE: usize = 100;

/// Parses JSON after checking that it nests no deeper than `max_depth`.
fn read_json<T: DeserializeOwned>(what: &str, text: &str, max_depth: usize) -> Result<T, RequestRejection> {
    if json::nests_deeper(text.as_bytes(), max_depth) {
        let message = format!("The brackets of {what} nest deeper than {max_depth}.");
        return Err(RequestRejection::too_large(StatusCode::BAD_REQUEST, message));
    }
    serde_json::from_str(text).map_err(|error| {
        let problem = match error.classify() {
            serde_json::error::Category::Data => error.to_string(),
            _ => format!("error at line {}, column {}", error.line(), error.column()),
        };
        bad_request(format!("Invalid JSON in {what}: {problem}."))
    })
}

/// Names of the URL parameters.
const PARAMETER_NAMES: [&str; 6] =
    ["query", "operationName", "documentId", "doc_id", "variables", "extensions"];

/// Reads the URL parameters, each at most once; unknown ones are ignored, as unknown members of a body are. The body of a GET
/// request has no meaning; a `Content-Type` other than JSON is rejected.
fn read_get(parts: &Parts, nesting: usize) -> Result<GraphqlRequest, RequestRejection> {
    if parts.headers.contains_key(CONTENT_TYPE) && !media_type::is_json(&parts.headers) {
        let message = "A GET request has no body: leave Content-Type out, or send `application/json`.";
        return Err(RequestRejection::http(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let mut parameters = Parameters::default();
    let mut seen = [false; PARAMETER_NAMES.len()];
    for (name, value) in url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
        let Some(index) = PARAMETER_NAMES.iter().position(|known| *known == name) else { continue };
        if std::mem::replace(&mut seen[index], true) {
            return Err(bad_request(format!("The URL parameter \"{name}\" is given twice.")));
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
            // Some clients send an empty value for none.
            "variables" if !value.is_empty() => parameters.variables = json()?,
            "extensions" if !value.is_empty() => parameters.extensions = json()?,
            _ => {}
        }
    }
    parameters.into_request(true)
}

/// The unchecked parameters of a request, so that an error can name the invalid one.
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
    fn into_request(self, is_read_only: bool) -> Result<GraphqlRequest, RequestRejection> {
        let query = optional_string(self.query, "query")?;
        let document_id =
            match (optional_string(self.document_id, "documentId")?, optional_string(self.doc_id, "doc_id")?)
            {
                (Some(one), Some(other)) if one != other => {
                    return Err(bad_request("\"documentId\" and \"doc_id\" name different documents."));
                }
                (one, other) => one.or(other),
            };
        let variables = match self.variables.0 {
            Value::Object(variables) => variables,
            Value::Null => serde_json::Map::new(),
            _ => return Err(bad_request("\"variables\" must be an object or null.")),
        };
        let persisted_query = match self.extensions.0 {
            Value::Object(mut extensions) => extensions.remove("persistedQuery"),
            Value::Null => None,
            _ => return Err(bad_request("\"extensions\" must be an object or null.")),
        };
        let persisted_query =
            persisted_query.filter(|query| !query.is_null()).map(parse_persisted_query).transpose()?;
        let names_document = document_id.is_some() || persisted_query.is_some();
        if query.is_none() && !names_document {
            return Err(bad_request("The member \"query\" is missing."));
        }
        // graphql-ws, which always sends a query, sends an empty one for none.
        let query = query.filter(|text| !(text.is_empty() && names_document));
        // Some clients send an empty name for none (GraphQL over HTTP, "GET").
        let operation_name =
            optional_string(self.operation_name, "operationName")?.filter(|name| !name.is_empty());
        Ok(GraphqlRequest {
            query,
            document_id,
            persisted_query,
            operation_name,
            variables,
            is_read_only,
            client_name: None,
        })
    }
}

fn optional_string(value: Value, name: &str) -> Result<Option<String>, RequestRejection> {
    match value {
        Value::String(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ if name == "query" => Err(bad_request("\"query\" must be a string.")),
        _ => Err(bad_request(format!("\"{name}\" must be a string or null."))),
    }
}

fn parse_persisted_query(value: Value) -> Result<PersistedQuery, RequestRejection> {
    #[derive(Deserialize)]
    struct Extension {
        version: u32,
        #[serde(rename = "sha256Hash")]
        sha256_hash: String,
    }
    let Extension { version, sha256_hash } = serde_json::from_value(value).map_err(|_| {
        bad_request(
            "\"extensions.persistedQuery\" must have \"version\", a number, and \"sha256Hash\", a string.",
        )
    })?;
    Ok(PersistedQuery { version, sha256_hash })
}

fn bad_request(message: impl Into<String>) -> RequestRejection {
    RequestRejection::http(StatusCode::BAD_REQUEST, message)
}
