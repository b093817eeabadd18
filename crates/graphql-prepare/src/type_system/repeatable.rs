//! Which directives SDL defines as `repeatable` (3.13).
//!
//! async-graphql's parser reports every directive as repeatable: its grammar takes the missing keyword for an empty one.

use std::collections::HashSet;

use crate::{
    error::RequestError,
    lexer::{Lexer, TokenKind},
};

/// The names of the repeatable directives in an SDL text.
///
/// # Errors
///
/// If the text contains something that is not a token.
pub(super) fn repeatable_directives(sdl: &str) -> Result<HashSet<String>, RequestError> {
    let mut lexer = Lexer::new(sdl);
    let mut tokens = Vec::new();
    let mut open_brackets = 0_usize;
    // Definitions are outside of all brackets; inside, each of the words may be an enum value. The
    // content of brackets is skipped, including the arguments between a directive's name and the
    // keyword.
    loop {
        let token = lexer.next_token()?.kind;
        match token {
            TokenKind::End => break,
            TokenKind::Punctuator('(' | '[' | '{') => open_brackets += 1,
            TokenKind::Punctuator(')' | ']' | '}') => open_brackets = open_brackets.saturating_sub(1),
            _ if open_brackets == 0 => tokens.push(token),
            _ => {}
        }
    }
    let repeatable = tokens.windows(5).filter_map(|window| match window {
        [
            TokenKind::Name("directive"),
            TokenKind::Punctuator('@'),
            TokenKind::Name(name),
            TokenKind::Name("repeatable"),
            TokenKind::Name("on"),
        ] => Some((*name).to_owned()),
        _ => None,
    });
    Ok(repeatable.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_keyword_makes_a_directive_repeatable() {
        let sdl = r#"
            directive @once(a: [Int] = [1]) on FIELD
            directive @often(a: In = {b: 1}) repeatable on FIELD
            "directive @quoted repeatable on FIELD"
            directive @bare repeatable on | FIELD
            # directive @comment repeatable on FIELD
            enum E { directive @inside repeatable on }
            type directive @applied { repeatable: Int on: Int }
        "#;
        let expected = HashSet::from(["often".to_owned(), "bare".to_owned()]);
        assert_eq!(repeatable_directives(sdl), Ok(expected));
        assert!(repeatable_directives("%").is_err());
    }
}
