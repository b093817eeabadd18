//! Limits that apply while a document is parsed, before anything is built from it.
//!
//! The parser and all later steps recurse once per open bracket. The limiter counts each token before the parser sees it, so
//! no document can exhaust the stack.

use crate::{
    error::{RequestError, pluralize},
    lexer::{Token, TokenKind},
    limits::Limits,
};

/// Counts over the tokens seen so far.
#[derive(Debug)]
pub(crate) struct TokenLimiter {
    open_brackets: usize,
    max_open_brackets: usize,
    tokens: usize,
    max_tokens: usize,
    directives: usize,
    max_directives: usize,
}

impl TokenLimiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open_brackets: 0,
            max_open_brackets: limits.nesting,
            tokens: 0,
            max_tokens: limits.tokens,
            directives: 0,
            max_directives: limits.directives,
        }
    }

    /// The number of tokens counted so far.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Counts a token, and rejects the document when it exceeds a limit.
    pub(crate) fn count(&mut self, token: &Token<'_>) -> Result<(), RequestError> {
        // The lexer returns the end of the document as a token, but it is not one (GraphQL specification, "Source Text").
        self.tokens += usize::from(!matches!(token.kind, TokenKind::End));
        if self.tokens > self.max_tokens {
            let tokens = pluralize(self.max_tokens, "token", "tokens");
            let message = format!("The document has more than {tokens}.");
            return Err(RequestError::too_large(token.pos, message));
        }
        match token.kind {
            // In an executable document, `@` starts a directive and nothing else.
            TokenKind::Punctuator('@') => {
                self.directives += 1;
                if self.directives > self.max_directives {
                    let directives = pluralize(self.max_directives, "directive", "directives");
                    let message = format!("The document has more than {directives}.");
                    return Err(RequestError::too_large(token.pos, message));
                }
            }
            TokenKind::Punctuator('(' | '[' | '{') => {
                self.open_brackets += 1;
                if self.open_brackets > self.max_open_brackets {
                    return Err(RequestError::too_large(
                        token.pos,
                        format!("Brackets are nested deeper than {}.", self.max_open_brackets),
                    ));
                }
            }
            // The parser rejects an unmatched closing bracket.
            TokenKind::Punctuator(')' | ']' | '}') => {
                self.open_brackets = self.open_brackets.saturating_sub(1);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::RequestErrorKind, parser::parse};

    fn code(source: &str) -> Option<RequestErrorKind> {
        parse(source, &Limits::default()).err().map(|error| error.kind)
    }

    #[test]
    fn sixty_four_open_brackets_pass_and_one_more_does_not() {
        let nested = |depth: usize| format!("{{f(x:{}{})}}", "[".repeat(depth - 2), "]".repeat(depth - 2));
        assert_eq!(code(&nested(64)), None);
        assert_eq!(code(&nested(65)), Some(RequestErrorKind::TooLarge));
        let sets = |depth: usize| format!("{}b{}", "{a".repeat(depth), "}".repeat(depth));
        assert_eq!(code(&sets(64)), None);
        assert_eq!(code(&sets(65)), Some(RequestErrorKind::TooLarge));
    }

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let brackets = "[".repeat(100);
        assert_eq!(code(&format!("{{f(x:\"{brackets}\" y:\"\"\"{brackets}\"\"\") #{brackets}\n}}")), None);
    }

    #[test]
    fn a_hundred_thousand_brackets_end_no_process() {
        for opening in ["{f(x:", "{f(x:{a:", "query($x:", "{a"] {
            let source = format!("{opening}{}", "[".repeat(100_000));
            assert!(code(&source).is_some());
        }
        assert_eq!(code(&"{a".repeat(100_000)), Some(RequestErrorKind::TooLarge));
        assert_eq!(code(&format!("{{f(x:{}", "{a:".repeat(100_000))), Some(RequestErrorKind::TooLarge));
        assert_eq!(code(&"]".repeat(100_000)), Some(RequestErrorKind::Syntax));
    }
}
