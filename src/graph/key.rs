//! Keys of Graph's entities, and how they stand in a path.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// All but RFC 3986's unreserved characters: whatever a key holds, it stays one path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longest key, in bytes; a live one has about 110.
const MAX_BYTES: usize = 1024;

/// Graph's own key of an entity: opaque text that is sent as exactly one path segment.
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
    /// Checks that `text` can stand as one segment of a path.
    ///
    /// # Errors
    ///
    /// Where it is empty, longer than 1024 bytes, or a dot segment in any number of percent-encodings.
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
        Ok(Self(text))
    }

    /// The key as Graph wrote it.
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

    use super::{InvalidKey, Key};

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
            prop_assert_eq!(percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap(), text);
            prop_assert!(url.query().is_none() && url.fragment().is_none());
        }
    }
}
