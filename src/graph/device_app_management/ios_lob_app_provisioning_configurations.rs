//! `/deviceAppManagement/iosLobAppProvisioningConfigurations` (beta only).

use http::{Method, StatusCode};

use super::collection::{Collection, Created};
use super::device_statuses::DeviceStatuses;
use crate::graph::error::{WriteError, WriteKind};
use crate::graph::key::Key;
use crate::graph::models::{
    Assign, Assignment, GroupAssignment, IosLobAppProvisioningConfiguration,
    IosLobAppProvisioningConfigurationPatch, NewIosLobAppProvisioningConfiguration, UserStatus,
};
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

    /// `POST /deviceAppManagement/iosLobAppProvisioningConfigurations`. Microsoft Graph: 'Create
    /// iosLobAppProvisioningConfiguration'. Sent once.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which says what is known of whether Graph created it.
    pub async fn create(
        &self,
        configuration: &NewIosLobAppProvisioningConfiguration,
    ) -> Result<Created<IosLobAppProvisioningConfiguration>, WriteError> {
        self.collection().create_at(PATH, configuration).await
    }

    /// `PATCH …/{id}`. Microsoft Graph: 'Update iosLobAppProvisioningConfiguration'. `None` where Graph did it without
    /// answering with the entity. Sent once.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which says what is known of whether Graph did it.
    pub async fn update(
        &self,
        id: &Key,
        patch: &IosLobAppProvisioningConfigurationPatch,
    ) -> Result<Option<IosLobAppProvisioningConfiguration>, WriteError> {
        self.collection().patch(id, patch).await
    }

    /// `POST …/{id}/assign`: replaces the set of assignments. Microsoft Graph: 'assign action'. Sent once.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which says what is known of whether Graph did it.
    pub async fn assign(&self, id: &Key, assign: &Assign) -> Result<(), WriteError> {
        let path = format!("{PATH}/{}/assign", id.segment());
        let answer = self.session.write(Method::POST, &path, Some(assign)).await;
        answer
            .and_then(|answer| match answer.status() {
                StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
                _ => Err(answer.out_of_contract("the status is not one of this action")),
            })
            .map_err(|error| WriteError::new(WriteKind::Action, error))
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
