//! Request errors: the reasons why a request is rejected before any of it executes.
//!
//! A message names types, fields, arguments, variables and paths, and the kind of the invalid value. It does not repeat the
//! value, which may hold personal data or a secret, with two exceptions: a name in place of an enum member, and a whole
//! number outside the range of `Int`.

use std::fmt;

use async_graphql::{PathSegment, Pos};

/// Maximum number of errors returned for one document or one set of variables. More would only amplify a hostile request.
const MAX_ERRORS: usize = 10;

/// Maximum length, in bytes, of a name in a message. Longer names are truncated.
pub(crate) const MAX_NAME_BYTES: usize = 64;

/// The kind of a [`RequestError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// The text is not a GraphQL document.
    Syntax,
    /// The document violates a rule of the specification's section 5, "Validation".
    Validation,
    /// The value of a variable cannot be coerced to its type (section 6.1.2, "Coercing Variable Values").
    Variable,
    /// The operation name is unknown, or missing although the document has several operations (section 6.1).
    Operation,
    /// The document or the operation exceeds one of the [`Limits`](crate::Limits).
    TooLarge,
}

/// A reason why a request is rejected. Nothing has executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// The kind of error.
    pub kind: RequestErrorKind,
    /// A sentence for the client. Of the request's values, it repeats at most a name in place of an enum member and a whole
    /// number outside the range of `Int`.
    pub message: String,
    /// Positions in the document; empty when the error has no single position.
    pub locations: Vec<Pos>,
    /// For [`RequestErrorKind::Variable`]: the path of the invalid value, starting with the name of the variable.
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

/// The errors found so far, the first [`MAX_ERRORS`] of them.
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
        self.0.len() >= MAX_ERRORS
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` if no error has been found.
    pub(crate) fn or_ok<T>(self, value: T) -> Result<T, Vec<RequestError>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// The count with its noun, in singular or plural.
pub(crate) fn pluralize(count: usize, singular: &str, plural: &str) -> String {
    format!("{count} {}", if count == 1 { singular } else { plural })
}

/// The indefinite article of a name.
pub(crate) fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O', 'a', 'e', 'i', 'o']) { "an" } else { "a" }
}

/// The start of a name that is listed, without backticks.
pub(crate) fn truncate(name: &str) -> &str {
    let end = name.char_indices().find(|(start, _)| *start >= MAX_NAME_BYTES);
    end.map_or(name, |(end, _)| &name[..end])
}

/// A name in backticks, truncated, so that a long name is not repeated in full by each error.
pub(crate) struct TruncatedName<'a>(pub(crate) &'a str);

impl fmt::Display for TruncatedName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = truncate(self.0);
        let ellipsis = if name.len() < self.0.len() { "…" } else { "" };
        write!(f, "`{name}{ellipsis}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_errors_are_kept_and_the_rest_are_not_even_put_together() {
        let mut errors = Errors::default();
        for _ in 0..MAX_ERRORS {
            errors.invalid(Pos::default(), format_args!("wrong"));
        }
        assert!(errors.is_full());
        errors.push_with(|| unreachable!("there is no room"));
        assert_eq!(errors.or_ok(()).unwrap_err().len(), MAX_ERRORS);
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(TruncatedName("id").to_string(), "`id`");
        let long = "é".repeat(500);
        assert_eq!(TruncatedName(&long).to_string(), format!("`{}…`", "é".repeat(32)));
    }
}
