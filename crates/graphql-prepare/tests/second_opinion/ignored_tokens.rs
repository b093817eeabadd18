//! Ignored tokens (section 2.1.7), and a character that no token may contain, between the tokens of the written requests.

use super::{
    cases,
    checker::compare,
    differences::KNOWN,
    judges::{Case, apollo_compiler, graphql_prepare},
    mutations::tokens,
    tests::case_of,
};

/// A byte order mark, a comment, and a zero-width joiner, which is not ignored.
const INSERTED: [&str; 3] = ["\u{feff}", "#c\n", "\u{200d}"];

/// The request with `inserted` before one of its tokens or at its end, for each place.
fn variants(case: &Case, inserted: &str) -> Vec<Case> {
    let tokens = tokens(&case.document);
    let variant = |at: usize| {
        let (before, after) = tokens.split_at(at);
        let document = format!("{} {inserted} {}", before.join(" "), after.join(" "));
        Case { schema: case.schema, document, variables: case.variables.clone() }
    };
    (0..=tokens.len()).map(variant).collect()
}

#[test]
fn invisible_characters_are_judged_alike() {
    let examples = KNOWN.iter().flat_map(|known| known.examples);
    for written in cases::VALID.iter().chain(cases::INVALID).chain(examples) {
        for case in INSERTED.iter().flat_map(|inserted| variants(&case_of(written), inserted)) {
            if let Err(report) = compare(&case, graphql_prepare, apollo_compiler) {
                panic!("{report}");
            }
        }
    }
}
