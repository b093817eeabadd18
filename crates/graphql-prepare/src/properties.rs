//! Properties that hold for every document. Each function takes any input, and panics when its property does not hold.

use std::collections::HashSet;

use async_graphql::Positioned;
use async_graphql::parser::types::{DocumentOperations, Selection, SelectionSet};

use crate::error::{RequestError, RequestErrorKind};
use crate::parser::parse;
use crate::{JsonVariables, Limits, Preparer};

/// The token limiter counts exactly: limits equal to the counts of an independent scan accept the document, and limits one
/// lower reject it.
pub fn token_limits_are_exact(source: &str) {
    let limits = Limits::default();
    if let Err(error) = parse(source, &limits) {
        assert_error_is_bounded(source, &error);
        return;
    }
    let Counts { tokens, nesting, directives } = Counts::of(source);
    let exact = Limits { tokens, nesting, directives, ..limits };
    assert!(parse(source, &exact).is_ok(), "{exact:?}");
    let is_too_large = |limits: Limits| {
        assert_eq!(
            parse(source, &limits).err().map(|error| error.kind),
            Some(RequestErrorKind::TooLarge),
            "{limits:?}"
        );
    };
    is_too_large(Limits { tokens: tokens - 1, ..exact });
    is_too_large(Limits { nesting: nesting - 1, ..exact });
    if directives > 0 {
        is_too_large(Limits { directives: directives - 1, ..exact });
    }
}

/// Any document with any variables is rejected with at most ten short messages, or prepared within the limits, with each
/// response key once.
pub fn prepares_or_rejects(preparer: &Preparer, source: &str, variables: Option<JsonVariables>) {
    let document = match preparer.document(source) {
        Ok(document) => document,
        Err(errors) => return assert_errors_are_bounded(source, &errors),
    };
    for operation in &document.operations {
        let Ok(selected) = document.operation(operation.name.as_deref()) else {
            assert!(operation.name.is_none() && document.operations.len() > 1);
            continue;
        };
        match preparer.prepare(selected, variables.clone()) {
            Ok(prepared) => {
                let executed = prepared.to_document();
                let DocumentOperations::Single(operation) = &executed.operations else {
                    panic!("one operation is executed");
                };
                assert!(executed.fragments.is_empty() && operation.node.directives.is_empty());
                let selections =
                    assert_selections_are_merged(&operation.node.selection_set, 1, &preparer.limits);
                assert!(selections <= preparer.limits.expanded_selections);
            }
            Err(errors) => assert_errors_are_bounded(source, &errors),
        }
    }
}

/// Returns the number of selections.
fn assert_selections_are_merged(set: &Positioned<SelectionSet>, depth: usize, limits: &Limits) -> usize {
    assert!(depth <= 2 * limits.nesting);
    let mut keys = HashSet::new();
    let mut count = 0;
    for selection in &set.node.items {
        let (key, directives, inner) = match &selection.node {
            Selection::Field(field) => {
                (&field.node.response_key().node, &field.node.directives, &field.node.selection_set)
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref().expect("it is there for its type");
                (&condition.node.on.node, &fragment.node.directives, &fragment.node.selection_set)
            }
            Selection::FragmentSpread(_) => panic!("fragments are expanded"),
        };
        assert!(keys.insert(key) && directives.is_empty());
        count += 1 + assert_selections_are_merged(inner, depth + 1, limits);
    }
    count
}

fn assert_errors_are_bounded(source: &str, errors: &[RequestError]) {
    assert!((1..=10).contains(&errors.len()));
    errors.iter().for_each(|error| assert_error_is_bounded(source, error));
}

/// A message is short and on one line, and its places are in the document.
fn assert_error_is_bounded(source: &str, error: &RequestError) {
    let RequestError { message, locations, .. } = error;
    assert!(message.len() <= 600 && !message.contains(char::is_control), "{message:?}");
    // Errors of a document that is rejected as a whole have no position.
    let lines = source.split(['\n', '\r']).count();
    assert!(locations.iter().all(|pos| pos.line <= lines && pos.column <= source.len() + 1), "{error:?}");
}

/// The contents of a document that can be parsed.
struct Counts {
    tokens: usize,
    nesting: usize,
    directives: usize,
}

impl Counts {
    fn of(source: &str) -> Self {
        let mut counts = Self { tokens: 0, nesting: 0, directives: 0 };
        let mut open = 0;
        let mut rest = source;
        while let Some(first) = rest.chars().next() {
            let length = match first {
                ' ' | '\t' | '\n' | '\r' | ',' | '\u{feff}' => first.len_utf8(),
                '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
                '"' => string(rest),
                '.' => 3,
                '-' | '0'..='9' => number(rest),
                '_' | 'a'..='z' | 'A'..='Z' => {
                    rest.find(|char: char| char != '_' && !char.is_ascii_alphanumeric()).unwrap_or(rest.len())
                }
                _ => 1,
            };
            counts.tokens += usize::from(!" \t\n\r,\u{feff}#".contains(first));
            counts.directives += usize::from(first == '@');
            match first {
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' => open -= 1,
                _ => {}
            }
            counts.nesting = counts.nesting.max(open);
            rest = &rest[length..];
        }
        counts
    }
}

/// How long the string is that the text begins with. An escaped character ends none; in a block string, only three quotes
/// can be escaped.
fn string(text: &str) -> usize {
    let (quotes, escaped) = if text.starts_with("\"\"\"") { ("\"\"\"", "\\\"\"\"") } else { ("\"", "\\") };
    let mut at = quotes.len();
    while !text[at..].starts_with(quotes) {
        at += match text[at..].strip_prefix(escaped) {
            Some(rest) if quotes.len() == 1 => 1 + rest.chars().next().map_or(0, char::len_utf8),
            Some(_) => escaped.len(),
            None => text[at..].chars().next().map_or(0, char::len_utf8),
        };
    }
    at + quotes.len()
}

/// The length of the number at the start of the text: a sign is allowed at its start and after its
/// `e`.
fn number(text: &str) -> usize {
    let mut before = 'e';
    let belongs = |char: char| {
        let belongs = char.is_ascii_digit()
            || matches!(char, '.' | 'e' | 'E')
            || matches!(char, '+' | '-') && matches!(before, 'e' | 'E');
        before = char;
        !belongs
    };
    text.find(belongs).unwrap_or(text.len())
}
