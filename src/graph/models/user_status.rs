//! `managedDeviceMobileAppConfigurationUserStatus`.

use super::entity::{self, Entity};
use super::lenient;
use super::{ComplianceStatus, DateTimeOffset, Received};
use crate::graph::odata::PropertyValue;

/// `microsoft.graph.managedDeviceMobileAppConfigurationUserStatus`, as Graph returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserStatus {
    /// The key, opaque.
    pub id: String,
    /// Name of the user.
    pub user_display_name: Received<String>,
    /// The number of the user's devices.
    pub devices_count: Received<i32>,
    /// Compliance of the user's devices.
    pub status: Received<ComplianceStatus>,
    /// When a device of the user last reported.
    pub last_reported_date_time: Received<DateTimeOffset>,
    /// The user's principal name.
    pub user_principal_name: Received<String>,
}

lenient::entity!(UserStatus, "microsoft.graph.managedDeviceMobileAppConfigurationUserStatus", {
    user_display_name: "userDisplayName",
    devices_count: "devicesCount",
    status: "status",
    last_reported_date_time: "lastReportedDateTime",
    user_principal_name: "userPrincipalName",
});

impl Entity for UserStatus {
    const ODATA_TYPE: &'static str = Self::TYPE;
    const PROPERTIES: &'static [&'static str] = Self::NAMES;

    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, name: &str) -> PropertyValue<'_> {
        match name {
            "id" => PropertyValue::String(&self.id),
            "userDisplayName" => entity::text(&self.user_display_name),
            "devicesCount" => entity::number(&self.devices_count),
            "status" => entity::status(&self.status),
            "lastReportedDateTime" => entity::date(&self.last_reported_date_time),
            "userPrincipalName" => entity::text(&self.user_principal_name),
            _ => PropertyValue::Unknown,
        }
    }
}
