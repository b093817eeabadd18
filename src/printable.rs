//! Texts of files, variables and arguments as they may be printed: on one line, without control characters and credentials.

/// The text on one line, with credentials hidden.
#[must_use]
pub fn printable(text: &str) -> String {
    // A URL in a sentence ends with a quote, a bracket or a comma.
    let is_end =
        |char: char| ENDS_OF_AUTHORITY.contains(&char) || "'\"`),".contains(char) || char.is_whitespace();
    escape(&without_credentials(text, &is_end))
}

/// Escapes characters that move the cursor, change colors or the direction of the text, as Rust does.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if must_escape(char) { escaped.extend(char.escape_default()) } else { escaped.push(char) }
    }
    escaped
}

/// Controls, line and paragraph separators, and the marks, embeddings and isolates of bidirectional text.
pub(crate) fn must_escape(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The characters that may follow a URL's user, host and port.
const ENDS_OF_AUTHORITY: [char; 4] = ['/', '?', '#', '\\'];

/// The text with `***` instead of the user and the password of each URL in it, whose authority ends where `is_end` says.
fn without_credentials(text: &str, is_end: &dyn Fn(char) -> bool) -> String {
    let Some(start) = text.find("://") else { return text.to_owned() };
    let (scheme, rest) = text.split_at(start + "://".len());
    let end = rest.find(is_end).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let authority = match authority.rsplit_once('@') {
        Some((_credentials, host)) => format!("***@{host}"),
        None => authority.to_owned(),
    };
    format!("{scheme}{authority}{}", without_credentials(rest, is_end))
}

/// A value with its credentials hidden, also if it is no URL: `user:password@host`, or a password that a URL cannot have. A
/// path is left as it is.
pub(crate) fn value_without_credentials(value: &str) -> String {
    let (scheme, rest) = value.split_once("://").map_or(("", value), |(scheme, rest)| (scheme, rest));
    let is_url = url::Url::parse(value).is_ok_and(|url| url.has_host());
    if is_url || (scheme.is_empty() && !is_user_and_host(rest)) {
        return without_credentials(value, &|char| ENDS_OF_AUTHORITY.contains(&char));
    }
    let separator = if scheme.is_empty() { "" } else { "://" };
    if let Some((_credentials, host)) = rest.rsplit_once('@') {
        return format!("{scheme}{separator}***@{host}");
    }
    // What looks like a port may be the start of a password, which a comma has cut off.
    match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && port.parse::<u16>().is_err() => {
            format!("{scheme}{separator}{host}:***")
        }
        _ => value.to_owned(),
    }
}

fn is_user_and_host(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, _)| user.contains(':') && !user.contains(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::{printable, value_without_credentials};

    #[test]
    fn texts_are_printed_on_one_line_without_controls() {
        for (text, expected) in [
            ("plain, with ümlauts 漢字", "plain, with ümlauts 漢字"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\x1b[31mred\u{9b}m", "\\u{1b}[31mred\\u{9b}m"),
            ("a\u{202e}b\u{2066}c\u{2028}", "a\\u{202e}b\\u{2066}c\\u{2028}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn credentials_of_urls_are_hidden_wherever_they_stand() {
        for (text, expected) in [
            (
                "no response from https://user:secret@h:1/readyz: refused",
                "no response from https://***@h:1/readyz: refused",
            ),
            ("'https://a:secret@h', 'b://c@d'", "'https://***@h', 'b://***@d'"),
            ("https://h/a@b and x@y", "https://h/a@b and x@y"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn credentials_of_values_are_hidden() {
        for (value, expected) in [
            ("redis://user:secret@store:6379/0", "redis://***@store:6379/0"),
            ("https://:secret@graph.example/beta", "https://***@graph.example/beta"),
            ("https://user:se'cret@graph.example", "https://***@graph.example"),
            ("https://user:sec/ret@graph.example/beta", "https://***@graph.example/beta"),
            ("https://user:sec ret@h", "https://***@h"),
            ("https://user:sec", "https://user:***"),
            ("user:secret@127.0.0.1:4000", "***@127.0.0.1:4000"),
            ("https://graph.example/beta", "https://graph.example/beta"),
            ("https://[::1]", "https://[::1]"),
            ("http://h:999999", "http://h:***"),
            ("127.0.0.1:4000", "127.0.0.1:4000"),
            ("/etc/tls@2/x:y@z.pem", "/etc/tls@2/x:y@z.pem"),
            ("warn,intune_graphql=debug", "warn,intune_graphql=debug"),
            ("30s", "30s"),
        ] {
            assert_eq!(value_without_credentials(value), expected);
        }
    }
}
