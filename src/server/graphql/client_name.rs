//! The name of a client, as it says: the headers that Apollo's and Hive's clients send, or members of the same names.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::{Map, Value};

const NAMES: [&str; 2] = ["apollographql-client-name", "graphql-client-name"];
/// Maximum length of a name, in bytes. A longer one is truncated.
const MAX_LENGTH: usize = 100;

/// The name in the headers of a request.
pub(super) fn from_headers(headers: &HeaderMap) -> Option<Arc<str>> {
    NAMES.iter().find_map(|name| printable(headers.get(*name)?.to_str().ok()?))
}

/// The name in the payload of a `connection_init`: browsers cannot send headers with a WebSocket.
pub(super) fn from_members(members: &Map<String, Value>) -> Option<Arc<str>> {
    NAMES.iter().find_map(|name| printable(members.get(*name)?.as_str()?))
}

/// The start of a name; `None` if it has other characters than those of a header.
fn printable(name: &str) -> Option<Arc<str>> {
    let name = name.get(..MAX_LENGTH).unwrap_or(name);
    let is_printable = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    (!name.is_empty() && name.len() <= MAX_LENGTH && name.bytes().all(is_printable)).then(|| name.into())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_short_and_printable() {
        let long = "x".repeat(MAX_LENGTH + 1);
        for (sent, read) in [
            ("web", Some("web")),
            ("My App (iOS)", Some("My App (iOS)")),
            (&long, Some(&long[1..])),
            ("", None),
            ("a\tb", None),
            ("Zoë", None),
        ] {
            let Value::Object(members) = json!({NAMES[0]: sent}) else { unreachable!() };
            assert_eq!(from_members(&members).as_deref(), read, "{sent:?}");
            let headers = [(NAMES[1].parse().unwrap(), HeaderValue::from_str(sent).unwrap())];
            assert_eq!(from_headers(&HeaderMap::from_iter(headers)).as_deref(), read, "{sent:?}");
        }
        let Value::Object(members) = json!({NAMES[0]: 1, NAMES[1]: "web"}) else { unreachable!() };
        assert_eq!(from_members(&members).as_deref(), Some("web"));
        let emoji = format!("{}😀", "x".repeat(MAX_LENGTH - 1));
        let Value::Object(members) = json!({NAMES[0]: emoji}) else { unreachable!() };
        assert_eq!(from_members(&members), None);
    }
}
