//! Values in the document: section 5.6 of the specification, "Values", with the input coercion of
//! section 3 for each kind of type. All values are checked before anything executes.

use async_graphql::{Name, Number, Pos};
use async_graphql_value::Value;
use indexmap::IndexMap;

use crate::{
    error::{Errors, article},
    path::{InputPath, unknown_key},
    type_system::{Base, EnumType, InputObject, InputValue, Scalar, TypeId, TypeKind, TypeRef, TypeSystem},
};

/// The type of a variable's usage in an operation or a fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct VariableUsage<'t, 'd> {
    pub(crate) name: &'d Name,
    /// The type of the place.
    pub(crate) ty: &'t TypeRef,
    /// The position is an argument or an input field with a default value.
    pub(crate) has_default: bool,
    /// The place is an argument itself, not a part of its value.
    pub(crate) is_argument: bool,
    /// The place is a field of a `@oneOf` input object.
    pub(crate) in_one_of: bool,
}

/// The usages of variables with the position of the first one each. Repeated usages count once: for
/// each fragment, an operation checks at most as many usages as there are variables.
pub(crate) type VariableUsages<'t, 'd> = IndexMap<VariableUsage<'t, 'd>, Pos>;

/// Checks literals, and gathers the variables inside them.
pub(crate) struct Literals<'c, 't, 'd> {
    pub(crate) types: &'t TypeSystem,
    pub(crate) errors: &'c mut Errors,
    pub(crate) usages: &'c mut VariableUsages<'t, 'd>,
}

impl<'t, 'd> Literals<'_, 't, 'd> {
    /// The value of an argument of a field or directive.
    pub(crate) fn argument(&mut self, definition: &'t InputValue, name: &'d str, value: &'d Value, pos: Pos) {
        match value {
            Value::Variable(name) => self.usage(
                VariableUsage {
                    name,
                    ty: &definition.ty,
                    has_default: definition.default.is_some(),
                    is_argument: true,
                    in_one_of: false,
                },
                pos,
            ),
            _ => self.value(&definition.ty, value, pos, &InputPath::root(name)),
        }
    }

    /// Checks a value, or a part of one, at a position of type `ty`. `pos` is the position of the
    /// whole value.
    pub(crate) fn value(&mut self, ty: &'t TypeRef, value: &'d Value, pos: Pos, path: &InputPath<'_>) {
        match (value, &ty.base) {
            (Value::Variable(name), _) => self.usage(
                VariableUsage { name, ty, has_default: false, is_argument: false, in_one_of: false },
                pos,
            ),
            (Value::Null, _) => {
                if !ty.nullable {
                    let expected = self.types.display(ty);
                    let expected = self.types.unless_hidden(format_args!(": its type is `{expected}`"));
                    self.errors.invalid(pos, format_args!("`{path}` must not be null{expected}."));
                }
            }
            (Value::List(items), Base::List(item)) => {
                for (index, value) in items.iter().enumerate() {
                    if self.errors.is_full() {
                        return;
                    }
                    self.value(item, value, pos, &path.item(index));
                }
            }
            // A single value is coerced to a list of one (3.11, "List").
            (_, Base::List(item)) => self.value(item, value, pos, path),
            (_, Base::Named(id)) => self.named(*id, value, pos, path),
        }
    }

    fn usage(&mut self, usage: VariableUsage<'t, 'd>, pos: Pos) {
        self.usages.entry(usage).or_insert(pos);
    }

    fn named(&mut self, id: TypeId, value: &'d Value, pos: Pos, path: &InputPath<'_>) {
        let types = self.types;
        let ty = types.get(id);
        match (&ty.kind, value) {
            (TypeKind::Scalar(scalar), _) => {
                if let Err(reason) = scalar_literal(types, *scalar, &ty.name, value) {
                    self.errors.invalid(pos, format_args!("`{path}`: {reason}."));
                }
            }
            (TypeKind::Enum(members), Value::Enum(member)) => {
                if let Err(reason) = enum_member(types, members, &ty.name, member) {
                    self.errors.invalid(pos, format_args!("`{path}`: {reason}"));
                }
            }
            (TypeKind::InputObject(object), Value::Object(fields)) => {
                for (name, value) in fields {
                    if self.errors.is_full() {
                        return;
                    }
                    self.input_field(&ty.name, object, name, value, pos, path);
                }
                let left_out = |(name, field): &(&Name, &InputValue)| {
                    field.is_required() && !fields.contains_key(name.as_str())
                };
                for (name, field) in object.fields.iter().filter(left_out) {
                    if types.hides_names {
                        self.errors.invalid(pos, format_args!("`{path}` lacks a required field."));
                        break;
                    }
                    let expected = types.display(&field.ty);
                    let path = path.field(name);
                    self.errors.invalid(pos, format_args!("`{path}` of type `{expected}` is required."));
                }
                if object.one_of && (fields.len() != 1 || fields.values().any(|value| *value == Value::Null))
                {
                    self.errors.invalid(
                        pos,
                        format_args!("`{path}` needs exactly one field, and it must not be null."),
                    );
                }
            }
            (TypeKind::Enum(_), _) => {
                let (expected, found) = (types.expected_member(&ty.name), kind_of(value));
                let hint = if matches!(value, Value::String(_)) { ": write it without quotes" } else { "" };
                let message = format_args!("`{path}`: expected {expected}, but found {found}{hint}.");
                self.errors.invalid(pos, message);
            }
            (TypeKind::InputObject(_), _) => {
                let (expected, found) = (types.expected_object(&ty.name), kind_of(value));
                self.errors.invalid(pos, format_args!("`{path}`: expected {expected}, but found {found}."));
            }
            // An output type at an input position was already reported.
            (TypeKind::Composite(_), _) => {}
        }
    }

    fn input_field(
        &mut self,
        of: &str,
        object: &'t InputObject,
        name: &'d Name,
        value: &'d Value,
        pos: Pos,
        path: &InputPath<'_>,
    ) {
        match (object.fields.get(name), value) {
            (None, _) => {
                let similar = self.types.did_you_mean(name, || object.fields.keys().map(Name::as_str));
                let (owner, unknown) = (self.types.owner(of), unknown_key(name));
                self.errors.invalid(pos, format_args!("`{path}`: {owner} has {unknown}.{similar}"));
            }
            (Some(field), Value::Variable(name)) => self.usage(
                VariableUsage {
                    name,
                    ty: &field.ty,
                    has_default: field.default.is_some(),
                    is_argument: false,
                    in_one_of: object.one_of,
                },
                pos,
            ),
            (Some(field), _) => self.value(&field.ty, value, pos, &path.field(name)),
        }
    }
}

