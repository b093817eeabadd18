//! Media types of GraphQL over HTTP: `Content-Type` of requests, and `Accept` for their responses.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::qvalue::{MAX_QVALUE, parse_qvalue};

/// The media type of a response (GraphQL over HTTP, "Media Types").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseType {
    /// `application/graphql-response+json`: the status code distinguishes request errors from executed requests.
    GraphqlResponse,
    /// `application/json`: every well-formed request is answered with 200.
    Json,
}

impl ResponseType {
    pub(super) fn header(self) -> HeaderValue {
        match self {
            Self::GraphqlResponse => {
                HeaderValue::from_static("application/graphql-response+json; charset=utf-8")
            }
            Self::Json => HeaderValue::from_static("application/json; charset=utf-8"),
        }
    }

    /// The preferred type, `application/json` without an `Accept` header. `None` if neither type is acceptable.
    fn preferred(ranges: &[Range]) -> Option<Self> {
        if ranges.is_empty() {
            return Some(Self::Json);
        }
        let json = qvalue(ranges, "json");
        let graphql = qvalue(ranges, "graphql-response+json");
        // If the client names both with the same quality, the newer type carries more information.
        let graphql_is_named = ranges.iter().any(|range| range.subtype == "graphql-response+json");
        match (graphql, json) {
            (0, 0) => None,
            (graphql, json) if graphql > json || (graphql == json && graphql_is_named) => {
                Some(Self::GraphqlResponse)
            }
            _ => Some(Self::Json),
        }
    }
}

/// The forms in which a client accepts the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AcceptedTypes {
    /// As one JSON document of this type.
    pub(super) single: Option<ResponseType>,
    /// As server-sent events. Only if the client names them: other clients would wait for the end
    /// of the stream.
    pub(super) event_stream: bool,
}

impl AcceptedTypes {
    /// One document, of the type that every client supports.
    pub(super) const JSON: Self = Self { single: Some(ResponseType::Json), event_stream: false };

    /// Parses all `Accept` headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut ranges = Vec::new();
        for value in headers.get_all(ACCEPT) {
            let Ok(value) = value.to_str() else { return Self { single: None, event_stream: false } };
            ranges.extend(split_unquoted(value, ',').filter_map(Range::parse));
        }
        let is_events = |range: &Range| range.main == "text" && range.subtype == "event-stream";
        let event_stream = ranges.iter().any(|range| is_events(range) && range.qvalue > 0);
        Self { single: ResponseType::preferred(&ranges), event_stream }
    }
}

/// One media range of an `Accept` header (RFC 9110, section 12.5.1).
struct Range {
    main: String,
    subtype: String,
    /// Thousandths; 0 means "not acceptable".
    qvalue: u16,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = split_unquoted(text, ';');
        let (main, subtype) = parts.next()?.trim().split_once('/')?;
        let mut qvalue = MAX_QVALUE;
        let mut utf8 = true;
        // A parameter may be empty (RFC 9110, section 5.6.6).
        for parameter in parts.filter(|parameter| !parameter.trim().is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "q" => qvalue = parse_qvalue(value)?,
                "charset" => utf8 = is_utf8(value),
                _ => {}
            }
        }
        let (main, subtype) = (main.to_ascii_lowercase(), subtype.to_ascii_lowercase());
        Some(Self { main, subtype, qvalue: if utf8 { qvalue } else { 0 } })
    }

    /// How specific the range is for `application/{subtype}`: exact, by its main type, or `*/*`.
    fn specificity(&self, subtype: &str) -> Option<u8> {
        match (self.main.as_str(), self.subtype.as_str()) {
            ("application", named) if named == subtype => Some(2),
            ("application", "*") => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    }
}

/// The quality value of the most specific range that matches the type.
fn qvalue(ranges: &[Range], subtype: &str) -> u16 {
    ranges
        .iter()
        .filter_map(|range| Some((range.specificity(subtype)?, range.qvalue)))
        .max()
        .map_or(0, |(_, qvalue)| qvalue)
}

/// Whether the body is JSON in UTF-8: exactly one `Content-Type`, `application/json`, no other charset.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let mut parts = split_unquoted(value, ';');
    let json = parts.next().is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"));
    let charset = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            is_utf8(value.trim().trim_matches('"'))
        }
        _ => true,
    });
    json && charset
}

/// Splits at `separator`, except in quoted strings (RFC 9110, section 5.6.4).
fn split_unquoted(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |char| {
        if is_escaped {
            is_escaped = false;
            return false;
        }
        match char {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => is_escaped = true,
            _ => return char == separator && !is_quoted,
        }
        false
    })
}

fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, CONTENT_TYPE};
    use http::{HeaderMap, HeaderValue};

    use super::{AcceptedTypes, ResponseType, is_json};

    #[test]
    fn the_response_has_the_type_that_the_client_prefers() {
        use ResponseType::{GraphqlResponse, Json};
        for (accept, expected) in [
            ("application/json", Some(Json)),
            ("application/graphql-response+json", Some(GraphqlResponse)),
            (
                "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
                Some(GraphqlResponse),
            ),
            ("application/json, application/graphql-response+json;q=0.9", Some(Json)),
            ("application/json;q=0.5, application/graphql-response+json;q=0.9", Some(GraphqlResponse)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("*/*, application/json;q=0", Some(GraphqlResponse)),
            ("text/html, */*;q=0.1", Some(Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json; charset=utf-7", None),
            ("application/graphql-response+json;, text/html", Some(GraphqlResponse)),
            ("application/json;; q=0.5; ", Some(Json)),
            // Separators in quoted strings separate nothing (RFC 9110, section 5.6.4).
            ("text/html;a=\", application/json;b=\"", None),
            ("application/json;a=\"\\\";q=0\"", Some(Json)),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(AcceptedTypes::of(&headers).single, expected, "{accept}");
        }
        assert_eq!(AcceptedTypes::of(&HeaderMap::new()).single, Some(Json));
    }

    #[test]
    fn events_are_sent_only_to_clients_that_name_them() {
        for (accept, event_stream, single) in [
            ("text/event-stream", true, None),
            ("Text/Event-Stream; charset=utf-8", true, None),
            (
                "application/graphql-response+json, application/json, text/event-stream",
                true,
                Some(ResponseType::GraphqlResponse),
            ),
            ("text/event-stream;q=0, application/json", false, Some(ResponseType::Json)),
            ("text/event-stream;charset=utf-7", false, None),
            ("*/*", false, Some(ResponseType::Json)),
            ("text/*", false, None),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(AcceptedTypes::of(&headers), AcceptedTypes { single, event_stream }, "{accept}");
        }
        assert!(!AcceptedTypes::of(&HeaderMap::new()).event_stream);
    }

    #[test]
    fn only_json_in_utf8_is_a_request() {
        for (content_type, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json; charset=\"utf-8\"", true),
            ("application/json; charset=utf-7", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("multipart/form-data; boundary=x", false),
            ("application/jsonp", false),
            ("application/json; a=\"; charset=utf-7\"", true),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!(is_json(&headers), expected, "{content_type}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
