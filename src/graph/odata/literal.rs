//! Literals of `$filter`, and the values of properties that they are compared with.

use std::fmt;

use crate::graph::models::{ComplianceStatus, DateTimeOffset};

/// A literal in the form that Graph takes ("Paging and query options"): strings in single quotes with a quote doubled,
/// an enum's member as a string, dates and numbers bare.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `Edm.String`.
    String(String),
    /// `Edm.Int32`.
    Int(i32),
    /// `Edm.DateTimeOffset`.
    Date(DateTimeOffset),
    /// A member of `complianceStatus`.
    Status(ComplianceStatus),
    /// `null`.
    Null,
}

impl Literal {
    /// A harmless literal of the same type.
    pub(super) fn neutral(&self) -> Self {
        match self {
            Self::String(_) => Self::String("a".to_owned()),
            Self::Int(_) => Self::Int(0),
            Self::Date(date) => DateTimeOffset::parse("2000-01-01T00:00:00Z")
                .map_or_else(|_| Self::Date(date.clone()), Self::Date),
            Self::Status(_) => Self::Status(ComplianceStatus::Compliant),
            Self::Null => Self::Null,
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Int(number) => write!(f, "{number}"),
            Self::Date(date) => f.write_str(date.as_str()),
            Self::Status(status) => write!(f, "'{}'", status.name().unwrap_or("unknown")),
            Self::Null => f.write_str("null"),
        }
    }
}

/// The value of a property of an entity, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyValue<'a> {
    /// Not read, or not readable.
    Unknown,
    /// Read as null.
    Null,
    /// Text.
    String(&'a str),
    /// A number.
    Int(i32),
    /// An instant, in 100 ns since 1970.
    Date(i128),
    /// A known member of `complianceStatus`.
    Status(ComplianceStatus),
}
