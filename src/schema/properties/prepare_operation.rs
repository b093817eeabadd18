//! Documents for the gateway's schema.

use std::sync::LazyLock;

use super::super::preparation::{costs, input_rules};
use super::super::sdl;
use graphql_prepare::properties::{prepares_or_rejects, token_limits_are_exact};
use graphql_prepare::{InputRules, Limits, Preparer, TypeSystem};

static PREPARER: LazyLock<Preparer> = LazyLock::new(|| {
    let types = TypeSystem::new(&sdl(), input_rules(InputRules::default())).expect("our own SDL is valid");
    Preparer::new(types.with_suggestions(true), costs(100), Limits::default())
});

/// Takes a document, and after a line with `%%` its variables in JSON.
pub fn prepare_operation(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (document, variables) = text.split_once("\n%%\n").unwrap_or((&text, ""));
    token_limits_are_exact(document);
    prepares_or_rejects(&PREPARER, document, serde_json::from_str(variables).ok());
}
