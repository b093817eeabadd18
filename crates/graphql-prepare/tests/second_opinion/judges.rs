//! The two judges and their verdicts on a request.

use apollo_compiler::{
    ExecutableDocument,
    request::coerce_variable_values,
    response::{GraphQLError, JsonMap, JsonValue},
};
use graphql_prepare::{JsonVariables, RequestError, RequestErrorKind};

use super::schemas::SchemaPair;

/// A request to judge.
pub(crate) struct Case {
    pub(crate) schema: &'static SchemaPair,
    pub(crate) document: String,
    /// For each operation of the document, if it is valid.
    pub(crate) variables: JsonVariables,
}

/// A reason for a rejection.
#[derive(Debug, Clone)]
pub(crate) struct Reason {
    pub(crate) message: String,
    /// Offsets in the document, in bytes.
    pub(crate) offsets: Vec<usize>,
    /// Whether it is about the variables' values, and not about the document.
    pub(crate) of_values: bool,
}

/// A judge's verdict on a request.
#[derive(Debug, Clone)]
pub(crate) enum Verdict {
    Valid,
    Invalid(Vec<Reason>),
    /// The request exceeds a limit of the judge, or a bound of the comparison.
    TooLarge,
}

/// Judges a request.
pub(crate) type Judge = fn(&Case) -> Verdict;

/// Judges by this crate.
pub(crate) fn graphql_prepare(case: &Case) -> Verdict {
    let document = match case.schema.preparer.document(&case.document) {
        Ok(document) => document,
        Err(errors) => return rejected(case, errors),
    };
    for name in operation_names(case) {
        let Ok(operation) = document.operation(name.as_deref()) else { continue };
        if let Err(errors) = case.schema.preparer.prepare(operation, Some(case.variables.clone())) {
            return rejected(case, errors);
        }
    }
    Verdict::Valid
}

fn rejected(case: &Case, errors: Vec<RequestError>) -> Verdict {
    if errors.iter().any(|error| error.kind == RequestErrorKind::TooLarge) {
        return Verdict::TooLarge;
    }
    let reasons = errors.into_iter().map(|error| Reason {
        offsets: error.locations.iter().map(|pos| offset(&case.document, pos.line, pos.column)).collect(),
        message: error.message,
        of_values: error.kind == RequestErrorKind::Variable,
    });
    Verdict::Invalid(reasons.collect())
}

/// The offset of a line and a column, both from one.
fn offset(document: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        let rest = &document[start..];
        let Some(end) = rest.find(['\n', '\r']) else { break };
        start += end + if rest[end..].starts_with("\r\n") { 2 } else { 1 };
    }
    let in_line = document[start..].char_indices().nth(column - 1);
    start + in_line.map_or(document.len() - start, |(index, _)| index)
}

/// Judges by apollo-compiler. The document must be within the [`bounds`](super::bounds).
pub(crate) fn apollo_compiler(case: &Case) -> Verdict {
    let document =
        match ExecutableDocument::parse_and_validate(&case.schema.apollo, &case.document, "document") {
            Ok(document) => document,
            Err(error) => {
                let reasons = error.errors.iter().map(|diagnostic| reason(case, diagnostic.to_json(), false));
                let mut reasons: Vec<_> = reasons.collect();
                // It continues after a syntax error with the parts that it could parse; further
                // errors follow from that.
                let is_syntax = |reason: &Reason| reason.message.starts_with("syntax error");
                if reasons.iter().any(is_syntax) {
                    reasons.retain(is_syntax);
                }
                return Verdict::Invalid(reasons);
            }
        };
    let variables = JsonMap::from_iter(
        case.variables.iter().map(|(name, value)| (name.as_str().into(), JsonValue::from(value.clone()))),
    );
    for operation in document.operations.iter() {
        if let Err(error) = coerce_variable_values(&case.schema.apollo, operation, &variables) {
            let error = error.to_graphql_error(&document.sources);
            return Verdict::Invalid(vec![reason(case, error, true)]);
        }
    }
    Verdict::Valid
}

fn reason(case: &Case, error: GraphQLError, of_values: bool) -> Reason {
    let offsets = error.locations.iter().map(|at| offset(&case.document, at.line, at.column)).collect();
    Reason { message: error.message, offsets, of_values }
}

/// The names of the operations, by apollo-compiler's parser, which reads more documents than it validates.
fn operation_names(case: &Case) -> Vec<Option<String>> {
    let parsed = ExecutableDocument::parse(&case.schema.apollo, &case.document, "document");
    let document = parsed.unwrap_or_else(|error| error.partial);
    document.operations.iter().map(|operation| operation.name.as_ref().map(|name| name.to_string())).collect()
}
