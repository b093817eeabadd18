//! `iosLobAppProvisioningConfiguration`.

use serde::Deserialize;

use super::entity::{self, Entity};
use super::{DateTimeOffset, lenient};
use crate::graph::odata::PropertyValue;

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
