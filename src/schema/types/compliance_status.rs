//! `ComplianceStatus`.

use async_graphql::Enum;

/// A device's compliance, as Intune reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::graph::models::ComplianceStatus")]
pub(crate) enum ComplianceStatus {
    /// Not known.
    Unknown,
    /// The policy does not apply to the device.
    NotApplicable,
    /// The device complies.
    Compliant,
    /// The device did not comply, and was remediated.
    Remediated,
    /// The device does not comply.
    NonCompliant,
    /// The device met an error.
    Error,
    /// Policies contradict each other on the device.
    Conflict,
    /// The policy is not assigned to the device.
    NotAssigned,
    /// A member that Graph added after this schema was written. Read only: refused as input.
    UnknownFutureValue,
}
