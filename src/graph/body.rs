//! Response bodies as JSON text. Proxies and older services between Graph and the gateway add a
//! byte order mark, use UTF-16, split surrogate pairs, or append text. The JSON is read
//! nevertheless.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// Maximum nesting of brackets in a response, ignored members included. Graph's own responses nest four deep.
pub(super) const MAX_NESTING: usize = 64;
/// The error of a response that nests too deep.
pub(super) const NESTS_TOO_DEEP: &str = "the answer's brackets nest too deep";

/// The text of a body, without a byte order mark and without whitespace and NUL at its ends. Bytes that are not valid
/// become U+FFFD. A clean body is not copied.
pub(super) fn text(body: &[u8]) -> Cow<'_, str> {
    let decoded = match body {
        [0xff, 0xfe, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        // No mark: JSON starts with two ASCII characters, of which UTF-8 has no NUL.
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => utf_16(body, u16::from_le_bytes),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => utf_16(body, u16::from_be_bytes),
        // Nearly always valid; the lossy conversion looks at each byte on its own.
        _ => std::str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed),
    };
    let is_padding = |c: char| c == '\u{feff}' || c == '\0' || c.is_whitespace();
    match decoded {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches(is_padding)),
        Cow::Owned(text) => Cow::Owned(text.trim_matches(is_padding).to_owned()),
    }
}

/// A last byte without its other half is left out.
fn utf_16(body: &[u8], unit: impl Fn([u8; 2]) -> u16) -> Cow<'static, str> {
    let (pairs, _) = body.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into()
}

/// Parses the first JSON value of a text and ignores the rest. Its strings are [`mended`] if
/// necessary.
///
/// # Errors
///
/// If there is no value of this type.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    first(text).or_else(|error| match mended(text) {
        Some(mended) => first(&mended),
        None => Err(error),
    })
}

/// The first JSON value of a text, which borrows from the text. The rest is ignored.
///
/// # Errors
///
/// If there is no value of this type.
pub(super) fn first<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, serde_json::Error> {
    T::deserialize(&mut serde_json::Deserializer::from_str(text))
}

/// Whether a text starts with a JSON object and contains no further JSON object, array or string,
/// because two documents may contradict each other.
pub(super) fn is_one_object(text: &str) -> bool {
    let after = |text: &str| {
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        Some(!text[values.byte_offset()..].trim_start().starts_with(['{', '[', '"']))
    };
    text.starts_with('{') && after(text).or_else(|| after(&mended(text)?)).unwrap_or_default()
}

/// The text with strings and numbers that every JSON parser accepts: half a surrogate pair becomes
/// U+FFFD, a control character is escaped, an invalid escape becomes its character, and a number
/// out of range becomes `false`. `None` if nothing has to be changed.
pub(super) fn mended(text: &str) -> Option<String> {
    let mut mended = String::new();
    let mut kept = 0;
    let mut rest = text.as_bytes();
    let at = |rest: &[u8]| text.len() - rest.len();
    let mut is_string = false;
    while let [byte, after @ ..] = rest {
        let here = at(rest);
        rest = after;
        let instead: Cow<'_, str> = match byte {
            b'"' => {
                is_string = !is_string;
                continue;
            }
            b'-' | b'0'..=b'9' if !is_string => {
                let is_of_number =
                    |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let length = 1 + after.iter().take_while(is_of_number).count();
                rest = &text.as_bytes()[here + length..];
                if !is_out_of_range(&text[here..here + length]) {
                    continue;
                }
                "false".into()
            }
            0..0x20 if is_string => format!("\\u{byte:04x}").into(),
            b'\\' if is_string => match after {
                [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', after @ ..] => {
                    rest = after;
                    continue;
                }
                [b'u', digits @ ..] => match (unit(digits), digits.get(4..)) {
                    (Some(0xd800..0xdc00), Some([b'\\', b'u', low @ ..]))
                        if matches!(unit(low), Some(0xdc00..0xe000)) =>
                    {
                        rest = &low[4..];
                        continue;
                    }
                    (Some(0xd800..0xe000), Some(after)) => {
                        rest = after;
                        "\u{fffd}".into()
                    }
                    (Some(_), Some(after)) => {
                        rest = after;
                        continue;
                    }
                    _ => {
                        rest = digits;
                        "\u{fffd}".into()
                    }
                },
                _ => "".into(),
            },
            _ => continue,
        };
        mended.push_str(&text[kept..here]);
        mended.push_str(&instead);
        kept = at(rest);
    }
    if kept == 0 {
        return None;
    }
    mended.push_str(&text[kept..]);
    Some(mended)
}

