//! The request side of `$batch`: the envelope, its checks, and its items as requests.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method};
use serde_json::{Map, Value as Json};

use crate::body;
use crate::call::{Call, Message};
use crate::error::{GraphError, Result};
use crate::model::Version;
use crate::settings::Switch;

/// Maximum number of items of a batch.
const MAX_ITEMS: usize = 20;

/// A valid batch.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) items: Vec<Item>,
}

/// One request of a batch.
#[derive(Debug)]
pub(super) struct Item {
    /// As the caller spelled it. Ids compare case-insensitively.
    pub(super) id: String,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    /// Indexes of earlier items.
    pub(super) depends_on: Vec<usize>,
}

impl Envelope {
    pub(super) fn parse(message: &Message) -> Result<Self> {
        let members = body::object(&message.headers, &message.body).map_err(|_| malformed())?;
        let requests = members.get("requests").and_then(Json::as_array).ok_or_else(malformed)?;
        if requests.is_empty() {
            return Err(malformed());
        }
        if requests.len() > MAX_ITEMS {
            // Assumed: Graph documents the status, but not the code and message.
            return Err(GraphError::bad_request(format!(
                "The number of requests in a batch cannot be more than {MAX_ITEMS}."
            )));
        }
        let mut known = HashMap::new();
        let mut items = Vec::with_capacity(requests.len());
        for request in requests {
            let members = request.as_object().ok_or_else(malformed)?;
            let item = Item::parse(members, &known)?;
            if known.insert(item.id.to_lowercase(), items.len()).is_some() {
                let id = item.id;
                return Err(GraphError::bad_request(format!("Request Id {id} has to be unique in a batch.")));
            }
            items.push(item);
        }
        check_pattern(&items)?;
        Ok(Self { items })
    }
}

impl Item {
    /// Unknown members, such as an SDK's misspelled `depends_on`, are ignored.
    fn parse(members: &Map<String, Json>, earlier: &HashMap<String, usize>) -> Result<Self> {
        let text = |name: &str| {
            members.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).ok_or_else(malformed)
        };
        let id = text("id")?.to_owned();
        let headers = headers(members.get("headers"))?;
        let body = item_body(members.get("body"), &headers)?;
        let method = text("method")?.to_uppercase();
        Ok(Self {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| malformed())?,
            url: text("url")?.to_owned(),
            depends_on: depends_on(&id, members.get("dependsOn"), earlier)?,
            headers,
            body,
            id,
        })
    }

    /// The item as a single request of the batch's version. Unless URLs are lenient, an absolute or versioned URL names a
    /// segment that does not exist.
    pub(super) fn message(&self, outer: &Call<'_>, lenient_urls: Switch) -> Message {
        let url = if lenient_urls.is_on() { below_version(&self.url) } else { &self.url };
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (url, None),
        };
        let version = outer.message.path.trim_matches('/').split('/').next().unwrap_or_default();
        Message {
            method: self.method.clone(),
            path: format!("/{version}/{}", path.trim_start_matches('/')),
            query,
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }
}

/// An item's URL without scheme, host and version, as far as it has them.
fn below_version(url: &str) -> &str {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url.trim_start_matches('/'),
    };
    match path.split_once('/') {
        Some((first, rest)) if Version::parse(first).is_some() => rest,
        _ => path,
    }
}

fn headers(json: Option<&Json>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    match json {
        None | Some(Json::Null) => {}
        Some(Json::Object(members)) => {
            for (name, value) in members {
                let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed())?;
                let value = value.as_str().and_then(|value| HeaderValue::from_str(value).ok());
                headers.append(name, value.ok_or_else(malformed)?);
            }
        }
        Some(_) => return Err(malformed()),
    }
    Ok(headers)
}

/// JSON as it stands for JSON content types, base64 for all others.
fn item_body(json: Option<&Json>, headers: &HeaderMap) -> Result<Bytes> {
    let Some(json) = json.filter(|json| !json.is_null()) else {
        return Ok(Bytes::new());
    };
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_none_or(|value| value.to_ascii_lowercase().starts_with("application/json"));
    match json {
        Json::String(text) if !is_json => STANDARD.decode(text).map(Bytes::from).map_err(|_| malformed()),
        _ if !is_json => Err(malformed()),
        _ => Ok(Bytes::from(json.to_string())),
    }
}

fn depends_on(id: &str, json: Option<&Json>, earlier: &HashMap<String, usize>) -> Result<Vec<usize>> {
    let names = match json {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(Json::Array(names)) => names,
        Some(_) => return Err(malformed()),
    };
    names
        .iter()
        .map(|name| {
            let name = name.as_str().ok_or_else(malformed)?;
            earlier
                .get(&name.to_lowercase())
                .copied()
                .ok_or_else(|| GraphError::bad_request(format!("Invalid dependency for request Id {id}.")))
        })
        .collect()
}

