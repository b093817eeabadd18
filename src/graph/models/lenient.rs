//! Reading what Graph answers without losing the rest to one odd member.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A member that is missing, null or of another JSON type than documented is `None`: a write that was done must not
/// look failed because of it.
pub(super) fn option<'de, T: Property, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(PropertyVisitor(PhantomData))
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
    /// From a JSON array, its strings alone.
    fn from_texts(_texts: Vec<String>) -> Option<Self> {
        None
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

impl Property for Vec<String> {
    fn from_texts(texts: Vec<String>) -> Option<Self> {
        Some(texts)
    }
}

struct PropertyVisitor<T>(PhantomData<T>);

impl<'de, T: Property> Visitor<'de> for PropertyVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::from_text(text))
    }

    fn visit_i64<E>(self, integer: i64) -> Result<Self::Value, E> {
        Ok(T::from_integer(integer))
    }

    fn visit_u64<E>(self, integer: u64) -> Result<Self::Value, E> {
        Ok(integer.try_into().ok().and_then(T::from_integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(item) = items.next_element::<serde_json::Value>()? {
            if let serde_json::Value::String(text) = item {
                texts.push(text);
            }
        }
        Ok(T::from_texts(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
