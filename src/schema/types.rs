//! The GraphQL types that stand for Graph's entities, one file each.

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
mod user_status;

pub(super) use self::assignment_input::{AssignmentInput, GroupAssignmentInput};
use self::assignment_target::AssignmentTarget;
pub(super) use self::compliance_status::ComplianceStatus;
pub(super) use self::configuration_assignment::{ConfigurationAssignment, ConfigurationGroupAssignment};
pub(super) use self::date_time_offset::DateTimeOffset;
pub(super) use self::device_status::{DeviceStatus, DeviceStatusInput, DeviceStatusPatch};
use self::device_status_list::{DeviceStatusFilter, DeviceStatusOrder};
pub(super) use self::ios_lob_app_provisioning_configuration::IosLobAppProvisioningConfiguration;
pub(super) use self::ios_lob_app_provisioning_configuration_input::{
    IosLobAppProvisioningConfigurationInput, IosLobAppProvisioningConfigurationPatch,
};
pub(super) use self::ios_lob_app_provisioning_configuration_list::{
    IosLobAppProvisioningConfigurationFilter, IosLobAppProvisioningConfigurationOrder,
};
pub(super) use self::user_status::UserStatus;

use super::connection::Listed as _;
use graphql_prepare::{Cost, Costs, InputRules, ObjectCount};

/// The calls to Graph that fields cause, by what they can: a page of a list is one, each object read by itself is one,
/// and counts by status are one each and one of all. Not counted is what is read again after a write or a failure, and a
/// status' configuration: within a list it has been read, and beyond one it doubles a status' own call at most. What a
/// subscription causes is what its start or one of its events can.
pub(super) fn costs(default_page_size: usize) -> Costs {
    let one = Cost { calls: 1, objects: ObjectCount::One };
    let list = Cost { calls: 1, objects: ObjectCount::Argument("first", default_page_size) };
    let each = Cost { calls: 1, objects: ObjectCount::Items("ids") };
    let counts = Cost { calls: 9, objects: ObjectCount::One };
    let configuration = IosLobAppProvisioningConfiguration::NAME;
    let mut costs = Costs::default()
        .field("Query", "node", one)
        .field("Query", "nodes", each)
        .field("Query", "iosLobAppProvisioningConfiguration", one)
        .field("Query", "iosLobAppProvisioningConfigurations", list)
        .field(configuration, "deviceStatus", one)
        .field(configuration, "deviceStatusCounts", counts);
    costs =
        costs.field("Subscription", "deviceStatusAdded", one).field("DeviceStatusAdded", "deviceStatus", one);
    for field in ["deviceStatuses", "userStatuses", "assignments", "groupAssignments"] {
        costs = costs.field(configuration, field, list);
    }
    for field in [
        "addDeviceStatus",
        "updateDeviceStatus",
        "deleteDeviceStatus",
        "createIosLobAppProvisioningConfiguration",
        "updateIosLobAppProvisioningConfiguration",
        "deleteIosLobAppProvisioningConfiguration",
        "assignIosLobAppProvisioningConfiguration",
    ] {
        costs = costs.field("Mutation", field, one);
    }
    costs
}

/// What the types ask of inputs beyond what SDL can say.
pub(super) fn input_rules(rules: InputRules) -> InputRules {
    let read_only = "It stands for members that this gateway does not know, and can only be read.";
    rules
        .scalar("DateTimeOffset", date_time_offset::check)
        .reject_enum_value("ComplianceStatus", "UNKNOWN_FUTURE_VALUE", read_only)
        .reject_enum_value("AssignmentFilterType", "UNKNOWN_FUTURE_VALUE", read_only)
}
