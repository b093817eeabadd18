//! `ComplianceStatus`.

use async_graphql::Enum;

/// The compliance of a device or a user with a configuration, as Intune reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::graph::models::ComplianceStatus")]
pub(crate) enum ComplianceStatus {
    /// Intune does not know the compliance.
    Unknown,
    /// The configuration does not apply to the device.
    NotApplicable,
    /// The device complies with the configuration.
    Compliant,
    /// The device did not comply, and Intune remediated it.
    Remediated,
    /// The device does not comply with the configuration.
    NonCompliant,
    /// The configuration failed on the device.
    Error,
    /// Another configuration contradicts this one on the device.
    Conflict,
    /// The configuration is not assigned to the device.
    NotAssigned,
    /// A value that this version of the API does not define. It is only returned, and rejected as
    /// input.
    UnknownFutureValue,
}
