//! `AssignmentTarget`: the kinds of targets, which Graph distinguishes by `@odata.type`.

use async_graphql::{Enum, Interface, SimpleObject};

use crate::graph::models;
use crate::schema::bounded::Bounded;

/// The devices or users that an assignment includes or excludes. In Graph:
/// `deviceAndAppManagementAssignmentTarget`.
#[derive(Debug, Clone, Interface)]
#[graphql(
    field(
        name = "device_and_app_management_assignment_filter_id",
        ty = "&Option<String>",
        desc = "The id of the assignment filter that narrows the target. Null if no filter applies."
    ),
    field(
        name = "device_and_app_management_assignment_filter_type",
        ty = "&Option<AssignmentFilterType>",
        desc = "Whether the assignment filter includes or excludes devices. Null if Graph returned none."
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

/// How an Intune assignment filter changes a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AssignmentFilterType {
    /// No filter applies.
    None,
    /// Only devices that match the filter receive the configuration.
    Include,
    /// Devices that match the filter do not receive the configuration.
    Exclude,
    /// A value that this version of the API does not define. It is only returned, and rejected as
    /// input.
    UnknownFutureValue,
}

/// The members of a Microsoft Entra group, who receive the configuration.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct GroupAssignmentTarget {
    /// The id of the assignment filter that narrows the target. Null if no filter applies.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// Whether the assignment filter includes or excludes devices. Null if Graph returned none.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// The object id of the Microsoft Entra group. Null if Graph returned none.
    group_id: Option<String>,
}

/// A Microsoft Entra group whose members do not receive the configuration, even if another target
/// includes them.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct ExclusionGroupAssignmentTarget {
    /// The id of the assignment filter that narrows the target. Null if no filter applies.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// Whether the assignment filter includes or excludes devices. Null if Graph returned none.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// The object id of the Microsoft Entra group. Null if Graph returned none.
    group_id: Option<String>,
}

/// All devices of the tenant.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct AllDevicesAssignmentTarget {
    /// The id of the assignment filter that narrows the target. Null if no filter applies.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// Whether the assignment filter includes or excludes devices. Null if Graph returned none.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
}

/// All users of the tenant who have an Intune licence.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct AllLicensedUsersAssignmentTarget {
    /// The id of the assignment filter that narrows the target. Null if no filter applies.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// Whether the assignment filter includes or excludes devices. Null if Graph returned none.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
}

/// A collection of Microsoft Configuration Manager.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct ConfigurationManagerCollectionAssignmentTarget {
    /// The id of the assignment filter that narrows the target. Null if no filter applies.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// Whether the assignment filter includes or excludes devices. Null if Graph returned none.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// The id of the collection. Null if Graph returned none.
    collection_id: Option<String>,
}

/// A kind of target that this version of the API does not define. `odataType` names it.
#[derive(Debug, Clone, SimpleObject)]
pub(crate) struct OtherAssignmentTarget {
    /// The id of the assignment filter that narrows the target. Null if no filter applies.
    device_and_app_management_assignment_filter_id: Option<String>,
    /// Whether the assignment filter includes or excludes devices. Null if Graph returned none.
    device_and_app_management_assignment_filter_type: Option<AssignmentFilterType>,
    /// The name of the type in Graph, for example `microsoft.graph.groupAssignmentTarget`. Null if
    /// Graph returned none.
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
