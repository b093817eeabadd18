//! Field Selection Merging (section 5.3.2): selections with one response key must be mergeable into
//! one field of the response.
//!
//! The specification compares pairs of fields recursively. Here all selections of a response key
//! are compared at once, and the selection sets below them are visited together, once for each set
//! of them. That is equivalent, because the same name, the same arguments and the same response
//! shape are equivalence relations: comparing each field with the first is enough.

use std::collections::HashSet;

use async_graphql::{
    Positioned,
    parser::types::{Field, SelectionSet},
};
use indexmap::IndexMap;

use crate::{
    error::{Errors, RequestError, TruncatedName},
    expansion::{Budget, Expansion},
    limits::Limits,
    parser::ParsedDocument,
    type_system::{Base, FieldDefinition, TypeId, TypeRef, TypeSystem},
};

/// How many selections may be looked at for each that the limits let an operation expand to: a document may hold
/// several operations, and one selection may be met on several ways.
const WORK_PER_SELECTION: usize = 10;

/// Checks every operation; a valid document's fragments are all reached from one.
pub(super) fn check(types: &TypeSystem, document: &ParsedDocument, limits: Limits, errors: &mut Errors) {
    let budget = Budget::new(limits.expanded_selections.saturating_mul(WORK_PER_SELECTION));
    let mut merging =
        Merging { types, document, errors, budget, max_nesting: limits.nesting, checked: HashSet::new() };
    for operation in &document.operations {
        let operation = &operation.definition.node;
        let Some(root) = types.root(operation.ty) else { continue };
        if let Err(error) =
            merging.selection_sets(&[(root, &operation.selection_set)], MergeRule::SameField, 1)
        {
            merging.errors.push_with(|| error);
            return;
        }
    }
}

/// The requirement for selections with the same response key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum MergeRule {
    /// `FieldsInSetCanMerge`: they are for the same object, and must be the same field.
    SameField,
    /// `SameResponseShape`: the fields belong to different objects, whose responses clients must be
    /// able to read alike.
    SameShape,
}

/// A selection set and the type that it selects on.
type Scoped<'d> = (TypeId, &'d Positioned<SelectionSet>);

/// A field and its definition in the schema.
#[derive(Clone, Copy)]
struct Selected<'t, 'd> {
    parent: TypeId,
    field: &'d Positioned<Field>,
    definition: &'t FieldDefinition,
}

struct Merging<'m, 't, 'd> {
    types: &'t TypeSystem,
    document: &'d ParsedDocument,
    errors: &'m mut Errors,
    budget: Budget,
    max_nesting: usize,
    /// The visited sets of selection sets, by address.
    checked: HashSet<(MergeRule, Vec<usize>)>,
}

