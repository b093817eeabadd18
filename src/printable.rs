//! Texts of files, variables and arguments as they may be printed: on one line, without control characters and credentials.

/// A sentence on one line, with credentials hidden. A password with a space is hidden only if the value that it is in was
/// quoted by `value_without_credentials`.
#[must_use]
pub fn printable(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    escape(&words.map(|word| without_credentials(word, false)).collect::<String>())
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

/// A value with its credentials hidden, also if it is no URL, or has several: `//user:password@host`,
/// `user:password@host`, or a password that a URL cannot have. An absolute path is left as it is.
pub(crate) fn value_without_credentials(value: &str) -> String {
    without_credentials(value, true)
}

/// The characters that may follow a URL's user, host and port.
const ENDS_OF_AUTHORITY: [char; 4] = ['/', '?', '#', '\\'];
/// What a URL or a value may follow in a text.
const BEFORE_VALUE: [char; 7] = ['\'', '"', '`', '(', '<', ',', '='];

/// The text with `***` instead of what may be users and passwords. Rather too much is hidden than too little.
fn without_credentials(text: &str, is_value: bool) -> String {
    let starts = authorities(text);
    let (before, _) = text.split_at(starts.first().copied().unwrap_or(text.len()));
    let mut shown = without_user(before);
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(text.len());
        let part = text.get(*start..end).unwrap_or_default();
        shown.push_str(&authority_without_credentials(part, is_value));
    }
    shown
}

/// Where the authorities of URLs start: after two slashes that follow a scheme or begin a value. Backslashes are slashes.
fn authorities(text: &str) -> Vec<usize> {
    let is_slash = |char: char| matches!(char, '/' | '\\');
    let mut starts = Vec::new();
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(is_slash)) {
        let slash = from + found;
        let rest = text.get(slash..).unwrap_or_default();
        from = text.len() - rest.trim_start_matches(is_slash).len();
        let before = text.get(..slash).unwrap_or_default().chars().next_back();
        let is_start =
            before.is_none_or(|char| char == ':' || char.is_whitespace() || BEFORE_VALUE.contains(&char));
        if is_start && from - slash >= 2 {
            starts.push(from);
        }
    }
    starts
}

/// What follows two slashes.
fn authority_without_credentials(text: &str, is_value: bool) -> String {
    let authority = text.split(ENDS_OF_AUTHORITY).next().unwrap_or_default();
    // A password may have a character that ends an authority.
    let credentials = authority.rsplit_once('@').map(|(credentials, _)| credentials);
    let credentials = credentials.or_else(|| {
        let (before, _) = text.rsplit_once('@')?;
        authority.contains(':').then_some(before)
    });
    if let Some(rest) = credentials.and_then(|credentials| text.strip_prefix(credentials)) {
        return format!("***{rest}");
    }
    // What looks like a port may be the start of a password, which a comma has cut off.
    match authority.split_once(':') {
        Some((host, port)) if is_value && !host.starts_with('[') && !starts_with_port(port) => {
            format!("{host}:***{}", text.strip_prefix(authority).unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

/// Whether the text is a port, maybe followed by another value. An empty port is the default one.
fn starts_with_port(text: &str) -> bool {
    let port = text.split([',', ';', ' ']).next().unwrap_or_default();
    port.is_empty() || port.parse::<u16>().is_ok()
}

/// A text without an authority, in which `user:password@` is hidden.
fn without_user(text: &str) -> String {
    let value = text.trim_start_matches(BEFORE_VALUE);
    let is_path = ["/", "\\", "./", "../", "~"].iter().any(|start| value.starts_with(start));
    match value.rsplit_once('@') {
        Some((credentials, host)) if !is_path && credentials.contains(':') => {
            let quote = text.strip_suffix(value).unwrap_or_default();
            format!("{quote}***@{host}")
        }
        _ => text.to_owned(),
    }
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
            ("--config: user:secret@h: No such file", "--config: ***@h: No such file"),
            ("`//user:secret@h` and (https:\\\\u:secret@h)", "`//***@h` and (https:\\\\***@h)"),
            ("at 10:30 to http://h:1: refused", "at 10:30 to http://h:1: refused"),
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
            ("//user:secret@h", "//***@h"),
            ("https:\\\\user:secret@h", "https:\\\\***@h"),
            ("https:/\\user:secret@h", "https:/\\***@h"),
            ("https:/user:secret@h", "***@h"),
            ("https:user:secret@h", "***@h"),
            ("redis://user:a\\b@h", "redis://***@h"),
            ("https://a:b@c,https://d:e@f", "https://***@c,https://***@f"),
            ("https://c,//d:e@f g:h@i", "https://c,//***@i"),
            ("https://c;https://d:e@f/x", "https://c;https://***@f/x"),
            ("https://user:sec,x://ret@h", "https://user:***//***@h"),
            ("a:b@c,d:e@f", "***@f"),
            ("https://user:12/34@h", "https://***@h"),
            ("https://h/a@b", "https://h/a@b"),
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
