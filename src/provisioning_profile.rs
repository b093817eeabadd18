//! Apple's provisioning profiles (`.mobileprovision`): a property list in XML, signed with CMS. The
//! signature is not verified.

#[cfg(any(test, fuzzing))]
pub mod properties;
mod signed_data;

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use plist::{Dictionary, Value};

use self::signed_data::content;

/// Maximum size in bytes. A profile for hundreds of devices has about 60 kB.
const MAX_SIZE: usize = 256 * 1024;
/// Maximum number of arrays and dictionaries, which bounds their nesting. A profile has about 20.
const MAX_CONTAINERS: usize = 500;

/// The contents of a profile. Apple does not document its members; these are in each profile of the
/// developer portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvisioningProfile {
    /// `Name`.
    pub name: Property<String>,
    /// `UUID`.
    pub uuid: Property<String>,
    /// `AppIDName`.
    pub app_id_name: Property<String>,
    /// `application-identifier` of `Entitlements`.
    pub application_identifier: Property<String>,
    /// `TeamName`.
    pub team_name: Property<String>,
    /// `TeamIdentifier`.
    pub team_identifiers: Property<Vec<String>>,
    /// `CreationDate`, in RFC 3339.
    pub creation_date: Property<String>,
    /// `ExpirationDate`, in RFC 3339.
    pub expiration_date: Property<String>,
    /// `IsXcodeManaged`.
    pub is_xcode_managed: Property<bool>,
    /// `ProvisionsAllDevices`, of enterprise profiles.
    pub provisions_all_devices: Property<bool>,
    /// The number of `ProvisionedDevices`, of development and ad hoc profiles.
    pub provisioned_device_count: Property<usize>,
}

/// A property of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property<T> {
    /// The profile does not have it.
    Absent,
    /// It has another type.
    Malformed,
    /// Its value.
    Value(T),
}

/// The bytes are not a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// There are too many.
    #[error("it is larger than {MAX_SIZE} bytes")]
    TooLarge,
    /// The text is not base64.
    #[error("it is not base64")]
    NotBase64,
    /// They are not signed data of CMS (RFC 5652) in DER.
    #[error("it is not signed data (CMS)")]
    NotSignedData,
    /// The signed content is not a property list in XML.
    #[error("its content is not a property list")]
    NotPropertyList,
    /// The property list is not that of a profile.
    #[error("its property list has neither a `UUID` nor an `ExpirationDate`")]
    NotProfile,
}

impl ProvisioningProfile {
    /// Reads a profile in base64. Does not verify its signature.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], for anything that is not a profile.
    pub fn read_base64(text: &str) -> Result<Self, ProfileError> {
        if text.len() / 4 * 3 > MAX_SIZE + 2 {
            return Err(ProfileError::TooLarge);
        }
        Self::read(&STANDARD.decode(text).map_err(|_| ProfileError::NotBase64)?)
    }

    /// Reads a profile, which may be a property list without a signature. Does not verify its
    /// signature.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], for anything that is not a profile.
    pub fn read(bytes: &[u8]) -> Result<Self, ProfileError> {
        if bytes.len() > MAX_SIZE {
            return Err(ProfileError::TooLarge);
        }
        if bytes.trim_ascii_start().starts_with(b"<") {
            return Self::read_property_list(bytes);
        }
        Self::read_property_list(content(bytes).ok_or(ProfileError::NotSignedData)?)
    }

    fn read_property_list(xml: &[u8]) -> Result<Self, ProfileError> {
        let count = |tag: &[u8]| memmem::find_iter(xml, tag).count();
        // The parser drops values recursively. Tags in comments count too.
        if count(b"<dict") + count(b"<array") > MAX_CONTAINERS {
            return Err(ProfileError::NotPropertyList);
        }
        let list = Value::from_reader_xml(Cursor::new(xml)).map_err(|_| ProfileError::NotPropertyList)?;
        let list = list.as_dictionary().ok_or(ProfileError::NotPropertyList)?;
        let profile = Self::of(list);
        match (&profile.uuid, &profile.expiration_date) {
            (Property::Absent, Property::Absent) => Err(ProfileError::NotProfile),
            _ => Ok(profile),
        }
    }

    fn of(list: &Dictionary) -> Self {
        let text = |name| Property::read(list.get(name), |value| value.as_string().map(str::to_owned));
        let is = |name| Property::read(list.get(name), Value::as_boolean);
        let date = |name| Property::read(list.get(name), |value| Some(value.as_date()?.to_xml_format()));
        let entitlement = |name| match list.get("Entitlements").map(Value::as_dictionary) {
            None => Property::Absent,
            Some(None) => Property::Malformed,
            Some(Some(entitlements)) => {
                Property::read(entitlements.get(name), |value| value.as_string().map(str::to_owned))
            }
        };
        let texts = |value: &Value| -> Option<Vec<String>> {
            value.as_array()?.iter().map(|text| text.as_string().map(str::to_owned)).collect()
        };
        Self {
            name: text("Name"),
            uuid: text("UUID"),
            app_id_name: text("AppIDName"),
            application_identifier: entitlement("application-identifier"),
            team_name: text("TeamName"),
            team_identifiers: Property::read(list.get("TeamIdentifier"), texts),
            creation_date: date("CreationDate"),
            expiration_date: date("ExpirationDate"),
            is_xcode_managed: is("IsXcodeManaged"),
            provisions_all_devices: is("ProvisionsAllDevices"),
            provisioned_device_count: Property::read(list.get("ProvisionedDevices"), |devices| {
                devices.as_array().map(Vec::len)
            }),
        }
    }
}

