//! The cost of fields: a number of upstream calls each, multiplied by the number of parent objects.

use std::collections::HashMap;

use async_graphql::{
    Positioned, Value as ConstValue, Variables,
    parser::types::{Field, Selection, SelectionSet},
};
use async_graphql_value::Value;

/// The costs of the fields of a schema. A field without an entry costs nothing and returns one object.
///
/// ```
/// use graphql_prepare::{Cost, Costs, ObjectCount};
///
/// // `users(first: 50) { manager { name } }` costs 51 calls.
/// let costs = Costs::default()
///     .field("Query", "users", Cost { calls: 1, objects: ObjectCount::Argument("first", 20) })
///     .field("User", "manager", Cost { calls: 1, objects: ObjectCount::One });
/// ```
#[derive(Debug, Clone, Default)]
pub struct Costs(HashMap<String, HashMap<String, Cost>>);

/// The cost of one field.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Upstream calls for each parent object.
    pub calls: usize,
    /// The number of objects that the field returns for each parent object.
    pub objects: ObjectCount,
}

/// The number of objects that a field returns.
#[derive(Debug, Clone, Copy, Default)]
pub enum ObjectCount {
    /// One.
    #[default]
    One,
    /// The value of an integer argument, or this default when the argument is not set.
    Argument(&'static str, usize),
    /// The number of items of a list argument. Each item costs the calls of the field. A path with dots names a list within
    /// an input object: `input.users`.
    Items(&'static str),
}

impl Costs {
    /// Sets the cost of the field `field` of the type `ty`.
    #[must_use]
    pub fn field(mut self, ty: &str, field: &str, cost: Cost) -> Self {
        self.0.entry(ty.to_owned()).or_default().insert(field.to_owned(), cost);
        self
    }

    /// The cost of a field. Few types have fields that cost anything.
    pub(crate) fn of(&self, ty: &str, field: &str) -> Cost {
        self.0.get(ty).and_then(|fields| fields.get(field)).copied().unwrap_or_default()
    }
}

impl Cost {
    /// Whether an argument sets the length of the list that the field returns.
    pub(crate) fn is_list_by_length(self) -> bool {
        matches!(self.objects, ObjectCount::Argument(..))
    }

    /// The cost of the field with `objects` parent objects, and the number of objects that it returns.
    pub(crate) fn charge(self, field: &Field, variables: &Variables, objects: usize) -> (usize, usize) {
        let Self { calls, objects: count_rule } = self;
        match count_rule {
            ObjectCount::One => (calls.saturating_mul(objects), objects),
            ObjectCount::Argument(argument, default) => {
                let count = integer(field, argument, variables).unwrap_or(default);
                (calls.saturating_mul(objects), objects.saturating_mul(count))
            }
            ObjectCount::Items(argument) => {
                let count = items(field, argument, variables);
                (calls.saturating_mul(objects).saturating_mul(count), objects.saturating_mul(count))
            }
        }
    }
}

/// The value of an argument: a literal, or the coerced value of a variable.
enum ArgumentValue<'a> {
    Literal(&'a Value),
    Variable(&'a ConstValue),
}

impl<'a> ArgumentValue<'a> {
    fn new(value: &'a Value, variables: &'a Variables) -> Option<Self> {
        match value {
            Value::Variable(name) => variables.get(name).map(Self::Variable),
            value => Some(Self::Literal(value)),
        }
    }

    /// The member of an input object.
    fn member(self, name: &str, variables: &'a Variables) -> Option<Self> {
        match self {
            Self::Literal(Value::Object(members)) => Self::new(members.get(name)?, variables),
            Self::Variable(ConstValue::Object(members)) => members.get(name).map(Self::Variable),
            _ => None,
        }
    }
}

/// The value at a path of dots: an argument, then members of input objects.
fn argument_value<'a>(field: &'a Field, path: &str, variables: &'a Variables) -> Option<ArgumentValue<'a>> {
    let mut names = path.split('.');
    let argument = field.get_argument(names.next()?)?;
    let value = ArgumentValue::new(&argument.node, variables);
    names.fold(value, |value, name| value?.member(name, variables))
}

fn integer(field: &Field, argument: &str, variables: &Variables) -> Option<usize> {
    let (ArgumentValue::Literal(Value::Number(number)) | ArgumentValue::Variable(ConstValue::Number(number))) =
        argument_value(field, argument, variables)?
    else {
        return None;
    };
    number.as_u64().and_then(|number| usize::try_from(number).ok())
}

fn items(field: &Field, argument: &str, variables: &Variables) -> usize {
    match argument_value(field, argument, variables) {
        Some(ArgumentValue::Literal(Value::List(items))) => items.len(),
        Some(ArgumentValue::Variable(ConstValue::List(items))) => items.len(),
        // A single value coerces to a list of one item (3.11).
        _ => 1,
    }
}

/// The number of items of the longest list in the arguments of a field, at least one.
pub(crate) fn max_list_length(field: &Field, variables: &Variables) -> usize {
    let lengths = field.arguments.iter().map(|(_, value)| max_value_list_length(&value.node, variables));
    lengths.max().unwrap_or(1).max(1)
}

fn max_value_list_length(value: &Value, variables: &Variables) -> usize {
    match value {
        Value::Variable(name) => variables.get(name).map_or(1, max_constant_list_length),
        Value::List(items) => items
            .iter()
            .map(|item| max_value_list_length(item, variables))
            .max()
            .unwrap_or(1)
            .max(items.len()),
        Value::Object(members) => {
            members.values().map(|member| max_value_list_length(member, variables)).max().unwrap_or(1)
        }
        _ => 1,
    }
}

fn max_constant_list_length(value: &ConstValue) -> usize {
    match value {
        ConstValue::List(items) => {
            items.iter().map(max_constant_list_length).max().unwrap_or(1).max(items.len())
        }
        ConstValue::Object(members) => members.values().map(max_constant_list_length).max().unwrap_or(1),
        _ => 1,
    }
}

/// The fields of a collected selection set, each with its parent type.
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
