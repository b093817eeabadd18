//! Relay's global ids: `ig~1.<type>.<key>…`. The prefix distinguishes them from Graph's keys, which
//! are accepted wherever the type and the parent are known.
//!
//! A key of GUIDs joined by `_`, as live keys are, is encoded as `~` and the 16 bytes of each GUID
//! in unpadded base64url, joined by `~`. A GUID that is the key of the object's configuration is
//! left out. Any other key is its text in unpadded base64url. An object has exactly one valid id.

use async_graphql::ID;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::error::FieldError;
use super::type_names;
use crate::graph::{Key, is_guid};

/// Prefix of every global id, independent of the version.
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
            Self::Configuration(key) => encode(CONFIGURATION, key, None),
            Self::DeviceStatus { configuration, key } => encode(DEVICE_STATUS, configuration, Some(key)),
            Self::UserStatus { configuration, key } => encode(USER_STATUS, configuration, Some(key)),
            Self::Assignment { configuration, key } => encode(ASSIGNMENT, configuration, Some(key)),
            Self::GroupAssignment { configuration, key } => {
                encode(GROUP_ASSIGNMENT, configuration, Some(key))
            }
        }
    }

    /// Decodes a global id strictly: one text per object.
    ///
    /// # Errors
    ///
    /// `BAD_USER_INPUT`, naming `argument`.
    pub(super) fn parse(text: &str, argument: &str) -> Result<Self, FieldError> {
        let invalid =
            |why: &str| FieldError::bad_user_input(format!("`{argument}` is not a global id: {why}."));
        let rest = text.strip_prefix(PREFIX).ok_or_else(|| invalid("use the `id` of an object unchanged"))?;
        let rest = rest
            .strip_prefix(VERSION)
            .and_then(|rest| rest.strip_prefix('.'))
            .ok_or_else(|| invalid("its version is not supported"))?;
        // A key can be written in several ways, of which one is its own.
        let id = Self::decode(rest).filter(|id| id.encode() == text);
        id.ok_or_else(|| invalid("it was changed or cut"))
    }

    fn decode(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let kind = parts.next()?;
        let first = decode_key(parts.next()?, None)?;
        let mut contained = || decode_key(parts.next()?, Some(&first));
        let id = match kind {
            CONFIGURATION => Self::Configuration(first),
            DEVICE_STATUS => Self::DeviceStatus { key: contained()?, configuration: first },
            USER_STATUS => Self::UserStatus { key: contained()?, configuration: first },
            ASSIGNMENT => Self::Assignment { key: contained()?, configuration: first },
            GROUP_ASSIGNMENT => Self::GroupAssignment { key: contained()?, configuration: first },
            _ => return None,
        };
        parts.next().is_none().then_some(id)
    }

    /// The name of the type.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Configuration(_) => type_names::CONFIGURATION,
            Self::DeviceStatus { .. } => type_names::DEVICE_STATUS,
            Self::UserStatus { .. } => type_names::USER_STATUS,
            Self::Assignment { .. } => type_names::ASSIGNMENT,
            Self::GroupAssignment { .. } => type_names::GROUP_ASSIGNMENT,
        }
    }

    /// The error of an id that has this type instead of the type of the argument.
    fn mistaken(&self, argument: &str, expected: &str) -> FieldError {
        let found = self.type_name();
        FieldError::bad_user_input(format!(
            "`{argument}` is the global id of {} `{found}`, not of {} `{expected}`.",
            article(found),
            article(expected)
        ))
    }
}

/// The indefinite article of a type's name.
fn article(name: &str) -> &'static str {
    if name.starts_with(['A', 'E', 'I', 'O']) { "an" } else { "a" }
}

fn encode(kind: &str, first: &Key, contained: Option<&Key>) -> String {
    let mut id = [PREFIX, VERSION, ".", kind, "."].concat();
    encode_key(first, None, &mut id);
    if let Some(key) = contained {
        id.push('.');
        encode_key(key, Some(first), &mut id);
    }
    id
}

/// Prefix of the part of an id that encodes GUIDs, and the separator between them.
const GUIDS: char = '~';

/// Writes a key as a part of an id; `parent` is the key of the configuration that contains the object.
fn encode_key(key: &Key, parent: Option<&Key>, id: &mut String) {
    let parts = || key.as_str().split('_');
    if !parts().all(is_guid) {
        URL_SAFE_NO_PAD.encode_string(key.as_str(), id);
        return;
    }
    for part in parts() {
        id.push(GUIDS);
        if parent.is_none_or(|parent| parent.as_str() != part)
            && let Ok(guid) = Uuid::try_parse(part)
        {
            URL_SAFE_NO_PAD.encode_string(guid.as_bytes(), id);
        }
    }
}

/// Reads a key that [`encode_key`] wrote.
fn decode_key(text: &str, parent: Option<&Key>) -> Option<Key> {
    let Some(guids) = text.strip_prefix(GUIDS) else {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        return Key::new(String::from_utf8(bytes).ok()?).ok();
    };
    let guid = |part: &str| match part {
        "" => parent.map(|parent| parent.as_str().to_owned()),
        part => Some(Uuid::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()?.hyphenated().to_string()),
    };
    let guids = guids.split(GUIDS).map(guid).collect::<Option<Vec<_>>>()?;
    Key::new(guids.join("_")).ok()
}

/// The key of a configuration from its global id or its id in Graph.
///
/// # Errors
///
/// `BAD_USER_INPUT` with `argument` if it is a global id of another type, or cannot be a key.
pub(super) fn configuration_key(id: &ID, argument: &str) -> Result<Key, FieldError> {
    if !id.starts_with(PREFIX) {
        return Key::new(id.as_str())
            .map_err(|why| FieldError::bad_user_input(format!("`{argument}` {why}.")));
    }
    match GlobalId::parse(id, argument)? {
        GlobalId::Configuration(key) => Ok(key),
        other => Err(other.mistaken(argument, type_names::CONFIGURATION)),
    }
}