impl<T> Property<T> {
    fn read(value: Option<&Value>, read: impl FnOnce(&Value) -> Option<T>) -> Self {
        value.map_or(Self::Absent, |value| read(value).map_or(Self::Malformed, Self::Value))
    }
}

#[cfg(test)]
mod tests {
    use super::properties::signed;
    use super::{MAX_CONTAINERS, MAX_SIZE, ProfileError, Property, ProvisioningProfile};

    const DEVELOPMENT: &[u8] = include_bytes!("../tests/profiles/development.mobileprovision");
    const AD_HOC: &[u8] = include_bytes!("../tests/profiles/ad-hoc.mobileprovision");
    const ENTERPRISE: &[u8] = include_bytes!("../tests/profiles/enterprise.mobileprovision");

    fn value<T: Into<U>, U>(value: T) -> Property<U> {
        Property::Value(value.into())
    }

    #[test]
    fn profiles_of_each_kind_are_read() {
        let development = ProvisioningProfile {
            name: value("iOS Team Provisioning Profile: com.contoso.field"),
            uuid: value("3f6f2c1e-7a53-4b0e-9b1d-5a1f0c2d4e01"),
            app_id_name: value("Contoso Field"),
            application_identifier: value("A1B2C3D4E5.com.contoso.field"),
            team_name: value("Contoso Ltd"),
            team_identifiers: value(["A1B2C3D4E5".to_owned()]),
            creation_date: value("2026-01-15T09:30:00Z"),
            expiration_date: value("2027-01-15T09:30:00Z"),
            is_xcode_managed: value(true),
            provisions_all_devices: Property::Absent,
            provisioned_device_count: value(2_usize),
        };
        assert_eq!(ProvisioningProfile::read(DEVELOPMENT), Ok(development.clone()));
        let ad_hoc = ProvisioningProfile {
            name: value("Contoso Field Ad Hoc"),
            uuid: value("3f6f2c1e-7a53-4b0e-9b1d-5a1f0c2d4e02"),
            is_xcode_managed: value(false),
            provisioned_device_count: value(3_usize),
            ..development.clone()
        };
        assert_eq!(ProvisioningProfile::read(AD_HOC), Ok(ad_hoc));
        let enterprise = ProvisioningProfile {
            name: value("Contoso Field In-House"),
            uuid: value("3f6f2c1e-7a53-4b0e-9b1d-5a1f0c2d4e03"),
            application_identifier: value("A1B2C3D4E5.*"),
            is_xcode_managed: value(false),
            provisions_all_devices: value(true),
            provisioned_device_count: Property::Absent,
            ..development
        };
        assert_eq!(ProvisioningProfile::read(ENTERPRISE), Ok(enterprise));
    }

    #[test]
    fn anything_else_is_an_error() {
        let read = ProvisioningProfile::read;
        for bytes in
            [&b""[..], b"0", b"0\x80", b"profile", &DEVELOPMENT[..DEVELOPMENT.len() / 2], &[0x30; 99]]
        {
            assert_eq!(read(bytes), Err(ProfileError::NotSignedData));
        }
        assert_eq!(read(&vec![0x30; MAX_SIZE + 1]), Err(ProfileError::TooLarge));
        let large = "A".repeat(MAX_SIZE * 2);
        assert_eq!(ProvisioningProfile::read_base64(&large), Err(ProfileError::TooLarge));
        assert_eq!(ProvisioningProfile::read_base64("A"), Err(ProfileError::NotBase64));
        for text in ["", "text", "<plist", "<plist><array/></plist>", "<plist><dict><key>Name</key></plist>"]
        {
            assert_eq!(read(&signed(text.as_bytes())), Err(ProfileError::NotPropertyList), "{text}");
        }
        let list = b"\n<plist><dict><key>UUID</key><string>u</string></dict></plist>";
        assert_eq!(read(list), read(&signed(list)));
        assert_eq!(read(list).unwrap().uuid, value("u"));
        assert_eq!(read(&signed(b"<plist><dict/></plist>")), Err(ProfileError::NotProfile));
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| {
            let (open, close) = ("<array>".repeat(depth), "</array>".repeat(depth));
            let list = format!("<plist><dict><key>UUID</key>{open}{close}</dict></plist>");
            ProvisioningProfile::read(&signed(list.as_bytes()))
        };
        assert_eq!(nested(MAX_CONTAINERS - 1).unwrap().uuid, Property::Malformed);
        assert_eq!(nested(MAX_CONTAINERS), Err(ProfileError::NotPropertyList));
        assert_eq!(nested(16_000), Err(ProfileError::NotPropertyList));
    }

    #[test]
    fn a_property_of_another_type_does_not_hide_the_others() {
        let list = "<plist><dict><key>UUID</key><string>u</string><key>ExpirationDate</key><string>soon</string>
            <key>TeamIdentifier</key><array><string>a</string><true/></array><key>Entitlements</key><string/></dict></plist>";
        let profile = ProvisioningProfile::read(&signed(list.as_bytes())).unwrap();
        assert_eq!(profile.uuid, value("u"));
        assert_eq!(profile.expiration_date, Property::Malformed);
        assert_eq!(profile.team_identifiers, Property::Malformed);
        assert_eq!(profile.application_identifier, Property::Malformed);
        assert_eq!(profile.name, Property::Absent);
    }
}
