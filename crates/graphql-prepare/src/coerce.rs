//! Variables' values: the specification's section 6.1.2, "Coercing Variable Values".
//!
//! All of an operation's variables are coerced before anything executes. Values are moved from the request's JSON,
//! not copied.

use async_graphql::{Name, Pos, Value as ConstValue, Variables};
use indexmap::IndexMap;
use serde_json::{Map, Number, Value as JsonValue};

use crate::{
    error::{Errors, RequestError, RequestErrorKind},
    literal::{enum_member, expectation, outside_int},
    path::{InputPath, unknown_key},
    type_system::{Base, InputObject, Scalar, TypeId, TypeKind, TypeRef, TypeSystem},
};

/// A variable as an operation declares it, its type looked up.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: Name,
    pub(crate) pos: Pos,
    pub(crate) ty: TypeRef,
    pub(crate) default: Option<ConstValue>,
    /// The variable is used at a non-null position, though its type is nullable: validation accepts it because of its
    /// default (5.8.5), and a null at run time would fail only when that field executes.
    pub(crate) rejects_null: bool,
}

/// Coerces the declared variables' values; the others are ignored.
///
/// # Errors
///
/// `Variable` for each invalid value, with the path to it.
pub(crate) fn coerce_variables(
    types: &TypeSystem,
    declared: &[Variable],
    mut values: Map<String, JsonValue>,
) -> Result<Variables, Vec<RequestError>> {
    let mut coercion = Coercion { types, pos: Pos::default(), errors: Errors::default() };
    let mut variables = Variables::default();
    for variable in declared {
        if coercion.errors.is_full() {
            break;
        }
        coercion.pos = variable.pos;
        let path = InputPath::root(&variable.name);
        let value = match (values.swap_remove(variable.name.as_str()), &variable.default) {
            (Some(JsonValue::Null), _) if variable.rejects_null => {
                coercion.reject(
                    &path,
                    "null is not allowed, because the variable is used where null is not allowed.",
                );
                None
            }
            (Some(value), _) => coercion.value(&variable.ty, value, &path),
            (None, Some(default)) => Some(default.clone()),
            (None, None) => {
                if !variable.ty.nullable {
                    coercion.required(&variable.ty, &path);
                }
                None
            }
        };
        if let Some(value) = value {
            variables.insert(variable.name.clone(), value);
        }
    }
    coercion.errors.or_ok(variables)
}

struct Coercion<'t> {
    types: &'t TypeSystem,
    /// The position of the variable's definition.
    pos: Pos,
    errors: Errors,
}

