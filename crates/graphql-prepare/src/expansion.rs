//! Expands fragments: iterates over the fields of selection sets in execution order.

use std::{collections::HashSet, slice};

use async_graphql::{
    Name, Pos, Positioned,
    parser::types::{Directive, Field, Selection, SelectionSet},
};

use crate::{
    error::{RequestError, pluralize},
    parser::Fragments,
};

/// The number of selections that may still be visited.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    left: usize,
    total: usize,
}

impl Budget {
    pub(crate) fn new(selections: usize) -> Self {
        Self { left: selections, total: selections }
    }

    fn spend(&mut self, selection: &Positioned<Selection>) -> Result<(), RequestError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| too_many(selection.pos, self.total))?;
        Ok(())
    }
}

/// The error for an operation that expands to more selections than the limit.
pub(crate) fn too_many(pos: Pos, max: usize) -> RequestError {
    let selections = pluralize(max, "selection", "selections");
    let message = format!("With its fragments expanded, the operation has more than {selections}.");
    RequestError::too_large(pos, message)
}

/// Walks through selection sets as if they were one, and into their fragments. A named fragment is entered once, as
/// in the specification's `CollectFields` (6.3.2).
///
/// Each field is returned with a scope `S`: that of its selection set, or the one that `enter`
/// returned for its fragment.
pub(crate) struct Expansion<'d, S> {
    fragments: &'d Fragments,
    entered: HashSet<&'d str>,
    /// The position in each selection set that was entered.
    open: Vec<(S, slice::Iter<'d, Positioned<Selection>>)>,
}

impl<'d, S: Copy> Expansion<'d, S> {
    pub(crate) fn new<I>(fragments: &'d Fragments, selection_sets: I) -> Self
    where
        I: IntoIterator<Item = (S, &'d SelectionSet), IntoIter: DoubleEndedIterator>,
    {
        let open = selection_sets.into_iter().rev().map(|(scope, set)| (scope, set.items.iter())).collect();
        Self { fragments, entered: HashSet::new(), open }
    }

    /// The next field. `includes` decides by its directives whether a selection counts. `enter`
    /// returns the scope inside a fragment from the outer scope and the type condition, or skips
    /// the fragment.
    ///
    /// # Errors
    ///
    /// `TooLarge` when the budget is spent.
    pub(crate) fn next(
        &mut self,
        budget: &mut Budget,
        mut includes: impl FnMut(&'d [Positioned<Directive>]) -> bool,
        mut enter: impl FnMut(S, Option<&'d Name>) -> Option<S>,
    ) -> Result<Option<(S, &'d Positioned<Field>)>, RequestError> {
        while let Some((scope, selections)) = self.open.last_mut() {
            let scope = *scope;
            let Some(selection) = selections.next() else {
                self.open.pop();
                continue;
            };
            budget.spend(selection)?;
            if !includes(selection.node.directives()) {
                continue;
            }
            let (condition, inner) = match &selection.node {
                Selection::Field(field) => return Ok(Some((scope, field))),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some(fragment) = self.fragments.get(name) else { continue };
                    if !self.entered.insert(name) {
                        continue;
                    }
                    let fragment = &fragment.definition.node;
                    (Some(&fragment.type_condition.node.on.node), &fragment.selection_set.node)
                }
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    (condition.map(|condition| &condition.node.on.node), &fragment.node.selection_set.node)
                }
            };
            if let Some(scope) = enter(scope, condition) {
                self.open.push((scope, inner.items.iter()));
            }
        }
        Ok(None)
    }
}
