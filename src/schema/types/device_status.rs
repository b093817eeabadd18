//! `DeviceStatus`: how it is read, its edge, and the inputs that create and change one.

mod fields;

use std::sync::Arc;

use async_graphql::{Context, InputObject, MaybeUndefined};

use super::patch::patch;
use super::{ComplianceStatus, DateTimeOffset};
use crate::graph::{Key, models};
use crate::schema::connection::{Cursor, Edge, Listed};
use crate::schema::context::{request_context, session};
use crate::schema::error::FieldError;
use crate::schema::selection::Selected;
use crate::schema::type_names;

/// The fields that are properties of Graph's, under the same names.
pub(crate) const PROPERTIES: &[&str] = &[
    "deviceDisplayName",
    "userName",
    "deviceModel",
    "platform",
    "complianceGracePeriodExpirationDateTime",
    "status",
    "lastReportedDateTime",
    "userPrincipalName",
];

/// What a device reported of a configuration: Graph's `managedDeviceMobileAppConfigurationDeviceStatus`.
#[derive(Debug, Clone)]
pub(crate) struct DeviceStatus {
    configuration: Key,
    key: Key,
    entity: Arc<models::DeviceStatus>,
}

impl Listed for DeviceStatus {
    const NAME: &'static str = type_names::DEVICE_STATUS;
}

impl DeviceStatus {
    /// The node of an entity that `configuration` contains.
    ///
    /// # Errors
    ///
    /// Where Graph gave it an id that is no key.
    pub(crate) fn new(configuration: Key, entity: Arc<models::DeviceStatus>) -> Result<Self, FieldError> {
        let key = Key::new(entity.id.as_str()).map_err(|_| FieldError::unusable_key())?;
        Ok(Self { configuration, key, entity })
    }

    /// Graph's key of the status.
    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    /// The edge of a status that was just created.
    pub(crate) fn into_edge(self) -> Edge<Self> {
        Edge { cursor: Cursor::Created(self.key.clone()), node: self }
    }

    /// Reads what is selected of the status, unless the request has read it; `None` where Graph has none of that key.
    pub(crate) async fn load(
        ctx: &Context<'_>,
        selected: Selected<'_>,
        configuration: &Key,
        key: &Key,
    ) -> Result<Option<Self>, FieldError> {
        let place = (configuration.clone(), key.clone());
        let select = selected.properties(PROPERTIES);
        let read = async {
            let configurations = session(ctx)?.ios_lob_app_provisioning_configurations();
            Ok::<_, FieldError>(
                configurations.device_statuses(configuration).get_or_find(key, &select).await?,
            )
        };
        let entity = request_context(ctx)?.device_statuses.get_or_read(&place, &select, read).await?;
        entity.map(|entity| Self::new(configuration.clone(), entity)).transpose()
    }
}

/// A new device status.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusInput {
    /// Graph's key for the new object. Optional: Graph assigns one, and may assign one all the same. Where Graph keeps
    /// it, the create is safe to repeat.
    pub(crate) graph_id: Option<String>,
    /// Name of the device.
    pub(crate) device_display_name: String,
    /// Name of the user.
    pub(crate) user_name: String,
    /// Model of the device.
    pub(crate) device_model: String,
    /// Platform code.
    pub(crate) platform: i32,
    /// When the grace period ends; `9999-12-31T23:59:59.9999999Z` for none.
    pub(crate) compliance_grace_period_expiration_date_time: DateTimeOffset,
    /// Compliance of the device.
    pub(crate) status: ComplianceStatus,
    /// When the device last reported.
    pub(crate) last_reported_date_time: DateTimeOffset,
    /// Principal name of the user.
    pub(crate) user_principal_name: String,
}

impl From<DeviceStatusInput> for models::NewDeviceStatus {
    fn from(input: DeviceStatusInput) -> Self {
        Self {
            id: input.graph_id,
            device_display_name: input.device_display_name,
            user_name: input.user_name,
            device_model: input.device_model,
            platform: input.platform,
            compliance_grace_period_expiration_date_time: input
                .compliance_grace_period_expiration_date_time
                .0,
            status: input.status.into(),
            last_reported_date_time: input.last_reported_date_time.0,
            user_principal_name: input.user_principal_name,
        }
    }
}

/// What to change of a device status. A field that is left out stays as it is; an explicit null is sent to Graph as null.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusPatch {
    /// Name of the device.
    device_display_name: MaybeUndefined<String>,
    /// Name of the user.
    user_name: MaybeUndefined<String>,
    /// Model of the device.
    device_model: MaybeUndefined<String>,
    /// Platform code.
    platform: MaybeUndefined<i32>,
    /// When the grace period ends; `9999-12-31T23:59:59.9999999Z` for none.
    compliance_grace_period_expiration_date_time: MaybeUndefined<DateTimeOffset>,
    /// Compliance of the device.
    status: MaybeUndefined<ComplianceStatus>,
    /// When the device last reported.
    last_reported_date_time: MaybeUndefined<DateTimeOffset>,
    /// Principal name of the user.
    user_principal_name: MaybeUndefined<String>,
}

impl From<DeviceStatusPatch> for models::DeviceStatusPatch {
    fn from(input: DeviceStatusPatch) -> Self {
        Self {
            device_display_name: patch(input.device_display_name),
            user_name: patch(input.user_name),
            device_model: patch(input.device_model),
            platform: patch(input.platform),
            compliance_grace_period_expiration_date_time: patch(
                input.compliance_grace_period_expiration_date_time,
            ),
            status: patch(input.status),
            last_reported_date_time: patch(input.last_reported_date_time),
            user_principal_name: patch(input.user_principal_name),
        }
    }
}
