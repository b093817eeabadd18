//! Graph's error shapes, byte for byte: the gateway's own, and Intune's with a JSON document inside `message`.

use std::borrow::Cow;

use http::StatusCode;
use time::OffsetDateTime;

use crate::model::StructuredType;
use crate::response::GraphResponse;

/// An error response of Graph.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GraphError {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) shape: Shape,
}

/// The component whose error format is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Graph's gateway: `message` is text.
    Gateway,
    /// As `Gateway`, with the message repeated in `innerError`.
    GatewayRepeated,
    /// Intune: `message` is JSON with the text in its `Message`.
    Intune,
    /// Intune behind a gateway time-out: `message` is JSON whose `Message` is such JSON again.
    IntuneTwice,
}

/// The details of the request in error bodies.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    pub(crate) request_id: String,
    /// The caller's id, otherwise a copy of `request_id`.
    pub(crate) client_request_id: String,
    pub(crate) date: OffsetDateTime,
    /// The URL of Intune's front end in wrapped messages.
    pub(crate) service_url: String,
}

pub(crate) type Result<T> = std::result::Result<T, GraphError>;

impl GraphError {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code: code.into(), message: message.into(), shape: Shape::Gateway }
    }

    /// The same error in another shape.
    pub(crate) fn in_shape(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// No such parent or entity.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", "An error has occurred").in_shape(Shape::Intune)
    }

    pub(crate) fn segment_not_found(segment: &str) -> Self {
        Self::bad_request(format!("Resource not found for the segment '{segment}'."))
    }

    pub(crate) fn invalid_version(segment: &str) -> Self {
        let segment = segment.to_lowercase();
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", format!("Invalid version: {segment}"))
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request_BadRequest",
            "Specified HTTP method is not allowed for the request target.",
        )
    }

    /// A documented route that Intune's backend does not have.
    pub(crate) fn missing_route(template: &str, verb: &str, service_path: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "No method match route template",
            format!(
                "No OData route exists that match template {template} with http verb {verb} for request {service_path}."
            ),
        )
    }

    /// The body of the response.
    pub(crate) fn body(&self, trace: &Trace) -> Vec<u8> {
        let message = match self.shape {
            Shape::Gateway | Shape::GatewayRepeated => self.message.clone().into_owned(),
            Shape::Intune => wrapped(&self.message, trace),
            Shape::IntuneTwice => format!(r#"{{"Message":{}}}"#, quoted(&wrapped(&self.message, trace))),
        };
        let repeated = match self.shape {
            Shape::GatewayRepeated => format!(r#""message":{},"#, quoted(&message)),
            Shape::Gateway | Shape::Intune | Shape::IntuneTwice => String::new(),
        };
        format!(
            r#"{{"error":{{"code":{},"message":{},"innerError":{{{repeated}"date":"{}","request-id":"{}","client-request-id":"{}"}}}}}}"#,
            quoted(&self.code),
            quoted(&message),
            trace.date_text(),
            trace.request_id,
            trace.client_request_id,
        )
        .into_bytes()
    }

    pub(crate) fn response(&self, trace: &Trace) -> GraphResponse {
        GraphResponse::error(self.status, self.body(trace))
    }
}

impl Trace {
    /// UTC without a zone suffix and in whole seconds, as `innerError.date` has it.
    pub(crate) fn date_text(&self) -> String {
        let (date, (hour, minute, second)) = (self.date.date(), self.date.time().as_hms());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    }
}

/// Intune's JSON document: CRLF line ends, two-space indent, six members.
fn wrapped(text: &str, trace: &Trace) -> String {
    let message = format!(
        "{text} - Operation ID (for customer support): 00000000-0000-0000-0000-000000000000 - Activity ID: {} - Url: {}",
        trace.client_request_id, trace.service_url
    );
    [
        "{".to_owned(),
        r#"  "_version": 3,"#.to_owned(),
        format!(r#"  "Message": {},"#, quoted(&message)),
        r#"  "CustomApiErrorPhrase": "","#.to_owned(),
        r#"  "RetryAfter": null,"#.to_owned(),
        r#"  "ErrorSourceService": "","#.to_owned(),
        r#"  "HttpHeaders": "{}""#.to_owned(),
        "}".to_owned(),
    ]
    .join("\r\n")
}

/// The message of `ODataLib` for a property that a type does not have.
pub(crate) fn no_property(name: &str, kind: &StructuredType) -> String {
    format!("Could not find a property named '{name}' on type 'microsoft.graph.{}'.", kind.name)
}

/// A JSON string literal.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use time::macros::datetime;

    use super::{GraphError, Shape, Trace};

    fn trace() -> Trace {
        Trace {
            request_id: "05daac7e-495a-4050-b377-3c20ddfc7849".to_owned(),
            client_request_id: "d8d4fea4-bac5-3a83-88fd-0e43cd5b0505".to_owned(),
            date: datetime!(2024-07-07 21:59:24.25 UTC),
            service_url: "https://fef.msud01.manage.microsoft.com/Service/x?api-version=5020-08-21"
                .to_owned(),
        }
    }

    fn body(error: &GraphError) -> String {
        String::from_utf8(error.body(&trace())).unwrap()
    }

    #[test]
    fn a_gateway_error_has_the_bytes_seen_live() {
        assert_eq!(
            body(&GraphError::segment_not_found("mef")),
            r#"{"error":{"code":"BadRequest","message":"Resource not found for the segment 'mef'.","innerError":{"date":"2024-07-07T21:59:24","request-id":"05daac7e-495a-4050-b377-3c20ddfc7849","client-request-id":"d8d4fea4-bac5-3a83-88fd-0e43cd5b0505"}}}"#
        );
    }

    #[test]
    fn an_intune_error_has_the_bytes_seen_live() {
        let error = GraphError::new(StatusCode::FORBIDDEN, "Forbidden", "No").in_shape(Shape::Intune);
        assert_eq!(
            body(&error),
            r#"{"error":{"code":"Forbidden","message":"{\r\n  \"_version\": 3,\r\n  \"Message\": \"No - Operation ID (for customer support): 00000000-0000-0000-0000-000000000000 - Activity ID: d8d4fea4-bac5-3a83-88fd-0e43cd5b0505 - Url: https://fef.msud01.manage.microsoft.com/Service/x?api-version=5020-08-21\",\r\n  \"CustomApiErrorPhrase\": \"\",\r\n  \"RetryAfter\": null,\r\n  \"ErrorSourceService\": \"\",\r\n  \"HttpHeaders\": \"{}\"\r\n}","innerError":{"date":"2024-07-07T21:59:24","request-id":"05daac7e-495a-4050-b377-3c20ddfc7849","client-request-id":"d8d4fea4-bac5-3a83-88fd-0e43cd5b0505"}}}"#
        );
    }

    #[test]
    fn a_gateway_time_out_wraps_twice() {
        let error =
            GraphError::new(StatusCode::GATEWAY_TIMEOUT, "UnknownError", "Late").in_shape(Shape::IntuneTwice);
        let outer: serde_json::Value = serde_json::from_str(&body(&error)).unwrap();
        let message = outer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(r#"{"Message":"{\r\n  \"_version\": 3,"#), "{message}");
        let once: serde_json::Value = serde_json::from_str(message).unwrap();
        let twice: serde_json::Value = serde_json::from_str(once["Message"].as_str().unwrap()).unwrap();
        assert!(twice["Message"].as_str().unwrap().starts_with("Late - Operation ID"));
    }
}
