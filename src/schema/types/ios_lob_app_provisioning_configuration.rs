//! `IosLobAppProvisioningConfiguration`: how it is read, and its edge.

mod fields;

use std::sync::Arc;

use async_graphql::Context;

use crate::graph::odata::Select;
use crate::graph::{Key, models};
use crate::schema::connection::{Cursor, Edge, Listed};
use crate::schema::context::{request_context, session};
use crate::schema::error::FieldError;
use crate::schema::selection::Selected;
use crate::schema::type_names;

/// The fields that are properties in Graph, with the same names.
const PROPERTIES: &[&str] = &[
    "displayName",
    "description",
    "version",
    "payloadFileName",
    "payload",
    "roleScopeTagIds",
    "expirationDateTime",
    "createdDateTime",
    "lastModifiedDateTime",
];

/// A provisioning profile for iOS line-of-business apps. In Graph:
/// `iosLobAppProvisioningConfiguration`, of the `/beta` API.
///
/// A property is null if Graph returned none. It is also null if its value could not be read; the
/// response then has an error with the path of the field.
#[derive(Debug, Clone)]
pub(crate) struct IosLobAppProvisioningConfiguration {
    key: Key,
    entity: Arc<models::IosLobAppProvisioningConfiguration>,
}

impl Listed for IosLobAppProvisioningConfiguration {
    const NAME: &'static str = type_names::CONFIGURATION;
}

impl IosLobAppProvisioningConfiguration {
    /// The node of an entity.
    ///
    /// # Errors
    ///
    /// If the id from Graph is not a valid key.
    pub(crate) fn new(entity: Arc<models::IosLobAppProvisioningConfiguration>) -> Result<Self, FieldError> {
        let key = Key::new(entity.id.as_str()).map_err(|_| FieldError::unusable_key())?;
        Ok(Self { key, entity })
    }

    /// Graph's key of the configuration.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The edge of a configuration that was just created.
    pub(crate) fn into_edge(self) -> Edge<Self> {
        Edge { cursor: Cursor::Created(self.key.clone()), node: self }
    }

    /// The properties to read of a configuration: its own selection, and the selections of
    /// `configuration` within its device statuses, which refer to the same object.
    pub(crate) fn select(selected: Selected<'_>) -> Select {
        let mut own = selected.properties(PROPERTIES);
        if selected.has("provisioningProfile") {
            own.insert("payload");
        }
        let lists = selected.within("deviceStatuses", "DeviceStatusConnection");
        let listed = lists.flat_map(|list| {
            let edges = list
                .within("edges", "DeviceStatusEdge")
                .flat_map(|edge| edge.within("node", type_names::DEVICE_STATUS));
            list.within("nodes", type_names::DEVICE_STATUS).chain(edges).collect::<Vec<_>>()
        });
        let statuses = selected.within("deviceStatus", type_names::DEVICE_STATUS).chain(listed);
        let parents =
            statuses.flat_map(|status| status.within("configuration", Self::NAME).collect::<Vec<_>>());
        parents.fold(own, |mut select, parent| {
            select.extend(Self::select(parent));
            select
        })
    }

    /// Reads the selected properties of the configuration, unless the request has read them; `None`
    /// if Graph does not have it.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        selected: Selected<'_>,
        key: &Key,
    ) -> Result<Option<Self>, FieldError> {
        let select = Self::select(selected);
        let read = async {
            let configurations = session(ctx)?.ios_lob_app_provisioning_configurations();
            Ok::<_, FieldError>(configurations.collection().get_opt(key, &select).await?)
        };
        let entity = request_context(ctx)?.configurations.get_or_read(key, &select, read).await?;
        entity.map(Self::new).transpose()
    }
}
