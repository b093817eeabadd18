//! What selections name must exist and fit: sections 5.3, "Fields" (without merging), 5.4, "Arguments", 5.5.2,
//! "Fragment Spreads", 5.7, "Directives", and through [`literal`](crate::literal) 5.6, "Values".

use std::{collections::HashSet, fmt};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{
        Directive, DirectiveLocation, Field, OperationType, Selection, SelectionSet, TypeCondition,
    },
};
use async_graphql_value::Value;
use indexmap::IndexMap;

use super::Definition;
use crate::{
    error::{Errors, TruncatedName, article},
    literal::Literals,
    parser::{ParsedDocument, ParsedFragment, ParsedOperation},
    type_system::{InputValue, TypeId, TypeKind, TypeSystem},
};

/// Walks an operation.
pub(super) fn operation<'t, 'd>(
    types: &'t TypeSystem,
    document: &'d ParsedDocument,
    operation: &'d ParsedOperation,
    errors: &mut Errors,
) -> Definition<'t, 'd> {
    let mut walk = Walk { types, document, errors, definition: Definition::default() };
    let operation = &operation.definition.node;
    let location = match operation.ty {
        OperationType::Query => DirectiveLocation::Query,
        OperationType::Mutation => DirectiveLocation::Mutation,
        OperationType::Subscription => DirectiveLocation::Subscription,
    };
    walk.directives(&operation.directives, location);
    for variable in &operation.variable_definitions {
        walk.directives(&variable.node.directives, DirectiveLocation::VariableDefinition);
    }
    if let Some(root) = types.root(operation.ty) {
        walk.selection_set(root, &operation.selection_set.node);
    }
    walk.definition
}

/// Walks a fragment.
pub(super) fn fragment<'t, 'd>(
    types: &'t TypeSystem,
    document: &'d ParsedDocument,
    fragment: &'d ParsedFragment,
    errors: &mut Errors,
) -> Definition<'t, 'd> {
    let mut walk = Walk { types, document, errors, definition: Definition::default() };
    let fragment = &fragment.definition.node;
    walk.directives(&fragment.directives, DirectiveLocation::FragmentDefinition);
    if let Some(id) = walk.type_condition(&fragment.type_condition) {
        walk.selection_set(id, &fragment.selection_set.node);
    }
    walk.definition
}

struct Walk<'w, 't, 'd> {
    types: &'t TypeSystem,
    document: &'d ParsedDocument,
    errors: &'w mut Errors,
    definition: Definition<'t, 'd>,
}

