//! The schema: section 3 of the specification, "Type System", parsed from SDL. Types are looked up
//! by name in documents, and by [`TypeId`] elsewhere.

mod build;
mod introspection;
mod repeatable;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt};

use async_graphql::{
    Name, Value as ConstValue,
    parser::types::{BaseType, DirectiveLocation, OperationType, Type},
};
pub use build::TypeSystemError;
use indexmap::IndexMap;

use crate::input_rules::ScalarRule;

/// The types and directives of a schema. Build it once, at start.
#[derive(Debug)]
pub struct TypeSystem {
    types: Vec<TypeDefinition>,
    by_name: HashMap<Name, TypeId>,
    directives: IndexMap<Name, DirectiveDefinition>,
    query: TypeId,
    mutation: Option<TypeId>,
    subscription: Option<TypeId>,
    /// `__typename: String!`, which every composite type has and no SDL spells out.
    typename: FieldDefinition,
    /// Whether messages suggest names and list the members of enums.
    pub(crate) suggests: bool,
    /// Whether no message names a part of the schema that the request does not name.
    pub(crate) hides_names: bool,
}

/// One of a [`TypeSystem`]'s named types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TypeId(usize);

/// A type reference, with its lists and non-nulls.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TypeRef {
    pub(crate) base: Base,
    pub(crate) nullable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Base {
    Named(TypeId),
    List(Box<TypeRef>),
}

