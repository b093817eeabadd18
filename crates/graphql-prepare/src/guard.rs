//! What is refused while a document is still being read, before anything is built from it.
//!
//! The parser, and everything after it, calls itself once per open bracket. Tokens reach the parser only through
//! the guard, so that no document can use up the stack.

use crate::{
    error::{RequestError, counted},
    lexer::{Token, TokenKind},
    limits::Limits,
};

/// Counts over the tokens seen so far.
#[derive(Debug)]
pub(crate) struct Guard {
    open_brackets: usize,
    most_open_brackets: usize,
    tokens: usize,
    most_tokens: usize,
    directives: usize,
    most_directives: usize,
}

impl Guard {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open_brackets: 0,
            most_open_brackets: limits.nesting,
            tokens: 0,
            most_tokens: limits.tokens,
            directives: 0,
            most_directives: limits.directives,
        }
    }

    /// How many tokens it has let through.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// Lets a token through, or refuses the document because of it.
    pub(crate) fn admit(&mut self, token: &Token<'_>) -> Result<(), RequestError> {
        // The lexer tells of the document's end as it does of tokens, but it is none (GraphQL specification, "Source Text").
        self.tokens += usize::from(!matches!(token.kind, TokenKind::End));
        if self.tokens > self.most_tokens {
            let tokens = counted(self.most_tokens, "token", "tokens");
            let message = format!("The document has more than {tokens}.");
            return Err(RequestError::too_large(token.pos, message));
        }
        match token.kind {
            // Nothing but a directive begins so in an executable document.
            TokenKind::Punctuator('@') => {
                self.directives += 1;
                if self.directives > self.most_directives {
                    let directives = counted(self.most_directives, "directive", "directives");
                    let message = format!("The document has more than {directives}.");
                    return Err(RequestError::too_large(token.pos, message));
                }
            }
            TokenKind::Punctuator('(' | '[' | '{') => {
                self.open_brackets += 1;
                if self.open_brackets > self.most_open_brackets {
                    return Err(RequestError::too_large(
                        token.pos,
                        format!("Brackets are nested deeper than {}.", self.most_open_brackets),
                    ));
                }
            }
            // A bracket that closes nothing is the parser's to refuse.
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
