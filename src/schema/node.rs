//! Relay's global ids: `ig~1.<type>.<key>…`, each key in unpadded base64url. The prefix tells them from Graph's own
//! keys, which callers may give wherever the type and the parent are known.

use async_graphql::{Context, ID, Interface};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::connection::Listed as _;
use super::error::FieldError;
use super::selection::Selected;
use super::types::{
    ConfigurationAssignment, ConfigurationGroupAssignment, DeviceStatus, IosLobAppProvisioningConfiguration,
    UserStatus,
};
use crate::graph::Key;

/// An object with a global id.
#[derive(Debug, Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The object's global id: opaque, URL-safe and stable."))]
pub(super) enum Node {
    /// A configuration.
    IosLobAppProvisioningConfiguration(IosLobAppProvisioningConfiguration),
    /// A device status.
    DeviceStatus(DeviceStatus),
    /// A user status.
    UserStatus(UserStatus),
    /// An assignment.
    ConfigurationAssignment(ConfigurationAssignment),
    /// A group assignment.
    ConfigurationGroupAssignment(ConfigurationGroupAssignment),
}

impl Node {
    /// Reads what is selected of the object that a caller names by its global id; `None` where Graph has none of it.
    pub(super) async fn load(ctx: &Context<'_>, id: &ID, argument: &str) -> Result<Option<Self>, FieldError> {
        Ok(match GlobalId::parse(id, argument)? {
            GlobalId::Configuration(key) => {
                let selected = Selected::of(ctx, IosLobAppProvisioningConfiguration::NAME);
                let configuration = IosLobAppProvisioningConfiguration::load(ctx, selected, &key).await?;
                configuration.map(Self::IosLobAppProvisioningConfiguration)
            }
            GlobalId::DeviceStatus { configuration, key } => {
                let selected = Selected::of(ctx, DeviceStatus::NAME);
                DeviceStatus::load(ctx, selected, &configuration, &key).await?.map(Self::DeviceStatus)
            }
            GlobalId::UserStatus { configuration, key } => {
                UserStatus::load(ctx, &configuration, &key).await?.map(Self::UserStatus)
            }
            GlobalId::Assignment { configuration, key } => {
                let assignment = ConfigurationAssignment::load(ctx, &configuration, &key).await?;
                assignment.map(Self::ConfigurationAssignment)
            }
            GlobalId::GroupAssignment { configuration, key } => {
                let assignment = ConfigurationGroupAssignment::load(ctx, &configuration, &key).await?;
                assignment.map(Self::ConfigurationGroupAssignment)
            }
        })
    }
}

/// What every global id starts with, whatever its version.
const PREFIX: &str = "ig~";
const VERSION: &str = "1";
const CONFIGURATION: &str = "c";
const DEVICE_STATUS: &str = "s";
const USER_STATUS: &str = "u";
const ASSIGNMENT: &str = "a";
const GROUP_ASSIGNMENT: &str = "g";

/// A global id, decoded: the type, the key of the configuration that contains the object, and the object's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum GlobalId {
    /// An `IosLobAppProvisioningConfiguration`.
    Configuration(Key),
    /// A `DeviceStatus`.
    DeviceStatus { configuration: Key, key: Key },
    /// A `UserStatus`.
    UserStatus { configuration: Key, key: Key },
    /// A `ConfigurationAssignment`.
    Assignment { configuration: Key, key: Key },
    /// A `ConfigurationGroupAssignment`.
    GroupAssignment { configuration: Key, key: Key },
}

impl GlobalId {
    /// The id as callers see it.
    #[must_use]
    pub(super) fn encode(&self) -> String {
        match self {
            Self::Configuration(key) => encode(CONFIGURATION, &[key]),
            Self::DeviceStatus { configuration, key } => encode(DEVICE_STATUS, &[configuration, key]),
            Self::UserStatus { configuration, key } => encode(USER_STATUS, &[configuration, key]),
            Self::Assignment { configuration, key } => encode(ASSIGNMENT, &[configuration, key]),
            Self::GroupAssignment { configuration, key } => encode(GROUP_ASSIGNMENT, &[configuration, key]),
        }
    }

    /// Decodes a global id strictly: one text per object.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, naming `argument`.
    pub(super) fn parse(text: &str, argument: &str) -> Result<Self, FieldError> {
        let invalid =
            |why: &str| FieldError::bad_user_input(format!("{argument} is not a global id: {why}."));
        let rest =
            text.strip_prefix(PREFIX).ok_or_else(|| invalid("take the `id` of an object as it was given"))?;
        let rest = rest
            .strip_prefix(VERSION)
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or_else(|| invalid("its version is not known here"))?;
        Self::decode(rest).ok_or_else(|| invalid("it is damaged"))
    }

    fn decode(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let kind = parts.next()?;
        let mut key = || {
            let bytes = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
            Key::new(String::from_utf8(bytes).ok()?).ok()
        };
        let first = key()?;
        let id = match kind {
            CONFIGURATION => Self::Configuration(first),
            DEVICE_STATUS => Self::DeviceStatus { configuration: first, key: key()? },
            USER_STATUS => Self::UserStatus { configuration: first, key: key()? },
            ASSIGNMENT => Self::Assignment { configuration: first, key: key()? },
            GROUP_ASSIGNMENT => Self::GroupAssignment { configuration: first, key: key()? },
            _ => return None,
        };
        parts.next().is_none().then_some(id)
    }

