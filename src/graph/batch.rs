//! The wire format of Graph's JSON batching (Microsoft Graph: "Combine multiple HTTP requests using
//! JSON batching"): the envelope, and the response, whose items have any order and are identified
//! by id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::approval::Approval;
use super::body::{self, MAX_NESTING, Member, Members, NESTS_TOO_DEEP};
use crate::json;

/// Maximum number of items that Graph accepts in one batch.
pub(super) const MAX_ITEMS: usize = 20;

/// One request of a batch.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) method: &'static str,
    /// Relative to the service root.
    pub(super) url: &'a str,
    /// JSON.
    pub(super) body: Option<&'a Bytes>,
    /// Of a write that may need approval.
    pub(super) approval: Option<&'a Approval>,
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
        headers: Option<Headers<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        body: Option<&'a RawValue>,
    }
    let request = |(index, item): (usize, Item<'a>)| {
        let body: Option<&'a RawValue> = item.body.map(|body| serde_json::from_slice(body)).transpose()?;
        Ok(Request {
            id: index.to_string(),
            method: item.method,
            url: item.url,
            headers: Some(Headers { has_body: body.is_some(), approval: item.approval })
                .filter(|headers| !headers.is_empty()),
            body,
        })
    };
    let requests = items.enumerate().map(request).collect::<Result<_, serde_json::Error>>()?;
    serde_json::to_vec(&Envelope { requests })
}

/// The headers of one request of a batch.
#[derive(Clone, Copy)]
struct Headers<'a> {
    has_body: bool,
    approval: Option<&'a Approval>,
}

impl Headers<'_> {
    fn is_empty(self) -> bool {
        !self.has_body && self.approval.is_none()
    }
}

impl Serialize for Headers<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut headers = serializer.serialize_map(None)?;
        if self.has_body {
            headers.serialize_entry("Content-Type", "application/json")?;
        }
        if let Some(approval) = self.approval {
            let (name, value) = approval.header();
            headers.serialize_entry(name.as_str(), value.to_str().map_err(S::Error::custom)?)?;
        }
        headers.end()
    }
}

/// The response of one item.
#[derive(Debug)]
pub(super) struct ItemResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether the body is a string, as for content that is not JSON.
    pub(super) is_text: bool,
}

/// The reason why a response is not a batch response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It begins as one, and is broken JSON further on: one item may have done that to the others.
    Broken,
    /// It has another structure.
    Other,
}

/// The items of a batch response, not yet parsed.
#[derive(Deserialize)]
struct Envelope<'t> {
    #[serde(borrow)]
    responses: Vec<&'t RawValue>,
}

impl<'t> Envelope<'t> {
    fn read(text: &'t str) -> Option<Self> {
        body::first(text).ok().or_else(|| match body::first::<Members<'_>>(text).ok()?.get("responses") {
            Member::Value(responses) => Some(Self { responses: body::first(responses.get()).ok()? }),
            Member::Absent | Member::Contradictory => None,
        })
    }
}

/// Parses the response to an envelope of `count` items. Returns one response per item, or the
/// reason why it has no usable one. Unknown ids are ignored. A successful item that nests too deep
/// is not usable.
///
/// # Errors
///
/// If the body is not a batch response.
pub(super) fn read_responses(
    body: &[u8],
    count: usize,
) -> Result<Vec<Result<ItemResponse, &'static str>>, Unreadable> {
    let text = body::text(body);
    let mended;
    let envelope = match Envelope::read(&text) {
        Some(envelope) => envelope,
        None => {
            mended = body::mended(&text);
            mended.as_deref().and_then(Envelope::read).ok_or_else(|| unreadable(&text))?
        }
    };
    let mut responses: Vec<Result<ItemResponse, &'static str>> =
        (0..count).map(|_| Err("the batch's answer lacks this item")).collect();
    let mut seen = vec![false; count];
    let is_deep = json::nests_deeper(text.as_bytes(), MAX_NESTING);
    let mut has_deep_items = false;
    for response in envelope.responses {
        let is_deep = is_deep && json::nests_deeper(response.get().as_bytes(), MAX_NESTING);
        has_deep_items |= is_deep;
        let Ok(members) = body::first::<Members<'_>>(response.get()) else { continue };
        let Some(index) = index(&members) else { continue };
        let Some(response) = responses.get_mut(index) else { continue };
        *response = if std::mem::replace(&mut seen[index], true) {
            Err("the batch's answer has this item twice")
        } else {
            match item(&members) {
                Some(item) if is_deep && item.status.is_success() => Err(NESTS_TOO_DEEP),
                Some(item) => Ok(item),
                None => Err("the batch's answer has this item damaged"),
            }
        };
    }
    // If no item nests too deep, a member around them does.
    if !is_deep || has_deep_items { Ok(responses) } else { Err(Unreadable::Other) }
}

