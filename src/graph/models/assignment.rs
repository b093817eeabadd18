//! The two kinds of assignments of a provisioning configuration, and what they are aimed at.

use serde::{Deserialize, Serialize};

use super::entity::Entity;
use super::lenient;
use crate::graph::odata::PropertyValue;

/// `microsoft.graph.iosLobAppProvisioningConfigurationAssignment`, as Graph answers it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Assignment {
    /// The key, opaque.
    pub id: String,
    /// Whom it is aimed at.
    #[serde(default)]
    pub target: Option<AssignmentTarget>,
}

/// `microsoft.graph.deviceAndAppManagementAssignmentTarget` and the types derived from it, told apart by
/// `@odata.type`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentTarget {
    /// The derived type, as in `#microsoft.graph.groupAssignmentTarget`; the `#` may be missing.
    #[serde(default, rename = "@odata.type", deserialize_with = "lenient::option")]
    pub odata_type: Option<String>,
    /// The assignment filter's id.
    #[serde(default, deserialize_with = "lenient::option")]
    pub device_and_app_management_assignment_filter_id: Option<String>,
    /// `none`, `include` or `exclude`.
    #[serde(default, deserialize_with = "lenient::option")]
    pub device_and_app_management_assignment_filter_type: Option<String>,
    /// The group's id, of the two group targets.
    #[serde(default, deserialize_with = "lenient::option")]
    pub group_id: Option<String>,
    /// The Configuration Manager collection's id, of that target.
    #[serde(default, deserialize_with = "lenient::option")]
    pub collection_id: Option<String>,
}

/// `microsoft.graph.mobileAppProvisioningConfigGroupAssignment`, as Graph answers it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupAssignment {
    /// The key, opaque.
    pub id: String,
    /// The group's id.
    #[serde(default, deserialize_with = "lenient::option")]
    pub target_group_id: Option<String>,
}

/// The body of the action `assign`: the whole new set. Note Graph's capitalisation of the second member.
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

/// An assignment to a group, as `assign` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.mobileAppProvisioningConfigGroupAssignment")]
#[serde(rename_all = "camelCase")]
pub struct NewGroupAssignment {
    /// The group's id.
    pub target_group_id: String,
}

/// An assignment to a target, as `assign` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.iosLobAppProvisioningConfigurationAssignment")]
pub struct NewAssignment {
    /// Whom it is aimed at.
    pub target: NewAssignmentTarget,
}

/// A target, as `assign` takes it. `@odata.type` is required there.
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
    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, _name: &str) -> PropertyValue<'_> {
        PropertyValue::Unknown
    }
}

impl Entity for GroupAssignment {
    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, _name: &str) -> PropertyValue<'_> {
        PropertyValue::Unknown
    }
}
