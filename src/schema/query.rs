//! The reads.

use async_graphql::{Context, ID, Object};

use super::error::FieldError;
use super::node::{self, GlobalId, Node};
use super::types::{DeviceStatus, IosLobAppProvisioningConfiguration};

/// Reads from Microsoft Graph.
pub(super) struct Query;

/// Reads from Microsoft Graph.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl Query {
    /// Relay: any object by its global id; null when Graph answers 404.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The object's global id.")] id: ID,
    ) -> Option<Result<Node, FieldError>> {
        async {
            Ok(match GlobalId::parse(&id, "id")? {
                GlobalId::Configuration(key) => IosLobAppProvisioningConfiguration::load(ctx, &key)
                    .await?
                    .map(Node::IosLobAppProvisioningConfiguration),
                GlobalId::DeviceStatus { configuration, key } => {
                    DeviceStatus::load(ctx, &configuration, &key).await?.map(Node::DeviceStatus)
                }
            })
        }
        .await
        .transpose()
    }

    /// One configuration; null when Graph answers 404.
    async fn ios_lob_app_provisioning_configuration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration's global id, or Graph's own key.")] id: ID,
    ) -> Option<Result<IosLobAppProvisioningConfiguration, FieldError>> {
        async {
            let key = node::configuration_key(&id, "id")?;
            IosLobAppProvisioningConfiguration::load(ctx, &key).await
        }
        .await
        .transpose()
    }
}
