//! Entities and complex values as the sandbox holds them: one value per property of their type.

use crate::instant::Instant;
use crate::model::{EnumType, Origin, Property, PropertyType, StructuredType, Version};

/// An entity or a complex value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StructuredValue {
    pub(crate) kind: &'static StructuredType,
    /// In the order of `kind.properties()`.
    pub(crate) values: Vec<Value>,
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    String(String),
    Int32(i32),
    Date(DateTimeOffset),
    /// As standard base64 with padding.
    Binary(String),
    /// A member of an enumeration, by its number.
    Member(&'static EnumType, usize),
    Strings(Vec<String>),
    Complex(StructuredValue),
    Complexes(Vec<StructuredValue>),
}

/// A date with the original text of the caller. The documented examples repeat that text, the live
/// service does not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DateTimeOffset {
    pub(crate) instant: Instant,
    pub(crate) given: Option<String>,
}

impl From<Instant> for Value {
    fn from(instant: Instant) -> Self {
        Self::Date(DateTimeOffset { instant, given: None })
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::String)
    }
}

impl StructuredValue {
    /// A value of the type whose every property is null or its type's default.
    pub(crate) fn new(kind: &'static StructuredType) -> Self {
        Self { kind, values: kind.properties().map(default_value).collect() }
    }

    /// Sets a property by name; a name that the type lacks is ignored.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.set(name, value);
        self
    }

    /// Sets a property by name; a name that the type lacks is ignored.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        if let Some(index) = self.kind.property(name, Version::Beta).map(|(index, _)| index) {
            self.values[index] = value.into();
        }
    }

    pub(crate) fn get(&self, name: &str) -> &Value {
        self.kind.property(name, Version::Beta).map_or(&Value::Null, |(index, _)| &self.values[index])
    }

    /// The key; empty for complex values.
    pub(crate) fn id(&self) -> &str {
        match self.get("id") {
            Value::String(id) => id,
            _ => "",
        }
    }

    /// The number of a member of an enumeration; 0 if the property has no value.
    pub(crate) fn member(&self, name: &str) -> usize {
        match self.get(name) {
            Value::Member(_, number) => *number,
            _ => 0,
        }
    }

    pub(crate) fn int32(&self, name: &str) -> i32 {
        match self.get(name) {
            Value::Int32(number) => *number,
            _ => 0,
        }
    }
}

/// The value of a property that was not set: null, or the type's default as .NET services use it.
fn default_value(property: &'static Property) -> Value {
    if property.nullable {
        return Value::Null;
    }
    match property.kind {
        PropertyType::String if property.origin == Origin::Key => Value::String(String::new()),
        PropertyType::String | PropertyType::Binary | PropertyType::Complex(_) => Value::Null,
        PropertyType::Int32 => Value::Int32(0),
        PropertyType::DateTimeOffset => Value::from(Instant::MIN),
        PropertyType::Enum(members) => Value::Member(members, 0),
        PropertyType::Strings => Value::Strings(Vec::new()),
        PropertyType::Complexes(_) => Value::Complexes(Vec::new()),
    }
}
