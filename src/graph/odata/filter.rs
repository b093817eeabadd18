//! `$filter`: the expression that is sent, and its evaluation on a returned row. Intune sometimes
//! ignores a filter silently (Graph's documentation says that unsupported ones may fail silently),
//! so rows are checked.

use std::fmt;

use super::collation::{is_plain, may_be_empty, may_hold};
use super::literal::{Literal, PropertyValue};
use crate::graph::models::DateTimeOffset;

/// A filter. Its text is built from the parts, so that no literal can change its shape.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of these; none is true of everything.
    And(Vec<Filter>),
    /// Any of these.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A property compared with a literal.
    Compare(&'static str, Comparison, Literal),
    /// A function of a text property and a text.
    Call(Function, &'static str, String),
    /// Whether the provisioning profile in the payload expires before an instant. Graph cannot evaluate it and is not sent
    /// it.
    ProfileExpiresBefore(DateTimeOffset),
}

/// The name of the expiry of a profile as a property, which is not one of Graph's.
pub const PROFILE_EXPIRATION: &str = "payload/expirationDate";

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `eq`
    Eq,
    /// `ne`
    Ne,
    /// `lt`
    Lt,
    /// `le`
    Le,
    /// `gt`
    Gt,
    /// `ge`
    Ge,
}

/// Functions of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// `startswith`
    StartsWith,
    /// `contains`
    Contains,
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(parts) => joined(f, parts, " and "),
            Self::Or(parts) => joined(f, parts, " or "),
            Self::Not(part) => write!(f, "not ({part})"),
            Self::Compare(property, comparison, literal) => {
                let operator = match comparison {
                    Comparison::Eq => "eq",
                    Comparison::Ne => "ne",
                    Comparison::Lt => "lt",
                    Comparison::Le => "le",
                    Comparison::Gt => "gt",
                    Comparison::Ge => "ge",
                };
                write!(f, "{property} {operator} {literal}")
            }
            Self::Call(function, property, text) => {
                let function = match function {
                    Function::StartsWith => "startswith",
                    Function::Contains => "contains",
                };
                write!(f, "{function}({property},{})", Literal::String(text.clone()))
            }
            Self::ProfileExpiresBefore(date) => write!(f, "{PROFILE_EXPIRATION} lt {}", date.as_str()),
        }
    }
}

/// Parentheses for parts that a neighbouring operator could split.
fn joined(f: &mut fmt::Formatter<'_>, parts: &[Filter], operator: &str) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(operator)?;
        }
        match part {
            Filter::And(inner) | Filter::Or(inner) if inner.len() > 1 => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

/// The result of evaluating a filter on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It certainly matches the filter.
    Meets,
    /// It certainly does not match.
    Misses,
    /// The service's rules decide, in particular its collation.
    Open,
}

impl Verdict {
    fn of(known: bool) -> Self {
        if known { Self::Meets } else { Self::Misses }
    }

    fn not(self) -> Self {
        match self {
            Self::Meets => Self::Misses,
            Self::Misses => Self::Meets,
            Self::Open => Self::Open,
        }
    }
}

impl Filter {
    /// Evaluates the filter on a row whose properties are returned by `value`.
    pub fn verdict<'a>(&self, value: &impl Fn(&str) -> PropertyValue<'a>) -> Verdict {
        match self {
            Self::And(parts) => all(parts.iter().map(|part| part.verdict(value))),
            Self::Or(parts) => all(parts.iter().map(|part| part.verdict(value).not())).not(),
            Self::Not(part) => part.verdict(value).not(),
            Self::Compare(property, comparison, literal) => compare(value(property), *comparison, literal),
            Self::Call(function, property, text) => match value(property) {
                PropertyValue::String(value) => call(*function, value, text),
                PropertyValue::Null if !may_be_empty(text) => Verdict::Misses,
                _ => Verdict::Open,
            },
            Self::ProfileExpiresBefore(date) => {
                compare(value(PROFILE_EXPIRATION), Comparison::Lt, &Literal::Date(date.clone()))
            }
        }
    }

    /// A filter of the same form with harmless literals.
    pub(super) fn neutral(&self) -> Self {
        match self {
            Self::And(parts) => Self::And(parts.iter().map(Self::neutral).collect()),
            Self::Or(parts) => Self::Or(parts.iter().map(Self::neutral).collect()),
            Self::Not(part) => Self::Not(Box::new(part.neutral())),
            Self::Compare(property, comparison, literal) => {
                Self::Compare(property, *comparison, literal.neutral())
            }
            Self::Call(function, property, _) => Self::Call(*function, property, "a".to_owned()),
            // Not sent.
            Self::ProfileExpiresBefore(_) => self.clone(),
        }
    }

    /// The names of the properties in the filter.
    pub fn properties(&self, into: &mut impl Extend<&'static str>) {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.properties(into)),
            Self::Not(part) => part.properties(into),
            Self::Compare(property, ..) | Self::Call(_, property, _) => into.extend([*property]),
            Self::ProfileExpiresBefore(_) => into.extend(["payload"]),
        }
    }
}

