//! The definitions of a document as parts of its text, for tools that put documents together from several files.

use async_graphql::Pos;

use crate::lexer::{Lexer, Token, TokenKind};

/// A definition of a document. It is not validated, and need not be valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition<'a> {
    /// Its text, with the comments before it.
    pub text: &'a str,
    /// Where its text begins in the document.
    pub pos: Pos,
    /// The position of its first token.
    pub first_token: Pos,
    /// The name of a fragment; `None` for an operation.
    pub fragment: Option<&'a str>,
    /// The names of the fragments that it spreads.
    pub spreads: Vec<&'a str>,
}

/// Splits a document into its definitions. From the first invalid token on, the text is one definition.
pub fn definitions(source: &str) -> Vec<Definition<'_>> {
    let mut definitions = Vec::new();
    let mut lexer = Lexer::new(source);
    loop {
        let (start, pos) = (lexer.offset(source), lexer.pos());
        let mut scan = Scan::default();
        let end = loop {
            match lexer.next_token() {
                Ok(token) if token.kind == TokenKind::End && scan.tokens == 0 => return definitions,
                Ok(token) if token.kind == TokenKind::End => break None,
                Ok(token) => {
                    if scan.ends_with(token) {
                        break Some(lexer.offset(source));
                    }
                }
                Err(error) => {
                    scan.first_token = scan.first_token.or(error.locations.first().copied());
                    break None;
                }
            }
        };
        let text = &source[start..end.unwrap_or(source.len())];
        let Scan { first_token, fragment, spreads, .. } = scan;
        definitions.push(Definition {
            text,
            pos,
            first_token: first_token.unwrap_or(pos),
            fragment,
            spreads,
        });
        if end.is_none() {
            return definitions;
        }
    }
}

/// What is known of a definition after some of its tokens.
#[derive(Default)]
struct Scan<'a> {
    tokens: usize,
    first_token: Option<Pos>,
    /// Number of open brackets.
    open: usize,
    previous: Option<TokenKind<'a>>,
    fragment: Option<&'a str>,
    spreads: Vec<&'a str>,
}

impl<'a> Scan<'a> {
    /// Whether a token is the last of the definition: the end of its selection set.
    fn ends_with(&mut self, Token { kind, pos }: Token<'a>) -> bool {
        self.first_token.get_or_insert(pos);
        let is_name = |name: &str| name != "on";
        match (self.previous, kind) {
            (Some(TokenKind::Spread), TokenKind::Name(name)) if is_name(name) => self.spreads.push(name),
            // The keyword is the first token, or follows a description.
            (Some(TokenKind::Name("fragment")), TokenKind::Name(name))
                if self.open == 0 && self.tokens <= 2 =>
            {
                self.fragment = Some(name);
            }
            _ => {}
        }
        self.tokens += 1;
        self.previous = Some(kind);
        match kind {
            TokenKind::Punctuator('(' | '[' | '{') => self.open += 1,
            TokenKind::Punctuator(')' | ']') => self.open = self.open.saturating_sub(1),
            TokenKind::Punctuator('}') => {
                self.open = self.open.saturating_sub(1);
                return self.open == 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found<'a> = (&'a str, (usize, usize), Option<&'a str>, Vec<&'a str>);

    fn found(source: &str) -> Vec<Found<'_>> {
        let found = definitions(source).into_iter();
        found
            .map(|one| {
                (one.text.trim(), (one.first_token.line, one.first_token.column), one.fragment, one.spreads)
            })
            .collect()
    }

    #[test]
    fn definitions_are_found_with_their_fragments() {
        let query =
            r#"query Q($a: In = {x: [{y: "}"}]}) @d(a: {b: 1}) { a ...F ... on T { b ...G } ... { c } }"#;
        let fragment = "\"F}\" fragment F on T { # }\n  fragment { fragment on } }";
        let source = format!("{query}{fragment} {{ x }}\n");
        assert_eq!(
            found(&source),
            [
                (query, (1, 1), None, vec!["F", "G"]),
                (fragment, (1, query.len() + 1), Some("F"), vec![]),
                ("{ x }", (2, 30), None, vec![]),
            ]
        );
    }

    #[test]
    fn invalid_text_is_in_the_last_definition() {
        for (source, texts) in [
            ("", vec![]),
            (" # nothing\n", vec![]),
            ("{ a } { b", vec!["{ a }", "{ b"]),
            ("{ a } % { b }", vec!["{ a }", "% { b }"]),
            ("} { a }", vec!["}", "{ a }"]),
            ("{ a } type T { a: Int }", vec!["{ a }", "type T { a: Int }"]),
            ("...", vec!["..."]),
        ] {
            let found: Vec<&str> = found(source).into_iter().map(|(text, ..)| text).collect();
            assert_eq!(found, texts, "{source}");
        }
    }
}
