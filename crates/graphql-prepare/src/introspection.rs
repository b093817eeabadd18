//! Counts the values that an introspection query returns, before it executes.
//!
//! async-graphql resolves introspection without an await, so a request timeout cannot interrupt it. Types refer to types, so
//! a short document can request any number of values. The schema is known, so this module walks the response without
//! building it. Each step of the walk is one value of the response, and the limit on values bounds the walk too.

use async_graphql::{
    Positioned, Value as ConstValue, Variables,
    parser::types::{Field, OperationType, SelectionSet},
};
use async_graphql_value::Value;

use crate::{
    costs::fields,
    error::{RequestError, pluralize},
    type_system::{
        Base, DirectiveDefinition, FieldDefinition, InputValue, TypeId, TypeKind, TypeRef, TypeSystem,
    },
};

/// Estimated bytes of a value: its place in memory, and a name or a short text.
const VALUE: usize = 160;

/// Counts the values of an operation's introspection.
#[derive(Debug)]
pub(crate) struct Introspection<'t> {
    types: &'t TypeSystem,
    values: usize,
    /// Estimated bytes of the values.
    bytes: usize,
    max_values: usize,
}

/// A value that a selection below `__schema` or `__type` applies to.
#[derive(Clone, Copy)]
enum Object<'t> {
    Schema,
    Type(TypeId),
    List(&'t TypeRef),
    NonNull(&'t Base),
    Field(&'t FieldDefinition),
    InputValue(&'t InputValue),
    EnumValue,
    Directive(&'t DirectiveDefinition),
    DirectiveLocation,
}

impl<'t> Introspection<'t> {
    pub(crate) fn new(types: &'t TypeSystem, max_values: usize) -> Self {
        Self { types, values: 0, bytes: 0, max_values }
    }

    /// Estimated bytes of the values, with their response keys.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts the values that a `__schema` or `__type` field returns.
    ///
    /// # Errors
    ///
    /// `TooLarge` when all fields together return more than the maximum number of values.
    pub(crate) fn add(
        &mut self,
        field: &Positioned<Field>,
        variables: &Variables,
    ) -> Result<(), RequestError> {
        let object = match field.node.name.node.as_str() {
            "__schema" => Some(Object::Schema),
            _ => name_argument(&field.node, variables)
                .and_then(|name| self.types.type_named(name))
                .map(Object::Type),
        };
        object.map_or(Ok(()), |object| self.selections(&field.node.selection_set.node, object))
    }

    fn selections(&mut self, set: &SelectionSet, object: Object<'t>) -> Result<(), RequestError> {
        // All of these types are objects, so the collected selections have no fragments.
        for (_, field) in fields(set, "") {
            let children = self.children(object, &field.node.name.node);
            let values = children.len().max(1);
            self.values = self.values.saturating_add(values);
            let key = field.node.response_key().node.len();
            self.bytes = self.bytes.saturating_add(values.saturating_mul(VALUE).saturating_add(key));
            if self.values > self.max_values {
                let values = pluralize(self.max_values, "value", "values");
                let message = format!(
                    "The introspection response has more than {values}: select fewer fields at a time."
                );
                return Err(RequestError::too_large(field.pos, message));
            }
            for child in children {
                self.selections(&field.node.selection_set.node, child)?;
            }
        }
        Ok(())
    }

    /// The objects or enum values that a field returns; empty for a scalar or null.
    fn children(&self, object: Object<'t>, field: &str) -> Vec<Object<'t>> {
        match (object, field) {
            (Object::Schema, "types") => self.types.ids().map(Object::Type).collect(),
            (Object::Schema, "queryType") => self.root(OperationType::Query),
            (Object::Schema, "mutationType") => self.root(OperationType::Mutation),
            (Object::Schema, "subscriptionType") => self.root(OperationType::Subscription),
            (Object::Schema, "directives") => self.types.directives().map(Object::Directive).collect(),
            (Object::Type(id), _) => self.type_children(id, field),
            (Object::Directive(directive), "locations") => {
                vec![Object::DirectiveLocation; directive.locations.len()]
            }
            (Object::List(item), "ofType") => vec![type_of(item)],
            (Object::NonNull(base), "ofType") => vec![type_of_base(base)],
            (
                Object::Field(FieldDefinition { ty, .. }) | Object::InputValue(InputValue { ty, .. }),
                "type",
            ) => {
                vec![type_of(ty)]
            }
            (
                Object::Field(FieldDefinition { arguments, .. })
                | Object::Directive(DirectiveDefinition { arguments, .. }),
                "args",
            ) => arguments.values().map(Object::InputValue).collect(),
            _ => Vec::new(),
        }
    }

    fn type_children(&self, id: TypeId, field: &str) -> Vec<Object<'t>> {
        match (&self.types.get(id).kind, field) {
            (TypeKind::Enum(ty), "enumValues") => vec![Object::EnumValue; ty.members.len()],
            (TypeKind::InputObject(ty), "inputFields") => {
                ty.fields.values().map(Object::InputValue).collect()
            }
            (TypeKind::Composite(ty), "fields") => {
                let visible = ty.fields.iter().filter(|(name, _)| !name.starts_with("__"));
                visible.map(|(_, field)| Object::Field(field)).collect()
            }
            (TypeKind::Composite(ty), "interfaces") => {
                ty.interfaces.iter().copied().map(Object::Type).collect()
            }
            (TypeKind::Composite(ty), "possibleTypes") if ty.is_abstract => {
                ty.possible_types.iter().copied().map(Object::Type).collect()
            }
            _ => Vec::new(),
        }
    }

    fn root(&self, operation: OperationType) -> Vec<Object<'t>> {
        self.types.root(operation).map(Object::Type).into_iter().collect()
    }
}

fn type_of(ty: &TypeRef) -> Object<'_> {
    if ty.nullable { type_of_base(&ty.base) } else { Object::NonNull(&ty.base) }
}

fn type_of_base(base: &Base) -> Object<'_> {
    match base {
        Base::Named(id) => Object::Type(*id),
        Base::List(item) => Object::List(item),
    }
}

/// The `name` argument of a `__type` field.
fn name_argument<'a>(field: &'a Field, variables: &'a Variables) -> Option<&'a str> {
    match &field.get_argument("name")?.node {
        Value::String(name) => Some(name),
        Value::Variable(variable) => match variables.get(variable)? {
            ConstValue::String(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}