/// Whether a scalar accepts the literal (3.5), or the expected kind of value.
fn scalar_literal(types: &TypeSystem, scalar: Scalar, name: &str, value: &Value) -> Result<(), String> {
    let fits = match (scalar, value) {
        (Scalar::Int, Value::Number(number)) => number.as_i64().is_some_and(|int| i32::try_from(int).is_ok()),
        (Scalar::Float, Value::Number(_))
        | (Scalar::String | Scalar::Id, Value::String(_))
        | (Scalar::Boolean, Value::Boolean(_)) => true,
        (Scalar::Id, Value::Number(number)) => number.is_i64(),
        (Scalar::Custom(rule), _) => {
            // The type of a variable inside such a value is not defined.
            let Some(value) = value.clone().into_const() else {
                let place = if types.hides_names {
                    "this value".to_owned()
                } else {
                    format!("{} `{name}`", article(name))
                };
                return Err(format!("a variable is not allowed inside {place}"));
            };
            return rule.map_or(Ok(()), |rule| rule(&value));
        }
        _ => false,
    };
    match (scalar, value) {
        _ if fits => Ok(()),
        (Scalar::Int, Value::Number(number)) if !number.is_f64() => Err(outside_int(number)),
        _ => Err(format!("expected {}, but found {}", expectation(scalar), kind_of(value))),
    }
}

/// That a whole number of at most 64 bits, which is quoted, does not fit an `Int`.
pub(crate) fn outside_int(number: &Number) -> String {
    format!("{number} is outside the `Int` range {} to {}", i32::MIN, i32::MAX)
}

/// The values that a built-in scalar accepts.
pub(crate) fn expectation(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Int => "an `Int`, a whole number from -2147483648 to 2147483647",
        Scalar::Float => "a `Float`, a number",
        Scalar::String => "a `String`",
        Scalar::Boolean => "a `Boolean`",
        Scalar::Id => "an `ID`, a string or a whole number of at most 64 bits",
        Scalar::Custom(_) => "another value",
    }
}

/// The enum's own name for a member that may be given as input, or a sentence why it may not.
pub(crate) fn enum_member<'t>(
    types: &TypeSystem,
    members: &'t EnumType,
    of: &str,
    member: &str,
) -> Result<&'t Name, String> {
    match members.members.get_key_value(member) {
        Some((name, None)) => Ok(name),
        Some((name, Some(reason))) => Err(format!("`{name}` is not allowed as input. {reason}")),
        None => Err(types.unknown_member(members, of, member)),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Variable(_) => "a variable",
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "a number with a fraction or of more than 64 bits",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a string",
        Value::Boolean(_) => "a Boolean",
        Value::Binary(_) => "binary data",
        Value::Enum(_) => "an enum value",
        Value::List(_) => "a list",
        Value::Object(_) => "an object",
    }
}
