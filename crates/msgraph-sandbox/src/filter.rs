//! `$filter`: a parser for the operators and functions that Graph names, and their evaluation on an entity.
//!
//! `eq ne gt ge lt le and or not in`, `startswith endswith contains`, parentheses, `null`, enumeration members as
//! strings (or qualified), bare dates and bare numbers. Strings compare without case, as most of Graph does.

mod lexer;
mod parser;

use std::cmp::Ordering;

use crate::entity::{StructuredValue, Value};
use crate::instant::Instant;

/// A condition on entities of one type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filter {
    /// Every one; a list rather than pairs, so that a long chain is no deep nest.
    All(Vec<Self>),
    /// At least one.
    Any(Vec<Self>),
    Not(Box<Self>),
    /// Compares a property, by its index, with a literal.
    Compare(usize, Comparison, Literal),
    In(usize, Vec<Literal>),
    /// A function on a string property; the text is in lower case.
    Call(Function, usize, String),
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

/// A function on strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    StartsWith,
    EndsWith,
    Contains,
}

/// A literal of the type of the property that it is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Null,
    /// In lower case.
    String(String),
    Int32(i64),
    Date(Instant),
    /// The number of a member.
    Member(usize),
}

impl Filter {
    pub(crate) fn matches(&self, entity: &StructuredValue) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.matches(entity)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.matches(entity)),
            Self::Not(inner) => !inner.matches(entity),
            Self::Compare(property, comparison, literal) => {
                comparison.holds(order(&entity.values[*property], literal))
            }
            Self::In(property, literals) => literals
                .iter()
                .any(|literal| order(&entity.values[*property], literal) == Some(Ordering::Equal)),
            Self::Call(function, property, text) => match &entity.values[*property] {
                Value::String(value) => function.holds(&value.to_lowercase(), text),
                _ => false,
            },
        }
    }
}

/// The order of a value and a literal; `None` where exactly one of them is null.
fn order(value: &Value, literal: &Literal) -> Option<Ordering> {
    match (value, literal) {
        (Value::Null, Literal::Null) => Some(Ordering::Equal),
        (Value::String(value), Literal::String(literal)) => Some(value.to_lowercase().cmp(literal)),
        (Value::Int32(value), Literal::Int32(literal)) => Some(i64::from(*value).cmp(literal)),
        (Value::Date(value), Literal::Date(literal)) => Some(value.instant.cmp(literal)),
        (Value::Member(_, value), Literal::Member(literal)) => Some(value.cmp(literal)),
        _ => None,
    }
}

impl Comparison {
    /// Null equals null only; every other comparison with it is false.
    fn holds(self, order: Option<Ordering>) -> bool {
        match (self, order) {
            (Self::Ne, order) => order != Some(Ordering::Equal),
            (_, None) => false,
            (Self::Eq, Some(order)) => order.is_eq(),
            (Self::Gt, Some(order)) => order.is_gt(),
            (Self::Ge, Some(order)) => order.is_ge(),
            (Self::Lt, Some(order)) => order.is_lt(),
            (Self::Le, Some(order)) => order.is_le(),
        }
    }

    /// The operator with its sides exchanged.
    fn flipped(self) -> Self {
        match self {
            Self::Eq | Self::Ne => self,
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Lt => Self::Gt,
            Self::Le => Self::Ge,
        }
    }
}

