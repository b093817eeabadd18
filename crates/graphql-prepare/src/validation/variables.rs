//! Section 5.8, "Variables".

use std::collections::HashMap;

use async_graphql::{
    Name, Pos, Value as ConstValue,
    parser::types::{BaseType, OperationDefinition, Type},
};

use super::{Definition, OperationFacts};
use crate::{
    coerce::Variable,
    error::{Errors, TruncatedName},
    literal::{Literals, VariableUsage, VariableUsages},
    path::InputPath,
    type_system::{Base, TypeKind, TypeRef, TypeSystem},
};

/// Variable Uniqueness (5.8.1), Variables Are Input Types (5.8.2), and that defaults fit (5.6.1).
pub(super) fn declared(
    types: &TypeSystem,
    operation: &OperationDefinition,
    errors: &mut Errors,
) -> Vec<Variable> {
    let mut positions: HashMap<&Name, Pos> = HashMap::new();
    let mut variables = Vec::with_capacity(operation.variable_definitions.len());
    for definition in &operation.variable_definitions {
        if errors.is_full() {
            break;
        }
        let pos = definition.pos;
        let definition = &definition.node;
        let name = &definition.name.node;
        if let Some(first) = positions.insert(name, pos) {
            errors.invalid_at(
                &[first, pos],
                format_args!("The variable {} is declared twice.", TruncatedName(name)),
            );
        }
        let at = definition.var_type.pos;
        let Some(ty) = types.resolve(&definition.var_type.node) else {
            let unknown = named(&definition.var_type.node);
            let similar = types.did_you_mean(unknown, || types.type_names(TypeKind::is_input));
            let message = format_args!(
                "The type {} of the variable {} does not exist.{similar}",
                TruncatedName(unknown),
                TruncatedName(name)
            );
            errors.invalid(at, message);
            continue;
        };
        if !types.get(ty.named()).kind.is_input() {
            let message = format_args!(
                "The type `{}` of the variable {} is an output type: variables need an input type.",
                types.get(ty.named()).name,
                TruncatedName(name)
            );
            errors.invalid(at, message);
            continue;
        }
        if let Some(default) = &definition.default_value {
            let value = default.node.clone().into_value();
            // A constant: it holds no variables to gather.
            let mut literals = Literals { types, errors, usages: &mut VariableUsages::new() };
            literals.value(&ty, &value, default.pos, &InputPath::root(name));
        }
        let default = definition.default_value.as_ref().map(|default| default.node.clone());
        variables.push(Variable { name: name.clone(), pos, ty, default, rejects_null: false });
    }
    variables
}

/// The name in a type, without its lists and non-nulls.
fn named(ty: &Type) -> &Name {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(item) => named(item),
    }
}

/// All Variable Uses Defined (5.8.3), All Variables Used (5.8.4) and All Variable Usages Are Allowed (5.8.5), for an
/// operation and the fragments that it reaches.
pub(super) fn check_usages<'f, 't: 'f, 'd: 'f, I>(
    types: &TypeSystem,
    mut declared: Vec<Variable>,
    definitions: impl Fn() -> I,
    errors: &mut Errors,
) -> OperationFacts
where
    I: Iterator<Item = &'f Definition<'t, 'd>>,
{
    let by_name: HashMap<Name, usize> =
        declared.iter().enumerate().map(|(index, variable)| (variable.name.clone(), index)).collect();
    let mut used = vec![false; declared.len()];
    let mut replaced_by_defaults = Vec::new();
    for (usage, &pos) in definitions().flat_map(|definition| &definition.usages) {
        if errors.is_full() {
            break;
        }
        let Some(&index) = by_name.get(usage.name) else {
            errors.invalid(pos, format_args!("The variable {} is not declared.", TruncatedName(usage.name)));
            continue;
        };
        used[index] = true;
        let variable = &mut declared[index];
        if !is_allowed(variable, usage) {
            let (given, expected) = (types.display(&variable.ty), types.display(usage.ty));
            let name = TruncatedName(usage.name);
            // If only lists and nulls differ, the request has the name of the type.
            let is_named = usage.ty.named() == variable.ty.named() || !types.hides_names;
            let place = if is_named { format!("where `{expected}` is expected") } else { "here".to_owned() };
            let message = format_args!("The variable {name} of type `{given}` cannot be used {place}.");
            errors.invalid_at(&[variable.pos, pos], message);
        }
        variable.rejects_null |= variable.ty.nullable && !usage.ty.nullable;
        if usage.is_argument && usage.has_default && variable.ty.nullable && variable.default.is_none() {
            replaced_by_defaults.push(variable.name.clone());
        }
    }
    for (variable, _) in declared.iter().zip(used).filter(|(_, used)| !used) {
        errors.invalid(
            variable.pos,
            format_args!("The variable {} is never used.", TruncatedName(&variable.name)),
        );
    }
    let is_conditional = definitions().any(|definition| definition.is_conditional);
    OperationFacts { variables: declared, is_conditional, replaced_by_defaults }
}

/// `IsVariableUsageAllowed`, with the rule for `@oneOf`.
fn is_allowed(variable: &Variable, usage: &VariableUsage<'_, '_>) -> bool {
    if usage.in_one_of && variable.ty.nullable {
        return false;
    }
    if usage.ty.nullable || !variable.ty.nullable {
        return is_compatible(&variable.ty, usage.ty);
    }
    let has_default = variable.default.as_ref().is_some_and(|default| *default != ConstValue::Null);
    (has_default || usage.has_default) && is_compatible_base(&variable.ty, usage.ty)
}

/// `AreTypesCompatible`
fn is_compatible(variable: &TypeRef, place: &TypeRef) -> bool {
    (place.nullable || !variable.nullable) && is_compatible_base(variable, place)
}

fn is_compatible_base(variable: &TypeRef, place: &TypeRef) -> bool {
    match (&variable.base, &place.base) {
        (Base::List(variable), Base::List(place)) => is_compatible(variable, place),
        (Base::Named(variable), Base::Named(place)) => variable == place,
        _ => false,
    }
}
