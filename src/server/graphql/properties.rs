//! Properties of request bodies that hold for every input: see [`crate::fuzzing`].

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::parameters::parse;
use super::rejection::RequestRejection;

/// Maximum nesting of a document.
const NESTING: usize = 64;
/// Maximum nesting of a body: the values of variables are within two more brackets.
const MAX_DEPTH: usize = NESTING + 2;

/// Takes the body of a request by POST.
pub fn request_body(body: &[u8]) {
    // A byte order mark is ignored.
    let data = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    let whole: Option<Value> = serde_json::from_slice(data).ok();
    let is_too_deep = serde_json::from_slice(data).is_ok_and(|Depth(depth)| depth > MAX_DEPTH);
    match parse(body, NESTING) {
        Ok(request) => {
            assert!(
                std::str::from_utf8(data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
            );
            // An unknown member may have a value that no type of ours can represent.
            let Some(whole) = whole else { return };
            assert!(!is_too_deep);
            let string_member = |name: &str| whole[name].as_str();
            let persisted_query = &whole["extensions"]["persistedQuery"];
            let document_id = string_member("documentId").or(string_member("doc_id"));
            assert_eq!(request.document_id.as_deref(), document_id);
            assert_eq!(request.persisted_query.is_some(), !persisted_query.is_null());
            // Some clients send an empty text instead of no name.
            let names_document = document_id.is_some() || !persisted_query.is_null();
            let query = string_member("query").filter(|text| !(text.is_empty() && names_document));
            assert_eq!(request.query.as_deref(), query);
            let operation_name = string_member("operationName").filter(|name| !name.is_empty());
            assert_eq!(request.operation_name.as_deref(), operation_name);
            let none = serde_json::Map::new();
            assert_eq!(whole["variables"].as_object().unwrap_or(&none), &request.variables);
            assert!(!request.is_read_only);
        }
        Err(RequestRejection::Http { status, message, header, .. }) => {
            assert!(status.is_client_error() && header.is_none());
            assert!(message.len() <= 200 && !message.contains(char::is_control), "{message:?}");
            let is_object = whole.as_ref().is_some_and(Value::is_object);
            assert_eq!(is_object && is_too_deep, is_object && message.contains("deeper"), "{message}");
        }
        Err(_) => panic!("a body alone is refused for itself"),
    }
}

/// The nesting of brackets in JSON; of a duplicate member, the nesting of both values.
struct Depth(usize);

impl<'de> Deserialize<'de> for Depth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DepthVisitor)
    }
}

struct DepthVisitor;

impl<'de> Visitor<'de> for DepthVisitor {
    type Value = Depth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_str<E>(self, _: &str) -> Result<Depth, E> {
        Ok(Depth(0))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Depth, A::Error> {
        let mut max_depth = 0;
        while let Some(Depth(depth)) = items.next_element()? {
            max_depth = max_depth.max(depth);
        }
        Ok(Depth(1 + max_depth))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Depth, A::Error> {
        let mut max_depth = 0;
        while let Some((IgnoredAny, Depth(depth))) = members.next_entry()? {
            max_depth = max_depth.max(depth);
        }
        Ok(Depth(1 + max_depth))
    }
}