/// The key of a device status of `configuration` from its global id or its id in Graph; `None` for
/// the global id of a status of another configuration.
///
/// # Errors
///
/// `BAD_USER_INPUT` with `argument` if it is a global id of another type, or cannot be a key.
pub(super) fn device_status_key(
    id: &ID,
    configuration: &Key,
    argument: &str,
) -> Result<Option<Key>, FieldError> {
    if !id.starts_with(PREFIX) {
        let key = Key::new(id.as_str())
            .map_err(|why| FieldError::bad_user_input(format!("`{argument}` {why}.")))?;
        return Ok(Some(key));
    }
    match GlobalId::parse(id, argument)? {
        GlobalId::DeviceStatus { configuration: parent, key } => {
            Ok((parent == *configuration).then_some(key))
        }
        other => Err(other.mistaken(argument, type_names::DEVICE_STATUS)),
    }
}

/// The keys of a device status from its global id: the configuration's and its own.
///
/// # Errors
///
/// `BAD_USER_INPUT` with `argument` if it is not a global id, or has another type.
pub(super) fn device_status_keys(id: &ID, argument: &str) -> Result<(Key, Key), FieldError> {
    match GlobalId::parse(id, argument)? {
        GlobalId::DeviceStatus { configuration, key } => Ok((configuration, key)),
        other => Err(other.mistaken(argument, type_names::DEVICE_STATUS)),
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
            // Empty, shorter and longer than a GUID, and not a GUID.
            "ig~1.c.~",
            "ig~1.c.~YQ",
            "ig~1.c.~4qI2MTYx4qIxNqLiMTai",
            "ig~1.c.~4qI2MTYx4qIxNqLiMTai4gA",
            "ig~1.c.~4qI2MTYx4qIxNqLiMTai4h",
            "ig~1.c.~~4qI2MTYx4qIxNqLiMTai4g",
            "ig~1.c.~4qI2MTYx4qIxNqLiMTai4g~",
            // The text of a GUID, which has a shorter form, and the same in capitals.
            "ig~1.c.ZTJhMjM2MzEtMzYzMS1lMmEyLTMxMzYtYTJlMjMxMzZhMmUy",
            "ig~1.c.RTJBMjM2MzEtMzYzMS1FMkEyLTMxMzYtQTJFMjMxMzZBMkUy",
            // The configuration's own key is left out, and is a GUID.
            "ig~1.s.~4qI2MTYx4qIxNqLiMTai4g.~4qI2MTYx4qIxNqLiMTai4g",
            "ig~1.s.YQ.~",
            "ig~1.s.YQ.~~",
        ] {
            assert!(GlobalId::parse(text, "id").is_err(), "{text}");
        }
    }

    #[test]
    fn guids_stand_in_an_id_as_bytes_and_the_configurations_own_not_at_all() {
        let (parent, one, other) = (
            "e2a23631-3631-e2a2-3136-a2e23136a2e2",
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        );
        let (zero, full) = ("A".repeat(22), format!("{}w", "_".repeat(21)));
        for (key, expected) in [
            (one.to_owned(), format!("~{zero}")),
            (parent.to_owned(), "~".to_owned()),
            (format!("{one}_{parent}_{other}"), format!("~{zero}~~{full}")),
            (format!("{parent}_{one}"), format!("~~{zero}")),
            (format!("{one}_{other}"), format!("~{zero}~{full}")),
            (format!("{parent}_{parent}"), "~~".to_owned()),
            (format!("{one}_x"), "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwX3g".to_owned()),
            (format!("{one}_"), "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwXw".to_owned()),
        ] {
            let key = Key::new(key.to_uppercase().replace("_X", "_x")).unwrap();
            let id = GlobalId::DeviceStatus { configuration: Key::new(parent).unwrap(), key };
            let text = id.encode();
            assert_eq!(text, format!("ig~1.s.~4qI2MTYx4qIxNqLiMTai4g.{expected}"));
            assert_eq!(GlobalId::parse(&text, "id").ok(), Some(id));
            assert!(text.len() < 100);
        }
    }

    /// Possible keys: of GUIDs in either case, of any text, and of both.
    fn any_key() -> impl Strategy<Value = String> {
        let guid = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|e2a23631-3631-e2a2-3136-a2e23136a2e2";
        prop_oneof![
            "\\PC{1,60}",
            proptest::collection::vec(guid, 1..4).prop_map(|guids| guids.join("_")),
            proptest::collection::vec(prop_oneof![guid, "[a-zA-Z~_.]{0,2}"], 1..5)
                .prop_map(|parts| parts.join("_")),
        ]
    }

    proptest! {
        #[test]
        fn any_keys_round_trip_in_url_safe_text(configuration in any_key(), key in any_key()) {
            let (Ok(configuration), Ok(key)) = (Key::new(configuration), Key::new(key)) else { return Ok(()) };
            for id in [GlobalId::Configuration(key.clone()), GlobalId::DeviceStatus { configuration, key }] {
                let text = id.encode();
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
                prop_assert_eq!(GlobalId::parse(&text, "id").ok(), Some(id));
            }
        }

        #[test]
        fn what_decodes_is_the_one_text_of_its_id(text in "ig~1\\.[csuag]\\.(~?[A-Za-z0-9_-]{0,8}|~A{21}[AQgwB])(\\.(~?[A-Za-z0-9_~-]{0,8}|(~|~A{21}[AQgwB]){0,3}))?") {
            if let Ok(id) = GlobalId::parse(&text, "id") {
                prop_assert_eq!(id.encode(), text);
            }
        }
    }
}
