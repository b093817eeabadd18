//! `/deviceAppManagement`, one file per collection, one method per operation.

mod collection;
mod creates;
mod device_statuses;
mod ios_lob_app_provisioning_configurations;
mod progress;
mod read_back;

pub use self::collection::{Collection, Created};
pub use self::creates::{CreateResult, Fate, Journal, NoJournal};
pub use self::device_statuses::DeviceStatuses;
pub use self::ios_lob_app_provisioning_configurations::IosLobAppProvisioningConfigurations;

use http::StatusCode;

use super::error::Error;

/// 404 and 410 for an entity mean that it is not there, which a look-up reports as `None`; 404 for the API version
/// is an error like any other.
fn absent_is_none<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(entity) => Ok(Some(entity)),
        Err(Error::Api(api))
            if matches!(api.status, StatusCode::NOT_FOUND | StatusCode::GONE) && !api.is_not_supported() =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
