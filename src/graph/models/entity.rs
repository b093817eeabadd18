//! What lists need to know of an entity, whatever its type.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ComplianceStatus, DateTimeOffset, Received};
use crate::graph::odata::{PropertyValue, Select};

/// An entity of a collection.
pub trait Entity: DeserializeOwned + Send + Sync {
    /// Its type in Graph's metadata, as in `microsoft.graph.user`.
    const ODATA_TYPE: &'static str;
    /// The names of its properties in JSON, the key aside.
    const PROPERTIES: &'static [&'static str];

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

pub(super) fn text(received: &Received<String>) -> PropertyValue<'_> {
    known(received, |text| PropertyValue::String(text))
}

pub(super) fn number(received: &Received<i32>) -> PropertyValue<'_> {
    known(received, |number| PropertyValue::Int(*number))
}

pub(super) fn date(received: &Received<DateTimeOffset>) -> PropertyValue<'_> {
    known(received, |date| date.ticks().map_or(PropertyValue::Unknown, PropertyValue::Date))
}

pub(super) fn status(received: &Received<ComplianceStatus>) -> PropertyValue<'_> {
    known(received, |status| match status {
        ComplianceStatus::UnknownFutureValue => PropertyValue::Unknown,
        status => PropertyValue::Status(*status),
    })
}

/// A property that is missing says nothing, even where it was selected: the service may have compared what it leaves out.
fn known<'a, T>(received: &'a Received<T>, value: impl Fn(&'a T) -> PropertyValue<'a>) -> PropertyValue<'a> {
    match received {
        Received::Absent | Received::Malformed => PropertyValue::Unknown,
        Received::Null => PropertyValue::Null,
        Received::Value(found) => value(found),
    }
}
