//! Graph's entities, field for field as its beta metadata has them.

mod assignment;
mod compliance_status;
mod date_time_offset;
mod device_status;
mod entity;
mod ios_lob_app_provisioning_configuration;
mod lenient;
mod patch;
mod user_status;

pub use self::assignment::{
    Assign, Assignment, AssignmentTarget, GroupAssignment, NewAssignment, NewAssignmentTarget,
    NewGroupAssignment,
};
pub use self::compliance_status::ComplianceStatus;
pub use self::date_time_offset::{DateTimeOffset, InvalidDateTimeOffset};
pub use self::device_status::{DeviceStatus, DeviceStatusPatch, NewDeviceStatus};
pub use self::entity::{Entity, NewEntity};
pub use self::ios_lob_app_provisioning_configuration::{
    IosLobAppProvisioningConfiguration, IosLobAppProvisioningConfigurationPatch,
    NewIosLobAppProvisioningConfiguration,
};
pub use self::lenient::Received;
pub(super) use self::lenient::is_type;
pub use self::patch::Patch;
pub use self::user_status::UserStatus;
