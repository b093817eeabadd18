//! `ProvisioningProfile`: the contents of a configuration's payload.

use async_graphql::Object;

use super::DateTimeOffset;
use crate::graph::models;
use crate::provisioning_profile::{self, Property};
use crate::schema::error::FieldError;

/// The contents of a provisioning profile: who may install which apps, and until when.
///
/// The gateway reads them from `payload`. It does not verify the signature of the profile. A
/// property is null if the profile does not have it. It is also null if its value could not be
/// read; the response then has an error with the path of the field.
#[derive(Debug)]
pub(crate) struct ProvisioningProfile(provisioning_profile::ProvisioningProfile);

impl ProvisioningProfile {
    /// The profile in a payload.
    ///
    /// # Errors
    ///
    /// `UPSTREAM_ERROR` if the payload is not a profile.
    pub(crate) fn read(payload: &str) -> Result<Self, FieldError> {
        let profile = provisioning_profile::ProvisioningProfile::read_base64(payload);
        profile.map(Self).map_err(|error| FieldError::unreadable_profile(error.to_string()))
    }
}

/// The contents of a provisioning profile: who may install which apps, and until when.
///
/// The gateway reads them from `payload`. It does not verify the signature of the profile. A
/// property is null if the profile does not have it. It is also null if its value could not be
/// read; the response then has an error with the path of the field.
#[Object]
#[expect(clippy::disallowed_types, reason = "the macro names it")]
impl ProvisioningProfile {
    /// The name of the profile.
    async fn name(&self) -> Option<Result<&str, FieldError>> {
        field(&self.0.name, String::as_str)
    }

    /// The UUID of the profile, by which devices distinguish profiles.
    async fn uuid(&self) -> Option<Result<&str, FieldError>> {
        field(&self.0.uuid, String::as_str)
    }

    /// The name of the app ID in Apple's developer account.
    async fn app_id_name(&self) -> Option<Result<&str, FieldError>> {
        field(&self.0.app_id_name, String::as_str)
    }

    /// The apps that the profile is for: a prefix and a bundle ID, which may end in `*`.
    async fn application_identifier(&self) -> Option<Result<&str, FieldError>> {
        field(&self.0.application_identifier, String::as_str)
    }

    /// The name of the team that the profile belongs to.
    async fn team_name(&self) -> Option<Result<&str, FieldError>> {
        field(&self.0.team_name, String::as_str)
    }

    /// The identifiers of the team that the profile belongs to.
    async fn team_identifiers(&self) -> Option<Result<&[String], FieldError>> {
        field(&self.0.team_identifiers, Vec::as_slice)
    }

    /// The time when the profile was created.
    async fn creation_date(&self) -> Option<Result<DateTimeOffset, FieldError>> {
        date(&self.0.creation_date)
    }

    /// The time when the profile expires. Apps that it signs do not start afterwards.
    async fn expiration_date(&self) -> Option<Result<DateTimeOffset, FieldError>> {
        date(&self.0.expiration_date)
    }

    /// Whether Xcode manages the profile.
    async fn is_xcode_managed(&self) -> Option<Result<bool, FieldError>> {
        field(&self.0.is_xcode_managed, |is| *is)
    }

    /// Whether the profile is for all devices, as enterprise profiles are. Usually null in others.
    async fn provisions_all_devices(&self) -> Option<Result<bool, FieldError>> {
        field(&self.0.provisions_all_devices, |is| *is)
    }

    /// The number of devices that the profile lists, as development and ad hoc profiles do. Null if
    /// it has no list.
    async fn provisioned_device_count(&self) -> Option<Result<i32, FieldError>> {
        field(&self.0.provisioned_device_count, |count| i32::try_from(*count).unwrap_or(i32::MAX))
    }
}

fn field<'a, T, U>(
    property: &'a Property<T>,
    value: impl FnOnce(&'a T) -> U,
) -> Option<Result<U, FieldError>> {
    match property {
        Property::Absent => None,
        Property::Malformed => Some(Err(malformed())),
        Property::Value(found) => Some(Ok(value(found))),
    }
}

/// A date of the property list may have a year beyond those of RFC 3339.
fn date(property: &Property<String>) -> Option<Result<DateTimeOffset, FieldError>> {
    let date = field(property, |text| models::DateTimeOffset::parse(text.as_str()))?;
    Some(date.and_then(|date| date.map(DateTimeOffset).map_err(|_| malformed())))
}

fn malformed() -> FieldError {
    FieldError::unreadable_profile("this property has an unexpected value".to_owned())
}
