//! The fields of `IosLobAppProvisioningConfiguration`.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::IosLobAppProvisioningConfiguration;
use crate::schema::bounded::Bounded;
use crate::schema::connection::{Connection, Listed as _};
use crate::schema::context::session;
use crate::schema::error::FieldError;
use crate::schema::filter;
use crate::schema::global_id::{self, GlobalId};
use crate::schema::list::{self, Arguments, ConnectionSelection};
use crate::schema::selection::Selected;
use crate::schema::types::device_status_count::{self, DeviceStatusCount};
use crate::schema::types::device_status_list::{DeviceStatusFilter, DeviceStatusOrder};
use crate::schema::types::{
    ConfigurationAssignment, ConfigurationGroupAssignment, DateTimeOffset, DeviceStatus, UserStatus,
    device_status, property, user_status,
};

/// An iOS line-of-business provisioning profile of the tenant.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl IosLobAppProvisioningConfiguration {
    /// The global id: opaque, URL-safe, stable.
    pub(crate) async fn id(&self) -> ID {
        ID(GlobalId::Configuration(self.key.clone()).encode())
    }

    /// Graph's own key. GUIDs in it are in lower case.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// Name shown to administrators.
    async fn display_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.display_name)
    }

    /// Free text.
    async fn description(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.description)
    }

    /// Counts edits, from 1.
    async fn version(&self, ctx: &Context<'_>) -> Option<Result<i32, FieldError>> {
        property::field(ctx, &self.entity.version, |number| *number)
    }

    /// File name of the payload: `*.mobileprovision` or `*.xml`.
    async fn payload_file_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.payload_file_name)
    }

    /// Base64, as Graph sends Edm.Binary. Read from Graph only when selected.
    async fn payload(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.payload)
    }

    /// Scope tags that narrow which administrators see the profile.
    async fn role_scope_tag_ids(&self, ctx: &Context<'_>) -> Option<Result<&[String], FieldError>> {
        property::field(ctx, &self.entity.role_scope_tag_ids, Vec::as_slice)
    }

    /// When the profile expires.
    async fn expiration_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.expiration_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// When the profile was created.
    async fn created_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.created_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// When the profile was last changed.
    async fn last_modified_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.last_modified_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// One of the configuration's device statuses; null where there is none of that id.
    async fn device_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The status' global id, or Graph's own key.")] id: ID,
    ) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        async {
            let Some(key) = global_id::device_status_key(&id, &self.key, "id")? else { return Ok(None) };
            let selected = Selected::of(ctx, DeviceStatus::NAME);
            Ok(DeviceStatus::load(ctx, selected, &self.key, &key).await?.map(Bounded::new))
        }
        .await
        .transpose()
    }

    /// The configuration's device statuses.
    async fn device_statuses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 1000; by default the gateway's setting, 50.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
        #[graphql(desc = "Which to list.")] filter: Option<DeviceStatusFilter>,
        #[graphql(desc = "How to order them; without it, as Graph does.")] order_by: Option<
            DeviceStatusOrder,
        >,
    ) -> Option<Result<Bounded<Connection<DeviceStatus>>, FieldError>> {
        Some(
            async {
                let statuses =
                    session(ctx)?.ios_lob_app_provisioning_configurations().device_statuses(&self.key);
                let arguments = Arguments {
                    first,
                    after: after.as_deref(),
                    filter: filter::condition(filter.as_ref())?,
                    order_by: order_by.map(Into::into),
                };
                let selection = ConnectionSelection::of(ctx, DeviceStatus::NAME, |node| {
                    node.properties(device_status::PROPERTIES)
                });
                let node = |entity| DeviceStatus::new(self.key.clone(), Arc::new(entity));
                list::connection(ctx, arguments, selection, &statuses, node).await
            }
            .await,
        )
    }

    /// How many device statuses stand at each compliance status: one `$batch` of `$count` reads.
    async fn device_status_counts(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Vec<Bounded<DeviceStatusCount>>, FieldError>> {
        let counts = device_status_count::load(ctx, &self.key).await;
        Some(counts.map(|counts| counts.into_iter().map(Bounded::new).collect()))
    }

    /// The configuration's user statuses.
    async fn user_statuses(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 1000; by default the gateway's setting, 50.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
    ) -> Option<Result<Bounded<Connection<UserStatus>>, FieldError>> {
        Some(
            async {
                let statuses =
                    session(ctx)?.ios_lob_app_provisioning_configurations().user_statuses(&self.key);
                let selection = ConnectionSelection::of(ctx, UserStatus::NAME, |node| {
                    node.properties(user_status::PROPERTIES)
                });
                let node = |entity| UserStatus::new(self.key.clone(), entity);
                list::connection(ctx, Arguments::page(first, after.as_deref()), selection, &statuses, node)
                    .await
            }
            .await,
        )
    }

    /// Whom the configuration is assigned to.
    async fn assignments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 1000; by default the gateway's setting, 50.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
    ) -> Option<Result<Bounded<Connection<ConfigurationAssignment>>, FieldError>> {
        Some(
            async {
                let assignments =
                    session(ctx)?.ios_lob_app_provisioning_configurations().assignments(&self.key);
                let selection = ConnectionSelection::of(ctx, ConfigurationAssignment::NAME, |node| {
                    node.properties(ConfigurationAssignment::PROPERTIES)
                });
                let node = |entity| ConfigurationAssignment::new(self.key.clone(), entity);
                list::connection(ctx, Arguments::page(first, after.as_deref()), selection, &assignments, node)
                    .await
            }
            .await,
        )
    }

    /// The groups that the configuration is assigned to.
    async fn group_assignments(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 1000; by default the gateway's setting, 50.")] first: Option<i32>,
        #[graphql(desc = "The cursor after which the page starts.")] after: Option<String>,
    ) -> Option<Result<Bounded<Connection<ConfigurationGroupAssignment>>, FieldError>> {
        Some(
            async {
                let configurations = session(ctx)?.ios_lob_app_provisioning_configurations();
                let assignments = configurations.group_assignments(&self.key);
                let selection = ConnectionSelection::of(ctx, ConfigurationGroupAssignment::NAME, |node| {
                    node.properties(ConfigurationGroupAssignment::PROPERTIES)
                });
                let node = |entity| ConfigurationGroupAssignment::new(self.key.clone(), entity);
                list::connection(ctx, Arguments::page(first, after.as_deref()), selection, &assignments, node)
                    .await
            }
            .await,
        )
    }
}
