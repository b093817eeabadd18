//! Documents against our own schema.

use std::sync::LazyLock;

use super::super::sdl;
use super::super::types::{costs, input_rules};
use graphql_prepare::properties::{counts_agree, prepares_or_refuses};
use graphql_prepare::{InputRules, Limits, Preparer, TypeSystem};

static PREPARER: LazyLock<Preparer> = LazyLock::new(|| {
    let types = TypeSystem::new(&sdl(), input_rules(InputRules::default())).expect("our own SDL is valid");
    Preparer::new(types, costs(100), Limits::default())
});

/// Takes a document, and after a line with `%%` its variables in JSON.
pub fn guard(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (document, variables) = text.split_once("\n%%\n").unwrap_or((&text, ""));
    counts_agree(document);
    prepares_or_refuses(&PREPARER, document, serde_json::from_str(variables).ok());
}