impl<'t, 'd> Walk<'_, 't, 'd> {
    fn selection_set(&mut self, parent: TypeId, selection_set: &'d SelectionSet) {
        for selection in &selection_set.items {
            if self.errors.is_full() {
                return;
            }
            self.definition.selections += 1;
            match &selection.node {
                Selection::Field(field) => self.field(parent, field),
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.node.directives, DirectiveLocation::FragmentSpread);
                    self.spread(parent, &spread.node.fragment_name);
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.node.directives, DirectiveLocation::InlineFragment);
                    let inner = match &fragment.node.type_condition {
                        None => Some(parent),
                        Some(condition) => self.type_condition(condition).inspect(|&id| {
                            self.check_possible(parent, id, selection.pos);
                        }),
                    };
                    if let Some(inner) = inner {
                        self.selection_set(inner, &fragment.node.selection_set.node);
                    }
                }
            }
        }
    }

    /// Field Selections (5.3.1) and Leaf Field Selections (5.3.3).
    fn field(&mut self, parent: TypeId, field: &'d Positioned<Field>) {
        self.directives(&field.node.directives, DirectiveLocation::Field);
        let name = &field.node.name;
        let Some(definition) = self.types.field(parent, &name.node) else {
            let similar = self.types.did_you_mean(&name.node, || self.types.field_names(parent));
            let field = TruncatedName(&name.node);
            let parent = &self.types.get(parent).name;
            if self.types.hides_names {
                self.errors.invalid(name.pos, format_args!("There is no field {field} here."));
            } else {
                self.errors.invalid(name.pos, format_args!("`{parent}` has no field {field}.{similar}"));
            }
            return;
        };
        let owner = format_args!("The field `{}`", name.node);
        self.arguments(owner, name.pos, &definition.arguments, &field.node.arguments);

        let ty = definition.ty.named();
        let selects = !field.node.selection_set.node.items.is_empty();
        match (self.types.composite(ty).is_some(), selects) {
            (true, true) => self.selection_set(ty, &field.node.selection_set.node),
            (true, false) => {
                let ty = self.types.display(&definition.ty);
                let of_type = self.types.unless_hidden(format_args!(" of type `{ty}`"));
                let message = format_args!("`{}`{of_type} needs a selection of fields.", name.node);
                self.errors.invalid(name.pos, message);
            }
            (false, true) => {
                let ty = self.types.display(&definition.ty);
                let pos = field.node.selection_set.pos;
                let of_type = self.types.unless_hidden(format_args!(" of type `{ty}`"));
                self.errors.invalid(pos, format_args!("`{}`{of_type} has no fields to select.", name.node));
            }
            (false, false) => {}
        }
    }

    /// Fragment Spread Target Defined (5.5.2.1), and whether it can apply.
    fn spread(&mut self, parent: TypeId, name: &'d Positioned<Name>) {
        let Some((index, _, fragment)) = self.document.fragments.get_full(&name.node) else {
            self.errors
                .invalid(name.pos, format_args!("There is no fragment {}.", TruncatedName(&name.node)));
            return;
        };
        self.definition.spreads.push(index);
        // An invalid type condition is reported at the fragment's definition.
        let condition = &fragment.definition.node.type_condition.node.on.node;
        if let Some(id) = self.types.type_named(condition) {
            self.check_possible(parent, id, name.pos);
        }
    }

    /// Fragment Spread Is Possible (5.5.2.3).
    fn check_possible(&mut self, parent: TypeId, condition: TypeId, pos: Pos) {
        let (Some(outer), Some(inner)) = (self.types.composite(parent), self.types.composite(condition))
        else {
            return;
        };
        if !outer.overlaps(inner) {
            let (outer, inner) = (&self.types.get(parent).name, &self.types.get(condition).name);
            if self.types.hides_names {
                // The request has the name of the condition.
                self.errors.invalid(pos, format_args!("The fragment on `{inner}` cannot apply here."));
                return;
            }
            self.errors.invalid(
                pos,
                format_args!(
                    "`{outer}` is never {} `{inner}`, so the fragment cannot apply.",
                    article(inner)
                ),
            );
        }
    }

    /// Fragment Spread Type Existence (5.5.1.2) and Fragments on Object, Interface or Union Types (5.5.1.3).
    fn type_condition(&mut self, condition: &Positioned<TypeCondition>) -> Option<TypeId> {
        let name = &condition.node.on;
        let Some(id) = self.types.type_named(&name.node) else {
            let is_composite = |kind: &TypeKind| kind.composite().is_some();
            let similar = self.types.did_you_mean(&name.node, || self.types.type_names(is_composite));
            let message = format_args!("There is no type {}.{similar}", TruncatedName(&name.node));
            self.errors.invalid(name.pos, message);
            return None;
        };
        if self.types.composite(id).is_none() {
            self.errors.invalid(
                name.pos,
                format_args!("`{}` has no fields, so a fragment cannot select from it.", name.node),
            );
            return None;
        }
        Some(id)
    }

    /// Directives Are Defined (5.7.1), Are in Valid Locations (5.7.2) and Are Unique per Location (5.7.3).
    fn directives(&mut self, directives: &'d [Positioned<Directive>], location: DirectiveLocation) {
        let mut seen = HashSet::new();
        for directive in directives {
            if self.errors.is_full() {
                return;
            }
            let name = &directive.node.name;
            let Some(definition) = self.types.directive(&name.node) else {
                let similar = self.types.did_you_mean(&name.node, || self.types.directive_names());
                let message = format_args!("There is no directive {}.{similar}", TruncatedName(&name.node));
                self.errors.invalid(name.pos, message);
                continue;
            };
            if !definition.locations.contains(&location) {
                self.errors.invalid(name.pos, format_args!("`@{}` is not allowed here.", name.node));
            }
            if !seen.insert(&name.node) && !definition.is_repeatable {
                self.errors.invalid(name.pos, format_args!("`@{}` is used here twice.", name.node));
            }
            let owner = format_args!("The directive `@{}`", name.node);
            self.arguments(owner, name.pos, &definition.arguments, &directive.node.arguments);
            let has_variable = |(_, value): &(_, Positioned<Value>)| matches!(value.node, Value::Variable(_));
            self.definition.is_conditional |= directive.node.arguments.iter().any(has_variable);
        }
    }

    /// Argument Names (5.4.1), Uniqueness (5.4.2) and Required Arguments (5.4.3), and the values.
    fn arguments(
        &mut self,
        owner: fmt::Arguments<'_>,
        pos: Pos,
        definitions: &'t IndexMap<Name, InputValue>,
        given: &'d [(Positioned<Name>, Positioned<Value>)],
    ) {
        let mut seen = HashSet::with_capacity(given.len());
        for (name, value) in given {
            if self.errors.is_full() {
                return;
            }
            if !seen.insert(name.node.as_str()) {
                self.errors.invalid(
                    name.pos,
                    format_args!("The argument {} is given twice.", TruncatedName(&name.node)),
                );
            }
            match definitions.get(&name.node) {
                None => {
                    let hint = Self::unknown_argument(self.types, definitions, &name.node);
                    let message =
                        format_args!("{owner} has no argument {}.{hint}", TruncatedName(&name.node));
                    self.errors.invalid(name.pos, message);
                }
                Some(definition) => {
                    let usages = &mut self.definition.usages;
                    let mut literals = Literals { types: self.types, errors: self.errors, usages };
                    literals.argument(definition, &name.node, &value.node, value.pos);
                }
            }
        }
        for (name, definition) in definitions {
            if definition.is_required() && !seen.contains(name.as_str()) {
                if self.types.hides_names {
                    self.errors.invalid(pos, format_args!("{owner} lacks a required argument."));
                    return;
                }
                let ty = self.types.display(&definition.ty);
                self.errors.invalid(pos, format_args!("{owner} needs the argument `{name}` of type `{ty}`."));
            }
        }
    }

    /// The end of a message about an unknown argument: how to page a connection (GraphQL Cursor Connections
    /// Specification), or similar names.
    fn unknown_argument<'a>(
        types: &'a TypeSystem,
        definitions: &'a IndexMap<Name, InputValue>,
        name: &'a Name,
    ) -> impl fmt::Display + 'a {
        let pages_forward = definitions.contains_key("first") && definitions.contains_key("after");
        let pages_backward = matches!(name.as_str(), "last" | "before");
        let similar = types.did_you_mean(name, || definitions.keys().map(Name::as_str));
        fmt::from_fn(move |f| match pages_forward && pages_backward {
            true if types.suggests => f.write_str(" Connections page forward only: use `first` and `after`."),
            true => f.write_str(" Connections page forward only."),
            false => write!(f, "{similar}"),
        })
    }
}
