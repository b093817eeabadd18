//! The result of creating a device status, as payloads carry it.

use std::sync::Arc;

use async_graphql::{Context, ID};

use super::idempotency::ReplayableCreate;
use crate::graph::{Created, Key, Outcome, models};
use crate::schema::context::request_context;
use crate::schema::entity_cache::Properties;
use crate::schema::error::FieldError;
use crate::schema::global_id::GlobalId;
use crate::schema::selection::Selected;
use crate::schema::types::DeviceStatus;

/// A created device status.
#[derive(Debug)]
pub(super) struct CreatedDeviceStatus {
    configuration: Key,
    key: Key,
    /// The status that Graph returned; `None` if it returned only the key.
    status: Option<DeviceStatus>,
    /// Whether an earlier call with the same idempotency key created it.
    pub(super) replayed: bool,
}

impl CreatedDeviceStatus {
    /// The status that a create returned. Fields of the same request that select it by its id do not read it either.
    pub(super) fn new(
        ctx: &Context<'_>,
        configuration: &Key,
        create: ReplayableCreate<models::DeviceStatus>,
    ) -> Result<Self, FieldError> {
        let ReplayableCreate { created, replayed } = create;
        let (key, status) = match created {
            Created::Entity(entity) => {
                let entity = Arc::new(entity);
                let status = DeviceStatus::new(configuration.clone(), Arc::clone(&entity))?;
                let keys = (configuration.clone(), status.key().clone());
                request_context(ctx)?.device_statuses.insert(keys, Properties::All, Some(entity));
                (status.key().clone(), Some(status))
            }
            Created::Key(key) => (key, None),
        };
        Ok(Self { configuration: configuration.clone(), key, status, replayed })
    }

    /// The global id.
    pub(super) fn id(&self) -> ID {
        let (configuration, key) = (self.configuration.clone(), self.key.clone());
        ID(GlobalId::DeviceStatus { configuration, key }.encode())
    }

    /// The status that Graph returned. If Graph returned only the key, the status is read with the present caller's token.
    pub(super) async fn device_status(
        &self,
        ctx: &Context<'_>,
        selected: Selected<'_>,
    ) -> Result<DeviceStatus, FieldError> {
        if let Some(status) = &self.status {
            return Ok(status.clone());
        }
        let found = DeviceStatus::load(ctx, selected, &self.configuration, &self.key).await;
        let status =
            found.and_then(|found| found.ok_or_else(|| FieldError::not_shown("created the device status")));
        status.map_err(|error| error.with_outcome(Outcome::Applied))
    }
}