/// Whether a text is a JSON number that no number of the reader's can hold.
fn is_out_of_range(number: &str) -> bool {
    serde_json::from_str::<f64>(number).is_err() && serde_json::from_str::<IgnoredAny>(number).is_ok()
}

/// The UTF-16 unit of four hexadecimal digits.
fn unit(digits: &[u8]) -> Option<u16> {
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        let digit = char::from(*digit).to_digit(16)?;
        Some(unit << 4 | u16::try_from(digit).ok()?)
    })
}

/// Number of members of the objects that Graph usually returns.
const USUAL_MEMBERS: usize = 12;

/// The members of an object, not parsed. Names may be duplicate, and in another case than
/// documented.
#[derive(Debug)]
pub(super) struct Members<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

/// The value of a name in an object.
#[derive(Debug, Clone, Copy)]
pub(super) enum Member<'t> {
    /// Nothing.
    Absent,
    /// This, null included.
    Value(&'t RawValue),
    /// Two different values: neither is to be believed.
    Contradictory,
}

impl<'t> Members<'t> {
    /// The value of a name in the object: the exact name, or else one that differs only in case.
    pub(super) fn get(&self, name: &str) -> Member<'t> {
        let of = |is_name: &dyn Fn(&str) -> bool| {
            let mut values = self.0.iter().filter(|(found, _)| is_name(found)).map(|(_, value)| *value);
            let first = values.next()?;
            let is_same = values.all(|value| value.get() == first.get());
            Some(if is_same { Member::Value(first) } else { Member::Contradictory })
        };
        of(&|found| found == name)
            .or_else(|| of(&|found| found.eq_ignore_ascii_case(name)))
            .unwrap_or(Member::Absent)
    }

    /// Names and values, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'t RawValue)> {
        self.0.iter().map(|(name, value)| (&**name, *value))
    }

    /// The names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }
}

impl<'de: 't, 't> Deserialize<'de> for Members<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(USUAL_MEMBERS);
                while let Some((Name(name), value)) = map.next_entry()? {
                    members.push((name, value));
                }
                Ok(Members(members))
            }
        }

        let Members(members) = deserializer.deserialize_map(MembersVisitor)?;
        Ok(Self(members))
    }
}

/// A member's name, borrowed if it has no escapes.
pub(super) struct Name<'t>(pub(super) Cow<'t, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;

        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E: serde::de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(NameVisitor)
    }
}

