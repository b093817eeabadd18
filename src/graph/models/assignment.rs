//! The two kinds of assignments of a provisioning configuration, and their targets.

use serde::Serialize;
use serde::de::MapAccess;

use super::entity::Entity;
use super::lenient::{self, Property, Received, Slot, read_members};
use crate::graph::odata::PropertyValue;

/// `microsoft.graph.iosLobAppProvisioningConfigurationAssignment`, as Graph returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The key, opaque.
    pub id: String,
    /// The target of the assignment.
    pub target: Received<AssignmentTarget>,
}

/// `microsoft.graph.deviceAndAppManagementAssignmentTarget` and the types derived from it,
/// distinguished by `@odata.type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignmentTarget {
    /// The derived type, as in `#microsoft.graph.groupAssignmentTarget`; the `#` may be missing.
    pub odata_type: Option<String>,
    /// The assignment filter's id.
    pub device_and_app_management_assignment_filter_id: Option<String>,
    /// `none`, `include` or `exclude`.
    pub device_and_app_management_assignment_filter_type: Option<String>,
    /// The group's id, of the two group targets.
    pub group_id: Option<String>,
    /// The Configuration Manager collection's id, of that target.
    pub collection_id: Option<String>,
}

/// `microsoft.graph.mobileAppProvisioningConfigGroupAssignment`, as Graph returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupAssignment {
    /// The key, opaque.
    pub id: String,
    /// The group's id.
    pub target_group_id: Received<String>,
}

lenient::entity!(Assignment, "microsoft.graph.iosLobAppProvisioningConfigurationAssignment", {
    target: "target",
});

lenient::entity!(GroupAssignment, "microsoft.graph.mobileAppProvisioningConfigGroupAssignment", {
    target_group_id: "targetGroupId",
});

/// A target with an unreadable member is malformed as a whole, because its meaning is not known.
impl Property for AssignmentTarget {
    fn from_members<'de, A: MapAccess<'de>>(mut members: A) -> Result<Option<Self>, A::Error> {
        let mut odata_type = Slot::default();
        let mut filter_id = Slot::default();
        let mut filter_type = Slot::default();
        let mut group_id = Slot::default();
        let mut collection_id = Slot::default();
        read_members!(members, {
            odata_type: "@odata.type",
            filter_id: "deviceAndAppManagementAssignmentFilterId",
            filter_type: "deviceAndAppManagementAssignmentFilterType",
            group_id: "groupId",
            collection_id: "collectionId",
        });
        let slots = [odata_type, filter_id, filter_type, group_id, collection_id].map(Slot::received);
        if slots.iter().any(Received::is_malformed) {
            return Ok(None);
        }
        let [odata_type, filter_id, filter_type, group_id, collection_id] = slots.map(Received::into_value);
        Ok(Some(Self {
            odata_type,
            device_and_app_management_assignment_filter_id: filter_id,
            device_and_app_management_assignment_filter_type: filter_type,
            group_id,
            collection_id,
        }))
    }
}

/// The body of the action `assign`: the complete new sets. Note Graph's capitalisation of the
/// second member.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Assign {
    /// The groups to assign to.
    #[serde(
        rename = "appProvisioningConfigurationGroupAssignments",
        skip_serializing_if = "Option::is_none"
    )]
    pub group_assignments: Option<Vec<NewGroupAssignment>>,
    /// The targets to assign to.
    #[serde(rename = "iOSLobAppProvisioningConfigAssignments", skip_serializing_if = "Option::is_none")]
    pub assignments: Option<Vec<NewAssignment>>,
}

/// An assignment to a group, in the form of `assign`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.mobileAppProvisioningConfigGroupAssignment")]
#[serde(rename_all = "camelCase")]
pub struct NewGroupAssignment {
    /// The group's id.
    pub target_group_id: String,
}

/// An assignment to a target, in the form of `assign`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.iosLobAppProvisioningConfigurationAssignment")]
pub struct NewAssignment {
    /// The target of the assignment.
    pub target: NewAssignmentTarget,
}

/// A target, in the form of `assign`. `@odata.type` is required there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewAssignmentTarget {
    /// The derived type, as in `#microsoft.graph.groupAssignmentTarget`.
    #[serde(rename = "@odata.type")]
    pub odata_type: &'static str,
    /// The group's id, of the two group targets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// The Configuration Manager collection's id, of that target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collection_id: Option<String>,
    /// The assignment filter's id.
    pub device_and_app_management_assignment_filter_id: Option<String>,
    /// `none`, `include` or `exclude`.
    pub device_and_app_management_assignment_filter_type: &'static str,
}

impl Entity for Assignment {
    const ODATA_TYPE: &'static str = Self::TYPE;
    const PROPERTIES: &'static [&'static str] = Self::NAMES;

    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, _name: &str) -> PropertyValue<'_> {
        PropertyValue::Unknown
    }
}

impl Entity for GroupAssignment {
    const ODATA_TYPE: &'static str = Self::TYPE;
    const PROPERTIES: &'static [&'static str] = Self::NAMES;

    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, _name: &str) -> PropertyValue<'_> {
        PropertyValue::Unknown
    }
}
