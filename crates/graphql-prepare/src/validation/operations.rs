//! Section 5.2, "Operations".

use std::collections::HashMap;

use async_graphql::{
    Positioned,
    parser::types::{Directive, OperationType},
};

use crate::{
    error::{Errors, TruncatedName},
    expansion::{Budget, Expansion},
    limits::Limits,
    parser::{ParsedDocument, ParsedOperation},
    type_system::TypeSystem,
};

/// Operation Name Uniqueness (5.2.1.1), Lone Anonymous Operation (5.2.2.1), and that the schema has the kind of
/// operation at all. Input fields named twice (5.6.3) are passed on here as well: only the parser could see them.
pub(super) fn check_names(types: &TypeSystem, document: &ParsedDocument, errors: &mut Errors) {
    let mut names = HashMap::new();
    for ParsedOperation { name, definition } in &document.operations {
        match name {
            None if document.operations.len() > 1 => {
                errors.invalid(
                    definition.pos,
                    format_args!("An operation without a name must be the only operation of the document."),
                );
            }
            None => {}
            Some(name) => {
                if let Some(first) = names.insert(&name.node, name.pos) {
                    let message = format_args!("Two operations are named {}.", TruncatedName(&name.node));
                    errors.invalid_at(&[first, name.pos], message);
                }
            }
        }
        if types.root(definition.node.ty).is_none() {
            errors.invalid(definition.pos, format_args!("The schema has no {}s.", definition.node.ty));
        }
    }
    for field in &document.repeated_input_fields {
        errors.invalid(
            field.pos,
            format_args!("The input field {} is given twice.", TruncatedName(&field.node)),
        );
    }
}

/// Single Root Field (5.2.3.1), including that neither `@skip` nor `@include` may decide which.
pub(super) fn check_subscriptions(document: &ParsedDocument, limits: Limits, errors: &mut Errors) {
    for ParsedOperation { definition, .. } in &document.operations {
        if definition.node.ty != OperationType::Subscription {
            continue;
        }
        let mut budget = Budget::new(limits.expanded_selections);
        let sets = [((), &definition.node.selection_set.node)];
        let mut expansion = Expansion::new(&document.fragments, sets);
        let mut response_key = None;
        loop {
            let mut condition = None;
            let includes = |directives: &[Positioned<Directive>]| {
                let decides = |directive: &&Positioned<Directive>| {
                    matches!(directive.node.name.node.as_str(), "skip" | "include")
                };
                condition = condition.or(directives.iter().find(decides).map(|directive| directive.pos));
                true
            };
            let field = match expansion.next(&mut budget, includes, |(), _| Some(())) {
                Ok(Some(((), field))) => field,
                Ok(None) => break,
                Err(error) => {
                    errors.push_with(|| error);
                    break;
                }
            };
            if let Some(pos) = condition {
                let message = "`@skip` and `@include` are not allowed at the root of a subscription.";
                errors.invalid(pos, format_args!("{message}"));
            }
            if field.node.name.node.starts_with("__") {
                let message = "A subscription cannot select an introspection field at its root.";
                errors.invalid(field.pos, format_args!("{message}"));
            }
            let key = field.node.response_key();
            if response_key.get_or_insert(&key.node) != &&key.node {
                errors.invalid(key.pos, format_args!("A subscription must select exactly one field."));
                break;
            }
        }
    }
}
