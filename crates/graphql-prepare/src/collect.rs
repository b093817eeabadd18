//! Fields collected ahead of execution: the specification's section 6.3.2, "Field Collection".
//!
//! async-graphql resolves a field once for each selection of it, and merges the results. For a
//! mutation that is a second write. The result of this module has each response key once, in the
//! order of the first selection, with merged selections below, expanded fragments, and `@skip` and
//! `@include` applied.

use async_graphql::{
    Name, Positioned, Value as ConstValue, Variables,
    parser::types::{
        Directive, Field, InlineFragment, OperationType, Selection, SelectionSet, TypeCondition,
    },
};
use async_graphql_value::Value;
use indexmap::IndexMap;

use crate::{
    error::RequestError,
    expansion::{Budget, Expansion},
    limits::Limits,
    parser::Fragments,
    type_system::{InputValue, TypeId, TypeSystem},
};

/// How many selections and values there are, those inside others too.
pub(crate) fn size(set: &SelectionSet) -> usize {
    let values = |value: &Positioned<Value>| values(&value.node);
    let sizes = set.items.iter().map(|selection| match &selection.node {
        Selection::Field(field) => {
            let directives = field.node.directives.iter().map(|directive| &directive.node.arguments);
            let arguments = directives.flatten().chain(&field.node.arguments).map(|(_, value)| values(value));
            1 + field.node.directives.len() + arguments.sum::<usize>() + size(&field.node.selection_set.node)
        }
        Selection::InlineFragment(fragment) => 1 + size(&fragment.node.selection_set.node),
        Selection::FragmentSpread(_) => 1,
    });
    sizes.sum()
}

fn values(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(values).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

type Arguments = Vec<(Positioned<Name>, Positioned<Value>)>;

/// Collects fields of a valid document.
pub(crate) struct Collector<'d> {
    pub(crate) types: &'d TypeSystem,
    pub(crate) fragments: &'d Fragments,
    pub(crate) variables: &'d Variables,
    pub(crate) limits: Limits,
}

impl<'d> Collector<'d> {
    /// The fields of an operation's selection set.
    ///
    /// # Errors
    ///
    /// `TooLarge` if the expanded selections exceed a limit.
    pub(crate) fn collect(
        &self,
        ty: OperationType,
        selection_set: &'d Positioned<SelectionSet>,
    ) -> Result<Positioned<SelectionSet>, RequestError> {
        let mut budget = Budget::new(self.limits.expanded_selections);
        let Some(root) = self.types.root(ty) else {
            unreachable!("validation has looked up the root");
        };
        let items = self.composite(root, &[selection_set], &mut budget, 1)?;
        Ok(selection_set.position_node(SelectionSet { items }))
    }

