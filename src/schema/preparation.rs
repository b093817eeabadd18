//! The parts of the preparation that SDL does not define: the rules of inputs and the costs of
//! fields.

use graphql_prepare::{Cost, Costs, InputRules, Limits, ObjectCount, Preparer, TypeSystem};

use super::types::check_date_time_offset;
use super::{sdl, type_names};

/// Prepares callers' operations. Without introspection, no message to a caller names what the caller did not.
///
/// # Panics
///
/// If the built-in SDL cannot be parsed, which a test would detect.
pub(super) fn caller_preparer(limits: Limits, default_page_size: usize, introspection: bool) -> Preparer {
    let types = if introspection { types().with_suggestions(true) } else { types().without_schema_names() };
    Preparer::new(types, costs(default_page_size), limits)
}

/// Checks documents of the operator, whose messages may name all of the schema.
///
/// # Panics
///
/// If the built-in SDL cannot be parsed, which a test would detect.
pub(super) fn operator_preparer(limits: Limits, default_page_size: usize) -> Preparer {
    Preparer::new(types().with_suggestions(true), costs(default_page_size), limits)
}

fn types() -> TypeSystem {
    TypeSystem::new(&sdl(), input_rules(InputRules::default())).expect("our own SDL is valid")
}

/// The calls to Graph that fields can cause: one for each page of a list, each object that is read
/// or written individually, each item of a bulk write, each count by status, and the total count.
/// Not counted are reads that are repeated after a write or a failure, and the configuration of a
/// status: in a list it was read already, elsewhere it at most doubles the call of the status. A
/// subscription counts the calls of its start or of one event.
pub(super) fn costs(default_page_size: usize) -> Costs {
    let one = Cost { calls: 1, objects: ObjectCount::One };
    let list = Cost { calls: 1, objects: ObjectCount::Argument("first", default_page_size) };
    let each = Cost { calls: 1, objects: ObjectCount::Items("ids") };
    let each_item = Cost { calls: 1, objects: ObjectCount::Items("input.deviceStatuses") };
    let counts = Cost { calls: 9, objects: ObjectCount::One };
    let configuration = type_names::CONFIGURATION;
    let mut costs = Costs::default()
        .field("Query", "node", one)
        .field("Query", "nodes", each)
        .field("Mutation", "addDeviceStatuses", each_item)
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

/// The rules of inputs that SDL cannot express.
pub(super) fn input_rules(rules: InputRules) -> InputRules {
    let read_only = "It is read-only: it represents members that Microsoft Graph added later.";
    rules
        .scalar("DateTimeOffset", check_date_time_offset)
        .reject_enum_value("ComplianceStatus", "UNKNOWN_FUTURE_VALUE", read_only)
        .reject_enum_value("AssignmentFilterType", "UNKNOWN_FUTURE_VALUE", read_only)
}
