//! Graph's error envelope, read leniently: for any content, the status alone is sufficient.

use serde_json::Value;

use super::body::{self, Member, Members};
use super::error::ErrorBody;
use crate::printable::must_escape;

/// Intune nests JSON in `message` twice at most; one more level is allowed for.
const MAX_UNFOLDS: usize = 3;
/// Maximum length of a message that is passed on, in characters.
const MAX_MESSAGE: usize = 1000;
/// Maximum length of a code or id that is passed on, in characters.
pub(super) const MAX_CODE: usize = 100;

/// Codes of Intune for a timeout of its own backend, in lower case. They occur as the error code, and in inner errors
/// and phrases.
const GAVE_UP: [&str; 3] = ["cancelledonservicetimeout", "canceledonservicetimeout", "cancelontimeout"];

/// The content of an error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorEnvelope {
    /// `error.code`; live codes may hold spaces, and may be empty.
    pub(super) code: Option<String>,
    /// The sentence for a person, unfolded from Intune's JSON in `message`.
    pub(super) message: Option<String>,
    /// `innerError.request-id`.
    pub(super) request_id: Option<String>,
    /// `RetryAfter` of Intune's inner document.
    pub(super) retry_after: Option<String>,
    /// The form of the body.
    pub(super) body: ErrorBody,
}

impl ErrorEnvelope {
    /// The envelope of an incomplete body.
    pub(super) fn cut() -> Self {
        Self { code: None, message: None, request_id: None, retry_after: None, body: ErrorBody::Unreadable }
    }

    /// Parses a body. An empty body, HTML, or anything else without an envelope results in an empty
    /// envelope. `redact` removes secrets from a text; it receives whole texts, since half a secret
    /// would not be recognized.
    pub(super) fn read(body: &[u8], redact: impl Fn(&mut String)) -> Self {
        let text = body::text(body);
        let document = body::read::<Value>(&text);
        let has_given_up = has_given_up(&text) || document.as_ref().is_ok_and(names_giving_up);
        let body = match &document {
            _ if text.is_empty() => ErrorBody::Empty,
            _ if has_given_up => ErrorBody::BackendTimeout,
            Ok(_) if is_error_object(&text) => ErrorBody::Valid,
            Ok(_) | Err(_) => ErrorBody::Unreadable,
        };
        let document = document.unwrap_or_default();
        let error = only(member(only(&document), "error"));
        // Graph's gateway writes `innerError`; the type's description in its documentation, `innererror`.
        let request_id = member(only(member(error, "innerError")), "request-id").as_str();
        let (message, retry_after) =
            member(error, "message").as_str().map_or((None, None), |message| unfold(message, &redact));
        Self {
            code: member(error, "code").as_str().and_then(|code| one_line(code, MAX_CODE, &redact)),
            message,
            request_id: request_id.and_then(|id| one_line(id, MAX_CODE, &redact)),
            retry_after,
            body,
        }
    }
}

/// Whether a text is an object whose error, if present, is an object or a text. A JSON parser
/// accepts the start of a sentence as well: the number in `503 Service Unavailable`.
fn is_error_object(text: &str) -> bool {
    let has_no_other_error = |members: &Members<'_>| match members.get("error") {
        Member::Absent => true,
        Member::Value(error) => error.get().starts_with(['{', '"']),
        Member::Contradictory => false,
    };
    body::is_one_object(text) && body::with_members(text, has_no_other_error).unwrap_or_default()
}

/// An object's member of this name, or else one that differs only in case; null if there is none.
fn member<'a>(value: &'a Value, name: &str) -> &'a Value {
    let Value::Object(members) = value else { return &Value::Null };
    let in_another_case = || members.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
    members.get(name).or_else(|| in_another_case().map(|(_, value)| value)).unwrap_or(&Value::Null)
}

/// The first item of an array; anything else as it is.
fn only(value: &Value) -> &Value {
    match value {
        Value::Array(items) => items.first().unwrap_or(&Value::Null),
        value => value,
    }
}

/// Whether a text contains this, with or without escapes. A JSON parser returns only one value of a
/// duplicate member.
fn has_given_up(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    GAVE_UP.iter().any(|word| text.contains(word))
}

fn names_giving_up(value: &Value) -> bool {
    match value {
        Value::String(text) => has_given_up(text),
        Value::Array(items) => items.iter().any(names_giving_up),
        Value::Object(members) => members.values().any(names_giving_up),
        _ => false,
    }
}

