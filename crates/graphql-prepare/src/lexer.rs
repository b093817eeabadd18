//! Text to tokens: the specification's section 2.1, "Source Text", and its appendix "Lexical Tokens".
//!
//! Positions are lines and columns from one; a column is a Unicode scalar value wide.

use async_graphql::Pos;

use crate::error::{RequestError, TruncatedName};

/// One token and its position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind<'a>,
    pub(crate) pos: Pos,
}

/// The kinds of token, with the text that they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind<'a> {
    /// Any punctuator but the spread's.
    Punctuator(char),
    /// `...`
    Spread,
    Name(&'a str),
    Int(&'a str),
    Float(&'a str),
    /// The text between the quotes, with escapes.
    String(&'a str),
    /// The text between the triple quotes, unchanged.
    BlockString(&'a str),
    End,
}

impl TokenKind<'_> {
    /// The token in a message. Numbers and strings are values, and are not repeated.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Punctuator(char) => format!("`{char}`"),
            Self::Spread => "`...`".to_owned(),
            Self::Name(name) => TruncatedName(name).to_string(),
            Self::Int(_) | Self::Float(_) => "a number".to_owned(),
            Self::String(_) | Self::BlockString(_) => "a string".to_owned(),
            Self::End => "the end of the document".to_owned(),
        }
    }
}

/// Reads tokens one by one.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    pos: Pos,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { rest: source, pos: Pos { line: 1, column: 1 } }
    }

    /// The position after the last token.
    pub(crate) fn pos(&self) -> Pos {
        self.pos
    }

    /// The number of bytes of `source`, the whole text, up to the end of the last token.
    pub(crate) fn offset(&self, source: &str) -> usize {
        source.len() - self.rest.len()
    }

    /// The next token; [`TokenKind::End`] for ever after the last.
    pub(crate) fn next_token(&mut self) -> Result<Token<'a>, RequestError> {
        self.skip_ignored();
        let pos = self.pos;
        let Some(first) = self.rest.chars().next() else {
            return Ok(Token { kind: TokenKind::End, pos });
        };
        let kind = match first {
            '!' | '$' | '&' | '(' | ')' | ':' | '=' | '@' | '[' | ']' | '{' | '|' | '}' => {
                self.take(1);
                TokenKind::Punctuator(first)
            }
            '.' if self.rest.starts_with("...") => {
                self.take(3);
                TokenKind::Spread
            }
            '_' | 'a'..='z' | 'A'..='Z' => TokenKind::Name(self.take(name_length(self.rest))),
            '-' | '0'..='9' => self.number()?,
            '"' if self.rest.starts_with("\"\"\"") => self.block_string()?,
            '"' => self.string()?,
            _ => return Err(RequestError::parse(pos, "Unexpected character.")),
        };
        Ok(Token { kind, pos })
    }

    /// White space, line ends, commas, comments and the byte order mark mean nothing (2.1.7, "Ignored Tokens").
    fn skip_ignored(&mut self) {
        loop {
            match self.rest.as_bytes() {
                [b' ' | b'\t' | b',', ..] => {
                    self.take(1);
                }
                [b'\r', b'\n', ..] => self.end_line(2),
                [b'\r' | b'\n', ..] => self.end_line(1),
                [b'#', ..] => {
                    let end = self.rest.find(['\r', '\n']).unwrap_or(self.rest.len());
                    self.take(end);
                }
                _ if self.rest.starts_with('\u{feff}') => {
                    self.take('\u{feff}'.len_utf8());
                }
                _ => return,
            }
        }
    }

    fn number(&mut self) -> Result<TokenKind<'a>, RequestError> {
        let pos = self.pos;
        let bytes = self.rest.as_bytes();
        let digits_from =
            |start: usize| bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let wrong = || {
            RequestError::parse(
                pos,
                "Invalid number: GraphQL allows no leading zeros, and needs digits after `-`, `.` and `e`.",
            )
        };

        let sign = usize::from(bytes[0] == b'-');
        let integer = digits_from(sign);
        let leading_zero = integer > 1 && bytes[sign] == b'0';
        if integer == 0 || leading_zero {
            return Err(wrong());
        }
        let mut end = sign + integer;
        let mut float = false;
        if bytes.get(end) == Some(&b'.') {
            let fraction = digits_from(end + 1);
            if fraction == 0 {
                return Err(wrong());
            }
            float = true;
            end += 1 + fraction;
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits_from(end + 1 + sign);
            if exponent == 0 {
                return Err(wrong());
            }
            float = true;
            end += 1 + sign + exponent;
        }
        // `1a` and `1.2.3` are mistakes, not two tokens.
        if bytes.get(end).is_some_and(|&byte| byte == b'.' || byte == b'_' || byte.is_ascii_alphabetic()) {
            return Err(wrong());
        }
        let text = self.take(end);
        Ok(if float { TokenKind::Float(text) } else { TokenKind::Int(text) })
    }

    fn string(&mut self) -> Result<TokenKind<'a>, RequestError> {
        let content = &self.rest[1..];
        let mut bytes = content.bytes().enumerate();
        while let Some((index, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.take(index + 2);
                    return Ok(TokenKind::String(&content[..index]));
                }
                b'\n' | b'\r' => break,
                // An escaped character does not end the string.
                b'\\' if content[index + 1..].starts_with(['"', '\\']) => {
                    bytes.next();
                }
                _ => {}
            }
        }
        Err(RequestError::parse(self.pos, "Unterminated string: the closing quote must be on the same line."))
    }

    fn block_string(&mut self) -> Result<TokenKind<'a>, RequestError> {
        let content = &self.rest[3..];
        let mut from = 0;
        while let Some(found) = content[from..].find("\"\"\"") {
            let end = from + found;
            if content[..end].ends_with('\\') {
                from = end + 3;
                continue;
            }
            self.take_lines(3 + end + 3);
            return Ok(TokenKind::BlockString(&content[..end]));
        }
        Err(RequestError::parse(self.pos, "Unterminated block string: the closing `\"\"\"` is missing."))
    }

    /// Goes past `length` bytes that hold no line end.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.pos.column += taken.chars().count();
        self.rest = rest;
        taken
    }

    /// Goes past `length` bytes that may hold line ends.
    fn take_lines(&mut self, length: usize) {
        let end = self.rest.len() - length;
        while self.rest.len() > end {
            let left = &self.rest[..self.rest.len() - end];
            match left.find(['\r', '\n']) {
                None => {
                    self.take(left.len());
                }
                Some(line) => {
                    self.take(line);
                    self.end_line(if left[line..].starts_with("\r\n") { 2 } else { 1 });
                }
            }
        }
    }

    fn end_line(&mut self, length: usize) {
        self.rest = &self.rest[length..];
        self.pos = Pos { line: self.pos.line + 1, column: 1 };
    }
}

