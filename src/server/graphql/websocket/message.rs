//! Messages of the subprotocol `graphql-transport-ws` (GraphQL over WebSocket Protocol).

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tracing::error;

use super::token::{Token, TokenTooLong};
use crate::json;
use crate::server::graphql::client_name;

/// A message from a client.
#[derive(Debug)]
pub(super) enum ClientMessage<'a> {
    ConnectionInit { token: Result<Option<Token>, TokenTooLong>, client_name: Option<Arc<str>> },
    Ping,
    Pong,
    Subscribe { id: String, payload: &'a RawValue },
    Complete { id: String },
}

/// A message before validation.
#[derive(Deserialize)]
struct Raw<'a> {
    r#type: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(borrow, default)]
    payload: Option<&'a RawValue>,
}

impl<'a> ClientMessage<'a> {
    /// Parses a message that nests no deeper than `max_depth`. `None` if it is not a message of the protocol.
    pub(super) fn read(text: &'a str, max_depth: usize) -> Option<Self> {
        // A derived struct would also be read from an array.
        if !text.trim_start().starts_with('{') || json::nests_deeper(text.as_bytes(), max_depth) {
            return None;
        }
        let Raw { r#type, id, payload } = serde_json::from_str(text).ok()?;
        let id = id.filter(|id| !id.is_empty());
        Some(match r#type.as_str() {
            "connection_init" => connection_init(payload)?,
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "subscribe" => Self::Subscribe { id: id?, payload: payload? },
            "complete" => Self::Complete { id: id? },
            _ => return None,
        })
    }
}

/// The prefix of a discarded message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MessagePrefix {
    pub(super) id: String,
}

impl MessagePrefix {
    /// `None` if it is not a `subscribe` message, or has no id in its prefix.
    pub(super) fn of_subscribe(bytes: &[u8]) -> Option<Self> {
        let mut members = Members::default();
        // The prefix is truncated JSON, so parsing it fails.
        let _ = serde_json::Deserializer::from_slice(bytes).deserialize_map(&mut members);
        let is_another = members.r#type.is_some_and(|kind| kind != "subscribe");
        members.id.filter(|id| !id.is_empty() && !is_another).map(|id| Self { id })
    }
}

/// The members of a truncated object.
#[derive(Default)]
struct Members {
    id: Option<String>,
    r#type: Option<String>,
}

impl<'de> Visitor<'de> for &mut Members {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "id" => self.id = Some(map.next_value()?),
                "type" => self.r#type = Some(map.next_value()?),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Reads the payload of a `connection_init`. The token is a member named `Authorization`, in any case, or the same within
/// `headers`. `None` if the payload is not an object.
fn connection_init<'a>(payload: Option<&RawValue>) -> Option<ClientMessage<'a>> {
    let payload = match payload.map(|payload| serde_json::from_str(payload.get())).transpose().ok()? {
        Some(Value::Object(payload)) => payload,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return None,
    };
    let headers = payload.get("headers").and_then(Value::as_object);
    let text = authorization(&payload).or_else(|| authorization(headers?));
    let token = text.map_or(Ok(None), |text| Token::parse(text.as_bytes()));
    let client_name = client_name::from_members(&payload).or_else(|| client_name::from_members(headers?));
    Some(ClientMessage::ConnectionInit { token, client_name })
}

fn authorization(members: &Map<String, Value>) -> Option<&str> {
    let is_it = |(name, _): &(&String, &Value)| name.eq_ignore_ascii_case("authorization");
    members.iter().find(is_it).and_then(|(_, value)| value.as_str())
}

/// A message from the gateway.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a, P = ()> {
    ConnectionAck,
    Pong,
    Next { id: &'a str, payload: P },
    Error { id: &'a str, payload: P },
    Complete { id: &'a str },
}

impl<P: Serialize> ServerMessage<'_, P> {
    /// The message as JSON. `None` if it could not be serialized, which is logged.
    pub(super) fn to_text(&self) -> Option<String> {
        serde_json::to_string(self)
            .inspect_err(|error| error!(%error, "a message could not be serialized"))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(payload: &str) -> Option<Option<bool>> {
        let text = format!(r#"{{"type":"connection_init","payload":{payload}}}"#);
        match ClientMessage::read(&text, 8) {
            Some(ClientMessage::ConnectionInit { token, .. }) => Some(token.unwrap().map(|_| true)),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_token_is_read_like_a_header() {
        for payload in [
            r#"{"Authorization":"Bearer abc"}"#,
            r#"{"authorization":"Bearer abc"}"#,
            r#"{"headers":{"Authorization":"Bearer abc"}}"#,
            r#"{"headers":null,"AUTHORIZATION":"bearer abc"}"#,
        ] {
            assert_eq!(token_of(payload), Some(Some(true)), "{payload}");
        }
        for payload in [
            "null",
            "{}",
            r#"{"Authorization":"abc"}"#,
            r#"{"Authorization":"Bearer a\nb"}"#,
            r#"{"Authorization":7}"#,
            r#"{"headers":[]}"#,
        ] {
            assert_eq!(token_of(payload), Some(None), "{payload}");
        }
        for payload in ["[]", "7", r#""Bearer abc""#] {
            assert_eq!(token_of(payload), None, "{payload}");
        }
    }

    #[test]
    fn the_prefix_of_a_message_names_its_operation() {
        for (text, id) in [
            (r#"{"id":"1","type":"subscribe","payload":{"query":"{ a"#, Some("1")),
            (r#" { "type" : "subscribe", "id" : "a\u0062" , "payload" : "#, Some("ab")),
            (r#"{"id":"1","payload":{"query":[[{"#, Some("1")),
            (r#"{"payload":{},"extra":[1],"id":"1","rest":""#, Some("1")),
            (r#"{"id":"1","type":"ping","payload":""#, None),
            (r#"{"type":"subscribe","payload":{"id":"2","#, None),
            (r#"{"type":"subscribe","id":"cut"#, None),
            (r#"{"id":"","type":"subscribe","payload":""#, None),
            (r#"{"id":1,"type":"subscribe","payload":""#, None),
            (r#"["id","1","#, None),
            ("", None),
            ("xxx", None),
        ] {
            let found = MessagePrefix::of_subscribe(text.as_bytes());
            assert_eq!(found.map(|prefix| prefix.id).as_deref(), id, "{text}");
        }
    }

    #[test]
    fn other_messages_than_the_protocols_are_rejected() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"["ping"]"#,
            r#"{"type":7}"#,
            r#"{"type":"start"}"#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"type":"subscribe","id":"","payload":{}}"#,
            r#"{"type":"subscribe","id":1,"payload":{}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"ping","type":"ping"}"#,
            r#"{"type":"ping","payload":[[[[[[[[[]]]]]]]]]}"#,
        ] {
            assert!(ClientMessage::read(text, 8).is_none(), "{text}");
        }
        assert!(matches!(
            ClientMessage::read(r#" {"type":"ping","payload":{"a":1}}"#, 8),
            Some(ClientMessage::Ping)
        ));
    }
}