fn unreadable(text: &str) -> Unreadable {
    let is_broken = text.starts_with('{') && text.contains("\"responses\"") && {
        body::first::<serde::de::IgnoredAny>(text).is_err()
    };
    if is_broken { Unreadable::Broken } else { Unreadable::Other }
}

/// The id of an item, even if the rest of the item is malformed.
fn index(members: &Members<'_>) -> Option<usize> {
    let Member::Value(id) = members.get("id") else { return None };
    match body::read(id.get()).ok()? {
        // `02` would be parsed too, but is not a valid id.
        Value::String(id) => id.parse().ok().filter(|index: &usize| index.to_string() == id),
        Value::Number(id) => usize::try_from(id.as_u64()?).ok(),
        _ => None,
    }
}

fn item(members: &Members<'_>) -> Option<ItemResponse> {
    let Member::Value(status) = members.get("status") else { return None };
    let status = status_code(&body::read(status.get()).ok()?)?;
    let headers = match members.get("headers") {
        Member::Value(given) => headers(given)?,
        Member::Absent | Member::Contradictory => HeaderMap::new(),
    };
    let (body, is_text) = match members.get("body") {
        Member::Value(body) if matches!(body.get(), "null" | r#""""#) => (Bytes::new(), false),
        Member::Value(body) => (content(body, &headers), body.get().starts_with('"')),
        Member::Absent => (Bytes::new(), false),
        Member::Contradictory => return None,
    };
    Some(ItemResponse { status, headers, body, is_text })
}

/// A number by the documentation; the .NET SDK reads it from text as well.
fn status_code(status: &Value) -> Option<StatusCode> {
    let status = match status {
        Value::Number(status) => status.as_u64().or_else(|| whole(status.as_f64()?)),
        Value::String(status) => status.trim().parse().ok(),
        _ => None,
    };
    StatusCode::from_u16(status?.try_into().ok()?).ok()
}

/// `200.0` is an integer to JSON.
fn whole(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is an integer within bounds"
    )]
    (number.fract() == 0.0 && (0.0..1000.0).contains(&number)).then_some(number as u64)
}

/// The headers of an item: strings by the documentation, but numbers and several values of a name
/// are accepted as well. Other values are ignored. `None` if there are too many.
fn headers(given: &RawValue) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    let Ok(members) = body::read::<serde_json::Map<String, Value>>(given.get()) else { return Some(headers) };
    let mut append = |name: &str, value: &Value| {
        let value = match value {
            Value::String(text) => HeaderValue::from_str(text),
            Value::Number(number) => HeaderValue::from_str(&number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return Some(()),
        };
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) else { return Some(()) };
        // A map holds some 24 000, and would panic at one more.
        headers.try_append(name, value).ok().map(drop)
    };
    for (name, value) in &members {
        match value {
            Value::Array(values) => values.iter().try_for_each(|value| append(name, value))?,
            value => append(name, value)?,
        }
    }
    Some(headers)
}

