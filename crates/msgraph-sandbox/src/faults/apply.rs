//! Builds the responses of faults.

use std::borrow::Cow;
use std::time::SystemTime;

use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value as Json, json};

use super::forms::TEXT;
use super::{
    ActiveFaults, DropFault, DropPoint, FaultBody, FaultResponse, HTML, LinkPart, ReadFault, RequestFault,
    RetryAfter, SlowFault, StreamFault, SuccessFault,
};
use crate::auth::Unauthorized;
use crate::call::{Call, service_path};
use crate::error::{GraphError, Shape, Trace, quoted};
use crate::path::entity_url;
use crate::response::{Delivery, GraphResponse, JSON, Termination};

impl FaultResponse {
    /// The fault's response to a call.
    pub(crate) fn response(&self, call: &Call<'_>) -> GraphResponse {
        let mut response = self.body(call);
        response.status = self.status;
        if let Some(flaw) = self.flaw {
            response.body = flaw.apply(&response.body);
        }
        for (name, value) in &self.headers {
            response.headers.insert(name, value.clone());
        }
        match &self.retry_after {
            None => response,
            Some(RetryAfter::Text(text)) => response.with_text(RETRY_AFTER, text),
            Some(RetryAfter::Date(ahead)) => {
                response.with_text(RETRY_AFTER, &httpdate::fmt_http_date(SystemTime::now() + *ahead))
            }
        }
    }

    fn body(&self, call: &Call<'_>) -> GraphResponse {
        let status = self.status;
        let in_shape = |shape| self.error().in_shape(shape).response(&call.trace);
        match &self.body {
            FaultBody::Plain => in_shape(Shape::Gateway),
            FaultBody::Wrapped => in_shape(Shape::Intune),
            FaultBody::DoubleWrapped => in_shape(Shape::IntuneTwice),
            FaultBody::EmptyMessage => {
                GraphError { message: "".into(), ..self.error() }.response(&call.trace)
            }
            FaultBody::Empty => GraphResponse::new(status, ""),
            FaultBody::Html => {
                GraphResponse::new(status, HTML).with(CONTENT_TYPE, HeaderValue::from_static("text/html"))
            }
            FaultBody::Text => {
                GraphResponse::new(status, TEXT).with(CONTENT_TYPE, HeaderValue::from_static("text/plain"))
            }
            FaultBody::Truncated => truncated(in_shape(Shape::Gateway)),
            FaultBody::Throttled => throttled(&call.trace),
            FaultBody::MissingRoute => missing_route(call).response(&call.trace),
            FaultBody::SegmentNotFound => {
                let last = call.message.path.rsplit('/').next().unwrap_or_default();
                GraphError::segment_not_found(last).response(&call.trace)
            }
            FaultBody::InvalidVersion => {
                let first = call.message.path.split('/').find(|segment| !segment.is_empty());
                GraphError::invalid_version(first.unwrap_or_default()).response(&call.trace)
            }
            FaultBody::ClaimsChallenge => Unauthorized::Challenged.response(&call.trace),
            FaultBody::Custom(body) => {
                GraphResponse { bare: true, ..GraphResponse::new(status, body.clone()) }
            }
        }
    }

    fn error(&self) -> GraphError {
        let (code, message) = default_error(self.status);
        GraphError::new(
            self.status,
            self.code.clone().map_or(Cow::Borrowed(code), Cow::Owned),
            self.message.clone().map_or(Cow::Borrowed(message), Cow::Owned),
        )
    }
}

