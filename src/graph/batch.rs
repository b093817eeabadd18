//! Graph's JSON batching on the wire (Microsoft Graph: "Combine multiple HTTP requests using JSON batching"): the
//! envelope, and the items of its answer, which come in any order and are told apart by id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::answer::{MOST_NESTING, NESTS_TOO_DEEP};
use crate::json;

/// Most items that Graph takes in one batch.
pub(super) const MOST_ITEMS: usize = 20;

/// One request of a batch.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) method: &'static str,
    /// Relative to the service root.
    pub(super) url: &'a str,
    /// JSON.
    pub(super) body: Option<&'a Bytes>,
}

/// The body of `POST /$batch`. An item's id is its index.
pub(super) fn envelope<'a>(items: impl Iterator<Item = Item<'a>>) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Envelope<'a> {
        requests: Vec<Request<'a>>,
    }
    #[derive(Serialize)]
    struct Request<'a> {
        id: String,
        method: &'static str,
        url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        headers: Option<Headers>,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<&'a RawValue>,
    }
    #[derive(Serialize)]
    struct Headers {
        #[serde(rename = "Content-Type")]
        content_type: &'static str,
    }
    let request = |(index, item): (usize, Item<'a>)| {
        let body: Option<&'a RawValue> = item.body.map(|body| serde_json::from_slice(body)).transpose()?;
        Ok(Request {
            id: index.to_string(),
            method: item.method,
            url: item.url,
            headers: body.map(|_| Headers { content_type: "application/json" }),
            body,
        })
    };
    let requests = items.enumerate().map(request).collect::<Result<_, serde_json::Error>>()?;
    serde_json::to_vec(&Envelope { requests })
}

/// One item's answer.
#[derive(Debug)]
pub(super) struct ItemAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Reads the answer to an envelope of `count` items: for each, its answer, or why there is none that can be used. Ids
/// that nobody asked for are passed over. `None` where the body is no batch answer at all. One that succeeded and nests too deep is none.
pub(super) fn answers(body: &[u8], count: usize) -> Option<Vec<Result<ItemAnswer, &'static str>>> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        responses: Vec<&'a RawValue>,
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body).ok()?;
    let mut answers: Vec<Result<ItemAnswer, &'static str>> =
        (0..count).map(|_| Err("the batch's answer lacks this item")).collect();
    let mut seen = vec![false; count];
    let is_deep = json::nests_deeper(body, MOST_NESTING);
    let mut has_deep_items = false;
    for response in envelope.responses {
        let is_deep = is_deep && json::nests_deeper(response.get().as_bytes(), MOST_NESTING);
        has_deep_items |= is_deep;
        let Some(index) = index(response) else { continue };
        let Some(answer) = answers.get_mut(index) else { continue };
        *answer = if std::mem::replace(&mut seen[index], true) {
            Err("the batch's answer has this item twice")
        } else {
            match item(response) {
                Some(item) if is_deep && item.status.is_success() => Err(NESTS_TOO_DEEP),
                Some(item) => Ok(item),
                None => Err("the batch's answer has this item damaged"),
            }
        };
    }
    // Where none of them does it, a member around them nests too deep.
    (!is_deep || has_deep_items).then_some(answers)
}

/// The id of an item, whatever else is wrong with it.
fn index(response: &RawValue) -> Option<usize> {
    #[derive(Deserialize)]
    struct Id {
        id: Value,
    }
    let Id { id } = serde_json::from_str(response.get()).ok()?;
    match id {
        // `02` would be read as well, and is no id of ours.
        Value::String(id) => id.parse().ok().filter(|index: &usize| index.to_string() == id),
        Value::Number(id) => usize::try_from(id.as_u64()?).ok(),
        _ => None,
    }
}

fn item(response: &RawValue) -> Option<ItemAnswer> {
    #[derive(Deserialize)]
    struct Item<'a> {
        status: Value,
        #[serde(default)]
        headers: Map<String, Value>,
        #[serde(borrow, default)]
        body: Option<&'a RawValue>,
    }
    let Item { status, headers: given, body } = serde_json::from_str(response.get()).ok()?;
    // A number by the documentation; the .NET SDK reads it from text as well.
    let status = match &status {
        Value::Number(status) => u16::try_from(status.as_u64()?).ok()?,
        Value::String(status) => status.parse().ok()?,
        _ => return None,
    };
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = value.as_str().map(HeaderValue::from_str);
        if let (Ok(name), Some(Ok(value))) = (name, value) {
            // A map holds some 24 000, and would panic at one more.
            headers.try_append(name, value).ok()?;
        }
    }
    let body = body.map_or_else(Bytes::new, |body| content(body, &headers));
    Some(ItemAnswer { status: StatusCode::from_u16(status).ok()?, headers, body })
}

