//! `managedDeviceMobileAppConfigurationUserStatus`.

use serde::Deserialize;

use super::entity::{self, Entity};
use super::{ComplianceStatus, DateTimeOffset, lenient};
use crate::graph::odata::PropertyValue;

/// `microsoft.graph.managedDeviceMobileAppConfigurationUserStatus`, as Graph answers it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// The key, opaque.
    pub id: String,
    /// Name of the user.
    #[serde(default, deserialize_with = "lenient::option")]
    pub user_display_name: Option<String>,
    /// How many devices the user has.
    #[serde(default, deserialize_with = "lenient::option")]
    pub devices_count: Option<i32>,
    /// Compliance of the user's devices.
    #[serde(default, deserialize_with = "lenient::option")]
    pub status: Option<ComplianceStatus>,
    /// When a device of the user last reported.
    #[serde(default, deserialize_with = "lenient::option")]
    pub last_reported_date_time: Option<DateTimeOffset>,
    /// The user's principal name.
    #[serde(default, deserialize_with = "lenient::option")]
    pub user_principal_name: Option<String>,
}

impl Entity for UserStatus {
    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, name: &str) -> PropertyValue<'_> {
        match name {
            "id" => PropertyValue::String(&self.id),
            "userDisplayName" => entity::text(self.user_display_name.as_ref()),
            "devicesCount" => entity::number(self.devices_count),
            "status" => entity::status(self.status),
            "lastReportedDateTime" => entity::date(self.last_reported_date_time.as_ref()),
            "userPrincipalName" => entity::text(self.user_principal_name.as_ref()),
            _ => PropertyValue::Unknown,
        }
    }
}
