//! `AssignmentTarget`: the kinds of targets that Graph tells apart by `@odata.type`.

use async_graphql::{Enum, Interface, SimpleObject};

use crate::graph::models;
use crate::schema::bounded::Bounded;

/// Whom a configuration is meant for: Graph's `deviceAndAppManagementAssignmentTarget`.
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(
        name = "device_and_app_management_assignment_filter_id",
        ty = "&Option<String>",
        desc = "Id of the filter that narrows the target, where there is one."
    ),
    field(
        name = "device_and_app_management_assignment_filter_type",
        ty = "&Option<AssignmentFilterType>",
        desc = "How the filter applies."
    )
)]
pub(crate) enum AssignmentTarget {
    /// A group.
    Group(Bounded<GroupAssignmentTarget>),
    /// All but a group.
    ExclusionGroup(Bounded<ExclusionGroupAssignmentTarget>),
    /// All devices.
    AllDevices(Bounded<AllDevicesAssignmentTarget>),
    /// All users with a licence.
    AllLicensedUsers(Bounded<AllLicensedUsersAssignmentTarget>),
    /// A Configuration Manager collection.
    ConfigurationManagerCollection(Bounded<ConfigurationManagerCollectionAssignmentTarget>),
    /// A kind that Graph added later.
    Other(Bounded<OtherAssignmentTarget>),
}

/// How an assignment filter applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AssignmentFilterType {
    /// There is no filter.
    None,
    /// Only what the filter matches.
    Include,
    /// All but what the filter matches.
    Exclude,
    /// A member that Graph added after this schema was written.
    UnknownFutureValue,
}

/// A group of users or devices.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct GroupAssignmentTarget {
    /// Id of the filter that narrows the target, where there is one.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// How the filter applies.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// The Entra group's id.
    group_id: Option<String>,
}

/// A group of users or devices that is left out.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct ExclusionGroupAssignmentTarget {
    /// Id of the filter that narrows the target, where there is one.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// How the filter applies.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// The Entra group's id.
    group_id: Option<String>,
}

/// All devices of the tenant.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct AllDevicesAssignmentTarget {
    /// Id of the filter that narrows the target, where there is one.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// How the filter applies.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
}

/// All users of the tenant with a licence.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct AllLicensedUsersAssignmentTarget {
    /// Id of the filter that narrows the target, where there is one.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// How the filter applies.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
}

/// A collection of Configuration Manager's.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct ConfigurationManagerCollectionAssignmentTarget {
    /// Id of the filter that narrows the target, where there is one.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// How the filter applies.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// The collection's id.
    collection_id: Option<String>,
}

/// A kind of target that Graph added after this schema was written.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct OtherAssignmentTarget {
    /// Id of the filter that narrows the target, where there is one.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// How the filter applies.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// Graph's name of the kind, as in `microsoft.graph.groupAssignmentTarget`.
    odata_type: Option<String>,
}

impl From<models::AssignmentTarget> for AssignmentTarget {
    fn from(target: models::AssignmentTarget) -> Self {
        let models::AssignmentTarget { odata_type, group_id, collection_id, .. } = target;
        let device_and_app_management_assignment_filter_id =
            target.device_and_app_management_assignment_filter_id;
        let device_and_app_management_assignment_filter_type = target
            .device_and_app_management_assignment_filter_type
            .as_deref()
            .map(|name| match name.to_ascii_lowercase().as_str() {
                "none" => AssignmentFilterType::None,
                "include" => AssignmentFilterType::Include,
                "exclude" => AssignmentFilterType::Exclude,
                _ => AssignmentFilterType::UnknownFutureValue,
            });
        // Documented with and without `#`; official SDKs compare the name without case.
        let odata_type = odata_type.map(|name| name.trim_start_matches('#').to_owned());
        let kind = odata_type
            .as_deref()
            .and_then(|name| name.rsplit(['#', '.']).next())
            .map(str::to_ascii_lowercase);
        match kind.as_deref() {
            Some("groupassignmenttarget") => Self::Group(Bounded::new(GroupAssignmentTarget {
                device_and_app_management_assignment_filter_id,
                device_and_app_management_assignment_filter_type,
                group_id,
            })),
            Some("exclusiongroupassignmenttarget") => {
                Self::ExclusionGroup(Bounded::new(ExclusionGroupAssignmentTarget {
                    device_and_app_management_assignment_filter_id,
                    device_and_app_management_assignment_filter_type,
                    group_id,
                }))
            }
            Some("alldevicesassignmenttarget") => {
                Self::AllDevices(Bounded::new(AllDevicesAssignmentTarget {
                    device_and_app_management_assignment_filter_id,
                    device_and_app_management_assignment_filter_type,
                }))
            }
            Some("alllicensedusersassignmenttarget") => {
                Self::AllLicensedUsers(Bounded::new(AllLicensedUsersAssignmentTarget {
                    device_and_app_management_assignment_filter_id,
                    device_and_app_management_assignment_filter_type,
                }))
            }
            Some("configurationmanagercollectionassignmenttarget") => Self::ConfigurationManagerCollection(
                Bounded::new(ConfigurationManagerCollectionAssignmentTarget {
                    device_and_app_management_assignment_filter_id,
                    device_and_app_management_assignment_filter_type,
                    collection_id,
                }),
            ),
            _ => Self::Other(Bounded::new(OtherAssignmentTarget {
                device_and_app_management_assignment_filter_id,
                device_and_app_management_assignment_filter_type,
                odata_type,
            })),
        }
    }
}
