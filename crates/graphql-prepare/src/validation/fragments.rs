//! Section 5.5, "Fragments", as far as it concerns definitions: their names and spreads. Single
//! spreads are validated in [`selections`](super::selections).

use async_graphql::Pos;

use super::Definition;
use crate::{
    error::{Errors, TruncatedName},
    expansion,
    limits::Limits,
    parser::ParsedDocument,
};

/// Fragment Name Uniqueness (5.5.1.1).
pub(super) fn check_names(document: &ParsedDocument, errors: &mut Errors) {
    for name in &document.repeated_fragments {
        let first = document.fragments[&name.node].pos;
        errors.invalid_at(
            &[first, name.pos],
            format_args!("Two fragments are named {}.", TruncatedName(&name.node)),
        );
    }
}

/// Fragment Spreads Must Not Form Cycles (5.5.2.2) and Fragments Must Be Used (5.5.1.4), and no operation may come to
/// too many selections. Gives each operation the fragments that it reaches.
pub(super) fn check_spreads(
    document: &ParsedDocument,
    operations: &[Definition<'_, '_>],
    fragments: &[Definition<'_, '_>],
    limits: Limits,
    errors: &mut Errors,
) -> Vec<Vec<usize>> {
    let dependency_order = match dependency_order(fragments) {
        Ok(order) => order,
        Err(cycle) => {
            let (name, fragment) = &document.fragments.get_index(cycle).expect("an index of one of them");
            errors
                .invalid(fragment.pos, format_args!("The fragment {} spreads itself.", TruncatedName(name)));
            return Vec::new();
        }
    };
    let positions = document.operations.iter().map(|operation| operation.definition.pos);
    check_size(positions.zip(operations), fragments, &dependency_order, limits, errors);

    let mut used = vec![false; fragments.len()];
    let mut reached_by = Vec::with_capacity(operations.len());
    for operation in operations {
        let reached = reachable(operation, fragments);
        for &index in &reached {
            used[index] = true;
        }
        reached_by.push(reached);
    }
    for ((name, fragment), _) in document.fragments.iter().zip(used).filter(|(_, used)| !used) {
        errors.invalid(
            fragment.pos,
            format_args!("The fragment {} is not used by any operation.", TruncatedName(name)),
        );
    }
    reached_by
}

fn reachable(operation: &Definition<'_, '_>, fragments: &[Definition<'_, '_>]) -> Vec<usize> {
    let mut seen = vec![false; fragments.len()];
    let mut reached = Vec::new();
    let mut next: Vec<usize> = operation.spreads.clone();
    while let Some(index) = next.pop() {
        if !std::mem::replace(&mut seen[index], true) {
            reached.push(index);
            next.extend(&fragments[index].spreads);
        }
    }
    reached
}

/// The number of selections of each operation with all fragments expanded. Each fragment is counted
/// once, however often it is spread, so fragments that grow exponentially are rejected before they
/// are expanded.
fn check_size<'a>(
    operations: impl Iterator<Item = (Pos, &'a Definition<'a, 'a>)>,
    fragments: &[Definition<'_, '_>],
    dependency_order: &[usize],
    limits: Limits,
    errors: &mut Errors,
) {
    let size = |definition: &Definition<'_, '_>, sizes: &[usize]| {
        let spreads = definition.spreads.iter().map(|&index| sizes[index]);
        spreads.fold(definition.selections, usize::saturating_add)
    };
    let mut sizes = vec![0; fragments.len()];
    for &index in dependency_order {
        sizes[index] = size(&fragments[index], &sizes);
    }
    for (pos, operation) in operations {
        if size(operation, &sizes) > limits.expanded_selections {
            errors.push_with(|| expansion::too_many(pos, limits.expanded_selections));
        }
    }
}

/// The fragments, each after those that it spreads; or a fragment that spreads itself. Without
/// recursion, because a chain may be as long as the document.
fn dependency_order(fragments: &[Definition<'_, '_>]) -> Result<Vec<usize>, usize> {
    // Repeatedly removes fragments that spread none of the remaining ones.
    let mut spread_by = vec![Vec::new(); fragments.len()];
    for (index, fragment) in fragments.iter().enumerate() {
        for &spread in &fragment.spreads {
            spread_by[spread].push(index);
        }
    }
    let mut left: Vec<usize> = fragments.iter().map(|fragment| fragment.spreads.len()).collect();
    let mut order: Vec<usize> = (0..fragments.len()).filter(|&index| left[index] == 0).collect();
    let mut looked_at = 0;
    while let Some(&index) = order.get(looked_at) {
        looked_at += 1;
        for &spreader in &spread_by[index] {
            left[spreader] -= 1;
            if left[spreader] == 0 {
                order.push(spreader);
            }
        }
    }

    // Each remaining fragment spreads another remaining one, so following the spreads leads around
    // a cycle.
    let Some(mut current) = left.iter().position(|&spreads| spreads > 0) else { return Ok(order) };
    let mut seen = vec![false; fragments.len()];
    while !std::mem::replace(&mut seen[current], true) {
        let next = fragments[current].spreads.iter().find(|&&spread| left[spread] > 0);
        current = *next.expect("it is left since it spreads one that is");
    }
    Err(current)
}
