//! Writes entities as OData JSON with minimal metadata: `@odata.type` only if the type derives from
//! the declared one, without properties of other versions.

use std::io::Write as _;

use crate::entity::{DateTimeOffset, StructuredValue, Value};
use crate::error::quoted;
use crate::model::{Property, Version};

/// How entities look to one caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) version: Version,
    /// Returns dates with their original text, as the documented examples do, rather than in UTC.
    pub(crate) echo_dates: bool,
    /// The properties to return; all if `None`.
    pub(crate) select: Option<&'a [String]>,
}

/// The members of an object under construction.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Members<'a> {
    /// Opens an object; `close` ends it.
    pub(crate) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Writes a member's name; its value is to follow.
    pub(crate) fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        // Names come from the metadata and from annotations with an escaped part, so quotes are enough.
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn string(&mut self, name: &str, value: &str) {
        string(self.name(name), value);
    }

    pub(crate) fn close(self) {
        self.out.push(b'}');
    }
}

impl View<'_> {
    /// The members of an entity, in the order of its type.
    pub(crate) fn entity(&self, members: &mut Members<'_>, entity: &StructuredValue) {
        if entity.kind.base.is_some() {
            members.string("@odata.type", &format!("#microsoft.graph.{}", entity.kind.name));
        }
        for (property, value) in entity.kind.properties().zip(&entity.values) {
            if self.shows(property) {
                self.value(members.name(property.name), value);
            }
        }
    }

    fn shows(&self, property: &Property) -> bool {
        property.is_in(self.version)
            && self.select.is_none_or(|names| names.iter().any(|name| name == property.name))
    }

    fn value(&self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::String(text) => string(out, text),
            // Base64 needs no escapes.
            Value::Binary(text) => push_quoted(out, text.as_bytes()),
            Value::Int32(number) => push_display(out, number),
            Value::Date(date) => self.date(out, date),
            Value::Member(kind, number) => {
                push_quoted(out, kind.members.get(*number).copied().unwrap_or_default().as_bytes());
            }
            Value::Strings(items) => array(out, items, |out, item| string(out, item)),
            Value::Complex(complex) => self.complex(out, complex),
            Value::Complexes(items) => array(out, items, |out, item| self.complex(out, item)),
        }
    }

    /// A complex value has all its properties, independent of the entity's `$select`.
    fn complex(&self, out: &mut Vec<u8>, complex: &StructuredValue) {
        let mut members = Members::open(out);
        View { select: None, ..*self }.entity(&mut members, complex);
        members.close();
    }

    fn date(&self, out: &mut Vec<u8>, date: &DateTimeOffset) {
        match &date.given {
            // Checked on the way in: digits, signs, `T` and `Z` only.
            Some(given) if self.echo_dates => push_quoted(out, given.as_bytes()),
            _ => {
                out.push(b'"');
                push_display(out, &date.instant);
                out.push(b'"');
            }
        }
    }
}

pub(crate) fn array<T>(out: &mut Vec<u8>, items: &[T], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

fn string(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain { push_quoted(out, text.as_bytes()) } else { out.extend_from_slice(quoted(text).as_bytes()) }
}

fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(text);
    out.push(b'"');
}

pub(crate) fn push_display(out: &mut Vec<u8>, value: &impl std::fmt::Display) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{value}");
}

#[cfg(test)]
mod tests {
    use super::{Members, View};
    use crate::entity::{DateTimeOffset, StructuredValue, Value};
    use crate::instant::Instant;
    use crate::model::{COMPLIANCE_STATUS, DEVICE_STATUS, IOS_MOBILE_APP_CONFIGURATION, Version};

    fn text(entity: &StructuredValue, view: View<'_>) -> String {
        let mut out = Vec::new();
        let mut members = Members::open(&mut out);
        view.entity(&mut members, entity);
        members.close();
        String::from_utf8(out).unwrap()
    }

    fn status() -> StructuredValue {
        let given = "2016-12-31T23:57:41.6559639+03:00";
        StructuredValue::new(&DEVICE_STATUS)
            .with("id", "s")
            .with("userName", "Zo\u{eb} \"Q\"")
            .with("status", Value::Member(&COMPLIANCE_STATUS, 4))
            .with(
                "lastReportedDateTime",
                Value::Date(DateTimeOffset {
                    instant: Instant::parse(given).unwrap(),
                    given: Some(given.to_owned()),
                }),
            )
    }

    const VIEW: View<'_> = View { version: Version::Beta, echo_dates: false, select: None };

    #[test]
    fn a_row_has_every_property_of_its_version_and_no_type() {
        assert_eq!(
            text(&status(), VIEW),
            r#"{"id":"s","deviceDisplayName":null,"userName":"Zoë \"Q\"","deviceModel":null,"platform":0,"complianceGracePeriodExpirationDateTime":"0001-01-01T00:00:00Z","status":"nonCompliant","lastReportedDateTime":"2016-12-31T20:57:41.6559639Z","userPrincipalName":null}"#
        );
        assert!(!text(&status(), View { version: Version::V1, ..VIEW }).contains("platform"));
    }

    #[test]
    fn dates_are_echoed_where_asked() {
        let select = ["lastReportedDateTime".to_owned()];
        assert_eq!(
            text(&status(), View { echo_dates: true, select: Some(&select), ..VIEW }),
            r#"{"lastReportedDateTime":"2016-12-31T23:57:41.6559639+03:00"}"#
        );
    }

    #[test]
    fn derived_types_are_named() {
        let entity = StructuredValue::new(&IOS_MOBILE_APP_CONFIGURATION);
        assert!(
            text(&entity, VIEW)
                .starts_with(r##"{"@odata.type":"#microsoft.graph.iosMobileAppConfiguration","id""##)
        );
    }
}
