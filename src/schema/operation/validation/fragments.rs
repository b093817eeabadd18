//! Section 5.5, "Fragments", as far as it is about the definitions: their names, and who spreads whom. What a single
//! spread needs is in [`selections`](super::selections).

use super::Definition;
use crate::schema::operation::{
    error::{Errors, Quoted},
    parser::ParsedDocument,
};

/// Fragment Name Uniqueness (5.5.1.1).
pub(super) fn check_names(document: &ParsedDocument, errors: &mut Errors) {
    for name in &document.repeated_fragments {
        let first = document.fragments[&name.node].pos;
        errors
            .invalid_at(&[first, name.pos], format_args!("Two fragments are named {}.", Quoted(&name.node)));
    }
}

/// Fragment Spreads Must Not Form Cycles (5.5.2.2) and Fragments Must Be Used (5.5.1.4). Gives each operation the
/// fragments that it reaches.
pub(super) fn check_spreads(
    document: &ParsedDocument,
    operations: &[Definition<'_, '_>],
    fragments: &[Definition<'_, '_>],
    errors: &mut Errors,
) -> Vec<Vec<usize>> {
    if let Some(cycle) = find_cycle(fragments)
        && let Some((name, fragment)) = document.fragments.get_index(cycle)
    {
        errors.invalid(fragment.pos, format_args!("The fragment {} spreads itself.", Quoted(name)));
        return Vec::new();
    }

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
        errors.invalid(fragment.pos, format_args!("The fragment {} is used by no operation.", Quoted(name)));
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

/// A fragment that spreads itself, if there is one. Without recursion: a chain may be as long as the document.
fn find_cycle(fragments: &[Definition<'_, '_>]) -> Option<usize> {
    // Take away, again and again, what spreads nothing that is left.
    let mut spread_by = vec![Vec::new(); fragments.len()];
    for (index, fragment) in fragments.iter().enumerate() {
        for &spread in &fragment.spreads {
            spread_by[spread].push(index);
        }
    }
    let mut left: Vec<usize> = fragments.iter().map(|fragment| fragment.spreads.len()).collect();
    let mut done: Vec<usize> = (0..fragments.len()).filter(|&index| left[index] == 0).collect();
    while let Some(index) = done.pop() {
        for &spreader in &spread_by[index] {
            left[spreader] -= 1;
            if left[spreader] == 0 {
                done.push(spreader);
            }
        }
    }

    // Each that is left spreads another one that is: going on from any leads around a cycle.
    let mut current = left.iter().position(|&spreads| spreads > 0)?;
    let mut seen = vec![false; fragments.len()];
    while !std::mem::replace(&mut seen[current], true) {
        current = *fragments[current].spreads.iter().find(|&&spread| left[spread] > 0)?;
    }
    Some(current)
}
