//! What lists need to know of an entity, whatever its type.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ComplianceStatus, DateTimeOffset};
use crate::graph::odata::{PropertyValue, Select};

/// An entity of a collection.
pub trait Entity: DeserializeOwned + Send + Sync {
    /// The entity's key, as Graph wrote it.
    fn key(&self) -> &str;

    /// What the entity has for one of the properties that its list can be filtered or ordered by.
    fn property(&self, name: &str) -> PropertyValue<'_>;
}

/// An entity to create.
pub trait NewEntity: Serialize + Clone + Send + Sync + 'static {
    /// What it becomes.
    type Entity: Entity + 'static;

    /// The key that is wished for it.
    fn key(&self) -> Option<&str>;

    /// The same entity with the canonical form of its key: what is equal here is the same input. It is sent as it came.
    #[must_use]
    fn canonical(&self) -> Self;

    /// The properties by which it is recognised, the key aside.
    fn properties() -> Select;

    /// Whether `entity` is what was sent, property by property; dates are compared as instants.
    fn is_what(&self, entity: &Self::Entity) -> bool;
}

/// A property that is missing was selected and is null.
pub(super) fn text(value: Option<&String>) -> PropertyValue<'_> {
    value.map_or(PropertyValue::Null, |text| PropertyValue::String(text))
}

pub(super) fn number(value: Option<i32>) -> PropertyValue<'static> {
    value.map_or(PropertyValue::Null, PropertyValue::Int)
}

pub(super) fn date(value: Option<&DateTimeOffset>) -> PropertyValue<'static> {
    match value {
        None => PropertyValue::Null,
        Some(date) => date.ticks().map_or(PropertyValue::Unknown, PropertyValue::Date),
    }
}

pub(super) fn status(value: Option<ComplianceStatus>) -> PropertyValue<'static> {
    match value {
        None => PropertyValue::Null,
        Some(ComplianceStatus::UnknownFutureValue) => PropertyValue::Unknown,
        Some(status) => PropertyValue::Status(status),
    }
}
