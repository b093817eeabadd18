//! What a create of a device status made: an object that Graph answered with, or that is read when it is asked for.

use std::sync::Arc;

use async_graphql::Context;

use super::idempotency::ReplayableCreate;
use crate::graph::{Created, Key, Outcome, models};
use crate::schema::context::request_context;
use crate::schema::entity_cache::Properties;
use crate::schema::error::FieldError;
use crate::schema::selection::Selected;
use crate::schema::types::DeviceStatus;

/// A device status that is there.
#[derive(Debug)]
pub(super) struct CreatedDeviceStatus {
    /// Graph's key of it.
    pub(super) key: Key,
    /// Whether an earlier call with the same idempotency key made it.
    pub(super) replayed: bool,
}

impl CreatedDeviceStatus {
    /// Keeps what Graph answered with, so that it is not read again.
    pub(super) fn new(
        ctx: &Context<'_>,
        configuration: &Key,
        creation: ReplayableCreate<models::DeviceStatus>,
    ) -> Result<Self, FieldError> {
        let ReplayableCreate { created, replayed } = creation;
        let key = match created {
            Created::Entity(entity) => {
                let entity = Arc::new(entity);
                let status = DeviceStatus::new(configuration.clone(), Arc::clone(&entity))?;
                let place = (configuration.clone(), status.key().clone());
                request_context(ctx)?.device_statuses.insert(place, Properties::All, Some(entity));
                status.key().clone()
            }
            Created::Key(key) => key,
        };
        Ok(Self { key, replayed })
    }

    /// The status, read with the present caller's token where Graph did not answer with it.
    pub(super) async fn device_status(
        &self,
        ctx: &Context<'_>,
        configuration: &Key,
        selected: Selected<'_>,
    ) -> Result<DeviceStatus, FieldError> {
        let found = DeviceStatus::load(ctx, selected, configuration, &self.key).await;
        let status =
            found.and_then(|found| found.ok_or_else(|| FieldError::not_shown("created the device status")));
        status.map_err(|error| error.with_outcome(Outcome::Applied))
    }
}