/// Kleene's conjunction: one miss decides, one doubt leaves it open.
fn all(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    let mut all = Verdict::Meets;
    for verdict in verdicts {
        match verdict {
            Verdict::Misses => return Verdict::Misses,
            Verdict::Open => all = Verdict::Open,
            Verdict::Meets => {}
        }
    }
    all
}

/// Equal texts are so in every collation; others may be, and then nothing is certain, neither of the filter nor of its
/// opposite.
fn equal(value: &str, text: &str) -> Verdict {
    if value == text {
        Verdict::Meets
    } else if may_hold(value, text, |value, text| value == text) {
        Verdict::Open
    } else {
        Verdict::Misses
    }
}

/// A text certainly contains another only if the neighbouring characters cannot change the match:
/// in a collation that treats `e` with an accent as one letter, it does not contain `e`.
fn call(function: Function, value: &str, text: &str) -> Verdict {
    let holds = |value: &str, text: &str| match function {
        Function::StartsWith => value.starts_with(text),
        Function::Contains => value.contains(text),
    };
    if value == text || (is_plain(value) && is_plain(text) && holds(value, text)) {
        Verdict::Meets
    } else if holds(value, text) || may_hold(value, text, holds) {
        Verdict::Open
    } else {
        Verdict::Misses
    }
}

