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

/// Maximum number of ids in `nodes`.
const MAX_NODES: usize = 1000;

/// Reads from Microsoft Graph. Each call uses the caller's own access token.
pub(super) struct Query;

/// Reads from Microsoft Graph. Each call uses the caller's own access token.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl Query {
    /// Returns any object by its global id. Null if Graph has no such object (404), or if it could
    /// not be read (with an error).
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global id of the object.")] id: ID,
    ) -> Option<Result<BoundedInterface<Node>, FieldError>> {
        Some(Node::load(ctx, &id, "id").await.transpose()?.map(BoundedInterface))
    }

    /// Returns objects by their global ids, in the order of `ids` and with the same length. An
    /// entry is null if Graph has no such object (404), or if it could not be read (with an error).
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The global ids of the objects, at most 1000.")] ids: Vec<ID>,
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

    /// Returns one configuration. Null if Graph has no such configuration (404), or if it could not
    /// be read (with an error).
    async fn ios_lob_app_provisioning_configuration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The configuration: its global id or its id in Graph (`graphId`).")] id: ID,
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

    /// Returns the configurations of the tenant that the caller may see, one page at a time. Null
    /// if the list could not be read; the response then has an error.
    async fn ios_lob_app_provisioning_configurations(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Maximum number of objects on the page, 1 to 1000. The default is a setting of the gateway, usually 50."
        )]
        first: Option<i32>,
        #[graphql(
            desc = "Cursor to start after, from `endCursor` of the previous page. Omit it for the first page."
        )]
        after: Option<String>,
        #[graphql(
            desc = "Conditions that the objects must meet. If the service refuses them, the gateway filters the list; a page may then have fewer than `first` objects although there are more pages."
        )]
        filter: Option<IosLobAppProvisioningConfigurationFilter>,
        #[graphql(
            desc = "Order of the list. Without it, Graph decides. If the service refuses it, the gateway sorts the list, or returns an error if it is too long."
        )]
        order_by: Option<IosLobAppProvisioningConfigurationOrder>,
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
