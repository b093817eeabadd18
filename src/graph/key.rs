//! Keys of Graph's entities, their canonical form, and their encoding in a path.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All except RFC 3986's unreserved characters: any key is exactly one path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Maximum length of a key in bytes; live keys have about 110.
const MAX_BYTES: usize = 1024;

/// Graph's key of an entity: opaque text that is sent as exactly one path segment. GUIDs in it are
/// in lower case ([`canonical_key`]), so that one entity has one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

/// Why some text cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// Nothing at all: the path would name the collection.
    #[error("must not be empty")]
    Empty,
    /// `.` or `..`, also percent-encoded: URL libraries fold such a segment away.
    #[error("must not be \".\" or \"..\", encoded or not")]
    DotSegment,
    /// Longer than a key can be.
    #[error("must not be longer than 1024 bytes")]
    TooLong,
}

impl Key {
    /// Checks that `text` can be one segment of a path.
    ///
    /// # Errors
    ///
    /// If it is empty, longer than 1024 bytes, or a dot segment in any number of percent-encodings.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidKey> {
        let text = text.into();
        if text.is_empty() {
            return Err(InvalidKey::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(InvalidKey::TooLong);
        }
        if is_dot_segment(&text) {
            return Err(InvalidKey::DotSegment);
        }
        Ok(Self(match canonical_key(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(canonical) => canonical,
        }))
    }

    /// Whether `text`, as Graph or a caller wrote it, is this key.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        canonical_key(text) == self.0
    }

    /// The key in its canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key percent-encoded, as one path segment.
    pub(super) fn segment(&self) -> impl fmt::Display + '_ {
        utf8_percent_encode(&self.0, SEGMENT)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The canonical form of a key's text: each GUID in lower case, the rest unchanged. The case of a
/// GUID's digits has no meaning (RFC 9562, section 4), and callers, Graph and other tools use both.
/// A GUID is delimited by the ends of the text or by characters other than letters, digits and
/// hyphens, as in the live keys of status rows, which are GUIDs joined by `_`.
#[must_use]
pub fn canonical_key(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '-';
    let mut canonical = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
        if is_guid(word) {
            canonical.extend(word.chars().map(|c| c.to_ascii_lowercase()));
        } else {
            canonical.push_str(word);
        }
        let (between, next) = after.split_at(after.find(is_word).unwrap_or(after.len()));
        canonical.push_str(between);
        rest = next;
    }
    if canonical == text { Cow::Borrowed(text) } else { Cow::Owned(canonical) }
}

/// Whether a text is a GUID in the form that Graph writes: 8-4-4-4-12 hexadecimal digits of either case.
pub fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Decodes until nothing changes, since a proxy on the way may decode once more than the service does. A dot segment
/// is at most two bytes, each of which an encoding makes three bytes longer at most, so most keys end at once.
fn is_dot_segment(text: &str) -> bool {
    if !text.contains('.') && !text.contains('%') {
        return false;
    }
    let mut text = text.to_owned();
    loop {
        if text == "." || text == ".." {
            return true;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return false;
        }
        text = decoded;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{InvalidKey, Key, canonical_key, is_guid};

    const GUID: &str = "E2a23631-3631-e2A2-3136-a2e23136a2E2";

    #[test]
    fn guids_compare_without_regard_to_case_and_nothing_else_does() {
        let lower = GUID.to_lowercase();
        for (text, expected) in [
            (GUID.to_owned(), lower.clone()),
            (GUID.to_uppercase(), lower.clone()),
            (format!("{GUID}_{GUID}_{GUID}"), format!("{lower}_{lower}_{lower}")),
            (format!("{GUID}__{GUID}_"), format!("{lower}__{lower}_")),
            (format!("{{{GUID}}}"), format!("{{{lower}}}")),
            (format!("Word_{GUID}"), format!("Word_{lower}")),
            (format!("Ä.{GUID}:Ö"), format!("Ä.{lower}:Ö")),
            // A word that contains a GUID as a part.
            (format!("x{GUID}"), format!("x{GUID}")),
            (format!("{GUID}-A"), format!("{GUID}-A")),
            (format!("Ä{GUID}"), format!("Ä{GUID}")),
            (GUID.replace('-', ""), GUID.replace('-', "")),
            (GUID.replace('-', "_"), GUID.replace('-', "_")),
            ("DefaultDeviceCompliancePolicy.X".to_owned(), "DefaultDeviceCompliancePolicy.X".to_owned()),
        ] {
            let key = Key::new(text.clone()).unwrap();
            assert_eq!(key.as_str(), expected);
            assert!(key.is(&text) && key.is(&expected), "{text}");
            assert_eq!(Key::new(expected.clone()), Ok(key.clone()));
            assert!(!key.is("x") && !key.is(&format!("{expected}x")), "{text}");
        }
        assert_ne!(Key::new("Word"), Key::new("word"));
    }

    #[test]
    fn dot_segments_are_refused_in_every_encoding() {
        for text in [".", "..", "%2e", "%2E", ".%2e", "%2E%2e", "%252e", "%25%32%65."] {
            assert_eq!(Key::new(text), Err(InvalidKey::DotSegment), "{text}");
        }
        assert_eq!(Key::new(""), Err(InvalidKey::Empty));
        assert_eq!(Key::new("a".repeat(1025)), Err(InvalidKey::TooLong));
    }

    #[test]
    fn ordinary_and_odd_keys_are_one_segment() {
        for (text, segment) in [
            ("e2a23631-3631-e2a2-3136-a2e23136a2e2", "e2a23631-3631-e2a2-3136-a2e23136a2e2"),
            ("a_b.c~d", "a_b.c~d"),
            ("a/b", "a%2Fb"),
            ("x/../../users", "x%2F..%2F..%2Fusers"),
            ("?x", "%3Fx"),
            ("#", "%23"),
            ("x\r\nHost: a", "x%0D%0AHost%3A%20a"),
            ("ü", "%C3%BC"),
            ("...", "..."),
            ("%2F", "%252F"),
        ] {
            assert_eq!(Key::new(text).unwrap().segment().to_string(), segment);
        }
    }

    proptest! {
        #[test]
        fn any_key_is_one_segment_of_a_url(text in "\\PC{1,40}|[\\x00-\\x7f]{1,40}") {
            let Ok(key) = Key::new(text.clone()) else { return Ok(()) };
            let url = url::Url::parse(&format!("http://localhost/beta/items/{}/rows", key.segment())).unwrap();
            let segments: Vec<_> = url.path_segments().unwrap().collect();
            prop_assert_eq!(segments.len(), 4);
            let decoded = percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap();
            prop_assert_eq!(&decoded, key.as_str());
            prop_assert!(decoded.eq_ignore_ascii_case(&text));
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }

        #[test]
        fn the_canonical_form_is_one_and_changes_guids_alone(
            parts in proptest::collection::vec(
                "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}|[_{}.A-Za-z-]|\\PC", 1..8,
            )
        ) {
            let text = parts.concat();
            let once = canonical_key(&text).into_owned();
            prop_assert_eq!(canonical_key(&once).into_owned(), once.clone());
            prop_assert!(once.eq_ignore_ascii_case(&text));
            let joined = parts.join("_");
            let (joined, whole) = (canonical_key(&joined).into_owned(), joined.clone());
            for (part, given) in joined.split('_').zip(whole.split('_')) {
                let expected = if is_guid(given) { given.to_lowercase() } else { given.to_owned() };
                // Parts may contain characters that end a word.
                prop_assert!(part == expected || given.chars().any(|c| !c.is_alphanumeric() && c != '-'));
            }
        }
    }
}
