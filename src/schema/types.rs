//! The GraphQL types that stand for Graph's entities, one file each.

mod compliance_status;
mod date_time_offset;
mod device_status;
mod ios_lob_app_provisioning_configuration;

pub(super) use self::compliance_status::ComplianceStatus;
pub(super) use self::date_time_offset::DateTimeOffset;
pub(super) use self::device_status::{DeviceStatus, DeviceStatusEdge, DeviceStatusInput};
pub(super) use self::ios_lob_app_provisioning_configuration::IosLobAppProvisioningConfiguration;

use super::operation::InputRules;

/// What the types ask of inputs beyond what SDL can say.
pub(super) fn input_rules(rules: InputRules) -> InputRules {
    rules.scalar("DateTimeOffset", date_time_offset::check).refuse_member(
        "ComplianceStatus",
        "UNKNOWN_FUTURE_VALUE",
        "it stands for members that this gateway does not know, and can only be read",
    )
}
