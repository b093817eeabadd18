//! `Node`: any object by its global id.

use async_graphql::{Context, ID, Interface};

use super::bounded::Bounded;
use super::connection::Listed as _;
use super::error::FieldError;
use super::global_id::GlobalId;
use super::selection::Selected;
use super::types::{
    ConfigurationAssignment, ConfigurationGroupAssignment, DeviceStatus, IosLobAppProvisioningConfiguration,
    UserStatus,
};

/// An object with a global id.
#[derive(Debug, Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "The global id of the object, unique across all types. It is opaque, URL-safe and stable."
))]
pub(super) enum Node {
    /// A configuration.
    IosLobAppProvisioningConfiguration(Bounded<IosLobAppProvisioningConfiguration>),
    /// A device status.
    DeviceStatus(Bounded<DeviceStatus>),
    /// A user status.
    UserStatus(Bounded<UserStatus>),
    /// An assignment.
    ConfigurationAssignment(Bounded<ConfigurationAssignment>),
    /// A group assignment.
    ConfigurationGroupAssignment(Bounded<ConfigurationGroupAssignment>),
}

impl Node {
    /// Reads the selected properties of the object with this global id; `None` if Graph does not
    /// have it.
    pub(super) async fn load(ctx: &Context<'_>, id: &ID, argument: &str) -> Result<Option<Self>, FieldError> {
        Ok(match GlobalId::parse(id, argument)? {
            GlobalId::Configuration(key) => {
                let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
                let configuration = IosLobAppProvisioningConfiguration::load(ctx, selected, &key).await?;
                configuration.map(|found| Self::IosLobAppProvisioningConfiguration(Bounded::new(found)))
            }
            GlobalId::DeviceStatus { configuration, key } => {
                let selected = Selected::of(ctx, DeviceStatus::NAME);
                DeviceStatus::load(ctx, selected, &configuration, &key)
                    .await?
                    .map(|found| Self::DeviceStatus(Bounded::new(found)))
            }
            GlobalId::UserStatus { configuration, key } => UserStatus::load(ctx, &configuration, &key)
                .await?
                .map(|found| Self::UserStatus(Bounded::new(found))),
            GlobalId::Assignment { configuration, key } => {
                let assignment = ConfigurationAssignment::load(ctx, &configuration, &key).await?;
                assignment.map(|found| Self::ConfigurationAssignment(Bounded::new(found)))
            }
            GlobalId::GroupAssignment { configuration, key } => {
                let assignment = ConfigurationGroupAssignment::load(ctx, &configuration, &key).await?;
                assignment.map(|found| Self::ConfigurationGroupAssignment(Bounded::new(found)))
            }
        })
    }
}