/// Graph supports three patterns: no dependencies, each item on the one before it, or all dependents on one item.
fn check_pattern(items: &[Item]) -> Result<()> {
    let serial = items.iter().enumerate().all(|(index, item)| index == 0 || item.depends_on == [index - 1]);
    let mut dependents = items.iter().map(|item| &item.depends_on).filter(|earlier| !earlier.is_empty());
    let same = match dependents.next() {
        None => true,
        Some(first) => first.len() == 1 && dependents.all(|other| other == first),
    };
    if serial || same {
        return Ok(());
    }
    Err(GraphError::bad_request("Batch should be either fully sequential or fully parallel."))
}

fn malformed() -> GraphError {
    GraphError::bad_request("Invalid batch payload format.")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, Method};
    use serde_json::{Value as Json, json};

    use super::{Envelope, below_version};
    use crate::call::Message;

    fn parse(body: &Json) -> Result<Envelope, String> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let message = Message {
            method: Method::POST,
            path: "/beta/$batch".to_owned(),
            query: None,
            headers,
            body: Bytes::from(body.to_string()),
        };
        Envelope::parse(&message).map_err(|error| error.message.into_owned())
    }

    /// Items with these ids and dependencies.
    fn batch(items: &[(&str, &[&str])]) -> Json {
        let items: Vec<Json> = items
            .iter()
            .map(|(id, depends_on)| json!({"id": id, "method": "GET", "url": "/x", "dependsOn": depends_on}))
            .collect();
        json!({"requests": items})
    }

    #[test]
    fn three_patterns_of_dependencies_work() {
        for items in [
            batch(&[("1", &[]), ("2", &[])]),
            batch(&[("1", &[]), ("2", &["1"]), ("3", &["2"])]),
            batch(&[("a", &[]), ("2", &["A"]), ("3", &["a"]), ("4", &[])]),
        ] {
            assert!(parse(&items).is_ok(), "{items}");
        }
        for items in [
            batch(&[("1", &[]), ("2", &["1"]), ("3", &["1", "2"])]),
            batch(&[("1", &[]), ("2", &["1"]), ("3", &[]), ("4", &["3"])]),
        ] {
            let message = "Batch should be either fully sequential or fully parallel.";
            assert_eq!(parse(&items).unwrap_err(), message, "{items}");
        }
    }

    #[test]
    fn dependencies_name_earlier_items() {
        for items in
            [batch(&[("1", &["2"]), ("2", &[])]), batch(&[("1", &["1"])]), batch(&[("1", &["nope"])])]
        {
            assert_eq!(parse(&items).unwrap_err(), "Invalid dependency for request Id 1.");
        }
    }

    #[test]
    fn ids_are_unique_without_case() {
        let error = parse(&batch(&[("a", &[]), ("A", &[])])).unwrap_err();
        assert_eq!(error, "Request Id A has to be unique in a batch.");
    }

    #[test]
    fn malformed_envelopes_are_refused() {
        for body in [
            json!({}),
            json!({"requests": []}),
            json!({"requests": {}}),
            json!({"requests": [1]}),
            json!({"requests": [{"method": "GET", "url": "/x"}]}),
            json!({"requests": [{"id": 1, "method": "GET", "url": "/x"}]}),
            json!({"requests": [{"id": "1", "url": "/x"}]}),
            json!({"requests": [{"id": "1", "method": "GET"}]}),
            json!({"requests": [{"id": "1", "method": "GET", "url": ""}]}),
            json!({"requests": [{"id": "1", "method": "GET", "url": "/x", "headers": {"a": 1}}]}),
            json!({"requests": [{"id": "1", "method": "GET", "url": "/x", "dependsOn": "2"}]}),
        ] {
            assert_eq!(parse(&body).unwrap_err(), "Invalid batch payload format.", "{body}");
        }
        let many: Vec<Json> =
            (0..21).map(|id| json!({"id": id.to_string(), "method": "GET", "url": "/x"})).collect();
        assert!(parse(&json!({"requests": many})).is_err());
    }

    #[test]
    fn urls_can_be_taken_apart() {
        for url in
            ["https://graph.microsoft.com/beta/a/b", "/beta/a/b", "v1.0/a/b", "a/b", "http://x/BETA/a/b"]
        {
            assert_eq!(below_version(url), "a/b", "{url}");
        }
    }
}
