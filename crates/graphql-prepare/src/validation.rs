//! Whether a document can be executed against the schema: the specification's section 5, "Validation", in full.
//!
//! Every definition is walked once, however often a fragment is spread, so that the work grows with the document's
//! length. The rules come in three steps, of which each can rely on those before: [`selections`] looks up every name,
//! [`fragments`] and [`variables`] follow spreads and variables across definitions, [`merging`] compares fields of one
//! response key. A step with errors is the last.
//!
//! Nothing here depends on variables' values: a valid document stays valid, and can be kept.

mod fragments;
mod merging;
mod operations;
mod selections;
mod variables;

#[cfg(test)]
mod tests;

use async_graphql::Name;

use crate::{
    coerce::Variable,
    error::{Errors, RequestError},
    limits::Limits,
    literal::VariableUsages,
    parser::ParsedDocument,
    type_system::TypeSystem,
};

/// What validation learns about an operation, for the steps after it.
#[derive(Debug)]
pub(crate) struct OperationFacts {
    pub(crate) variables: Vec<Variable>,
    /// Some `@skip` or `@include` depends on a variable.
    pub(crate) is_conditional: bool,
    /// Variables of arguments that have a default. A request may omit them.
    pub(crate) replaced_by_defaults: Vec<Name>,
}

/// The findings of an operation or a fragment, without those of the fragments that it spreads.
#[derive(Debug, Default)]
struct Definition<'t, 'd> {
    usages: VariableUsages<'t, 'd>,
    /// How many selections it holds itself.
    selections: usize,
    /// The fragment spreads, as indices into the document's fragments, with repetitions.
    spreads: Vec<usize>,
    is_conditional: bool,
}

/// The facts about each operation, in the document's order.
///
/// # Errors
///
/// The first ten errors of a rule; `TooLarge` if an operation has too many selections, or if
/// comparing fields would take too long.
pub(crate) fn validate(
    types: &TypeSystem,
    document: &ParsedDocument,
    limits: Limits,
) -> Result<Vec<OperationFacts>, Vec<RequestError>> {
    let mut errors = Errors::default();
    operations::check_names(types, document, &mut errors);
    fragments::check_names(document, &mut errors);
    let operations: Vec<_> = document
        .operations
        .iter()
        .map(|operation| selections::operation(types, document, operation, &mut errors))
        .collect();
    let fragments: Vec<_> = document
        .fragments
        .values()
        .map(|fragment| selections::fragment(types, document, fragment, &mut errors))
        .collect();
    let declared: Vec<_> = document
        .operations
        .iter()
        .map(|operation| variables::declared(types, &operation.definition.node, &mut errors))
        .collect();
    if !errors.is_empty() {
        return errors.or_ok(Vec::new());
    }

    let reachable = fragments::check_spreads(document, &operations, &fragments, limits, &mut errors);
    if !errors.is_empty() {
        return errors.or_ok(Vec::new());
    }
    operations::check_subscriptions(document, limits, &mut errors);
    let facts = operations
        .iter()
        .zip(&reachable)
        .zip(declared)
        .map(|((operation, reachable), declared)| {
            let definitions = || reachable.iter().map(|&index| &fragments[index]).chain([operation]);
            variables::check_usages(types, declared, definitions, &mut errors)
        })
        .collect();
    if !errors.is_empty() {
        return errors.or_ok(facts);
    }

    merging::check(types, document, limits, &mut errors);
    errors.or_ok(facts)
}
