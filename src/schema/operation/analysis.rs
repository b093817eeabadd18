//! What an operation comes to, once its fields are collected: its depth, aliases, fields and cost, in one walk over at
//! most as many selections as [`Limits::expanded_selections`] allows.

use async_graphql::{
    Pos, Positioned, Variables,
    parser::types::{OperationType, SelectionSet},
};

use super::{
    costs::{Costs, fields},
    error::RequestError,
    limits::Limits,
    type_system::TypeSystem,
};

/// Refuses an operation that passes a limit.
///
/// # Errors
///
/// `TooLarge`, which names the limit.
pub(super) fn check(
    types: &TypeSystem,
    costs: &Costs,
    limits: &Limits,
    ty: OperationType,
    selection_set: &Positioned<SelectionSet>,
    variables: &Variables,
) -> Result<(), RequestError> {
    let Some(root) = types.root(ty) else { return Ok(()) };
    let (most, kind) = match ty {
        OperationType::Mutation => (limits.root_mutations, "fields of a mutation"),
        _ => (limits.root_fields, "fields at its root"),
    };
    let root_fields = selection_set.node.items.len();
    if root_fields > most {
        return Err(too_many(selection_set.pos, root_fields, kind, most));
    }
    let mut walk = Walk { types, costs, limits, variables, aliases: 0, cost: 0 };
    walk.selections(&selection_set.node, types.get(root).name.as_str(), 1, 1, false)
}

struct Walk<'a> {
    types: &'a TypeSystem,
    costs: &'a Costs,
    limits: &'a Limits,
    variables: &'a Variables,
    aliases: usize,
    cost: usize,
}

impl Walk<'_> {
    /// The selections on `objects` objects of type `parent`, at a depth that counts from 1.
    fn selections(
        &mut self,
        set: &SelectionSet,
        parent: &str,
        depth: usize,
        objects: usize,
        introspects: bool,
    ) -> Result<(), RequestError> {
        for (ty, field) in fields(set, parent) {
            let name = field.node.name.node.as_str();
            if field.node.alias.is_some() {
                self.aliases += 1;
                if self.aliases > self.limits.aliases {
                    return Err(too_many(field.pos, self.aliases, "aliases", self.limits.aliases));
                }
            }
            let introspects = introspects || (depth == 1 && matches!(name, "__schema" | "__type"));
            if depth > self.limits.depth && !introspects {
                let message = format!("The operation's fields nest deeper than {}.", self.limits.depth);
                return Err(RequestError::too_large(field.pos, message));
            }
            let (cost, objects) = self.costs.charge(ty, &field.node, self.variables, objects);
            self.cost = self.cost.saturating_add(cost);
            if self.cost > self.limits.cost {
                let message = format!(
                    "The operation may cause more than {} calls to Microsoft Graph: ask for smaller pages, or for less at \
                     once.",
                    self.limits.cost
                );
                return Err(RequestError::too_large(field.pos, message));
            }
            let inner = &field.node.selection_set.node;
            if !inner.items.is_empty() {
                let below = self.type_of(ty, name);
                self.selections(inner, &below, depth + 1, objects, introspects)?;
            }
        }
        Ok(())
    }

    /// The name of the type that a field gives.
    fn type_of(&self, ty: &str, field: &str) -> String {
        let parent = self.types.type_named(ty);
        let field = parent.and_then(|parent| self.types.field(parent, field));
        field.map(|field| self.types.get(field.ty.named()).name.to_string()).unwrap_or_default()
    }
}

fn too_many(pos: Pos, found: usize, what: &str, most: usize) -> RequestError {
    RequestError::too_large(pos, format!("The operation has {found} or more {what}, and may have {most}."))
}
