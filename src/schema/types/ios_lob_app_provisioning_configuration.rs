//! `IosLobAppProvisioningConfiguration`.

use async_graphql::{Context, ID, Object};

use super::{DateTimeOffset, DeviceStatus};
use crate::graph::{Key, models};
use crate::schema::error::FieldError;
use crate::schema::node::{self, GlobalId};
use crate::schema::selection::Selected;
use crate::schema::session;

/// The fields that are properties of Graph's, under the same names.
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

/// An iOS line-of-business provisioning profile of the tenant.
#[derive(Debug, Clone)]
pub(crate) struct IosLobAppProvisioningConfiguration {
    key: Key,
    entity: models::IosLobAppProvisioningConfiguration,
}

impl IosLobAppProvisioningConfiguration {
    /// Reads the configuration; `None` where Graph has none of that key.
    pub(crate) async fn load(ctx: &Context<'_>, key: &Key) -> Result<Option<Self>, FieldError> {
        let select = Selected::of(ctx, "IosLobAppProvisioningConfiguration").properties(PROPERTIES);
        let entity = session(ctx)?.ios_lob_app_provisioning_configurations().get_opt(key, &select).await?;
        entity
            .map(|entity| {
                let key = Key::new(entity.id.as_str()).map_err(|_| FieldError::unusable_key())?;
                Ok(Self { key, entity })
            })
            .transpose()
    }
}

/// An iOS line-of-business provisioning profile of the tenant.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl IosLobAppProvisioningConfiguration {
    /// The global id: opaque, URL-safe, stable.
    pub(crate) async fn id(&self) -> ID {
        ID(GlobalId::Configuration(self.key.clone()).encode())
    }

    /// Graph's own key.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// Name shown to administrators.
    async fn display_name(&self) -> Option<&str> {
        self.entity.display_name.as_deref()
    }

    /// Free text.
    async fn description(&self) -> Option<&str> {
        self.entity.description.as_deref()
    }

    /// Counts edits, from 1.
    async fn version(&self) -> Option<i32> {
        self.entity.version
    }

    /// File name of the payload: `*.mobileprovision` or `*.xml`.
    async fn payload_file_name(&self) -> Option<&str> {
        self.entity.payload_file_name.as_deref()
    }

    /// Base64, as Graph sends Edm.Binary. Read from Graph only when selected.
    async fn payload(&self) -> Option<&str> {
        self.entity.payload.as_deref()
    }

    /// Scope tags that narrow which administrators see the profile.
    async fn role_scope_tag_ids(&self) -> Option<&[String]> {
        self.entity.role_scope_tag_ids.as_deref()
    }

    /// When the profile expires.
    async fn expiration_date_time(&self) -> Option<DateTimeOffset> {
        self.entity.expiration_date_time.clone().map(DateTimeOffset)
    }

    /// When the profile was created.
    async fn created_date_time(&self) -> Option<DateTimeOffset> {
        self.entity.created_date_time.clone().map(DateTimeOffset)
    }

    /// When the profile was last changed.
    async fn last_modified_date_time(&self) -> Option<DateTimeOffset> {
        self.entity.last_modified_date_time.clone().map(DateTimeOffset)
    }

    /// One of the configuration's device statuses; null where there is none of that id.
    async fn device_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The status' global id, or Graph's own key.")] id: ID,
    ) -> Option<Result<DeviceStatus, FieldError>> {
        async {
            match node::device_status_key(&id, &self.key, "id")? {
                Some(key) => DeviceStatus::load(ctx, &self.key, &key).await,
                None => Ok(None),
            }
        }
        .await
        .transpose()
    }
}
