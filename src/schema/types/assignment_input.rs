//! Inputs that assign a configuration.

use async_graphql::{Enum, InputObject};

use super::assignment_target::AssignmentFilterType;
use crate::graph::models::{NewAssignment, NewAssignmentTarget, NewGroupAssignment};
use crate::schema::error::FieldError;

/// Whom to assign a configuration to.
#[derive(Debug, InputObject)]
pub(crate) struct AssignmentInput {
    /// Which kind of target.
    target: AssignmentTargetKind,
    /// The Entra group's id; for the two group targets, and only for them.
    group_id: Option<String>,
    /// The collection's id; for a Configuration Manager collection, and only for it.
    collection_id: Option<String>,
    /// Id of a filter that narrows the target.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// How the filter applies.
    #[graphql(default_with = "AssignmentFilterType::None")]
    device_and_app_management_assignment_filter_type: AssignmentFilterType,
}

/// Which kind of target: Graph's types derived from `deviceAndAppManagementAssignmentTarget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AssignmentTargetKind {
    /// A group.
    Group,
    /// All but a group.
    ExclusionGroup,
    /// All devices of the tenant.
    AllDevices,
    /// All users of the tenant with a licence.
    AllLicensedUsers,
    /// A collection of Configuration Manager's.
    ConfigurationManagerCollection,
}

/// A group to assign a configuration to.
#[derive(Debug, InputObject)]
pub(crate) struct GroupAssignmentInput {
    /// The Entra group's id.
    target_group_id: String,
}

impl AssignmentInput {
    /// The assignment that Graph is sent.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` where an id is missing or does not belong to this kind of target.
    pub(crate) fn into_model(self, argument: &str) -> Result<NewAssignment, FieldError> {
        use AssignmentTargetKind as Kind;

        let wants_group = matches!(self.target, Kind::Group | Kind::ExclusionGroup);
        let wants_collection = self.target == Kind::ConfigurationManagerCollection;
        for (given, wanted, name) in [
            (self.group_id.is_some(), wants_group, "groupId"),
            (self.collection_id.is_some(), wants_collection, "collectionId"),
        ] {
            if given != wanted {
                let rule = if wanted { "is required for" } else { "is not allowed for" };
                return Err(FieldError::bad_user_input(format!(
                    "`{argument}.{name}` {rule} this kind of target."
                )));
            }
        }
        let target = NewAssignmentTarget {
            odata_type: match self.target {
                Kind::Group => "#microsoft.graph.groupAssignmentTarget",
                Kind::ExclusionGroup => "#microsoft.graph.exclusionGroupAssignmentTarget",
                Kind::AllDevices => "#microsoft.graph.allDevicesAssignmentTarget",
                Kind::AllLicensedUsers => "#microsoft.graph.allLicensedUsersAssignmentTarget",
                Kind::ConfigurationManagerCollection => {
                    "#microsoft.graph.configurationManagerCollectionAssignmentTarget"
                }
            },
            group_id: self.group_id,
            collection_id: self.collection_id,
            device_and_app_management_assignment_filter_id: self
                .device_and_app_management_assignment_filter_id,
            device_and_app_management_assignment_filter_type: match self
                .device_and_app_management_assignment_filter_type
            {
                AssignmentFilterType::Include => "include",
                AssignmentFilterType::Exclude => "exclude",
                AssignmentFilterType::None | AssignmentFilterType::UnknownFutureValue => "none",
            },
        };
        Ok(NewAssignment { target })
    }
}

impl From<GroupAssignmentInput> for NewGroupAssignment {
    fn from(input: GroupAssignmentInput) -> Self {
        Self { target_group_id: input.target_group_id }
    }
}
