//! Lenient parsing of Graph's responses, in which one malformed member does not affect the others:
//! a value of an undocumented JSON type, a name in another case, a duplicate member.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The value of a property in Graph's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Received<T> {
    /// Nothing: it was not selected, or left out.
    #[default]
    Absent,
    /// `null`.
    Null,
    /// A value that the property cannot have: another JSON type, a number out of range, two
    /// different values.
    Malformed,
    /// A value.
    Value(T),
}

impl<T> Received<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Malformed => None,
        }
    }

    /// The value, if there is one.
    pub(super) fn into_value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null | Self::Malformed => None,
        }
    }

    /// Whether the value cannot be read.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        matches!(self, Self::Malformed)
    }
}

/// A property's type, made from the JSON types that it may have.
pub(super) trait Property: Sized {
    /// From a JSON string.
    fn from_text(_text: &str) -> Option<Self> {
        None
    }
    /// From a JSON number without fraction.
    fn from_integer(_integer: i64) -> Option<Self> {
        None
    }
    /// From a JSON array of strings.
    fn from_texts(_texts: Vec<String>) -> Option<Self> {
        None
    }
    /// From a JSON object, of which it reads all members.
    fn from_members<'de, A: MapAccess<'de>>(mut members: A) -> Result<Option<Self>, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl Property for String {
    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Property for i32 {
    fn from_integer(integer: i64) -> Option<Self> {
        integer.try_into().ok()
    }
}

impl Property for i64 {
    fn from_integer(integer: i64) -> Option<Self> {
        Some(integer)
    }
}

impl Property for Vec<String> {
    fn from_texts(texts: Vec<String>) -> Option<Self> {
        Some(texts)
    }
}

impl<'de, T: Property> Deserialize<'de> for Received<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReceivedVisitor(PhantomData))
    }
}

struct ReceivedVisitor<T>(PhantomData<T>);

fn received<T>(value: Option<T>) -> Received<T> {
    value.map_or(Received::Malformed, Received::Value)
}

impl<'de, T: Property> Visitor<'de> for ReceivedVisitor<T> {
    type Value = Received<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(received(T::from_text(text)))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(received(T::from_integer(integer)))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(received(integer.try_into().ok().and_then(T::from_integer)))
    }

    /// `8.0` is an integer to JSON.
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        /// All integers up to here are numbers of this type, and none is rounded.
        const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
        let is_integer = number.fract() == 0.0 && number.abs() < MAX_EXACT_INTEGER;
        #[expect(clippy::cast_possible_truncation, reason = "it is an integer within bounds")]
        let integer = is_integer.then_some(number as i64);
        Ok(received(integer.and_then(T::from_integer)))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Received::Malformed)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Received::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Some(Vec::new());
        while let Some(item) = items.next_element::<Received<String>>()? {
            match (item, &mut texts) {
                (Received::Value(text), Some(texts)) => texts.push(text),
                _ => texts = None,
            }
        }
        Ok(received(texts.and_then(T::from_texts)))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        Ok(received(T::from_members(members)?))
    }
}

/// A member of an object while it is read.
pub(super) struct Slot<T> {
    received: Received<T>,
    /// Whether its name was the documented one; `None` if there was no value yet.
    is_exact: Option<bool>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { received: Received::Absent, is_exact: None }
    }
}

impl<T: PartialEq> Slot<T> {
    /// Accepts a value of the member's name, or of a name that differs in case, which has lower
    /// precedence.
    pub(super) fn take(&mut self, received: Received<T>, is_exact: bool) {
        if self.is_exact.is_none_or(|known| is_exact && !known) {
            *self = Self { received, is_exact: Some(is_exact) };
        } else if self.is_exact == Some(is_exact) && self.received != received {
            self.received = Received::Malformed;
        }
    }

    /// The received value.
    pub(super) fn received(self) -> Received<T> {
        self.received
    }
}

/// The one of `names` that equals a member's, and whether in the same case.
pub(super) fn known(name: &str, names: &'static [&'static str]) -> Option<(&'static str, bool)> {
    let exact = names.iter().find(|known| **known == name).map(|known| (*known, true));
    exact.or_else(|| names.iter().find(|known| known.eq_ignore_ascii_case(name)).map(|known| (*known, false)))
}

