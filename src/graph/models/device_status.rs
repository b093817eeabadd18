//! `managedDeviceMobileAppConfigurationDeviceStatus`, for reads and for creates.

use serde::Serialize;

use super::entity::{self, Entity, NewEntity};
use super::lenient;
use super::{ComplianceStatus, DateTimeOffset, Patch, Received};
use crate::graph::key::canonical_key;
use crate::graph::odata::{PropertyValue, Select};

/// `microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus`, as Graph returns it. Only the
/// key is required: a response may be partial, or follow a `$select`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// The key. Live ones are two or three GUIDs joined by `_`; opaque.
    pub id: String,
    /// Name of the device.
    pub device_display_name: Received<String>,
    /// Name of the user; `System account` for rows of the device itself.
    pub user_name: Received<String>,
    /// Model of the device; usually null on the live service.
    pub device_model: Received<String>,
    /// Platform code; its table is not published. Beta only.
    pub platform: Received<i32>,
    /// End of the grace period; `9999-12-31T23:59:59.9999999Z` for none.
    pub compliance_grace_period_expiration_date_time: Received<DateTimeOffset>,
    /// Compliance of the device.
    pub status: Received<ComplianceStatus>,
    /// When the device last reported.
    pub last_reported_date_time: Received<DateTimeOffset>,
    /// The user's principal name.
    pub user_principal_name: Received<String>,
}

lenient::entity!(DeviceStatus, "microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus", {
    device_display_name: "deviceDisplayName",
    user_name: "userName",
    device_model: "deviceModel",
    platform: "platform",
    compliance_grace_period_expiration_date_time: "complianceGracePeriodExpirationDateTime",
    status: "status",
    last_reported_date_time: "lastReportedDateTime",
    user_principal_name: "userPrincipalName",
});

impl Entity for DeviceStatus {
    const ODATA_TYPE: &'static str = Self::TYPE;
    const PROPERTIES: &'static [&'static str] = Self::NAMES;

    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, name: &str) -> PropertyValue<'_> {
        match name {
            "id" => PropertyValue::String(&self.id),
            "deviceDisplayName" => entity::text(&self.device_display_name),
            "userName" => entity::text(&self.user_name),
            "deviceModel" => entity::text(&self.device_model),
            "platform" => entity::number(&self.platform),
            "complianceGracePeriodExpirationDateTime" => {
                entity::date(&self.compliance_grace_period_expiration_date_time)
            }
            "status" => entity::status(&self.status),
            "lastReportedDateTime" => entity::date(&self.last_reported_date_time),
            "userPrincipalName" => entity::text(&self.user_principal_name),
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
    /// The key that the caller requests. Graph may assign another.
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
            && entity.device_display_name.value() == Some(&self.device_display_name)
            && entity.user_name.value() == Some(&self.user_name)
            && entity.device_model.value() == Some(&self.device_model)
            && entity.platform == Received::Value(self.platform)
            && is_instant(
                &self.compliance_grace_period_expiration_date_time,
                entity.compliance_grace_period_expiration_date_time.value(),
            )
            && entity.status == Received::Value(self.status)
            && is_instant(&self.last_reported_date_time, entity.last_reported_date_time.value())
            && entity.user_principal_name.value() == Some(&self.user_principal_name)
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
    use super::{ComplianceStatus, DeviceStatus, Received};
    use crate::graph::models::Entity as _;
    use crate::graph::odata::PropertyValue;

    fn read(json: &str) -> Result<DeviceStatus, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn odd_members_are_malformed_and_the_rest_stands() {
        let read =
            read(r#"{"id":"a","platform":"8","status":"String","userName":7,"deviceModel":null,"new":[1]}"#)
                .unwrap();
        assert_eq!(read.id, "a");
        assert_eq!(read.platform, Received::Malformed);
        assert_eq!(read.user_name, Received::Malformed);
        assert_eq!(read.device_model, Received::Null);
        assert_eq!(read.device_display_name, Received::Absent);
        assert_eq!(read.status, Received::Value(ComplianceStatus::UnknownFutureValue));
        for (property, value) in [
            ("platform", PropertyValue::Unknown),
            ("userName", PropertyValue::Unknown),
            ("deviceModel", PropertyValue::Null),
            ("deviceDisplayName", PropertyValue::Unknown),
        ] {
            assert_eq!(read.property(property), value, "{property}");
        }
    }

    #[test]
    fn names_in_another_case_and_twice_lose_no_object() {
        let read = |json| read(json).unwrap();
        let found = read(r#"{"Id":"a","Platform":8.0,"STATUS":"Compliant"}"#);
        assert_eq!((found.id.as_str(), found.platform), ("a", Received::Value(8)));
        assert_eq!(found.status, Received::Value(ComplianceStatus::Compliant));
        // The documented name counts more, in either order.
        assert_eq!(read(r#"{"id":"a","Id":"b"}"#).id, "a");
        assert_eq!(read(r#"{"Id":"b","id":"a"}"#).id, "a");
        let twice =
            read(r#"{"id":"a","id":"a","userName":"b","userName":"c","deviceModel":"d","deviceModel":"d"}"#);
        assert_eq!(twice.user_name, Received::Malformed);
        assert_eq!(twice.device_model, Received::Value("d".to_owned()));
    }

    #[test]
    fn what_is_something_else_is_no_status() {
        for json in [
            r#"null"#,
            r#"[]"#,
            r#"{}"#,
            r#"{"id":null}"#,
            r#"{"id":7}"#,
            r#"{"id":"a","id":"b"}"#,
            "{\"id\":\"a\u{fffd}\"}",
            r##"{"id":"a","@odata.type":"#microsoft.graph.user"}"##,
            r#"{"id":"a","@odata.type":7}"#,
            r#"{"id":"a","error":{"code":"x"}}"#,
            r#"{"id":"a","error":"x"}"#,
            r#"{"id":"a","Error":[]}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        for json in [
            r##"{"id":"a","@odata.type":"#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus"}"##,
            r#"{"id":"a","@odata.type":null,"error":null}"#,
        ] {
            assert_eq!(read(json).unwrap().id, "a", "{json}");
        }
    }
}
