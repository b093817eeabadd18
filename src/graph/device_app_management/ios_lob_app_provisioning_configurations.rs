//! `/deviceAppManagement/iosLobAppProvisioningConfigurations` (beta only).

use http::Method;

use super::collection::Collection;
use super::device_statuses::DeviceStatuses;
use crate::graph::approval::Approval;
use crate::graph::error::{WriteError, WriteKind};
use crate::graph::key::Key;
use crate::graph::models::{
    Assign, Assignment, GroupAssignment, IosLobAppProvisioningConfiguration,
    IosLobAppProvisioningConfigurationPatch, UserStatus,
};
use crate::graph::response::GraphResponse;
use crate::graph::session::Session;
use crate::graph::settings::CreatePath;

const PATH: &str = "/deviceAppManagement/iosLobAppProvisioningConfigurations";

/// The collection of iOS line-of-business provisioning profiles.
#[derive(Debug, Clone)]
pub struct IosLobAppProvisioningConfigurations {
    session: Session,
}

impl Session {
    /// `/deviceAppManagement/iosLobAppProvisioningConfigurations`.
    #[must_use]
    pub fn ios_lob_app_provisioning_configurations(&self) -> IosLobAppProvisioningConfigurations {
        IosLobAppProvisioningConfigurations { session: self.clone() }
    }
}

impl IosLobAppProvisioningConfigurations {
    /// Its reads and creates: `GET` and `POST /deviceAppManagement/iosLobAppProvisioningConfigurations`, `GET …/{id}`.
    /// Microsoft Graph: 'List iosLobAppProvisioningConfigurations', 'Get' and 'Create
    /// iosLobAppProvisioningConfiguration'.
    #[must_use]
    pub fn collection(&self) -> Collection<IosLobAppProvisioningConfiguration> {
        Collection::new(self.session.clone(), PATH.to_owned())
    }

    /// `PATCH …/{id}`. Microsoft Graph: 'Update iosLobAppProvisioningConfiguration'. `None` if
    /// Graph succeeded without returning the entity.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which has the outcome.
    pub async fn update(
        &self,
        id: &Key,
        patch: &IosLobAppProvisioningConfigurationPatch,
        approval: Option<&Approval>,
    ) -> Result<Option<IosLobAppProvisioningConfiguration>, WriteError> {
        self.collection().patch(id, patch, approval).await
    }

    /// `POST …/{id}/assign`: replaces the set of assignments. Microsoft Graph: 'assign action'.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which has the outcome.
    pub async fn assign(
        &self,
        id: &Key,
        assign: &Assign,
        approval: Option<&Approval>,
    ) -> Result<(), WriteError> {
        let path = format!("{PATH}/{}/assign", id.segment());
        let read = |response: &GraphResponse| response.done("the response is not that of this action");
        self.session.write(WriteKind::Action, Method::POST, &path, Some(assign), approval, read).await
    }

    /// The device statuses that the configuration contains. With [`CreatePath::Ref`] they are created by `POST
    /// …/deviceStatuses/$ref`, as the page 'Add deviceStatuses' has it.
    #[must_use]
    pub fn device_statuses(&self, id: &Key) -> DeviceStatuses {
        let path = format!("{PATH}/{}/deviceStatuses", id.segment());
        let mut statuses = Collection::new(self.session.clone(), path);
        if self.session.create_path() == CreatePath::Ref {
            statuses.create_path.push_str("/$ref");
        }
        statuses
    }

    /// The user statuses that the configuration contains. Microsoft Graph: 'List
    /// managedDeviceMobileAppConfigurationUserStatuses'.
    #[must_use]
    pub fn user_statuses(&self, id: &Key) -> Collection<UserStatus> {
        Collection::new(self.session.clone(), format!("{PATH}/{}/userStatuses", id.segment()))
    }

    /// The assignments that the configuration contains. Microsoft Graph: 'List
    /// iosLobAppProvisioningConfigurationAssignments'.
    #[must_use]
    pub fn assignments(&self, id: &Key) -> Collection<Assignment> {
        Collection::new(self.session.clone(), format!("{PATH}/{}/assignments", id.segment()))
    }

    /// The group assignments that the configuration contains. Microsoft Graph: 'List
    /// mobileAppProvisioningConfigGroupAssignments'.
    #[must_use]
    pub fn group_assignments(&self, id: &Key) -> Collection<GroupAssignment> {
        Collection::new(self.session.clone(), format!("{PATH}/{}/groupAssignments", id.segment()))
    }
}
