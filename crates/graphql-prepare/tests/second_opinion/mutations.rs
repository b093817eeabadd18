//! Documents changed token by token.

use super::choices::Choices;

/// Tokens to put in.
const POOL: [&str; 44] = [
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "$",
    "=",
    "@",
    "...",
    "on",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "id",
    "name",
    "__typename",
    "x",
    "$x",
    "x:",
    "null",
    "true",
    "1",
    "-1",
    "1.5",
    "01",
    "1e5",
    "\"\"",
    "\"a\"",
    "\"\"\"b\"\"\"",
    r#""\u{110000}""#,
    r#""\uDE00""#,
    "@skip(if:true)",
    "@include(if:$x)",
    "...F",
    "...on Query{__typename}",
    "#c\n",
    "&",
    "|",
    ",",
    "\u{feff}",
];

/// Changes a document a few times.
pub(crate) fn change(document: &str, choices: &mut Choices<'_>) -> String {
    let mut tokens: Vec<String> = tokens(document).into_iter().map(str::to_owned).collect();
    for _ in 0..1 + choices.below(3) {
        if tokens.is_empty() {
            break;
        }
        let at = choices.below(tokens.len());
        let end = group_end(&tokens, at);
        match choices.below(9) {
            // A token or a whole group is left out, repeated, or moved.
            0 => drop(tokens.remove(at)),
            1 => drop(tokens.drain(at..end)),
            2 => {
                let group = tokens[at..end].to_vec();
                tokens.splice(at..at, group);
            }
            3 => {
                let other = choices.below(tokens.len());
                tokens.swap(at, other);
            }
            // It is replaced by another one of the document, or of the pool.
            4 => tokens[at] = tokens[choices.below(tokens.len())].clone(),
            5 => tokens[at] = POOL[choices.below(POOL.len())].to_owned(),
            6 => tokens.insert(at, POOL[choices.below(POOL.len())].to_owned()),
            // It is nested in a list, or in a selection.
            7 => {
                tokens.insert(end, "]".to_owned());
                tokens.insert(at, "[".to_owned());
            }
            _ => {
                tokens.insert(end, "}".to_owned());
                tokens.insert(at, "...{".to_owned());
            }
        }
    }
    tokens.join(" ")
}

/// The end of the bracketed group that starts at a token, or of the token.
fn group_end(tokens: &[String], at: usize) -> usize {
    let mut open = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "{" | "(" | "[" => open += 1,
            "}" | ")" | "]" => open = open.saturating_sub(1),
            _ => {}
        }
        if open == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

/// The length of the string that a text begins with, up to its closing quotes or the end. An escape hides what follows it; in
/// a block string, only the escaped quotes do.
fn string_length(text: &str, quotes: &str, escape: &str) -> usize {
    let mut at = quotes.len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        at += match rest.strip_prefix(escape) {
            Some(hidden) if quotes.len() == 1 => {
                escape.len() + hidden.chars().next().map_or(0, char::len_utf8)
            }
            Some(_) => escape.len(),
            None if rest.starts_with(quotes) => return at + quotes.len(),
            None => rest.chars().next().map_or(0, char::len_utf8),
        };
    }
    text.len()
}

/// The tokens of a document, roughly.
pub(crate) fn tokens(document: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = document;
    while let Some(first) = rest.chars().next() {
        let is_word = |char: char| char == '_' || char == '.' || char == '-' || char.is_ascii_alphanumeric();
        let length = match first {
            ' ' | '\n' | '\r' | '\t' | ',' => {
                rest = &rest[1..];
                continue;
            }
            '"' if rest.starts_with("\"\"\"") => string_length(rest, "\"\"\"", "\\\"\"\""),
            '"' => string_length(rest, "\"", "\\"),
            '.' if rest.starts_with("...") => 3,
            // With the end of its line, which ends it.
            '#' => rest.find(['\n', '\r']).map_or(rest.len(), |end| end + 1),
            '$' => 1 + rest[1..].find(|char| !is_word(char)).unwrap_or(rest.len() - 1),
            _ if is_word(first) => rest.find(|char| !is_word(char)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = &rest[length..];
    }
    tokens
}
