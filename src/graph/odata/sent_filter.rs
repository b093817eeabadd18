//! The part of a filter that Graph can evaluate. All rows that meet the filter meet this part.

use super::filter::Filter;

/// A filter without the conditions that only the gateway evaluates.
#[derive(Debug, PartialEq)]
enum Relaxed {
    /// Every row meets it.
    Always,
    /// No row meets it.
    Never,
    Filter(Filter),
}

impl Filter {
    /// Whether the gateway must evaluate a part of the filter, so that Graph is sent a wider one.
    #[must_use]
    pub fn is_wider_when_sent(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::is_wider_when_sent),
            Self::Not(part) => part.is_wider_when_sent(),
            Self::Compare(..) | Self::Call(..) => false,
            Self::ProfileExpiresBefore(_) => true,
        }
    }

    /// The wider filter that Graph is sent; `None` for all rows.
    pub(super) fn sent(&self) -> Option<Self> {
        match self.relax(false) {
            Relaxed::Filter(filter) => Some(filter),
            // A filter that no row meets is not made of such conditions alone.
            Relaxed::Always | Relaxed::Never => None,
        }
    }

    /// A wider filter, or a narrower one below a negation.
    fn relax(&self, is_negated: bool) -> Relaxed {
        match self {
            Self::Compare(..) | Self::Call(..) => Relaxed::Filter(self.clone()),
            Self::ProfileExpiresBefore(_) if is_negated => Relaxed::Never,
            Self::ProfileExpiresBefore(_) => Relaxed::Always,
            Self::Not(part) => match part.relax(!is_negated) {
                Relaxed::Always => Relaxed::Never,
                Relaxed::Never => Relaxed::Always,
                Relaxed::Filter(part) => Relaxed::Filter(Self::Not(Box::new(part))),
            },
            Self::And(parts) => join(parts, is_negated, Relaxed::Never, Self::And).unwrap_or(Relaxed::Always),
            Self::Or(parts) => join(parts, is_negated, Relaxed::Always, Self::Or).unwrap_or(Relaxed::Never),
        }
    }
}

/// The relaxed parts together. One that is `absorbing` decides; `None` if no part is left.
fn join(
    parts: &[Filter],
    is_negated: bool,
    absorbing: Relaxed,
    joined: impl Fn(Vec<Filter>) -> Filter,
) -> Option<Relaxed> {
    let mut kept = Vec::new();
    for part in parts {
        match part.relax(is_negated) {
            Relaxed::Filter(part) => kept.push(part),
            part if part == absorbing => return Some(absorbing),
            Relaxed::Always | Relaxed::Never => {}
        }
    }
    if kept.len() > 1 { Some(Relaxed::Filter(joined(kept))) } else { kept.pop().map(Relaxed::Filter) }
}

#[cfg(test)]
mod tests {
    use super::super::{Comparison, Literal};
    use super::Filter;
    use crate::graph::models::DateTimeOffset;

    #[test]
    fn the_sent_filter_is_wider_also_below_a_negation() {
        let date = DateTimeOffset::parse("2027-01-01T00:00:00Z").unwrap();
        let profile = || Filter::ProfileExpiresBefore(date.clone());
        let a = || Filter::Compare("a", Comparison::Eq, Literal::Int(1));
        let not = |filter| Filter::Not(Box::new(filter));
        for (filter, sent) in [
            (profile(), None),
            (not(profile()), None),
            (Filter::And(vec![a(), profile()]), Some("a eq 1")),
            (Filter::Or(vec![a(), profile()]), None),
            (Filter::Or(vec![a(), Filter::And(vec![a(), profile()])]), Some("a eq 1 or a eq 1")),
            (not(Filter::And(vec![a(), profile()])), None),
            (not(Filter::Or(vec![a(), profile()])), Some("not (a eq 1)")),
            (not(not(Filter::And(vec![a(), profile()]))), Some("not (not (a eq 1))")),
            (not(Filter::Or(vec![a(), Filter::And(vec![a(), profile()])])), Some("not (a eq 1)")),
        ] {
            assert!(filter.is_wider_when_sent());
            assert_eq!(filter.sent().map(|sent| sent.to_string()).as_deref(), sent, "{filter}");
        }
        assert!(!not(Filter::Or(vec![a(), a()])).is_wider_when_sent());
    }
}