impl Function {
    fn holds(self, value: &str, text: &str) -> bool {
        match self {
            Self::StartsWith => value.starts_with(text),
            Self::EndsWith => value.ends_with(text),
            Self::Contains => value.contains(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;
    use crate::entity::{StructuredValue, Value};
    use crate::instant::Instant;
    use crate::model::{COMPLIANCE_STATUS, DEVICE_STATUS, Version};

    fn status() -> StructuredValue {
        StructuredValue::new(&DEVICE_STATUS)
            .with("id", "a_b")
            .with("deviceDisplayName", "Zo\u{eb}'s iPad")
            .with("platform", Value::Int32(8))
            .with("status", Value::Member(&COMPLIANCE_STATUS, 4))
            .with("lastReportedDateTime", Instant::parse("2026-01-01T00:00:00.0000001Z").unwrap())
    }

    fn matches(filter: &str) -> bool {
        Filter::parse(filter, &DEVICE_STATUS, Version::Beta).unwrap().matches(&status())
    }

    #[test]
    fn operators_and_functions_match() {
        for filter in [
            "status eq 'nonCompliant'",
            "'nonCompliant' eq status",
            "status eq microsoft.graph.complianceStatus'nonCompliant'",
            "status ne 'compliant' and platform ge 8",
            "platform gt -1",
            "8 le platform",
            "not (platform eq 7)",
            "not startswith(deviceDisplayName,'x')",
            "platform in (1, 8)",
            "status in ('error','nonCompliant')",
            "startswith(deviceDisplayName, 'zo\u{eb}''S')",
            "endswith(deviceDisplayName,'iPad') eq true",
            "contains(deviceDisplayName,'S I')",
            "contains(deviceDisplayName,'x') eq false",
            "deviceModel eq null",
            "deviceDisplayName ne null",
            "deviceModel ne 'x'",
            "platform eq 1 or platform eq 8 and status eq 'nonCompliant'",
            "(platform eq 8 or platform eq 1) and (status eq 'nonCompliant')",
            "deviceDisplayName eq 'ZO\u{cb}''s IPAD'",
            "ID eq 'x' or id eq 'A_B'".trim_start_matches("ID eq 'x' or "),
        ] {
            assert!(matches(filter), "{filter}");
        }
        for filter in [
            "deviceModel gt 'a'",
            "deviceModel lt 'a'",
            "contains(deviceModel,'a')",
            "not (status eq 'nonCompliant')",
            "platform eq 1 and platform eq 8 or status eq 'error'",
        ] {
            assert!(!matches(filter), "{filter}");
        }
    }

    #[test]
    fn dates_compare_as_instants_to_100_ns() {
        assert!(matches("lastReportedDateTime gt 2026-01-01T00:00:00Z"));
        assert!(matches("lastReportedDateTime eq 2026-01-01T01:00:00.0000001+01:00"));
        assert!(!matches("lastReportedDateTime le 2025-12-31T16:00:00-08:00"));
    }

    #[test]
    fn an_invalid_filter_is_rejected() {
        for filter in [
            "",
            "status",
            "status eq",
            "status eq 'nope'",
            "status eq nonCompliant",
            "nope eq 1",
            "platform eq '8'",
            "deviceModel eq 1",
            "platform eq null or",
            "(platform eq 8",
            "platform eq 8)",
            "lastReportedDateTime ge '2026-01-01T00:00:00Z'",
            "lastReportedDateTime ge 2026-01-01T00:00:00",
            "startswith(platform,'8')",
            "length(deviceModel) eq 1",
            "platform in ()",
            "deviceModel eq 'open",
            "platform eq 99999999999999999999",
            "platform has 1",
            "platform  eq  8  x",
        ] {
            let error = Filter::parse(filter, &DEVICE_STATUS, Version::Beta).unwrap_err();
            assert!(error.message.starts_with("Invalid filter clause"), "{filter}: {}", error.message);
        }
        assert!(Filter::parse("platform eq 8", &DEVICE_STATUS, Version::V1).is_err());
    }

    #[test]
    fn deep_nesting_is_rejected_without_a_stack_overflow() {
        let deep = format!("{}platform eq 8{}", "(".repeat(50_000), ")".repeat(50_000));
        assert!(Filter::parse(&deep, &DEVICE_STATUS, Version::Beta).is_err());
        assert!(Filter::parse(&"not ".repeat(50_000), &DEVICE_STATUS, Version::Beta).is_err());
    }
}
