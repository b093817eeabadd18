//! `iosLobAppProvisioningConfiguration`.

use serde::{Deserialize, Serialize};

use super::entity::{self, Entity, NewEntity};
use super::{DateTimeOffset, Patch, lenient};
use crate::graph::odata::{PropertyValue, Select};

/// `microsoft.graph.iosLobAppProvisioningConfiguration` (beta only), as Graph answers it. All but the key may be
/// missing: an answer may be partial, or follow a `$select`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IosLobAppProvisioningConfiguration {
    /// The key, opaque.
    pub id: String,
    /// Name shown to administrators.
    #[serde(default, deserialize_with = "lenient::option")]
    pub display_name: Option<String>,
    /// Free text.
    #[serde(default, deserialize_with = "lenient::option")]
    pub description: Option<String>,
    /// Grows by edits, from 1.
    #[serde(default, deserialize_with = "lenient::option")]
    pub version: Option<i32>,
    /// `*.mobileprovision` or `*.xml`.
    #[serde(default, deserialize_with = "lenient::option")]
    pub payload_file_name: Option<String>,
    /// Base64, as Graph sends `Edm.Binary`.
    #[serde(default, deserialize_with = "lenient::option")]
    pub payload: Option<String>,
    /// Scope tags that narrow who sees it.
    #[serde(default, deserialize_with = "lenient::option")]
    pub role_scope_tag_ids: Option<Vec<String>>,
    /// When the profile expires.
    #[serde(default, deserialize_with = "lenient::option")]
    pub expiration_date_time: Option<DateTimeOffset>,
    /// Set by the service.
    #[serde(default, deserialize_with = "lenient::option")]
    pub created_date_time: Option<DateTimeOffset>,
    /// Set by the service.
    #[serde(default, deserialize_with = "lenient::option")]
    pub last_modified_date_time: Option<DateTimeOffset>,
}

impl Entity for IosLobAppProvisioningConfiguration {
    fn key(&self) -> &str {
        &self.id
    }

    fn property(&self, name: &str) -> PropertyValue<'_> {
        match name {
            "id" => PropertyValue::String(&self.id),
            "displayName" => entity::text(self.display_name.as_ref()),
            "description" => entity::text(self.description.as_ref()),
            "version" => entity::number(self.version),
            "payloadFileName" => entity::text(self.payload_file_name.as_ref()),
            "expirationDateTime" => entity::date(self.expiration_date_time.as_ref()),
            "createdDateTime" => entity::date(self.created_date_time.as_ref()),
            "lastModifiedDateTime" => entity::date(self.last_modified_date_time.as_ref()),
            _ => PropertyValue::Unknown,
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

/// Graph assigns the key, so that there is none to look for.
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
