//! The value of a string literal: section 2.9.4 of the specification, "String Value", as of
//! September 2025, which adds `\u{1F600}` and surrogate pairs to October 2021.

/// The value of a string between single quotes, or its error.
pub(crate) fn string_value(raw: &str) -> Result<String, &'static str> {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(start) = rest.find('\\') {
        value.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let escaped = rest.chars().next().ok_or(UNKNOWN)?;
        rest = &rest[escaped.len_utf8()..];
        value.push(match escaped {
            '"' | '\\' | '/' => escaped,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (char, after) = unicode(rest)?;
                rest = after;
                char
            }
            _ => return Err(UNKNOWN),
        });
    }
    value.push_str(rest);
    Ok(value)
}

const UNKNOWN: &str = "Invalid escape sequence in a string.";
const NO_SCALAR: &str = "Invalid Unicode escape in a string: it is not a Unicode scalar value.";

/// The character that an escape means, given what follows its `\u`, and the text after it.
fn unicode(text: &str) -> Result<(char, &str), &'static str> {
    if let Some(braced) = text.strip_prefix('{') {
        let (digits, after) = braced.split_once('}').ok_or(UNKNOWN)?;
        return Ok((char::from_u32(hex(digits)?).ok_or(NO_SCALAR)?, after));
    }
    let (first, after) = four_digits(text)?;
    if let Some(char) = char::from_u32(first) {
        return Ok((char, after));
    }
    // A surrogate: it means something only as the first half of a pair.
    let second = after.strip_prefix("\\u").ok_or(NO_SCALAR)?;
    let (second, after) = four_digits(second)?;
    if !(0xd800..0xdc00).contains(&first) || !(0xdc00..0xe000).contains(&second) {
        return Err(NO_SCALAR);
    }
    let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    Ok((char::from_u32(scalar).ok_or(NO_SCALAR)?, after))
}

fn four_digits(text: &str) -> Result<(u32, &str), &'static str> {
    let (digits, after) = text.split_at_checked(4).ok_or(UNKNOWN)?;
    Ok((hex(digits)?, after))
}

fn hex(digits: &str) -> Result<u32, &'static str> {
    // `from_str_radix` would take a sign.
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(UNKNOWN);
    }
    u32::from_str_radix(digits, 16).map_err(|_| NO_SCALAR)
}

/// The value of a string between triple quotes: the indentation that all lines but the first share is taken off,
/// and so are empty lines at either end (2.9.4, `BlockStringValue`).
pub(crate) fn block_string_value(raw: &str) -> String {
    let unified = raw.replace("\r\n", "\n").replace('\r', "\n");
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let is_blank = |line: &&str| indent(line) == line.len();

    let mut lines: Vec<&str> = unified.split('\n').collect();
    let shared = lines.iter().skip(1).filter(|line| !is_blank(line)).map(|line| indent(line)).min();
    if let Some(shared) = shared {
        for line in lines.iter_mut().skip(1) {
            // A blank line may be shorter than the common indentation.
            *line = line.get(shared..).unwrap_or_default();
        }
    }
    let Some(first) = lines.iter().position(|line| !is_blank(line)) else {
        return String::new();
    };
    let last = lines.iter().rposition(|line| !is_blank(line)).unwrap_or(first);
    lines[first..=last].join("\n").replace("\\\"\"\"", "\"\"\"")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_mean_what_the_specification_says() {
        assert_eq!(string_value(r#"a\"\\\/\b\f\n\r\té"#).unwrap(), "a\"\\/\u{8}\u{c}\n\r\té");
        assert_eq!(string_value(r"\u00e9\u{e9}\u{0000E9}\u0041").unwrap(), "éééA");
        assert_eq!(string_value(r"\uD83D\uDE00\u{1F600}\ud83d\ude00").unwrap(), "😀😀😀");
    }

    #[test]
    fn a_lone_surrogate_is_refused() {
        for lone in [
            r"\uD83D",
            r"\uDE00",
            r"\uDE00\uD83D",
            r"\uD83D\uD83D",
            r"\uD83Dx",
            r"\uD83D\n",
            r"\u{D83D}",
            r"\u{D83D}\u{DE00}",
            r"\uD83D\u{DE00}",
        ] {
            assert!(string_value(lone).is_err(), "{lone}");
        }
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for broken in
            [r"\", r"\x", r"\u", r"\u12", r"\u12é4", r"\u+123", r"\u{}", r"\u{+1}", r"\u{110000}", r"\u{12"]
        {
            assert!(string_value(broken).is_err(), "{broken}");
        }
        assert!(string_value(r"\u{FFFFFFFFFFFFFFFF}").is_err());
    }

    #[test]
    fn a_block_string_loses_its_indentation_and_its_empty_ends() {
        assert_eq!(
            block_string_value("\n    Hello,\n      World!\n\n    Yours,\n  \n"),
            "Hello,\n  World!\n\nYours,"
        );
        assert_eq!(block_string_value("  first\r\n   second\r    third"), "  first\nsecond\n third");
        assert_eq!(block_string_value(r#"a \""" b \n"#), r#"a """ b \n"#);
        assert_eq!(block_string_value("\n \n\t\n"), "");
        assert_eq!(block_string_value(""), "");
    }

    proptest! {
        #[test]
        fn any_text_has_a_value_or_an_error(raw in any::<String>()) {
            let _ = string_value(&raw);
            let _ = block_string_value(&raw);
        }

        #[test]
        fn any_mix_of_escapes_has_a_value_or_an_error(raw in r"(\\u\{?[dD89cCeE0-9]{0,5}\}?|\\.|é){0,6}") {
            let _ = string_value(&raw);
        }

        #[test]
        fn every_character_comes_back_from_its_escapes(char in any::<char>()) {
            let mut units = [0; 2];
            let escaped: String =
                char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04X}")).collect();
            prop_assert_eq!(string_value(&escaped), Ok(char.to_string()));
            prop_assert_eq!(string_value(&format!("\\u{{{:x}}}", u32::from(char))), Ok(char.to_string()));
        }
    }
}
