//! A second opinion: this crate and apollo-compiler judge the same requests, and must agree but for the differences that
//! [`differences`] lists.
//!
//! The fuzzer's target `second_opinion` includes this file as a module, and calls [`second_opinion`].

mod bounds;
mod cases;
mod checker;
mod choices;
mod differences;
mod explanations;
mod generator;
#[cfg(test)]
mod ignored_tokens;
mod judges;
mod mutations;
mod schemas;
#[cfg(test)]
mod tests;
mod values;

use self::{
    checker::compare,
    choices::Choices,
    judges::{Case, apollo_compiler, graphql_prepare},
    schemas::{SCHEMAS, SchemaPair},
};

/// Both judges agree on a request, or differ in a known way; panics with the request where they do not.
///
/// Accepts the name of a schema on the first line, then a document, and after a line with `%%` its
/// variables in JSON. Other input is used as decisions to generate a request.
pub fn second_opinion(data: &[u8]) {
    if let Err(report) = compare(&case(data), graphql_prepare, apollo_compiler) {
        panic!("{report}");
    }
}

fn case(data: &[u8]) -> Case {
    written(data).unwrap_or_else(|| made(&mut Choices::new(data)))
}

/// A request in the form of a text.
fn written(data: &[u8]) -> Option<Case> {
    let (schema, text) = std::str::from_utf8(data).ok()?.split_once('\n')?;
    let schema = SchemaPair::named(schema)?;
    let (document, variables) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let variables = serde_json::from_str(variables).unwrap_or_default();
    Some(Case { schema, document: document.to_owned(), variables })
}

/// A request made from decisions: generated for a schema, or one of the written ones; then perhaps changed.
fn made(choices: &mut Choices<'_>) -> Case {
    let schema = &SCHEMAS[choices.below(SCHEMAS.len())];
    let changes = choices.one_in(4);
    let (mut document, variables) = if choices.one_in(4) {
        cases::pick(schema, choices)
    } else {
        generator::request(&schema.apollo, choices)
    };
    if changes {
        document = mutations::change(&document, choices);
    }
    Case { schema, document, variables }
}
