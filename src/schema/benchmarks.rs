//! The step from a coerced input to Graph's entity, for [`crate::benchmarks`].

use async_graphql::{InputType as _, Value};

use super::types::DeviceStatusInput;
use crate::graph::models::NewDeviceStatus;

/// Maps a coerced `DeviceStatusInput`; `None` if it is not valid.
#[must_use]
pub fn map_status(input: Value) -> Option<NewDeviceStatus> {
    DeviceStatusInput::parse(Some(input)).ok().map(NewDeviceStatus::from)
}