/// Visits the members of the object at the start of a text; `None` if there is no object.
pub(super) fn with_members<T>(text: &str, look: impl FnOnce(&Members<'_>) -> T) -> Option<T> {
    if let Ok(members) = first(text) {
        return Some(look(&members));
    }
    let mended = mended(text)?;
    first(&mended).ok().map(|members| look(&members))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Member, Members, first, is_one_object, mended, read, text};

    fn utf_16(text: &str, mark: bool, bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn a_clean_body_is_not_copied() {
        for body in ["{\"a\":\"é😀\"}", "", "x"] {
            assert!(matches!(text(body.as_bytes()), Cow::Borrowed(found) if found == body), "{body}");
            assert_eq!(mended(body), None);
        }
    }

    #[test]
    fn marks_padding_and_encodings_are_taken_off() {
        let plain = "{\"a\":\"é😀\"}";
        for body in [
            format!("\u{feff}{plain}").into_bytes(),
            format!("\u{feff}\u{feff} {plain}\0\0\r\n").into_bytes(),
            format!("\r\n\0{plain}").into_bytes(),
            utf_16(plain, true, u16::to_le_bytes),
            utf_16(plain, true, u16::to_be_bytes),
            utf_16(plain, false, u16::to_le_bytes),
            utf_16(plain, false, u16::to_be_bytes),
            [utf_16(plain, true, u16::to_le_bytes), vec![0]].concat(),
        ] {
            assert_eq!(text(&body), plain, "{body:?}");
        }
        for body in [&b""[..], b"\0", b" \r\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"] {
            assert_eq!(text(body), "", "{body:?}");
        }
        assert_eq!(text(b"{\"a\":\"b\xffc\"}"), "{\"a\":\"b\u{fffd}c\"}");
    }

    #[test]
    fn what_json_readers_refuse_in_a_string_is_mended() {
        for (json, value) in [
            (r#"["\ud800"]"#, "\u{fffd}"),
            (r#"["\udc00"]"#, "\u{fffd}"),
            (r#"["a\uD83Db"]"#, "a\u{fffd}b"),
            (r#"["\ud800\ud83d\ude00"]"#, "\u{fffd}😀"),
            (r#"["\ud83d\ude00\ud83d"]"#, "😀\u{fffd}"),
            (r#"["\\ud800"]"#, "\\ud800"),
            (r#"["\\\ud800"]"#, "\\\u{fffd}"),
            (r#"["\ud800\n"]"#, "\u{fffd}\n"),
            (r#"["\u12"]"#, "\u{fffd}12"),
            (r#"["\u"]"#, "\u{fffd}"),
            (r#"["\uéabc"]"#, "\u{fffd}éabc"),
            (r#"["it\'s"]"#, "it's"),
            ("[\"a\tb\r\nc\"]", "a\tb\r\nc"),
            ("[\"a\u{1}b\"] trailing", "a\u{1}b"),
        ] {
            assert_eq!(read::<Value>(json).unwrap(), json!([value]), "{json}");
        }
        for json in ["", "{", "[\"\\ud800\"", "[\"\\", "<html>", "[\"a", "[\"\\u12"] {
            assert!(read::<Value>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_number_out_of_range_is_none_and_the_rest_stands() {
        let digits = "9".repeat(400);
        for number in ["1e999", "-1e999", "1E+999", "1.5e309", &digits, &format!("-{digits}.5")] {
            let json = format!(r#"{{"a":{number},"b":[{number},1e5,"1e999"],"c":"d"}}"#);
            let expected = json!({"a": false, "b": [false, 1e5, "1e999"], "c": "d"});
            assert_eq!(read::<Value>(&json).unwrap(), expected, "{number}");
        }
        for number in
            ["1e308", "-1.7976931348623157e308", "0e999", "1e-999", "18446744073709551616", "08", "-"]
        {
            assert_eq!(mended(&format!("[{number}]")), None, "{number}");
        }
    }

    #[test]
    fn one_object_is_one_whatever_else_follows() {
        for text in ["{}", "{} ", "{}x", "{}<!-- {} -->", "{\"a\":\"\t\"}\0", "{\"a\":1e999} 5"] {
            assert!(is_one_object(text), "{text}");
        }
        for text in ["", "{", "[{}]", "5", "\"{}\"", "null", "{}{", "{} {}", "{}\r\n[1]", "{}\"x\""] {
            assert!(!is_one_object(text), "{text}");
        }
    }

    #[test]
    fn what_follows_the_value_is_left_alone() {
        for json in ["{} ", "{}x", "{}{\"a\":1}", "{}<!-- served by p1 -->", "{}\0{"] {
            assert_eq!(read::<Value>(json).unwrap(), json!({}), "{json}");
        }
    }

    #[test]
    fn a_name_is_found_in_another_case_and_contradictions_are_told() {
        let members: Members<'_> =
            first(r#"{"id":1,"ID":2,"Status":3,"a":4,"a":5,"b":6,"b":6,"\u0063":7}"#).unwrap();
        let get = |name: &str| match members.get(name) {
            Member::Absent => "absent",
            Member::Value(value) => value.get(),
            Member::Contradictory => "contradictory",
        };
        let found = ["id", "Id", "status", "a", "b", "c", "d"].map(get);
        assert_eq!(found, ["1", "contradictory", "3", "contradictory", "6", "7", "absent"]);
        assert!(first::<Members<'_>>("[]").is_err() && first::<Members<'_>>("null").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let text = text(&body);
            let _ = read::<Value>(&text);
            let _ = mended(&text);
        }

        #[test]
        fn valid_json_is_read_as_it_is(strings in proptest::collection::vec("\\PC*|[\"\\\\/u0-9a-f\\x00-\\x20]*", 0..5)) {
            let json = json!(strings);
            let text = json.to_string();
            prop_assert_eq!(mended(&text), None);
            prop_assert_eq!(read::<Value>(&text).unwrap(), json.clone());
            prop_assert_eq!(read::<Value>(&super::text(&utf_16(&text, true, u16::to_be_bytes))).unwrap(), json);
        }

        #[test]
        fn once_mended_there_is_nothing_to_mend(text in "[\"\\\\ud8c0-9{}\\x00-\\x20é]*") {
            if let Some(mended) = super::mended(&text) {
                prop_assert_eq!(super::mended(&mended), None);
            }
        }
    }
}
