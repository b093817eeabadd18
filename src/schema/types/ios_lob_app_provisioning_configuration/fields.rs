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
    ConfigurationAssignment, ConfigurationGroupAssignment, DateTimeOffset, DeviceStatus, ProvisioningProfile,
    UserStatus, device_status, property, user_status,
};

/// A provisioning profile for iOS line-of-business apps. In Graph:
/// `iosLobAppProvisioningConfiguration`, of the `/beta` API.
///
/// A property is null if Graph returned none. It is also null if its value could not be read; the
/// response then has an error with the path of the field.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl IosLobAppProvisioningConfiguration {
    /// The global id of the object, unique across all types. It is opaque, URL-safe and stable: use
    /// it with `node` and as a cache key, and do not parse it.
    pub(crate) async fn id(&self) -> ID {
        ID(GlobalId::Configuration(self.key.clone()).encode())
    }

    /// The id of the object in Microsoft Graph. GUIDs in it are in lower case. It is not unique
    /// across types: use `id` as a cache key.
    async fn graph_id(&self) -> &str {
        self.key.as_str()
    }

    /// The name that administrators see. Null if Graph returned none.
    async fn display_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.display_name)
    }

    /// A description by an administrator. Null or empty if there is none.
    async fn description(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.description)
    }

    /// The version of the profile: usually 1 when it is created, and higher after each change. Null
    /// if Graph returned none.
    async fn version(&self, ctx: &Context<'_>) -> Option<Result<i32, FieldError>> {
        property::field(ctx, &self.entity.version, |number| *number)
    }

    /// The file name of the payload, `*.mobileprovision` or `*.xml`. Null if Graph returned none.
    async fn payload_file_name(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.payload_file_name)
    }

    /// The profile itself, in base64. It can be large and is read from Graph only if it is
    /// selected. Null if Graph returned none.
    async fn payload(&self, ctx: &Context<'_>) -> Option<Result<&str, FieldError>> {
        property::text(ctx, &self.entity.payload)
    }

    /// The contents of the profile in `payload`, with its own expiry. The payload is read from Graph
    /// only if this or `payload` is selected. The signature of the profile is not verified.
    ///
    /// Null if Graph returned no payload. Also null if it is not a profile, or is larger than 256
    /// kB; the response then has an error.
    async fn provisioning_profile(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Bounded<ProvisioningProfile>, FieldError>> {
        let payload = property::text(ctx, &self.entity.payload)?;
        Some(payload.and_then(ProvisioningProfile::read).map(Bounded::new))
    }

    /// The ids of the scope tags, which restrict the administrators who see the profile. The
    /// default tag is `0`. Null if Graph returned none.
    async fn role_scope_tag_ids(&self, ctx: &Context<'_>) -> Option<Result<&[String], FieldError>> {
        property::field(ctx, &self.entity.role_scope_tag_ids, Vec::as_slice)
    }

    /// The time when the profile expires. Null if Graph returned none, as Intune sometimes does;
    /// `provisioningProfile.expirationDate` is the expiry in the profile itself.
    async fn expiration_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.expiration_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// The time when the profile was created. Null if Graph returned none.
    async fn created_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.created_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// The time when the profile was last changed. Null if Graph returned none.
    async fn last_modified_date_time(&self, ctx: &Context<'_>) -> Option<Result<DateTimeOffset, FieldError>> {
        property::field(ctx, &self.entity.last_modified_date_time, |date| DateTimeOffset(date.clone()))
    }

    /// One device status of the configuration. Null if Graph has none with this id (404), or if it
    /// could not be read (with an error).
    async fn device_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The device status: its global id or its id in Graph (`graphId`).")] id: ID,
    ) -> Option<Result<Bounded<DeviceStatus>, FieldError>> {
        async {
            let Some(key) = global_id::device_status_key(&id, &self.key, "id")? else { return Ok(None) };
            let selected = Selected::of(ctx, DeviceStatus::NAME);
            Ok(DeviceStatus::load(ctx, selected, &self.key, &key).await?.map(Bounded::new))
        }
        .await
        .transpose()
    }

    /// The device statuses of the configuration, one page at a time. Null if the list could not be
    /// read; the response then has an error.
    ///
    /// Intune sometimes ignores filters. The gateway therefore leaves out rows that certainly do
    /// not match.
    async fn device_statuses(
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
        filter: Option<DeviceStatusFilter>,
        #[graphql(
            desc = "Order of the list. Without it, Graph decides. If the service refuses it, the gateway sorts the list, or returns an error if it is too long."
        )]
        order_by: Option<DeviceStatusOrder>,
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

    /// The number of device statuses for each compliance status. It costs nine calls to Graph, sent
    /// in one batch. If the service refuses such counts, the gateway reads the list to count it.
    ///
    /// Null if Graph ignored the filters of the counts, or if it refuses them and the list is too
    /// long to be read; the response then has an error.
    async fn device_status_counts(
        &self,
        ctx: &Context<'_>,
    ) -> Option<Result<Vec<Bounded<DeviceStatusCount>>, FieldError>> {
        let counts = device_status_count::load(ctx, &self.key).await;
        Some(counts.map(|counts| counts.into_iter().map(Bounded::new).collect()))
    }

    /// The user statuses of the configuration, one page at a time. Null if the list could not be
    /// read; the response then has an error.
    async fn user_statuses(
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

    /// The targets that the configuration is assigned to, one page at a time. Null if the list
    /// could not be read; the response then has an error.
    async fn assignments(
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

    /// The groups that the configuration is assigned to, one page at a time. Null if the list could
    /// not be read; the response then has an error.
    async fn group_assignments(
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
