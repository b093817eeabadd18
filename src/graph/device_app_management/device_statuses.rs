//! `…/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.

use super::collection::Collection;
use crate::graph::approval::Approval;
use crate::graph::error::WriteError;
use crate::graph::key::Key;
use crate::graph::models::{DeviceStatus, DeviceStatusPatch};

/// The device statuses contained in one configuration. Microsoft Graph: 'List', 'Get', 'Create' and
/// 'Delete managedDeviceMobileAppConfigurationDeviceStatus'.
pub type DeviceStatuses = Collection<DeviceStatus>;

impl DeviceStatuses {
    /// `PATCH …/deviceStatuses/{id}`. Microsoft Graph: 'Update
    /// managedDeviceMobileAppConfigurationDeviceStatus'. `None` if Graph succeeded without
    /// returning the entity.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which has the outcome.
    pub async fn update(
        &self,
        id: &Key,
        patch: &DeviceStatusPatch,
        approval: Option<&Approval>,
    ) -> Result<Option<DeviceStatus>, WriteError> {
        self.patch(id, patch, approval).await
    }
}
