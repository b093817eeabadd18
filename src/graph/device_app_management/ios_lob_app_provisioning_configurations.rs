//! `/deviceAppManagement/iosLobAppProvisioningConfigurations` (beta only).

use super::absent_is_none;
use super::device_statuses::DeviceStatuses;
use crate::graph::error::Error;
use crate::graph::key::Key;
use crate::graph::models::IosLobAppProvisioningConfiguration;
use crate::graph::odata::Select;
use crate::graph::page::Page;
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

    /// `GET /deviceAppManagement/iosLobAppProvisioningConfigurations/{id}`. Microsoft Graph: 'Get
    /// iosLobAppProvisioningConfiguration'. `None` where Graph has none of that key.
    ///
    /// # Errors
    ///
    /// Any [`Error`] but an answer of 404 or 410.
    pub async fn get_opt(
        &self,
        id: &Key,
        select: &Select,
    ) -> Result<Option<IosLobAppProvisioningConfiguration>, Error> {
        absent_is_none(self.session.get(format!("{PATH}/{}", id.segment()), select).await)
    }

    /// `GET /deviceAppManagement/iosLobAppProvisioningConfigurations`. Microsoft Graph: 'List
    /// iosLobAppProvisioningConfigurations'. `query` comes from [`ListOptions::to_query`] or is a [`NextPage`].
    ///
    /// [`ListOptions::to_query`]: crate::graph::odata::ListOptions::to_query
    /// [`NextPage`]: crate::graph::NextPage
    ///
    /// # Errors
    ///
    /// Any [`Error`]; a link that leads elsewhere is [`Error::OutOfContract`].
    pub async fn list(
        &self,
        query: String,
        select: &Select,
    ) -> Result<Page<IosLobAppProvisioningConfiguration>, Error> {
        self.session.page(PATH, query, select).await
    }

    /// The device statuses that the configuration contains.
    #[must_use]
    pub fn device_statuses(&self, id: &Key) -> DeviceStatuses<'a> {
        DeviceStatuses::new(self.session, format!("{PATH}/{}/deviceStatuses", id.segment()))
    }
}