/// A member's name, compared with the [`known`] ones.
pub(super) struct KnownName(pub(super) Option<(&'static str, bool)>);

/// Reads a [`KnownName`].
pub(super) struct KnownNames(pub(super) &'static [&'static str]);

impl<'de> serde::de::DeserializeSeed<'de> for KnownNames {
    type Value = KnownName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<KnownName, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownNames {
    type Value = KnownName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<KnownName, E> {
        Ok(KnownName(known(name, self.0)))
    }
}

/// Parses the members of an object into [`Slot`]s and ignores other names.
macro_rules! read_members {
    ($members:ident, { $($slot:ident: $name:literal),+ $(,)? }) => {
        const NAMES: &[&str] = &[$($name),+];
        while let Some(name) = $members.next_key_seed($crate::graph::models::lenient::KnownNames(NAMES))? {
            match name.0 {
                $(Some(($name, is_exact)) => $slot.take($members.next_value()?, is_exact),)+
                _ => {
                    $members.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
    };
}

/// Implements `Deserialize` for an entity of this type, with these properties besides the key. An
/// object of another type is rejected.
macro_rules! entity {
    ($entity:ident, $odata_type:literal, { $($property:ident: $name:literal),+ $(,)? }) => {
        impl $entity {
            /// Its type in Graph's metadata.
            pub(super) const TYPE: &'static str = $odata_type;
            /// The names of its properties in JSON, the key aside.
            pub(super) const NAMES: &'static [&'static str] = &[$($name),+];
        }

        impl<'de> serde::Deserialize<'de> for $entity {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct EntityVisitor;

                impl<'de> serde::de::Visitor<'de> for EntityVisitor {
                    type Value = $entity;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("a ", $odata_type))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(
                        self,
                        mut members: A,
                    ) -> Result<Self::Value, A::Error> {
                        use $crate::graph::models::lenient::{Slot, checked_key, read_members};
                        let mut id = Slot::<String>::default();
                        let mut odata_type = Slot::<String>::default();
                        let mut error = Slot::<serde::de::IgnoredAny>::default();
                        $(let mut $property = Slot::default();)+
                        read_members!(members, {
                            id: "id", odata_type: "@odata.type", error: "error", $($property: $name),+
                        });
                        let id = checked_key(id, odata_type, error, $odata_type)?;
                        Ok($entity { id, $($property: $property.received()),+ })
                    }
                }

                deserializer.deserialize_map(EntityVisitor)
            }
        }
    };
}

pub(super) use {entity, read_members};

/// Only that the member is present.
impl Property for IgnoredAny {
    fn from_text(_: &str) -> Option<Self> {
        Some(Self)
    }

    fn from_integer(_: i64) -> Option<Self> {
        Some(Self)
    }
}

/// The key of an entity.
///
/// # Errors
///
/// If there is no object, or if it is an error or has another type.
pub(super) fn checked_key<E: serde::de::Error>(
    id: Slot<String>,
    odata_type: Slot<String>,
    error: Slot<IgnoredAny>,
    expected: &str,
) -> Result<String, E> {
    if matches!(error.received, Received::Value(_) | Received::Malformed) {
        return Err(E::custom("an error"));
    }
    match odata_type.received {
        Received::Absent | Received::Null => {}
        Received::Value(name) if is_type(&name, expected) => {}
        Received::Value(_) | Received::Malformed => return Err(E::custom("an object of another type")),
    }
    match id.received {
        // A repaired text is not the key any more.
        Received::Value(id) if !id.contains(char::REPLACEMENT_CHARACTER) => Ok(id),
        _ => Err(E::custom("an object without id")),
    }
}

/// Whether `@odata.type` names a type or possibly one derived from it: with or without `#`, in
/// Graph's or its backend's namespace, in any case (official SDKs ignore case).
pub(in crate::graph) fn is_type(name: &str, expected: &str) -> bool {
    let short = |name: &str| {
        let name = name.rsplit('#').next().unwrap_or_default();
        name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase()
    };
    short(name).ends_with(&short(expected))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Received, is_type};
    use crate::graph::models::{ComplianceStatus, DateTimeOffset};

    #[test]
    fn integers_are_read_in_every_form_and_nothing_else_is_one() {
        for (json, value) in [
            ("8", Received::Value(8)),
            ("8.0", Received::Value(8)),
            ("8e0", Received::Value(8)),
            ("-0.0", Received::Value(0)),
            ("-2147483648", Received::Value(i32::MIN)),
            ("null", Received::Null),
            ("8.5", Received::Malformed),
            ("2147483648", Received::Malformed),
            ("18446744073709551615", Received::Malformed),
            ("1e300", Received::Malformed),
            ("\"8\"", Received::Malformed),
            ("true", Received::Malformed),
            ("[8]", Received::Malformed),
            ("{\"value\":8}", Received::Malformed),
        ] {
            assert_eq!(serde_json::from_str::<Received<i32>>(json).unwrap(), value, "{json}");
        }
    }

    #[test]
    fn a_list_of_texts_is_one_of_texts_alone() {
        let read = |json: serde_json::Value| serde_json::from_value::<Received<Vec<String>>>(json).unwrap();
        assert_eq!(read(json!(["0", "1"])), Received::Value(vec!["0".to_owned(), "1".to_owned()]));
        assert_eq!(read(json!([])), Received::Value(vec![]));
        for malformed in [json!(["0", 1]), json!([null]), json!("0"), json!({}), json!([["0"]])] {
            assert_eq!(read(malformed.clone()), Received::Malformed, "{malformed}");
        }
    }

    #[test]
    fn what_came_takes_no_more_room_than_an_option() {
        assert_eq!(size_of::<Received<String>>(), size_of::<Option<String>>());
        assert_eq!(size_of::<Received<DateTimeOffset>>(), size_of::<Option<DateTimeOffset>>());
        assert_eq!(size_of::<Received<ComplianceStatus>>(), size_of::<Option<ComplianceStatus>>());
    }

    #[test]
    fn types_are_told_apart_by_their_own_names() {
        let expected = "microsoft.graph.iosLobAppProvisioningConfiguration";
        for name in [
            "#microsoft.graph.iosLobAppProvisioningConfiguration",
            "microsoft.graph.iosLobAppProvisioningConfiguration",
            "#Microsoft.Graph.IosLobAppProvisioningConfiguration",
            "#microsoft.management.services.api.iosLobAppProvisioningConfiguration",
            "#microsoft.graph.managedIosLobAppProvisioningConfiguration",
            "https://graph.microsoft.com/beta/$metadata#microsoft.graph.iosLobAppProvisioningConfiguration",
        ] {
            assert!(is_type(name, expected), "{name}");
        }
        for name in [
            "#microsoft.graph.user",
            "#microsoft.graph.iosLobAppProvisioningConfigurationAssignment",
            "#microsoft.graph.configuration",
            "#",
            "",
        ] {
            assert!(!is_type(name, expected), "{name}");
        }
    }
}
