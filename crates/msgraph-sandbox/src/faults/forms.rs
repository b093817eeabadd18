//! Malformed response bodies, and malformed responses of a batch.

use bytes::Bytes;
use http::StatusCode;

/// The page of a proxy that reached no server behind it.
pub(crate) const HTML: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n";
/// A proxy's plain text.
pub(crate) const TEXT: &str = "The service is unavailable.";

/// A small flaw of a JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A byte order mark before the JSON.
    Bom,
    /// UTF-16, little endian, with its byte order mark.
    Utf16,
    /// Text after the JSON.
    TrailingText,
    /// A NUL after the JSON.
    Nul,
    /// The escape of a lone surrogate in the last string.
    LoneSurrogate,
    /// A byte that is not UTF-8 in the last string.
    InvalidByte,
}

/// Flaws by name.
pub(super) const FLAWS: [(&str, Flaw); 6] = [
    ("bom", Flaw::Bom),
    ("utf-16", Flaw::Utf16),
    ("trailing-text", Flaw::TrailingText),
    ("nul", Flaw::Nul),
    ("lone-surrogate", Flaw::LoneSurrogate),
    ("invalid-byte", Flaw::InvalidByte),
];

impl Flaw {
    /// The body with this flaw.
    pub(crate) fn apply(self, body: &[u8]) -> Bytes {
        match self {
            Self::Bom => [b"\xEF\xBB\xBF", body].concat().into(),
            Self::Utf16 => {
                let text = String::from_utf8_lossy(body);
                "\u{FEFF}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
            }
            Self::TrailingText => [body, b"\r\n<!-- end -->"].concat().into(),
            Self::Nul => [body, b"\0"].concat().into(),
            Self::LoneSurrogate => within_last_string(body, br"\ud83d"),
            Self::InvalidByte => within_last_string(body, b"\xFF"),
        }
    }
}

/// Inserts bytes at the start of the last string that is a member's value. The first strings are
/// codes, which stay readable.
fn within_last_string(body: &[u8], bytes: &[u8]) -> Bytes {
    const START: &[u8] = br#"":""#;
    match body.windows(START.len()).rposition(|window| window == START) {
        Some(index) => {
            let (before, after) = body.split_at(index + START.len());
            [before, bytes, after].concat().into()
        }
        None => [body, bytes].concat().into(),
    }
}

/// The form of a batch's response to one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemForm {
    /// Without a status.
    NoStatus,
    /// HTML in its place, so that the whole response is not JSON.
    Broken,
    /// A string in its place.
    Text,
    /// null in its place.
    Null,
    /// null in place of its headers.
    NullHeaders,
    /// HTML as a string in place of its body.
    HtmlBody,
}

/// Forms of an item by name.
pub(super) const ITEM_FORMS: [(&str, ItemForm); 6] = [
    ("no-status", ItemForm::NoStatus),
    ("broken", ItemForm::Broken),
    ("text", ItemForm::Text),
    ("null", ItemForm::Null),
    ("null-headers", ItemForm::NullHeaders),
    ("html-body", ItemForm::HtmlBody),
];

/// A query option that a service can refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusedOption {
    /// `$filter`, also of `…/$count`.
    Filter,
    /// `$orderby`.
    OrderBy,
    /// `$count=true`, and `…/$count`.
    Count,
    /// `$top`.
    Top,
}

/// Refused options by name.
pub(super) const REFUSED_OPTIONS: [(&str, RefusedOption); 4] = [
    ("filter", RefusedOption::Filter),
    ("orderby", RefusedOption::OrderBy),
    ("count", RefusedOption::Count),
    ("top", RefusedOption::Top),
];

/// A response to a whole batch without results for its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnvelopeFault {
    pub(crate) status: StatusCode,
    pub(crate) body: EnvelopeBody,
    /// Execute the items first.
    pub(crate) applied: bool,
}

/// The body of such a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnvelopeBody {
    Empty,
    /// An object without responses.
    NoResponses,
    /// An empty list of responses.
    NoItems,
    Html,
    Text,
    /// Half of the real response, with the matching length.
    Truncated,
}

/// Bodies of a batch's response by name.
pub(super) const ENVELOPE_BODIES: [(&str, EnvelopeBody); 6] = [
    ("empty", EnvelopeBody::Empty),
    ("no-responses", EnvelopeBody::NoResponses),
    ("no-items", EnvelopeBody::NoItems),
    ("html", EnvelopeBody::Html),
    ("text", EnvelopeBody::Text),
    ("truncated", EnvelopeBody::Truncated),
];

impl EnvelopeBody {
    /// The body in place of the real one.
    pub(crate) fn replace(self, real: Vec<u8>) -> Bytes {
        match self {
            Self::Empty => Bytes::new(),
            Self::NoResponses => "{}".into(),
            Self::NoItems => r#"{"responses":[]}"#.into(),
            Self::Html => HTML.into(),
            Self::Text => TEXT.into(),
            Self::Truncated => {
                let half = real.len() / 2;
                Bytes::from(real).slice(..half)
            }
        }
    }
}

/// The name of a value in a table of names.
pub(super) fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    table.iter().find(|(_, known)| known == value).map_or("", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::{EnvelopeBody, Flaw};

    const BODY: &[u8] = br#"{"error":{"code":"X","message":"Y"}}"#;

    #[test]
    fn a_flaw_leaves_the_code_as_it_is() {
        assert_eq!(Flaw::Bom.apply(BODY)[..4], *b"\xEF\xBB\xBF{");
        assert_eq!(Flaw::Utf16.apply(BODY)[..6], *b"\xFF\xFE{\0\"\0");
        assert_eq!(Flaw::TrailingText.apply(BODY)[BODY.len()..], *b"\r\n<!-- end -->");
        assert_eq!(Flaw::Nul.apply(BODY).last(), Some(&0));
        assert_eq!(Flaw::LoneSurrogate.apply(BODY)[..], *br#"{"error":{"code":"X","message":"\ud83dY"}}"#);
        assert_eq!(Flaw::InvalidByte.apply(BODY)[..], *b"{\"error\":{\"code\":\"X\",\"message\":\"\xFFY\"}}");
        assert_eq!(Flaw::InvalidByte.apply(b"[]")[..], *b"[]\xFF");
    }

    #[test]
    fn a_truncated_envelope_is_half_of_the_real_one() {
        assert_eq!(EnvelopeBody::Truncated.replace(b"12345678".to_vec()), "1234");
    }
}