fn name_length(text: &str) -> usize {
    text.bytes().take_while(|&byte| byte == b'_' || byte.is_ascii_alphanumeric()).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TokenKind::*, *};

    fn lex(source: &str) -> Result<Vec<(TokenKind<'_>, usize, usize)>, RequestError> {
        let mut lexer = Lexer::new(source);
        let mut tokens = Vec::new();
        loop {
            let token = lexer.next_token()?;
            if token.kind == End {
                return Ok(tokens);
            }
            tokens.push((token.kind, token.pos.line, token.pos.column));
        }
    }

    #[test]
    fn tokens_know_their_line_and_column() {
        assert_eq!(
            lex("\u{feff}query Q{\r\n  ,a:b(x:\"é\"y:1)\r#c {\n...F}").unwrap(),
            [
                (Name("query"), 1, 2),
                (Name("Q"), 1, 8),
                (Punctuator('{'), 1, 9),
                (Name("a"), 2, 4),
                (Punctuator(':'), 2, 5),
                (Name("b"), 2, 6),
                (Punctuator('('), 2, 7),
                (Name("x"), 2, 8),
                (Punctuator(':'), 2, 9),
                (String("é"), 2, 10),
                (Name("y"), 2, 13),
                (Punctuator(':'), 2, 14),
                (Int("1"), 2, 15),
                (Punctuator(')'), 2, 16),
                (Spread, 4, 1),
                (Name("F"), 4, 4),
                (Punctuator('}'), 4, 5),
            ]
        );
        let lines = lex("\"\"\"a\r\nb\n\rc\"\"\" d").unwrap();
        assert_eq!(lines, [(BlockString("a\r\nb\n\rc"), 1, 1), (Name("d"), 4, 6)]);
    }

    #[test]
    fn numbers_are_read_as_the_specification_writes_them() {
        for (source, kind) in [
            ("0", Int("0")),
            ("-0", Int("-0")),
            ("120", Int("120")),
            ("1.0", Float("1.0")),
            ("-1.5e-10", Float("-1.5e-10")),
            ("1E9", Float("1E9")),
        ] {
            assert_eq!(lex(source).unwrap()[0].0, kind);
        }
        for wrong in ["00", "01", "-", "-a", "1.", "1.a", "1e", "1e+", "1a", "1_", "1.2.3", "1.5x", "1..."] {
            assert!(lex(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn strings_end_where_they_should() {
        assert_eq!(lex(r#""" "\"" "\\" "a\\\"b""#).unwrap().len(), 4);
        assert_eq!(lex(r#""""""" """a"b""c\"""d""""#).unwrap()[1].0, BlockString(r#"a"b""c\"""d"#));
        for wrong in [r#"""#, "\"a\nb\"", "\"a\rb\"", r#""\""#, r#"""""#, r#""""""#, r#""""\""""#] {
            assert!(lex(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_starts_no_token_is_refused() {
        for wrong in ["%", "..", "é", "\0", "'a'", "{a;b}"] {
            assert!(lex(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(source in any::<std::string::String>()) {
            let _ = lex(&source);
        }

        #[test]
        fn any_mix_of_hard_characters_is_read_or_refused(source in "[\"\\\\u{}Dd83E0-9. \n\ré#a-]{0,40}") {
            let _ = lex(&source);
        }
    }
}
