//! The order of rows that are sorted here because Graph refuses to.

use crate::graph::canonical_key;
use crate::graph::models::{ComplianceStatus, Entity};
use crate::graph::odata::{OrderBy, PropertyValue};

/// The value of a row, then its key. Missing values are first, as in most of Graph. Text is ordered without
/// case, and texts that differ only in case by their characters.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey(SortValue, String);

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortValue {
    Missing,
    Int(i32),
    Date(i128),
    /// Position in the enumeration.
    Status(usize),
    /// In lower case, and unchanged.
    Text(String, String),
}

impl SortKey {
    /// The key of a row in an ascending order.
    pub(super) fn new<E: Entity>(row: &E, order: OrderBy) -> Self {
        let value = match row.property(order.property) {
            PropertyValue::Unknown | PropertyValue::Null => SortValue::Missing,
            PropertyValue::String(text) => SortValue::Text(text.to_lowercase(), text.to_owned()),
            PropertyValue::Int(number) => SortValue::Int(number),
            PropertyValue::Date(ticks) => SortValue::Date(ticks),
            PropertyValue::Status(status) => {
                let members = ComplianceStatus::MEMBERS;
                let place = members.iter().position(|member| *member == status);
                SortValue::Status(place.unwrap_or(members.len()))
            }
        };
        Self(value, canonical_key(row.key()).into_owned())
    }
}
