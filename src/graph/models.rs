//! Graph's entities, field for field as its beta metadata has them.

mod compliance_status;
mod date_time_offset;
mod device_status;
mod ios_lob_app_provisioning_configuration;
mod lenient;

pub use self::compliance_status::ComplianceStatus;
pub use self::date_time_offset::{DateTimeOffset, InvalidDateTimeOffset};
pub use self::device_status::{DeviceStatus, NewDeviceStatus};
pub use self::ios_lob_app_provisioning_configuration::IosLobAppProvisioningConfiguration;
