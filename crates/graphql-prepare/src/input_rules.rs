//! Rules for input values that SDL cannot express.

use std::collections::HashMap;

use async_graphql::Value as ConstValue;

/// Checks a value of a custom scalar. The error is a sentence such as "expected an RFC 3339 date-time", without the value
/// itself.
pub type ScalarRule = fn(&ConstValue) -> Result<(), String>;

/// Rules for the values of custom scalars and enums, applied to literals and variables alike.
#[derive(Debug, Default)]
pub struct InputRules {
    pub(crate) scalars: HashMap<String, ScalarRule>,
    pub(crate) rejected_enum_values: HashMap<(String, String), String>,
}

impl InputRules {
    /// Checks every non-null value of the custom scalar `name` with `rule`. A custom scalar without a rule accepts any value.
    #[must_use]
    pub fn scalar(mut self, name: impl Into<String>, rule: ScalarRule) -> Self {
        self.scalars.insert(name.into(), rule);
        self
    }

    /// Rejects the value `member` of the enum `name` in input; responses may still contain it. `reason` is a sentence for the
    /// client.
    #[must_use]
    pub fn reject_enum_value(
        mut self,
        name: impl Into<String>,
        member: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        self.rejected_enum_values.insert((name.into(), member.into()), reason.into());
        self
    }
}