impl TypeRef {
    /// The type without its lists and non-nulls.
    pub(crate) fn named(&self) -> TypeId {
        match &self.base {
            Base::Named(id) => *id,
            Base::List(item) => item.named(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct TypeDefinition {
    pub(crate) name: Name,
    pub(crate) kind: TypeKind,
}

#[derive(Debug)]
pub(crate) enum TypeKind {
    Scalar(Scalar),
    Enum(EnumType),
    InputObject(InputObject),
    Composite(Composite),
}

impl TypeKind {
    /// Whether variables and arguments may have the type (`IsInputType`).
    pub(crate) fn is_input(&self) -> bool {
        !matches!(self, Self::Composite(_))
    }

    /// The object, interface or union that selections are made on.
    pub(crate) fn composite(&self) -> Option<&Composite> {
        match self {
            Self::Composite(composite) => Some(composite),
            Self::Scalar(_) | Self::Enum(_) | Self::InputObject(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Int,
    Float,
    String,
    Boolean,
    Id,
    Custom(Option<ScalarRule>),
}

#[derive(Debug)]
pub(crate) struct EnumType {
    /// The members in order; those with a text are rejected as input, with that reason.
    pub(crate) members: IndexMap<Name, Option<String>>,
}

impl EnumType {
    /// The members that are allowed as input.
    pub(crate) fn allowed(&self) -> impl Iterator<Item = &Name> {
        self.members.iter().filter(|(_, rejection)| rejection.is_none()).map(|(name, _)| name)
    }
}

#[derive(Debug)]
pub(crate) struct InputObject {
    pub(crate) fields: IndexMap<Name, InputValue>,
    /// Exactly one of the fields must be present: `@oneOf`.
    pub(crate) one_of: bool,
}

/// An object, an interface or a union.
#[derive(Debug)]
pub(crate) struct Composite {
    /// Whether objects of several types are possible here.
    pub(crate) is_abstract: bool,
    /// None for a union.
    pub(crate) fields: IndexMap<Name, FieldDefinition>,
    /// The interfaces that it implements.
    pub(crate) interfaces: Vec<TypeId>,
    /// The possible object types (`GetPossibleTypes`), in order.
    pub(crate) possible_types: Vec<TypeId>,
}

impl Composite {
    /// Whether an object can be of both types.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.possible_types.iter().any(|id| other.possible_types.contains(id))
    }
}

#[derive(Debug)]
pub(crate) struct FieldDefinition {
    pub(crate) ty: TypeRef,
    pub(crate) arguments: IndexMap<Name, InputValue>,
}

/// An argument, or a field of an input object.
#[derive(Debug)]
pub(crate) struct InputValue {
    pub(crate) ty: TypeRef,
    pub(crate) default: Option<ConstValue>,
}

impl InputValue {
    pub(crate) fn is_required(&self) -> bool {
        !self.ty.nullable && self.default.is_none()
    }
}

#[derive(Debug)]
pub(crate) struct DirectiveDefinition {
    pub(crate) arguments: IndexMap<Name, InputValue>,
    pub(crate) locations: Vec<DirectiveLocation>,
    pub(crate) is_repeatable: bool,
}

impl TypeSystem {
    /// Lets messages suggest similar names and list the members of enums. They then reveal names of the schema that the
    /// request does not contain: turn it on only where introspection is on. Off by default.
    #[must_use]
    pub fn with_suggestions(mut self, suggests: bool) -> Self {
        self.suggests = suggests;
        self
    }

    /// Leaves out of messages each name of the schema that the request does not contain: the types of fields, arguments and
    /// input fields, and the names of those that are missing. Names of built-in scalars stay.
    #[must_use]
    pub fn without_schema_names(mut self) -> Self {
        self.suggests = false;
        self.hides_names = true;
        self
    }

    pub(crate) fn get(&self, id: TypeId) -> &TypeDefinition {
        &self.types[id.0]
    }

    pub(crate) fn type_named(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn composite(&self, id: TypeId) -> Option<&Composite> {
        self.get(id).kind.composite()
    }

    /// The names of the types that `accepts` takes, in order.
    pub(crate) fn type_names(&self, accepts: impl Fn(&TypeKind) -> bool) -> impl Iterator<Item = &str> {
        self.types.iter().filter(move |ty| accepts(&ty.kind)).map(|ty| ty.name.as_str())
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = TypeId> {
        (0..self.types.len()).map(TypeId)
    }

    pub(crate) fn directives(&self) -> impl Iterator<Item = &DirectiveDefinition> {
        self.directives.values()
    }

    pub(crate) fn directive_names(&self) -> impl Iterator<Item = &str> {
        self.directives.keys().map(Name::as_str)
    }

    pub(crate) fn directive(&self, name: &str) -> Option<&DirectiveDefinition> {
        self.directives.get(name)
    }

    pub(crate) fn root(&self, operation: OperationType) -> Option<TypeId> {
        match operation {
            OperationType::Query => Some(self.query),
            OperationType::Mutation => self.mutation,
            OperationType::Subscription => self.subscription,
        }
    }

    /// The field of a composite type, `__typename` among them.
    pub(crate) fn field(&self, id: TypeId, name: &str) -> Option<&FieldDefinition> {
        let composite = self.composite(id)?;
        if name == "__typename" { Some(&self.typename) } else { composite.fields.get(name) }
    }

    /// The names of the fields of a composite type, `__typename` last.
    pub(crate) fn field_names(&self, id: TypeId) -> impl Iterator<Item = &str> {
        let fields = self.composite(id).map(|composite| composite.fields.keys().map(Name::as_str));
        fields.into_iter().flatten().chain(["__typename"])
    }

    /// A type as it is written in a document; `None` if the schema does not have it.
    pub(crate) fn resolve(&self, ty: &Type) -> Option<TypeRef> {
        let base = match &ty.base {
            BaseType::Named(name) => Base::Named(self.type_named(name)?),
            BaseType::List(item) => Base::List(Box::new(self.resolve(item)?)),
        };
        Some(TypeRef { base, nullable: ty.nullable })
    }

    /// The type as SDL writes it.
    pub(crate) fn display<'t>(&'t self, ty: &'t TypeRef) -> impl fmt::Display + 't {
        fmt::from_fn(move |f| self.write(ty, f))
    }

    fn write(&self, ty: &TypeRef, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &ty.base {
            Base::Named(id) => f.write_str(&self.get(*id).name)?,
            Base::List(item) => {
                f.write_str("[")?;
                self.write(item, f)?;
                f.write_str("]")?;
            }
        }
        f.write_str(if ty.nullable { "" } else { "!" })
    }
}
