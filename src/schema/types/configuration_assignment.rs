//! `ConfigurationAssignment` and `ConfigurationGroupAssignment`: the targets of a configuration.

use async_graphql::{Context, ID, Object};

use super::assignment_target::AssignmentTarget;
use super::property;
use crate::graph::{Key, models};
use crate::schema::bounded::BoundedInterface;
use crate::schema::connection::Listed;
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::global_id::GlobalId;
use crate::schema::selection::Selected;
use crate::schema::type_names;

/// An assignment of a configuration to a target. In Graph:
/// `iosLobAppProvisioningConfigurationAssignment`.
#[derive(Debug, Clone)]
pub(crate) struct ConfigurationAssignment {
    configuration: Key,
    key: Key,
    entity: models::Assignment,
}

/// An assignment of a configuration to a group. In Graph:
/// `mobileAppProvisioningConfigGroupAssignment`.
#[derive(Debug, Clone)]
pub(crate) struct ConfigurationGroupAssignment {
    configuration: Key,
    key: Key,
    entity: models::GroupAssignment,
}

impl Listed for ConfigurationAssignment {
    const NAME: &'static str = type_names::ASSIGNMENT;
}

impl Listed for ConfigurationGroupAssignment {
    const NAME: &'static str = type_names::GROUP_ASSIGNMENT;
}

impl ConfigurationAssignment {
    /// The fields that are properties in Graph, with the same names.
    pub(crate) const PROPERTIES: &'static [&'static str] = &["target"];

    /// The node of an entity that `configuration` contains.
    pub(crate) fn new(configuration: Key, entity: models::Assignment) -> Result<Self, FieldError> {
        let key = Key::new(entity.id.as_str()).map_err(|_| FieldError::unusable_key())?;
        Ok(Self { configuration, key, entity })
    }

    /// Reads the assignment; `None` if Graph does not have it.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        configuration: &Key,
        key: &Key,
    ) -> Result<Option<Self>, FieldError> {
        let select = Selected::of(ctx, Self::NAME).properties(Self::PROPERTIES);
        let assignments = session(ctx)?.ios_lob_app_provisioning_configurations().assignments(configuration);
        let entity = assignments.get_opt(key, &select).await?;
        entity.map(|entity| Self::new(configuration.clone(), entity)).transpose()
    }
}

impl ConfigurationGroupAssignment {
    /// The fields that are properties in Graph, with the same names.
    pub(crate) const PROPERTIES: &'static [&'static str] = &["targetGroupId"];

    /// The node of an entity that `configuration` contains.
    pub(crate) fn new(configuration: Key, entity: models::GroupAssignment) -> Result<Self, FieldError> {
        let key = Key::new(entity.id.as_str()).map_err(|_| FieldError::unusable_key())?;
        Ok(Self { configuration, key, entity })
    }

    /// Reads the assignment; `None` if Graph does not have it.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        configuration: &Key,
        key: &Key,
    ) -> Result<Option<Self>, FieldError> {
        let select = Selected::of(ctx, Self::NAME).properties(Self::PROPERTIES);
        let configurations = session(ctx)?.ios_lob_app_provisioning_configurations();
        let entity = configurations.group_assignments(configuration).get_opt(key, &select).await?;
        entity.map(|entity| Self::new(configuration.clone(), entity)).transpose()
    }
}

/// An assignment of a configuration to a target. In Graph:
/// `iosLobAppProvisioningConfigurationAssignment`.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl ConfigurationAssignment {
    /// The global id of the object, unique across all types. It is opaque, URL-safe and stable: use
    /// it with `node` and as a cache key, and do not parse it.
    pub(crate) async fn id(&self) -> ID {
        let id = GlobalId::Assignment { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The id of the object in Microsoft Graph. GUIDs in it are in lower case. It is not unique
    /// across types: use `id` as a cache key.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// The devices or users that the assignment includes or excludes. Null if Graph returned none,
    /// or if it could not be read (with an error).
    async fn target(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<BoundedInterface<AssignmentTarget>, FieldError>> {
        property::field(ctx, &self.entity.target, |target| BoundedInterface(target.clone().into()))
    }
}

/// An assignment of a configuration to a group. In Graph:
/// `mobileAppProvisioningConfigGroupAssignment`.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl ConfigurationGroupAssignment {
    /// The global id of the object, unique across all types. It is opaque, URL-safe and stable: use
    /// it with `node` and as a cache key, and do not parse it.
    pub(crate) async fn id(&self) -> ID {
        let id =
            GlobalId::GroupAssignment { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The id of the object in Microsoft Graph. GUIDs in it are in lower case. It is not unique
    /// across types: use `id` as a cache key.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// The object id of the Microsoft Entra group. Null if Graph returned none.
    async fn target_group_id(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.target_group_id)
    }
}
