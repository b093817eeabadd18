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

/// The fields that are properties in Graph, with the same names.
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

/// The status of a configuration on a device, as the device last reported it to Intune. In Graph:
/// `managedDeviceMobileAppConfigurationDeviceStatus`.
///
/// A property is null if Graph returned none. It is also null if its value could not be read; the
/// response then has an error with the path of the field.
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
    /// If the id from Graph is not a valid key.
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

    /// Reads the selected properties of the status, unless the request has read them; `None` if
    /// Graph does not have it.
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

/// A device status to create. Graph requires all properties except `graphId`.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusInput {
    /// The id that the object should have in Graph. Optional: Graph may assign another id, which
    /// the payload returns.
    ///
    /// With an id, the gateway looks for the object after a lost response, and returns it if it
    /// exists.
    pub(crate) graph_id: Option<String>,
    /// The name of the device.
    pub(crate) device_display_name: String,
    /// The name of the user. Intune itself uses "System account" for a status that belongs to no
    /// user.
    pub(crate) user_name: String,
    /// The model of the device.
    pub(crate) device_model: String,
    /// The platform code. Microsoft does not publish the codes; Intune often returns 0.
    pub(crate) platform: i32,
    /// The end of the grace period. Send `9999-12-31T23:59:59.9999999Z` if there is no grace
    /// period.
    pub(crate) compliance_grace_period_expiration_date_time: DateTimeOffset,
    /// The compliance of the device. Any value except `UNKNOWN_FUTURE_VALUE`.
    pub(crate) status: ComplianceStatus,
    /// The time of the last report from the device.
    pub(crate) last_reported_date_time: DateTimeOffset,
    /// The user principal name (UPN) of the user, for example `ana@contoso.com`.
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

/// Changes to a device status. An omitted field is left unchanged. An explicit null is sent to
/// Graph as null, and Graph may reject it.
#[derive(Debug, InputObject)]
pub(crate) struct DeviceStatusPatch {
    /// The new name of the device.
    device_display_name: MaybeUndefined<String>,
    /// The new name of the user.
    user_name: MaybeUndefined<String>,
    /// The new model of the device.
    device_model: MaybeUndefined<String>,
    /// The new platform code. Microsoft does not publish the codes.
    platform: MaybeUndefined<i32>,
    /// The new end of the grace period. Send `9999-12-31T23:59:59.9999999Z` if there is no grace
    /// period.
    compliance_grace_period_expiration_date_time: MaybeUndefined<DateTimeOffset>,
    /// The new compliance of the device. Any value except `UNKNOWN_FUTURE_VALUE`.
    status: MaybeUndefined<ComplianceStatus>,
    /// The new time of the last report from the device.
    last_reported_date_time: MaybeUndefined<DateTimeOffset>,
    /// The new user principal name (UPN) of the user.
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
