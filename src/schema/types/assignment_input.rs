//! Inputs that assign a configuration.

use async_graphql::{Enum, InputObject};

use super::assignment_target::AssignmentFilterType;
use crate::graph::models::{NewAssignment, NewAssignmentTarget, NewGroupAssignment};
use crate::schema::error::FieldError;

/// A target to assign a configuration to.
#[derive(Debug, InputObject)]
pub(crate) struct AssignmentInput {
    /// The kind of target. `GROUP` and `EXCLUSION_GROUP` also need `groupId`,
    /// `CONFIGURATION_MANAGER_COLLECTION` needs `collectionId`.
    target: AssignmentTargetKind,
    /// The object id of the Microsoft Entra group. Required for `GROUP` and `EXCLUSION_GROUP`, not
    /// allowed for other targets.
    group_id: Option<String>,
    /// The id of the Configuration Manager collection. Required for
    /// `CONFIGURATION_MANAGER_COLLECTION`, not allowed for other targets.
    collection_id: Option<String>,
    /// The id of the Intune assignment filter that narrows the target. Omit it if no filter
    /// applies.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// Whether the assignment filter includes or excludes devices. Set it to `INCLUDE` or `EXCLUDE`
    /// if you set a filter.
    #[graphql(default_with = "AssignmentFilterType::None")]
    device_and_app_management_assignment_filter_type: AssignmentFilterType,
}

/// The kinds of assignment targets. Each is a type that Graph derives from
/// `deviceAndAppManagementAssignmentTarget`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AssignmentTargetKind {
    /// The members of a Microsoft Entra group.
    Group,
    /// A Microsoft Entra group whose members do not receive the configuration, even if another
    /// target includes them.
    ExclusionGroup,
    /// All devices of the tenant.
    AllDevices,
    /// All users of the tenant who have an Intune licence.
    AllLicensedUsers,
    /// A collection of Microsoft Configuration Manager.
    ConfigurationManagerCollection,
}

/// A Microsoft Entra group to assign a configuration to.
#[derive(Debug, InputObject)]
pub(crate) struct GroupAssignmentInput {
    /// The object id of the Microsoft Entra group.
    target_group_id: String,
}

impl AssignmentInput {
    /// The assignment that Graph is sent.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` if an id is missing or not allowed for this kind of target.
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
