//! `microsoft.graph.complianceStatus`.

use serde::Serialize;

use super::lenient::Property;

/// `microsoft.graph.complianceStatus`, a closed enum of eight members (beta metadata). Another enum of the same short
/// name lives in `microsoft.graph.partner.security`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ComplianceStatus {
    /// `unknown`
    Unknown,
    /// `notApplicable`
    NotApplicable,
    /// `compliant`
    Compliant,
    /// `remediated`
    Remediated,
    /// `nonCompliant`
    NonCompliant,
    /// `error`
    Error,
    /// `conflict`
    Conflict,
    /// `notAssigned`
    NotAssigned,
    /// Any other name, which Graph may add later. Never sent.
    #[serde(skip)]
    UnknownFutureValue,
}

impl ComplianceStatus {
    /// The members that Graph documents.
    pub const MEMBERS: [Self; 8] = [
        Self::Unknown,
        Self::NotApplicable,
        Self::Compliant,
        Self::Remediated,
        Self::NonCompliant,
        Self::Error,
        Self::Conflict,
        Self::NotAssigned,
    ];

    /// The member's name in JSON and in `$filter`; `None` for unknown names.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Unknown => Some("unknown"),
            Self::NotApplicable => Some("notApplicable"),
            Self::Compliant => Some("compliant"),
            Self::Remediated => Some("remediated"),
            Self::NonCompliant => Some("nonCompliant"),
            Self::Error => Some("error"),
            Self::Conflict => Some("conflict"),
            Self::NotAssigned => Some("notAssigned"),
            Self::UnknownFutureValue => None,
        }
    }
}

impl Property for ComplianceStatus {
    fn from_text(name: &str) -> Option<Self> {
        // No two members differ in case alone.
        let is_it = |member: &Self| member.name().is_some_and(|known| known.eq_ignore_ascii_case(name));
        let known = Self::MEMBERS.into_iter().find(is_it);
        Some(known.unwrap_or(Self::UnknownFutureValue))
    }
}

#[cfg(test)]
mod tests {
    use super::{ComplianceStatus, Property};

    #[test]
    fn the_eight_members_map_both_ways() {
        for member in ComplianceStatus::MEMBERS {
            let name = member.name().unwrap();
            assert_eq!(serde_json::to_string(&member).unwrap(), format!("\"{name}\""));
            for name in [name.to_owned(), name.to_uppercase(), name.to_lowercase()] {
                assert_eq!(ComplianceStatus::from_text(&name), Some(member), "{name}");
            }
        }
    }

    #[test]
    fn any_other_name_is_read_and_none_is_sent() {
        for name in ["String", "compliant ", "compliantNot", ""] {
            assert_eq!(ComplianceStatus::from_text(name), Some(ComplianceStatus::UnknownFutureValue));
        }
        assert!(serde_json::to_string(&ComplianceStatus::UnknownFutureValue).is_err());
    }
}
