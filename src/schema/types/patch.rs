//! Inputs of updates: left out, null and a value are three different things on the wire.

use async_graphql::MaybeUndefined;

use super::DateTimeOffset;
use crate::graph::models::{self, Patch};

/// A field of an update's input as Graph is sent it.
pub(super) fn patch<T: Into<U>, U>(field: MaybeUndefined<T>) -> Patch<U> {
    match field {
        MaybeUndefined::Undefined => Patch::Absent,
        MaybeUndefined::Null => Patch::Null,
        MaybeUndefined::Value(value) => Patch::Value(value.into()),
    }
}

impl From<DateTimeOffset> for models::DateTimeOffset {
    fn from(date: DateTimeOffset) -> Self {
        date.0
    }
}