fn compare(value: PropertyValue<'_>, comparison: Comparison, literal: &Literal) -> Verdict {
    use std::cmp::Ordering;

    let ordering = match (value, literal) {
        (PropertyValue::Unknown, _) => return Verdict::Open,
        // Some services do not distinguish an empty text from none.
        (PropertyValue::String(text), Literal::Null) if may_be_empty(text) => return Verdict::Open,
        (PropertyValue::Null, Literal::String(text)) if may_be_empty(text) => return Verdict::Open,
        (PropertyValue::Null, Literal::Null) => {
            return match comparison {
                Comparison::Eq => Verdict::Meets,
                Comparison::Ne => Verdict::Misses,
                _ => Verdict::Open,
            };
        }
        (_, Literal::Null) | (PropertyValue::Null, _) => {
            return match comparison {
                Comparison::Eq => Verdict::Misses,
                Comparison::Ne => Verdict::Meets,
                // A comparison with null is false in OData, and has been seen to be otherwise.
                _ => Verdict::Open,
            };
        }
        (PropertyValue::String(value), Literal::String(text)) => {
            let equal = equal(value, text);
            return match comparison {
                Comparison::Eq => equal,
                Comparison::Ne => equal.not(),
                _ => Verdict::Open,
            };
        }
        (PropertyValue::Status(value), Literal::Status(status)) => {
            return match comparison {
                Comparison::Eq => Verdict::of(value == *status),
                Comparison::Ne => Verdict::of(value != *status),
                _ => Verdict::Open,
            };
        }
        (PropertyValue::Int(value), Literal::Int(number)) => value.cmp(number),
        (PropertyValue::Date(value), Literal::Date(date)) => match date.ticks() {
            Some(ticks) => value.cmp(&ticks),
            None => return Verdict::Open,
        },
        _ => return Verdict::Open,
    };
    Verdict::of(match comparison {
        Comparison::Eq => ordering == Ordering::Equal,
        Comparison::Ne => ordering != Ordering::Equal,
        Comparison::Lt => ordering == Ordering::Less,
        Comparison::Le => ordering != Ordering::Greater,
        Comparison::Gt => ordering == Ordering::Greater,
        Comparison::Ge => ordering != Ordering::Less,
    })
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Filter, Function, Literal, PropertyValue, Verdict};

    fn name_is(text: &str) -> Filter {
        Filter::Compare("name", Comparison::Eq, Literal::String(text.to_owned()))
    }

    #[test]
    fn literals_are_escaped_and_parts_keep_their_shape() {
        let filter = Filter::And(vec![
            Filter::Or(vec![name_is("O'Brien"), name_is("') or true")]),
            Filter::Not(Box::new(Filter::Call(Function::Contains, "name", "a'b".to_owned()))),
            Filter::Compare("platform", Comparison::Ge, Literal::Int(-1)),
            Filter::Compare("name", Comparison::Ne, Literal::Null),
        ]);
        assert_eq!(
            filter.to_string(),
            "(name eq 'O''Brien' or name eq ''') or true') and not (contains(name,'a''b')) and platform ge -1 and name \
             ne null"
        );
    }

    #[test]
    fn a_part_is_certain_only_where_no_collation_reads_it_otherwise() {
        let of = |function, value, text: &str| {
            Filter::Call(function, "name", text.to_owned())
                .verdict(&move |_: &str| PropertyValue::String(value))
        };
        for (value, text, starts, contains) in [
            ("Anna", "An", Verdict::Meets, Verdict::Meets),
            ("Anna", "nn", Verdict::Misses, Verdict::Meets),
            ("Anna", "AN", Verdict::Open, Verdict::Open),
            ("Anna", "b", Verdict::Misses, Verdict::Misses),
            ("Anna", "Anna ", Verdict::Open, Verdict::Open),
            ("Müller", "mu", Verdict::Open, Verdict::Open),
            ("Müller", "Mü", Verdict::Open, Verdict::Open),
            ("Müller", "Müller", Verdict::Meets, Verdict::Meets),
            ("Müller", "mue", Verdict::Open, Verdict::Open),
            ("Müller", "ma", Verdict::Misses, Verdict::Misses),
            ("Zoe\u{308}", "Zoe", Verdict::Open, Verdict::Open),
            ("e\u{308}", "\u{308}", Verdict::Open, Verdict::Open),
            ("Straße", "strass", Verdict::Open, Verdict::Open),
            ("\r\n", "\r", Verdict::Open, Verdict::Open),
            ("Anna", "", Verdict::Meets, Verdict::Meets),
            ("", "a", Verdict::Misses, Verdict::Misses),
            ("田中", "Anna", Verdict::Open, Verdict::Open),
        ] {
            assert_eq!(of(Function::StartsWith, value, text), starts, "{value:?} starts with {text:?}");
            assert_eq!(of(Function::Contains, value, text), contains, "{value:?} contains {text:?}");
        }
    }

    #[test]
    fn no_text_may_be_null_and_a_null_is_no_other() {
        let of = |filter: &Filter, value| filter.verdict(&move |_: &str| value);
        let null = |comparison| Filter::Compare("name", comparison, Literal::Null);
        let starts = |text: &str| Filter::Call(Function::StartsWith, "name", text.to_owned());
        for empty in ["", " ", "\u{200b}"] {
            assert_eq!(of(&name_is(empty), PropertyValue::Null), Verdict::Open);
            assert_eq!(of(&null(Comparison::Eq), PropertyValue::String(empty)), Verdict::Open);
            assert_eq!(of(&null(Comparison::Ne), PropertyValue::String(empty)), Verdict::Open);
            assert_eq!(of(&starts(empty), PropertyValue::Null), Verdict::Open);
        }
        assert_eq!(of(&null(Comparison::Eq), PropertyValue::String("a")), Verdict::Misses);
        assert_eq!(of(&null(Comparison::Ne), PropertyValue::String("a")), Verdict::Meets);
        assert_eq!(of(&starts("a"), PropertyValue::Null), Verdict::Misses);
        assert_eq!(of(&starts("a"), PropertyValue::Unknown), Verdict::Open);
        assert_eq!(of(&starts("a"), PropertyValue::Int(1)), Verdict::Open);
    }

    #[test]
    fn verdicts_are_sure_only_where_case_cannot_matter() {
        let of = |filter: &Filter, value| filter.verdict(&move |_: &str| value);
        let text = PropertyValue::String;
        assert_eq!(of(&name_is("a"), text("a")), Verdict::Meets);
        assert_eq!(of(&name_is("a"), text("A")), Verdict::Open);
        assert_eq!(of(&name_is("a"), text("b")), Verdict::Misses);
        assert_eq!(of(&name_is("a"), PropertyValue::Null), Verdict::Misses);
        assert_eq!(of(&name_is("a"), PropertyValue::Unknown), Verdict::Open);
        let not = Filter::Not(Box::new(name_is("a")));
        assert_eq!(of(&not, text("A")), Verdict::Open);
        assert_eq!(of(&not, text("b")), Verdict::Meets);
        let either = Filter::Or(vec![name_is("a"), name_is("b")]);
        assert_eq!(of(&either, text("B")), Verdict::Open);
        assert_eq!(of(&either, text("c")), Verdict::Misses);
        assert_eq!(of(&Filter::And(vec![]), text("c")), Verdict::Meets);
    }
}