/// The body as a separate response would have it: JSON unchanged, other content decoded from
/// base64. JSON in a string is extracted as well.
fn content(body: &RawValue, headers: &HeaderMap) -> Bytes {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let is_json = content_type.is_none_or(|value| value.contains("json"));
    if body.get().starts_with('"')
        && let Ok(text) = body::read::<String>(body.get())
    {
        let decoded = STANDARD.decode(&text);
        let is_document = |bytes: &[u8]| body::text(bytes).starts_with(['{', '<']);
        return match decoded {
            Ok(decoded) if !is_json || is_document(&decoded) => Bytes::from(decoded),
            _ if !is_json || is_document(text.as_bytes()) => Bytes::from(text),
            _ => Bytes::copy_from_slice(body.get().as_bytes()),
        };
    }
    Bytes::copy_from_slice(body.get().as_bytes())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Map, json};

    use super::super::approval::Approval;
    use super::{Item, Unreadable, envelope, read_responses};

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
        let read = read_responses(body.to_string().as_bytes(), 3).unwrap();
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
        let read = read_responses(body.to_string().as_bytes(), 4).unwrap();
        assert!(read[..3].iter().all(Result::is_err));
        assert!(read[3].as_ref().unwrap().body.is_empty());
        for body in ["", "[]", "{}", "<html>", "{\"responses\":{}}", "{\"responses\":null}"] {
            assert_eq!(read_responses(body.as_bytes(), 1).unwrap_err(), Unreadable::Other, "{body}");
        }
        for body in [
            "{\"responses\":[{\"id\":\"0\",",
            "{\"responses\":[{\"id\":\"0\",\"status\":502,\"body\":<html>}]}",
        ] {
            assert_eq!(read_responses(body.as_bytes(), 1).unwrap_err(), Unreadable::Broken, "{body}");
        }
    }

    #[test]
    fn flaws_of_an_item_lose_no_item() {
        let read = |item: &str| {
            let body = format!("\u{feff}{{\"Responses\":[{{\"id\":\"1\",\"status\":200}},{item}]}} \0");
            let mut read = read_responses(body.as_bytes(), 2).unwrap();
            assert_eq!(read[1].as_ref().unwrap().status, 200, "{item}");
            read.swap_remove(0)
        };
        for item in [
            r#"{"id":"0","status":201,"headers":null,"body":{"id":"a"}}"#,
            r#"{"id":"0","status":201,"headers":[],"body":{"id":"a"}}"#,
            r#"{"id":"0","status":201,"headers":"","body":{"id":"a"}}"#,
            r#"{"id":"0","status":201,"headers":{"a":null,"b":{},"c":[true],"é":"é"},"body":{"id":"a"}}"#,
            r#"{"Id":"0","Status":201,"Headers":{},"Body":{"id":"a"}}"#,
            r#"{"id":0,"status":201.0,"status":201.0,"body":{"id":"a"}}"#,
            r#"{"id":"0","status":" 201","body":{"id":"a"}}"#,
            r#"{"id":"0","status":201,"body":"{\"id\":\"a\"}"}"#,
            r#"{"id":"0","status":201,"body":"eyJpZCI6ImEifQ=="}"#,
        ] {
            let response = read(item).unwrap();
            assert_eq!(
                (response.status.as_u16(), &response.body[..]),
                (201, &br#"{"id":"a"}"#[..]),
                "{item}"
            );
        }
        for item in [
            r#"{"id":"0"}"#,
            r#"{"id":"0","status":null}"#,
            r#"{"id":"0","status":201.5}"#,
            r#"{"id":"0","status":200,"status":404}"#,
            r#"{"id":"0","status":200,"body":{"id":"a"},"body":{"id":"b"}}"#,
        ] {
            assert_eq!(read(item).unwrap_err(), "the batch's answer has this item damaged", "{item}");
        }
        let surrogate = read(r#"{"id":"0","status":200,"body":{"id":"\ud800"}}"#).unwrap();
        assert_eq!(&surrogate.body[..], br#"{"id":"\ud800"}"#, "it is the item's own reader's to mend");
    }

    #[test]
    fn a_wait_may_be_a_number() {
        for (value, text) in [("7", "7"), ("0.249", "0.249"), ("[7]", "7"), ("\"7\"", "7")] {
            let item = format!(r#"{{"id":"0","status":429,"headers":{{"Retry-After":{value}}}}}"#);
            let read = read_responses(format!(r#"{{"responses":[{item}]}}"#).as_bytes(), 1).unwrap();
            assert_eq!(read[0].as_ref().unwrap().headers["retry-after"], text, "{value}");
        }
    }

    #[test]
    fn an_id_is_an_items_only_as_it_was_given() {
        let ids = ["+0", "00", " 0", "0.0", "-0"].map(|id| json!({"id": id, "status": 200}));
        let read = read_responses(json!({ "responses": ids }).to_string().as_bytes(), 1).unwrap();
        assert_eq!(read[0].as_ref().unwrap_err(), &"the batch's answer lacks this item");
    }

    #[test]
    fn values_of_one_header_stay_in_order() {
        let names = ["x", "y", "X", "Y"].map(str::to_owned);
        let headers: Map<_, _> = names.into_iter().map(|name| (name.clone(), json!(name))).collect();
        let body = json!({"responses": [{"id": "0", "status": 200, "headers": headers}]}).to_string();
        let read = read_responses(body.as_bytes(), 1).unwrap().pop().unwrap().unwrap();
        let read: Vec<_> = read.headers.values().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(read, ["x", "X", "y", "Y"]);
    }

    #[test]
    fn an_item_with_more_headers_than_can_be_held_is_damaged() {
        let headers: Map<_, _> = (0..40_000).map(|n| (format!("x{n}"), json!(""))).collect();
        let body = json!({"responses": [{"id": "0", "status": 200, "headers": headers}]}).to_string();
        assert!(read_responses(body.as_bytes(), 1).unwrap()[0].is_err());
    }

    #[test]
    fn the_envelope_is_the_documented_one() {
        let body = Bytes::from_static(b"{\"a\":1}");
        let approval = Approval::justification("why").unwrap();
        let items = [
            Item { method: "GET", url: "/a?$top=1", body: None, approval: None },
            Item { method: "POST", url: "/b", body: Some(&body), approval: None },
            Item { method: "POST", url: "/c", body: Some(&body), approval: Some(&approval) },
        ];
        insta::assert_snapshot!(String::from_utf8(envelope(items.into_iter()).unwrap()).unwrap(), @r#"{"requests":[{"id":"0","method":"GET","url":"/a?$top=1"},{"id":"1","method":"POST","url":"/b","headers":{"Content-Type":"application/json"},"body":{"a":1}},{"id":"2","method":"POST","url":"/c","headers":{"Content-Type":"application/json","x-msft-approval-justification":"d2h5"},"body":{"a":1}}]}"#);
    }
}
