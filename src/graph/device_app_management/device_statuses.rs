//! `…/iosLobAppProvisioningConfigurations/{id}/deviceStatuses`.

use http::StatusCode;

use super::absent_is_none;
use crate::graph::answer::Answer;
use crate::graph::client::CreatePath;
use crate::graph::error::{Error, WriteError};
use crate::graph::key::Key;
use crate::graph::models::{DeviceStatus, NewDeviceStatus};
use crate::graph::odata::{Filter, ListOptions, Select};
use crate::graph::page::Page;
use crate::graph::session::Session;

/// The device statuses contained in one configuration.
#[derive(Debug, Clone)]
pub struct DeviceStatuses<'a> {
    session: &'a Session,
    path: String,
}

/// What a create gave: Graph answers with the entity, or with where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created<T> {
    /// The entity itself.
    Entity(T),
    /// Its key alone: it was created, and can be read.
    Key(Key),
}

impl<'a> DeviceStatuses<'a> {
    pub(super) fn new(session: &'a Session, path: String) -> Self {
        Self { session, path }
    }

    /// `GET …/deviceStatuses/{id}`. Microsoft Graph: 'Get managedDeviceMobileAppConfigurationDeviceStatus'. `None`
    /// where Graph has none of that key.
    ///
    /// # Errors
    ///
    /// Any [`Error`] but an answer of 404 or 410.
    pub async fn get_opt(&self, id: &Key, select: &Select) -> Result<Option<DeviceStatus>, Error> {
        absent_is_none(self.session.get(format!("{}/{}", self.path, id.segment()), select).await)
    }

    /// `GET …/deviceStatuses`. Microsoft Graph: 'List managedDeviceMobileAppConfigurationDeviceStatuses'. `query` comes
    /// from [`ListOptions::to_query`] or is a [`NextPage`].
    ///
    /// [`ListOptions::to_query`]: crate::graph::odata::ListOptions::to_query
    /// [`NextPage`]: crate::graph::NextPage
    ///
    /// # Errors
    ///
    /// Any [`Error`]; a link that leads elsewhere is [`Error::OutOfContract`].
    pub async fn list(&self, query: String, select: &Select) -> Result<Page<DeviceStatus>, Error> {
        self.session.page(&self.path, query, select).await
    }

    /// `GET …/deviceStatuses/$count`: how many there are, of those that meet the filter.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; [`Error::OutOfContract`] where the answer is no number.
    pub async fn count(&self, filter: Option<&Filter>) -> Result<i64, Error> {
        let options = ListOptions { filter: filter.cloned(), ..ListOptions::default() };
        let answer = self.session.read(format!("{}/$count", self.path), options.to_query()).await?;
        let text = std::str::from_utf8(answer.body())
            .unwrap_or_default()
            .trim_matches(['"', '\u{feff}', ' ', '\n', '\r']);
        text.parse().map_err(|_| answer.out_of_contract("the count is no number"))
    }

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
