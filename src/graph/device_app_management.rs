//! `/deviceAppManagement`, one file per collection, one method per operation.

mod collection;
mod create;
mod create_attempt;
mod create_observer;
mod created;
mod device_statuses;
mod ios_lob_app_provisioning_configurations;
mod progress;
mod read_back;
mod refusals;

pub use self::collection::Collection;
pub use self::create_observer::{CreateObserver, CreateOutcome, NoopObserver};
pub use self::created::{CreateResult, Created};
pub use self::device_statuses::DeviceStatuses;
pub use self::ios_lob_app_provisioning_configurations::IosLobAppProvisioningConfigurations;
pub use self::read_back::ReadBack;
