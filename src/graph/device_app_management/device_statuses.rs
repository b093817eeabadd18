//! `…/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.

use super::collection::{Collection, Created};
use crate::graph::client::CreatePath;
use crate::graph::error::WriteError;
use crate::graph::key::Key;
use crate::graph::models::{DeviceStatus, DeviceStatusPatch, NewDeviceStatus};

/// The device statuses contained in one configuration. Microsoft Graph: 'List', 'Get' and 'Delete
/// managedDeviceMobileAppConfigurationDeviceStatus'.
pub type DeviceStatuses<'a> = Collection<'a, DeviceStatus>;

impl DeviceStatuses<'_> {
    /// `POST …/deviceStatuses`. Microsoft Graph: 'Create managedDeviceMobileAppConfigurationDeviceStatus'. With
    /// [`CreatePath::Ref`], `POST …/deviceStatuses/$ref` with the same body, as the page 'Add deviceStatuses' has it.
    /// Sent once.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which says what is known of whether Graph created it.
    pub async fn create(&self, status: &NewDeviceStatus) -> Result<Created<DeviceStatus>, WriteError> {
        match self.session.create_path() {
            CreatePath::Collection => self.create_at(&self.path, status).await,
            CreatePath::Ref => self.create_at(&format!("{}/$ref", self.path), status).await,
        }
    }

    /// `PATCH …/deviceStatuses/{id}`. Microsoft Graph: 'Update managedDeviceMobileAppConfigurationDeviceStatus'. `None`
    /// where Graph did it without answering with the entity. Sent once.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which says what is known of whether Graph did it.
    pub async fn update(
        &self,
        id: &Key,
        patch: &DeviceStatusPatch,
    ) -> Result<Option<DeviceStatus>, WriteError> {
        self.patch(id, patch).await
    }
}
