//! What must hold of every body of a request: see [`crate::fuzzing`].

use serde::de::IgnoredAny;
use serde_json::Value;

use super::answer::Refusal;
use super::parameters::parse;

/// How deep a document may nest.
const NESTING: usize = 64;
/// How deep a body may: its variables' values stand within two more brackets.
const DEEPEST: usize = NESTING + 2;

/// Takes the body of a request by POST.
pub fn request_body(data: &[u8]) {
    let whole: Option<Value> = serde_json::from_slice(data).ok();
    match parse(data, NESTING) {
        Ok(request) => {
            assert!(
                std::str::from_utf8(data).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
            );
            // A member that nobody knows may hold what no value of ours can.
            let Some(whole) = whole else { return };
            assert!(depth(&whole) <= DEEPEST);
            assert_eq!(whole["query"].as_str(), request.query.as_deref());
            assert_eq!(whole["operationName"].as_str(), request.operation_name.as_deref());
            let none = serde_json::Map::new();
            assert_eq!(whole["variables"].as_object().unwrap_or(&none), &request.variables);
            assert!(!request.is_read_only);
        }
        Err(Refusal::Http { status, message, instead, .. }) => {
            assert!(status.is_client_error() && instead.is_none());
            assert!(message.len() <= 200 && !message.contains(char::is_control), "{message:?}");
            let is_object = whole.as_ref().is_some_and(Value::is_object);
            let is_too_deep = whole.as_ref().is_some_and(|whole| depth(whole) > DEEPEST);
            assert_eq!(is_object && is_too_deep, is_object && message.contains("deeper"), "{message}");
        }
        Err(_) => panic!("a body alone is refused for itself"),
    }
}

/// How deep brackets nest in a value.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