impl<'t, 'd> Merging<'_, 't, 'd> {
    /// Checks selection sets as if they were one.
    fn selection_sets(
        &mut self,
        sets: &[Scoped<'d>],
        rule: MergeRule,
        depth: usize,
    ) -> Result<(), RequestError> {
        let Some((_, first)) = sets.first() else { return Ok(()) };
        if depth > self.max_nesting {
            let message =
                format!("With its fragments expanded, the operation nests deeper than {}.", self.max_nesting);
            return Err(RequestError::too_large(first.pos, message));
        }
        let mut addresses: Vec<_> = sets.iter().map(|(_, set)| std::ptr::from_ref(*set).addr()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        if !self.checked.insert((rule, addresses)) {
            return Ok(());
        }

        for group in self.by_response_key(sets)?.into_values() {
            if self.errors.is_full() {
                break;
            }
            if !self.have_same_shape(&group) {
                continue;
            }
            match rule {
                MergeRule::SameShape => self.selection_sets(&below(&group), rule, depth + 1)?,
                MergeRule::SameField => {
                    let overlapping = self.overlapping(&group);
                    for group in &overlapping {
                        if self.are_same_field(group) {
                            self.selection_sets(&below(group), rule, depth + 1)?;
                        }
                    }
                    if overlapping.len() > 1 {
                        self.selection_sets(&below(&group), MergeRule::SameShape, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn by_response_key(
        &mut self,
        sets: &[Scoped<'d>],
    ) -> Result<IndexMap<&'d str, Vec<Selected<'t, 'd>>>, RequestError> {
        let types = self.types;
        let mut groups: IndexMap<_, Vec<_>> = IndexMap::new();
        let mut expansion =
            Expansion::new(&self.document.fragments, sets.iter().map(|&(parent, set)| (parent, &set.node)));
        while let Some((parent, field)) = expansion.next(
            &mut self.budget,
            |_| true,
            |parent, condition| condition.map_or(Some(parent), |name| types.type_named(name)),
        )? {
            // That every field exists has been checked before.
            let Some(definition) = types.field(parent, &field.node.name.node) else { continue };
            let group = groups.entry(field.node.response_key().node.as_str()).or_default();
            group.push(Selected { parent, field, definition });
        }
        Ok(groups)
    }

    /// The parts of a group that can be about the same object: those on each object type, each together with those on
    /// interfaces and unions.
    fn overlapping(&self, group: &[Selected<'t, 'd>]) -> Vec<Vec<Selected<'t, 'd>>> {
        let is_abstract = |selected: &&Selected<'_, '_>| {
            self.types.composite(selected.parent).is_some_and(|composite| composite.is_abstract)
        };
        let on_abstract: Vec<_> = group.iter().filter(is_abstract).copied().collect();
        let mut on_object: IndexMap<TypeId, Vec<_>> = IndexMap::new();
        for selected in group.iter().filter(|selected| !is_abstract(selected)) {
            on_object.entry(selected.parent).or_insert_with(|| on_abstract.clone()).push(*selected);
        }
        if on_object.is_empty() { vec![on_abstract] } else { on_object.into_values().collect() }
    }

    fn are_same_field(&mut self, group: &[Selected<'t, 'd>]) -> bool {
        self.all_like_the_first(group, "differ in name or arguments", |first, other| {
            let (first, other) = (&first.field.node, &other.field.node);
            first.name.node == other.name.node
                && first.arguments.len() == other.arguments.len()
                && first.arguments.iter().all(|(name, value)| {
                    other.get_argument(&name.node).is_some_and(|other| other.node == value.node)
                })
        })
    }

    fn have_same_shape(&mut self, group: &[Selected<'t, 'd>]) -> bool {
        let types = self.types;
        self.all_like_the_first(group, "have answers of different types", |first, other| {
            has_same_shape(types, &first.definition.ty, &other.definition.ty)
        })
    }

    fn all_like_the_first(
        &mut self,
        group: &[Selected<'t, 'd>],
        difference: &str,
        alike: impl Fn(&Selected<'t, 'd>, &Selected<'t, 'd>) -> bool,
    ) -> bool {
        let Some((first, others)) = group.split_first() else { return true };
        let Some(other) = others.iter().find(|other| !alike(first, other)) else { return true };
        let key = TruncatedName(&first.field.node.response_key().node);
        let message = format_args!("The selections of {key} {difference}; give one of them an alias.");
        self.errors.invalid_at(&[first.field.pos, other.field.pos], message);
        false
    }
}

/// The selection sets of a group's fields.
fn below<'d>(group: &[Selected<'_, 'd>]) -> Vec<Scoped<'d>> {
    group
        .iter()
        .filter(|selected| !selected.field.node.selection_set.node.items.is_empty())
        .map(|selected| (selected.definition.ty.named(), &selected.field.node.selection_set))
        .collect()
}

/// `SameResponseShape`, for the types themselves.
fn has_same_shape(types: &TypeSystem, a: &TypeRef, b: &TypeRef) -> bool {
    a.nullable == b.nullable
        && match (&a.base, &b.base) {
            (Base::List(a), Base::List(b)) => has_same_shape(types, a, b),
            (Base::Named(a), Base::Named(b)) => {
                a == b || (types.composite(*a).is_some() && types.composite(*b).is_some())
            }
            _ => false,
        }
}