/// The default error code and message of a status.
fn default_error(status: StatusCode) -> (&'static str, &'static str) {
    match status.as_u16() {
        400 => ("BadRequest", "Bad Request"),
        401 => ("InvalidAuthenticationToken", "Access token has expired or is not yet valid."),
        403 => ("Forbidden", "User is not authorized to perform this operation"),
        404 => ("ResourceNotFound", "An error has occurred"),
        405 => ("Request_BadRequest", "Specified HTTP method is not allowed for the request target."),
        409 => ("Conflict", "An error has occurred"),
        429 => ("TooManyRequests", "Too many requests."),
        500 => ("InternalServerError", "An internal server error has occurred"),
        501 => ("NotImplemented", "The requested operation is not implemented."),
        502 => ("BadGateway", "An error has occurred"),
        503 => ("ServiceUnavailable", "Service is temporarily unavailable. Please try again later."),
        504 => ("UnknownError", "An error has occurred"),
        _ => ("UnknownError", "An error has occurred"),
    }
}

/// The gateway's 429, with its own order of members.
pub(crate) fn throttled(trace: &Trace) -> GraphResponse {
    let body = format!(
        r#"{{"error":{{"code":"TooManyRequests","innerError":{{"code":"429","date":"{}","message":"Please retry after","request-id":{},"status":"429"}},"message":"Please retry again later."}}}}"#,
        trace.date_text(),
        quoted(&trace.request_id),
    );
    GraphResponse::error(StatusCode::TOO_MANY_REQUESTS, body)
}

fn missing_route(call: &Call<'_>) -> GraphError {
    match &call.target {
        Ok((_, address)) => GraphError::missing_route(
            &address.template,
            call.message.method.as_str(),
            &service_path(&address.canonical),
        ),
        Err(error) => error.clone(),
    }
}

fn truncated(mut response: GraphResponse) -> GraphResponse {
    response.body.truncate(response.body.len() / 2);
    response
}

impl ActiveFaults {
    /// The response that replaces the real one without executing the request.
    pub(crate) fn replacement(&self, call: &Call<'_>) -> Option<GraphResponse> {
        match &self.request {
            Some(RequestFault::Response(fault)) if !fault.applied => {
                Some(self.with_delivery(fault.response(call)))
            }
            _ => None,
        }
    }

    /// The real response, changed by the faults.
    pub(crate) fn apply(&self, call: &Call<'_>, real: GraphResponse) -> GraphResponse {
        let response = match (&self.request, &self.success) {
            (Some(RequestFault::Response(fault)), _) => fault.response(call),
            (_, Some(success)) if real.status.is_success() => success.apply(call, real),
            _ => real,
        };
        self.with_delivery(response)
    }

    /// How to end an HTTP/2 stream that is not processed.
    pub(crate) fn unprocessed_stream(&self) -> Option<Termination> {
        match &self.request {
            Some(RequestFault::Stream(StreamFault::Refuse)) => Some(Termination::Refused),
            Some(RequestFault::Stream(StreamFault::GoAway)) => Some(Termination::GoAway),
            _ => None,
        }
    }

    fn with_delivery(&self, mut response: GraphResponse) -> GraphResponse {
        let mut delivery = Delivery::default();
        match self.slow {
            Some(SlowFault::FirstByte(wait)) => delivery.first_byte_delay = wait,
            Some(SlowFault::Body { piece, pause }) => delivery.chunks = Some((piece, pause)),
            None => {}
        }
        if let Some(RequestFault::Drop(drop)) = &self.request {
            delivery.termination = drop.termination();
        }
        response.delivery = delivery;
        response
    }

    /// How to close the connection before the request body is read.
    pub(crate) fn drop_before_body(&self) -> Option<DropFault> {
        match &self.request {
            Some(RequestFault::Drop(drop)) if drop.point == DropPoint::BeforeBody => Some(*drop),
            _ => None,
        }
    }
}

impl DropFault {
    fn termination(self) -> Termination {
        match self.point {
            DropPoint::MidResponse(bytes) => Termination::MidBody(bytes, self.close),
            DropPoint::BeforeBody | DropPoint::AfterApplied => Termination::NoResponse(self.close),
        }
    }
}

