//! The GraphQL types of Graph's entities, one file each.

mod assignment_input;
mod assignment_target;
mod compliance_status;
mod configuration_assignment;
mod date_time_offset;
mod device_status;
mod device_status_count;
mod device_status_list;
mod ios_lob_app_provisioning_configuration;
mod ios_lob_app_provisioning_configuration_input;
mod ios_lob_app_provisioning_configuration_list;
mod order;
mod patch;
mod property;
mod provisioning_profile;
mod user_status;

pub(super) use self::assignment_input::{AssignmentInput, GroupAssignmentInput};
pub(super) use self::compliance_status::ComplianceStatus;
pub(super) use self::configuration_assignment::{ConfigurationAssignment, ConfigurationGroupAssignment};
pub(super) use self::date_time_offset::{DateTimeOffset, check as check_date_time_offset};
pub(super) use self::device_status::{DeviceStatus, DeviceStatusInput, DeviceStatusPatch};
pub(super) use self::ios_lob_app_provisioning_configuration::IosLobAppProvisioningConfiguration;
pub(super) use self::ios_lob_app_provisioning_configuration_input::{
    IosLobAppProvisioningConfigurationInput, IosLobAppProvisioningConfigurationPatch,
};
pub(super) use self::ios_lob_app_provisioning_configuration_list::{
    IosLobAppProvisioningConfigurationFilter, IosLobAppProvisioningConfigurationOrder,
};
pub(super) use self::provisioning_profile::ProvisioningProfile;
pub(super) use self::user_status::UserStatus;