/// While the text is a JSON object with `Message`, unfolds that. Then removes the parts for
/// Microsoft support: the operation and activity ids, and the internal host and path after them.
fn unfold(message: &str, redact: &impl Fn(&mut String)) -> (Option<String>, Option<String>) {
    let mut message = message.to_owned();
    let mut retry_after = None;
    for _ in 0..MAX_UNFOLDS {
        let Ok(Value::Object(mut object)) = body::read(message.trim_start_matches('\u{feff}')) else { break };
        retry_after = match object.get("RetryAfter") {
            Some(Value::Number(seconds)) => Some(seconds.to_string()),
            Some(Value::String(text)) => Some(text.clone()),
            _ => retry_after,
        };
        match object.remove("Message").or_else(|| object.remove("message")) {
            Some(Value::String(inner)) => message = inner,
            _ => return (None, retry_after),
        }
    }
    let sentence = message.split(" - Operation ID").next().unwrap_or_default();
    (one_line(sentence, MAX_MESSAGE, redact), retry_after)
}

/// The text without secrets, on one line, without control characters and marks of text direction, cut to `max` characters;
/// `None` if nothing is left. Callers show Graph's texts to people.
pub(super) fn one_line(text: &str, max: usize, redact: &impl Fn(&mut String)) -> Option<String> {
    let is_space = |char: char| char.is_control() || char.is_whitespace();
    let visible = text.chars().filter(|char| is_space(*char) || !must_escape(*char));
    let mut clean: String = visible.map(|char| if is_space(char) { ' ' } else { char }).collect();
    redact(&mut clean);
    let clean: String = clean.chars().take(max).collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{ErrorBody, ErrorEnvelope};

    fn read_body(body: &[u8]) -> ErrorEnvelope {
        ErrorEnvelope::read(body, |_| {})
    }

    fn read(message: &str) -> Option<String> {
        let body = json!({"error": {"code": "x", "message": message}}).to_string();
        read_body(body.as_bytes()).message
    }

    #[test]
    fn the_gateway_shape_is_read() {
        let body = json!({"error": {"code": "BadRequest", "message": "Resource not found for the segment 'mef'.",
            "innerError": {"date": "2021-07-02T01:40:19", "request-id": "1a0ffbc0-086f-4e8f-93f9-bf99881c65f6"}}});
        let envelope = read_body(body.to_string().as_bytes());
        assert_eq!(envelope.code.as_deref(), Some("BadRequest"));
        assert_eq!(envelope.message.as_deref(), Some("Resource not found for the segment 'mef'."));
        assert_eq!(envelope.request_id.as_deref(), Some("1a0ffbc0-086f-4e8f-93f9-bf99881c65f6"));
    }

    #[test]
    fn intune_messages_unfold_to_the_sentence() {
        let wrapped = "{\r\n  \"_version\": 3,\r\n  \"Message\": \"An error has occurred - Operation ID (for customer \
                       support): 0 - Activity ID: 1 - Url: https://fef.msud01.manage.microsoft.com/x\",\r\n  \
                       \"RetryAfter\": null,\r\n  \"HttpHeaders\": \"{}\"\r\n}";
        assert_eq!(read(wrapped).as_deref(), Some("An error has occurred"));
        let twice = json!({ "Message": wrapped }).to_string();
        assert_eq!(read(&twice).as_deref(), Some("An error has occurred"));
        assert_eq!(read("plain").as_deref(), Some("plain"));
        assert_eq!(read("a\r\nb\u{1b}[2J").as_deref(), Some("a b [2J"));
        assert_eq!(read(""), None);
        assert_eq!(read("{\"_version\": 3}"), None);
    }

    #[test]
    fn what_is_no_envelope_is_empty() {
        for body in
            ["", "<html>", "null", "[]", "{}", "{\"error\":null}", "{\"error\":\"x\"}", "{\"error\":{}}"]
        {
            let read = read_body(body.as_bytes());
            assert_eq!(read, ErrorEnvelope { body: read.body, ..ErrorEnvelope::cut() }, "{body}");
        }
    }

    #[test]
    fn flaws_of_a_body_hide_neither_code_nor_message() {
        let plain = r#"{"error":{"code":"CancelledOnServiceTimeout","message":"Gave up"}}"#;
        let lossy = plain.replace("Gave up", "Gave \\ud800up");
        let utf_16: Vec<u8> = plain.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let invalid = plain.replace("Gave up", "Gave ?up").into_bytes();
        let invalid = invalid.iter().map(|byte| if *byte == b'?' { 0xff } else { *byte }).collect();
        for (body, message) in [
            (plain.as_bytes().to_vec(), "Gave up"),
            ([b"\xef\xbb\xbf", plain.as_bytes()].concat(), "Gave up"),
            ([plain.as_bytes(), b"\0"].concat(), "Gave up"),
            ([plain.as_bytes(), b"<!-- p1 -->"].concat(), "Gave up"),
            ([b"\xff\xfe", &utf_16[..]].concat(), "Gave up"),
            (utf_16, "Gave up"),
            (lossy.into_bytes(), "Gave \u{fffd}up"),
            (invalid, "Gave \u{fffd}up"),
            (format!("[{plain}]").into_bytes(), "Gave up"),
            (plain.replace("error", "Error").replace("code", "Code").into_bytes(), "Gave up"),
            (br#"{"error":[{"code":"CancelledOnServiceTimeout","message":"Gave up"}]}"#.to_vec(), "Gave up"),
        ] {
            let envelope = read_body(&body);
            assert_eq!(envelope.code.as_deref(), Some("CancelledOnServiceTimeout"), "{body:?}");
            assert_eq!(envelope.message.as_deref(), Some(message), "{body:?}");
            assert_eq!(envelope.body, ErrorBody::BackendTimeout, "{body:?}");
        }
    }

    #[test]
    fn a_service_that_gave_up_is_known_wherever_it_says_so() {
        for body in [
            json!({"error": {"code": "ServiceUnavailable", "innerError": {"code": "cancelledOnServiceTimeout"}}}),
            json!({"error": {"code": "", "details": [{"code": "CancelledOnServiceTimeout"}]}}),
            json!({"error": "CancelledOnServiceTimeout"}),
            json!({"code": "CanceledOnServiceTimeout"}),
            json!({"error": {"message": json!({"Message": "x", "CustomApiErrorPhrase":
                "CancelOnTimeout4EndExecuteAction"}).to_string()}}),
        ] {
            assert_eq!(read_body(body.to_string().as_bytes()).body, ErrorBody::BackendTimeout, "{body}");
        }
        for body in [
            r#"{"error":{"code":"CancelledOnServiceTimeout","code":"ServiceUnavailable"}}"#,
            r#"{"error":{"code":"\u0043ancelledOnServiceTimeout"}}"#,
            "CancelledOnServiceTimeout",
        ] {
            assert_eq!(read_body(body.as_bytes()).body, ErrorBody::BackendTimeout, "{body}");
        }
    }

    #[test]
    fn what_a_body_is_worth_is_told() {
        for (body, worth) in [
            ("", ErrorBody::Empty),
            (" \r\n\0", ErrorBody::Empty),
            ("\u{feff}", ErrorBody::Empty),
            ("{}", ErrorBody::Valid),
            ("{\"error\":{\"code\":\"ServiceUnavailable\"}}", ErrorBody::Valid),
            ("{\"error\":\"busy\"}", ErrorBody::Valid),
            ("{\"message\":\"no healthy upstream\"}", ErrorBody::Valid),
            ("{\"error\":{}}<!-- proxy-7 -->", ErrorBody::Valid),
            ("{\"error\":{\"wait\":1e999}}", ErrorBody::Valid),
            ("\"busy\"", ErrorBody::Unreadable),
            ("\"\"", ErrorBody::Unreadable),
            ("\"\"<html>", ErrorBody::Unreadable),
            ("null", ErrorBody::Unreadable),
            ("null pointer", ErrorBody::Unreadable),
            ("true story", ErrorBody::Unreadable),
            ("5", ErrorBody::Unreadable),
            ("503 Service Unavailable", ErrorBody::Unreadable),
            ("[]", ErrorBody::Unreadable),
            ("[{\"error\":{}}]", ErrorBody::Unreadable),
            ("{}{", ErrorBody::Unreadable),
            ("{\"error\":5}", ErrorBody::Unreadable),
            ("{\"Error\":[]}", ErrorBody::Unreadable),
            ("{\"error\":null}", ErrorBody::Unreadable),
            ("{\"error\":{},\"error\":5}", ErrorBody::Unreadable),
            ("<html>", ErrorBody::Unreadable),
            ("The service is unavailable.", ErrorBody::Unreadable),
            ("{\"error\":{\"code\":\"Serv", ErrorBody::Unreadable),
        ] {
            assert_eq!(read_body(body.as_bytes()).body, worth, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            read_body(&body);
        }

        #[test]
        fn no_message_panics_or_spans_lines(message in "\\PC*|(\\{\"Message\":\"){0,5}[a-z\"}]*") {
            let read = read(&message).unwrap_or_default();
            prop_assert!(!read.contains(char::is_control) && read.chars().count() <= 1000);
        }
    }
}