impl Coercion<'_> {
    /// A value of the type, or `None` and an error.
    fn value(&mut self, ty: &TypeRef, value: JsonValue, path: &InputPath<'_>) -> Option<ConstValue> {
        match (value, &ty.base) {
            (JsonValue::Null, _) => {
                if ty.nullable {
                    return Some(ConstValue::Null);
                }
                let expected = self.types.display(ty);
                let expected = self.types.unless_hidden(format_args!(": the type is `{expected}`"));
                let message = format!("null is not allowed{expected}.");
                self.reject(path, &message)
            }
            (JsonValue::Array(items), Base::List(item)) => {
                let mut list = Vec::with_capacity(items.len());
                for (index, value) in items.into_iter().enumerate() {
                    if self.errors.is_full() {
                        return None;
                    }
                    list.extend(self.value(item, value, &path.item(index)));
                }
                Some(ConstValue::List(list))
            }
            // A single value is coerced to a list of one (3.11, "List").
            (value, Base::List(item)) => Some(ConstValue::List(vec![self.value(item, value, path)?])),
            (value, Base::Named(id)) => self.named(*id, value, path),
        }
    }

    fn named(&mut self, id: TypeId, value: JsonValue, path: &InputPath<'_>) -> Option<ConstValue> {
        let types = self.types;
        let ty = types.get(id);
        match (&ty.kind, value) {
            (TypeKind::Scalar(scalar), value) => match scalar_value(*scalar, value) {
                Ok(value) => Some(value),
                Err(reason) => self.reject(path, &format!("{reason}.")),
            },
            (TypeKind::Enum(members), JsonValue::String(member)) => {
                match enum_member(types, members, &ty.name, &member) {
                    Ok(member) => Some(ConstValue::Enum(member.clone())),
                    Err(reason) => self.reject(path, &reason),
                }
            }
            (TypeKind::InputObject(object), JsonValue::Object(fields)) => {
                self.input_object(&ty.name, object, fields, path)
            }
            (TypeKind::Enum(_), value) => {
                let (expected, found) = (types.expected_member(&ty.name), kind_of(&value));
                self.reject(path, &format!("expected {expected} as a string, but found {found}."))
            }
            (TypeKind::InputObject(_), value) => {
                let (expected, found) = (types.expected_object(&ty.name), kind_of(&value));
                self.reject(path, &format!("expected {expected}, but found {found}."))
            }
            // Validation lets no variable have an output type.
            (TypeKind::Composite(_), _) => self.reject(path, "no value can be given."),
        }
    }

    /// An input object (3.10): known fields only, defaults put in, the required ones there.
    fn input_object(
        &mut self,
        of: &str,
        object: &InputObject,
        object_fields: Map<String, JsonValue>,
        path: &InputPath<'_>,
    ) -> Option<ConstValue> {
        let types = self.types;
        let violates_one_of =
            object.one_of && (object_fields.len() != 1 || object_fields.values().any(JsonValue::is_null));
        let mut fields = IndexMap::with_capacity(object.fields.len());
        let mut failed = false;
        for (key, value) in object_fields {
            if self.errors.is_full() {
                return None;
            }
            let Some((_, name, field)) = object.fields.get_full(key.as_str()) else {
                let similar = types.did_you_mean(&key, || object.fields.keys().map(Name::as_str));
                let owner = types.owner(of);
                self.reject(path, &format!("{owner} has {}.{similar}", unknown_key(&key)));
                failed = true;
                continue;
            };
            match self.value(&field.ty, value, &path.field(name)) {
                Some(value) => {
                    fields.insert(name.clone(), value);
                }
                None => failed = true,
            }
        }
        if violates_one_of {
            return self.reject(path, "exactly one field is required, and it must not be null.");
        }
        if failed {
            return None;
        }
        for (name, field) in &object.fields {
            if fields.contains_key(name) {
                continue;
            }
            match &field.default {
                Some(default) => {
                    fields.insert(name.clone(), default.clone());
                }
                None if !field.ty.nullable && types.hides_names => {
                    return self.reject(path, "a required field is missing.");
                }
                None if !field.ty.nullable => {
                    self.required(&field.ty, &path.field(name));
                    failed = true;
                }
                None => {}
            }
        }
        if failed { None } else { Some(ConstValue::Object(fields)) }
    }

    fn required(&mut self, ty: &TypeRef, path: &InputPath<'_>) {
        let message = format!("a value of type `{}` is required.", self.types.display(ty));
        self.reject(path, &message);
    }

    /// Adds an error about the value at `path`; `None`, for the value that it lacks.
    fn reject(&mut self, path: &InputPath<'_>, message: &str) -> Option<ConstValue> {
        let pos = self.pos;
        self.errors.push_with(|| RequestError {
            kind: RequestErrorKind::Variable,
            message: format!("Variable `${path}`: {message}"),
            locations: vec![pos],
            variable: Some(path.segments()),
        });
        None
    }
}

/// Checks a scalar's value (3.5). Returns the expected kind of value as the error.
fn scalar_value(scalar: Scalar, value: JsonValue) -> Result<ConstValue, String> {
    let wrong = |found: &'static str| Err(format!("expected {}, but found {found}", expectation(scalar)));
    match (scalar, value) {
        (Scalar::Int, JsonValue::Number(number)) => match integral(&number).map(i32::try_from) {
            Some(Ok(int)) => Ok(ConstValue::from(int)),
            Some(Err(_)) => Err(outside_int(&number)),
            None => wrong("a number with a fraction or outside that range"),
        },
        (Scalar::Float, JsonValue::Number(number)) => Ok(ConstValue::Number(number)),
        (Scalar::String | Scalar::Id, JsonValue::String(string)) => Ok(ConstValue::String(string)),
        (Scalar::Boolean, JsonValue::Bool(boolean)) => Ok(ConstValue::Boolean(boolean)),
        (Scalar::Id, JsonValue::Number(number)) => match integral(&number) {
            Some(id) => Ok(ConstValue::String(id.to_string())),
            None => wrong("another number"),
        },
        (Scalar::Custom(rule), value) => {
            let value = ConstValue::from_json(value)
                .map_err(|_| "expected a JSON value that GraphQL can represent".to_owned())?;
            rule.map_or(Ok(()), |rule| rule(&value))?;
            Ok(value)
        }
        (_, value) => wrong(kind_of(&value)),
    }
}

/// The number as an integer, in any JSON notation: 8.0 is 8. Only if a float is exact.
fn integral(number: &Number) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    number.as_i64().or_else(|| {
        let float = number.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and within 53 bits")]
        (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
    })
}

fn kind_of(value: &JsonValue) -> &'static str {
    match value {
        JsonValue::Null => "null",
        JsonValue::Bool(_) => "a Boolean",
        JsonValue::Number(_) => "a number",
        JsonValue::String(_) => "a string",
        JsonValue::Array(_) => "a list",
        JsonValue::Object(_) => "an object",
    }
}
