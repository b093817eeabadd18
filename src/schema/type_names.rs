//! Names of the object types that have connections and global ids.

/// Graph's `iosLobAppProvisioningConfiguration`.
pub(super) const CONFIGURATION: &str = "IosLobAppProvisioningConfiguration";
/// Graph's `managedDeviceMobileAppConfigurationDeviceStatus`.
pub(super) const DEVICE_STATUS: &str = "DeviceStatus";
/// Graph's `managedDeviceMobileAppConfigurationUserStatus`.
pub(super) const USER_STATUS: &str = "UserStatus";
/// Graph's `iosLobAppProvisioningConfigurationAssignment`.
pub(super) const ASSIGNMENT: &str = "ConfigurationAssignment";
/// Graph's `mobileAppProvisioningConfigGroupAssignment`.
pub(super) const GROUP_ASSIGNMENT: &str = "ConfigurationGroupAssignment";
