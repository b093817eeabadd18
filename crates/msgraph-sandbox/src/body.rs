//! Validates request bodies against the metadata and reads them into values, with Graph's error messages.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value as Json};

use crate::entity::{DateTimeOffset, StructuredValue, Value};
use crate::error::{GraphError, Result, Shape};
use crate::instant::Instant;
use crate::model::{Origin, Property, PropertyType, StructuredType, Version};

/// How request bodies are validated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) version: Version,
    /// Ignore unknown properties instead of rejecting them.
    pub(crate) ignore_unknown: bool,
}

/// Values by the index of their property.
pub(crate) type Changes = Vec<(usize, Value)>;

/// Reads a body as a JSON object.
pub(crate) fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Json>> {
    let unreadable = || {
        GraphError::bad_request(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )
    };
    if !is_json(headers) {
        return Err(unreadable());
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(GraphError::bad_request("Empty Payload. JSON content expected."));
    }
    match serde_json::from_slice(body) {
        Ok(Json::Object(members)) => Ok(members),
        _ => Err(unreadable()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

impl Rules {
    /// Reads a new entity: the properties of the body, and defaults for the rest. Properties that the service sets are
    /// validated and dropped; so is the key, which `given_key` reads.
    pub(crate) fn create(
        self,
        declared: &'static StructuredType,
        body: &Map<String, Json>,
    ) -> Result<StructuredValue> {
        let kind = self.concrete(declared, body)?;
        let mut entity = StructuredValue::new(kind);
        for (index, value) in self.changes(kind, body)? {
            entity.values[index] = value;
        }
        require_all(kind, &entity)?;
        Ok(entity)
    }

    /// Reads changes to an entity. A key in the body must be the entity's own.
    pub(crate) fn update(self, entity: &StructuredValue, body: &Map<String, Json>) -> Result<Changes> {
        if let Some(odata_type) = odata_type(body)? {
            check_type(entity.kind, odata_type)?;
        }
        if let Some(id) = given_key(body)
            && !id.eq_ignore_ascii_case(entity.id())
        {
            return Err(GraphError::bad_request("The key of an entity cannot be changed."));
        }
        self.changes(entity.kind, body)
    }

    /// The type of a new entity: the declared one, or a type derived from it that `@odata.type` must then name.
    fn concrete(
        self,
        declared: &'static StructuredType,
        body: &Map<String, Json>,
    ) -> Result<&'static StructuredType> {
        match odata_type(body)? {
            Some(odata_type) => check_type(declared, odata_type),
            None if declared.derived.is_empty() => Ok(declared),
            None => Err(GraphError::bad_request(format!(
                "Cannot create an abstract class: 'microsoft.graph.{}' needs '@odata.type'.",
                declared.name
            ))),
        }
    }

    fn changes(self, kind: &'static StructuredType, body: &Map<String, Json>) -> Result<Changes> {
        let mut changes = Changes::new();
        for (name, json) in body {
            if let Some((annotated, _)) = name.split_once("@odata.")
                && (annotated.is_empty() || kind.property(annotated, self.version).is_some())
            {
                continue;
            }
            let Some((index, property)) = kind.property(name, self.version) else {
                if self.ignore_unknown {
                    continue;
                }
                return Err(unknown_property(kind, name));
            };
            let value = self.value(property, json)?;
            match property.origin {
                Origin::Key | Origin::Service => {}
                Origin::Required | Origin::Optional => changes.push((index, value)),
            }
        }
        Ok(changes)
    }

    fn value(self, property: &'static Property, json: &Json) -> Result<Value> {
        let read = match (property.kind, json) {
            (_, Json::Null) => property.nullable.then_some(Value::Null),
            (PropertyType::String, Json::String(text)) => Some(Value::String(text.clone())),
            (PropertyType::Int32, Json::Number(number)) => {
                number.as_i64().and_then(|number| i32::try_from(number).ok()).map(Value::Int32)
            }
            (PropertyType::DateTimeOffset, Json::String(text)) => Instant::parse(text)
                .map(|instant| Value::Date(DateTimeOffset { instant, given: Some(text.clone()) })),
            (PropertyType::Binary, Json::String(text)) => canonical_base64(text).map(Value::Binary),
            (PropertyType::Enum(kind), Json::String(text)) => kind
                .members
                .iter()
                .position(|member| member == text)
                .map(|number| Value::Member(kind, number)),
            (PropertyType::Strings, Json::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map(Value::Strings),
            (PropertyType::Complex(declared), Json::Object(members)) => {
                return self.complex(declared, members).map(Value::Complex);
            }
            (PropertyType::Complexes(declared), Json::Array(items)) => {
                return items
                    .iter()
                    .map(|item| {
                        let members = item.as_object().ok_or_else(|| mismatch(property.name))?;
                        self.complex(declared, members)
                    })
                    .collect::<Result<_>>()
                    .map(Value::Complexes);
            }
            _ => None,
        };
        read.ok_or_else(|| mismatch(property.name))
    }

    /// Reads a complex value, or an entity within an action's parameters.
    pub(crate) fn complex(
        self,
        declared: &'static StructuredType,
        members: &Map<String, Json>,
    ) -> Result<StructuredValue> {
        self.create(declared, members)
    }
}

/// The `id` in a body, if present.
pub(crate) fn given_key(body: &Map<String, Json>) -> Option<&str> {
    body.get("id").and_then(Json::as_str)
}

/// A property whose JSON has the wrong type, or a value that its type lacks.
pub(crate) fn mismatch(name: &str) -> GraphError {
    GraphError::bad_request(format!("Property {name} in payload has a value that does not match schema."))
}

/// A property that the type lacks.
pub(crate) fn unknown_property(kind: &StructuredType, name: &str) -> GraphError {
    let message = format!(
        "The property '{name}' does not exist on type 'microsoft.management.services.api.{}'. Make sure to only use property names that are defined by the type.",
        kind.name
    );
    GraphError::new(StatusCode::BAD_REQUEST, "ModelValidationFailure", message)
        .in_shape(Shape::GatewayRepeated)
}

fn odata_type(body: &Map<String, Json>) -> Result<Option<&str>> {
    match body.get("@odata.type") {
        None => Ok(None),
        Some(Json::String(name)) => Ok(Some(name)),
        Some(_) => Err(mismatch("@odata.type")),
    }
}

/// The message of `ODataLib`, which Graph's gateway passes on. Assumed, because no live sample was found.
fn check_type(declared: &'static StructuredType, odata_type: &str) -> Result<&'static StructuredType> {
    declared.named(odata_type).ok_or_else(|| {
        GraphError::bad_request(format!(
            "A type named '{}' could not be resolved by the model or is not assignable to the expected type 'microsoft.graph.{}'.",
            odata_type.trim_start_matches('#'),
            declared.name
        ))
    })
}

fn require_all(kind: &'static StructuredType, entity: &StructuredValue) -> Result<()> {
    let missing = kind
        .properties()
        .zip(&entity.values)
        .find(|(property, value)| property.origin == Origin::Required && **value == Value::Null);
    match missing {
        None => Ok(()),
        Some((property, _)) => {
            Err(GraphError::bad_request(format!("The required property '{}' is missing.", property.name)))
        }
    }
}

/// Reads base64 and base64url, padded or not, and returns standard base64 with padding.
fn canonical_base64(text: &str) -> Option<String> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let bytes = GeneralPurpose::new(alphabet, lenient).decode(text).ok()?;
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value as Json, json};

    use super::{Rules, canonical_base64};
    use crate::entity::{StructuredValue, Value};
    use crate::error::GraphError;
    use crate::model::{DEVICE_STATUS, IOS_LOB_APP_PROVISIONING_CONFIGURATION, Version};

    const RULES: Rules = Rules { version: Version::Beta, ignore_unknown: false };

    fn members(body: Json) -> Map<String, Json> {
        match body {
            Json::Object(members) => members,
            other => panic!("{other} is no object"),
        }
    }

    fn status(body: Json) -> Result<StructuredValue, GraphError> {
        RULES.create(&DEVICE_STATUS, &members(body))
    }

    #[test]
    fn omitted_properties_are_null_or_the_default_of_their_type() {
        let status = status(json!({})).unwrap();
        assert_eq!(status.get("deviceModel"), &Value::Null);
        assert_eq!(status.int32("platform"), 0);
        assert_eq!(status.member("status"), 0);
        let configuration = RULES.create(&IOS_LOB_APP_PROVISIONING_CONFIGURATION, &members(json!({})));
        assert_eq!(configuration.unwrap_err().message, "The required property 'payloadFileName' is missing.");
    }

    #[test]
    fn an_invalid_value_is_rejected_with_the_name_of_its_property() {
        for (body, name) in [
            (json!({"status": "String"}), "status"),
            (json!({"status": 4}), "status"),
            (json!({"status": null}), "status"),
            (json!({"platform": "8"}), "platform"),
            (json!({"platform": 2_147_483_648_u64}), "platform"),
            (json!({"platform": 1.5}), "platform"),
            (json!({"userName": 1}), "userName"),
            (json!({"lastReportedDateTime": "2026-11-23T01:02:03"}), "lastReportedDateTime"),
            (json!({"id": null}), "id"),
        ] {
            let expected = format!("Property {name} in payload has a value that does not match schema.");
            assert_eq!(status(body).unwrap_err().message, expected);
        }
    }

    #[test]
    fn unknown_properties_are_rejected_unless_they_are_ignored() {
        let body = json!({"user_name": null});
        let error = status(body.clone()).unwrap_err();
        assert_eq!(error.code, "ModelValidationFailure");
        let lenient = Rules { ignore_unknown: true, ..RULES };
        assert!(lenient.create(&DEVICE_STATUS, &members(body)).is_ok());
    }

    #[test]
    fn annotations_are_ignored_and_types_checked() {
        assert!(status(json!({"@odata.context": "x", "status@odata.type": "y"})).is_ok());
        for good in [
            "#microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus",
            "microsoft.graph.managedDeviceMobileAppConfigurationDeviceStatus",
        ] {
            assert!(status(json!({"@odata.type": good})).is_ok());
        }
        assert!(status(json!({"@odata.type": "#microsoft.graph.user"})).is_err());
    }

    #[test]
    fn base64_in_both_alphabets_is_normalized_to_one() {
        assert_eq!(canonical_base64("-_8").as_deref(), Some("+/8="));
        assert_eq!(canonical_base64("+/8=").as_deref(), Some("+/8="));
        assert_eq!(canonical_base64("").as_deref(), Some(""));
        assert_eq!(canonical_base64("a"), None);
        assert_eq!(canonical_base64("%%%%"), None);
        assert_eq!(canonical_base64("+_8="), None);
    }
}
