//! The two kinds of assignments of a provisioning configuration, and what they are aimed at.

use serde::Deserialize;

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
