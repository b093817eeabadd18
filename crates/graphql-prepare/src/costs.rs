//! What fields cost: a number of calls each, times the number of objects that they stand on.

use std::collections::HashMap;

use async_graphql::{
    Positioned, Value as ConstValue, Variables,
    parser::types::{Field, Selection, SelectionSet},
};
use async_graphql_value::Value;

/// The costs of fields. A field that has none costs nothing, and stands for one object.
#[derive(Debug, Clone, Default)]
pub struct Costs(HashMap<(String, String), Cost>);

/// What one field costs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Calls that it causes for each object that it stands on.
    pub calls: usize,
    /// How many objects it gives for each.
    pub objects: Objects,
}

/// How many objects a field gives.
#[derive(Debug, Clone, Copy, Default)]
pub enum Objects {
    /// One.
    #[default]
    One,
    /// As many as an integer argument says, or else so many.
    Argument(&'static str, usize),
    /// As many as a list argument has items, each of which costs the field's calls.
    Items(&'static str),
}

impl Costs {
    /// Gives a field of a type its cost.
    #[must_use]
    pub fn field(mut self, ty: &str, field: &str, cost: Cost) -> Self {
        self.0.insert((ty.to_owned(), field.to_owned()), cost);
        self
    }

    fn of(&self, ty: &str, field: &str) -> Cost {
        // Two strings for a look-up: a borrowed pair is no key of a map of pairs, and operations are short.
        self.0.get(&(ty.to_owned(), field.to_owned())).copied().unwrap_or_default()
    }

    /// Whether a field gives a list of the length that an argument says.
    pub(crate) fn is_list_by_length(&self, ty: &str, field: &str) -> bool {
        matches!(self.of(ty, field).objects, Objects::Argument(..))
    }

    /// What one field costs where it stands on `objects` objects, and how many it gives.
    pub(crate) fn charge(
        &self,
        ty: &str,
        field: &Field,
        variables: &Variables,
        objects: usize,
    ) -> (usize, usize) {
        let Cost { calls, objects: gives } = self.of(ty, &field.name.node);
        match gives {
            Objects::One => (calls.saturating_mul(objects), objects),
            Objects::Argument(argument, default) => {
                let given = integer(field, argument, variables).unwrap_or(default);
                (calls.saturating_mul(objects), objects.saturating_mul(given))
            }
            Objects::Items(argument) => {
                let given = items(field, argument, variables);
                (calls.saturating_mul(objects).saturating_mul(given), objects.saturating_mul(given))
            }
        }
    }
}

/// What stands in a field's argument, a variable's value in its place.
enum Given<'a> {
    Literal(&'a Value),
    Variable(&'a ConstValue),
}

fn given<'a>(field: &'a Field, argument: &str, variables: &'a Variables) -> Option<Given<'a>> {
    match field.get_argument(argument).map(|value| &value.node)? {
        Value::Variable(name) => variables.get(name).map(Given::Variable),
        value => Some(Given::Literal(value)),
    }
}

fn integer(field: &Field, argument: &str, variables: &Variables) -> Option<usize> {
    let (Given::Literal(Value::Number(number)) | Given::Variable(ConstValue::Number(number))) =
        given(field, argument, variables)?
    else {
        return None;
    };
    number.as_u64().and_then(|number| usize::try_from(number).ok())
}

fn items(field: &Field, argument: &str, variables: &Variables) -> usize {
    match given(field, argument, variables) {
        Some(Given::Literal(Value::List(items))) => items.len(),
        Some(Given::Variable(ConstValue::List(items))) => items.len(),
        // A single item stands for a list of itself (3.11).
        _ => 1,
    }
}

/// How many items the longest list of a field's arguments has, at least one.
pub(crate) fn longest_list(field: &Field, variables: &Variables) -> usize {
    let lengths = field.arguments.iter().map(|(_, value)| longest(&value.node, variables));
    lengths.max().unwrap_or(1).max(1)
}

fn longest(value: &Value, variables: &Variables) -> usize {
    match value {
        Value::Variable(name) => variables.get(name).map_or(1, longest_constant),
        Value::List(items) => {
            items.iter().map(|item| longest(item, variables)).max().unwrap_or(1).max(items.len())
        }
        Value::Object(members) => {
            members.values().map(|member| longest(member, variables)).max().unwrap_or(1)
        }
        _ => 1,
    }
}

fn longest_constant(value: &ConstValue) -> usize {
    match value {
        ConstValue::List(items) => items.iter().map(longest_constant).max().unwrap_or(1).max(items.len()),
        ConstValue::Object(members) => members.values().map(longest_constant).max().unwrap_or(1),
        _ => 1,
    }
}

/// The fields of a selection set that has been collected, each with the type that it is of.
pub(crate) fn fields<'a>(
    set: &'a SelectionSet,
    parent: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Positioned<Field>)> {
    set.items.iter().flat_map(move |selection| {
        let (ty, items): (&str, &[Positioned<Selection>]) = match &selection.node {
            Selection::Field(_) => (parent, std::slice::from_ref(selection)),
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                let ty = condition.map_or(parent, |condition| condition.node.on.node.as_str());
                (ty, &fragment.node.selection_set.node.items)
            }
            Selection::FragmentSpread(_) => (parent, &[]),
        };
        items.iter().filter_map(move |item| match &item.node {
            Selection::Field(field) => Some((ty, field)),
            _ => None,
        })
    })
}
