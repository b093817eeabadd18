//! `iosLobAppProvisioningConfiguration`.

use serde::Serialize;

use super::entity::{self, Entity, NewEntity};
use super::lenient;
use super::{DateTimeOffset, Patch, Received};
use crate::graph::odata::{PROFILE_EXPIRATION, PropertyValue, Select};
use crate::provisioning_profile::{Property, ProvisioningProfile};

/// `microsoft.graph.iosLobAppProvisioningConfiguration` (beta only), as Graph returns it. Only the
/// key is required: a response may be partial, or follow a `$select`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IosLobAppProvisioningConfiguration {
    /// The key, opaque.
    pub id: String,
    /// Name shown to administrators.
    pub display_name: Received<String>,
    /// Free text.
    pub description: Received<String>,
    /// Grows by edits, from 1.
    pub version: Received<i32>,
    /// `*.mobileprovision` or `*.xml`.
    pub payload_file_name: Received<String>,
    /// Base64, as Graph sends `Edm.Binary`.
    pub payload: Received<String>,
    /// Scope tags that narrow who sees it.
    pub role_scope_tag_ids: Received<Vec<String>>,
    /// When the profile expires.
    pub expiration_date_time: Received<DateTimeOffset>,
    /// Set by the service.
    pub created_date_time: Received<DateTimeOffset>,
    /// Set by the service.
    pub last_modified_date_time: Received<DateTimeOffset>,
}

lenient::entity!(IosLobAppProvisioningConfiguration, "microsoft.graph.iosLobAppProvisioningConfiguration", {
    display_name: "displayName",
    description: "description",
    version: "version",
    payload_file_name: "payloadFileName",
    payload: "payload",
    role_scope_tag_ids: "roleScopeTagIds",
    expiration_date_time: "expirationDateTime",
    created_date_time: "createdDateTime",
    last_modified_date_time: "lastModifiedDateTime",
});

impl Entity for IosLobAppProvisioningConfiguration {
    const ODATA_TYPE: &'static str = Self::TYPE;
    const PROPERTIES: &'static [&'static str] = Self::NAMES;

    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, name: &str) -> PropertyValue<'_> {
        match name {
            "id" => PropertyValue::String(&self.id),
            "displayName" => entity::text(&self.display_name),
            "description" => entity::text(&self.description),
            "version" => entity::number(&self.version),
            "payloadFileName" => entity::text(&self.payload_file_name),
            "expirationDateTime" => entity::date(&self.expiration_date_time),
            "createdDateTime" => entity::date(&self.created_date_time),
            "lastModifiedDateTime" => entity::date(&self.last_modified_date_time),
            PROFILE_EXPIRATION => {
                self.profile_expiration().map_or(PropertyValue::Unknown, PropertyValue::Date)
            }
            _ => PropertyValue::Unknown,
        }
    }
}

impl IosLobAppProvisioningConfiguration {
    /// The expiry of the profile in the payload, in 100 ns since 1970, if it can be read.
    fn profile_expiration(&self) -> Option<i128> {
        let profile = ProvisioningProfile::read_base64(self.payload.value()?).ok()?;
        match profile.expiration_date {
            Property::Value(date) => DateTimeOffset::parse(date).ok()?.ticks(),
            Property::Absent | Property::Malformed => None,
        }
    }
}

/// The body that creates a configuration: the properties that the page 'Create iosLobAppProvisioningConfiguration' lets
/// a caller set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.iosLobAppProvisioningConfiguration")]
#[serde(rename_all = "camelCase")]
pub struct NewIosLobAppProvisioningConfiguration {
    /// Name shown to administrators.
    pub display_name: String,
    /// `*.mobileprovision` or `*.xml`.
    pub payload_file_name: String,
    /// Base64 with padding.
    pub payload: String,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When the profile expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date_time: Option<DateTimeOffset>,
    /// Scope tags that narrow who sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_scope_tag_ids: Option<Vec<String>>,
}

/// Graph assigns the key, so the entity cannot be looked up.
impl NewEntity for NewIosLobAppProvisioningConfiguration {
    type Entity = IosLobAppProvisioningConfiguration;

    fn key(&self) -> Option<&str> {
        None
    }

    fn canonical(&self) -> Self {
        self.clone()
    }

    fn properties() -> Select {
        Select::new()
    }

    fn is_what(&self, _: &IosLobAppProvisioningConfiguration) -> bool {
        false
    }
}

/// The body that updates a configuration: the properties that are to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "@odata.type", rename = "#microsoft.graph.iosLobAppProvisioningConfiguration")]
#[serde(rename_all = "camelCase")]
pub struct IosLobAppProvisioningConfigurationPatch {
    /// Name shown to administrators.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub display_name: Patch<String>,
    /// `*.mobileprovision` or `*.xml`.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub payload_file_name: Patch<String>,
    /// Base64 with padding.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub payload: Patch<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub description: Patch<String>,
    /// When the profile expires.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub expiration_date_time: Patch<DateTimeOffset>,
    /// Scope tags that narrow who sees it.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    pub role_scope_tag_ids: Patch<Vec<String>>,
}
