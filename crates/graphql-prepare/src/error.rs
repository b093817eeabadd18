//! Request errors: what is wrong with a request before any of it executes.
//!
//! A message names types, fields, arguments, variables and paths, and the kind of value that came. It never repeats
//! a value: one may hold personal data or a secret, and messages are logged.

use std::fmt;

use async_graphql::{PathSegment, Pos};

/// As many errors as one document or one set of variables is told about; the rest would only amplify a hostile
/// request.
const MOST_ERRORS: usize = 10;

/// The longest name that a message repeats in full, in bytes.
const LONGEST_NAME: usize = 64;

/// What a [`RequestError`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// The text is not a GraphQL document.
    Syntax,
    /// The document breaks a rule of the specification's section 5, "Validation", against this schema.
    Validation,
    /// A variable's value does not fit its type (section 6.1.2, "Coercing Variable Values").
    Variable,
    /// The request names no operation of the document, or does not say which one it means (section 6.1).
    Operation,
    /// The document exceeds a limit.
    TooLarge,
}

/// One reason why a request does not execute. Nothing has executed when there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// What it is about.
    pub kind: RequestErrorKind,
    /// A sentence for the caller.
    pub message: String,
    /// Where in the document; empty where no one place is at fault.
    pub locations: Vec<Pos>,
    /// For [`RequestErrorKind::Variable`]: the way to the value, the variable's name first.
    pub variable: Option<Vec<PathSegment>>,
}

impl RequestError {
    pub(crate) fn parse(pos: Pos, message: impl Into<String>) -> Self {
        Self::at(RequestErrorKind::Syntax, pos, message)
    }

    pub(crate) fn too_large(pos: Pos, message: impl Into<String>) -> Self {
        Self::at(RequestErrorKind::TooLarge, pos, message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            kind: RequestErrorKind::Operation,
            message: message.into(),
            locations: Vec::new(),
            variable: None,
        }
    }

    fn at(kind: RequestErrorKind, pos: Pos, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), locations: vec![pos], variable: None }
    }
}

/// The errors found so far, the first [`MOST_ERRORS`] of them.
#[derive(Debug, Default)]
pub(crate) struct Errors(Vec<RequestError>);

impl Errors {
    /// Adds a broken rule of section 5. The message is put together only if there is room for it.
    pub(crate) fn invalid(&mut self, pos: Pos, message: fmt::Arguments<'_>) {
        self.invalid_at(&[pos], message);
    }

    /// Like [`Errors::invalid`], for a rule that two places break together.
    pub(crate) fn invalid_at(&mut self, locations: &[Pos], message: fmt::Arguments<'_>) {
        self.push_with(|| RequestError {
            kind: RequestErrorKind::Validation,
            message: message.to_string(),
            locations: locations.to_vec(),
            variable: None,
        });
    }

    /// Adds the error that `error` makes, if there is room for one.
    pub(crate) fn push_with(&mut self, error: impl FnOnce() -> RequestError) {
        if !self.is_full() {
            self.0.push(error());
        }
    }

    /// Whether more errors would be left out: a reason to stop looking.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= MOST_ERRORS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` if no error has been found.
    pub(crate) fn or_ok<T>(self, value: T) -> Result<T, Vec<RequestError>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// A count as a message says it, with the word for what is counted.
pub(crate) fn counted(count: usize, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// A name as a message shows it: in backticks, and cut short, so that a long one is not sent back ten times.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().find(|(start, _)| *start >= LONGEST_NAME) {
            None => write!(f, "`{}`", self.0),
            Some((end, _)) => write!(f, "`{}…`", &self.0[..end]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_errors_are_kept_and_the_rest_are_not_even_put_together() {
        let mut errors = Errors::default();
        for _ in 0..MOST_ERRORS {
            errors.invalid(Pos::default(), format_args!("wrong"));
        }
        assert!(errors.is_full());
        errors.push_with(|| unreachable!("there is no room"));
        assert_eq!(errors.or_ok(()).unwrap_err().len(), MOST_ERRORS);
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(Quoted("id").to_string(), "`id`");
        let long = "é".repeat(500);
        assert_eq!(Quoted(&long).to_string(), format!("`{}…`", "é".repeat(32)));
    }
}
