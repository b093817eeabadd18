//! `/deviceAppManagement/iosLobAppProvisioningConfigurations` (beta only).

use super::collection::Collection;
use super::device_statuses::DeviceStatuses;
use crate::graph::key::Key;
use crate::graph::models::{Assignment, GroupAssignment, IosLobAppProvisioningConfiguration, UserStatus};
use crate::graph::session::Session;

const PATH: &str = "/deviceAppManagement/iosLobAppProvisioningConfigurations";

/// The collection of iOS line-of-business provisioning profiles.
#[derive(Debug, Clone, Copy)]
pub struct IosLobAppProvisioningConfigurations<'a> {
    session: &'a Session,
}

impl<'a> IosLobAppProvisioningConfigurations<'a> {
    pub(in crate::graph) fn new(session: &'a Session) -> Self {
        Self { session }
    }

    /// Its reads: `GET /deviceAppManagement/iosLobAppProvisioningConfigurations` and `…/{id}`. Microsoft Graph: 'List
    /// iosLobAppProvisioningConfigurations' and 'Get iosLobAppProvisioningConfiguration'.
    #[must_use]
    pub fn collection(&self) -> Collection<'a, IosLobAppProvisioningConfiguration> {
        Collection::new(self.session, PATH.to_owned())
    }

    /// The device statuses that the configuration contains.
    #[must_use]
    pub fn device_statuses(&self, id: &Key) -> DeviceStatuses<'a> {
        Collection::new(self.session, format!("{PATH}/{}/deviceStatuses", id.segment()))
    }

    /// The user statuses that the configuration contains. Microsoft Graph: 'List
    /// managedDeviceMobileAppConfigurationUserStatuses'.
    #[must_use]
    pub fn user_statuses(&self, id: &Key) -> Collection<'a, UserStatus> {
        Collection::new(self.session, format!("{PATH}/{}/userStatuses", id.segment()))
    }

    /// The assignments that the configuration contains. Microsoft Graph: 'List
    /// iosLobAppProvisioningConfigurationAssignments'.
    #[must_use]
    pub fn assignments(&self, id: &Key) -> Collection<'a, Assignment> {
        Collection::new(self.session, format!("{PATH}/{}/assignments", id.segment()))
    }

    /// The group assignments that the configuration contains. Microsoft Graph: 'List
    /// mobileAppProvisioningConfigGroupAssignments'.
    #[must_use]
    pub fn group_assignments(&self, id: &Key) -> Collection<'a, GroupAssignment> {
        Collection::new(self.session, format!("{PATH}/{}/groupAssignments", id.segment()))
    }
}
