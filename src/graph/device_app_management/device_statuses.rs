//! `…/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.

use super::collection::Collection;
use crate::graph::error::WriteError;
use crate::graph::key::Key;
use crate::graph::models::{DeviceStatus, DeviceStatusPatch};

/// The device statuses contained in one configuration. Microsoft Graph: 'List', 'Get', 'Create' and
/// 'Delete managedDeviceMobileAppConfigurationDeviceStatus'.
pub type DeviceStatuses = Collection<DeviceStatus>;

impl DeviceStatuses {
    /// `PATCH …/deviceStatuses/{id}`. Microsoft Graph: 'Update managedDeviceMobileAppConfigurationDeviceStatus'. `None`
    /// where Graph did it without answering with the entity.
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
