//! `…/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.

use http::StatusCode;

use super::collection::Collection;
use crate::graph::answer::Answer;
use crate::graph::client::CreatePath;
use crate::graph::error::{Error, WriteError};
use crate::graph::key::Key;
use crate::graph::models::{DeviceStatus, NewDeviceStatus};

/// The device statuses contained in one configuration. Reads: 'List' and 'Get
/// managedDeviceMobileAppConfigurationDeviceStatus'.
pub type DeviceStatuses<'a> = Collection<'a, DeviceStatus>;

/// What a create gave: Graph answers with the entity, or with where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created<T> {
    /// The entity itself.
    Entity(T),
    /// Its key alone: it was created, and can be read.
    Key(Key),
}

impl DeviceStatuses<'_> {
    /// `POST …/deviceStatuses`. Microsoft Graph: 'Create managedDeviceMobileAppConfigurationDeviceStatus'. With
    /// [`CreatePath::Ref`], `POST …/deviceStatuses/$ref` with the same body, as the page 'Add deviceStatuses' has it.
    /// Sent once.
    ///
    /// # Errors
    ///
    /// [`WriteError`], which says what is known of whether Graph created it.
    pub async fn create(&self, status: &NewDeviceStatus) -> Result<Created<DeviceStatus>, WriteError> {
        let answer = match self.session.create_path() {
            CreatePath::Collection => self.session.post(&self.path, status).await?,
            CreatePath::Ref => self.session.post(&format!("{}/$ref", self.path), status).await?,
        };
        Ok(self.created(&answer)?)
    }

    fn created(&self, answer: &Answer) -> Result<Created<DeviceStatus>, Error> {
        let entity = match answer.status() {
            StatusCode::OK | StatusCode::CREATED => answer.entity::<DeviceStatus>(),
            StatusCode::NO_CONTENT => {
                Err(answer.out_of_contract("neither the entity nor a usable location came"))
            }
            _ => return Err(answer.out_of_contract("the status is not one of a create")),
        };
        match entity {
            Ok(entity) if Key::new(entity.id.as_str()).is_ok() => Ok(Created::Entity(entity)),
            other => match answer.location(self.session.root(), &self.path) {
                Some(key) => Ok(Created::Key(key)),
                None => Err(other
                    .err()
                    .unwrap_or_else(|| answer.out_of_contract("the entity's id is not usable"))),
            },
        }
    }
}
