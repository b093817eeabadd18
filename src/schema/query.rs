//! The reads.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};
use futures_util::future;

use super::bounded::{Bounded, BoundedInterface};
use super::connection::{Connection, Listed as _};
use super::context::{request_context, session};
use super::entity_cache::Properties;
use super::error::FieldError;
use super::filter;
use super::global_id;
use super::list::{self, Arguments, ConnectionSelection};
use super::node::Node;
use super::selection::Selected;
use super::types::{
    IosLobAppProvisioningConfiguration, IosLobAppProvisioningConfigurationFilter,
    IosLobAppProvisioningConfigurationOrder,
};

/// Most ids that `nodes` takes.
const MAX_NODES: usize = 1000;

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
    ) -> Option<Result<BoundedInterface<Node>, FieldError>> {
        Some(Node::load(ctx, &id, "id").await.transpose()?.map(BoundedInterface))
    }

    /// Relay: same order and length as `ids`; one Graph `$batch` round trip per 20 ids.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The objects' global ids, 1000 at most.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Result<BoundedInterface<Node>, FieldError>>>, FieldError> {
        if ids.len() > MAX_NODES {
            return Err(FieldError::bad_user_input(format!(
                "`ids` must not have more than {MAX_NODES} items."
            )));
        }
        let nodes = ids.iter().enumerate().map(async |(index, id)| {
            let node = Node::load(ctx, id, &format!("ids[{index}]")).await.transpose()?;
            Some(node.map(BoundedInterface))
        });
        Ok(future::join_all(nodes).await)
    }

    /// One configuration; null when Graph answers 404.
    async fn ios_lob_app_provisioning_configuration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration's global id, or Graph's own key.")] id: ID,
    ) -> Option<Result<Bounded<IosLobAppProvisioningConfiguration>, FieldError>> {
        async {
            let key = global_id::configuration_key(&id, "id")?;
            let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
            let configuration = IosLobAppProvisioningConfiguration::load(ctx, selected, &key).await?;
            Ok(configuration.map(Bounded::new))
        }
        .await
        .transpose()
    }

    /// The tenant's configurations.
    async fn ios_lob_app_provisioning_configurations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 1000; by default the gateway's setting, 50.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which to list.")] filter: Option<IosLobAppProvisioningConfigurationFilter>,
        #[graphql(desc = "How to order them; without it, as Graph does.")] order_by: Option<
            IosLobAppProvisioningConfigurationOrder,
        >,
    ) -> Option<Result<Bounded<Connection<IosLobAppProvisioningConfiguration>>, FieldError>> {
        Some(
            async {
                let configurations = session(ctx)?.ios_lob_app_provisioning_configurations().collection();
                let arguments = Arguments {
                    first,
                    after: after.as_deref(),
                    filter: filter::condition(filter.as_ref())?,
                    order_by: order_by.map(Into::into),
                };
                let selection = ConnectionSelection::of(
                    ctx,
                    IosLobAppProvisioningConfiguration::NAME,
                    IosLobAppProvisioningConfiguration::select,
                );
                let cache = &request_context(ctx)?.configurations;
                let read = Properties::Some(selection.select.clone());
                let node = |entity| {
                    let entity = Arc::new(entity);
                    let node = IosLobAppProvisioningConfiguration::new(Arc::clone(&entity))?;
                    cache.insert(node.key().clone(), read.clone(), Some(entity));
                    Ok(node)
                };
                list::connection(ctx, arguments, selection, &configurations, node).await
            }
            .await,
        )
    }
}
