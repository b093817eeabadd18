//! `…/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.

use std::sync::Arc;

use super::collection::Collection;
use super::creates::{self, CreateResult, Journal};
use crate::graph::client::CreatePath;
use crate::graph::error::WriteError;
use crate::graph::key::Key;
use crate::graph::models::{DeviceStatus, DeviceStatusPatch, NewDeviceStatus};

/// The device statuses contained in one configuration. Microsoft Graph: 'List', 'Get' and 'Delete
/// managedDeviceMobileAppConfigurationDeviceStatus'.
pub type DeviceStatuses = Collection<DeviceStatus>;

impl DeviceStatuses {
    /// `POST …/deviceStatuses`, many in `POST /$batch`. Microsoft Graph: 'Create
    /// managedDeviceMobileAppConfigurationDeviceStatus'. With [`CreatePath::Ref`], `POST …/deviceStatuses/$ref` with the
    /// same body, as the page 'Add deviceStatuses' has it.
    ///
    /// Gives one result each, in order; [`WriteError`] says what is known of whether Graph created it.
    pub async fn create(
        &self,
        statuses: Vec<NewDeviceStatus>,
        journal: Arc<dyn Journal>,
    ) -> Vec<CreateResult<DeviceStatus>> {
        let path = match self.session.create_path() {
            CreatePath::Collection => self.path.clone(),
            CreatePath::Ref => format!("{}/$ref", self.path),
        };
        creates::create(self, path, statuses, journal).await
    }

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
