//! The properties of an entity that a selection set needs. `$select` requests exactly these.

use async_graphql::Context;
use async_graphql::parser::types::{Field, Selection, SelectionSet};

use crate::graph::odata::Select;

/// The part of a selection set that applies to objects of one type. Operations are collected before
/// they execute, so fragments occur only on interfaces, and name object types.
#[derive(Clone, Copy)]
pub(super) struct Selected<'a> {
    set: &'a SelectionSet,
    object: &'a str,
}

impl<'a> Selected<'a> {
    /// The selection of the field that is being resolved, for objects of type `object`.
    pub(super) fn of(ctx: &Context<'a>, object: &'a str) -> Self {
        Self { set: &ctx.item.node.selection_set.node, object }
    }

    /// The fields that are selected.
    pub(super) fn fields(self) -> Vec<&'a Field> {
        let mut fields = Vec::new();
        self.collect(self.set, &mut fields);
        fields
    }

    fn collect(self, set: &'a SelectionSet, fields: &mut Vec<&'a Field>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => fields.push(&field.node),
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    if condition.is_none_or(|condition| condition.node.on.node == self.object) {
                        self.collect(&fragment.node.selection_set.node, fields);
                    }
                }
                Selection::FragmentSpread(_) => {}
            }
        }
    }

    /// The selections of the fields of this name, for objects of type `object`.
    pub(super) fn within(self, name: &'a str, object: &'a str) -> impl Iterator<Item = Selected<'a>> {
        let fields = self.fields().into_iter().filter(move |field| field.name.node == name);
        fields.map(move |field| Selected { set: &field.selection_set.node, object })
    }

    /// Whether a field of this name is selected.
    pub(super) fn has(self, name: &str) -> bool {
        self.fields().iter().any(|field| field.name.node == name)
    }

    /// The key, and the selected ones of `properties`. Fields have the names of their properties.
    pub(super) fn properties(self, properties: &[&'static str]) -> Select {
        let fields = self.fields();
        let selected = |property: &&&str| fields.iter().any(|field| field.name.node == ***property);
        properties.iter().filter(selected).copied().chain(["id"]).collect()
    }
}
