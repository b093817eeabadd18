//! `addDeviceStatus`.

use async_graphql::{Context, ID, InputObject, Object};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::OnceCell;

use crate::graph::{Created, Key, Outcome};
use crate::schema::error::{ErrorCode, FieldError};
use crate::schema::node::{self, GlobalId};
use crate::schema::session;
use crate::schema::types::{DeviceStatus, DeviceStatusEdge, DeviceStatusInput};

/// What `addDeviceStatus` takes.
#[derive(Debug, InputObject)]
pub(super) struct AddDeviceStatusInput {
    /// The configuration's global id, or Graph's own key.
    configuration_id: ID,
    /// The device status to add.
    device_status: DeviceStatusInput,
    /// Returned in the payload as it came.
    client_mutation_id: Option<String>,
}

/// What `addDeviceStatus` gives.
pub(super) struct AddDeviceStatusPayload {
    configuration: Key,
    key: Key,
    /// What Graph answered with, or what is read at most once where it answered with the key alone.
    device_status: OnceCell<Result<DeviceStatus, FieldError>>,
    client_mutation_id: Option<String>,
}

/// Creates the status in Graph: one POST.
pub(super) async fn resolve(
    ctx: &Context<'_>,
    input: AddDeviceStatusInput,
) -> Result<AddDeviceStatusPayload, FieldError> {
    let not_sent = |error: FieldError| error.with_outcome(Outcome::NotSent);
    let configuration =
        node::configuration_key(&input.configuration_id, "input.configurationId").map_err(not_sent)?;
    let configurations = session(ctx).map_err(not_sent)?.ios_lob_app_provisioning_configurations();

    let created = configurations.device_statuses(&configuration).create(&input.device_status.into()).await?;
    let (key, device_status) = match created {
        Created::Entity(entity) => {
            let status = DeviceStatus::new(configuration.clone(), entity)?;
            (status.key().clone(), OnceCell::new_with(Some(Ok(status))))
        }
        Created::Key(key) => (key, OnceCell::new()),
    };
    Ok(AddDeviceStatusPayload {
        configuration,
        key,
        device_status,
        client_mutation_id: input.client_mutation_id,
    })
}

impl AddDeviceStatusPayload {
    async fn read_back(&self, ctx: &Context<'_>) -> Result<DeviceStatus, FieldError> {
        let read = async || {
            let found = DeviceStatus::load(ctx, &self.configuration, &self.key).await;
            found
                .and_then(|found| {
                    found.ok_or_else(|| {
                        FieldError::new(
                            ErrorCode::NotFound,
                            "Microsoft Graph created the device status, but does not show it yet.",
                        )
                    })
                })
                .map_err(|error| error.with_outcome(Outcome::Applied))
        };
        self.device_status.get_or_init(read).await.clone()
    }
}

/// What `addDeviceStatus` gives.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl AddDeviceStatusPayload {
    /// The created object's global id, known even where the object could not be read.
    async fn device_status_id(&self) -> ID {
        let id = GlobalId::DeviceStatus { configuration: self.configuration.clone(), key: self.key.clone() };
        ID(id.encode())
    }

    /// The created object.
    async fn device_status(&self, ctx: &Context<'_>) -> Option<Result<DeviceStatus, FieldError>> {
        Some(self.read_back(ctx).await)
    }

    /// The created object as an edge, to be appended to a list that the caller holds.
    async fn device_status_edge(&self, ctx: &Context<'_>) -> Option<Result<DeviceStatusEdge, FieldError>> {
        let edge = |node| DeviceStatusEdge {
            // Where Graph would list the object is not known, so this cursor leads nowhere.
            cursor: format!("created.{}", URL_SAFE_NO_PAD.encode(self.key.as_str())),
            node,
        };
        Some(self.read_back(ctx).await.map(edge))
    }

    /// As it came in the input.
    async fn client_mutation_id(&self) -> Option<&str> {
        self.client_mutation_id.as_deref()
    }
}