    /// The name of the type.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Configuration(_) => IosLobAppProvisioningConfiguration::NAME,
            Self::DeviceStatus { .. } => DeviceStatus::NAME,
            Self::UserStatus { .. } => UserStatus::NAME,
            Self::Assignment { .. } => ConfigurationAssignment::NAME,
            Self::GroupAssignment { .. } => ConfigurationGroupAssignment::NAME,
        }
    }

    /// The error that an id is of this type, and not of the one that an argument takes.
    fn mistaken(&self, argument: &str, expected: &str) -> FieldError {
        let found = self.type_name();
        FieldError::bad_user_input(format!("{argument} is the global id of a {found}, not of a {expected}."))
    }
}

fn encode(kind: &str, keys: &[&Key]) -> String {
    let mut id = [PREFIX, VERSION, ".", kind].concat();
    for key in keys {
        id.push('.');
        URL_SAFE_NO_PAD.encode_string(key.as_str(), &mut id);
    }
    id
}

/// The key of a configuration that a caller names by global id or by Graph's own key.
///
/// # Errors
///
/// `BAD_USER_INPUT`, naming `argument`, where it is a global id of another type, or cannot be a key.
pub(super) fn configuration_key(id: &ID, argument: &str) -> Result<Key, FieldError> {
    if !id.starts_with(PREFIX) {
        return Key::new(id.as_str()).map_err(|why| FieldError::bad_user_input(format!("{argument} {why}.")));
    }
    match GlobalId::parse(id, argument)? {
        GlobalId::Configuration(key) => Ok(key),
        other => Err(other.mistaken(argument, IosLobAppProvisioningConfiguration::NAME)),
    }
}

/// The key of a device status of `configuration` that a caller names by global id or by Graph's own key; `None` for the
/// global id of a status of another configuration, which this one does not contain.
///
/// # Errors
///
/// `BAD_USER_INPUT`, naming `argument`, where it is a global id of another type, or cannot be a key.
pub(super) fn device_status_key(
    id: &ID,
    configuration: &Key,
    argument: &str,
) -> Result<Option<Key>, FieldError> {
    if !id.starts_with(PREFIX) {
        let key =
            Key::new(id.as_str()).map_err(|why| FieldError::bad_user_input(format!("{argument} {why}.")))?;
        return Ok(Some(key));
    }
    match GlobalId::parse(id, argument)? {
        GlobalId::DeviceStatus { configuration: parent, key } => {
            Ok((parent == *configuration).then_some(key))
        }
        other => Err(other.mistaken(argument, DeviceStatus::NAME)),
    }
}

/// The keys of a device status that a caller names by its global id: its configuration's and its own.
///
/// # Errors
///
/// `BAD_USER_INPUT`, naming `argument`, where it is no global id, or one of another type.
pub(super) fn device_status_keys(id: &ID, argument: &str) -> Result<(Key, Key), FieldError> {
    match GlobalId::parse(id, argument)? {
        GlobalId::DeviceStatus { configuration, key } => Ok((configuration, key)),
        other => Err(other.mistaken(argument, DeviceStatus::NAME)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{GlobalId, Key};

    #[test]
    fn damaged_and_foreign_ids_are_refused() {
        let key = Key::new("a").unwrap();
        let id = GlobalId::Configuration(key.clone()).encode();
        assert_eq!(id, "ig~1.c.YQ");
        for text in [
            "",
            "x",
            "ig~",
            "ig~1",
            "ig~1.c",
            "ig~1.c.",
            "ig~1.c.YQ.",
            "ig~1.c.YQ.YQ",
            "ig~1.s.YQ",
            "ig~1.x.YQ",
            "ig~2.c.YQ",
            "ig~01.c.YQ",
            "ig~1.c.YR",
            "ig~1.c.YQ==",
            "ig~1.c.Y+",
            "ig~1.c.Lg",
            "ig~1.c.Li4",
            "ig~1.c.JTJl",
            "ig~1.c._w",
            "ig~1.s.YQ.YQ.YQ",
            " ig~1.c.YQ",
        ] {
            assert!(GlobalId::parse(text, "id").is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_keys_round_trip_in_url_safe_text(configuration in "\\PC{1,60}", key in "\\PC{1,60}") {
            let (Ok(configuration), Ok(key)) = (Key::new(configuration), Key::new(key)) else { return Ok(()) };
            for id in [GlobalId::Configuration(key.clone()), GlobalId::DeviceStatus { configuration, key }] {
                let text = id.encode();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
                prop_assert_eq!(GlobalId::parse(&text, "id").ok(), Some(id));
            }
        }

        #[test]
        fn what_decodes_is_the_one_text_of_its_id(text in "ig~1\\.[csuag]\\.[A-Za-z0-9_-]{0,8}(\\.[A-Za-z0-9_-]{0,8})?") {
            if let Ok(id) = GlobalId::parse(&text, "id") {
                prop_assert_eq!(id.encode(), text);
            }
        }
    }
}
