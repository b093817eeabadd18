//! The error that a caller gets for an error of Graph's has a code, is bounded, and contains no token.

use async_graphql::Pos;

use super::super::error::FieldError;
use crate::graph::properties::{TOKEN, approval_is_sent, errors_of_writes, read_response};
use crate::graph::{WriteError, WriteKind};

/// Accepts a response of Graph: a line with its status, a line for each header, an empty line, and
/// its body. The whole is also sent as an approval.
pub fn graph_error(data: &[u8]) {
    std::str::from_utf8(data).map(approval_is_sent).unwrap_or_default();
    let Err(error) = read_response(data) else { return };
    check(FieldError::from(error.clone()), false);
    for error in errors_of_writes(&error) {
        for kind in [WriteKind::Create, WriteKind::Keyed, WriteKind::Action] {
            check(FieldError::from(WriteError::new(kind, error.clone())), true);
        }
    }
}

fn check(error: FieldError, is_write: bool) {
    let error = async_graphql::Error::from(error).into_server_error(Pos::default());
    assert!(error.message.chars().count() <= 1300 && !error.message.contains(char::is_control), "{error:?}");
    let extension = |name| error.extensions.as_ref().and_then(|extensions| extensions.get(name));
    assert!(extension("code").is_some());
    assert_eq!(extension("outcome").is_some(), is_write);
    let json = serde_json::to_string(&error).expect("it is an answer");
    assert!(!json.contains(TOKEN), "{json}");
    // The challenge of a 401 is most of it, with every character escaped.
    assert!(json.len() <= 24 * 1024, "{} bytes", json.len());
}
