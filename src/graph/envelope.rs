//! Graph's error envelope, read leniently: whatever arrives, the status alone is enough to go on.

use serde_json::Value;

/// Intune nests JSON in `message` twice at most; one more level is allowed for.
const MAX_UNFOLDS: usize = 3;
/// Longest message that is passed on, in characters.
const MAX_MESSAGE: usize = 1000;
/// Longest code or id that is passed on, in characters.
pub(super) const MAX_CODE: usize = 100;

/// What an error answer says of itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ErrorEnvelope {
    /// `error.code`; live codes may hold spaces, and may be empty.
    pub(super) code: Option<String>,
    /// The sentence for a person, unfolded from Intune's JSON in `message`.
    pub(super) message: Option<String>,
    /// `innerError.request-id`.
    pub(super) request_id: Option<String>,
    /// `RetryAfter` of Intune's inner document.
    pub(super) retry_after: Option<String>,
}

impl ErrorEnvelope {
    /// Reads a body; an empty one, HTML, or anything else that is no envelope gives an empty envelope. `redact` takes
    /// secrets out of a text: it sees each whole, since half a secret would no longer be known for one.
    pub(super) fn read(body: &[u8], redact: impl Fn(&mut String)) -> Self {
        let document: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = &document["error"];
        // Graph's gateway writes `innerError`; the type's description in its documentation, `innererror`.
        let request_id =
            ["innerError", "innererror"].iter().find_map(|name| error[name]["request-id"].as_str());
        let (message, retry_after) =
            error["message"].as_str().map_or((None, None), |message| unfold(message, &redact));
        Self {
            code: error["code"].as_str().and_then(|code| one_line(code, MAX_CODE, &redact)),
            message,
            request_id: request_id.and_then(|id| one_line(id, MAX_CODE, &redact)),
            retry_after,
        }
    }
}

/// While the text is a JSON object with `Message`, takes that; then cuts what is for Microsoft's support only: the
/// operation and activity ids, and the internal host and path that follow them.
fn unfold(message: &str, redact: &impl Fn(&mut String)) -> (Option<String>, Option<String>) {
    let mut message = message.to_owned();
    let mut retry_after = None;
    for _ in 0..MAX_UNFOLDS {
        let Ok(Value::Object(mut object)) = serde_json::from_str(&message) else { break };
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

/// The text without secrets, on one line, without control characters, cut to `max` characters; `None` where nothing is
/// left.
pub(super) fn one_line(text: &str, max: usize, redact: &impl Fn(&mut String)) -> Option<String> {
    let mut text = text.to_owned();
    redact(&mut text);
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max).collect();
    let clean = clean.split_whitespace().collect::<Vec<_>>().join(" ");
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::ErrorEnvelope;

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
            assert_eq!(read_body(body.as_bytes()), ErrorEnvelope::default(), "{body}");
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
