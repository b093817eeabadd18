//! Properties of Graph's as fields.

use async_graphql::Context;

use crate::graph::models::Received;
use crate::schema::error::FieldError;

/// The field of a property: null if Graph returned none, null with an error if its value cannot be
/// read.
pub(super) fn field<'a, T, U>(
    ctx: &Context<'_>,
    received: &'a Received<T>,
    value: impl FnOnce(&'a T) -> U,
) -> Option<Result<U, FieldError>> {
    match received {
        Received::Absent | Received::Null => None,
        Received::Malformed => Some(Err(FieldError::unreadable_value(ctx))),
        Received::Value(found) => Some(Ok(value(found))),
    }
}

/// The field of a text property.
pub(super) fn text<'a>(
    ctx: &Context<'_>,
    received: &'a Received<String>,
) -> Option<Result<&'a str, FieldError>> {
    field(ctx, received, String::as_str)
}
