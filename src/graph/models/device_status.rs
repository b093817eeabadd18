//! `managedDeviceMobileAppConfigurationDeviceStatus`, as it is read and as it is created.

use serde::{Deserialize, Serialize};

use super::entity::{self, Entity, NewEntity};
use super::{ComplianceStatus, DateTimeOffset, Patch, lenient};
use crate::graph::key::canonical_key;
use crate::graph::odata::{PropertyValue, Select};

/// `microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus`, as Graph answers it. All but the key may be
/// missing: an answer may be partial, or follow a `$select`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// The key. Live ones are two or three GUIDs joined by `_`; opaque.
    pub id: String,
    /// Name of the device.
    #[serde(default, deserialize_with = "lenient::option")]
    pub device_display_name: Option<String>,
    /// Name of the user; `System account` for rows of the device itself.
    #[serde(default, deserialize_with = "lenient::option")]
    pub user_name: Option<String>,
    /// Model of the device; usually null on the live service.
    #[serde(default, deserialize_with = "lenient::option")]
    pub device_model: Option<String>,
    /// Platform code; its table is not published. Beta only.
    #[serde(default, deserialize_with = "lenient::option")]
    pub platform: Option<i32>,
    /// End of the grace period; `9999-12-31T23:59:59.9999999Z` for none.
    #[serde(default, deserialize_with = "lenient::option")]
    pub compliance_grace_period_expiration_date_time: Option<DateTimeOffset>,
    /// Compliance of the device.
    #[serde(default, deserialize_with = "lenient::option")]
    pub status: Option<ComplianceStatus>,
    /// When the device last reported.
    #[serde(default, deserialize_with = "lenient::option")]
    pub last_reported_date_time: Option<DateTimeOffset>,
    /// The user's principal name.
    #[serde(default, deserialize_with = "lenient::option")]
    pub user_principal_name: Option<String>,
}

impl Entity for DeviceStatus {
    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, name: &str) -> PropertyValue<'_> {
        match name {
            "id" => PropertyValue::String(&self.id),
            "deviceDisplayName" => entity::text(self.device_display_name.as_ref()),
            "userName" => entity::text(self.user_name.as_ref()),
            "deviceModel" => entity::text(self.device_model.as_ref()),
            "platform" => entity::number(self.platform),
            "complianceGracePeriodExpirationDateTime" => {
                entity::date(self.compliance_grace_period_expiration_date_time.as_ref())
            }
            "status" => entity::status(self.status),
            "lastReportedDateTime" => entity::date(self.last_reported_date_time.as_ref()),
            "userPrincipalName" => entity::text(self.user_principal_name.as_ref()),
            _ => PropertyValue::Unknown,
        }
    }
}

/// The body that creates a device status: every property that the page 'Create
/// managedDeviceMobileAppConfigurationDeviceStatus' documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus")]
#[serde(rename_all = "camelCase")]
pub struct NewDeviceStatus {
    /// The key that the caller wishes for; Graph may assign another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the device.
    pub device_display_name: String,
    /// Name of the user.
    pub user_name: String,
    /// Model of the device.
    pub device_model: String,
    /// Platform code.
    pub platform: i32,
    /// End of the grace period.
    pub compliance_grace_period_expiration_date_time: DateTimeOffset,
    /// Compliance of the device.
    pub status: ComplianceStatus,
    /// When the device last reported.
    pub last_reported_date_time: DateTimeOffset,
    /// The user's principal name.
    pub user_principal_name: String,
}

impl NewEntity for NewDeviceStatus {
    type Entity = DeviceStatus;

    fn key(&self) -> Option<&str> {
        self.id.as_deref()
    }

    fn canonical(&self) -> Self {
        Self { id: self.id.as_deref().map(|id| canonical_key(id).into_owned()), ..self.clone() }
    }

    fn properties() -> Select {
        [
            "id",
            "deviceDisplayName",
            "userName",
            "deviceModel",
            "platform",
            "complianceGracePeriodExpirationDateTime",
            "status",
            "lastReportedDateTime",
            "userPrincipalName",
        ]
        .into_iter()
        .collect()
    }

    fn is_what(&self, entity: &DeviceStatus) -> bool {
        let is_instant = |sent: &DateTimeOffset, read: Option<&DateTimeOffset>| {
            read.is_some_and(|read| read.ticks().is_some() && read.ticks() == sent.ticks())
        };
        self.id.as_deref().is_some_and(|id| canonical_key(id) == canonical_key(&entity.id))
            && entity.device_display_name.as_ref() == Some(&self.device_display_name)
            && entity.user_name.as_ref() == Some(&self.user_name)
            && entity.device_model.as_ref() == Some(&self.device_model)
            && entity.platform == Some(self.platform)
            && is_instant(
                &self.compliance_grace_period_expiration_date_time,
                entity.compliance_grace_period_expiration_date_time.as_ref(),
            )
            && entity.status == Some(self.status)
            && is_instant(&self.last_reported_date_time, entity.last_reported_date_time.as_ref())
            && entity.user_principal_name.as_ref() == Some(&self.user_principal_name)
    }
}

/// The body that updates a device status: the properties that are to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus")]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatusPatch {
    /// Name of the device.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub device_display_name: Patch<String>,
    /// Name of the user.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub user_name: Patch<String>,
    /// Model of the device.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub device_model: Patch<String>,
    /// Platform code.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub platform: Patch<i32>,
    /// End of the grace period.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub compliance_grace_period_expiration_date_time: Patch<DateTimeOffset>,
    /// Compliance of the device.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub status: Patch<ComplianceStatus>,
    /// When the device last reported.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub last_reported_date_time: Patch<DateTimeOffset>,
    /// The user's principal name.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub user_principal_name: Patch<String>,
}

#[cfg(test)]
mod tests {
    use super::{ComplianceStatus, DeviceStatus};

    #[test]
    fn odd_members_are_none_and_the_rest_stands() {
        let read: DeviceStatus = serde_json::from_str(
            r##"{"@odata.type":"#x","id":"a","platform":"8","status":"String","userName":7,"deviceModel":null,"new":[1]}"##,
        )
        .unwrap();
        assert_eq!(read.id, "a");
        assert_eq!((read.platform, read.user_name, read.device_model), (None, None, None));
        assert_eq!(read.status, Some(ComplianceStatus::UnknownFutureValue));
    }
}
