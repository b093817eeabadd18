//! Checks the collected fields of an operation against the limits on depth, aliases, root fields, cost and introspection, in
//! one walk over at most [`Limits::expanded_selections`] selections.

use async_graphql::{
    Positioned, Variables,
    parser::types::{OperationType, SelectionSet},
};

use crate::{
    costs::{Costs, fields, max_list_length},
    error::{RequestError, pluralize},
    introspection::Introspection,
    limits::Limits,
    type_system::TypeSystem,
};

/// Estimated bytes of a value besides its response key: its place in memory, and a short text.
const VALUE: usize = 160;

/// Rejects an operation that exceeds a limit. Returns the estimated size, in bytes, of the parts of its response that cannot
/// be left out: the results of mutations, and introspection.
///
/// # Errors
///
/// `TooLarge`; the message names the limit.
pub(crate) fn check(
    types: &TypeSystem,
    costs: &Costs,
    limits: &Limits,
    ty: OperationType,
    selection_set: &Positioned<SelectionSet>,
    variables: &Variables,
) -> Result<usize, RequestError> {
    let Some(root) = types.root(ty) else { return Ok(0) };
    let max_root_fields = match ty {
        OperationType::Mutation => limits.root_mutations,
        _ => limits.root_fields,
    };
    if selection_set.node.items.len() > max_root_fields {
        let fields = pluralize(max_root_fields, "field", "fields");
        let message = format!("The operation has more than {fields} at its root.");
        return Err(RequestError::too_large(selection_set.pos, message));
    }
    let introspection = Introspection::new(types, limits.introspection);
    let mut walk = Walk { types, costs, limits, variables, aliases: 0, cost: 0, results: 0, introspection };
    let results = usize::from(ty == OperationType::Mutation);
    let scope = Scope { objects: 1, introspects: false, results };
    walk.selections(&selection_set.node, types.get(root).name.as_str(), 1, scope)?;
    Ok(walk.results.saturating_add(walk.introspection.bytes()))
}

struct Walk<'a> {
    types: &'a TypeSystem,
    costs: &'a Costs,
    limits: &'a Limits,
    variables: &'a Variables,
    aliases: usize,
    cost: usize,
    /// Estimated bytes of what mutations return, without lists whose length an argument sets.
    results: usize,
    introspection: Introspection<'a>,
}

/// The objects that a selection set applies to.
#[derive(Clone, Copy)]
struct Scope {
    /// How many objects.
    objects: usize,
    /// Whether they describe the schema.
    introspects: bool,
    /// How many of them a mutation returns: at most one for each item of its longest list argument.
    results: usize,
}

impl<'a> Walk<'a> {
    /// The selections on objects of type `parent`, at a depth that counts from 1.
    fn selections(
        &mut self,
        set: &SelectionSet,
        parent: &str,
        depth: usize,
        Scope { objects, introspects, results }: Scope,
    ) -> Result<(), RequestError> {
        for (ty, field) in fields(set, parent) {
            let name = field.node.name.node.as_str();
            if let Some(alias) = &field.node.alias {
                if alias.node.len() > self.limits.response_key {
                    let bytes = pluralize(self.limits.response_key, "byte", "bytes");
                    let message = format!("An alias is longer than {bytes}.");
                    return Err(RequestError::too_large(field.pos, message));
                }
                self.aliases += 1;
                if self.aliases > self.limits.aliases {
                    let aliases = pluralize(self.limits.aliases, "alias", "aliases");
                    let message = format!("The operation has more than {aliases}.");
                    return Err(RequestError::too_large(field.pos, message));
                }
            }
            let is_meta_field = depth == 1 && matches!(name, "__schema" | "__type");
            if is_meta_field {
                self.introspection.add(field, self.variables)?;
            }
            let introspects = introspects || is_meta_field;
            if depth > self.limits.depth && !introspects {
                let message = format!("The operation's fields nest deeper than {}.", self.limits.depth);
                return Err(RequestError::too_large(field.pos, message));
            }
            let key = field.node.response_key().node.len();
            self.results = self.results.saturating_add(results.saturating_mul(key + VALUE));
            let cost = self.costs.of(ty, name);
            let results = match depth {
                _ if cost.is_list_by_length() => 0,
                1 => results.saturating_mul(max_list_length(&field.node, self.variables)),
                _ => results,
            };
            let (cost, objects) = cost.charge(&field.node, self.variables, objects);
            self.cost = self.cost.saturating_add(cost);
            if self.cost > self.limits.cost {
                let message = format!(
                    "The operation may cause more than {}: request smaller pages, or fewer fields at a time.",
                    pluralize(self.limits.cost, "upstream call", "upstream calls")
                );
                return Err(RequestError::too_large(field.pos, message));
            }
            let inner = &field.node.selection_set.node;
            if !inner.items.is_empty() {
                let inner_type = self.type_of(ty, name);
                self.selections(inner, inner_type, depth + 1, Scope { objects, introspects, results })?;
            }
        }
        Ok(())
    }

    /// The name of the type that a field returns.
    fn type_of(&self, ty: &str, field: &str) -> &'a str {
        let parent = self.types.type_named(ty);
        let field = parent.and_then(|parent| self.types.field(parent, field));
        field.map_or("", |field| self.types.get(field.ty.named()).name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Cost, Costs, InputRules, Limits, ObjectCount, Preparer, TypeSystem};

    #[test]
    fn an_operation_that_costs_too_much_is_too_large_for_any_schema() {
        let sdl = "type Query {users(first: Int): [User]} type User {manager: User}";
        let costs = Costs::default()
            .field("Query", "users", Cost { calls: 1, objects: ObjectCount::Argument("first", 20) })
            .field("User", "manager", Cost { calls: 1, objects: ObjectCount::One });
        let types = TypeSystem::new(sdl, InputRules::default()).unwrap();
        let preparer = Preparer::new(types, costs, Limits { cost: 51, ..Limits::default() });
        assert!(preparer.check("{users(first:50){manager{__typename}}}").is_ok());
        let errors = preparer.check("{users(first:51){manager{__typename}}}").unwrap_err();
        assert_eq!(
            errors[0].message,
            "The operation may cause more than 51 upstream calls: request smaller pages, or fewer fields at a time."
        );
    }
}