    /// The merged selections on an object, interface or union.
    fn composite(
        &self,
        parent: TypeId,
        sets: &[&'d Positioned<SelectionSet>],
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Vec<Positioned<Selection>>, RequestError> {
        if let Some(set) = sets.first()
            && depth > self.limits.nesting
        {
            let message = format!(
                "With its fragments expanded, the operation nests deeper than {}.",
                self.limits.nesting
            );
            return Err(RequestError::too_large(set.pos, message));
        }
        let possible_types = self.possible_types(parent);
        if possible_types == [parent] || self.is_same_for_all(parent, sets, *budget)? {
            return self.fields(parent, sets, budget, depth);
        }
        // The fields and their order differ between objects. Each type gets its own fragment, and
        // exactly one of them applies.
        let mut selections = Vec::new();
        for &object in possible_types {
            let items = self.fields(object, sets, budget, depth)?;
            let Some(pos) = items.first().map(|first| first.pos) else { continue };
            let on = Positioned::new(self.types.get(object).name.clone(), pos);
            let fragment = InlineFragment {
                type_condition: Some(Positioned::new(TypeCondition { on }, pos)),
                directives: Vec::new(),
                selection_set: Positioned::new(SelectionSet { items }, pos),
            };
            selections.push(Positioned::new(Selection::InlineFragment(Positioned::new(fragment, pos)), pos));
        }
        Ok(selections)
    }

    /// Whether the selections come to the same fields of `parent` itself for each type of object that it may be.
    fn is_same_for_all(
        &self,
        parent: TypeId,
        sets: &[&'d Positioned<SelectionSet>],
        mut budget: Budget,
    ) -> Result<bool, RequestError> {
        let possible_types = self.possible_types(parent);
        let mut same = true;
        let mut expansion = Expansion::new(self.fragments, sets.iter().map(|set| ((), &set.node)));
        while same {
            let mut differs = false;
            let next = expansion.next(
                &mut budget,
                |directives| self.includes(directives),
                |(), condition| {
                    let applying =
                        possible_types.iter().filter(|&&object| self.applies(condition, object)).count();
                    differs |= applying != 0 && applying != possible_types.len();
                    (applying != 0).then_some(())
                },
            )?;
            let Some(((), field)) = next else { break };
            same = !differs && self.types.field(parent, &field.node.name.node).is_some();
        }
        Ok(same)
    }

    /// `CollectFields` for objects of one type, or for all objects of an abstract one, and the same for the fields
    /// below.
    fn fields(
        &self,
        parent: TypeId,
        sets: &[&'d Positioned<SelectionSet>],
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Vec<Positioned<Selection>>, RequestError> {
        // If the parent is abstract, a fragment applies to all of its objects or to none, so any
        // object can be checked.
        let Some(&object) = self.possible_types(parent).first() else { return Ok(Vec::new()) };
        let mut groups: IndexMap<&'d str, Vec<&'d Positioned<Field>>> = IndexMap::new();
        let mut expansion = Expansion::new(self.fragments, sets.iter().map(|set| ((), &set.node)));
        while let Some(((), field)) = expansion.next(
            budget,
            |directives| self.includes(directives),
            |(), condition| self.applies(condition, object).then_some(()),
        )? {
            groups.entry(&field.node.response_key().node).or_default().push(field);
        }
        groups.into_values().map(|group| self.merged(parent, &group, budget, depth)).collect()
    }

    /// One field for all the selections of a response key. Validation has seen to it that they agree in name and
    /// arguments (5.3.2).
    fn merged(
        &self,
        parent: TypeId,
        group: &[&'d Positioned<Field>],
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Positioned<Selection>, RequestError> {
        let first = group[0];
        let Some(definition) = self.types.field(parent, &first.node.name.node) else {
            unreachable!("validation has looked up every field");
        };
        let ty = definition.ty.named();
        let mut selection_set = first.node.selection_set.position_node(SelectionSet::default());
        if self.types.composite(ty).is_some() {
            let sets: Vec<_> = group.iter().map(|field| &field.node.selection_set).collect();
            selection_set.node.items = self.composite(ty, &sets, budget, depth + 1)?;
        }
        let field = Field {
            alias: first.node.alias.clone(),
            name: first.node.name.clone(),
            arguments: self.arguments(&definition.arguments, &first.node.arguments),
            directives: self.directives(group),
            selection_set,
        };
        Ok(first.position_node(Selection::Field(first.position_node(field))))
    }

    /// The directives of the merged selections without `@skip` and `@include`. Duplicates of
    /// earlier selections are left out.
    fn directives(&self, group: &[&'d Positioned<Field>]) -> Vec<Positioned<Directive>> {
        let mut directives: Vec<Positioned<Directive>> = Vec::new();
        for field in group {
            let earlier = directives.len();
            for directive in &field.node.directives {
                let name = &directive.node.name;
                let Some(definition) = self.types.directive(&name.node) else { continue };
                let arguments = self.arguments(&definition.arguments, &directive.node.arguments);
                let is_known = directives[..earlier].iter().any(|known| {
                    known.node.name.node == name.node
                        && (!definition.is_repeatable || known.node.arguments == arguments)
                });
                if !is_known && !matches!(name.node.as_str(), "skip" | "include") {
                    directives.push(directive.position_node(Directive { name: name.clone(), arguments }));
                }
            }
        }
        directives
    }

    /// The arguments except variables that the request omits and that have a default.
    fn arguments(&self, definitions: &IndexMap<Name, InputValue>, arguments: &'d Arguments) -> Arguments {
        let counts = |(name, value): &&(Positioned<Name>, Positioned<Value>)| {
            let has_default =
                || definitions.get(&name.node).is_some_and(|argument| argument.default.is_some());
            !(self.is_left_out(&value.node) && has_default())
        };
        arguments.iter().filter(counts).cloned().collect()
    }

    /// Whether the value is a variable that the request omits. The argument's default then applies
    /// (6.4.1, "Coercing Field Arguments"), as if the argument were omitted; async-graphql would
    /// use null instead.
    fn is_left_out(&self, value: &Value) -> bool {
        matches!(value, Value::Variable(name) if !self.variables.contains_key(name))
    }

    /// `@skip` and `@include` (3.13).
    fn includes(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| match directive.node.name.node.as_str() {
            "skip" => !self.condition(&directive.node),
            "include" => self.condition(&directive.node),
            _ => true,
        })
    }

    fn condition(&self, directive: &Directive) -> bool {
        match directive.get_argument("if").map(|value| &value.node) {
            Some(Value::Boolean(condition)) => *condition,
            Some(Value::Variable(name)) => {
                matches!(self.variables.get(name), Some(ConstValue::Boolean(true)))
            }
            _ => false,
        }
    }

    /// `DoesFragmentTypeApply`
    fn applies(&self, condition: Option<&Name>, object: TypeId) -> bool {
        condition.is_none_or(|name| {
            self.types.type_named(name).is_some_and(|id| self.possible_types(id).contains(&object))
        })
    }

    fn possible_types(&self, id: TypeId) -> &'d [TypeId] {
        self.types.composite(id).map_or(&[], |composite| &composite.possible_types)
    }
}
