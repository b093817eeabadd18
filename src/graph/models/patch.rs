//! Properties of a PATCH body: left out, null, or a value are three different things ("HTTP conventions", writes).

use serde::{Serialize, Serializer};

/// A property of a PATCH body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Patch<T> {
    /// Omitted: Graph leaves the property unchanged.
    #[default]
    Absent,
    /// Sent as null: Graph clears the property.
    Null,
    /// Sent.
    Value(T),
}

impl<T> Patch<T> {
    /// Whether the property is left out of the body.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T: Serialize> Serialize for Patch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Null => serializer.serialize_none(),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}