impl SuccessFault {
    fn apply(&self, call: &Call<'_>, mut real: GraphResponse) -> GraphResponse {
        match self {
            Self::Status200 => real.status = StatusCode::OK,
            Self::NoContent { header, location } => {
                let url = location.clone().or_else(|| entity_address(call, &real)).unwrap_or_default();
                real = GraphResponse { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), ..real };
                real.body.clear();
                if let Some(header) = header {
                    real = real.with_text(header.clone(), &url);
                }
            }
            Self::Without(names) => edit(&mut real, |members| {
                members.retain(|name, _| !names.contains(name));
            }),
            Self::Only(names) => edit(&mut real, |members| members.retain(|name, _| names.contains(name))),
            Self::UnknownEnum { property, member } => edit(&mut real, |members| {
                members.insert(property.clone(), Json::from(member.as_str()));
            }),
            Self::WrongType(name) => edit(&mut real, |members| {
                members.retain(|name, _| matches!(name.as_str(), "@odata.context" | "id"));
                members.insert("@odata.type".to_owned(), Json::from(format!("#{name}")));
            }),
            Self::WithError => edit(&mut real, |members| {
                let error = json!({"code": "InternalServerError", "message": "An error has occurred"});
                members.insert("error".to_owned(), error);
            }),
            Self::Flawed(flaw) => real.body = flaw.apply(&real.body),
            Self::NotJson => {
                real.body = "Created.".into();
                real.headers.insert(CONTENT_TYPE, JSON);
            }
            Self::Empty => real.body.clear(),
            Self::Truncated => real = truncated(real),
        }
        real
    }
}

fn edit(response: &mut GraphResponse, change: impl FnOnce(&mut Map<String, Json>)) {
    if let Ok(mut members) = serde_json::from_slice::<Map<String, Json>>(&response.body) {
        change(&mut members);
        response.body = Json::Object(members).to_string().into();
    }
}

/// The URL of the entity in a response body.
fn entity_address(call: &Call<'_>, response: &GraphResponse) -> Option<String> {
    let (version, address) = call.target.as_ref().ok()?;
    let entity: Map<String, Json> = serde_json::from_slice(&response.body).ok()?;
    Some(entity_url(&call.root(*version), address, entity.get("id")?.as_str()?))
}

impl ReadFault {
    /// The next link with the part that this fault replaces.
    pub(crate) fn rewrite_link(&self, link: String) -> String {
        let Self::LinkElsewhere(part, replacement) = self else {
            return link;
        };
        let Some((scheme, rest)) = link.split_once("://") else {
            return link;
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let query = path.split_once('?').map_or("", |(_, query)| query);
        match part {
            LinkPart::Origin => format!("{replacement}/{path}"),
            LinkPart::Scheme => format!("{replacement}://{rest}"),
            LinkPart::UserInfo => format!("{scheme}://{replacement}@{rest}"),
            LinkPart::Path => format!("{scheme}://{host}{replacement}?{query}"),
            LinkPart::Url => replacement.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LinkPart, ReadFault};

    #[test]
    fn a_fault_replaces_one_part_of_a_next_link() {
        let link = || "http://127.0.0.1:4010/beta/a?$top=1&$skiptoken=x".to_owned();
        for (part, replacement, expected) in [
            (LinkPart::Origin, "https://evil.example", "https://evil.example/beta/a?$top=1&$skiptoken=x"),
            (LinkPart::Scheme, "ftp", "ftp://127.0.0.1:4010/beta/a?$top=1&$skiptoken=x"),
            (LinkPart::UserInfo, "u:p", "http://u:p@127.0.0.1:4010/beta/a?$top=1&$skiptoken=x"),
            (LinkPart::Path, "/beta/users", "http://127.0.0.1:4010/beta/users?$top=1&$skiptoken=x"),
            (LinkPart::Url, "nope", "nope"),
        ] {
            assert_eq!(ReadFault::LinkElsewhere(part, replacement.to_owned()).rewrite_link(link()), expected);
        }
    }
}
