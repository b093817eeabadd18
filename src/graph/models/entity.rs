//! The properties of entities that lists use, independent of the type.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ComplianceStatus, DateTimeOffset, Received};
use crate::graph::odata::{PropertyValue, Select};

/// An entity of a collection.
pub trait Entity: DeserializeOwned + Send + Sync + 'static {
    /// Its type in Graph's metadata, as in `microsoft.graph.user`.
    const ODATA_TYPE: &'static str;
    /// The names of its properties in JSON, the key aside.
    const PROPERTIES: &'static [&'static str];

    /// The entity's key, as Graph wrote it.
    fn key(&self) -> &str;

    /// The value of a property that the list can be filtered or ordered by.
    fn property(&self, name: &str) -> PropertyValue<'_>;
}

/// An entity to create.
pub trait NewEntity: Serialize + Clone + Send + Sync + 'static {
    /// The type of the created entity.
    type Entity: Entity;

    /// The key that the caller requests.
    fn key(&self) -> Option<&str>;

    /// The same entity with the canonical form of its key, for the comparison of inputs. It is sent
    /// unchanged.
    #[must_use]
    fn canonical(&self) -> Self;

    /// The properties by which it is recognised, the key aside.
    fn properties() -> Select;

    /// Whether `entity` equals the sent one, property by property. Dates are compared as instants.
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

/// A missing property proves nothing, even if it was selected: the service may have filtered by it
/// without returning it.
fn known<'a, T>(received: &'a Received<T>, value: impl Fn(&'a T) -> PropertyValue<'a>) -> PropertyValue<'a> {
    match received {
        Received::Absent | Received::Malformed => PropertyValue::Unknown,
        Received::Null => PropertyValue::Null,
        Received::Value(found) => value(found),
    }
}
