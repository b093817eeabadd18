//! Inputs that create and change a configuration.

use async_graphql::{InputObject, MaybeUndefined};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::DateTimeOffset;
use super::patch::patch;
use crate::graph::models;
use crate::schema::error::FieldError;

/// A configuration to create.
#[derive(Debug, InputObject)]
pub(crate) struct IosLobAppProvisioningConfigurationInput {
    /// The name that administrators see.
    display_name: String,
    /// The file name of the payload, `*.mobileprovision` or `*.xml`.
    payload_file_name: String,
    /// The profile itself, in base64 with padding and without line breaks. By default it has at
    /// most 1 MiB before base64.
    payload: String,
    /// A description for administrators.
    description: Option<String>,
    /// The time when the profile expires.
    expiration_date_time: Option<DateTimeOffset>,
    /// The ids of the scope tags, which restrict the administrators who see the profile. If you
    /// omit them, Intune may use the default tag `0`.
    role_scope_tag_ids: Option<Vec<String>>,
}

/// Changes to a configuration. An omitted field is left unchanged. An explicit null is sent to
/// Graph as null, and Graph may reject it.
#[derive(Debug, InputObject)]
pub(crate) struct IosLobAppProvisioningConfigurationPatch {
    /// The new name that administrators see.
    display_name: MaybeUndefined<String>,
    /// The new file name of the payload, `*.mobileprovision` or `*.xml`.
    payload_file_name: MaybeUndefined<String>,
    /// The new profile, in base64 with padding and without line breaks. By default it has at most 1
    /// MiB before base64.
    payload: MaybeUndefined<String>,
    /// The new description for administrators.
    description: MaybeUndefined<String>,
    /// The new time when the profile expires.
    expiration_date_time: MaybeUndefined<DateTimeOffset>,
    /// The ids of the new scope tags, which replace the present ones.
    role_scope_tag_ids: MaybeUndefined<Vec<String>>,
}

impl IosLobAppProvisioningConfigurationInput {
    /// The body that Graph is sent. `max_configuration_payload` is in bytes before base64.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` for a payload that is not base64 or too large.
    pub(crate) fn into_model(
        self,
        argument: &str,
        max_configuration_payload: usize,
    ) -> Result<models::NewIosLobAppProvisioningConfiguration, FieldError> {
        check_payload(&self.payload, argument, max_configuration_payload)?;
        Ok(models::NewIosLobAppProvisioningConfiguration {
            display_name: self.display_name,
            payload_file_name: self.payload_file_name,
            payload: self.payload,
            description: self.description,
            expiration_date_time: self.expiration_date_time.map(Into::into),
            role_scope_tag_ids: self.role_scope_tag_ids,
        })
    }
}

impl IosLobAppProvisioningConfigurationPatch {
    /// The body that Graph is sent. `max_configuration_payload` is in bytes before base64.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT` for a payload that is not base64 or too large.
    pub(crate) fn into_model(
        self,
        argument: &str,
        max_configuration_payload: usize,
    ) -> Result<models::IosLobAppProvisioningConfigurationPatch, FieldError> {
        if let MaybeUndefined::Value(payload) = &self.payload {
            check_payload(payload, argument, max_configuration_payload)?;
        }
        Ok(models::IosLobAppProvisioningConfigurationPatch {
            display_name: patch(self.display_name),
            payload_file_name: patch(self.payload_file_name),
            payload: patch(self.payload),
            description: patch(self.description),
            expiration_date_time: patch(self.expiration_date_time),
            role_scope_tag_ids: patch(self.role_scope_tag_ids),
        })
    }
}

/// The payload is sent unchanged. Invalid base64 is rejected here, because Intune responds to it
/// with a 500.
fn check_payload(payload: &str, argument: &str, max: usize) -> Result<(), FieldError> {
    let bytes = STANDARD.decode(payload).map_err(|_| {
        FieldError::bad_user_input(match payload.bytes().position(|byte| byte.is_ascii_whitespace()) {
            Some(position) => format!(
                "`{argument}.payload`: Base64 must not contain line breaks or spaces (found at position {position})."
            ),
            None => format!("`{argument}.payload` must be base64 with padding (RFC 4648, section 4)."),
        })
    })?;
    if bytes.len() > max {
        let message = format!("`{argument}.payload` must not be larger than {max} bytes before base64.");
        return Err(FieldError::bad_user_input(message));
    }
    Ok(())
}
