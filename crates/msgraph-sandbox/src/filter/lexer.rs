//! The lexer of `$filter`: it splits the text into tokens.

/// A token of a `$filter`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Comma,
    /// A string literal, doubled quotes undone.
    Quoted(String),
    /// A member of an enumeration in its qualified form: the type's name and the member's.
    Qualified(String, String),
    /// A name, an operator, or a literal without quotes.
    Bare(String),
}

/// Splits a filter into tokens.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            ' ' | '\t' => rest = &rest[1..],
            '(' | ')' | ',' => {
                tokens.push(match first {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
                rest = &rest[1..];
            }
            '\'' => {
                let (literal, after) = quoted(rest)?;
                tokens.push(Token::Quoted(literal));
                rest = after;
            }
            _ => {
                let end = rest.find([' ', '\t', '(', ')', ',', '\'']).unwrap_or(rest.len());
                let (bare, after) = rest.split_at(end);
                if after.starts_with('\'') {
                    let (member, after) = quoted(after)?;
                    tokens.push(Token::Qualified(bare.to_owned(), member));
                    rest = after;
                } else {
                    tokens.push(Token::Bare(bare.to_owned()));
                    rest = after;
                }
            }
        }
    }
    Ok(tokens)
}

/// The string literal at the start of a text, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut literal = String::new();
    let mut rest = &text[1..];
    loop {
        let end =
            rest.find('\'').ok_or_else(|| format!("There is an unterminated string literal in '{text}'."))?;
        literal.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(after) => {
                literal.push('\'');
                rest = after;
            }
            None => return Ok((literal, rest)),
        }
    }
}
