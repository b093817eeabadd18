//! What the schema asks of its inputs beyond what SDL can say.

use std::collections::HashMap;

use async_graphql::Value as ConstValue;

/// Says why a value is no value of a custom scalar: a sentence such as "expected an RFC 3339 date-time". It must not
/// repeat the value.
pub type ScalarRule = fn(&ConstValue) -> Result<(), String>;

/// The rules for custom scalars and enums, which literals and variables must keep alike.
#[derive(Debug, Default)]
pub struct InputRules {
    pub(crate) scalars: HashMap<String, ScalarRule>,
    pub(crate) refused_members: HashMap<(String, String), String>,
}

impl InputRules {
    /// Holds every non-null value of the custom scalar `name` against `rule`. Without a rule a custom scalar takes
    /// anything.
    #[must_use]
    pub fn scalar(mut self, name: impl Into<String>, rule: ScalarRule) -> Self {
        self.scalars.insert(name.into(), rule);
        self
    }

    /// Refuses an enum's member as input, though it may be in an answer; `reason` is the sentence for the caller.
    #[must_use]
    pub fn refuse_member(
        mut self,
        name: impl Into<String>,
        member: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        self.refused_members.insert((name.into(), member.into()), reason.into());
        self
    }
}
