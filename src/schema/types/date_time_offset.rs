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

/// Edm.DateTimeOffset: an RFC 3339 date-time with an explicit offset, years 0001 to 9999, up to 7
/// fractional digits (100 ns). Text in, same text out: neither offset nor precision is normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateTimeOffset(pub(crate) models::DateTimeOffset);

/// Edm.DateTimeOffset: an RFC 3339 date-time with an explicit offset, years 0001 to 9999, up to 7
/// fractional digits (100 ns). Text in, same text out: neither offset nor precision is normalised.
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
