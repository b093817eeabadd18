//! The scalar `DateTimeOffset`.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use crate::graph::models;

/// The scalar's rule, for values that are checked before anything executes.
pub(crate) fn check(value: &Value) -> Result<(), String> {
    match value {
        Value::String(text) => {
            models::DateTimeOffset::parse(text.as_str()).map(drop).map_err(|why| why.to_string())
        }
        _ => Err(models::InvalidDateTimeOffset::Form.to_string()),
    }
}

/// A date and time with an explicit offset in the format of RFC 3339, for example
/// `2026-11-24T12:34:56.1234567Z`.
///
/// Years are 0001 to 9999, and seconds have up to 7 fractional digits (100 ns). In Graph:
/// `Edm.DateTimeOffset`. The gateway changes neither the offset nor the precision. Standard date
/// types of most languages lose digits: keep the text if you send a value back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateTimeOffset(pub(crate) models::DateTimeOffset);

/// A date and time with an explicit offset in the format of RFC 3339, for example
/// `2026-11-24T12:34:56.1234567Z`.
///
/// Years are 0001 to 9999, and seconds have up to 7 fractional digits (100 ns). In Graph:
/// `Edm.DateTimeOffset`. The gateway changes neither the offset nor the precision. Standard date
/// types of most languages lose digits: keep the text if you send a value back.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339#section-5.6")]
impl ScalarType for DateTimeOffset {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        models::DateTimeOffset::parse(text).map(Self).map_err(|why| InputValueError::custom(why.to_string()))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.as_str().to_owned())
    }
}