/// The body as it would have come on its own: JSON as it stands, other content out of its base64.
fn content(body: &RawValue, headers: &HeaderMap) -> Bytes {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_none_or(|value| value.contains("json"));
    if !is_json && let Ok(text) = serde_json::from_str::<String>(body.get()) {
        return STANDARD.decode(&text).map_or_else(|_| Bytes::from(text), Bytes::from);
    }
    Bytes::copy_from_slice(body.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Map, json};

    use super::{Item, answers, envelope};

    #[test]
    fn items_are_told_apart_by_id_in_any_order() {
        let body = json!({"responses": [
            {"id": "2", "status": 429, "headers": {"Retry-After": "7", "Content-Type": "application/json"},
             "body": {"error": {"code": "TooManyRequests"}}},
            {"id": "0", "status": "200", "body": {"id": "a"}},
            {"id": "1", "status": 200, "headers": {"Content-Type": "text/plain"}, "body": "MTI="},
            {"id": "7", "status": 200, "body": {}},
            {"id": "x"}, 7, null,
        ]});
        let read = answers(body.to_string().as_bytes(), 3).unwrap();
        assert_eq!(&read[0].as_ref().unwrap().body[..], br#"{"id":"a"}"#);
        assert_eq!(&read[1].as_ref().unwrap().body[..], b"12");
        let throttled = read[2].as_ref().unwrap();
        assert_eq!(
            (throttled.status.as_u16(), throttled.headers["retry-after"].to_str().unwrap()),
            (429, "7")
        );
    }

    #[test]
    fn missing_doubled_and_damaged_items_concern_only_themselves() {
        let body = json!({"responses": [
            {"id": "0", "status": 200, "body": {}}, {"id": "0", "status": 200, "body": {}},
            {"id": "1", "status": {}}, {"id": "3", "status": 204},
        ]});
        let read = answers(body.to_string().as_bytes(), 4).unwrap();
        assert!(read[..3].iter().all(Result::is_err));
        assert!(read[3].as_ref().unwrap().body.is_empty());
        for body in ["", "[]", "{}", "<html>", "{\"responses\":{}}"] {
            assert!(answers(body.as_bytes(), 1).is_none(), "{body}");
        }
    }

    #[test]
    fn an_id_is_an_items_only_as_it_was_given() {
        let ids = ["+0", "00", " 0", "0.0", "-0"].map(|id| json!({"id": id, "status": 200}));
        let read = answers(json!({ "responses": ids }).to_string().as_bytes(), 1).unwrap();
        assert_eq!(read[0].as_ref().unwrap_err(), &"the batch's answer lacks this item");
    }

    #[test]
    fn values_of_one_header_stay_in_order() {
        let names = ["x", "y", "X", "Y"].map(str::to_owned);
        let headers: Map<_, _> = names.into_iter().map(|name| (name.clone(), json!(name))).collect();
        let body = json!({"responses": [{"id": "0", "status": 200, "headers": headers}]}).to_string();
        let read = answers(body.as_bytes(), 1).unwrap().pop().unwrap().unwrap();
        let read: Vec<_> = read.headers.values().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(read, ["x", "X", "y", "Y"]);
    }

    #[test]
    fn an_item_with_more_headers_than_can_be_held_is_damaged() {
        let headers: Map<_, _> = (0..40_000).map(|n| (format!("x{n}"), json!(""))).collect();
        let body = json!({"responses": [{"id": "0", "status": 200, "headers": headers}]}).to_string();
        assert!(answers(body.as_bytes(), 1).unwrap()[0].is_err());
    }

    #[test]
    fn the_envelope_is_the_documented_one() {
        let body = Bytes::from_static(b"{\"a\":1}");
        let items = [
            Item { method: "GET", url: "/a?$top=1", body: None },
            Item { method: "POST", url: "/b", body: Some(&body) },
        ];
        insta::assert_snapshot!(String::from_utf8(envelope(items.into_iter()).unwrap()).unwrap(), @r#"{"requests":[{"id":"0","method":"GET","url":"/a?$top=1"},{"id":"1","method":"POST","url":"/b","headers":{"Content-Type":"application/json"},"body":{"a":1}}]}"#);
    }
}
