//! Reads the text form of faults and rules: `name;parameter=value;…`.

use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use super::forms::{
    ENVELOPE_BODIES, EnvelopeBody, EnvelopeFault, FLAWS, Flaw, ITEM_FORMS, ItemForm, REFUSED_OPTIONS,
};
use super::{
    BatchFault, ConnectionFault, DropFault, DropPoint, Fault, FaultBody, FaultKind, FaultResponse, FaultRule,
    LinkPart, ReadFault, RetryAfter, SlowFault, StreamFault, SuccessFault,
};
use crate::response::{CloseMode, ODATA_ENTITY_ID};

/// A fault that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultSyntaxError(String);

pub(super) const BODIES: [(&str, FaultBody); 13] = [
    ("plain", FaultBody::Plain),
    ("wrapped", FaultBody::Wrapped),
    ("double-wrapped", FaultBody::DoubleWrapped),
    ("empty-message", FaultBody::EmptyMessage),
    ("empty", FaultBody::Empty),
    ("html", FaultBody::Html),
    ("text", FaultBody::Text),
    ("truncated", FaultBody::Truncated),
    ("throttled", FaultBody::Throttled),
    ("missing-route", FaultBody::MissingRoute),
    ("segment-not-found", FaultBody::SegmentNotFound),
    ("invalid-version", FaultBody::InvalidVersion),
    ("claims-challenge", FaultBody::ClaimsChallenge),
];

pub(super) const LINK_PARTS: [(&str, LinkPart); 5] = [
    ("origin", LinkPart::Origin),
    ("scheme", LinkPart::Scheme),
    ("userinfo", LinkPart::UserInfo),
    ("path", LinkPart::Path),
    ("url", LinkPart::Url),
];

/// The headers that can name the entity of a 204.
const ADDRESS_HEADERS: [(&str, HeaderName); 2] =
    [("location", LOCATION), ("odata-entityid", ODATA_ENTITY_ID)];

/// The parser of one fault: its name and the parameters that are not read yet.
struct FaultParser {
    name: String,
    parameters: Vec<(String, String)>,
}

type ParseResult<T> = Result<T, FaultSyntaxError>;

impl FaultParser {
    fn new(text: &str) -> Self {
        let mut terms = text.split(';').map(str::trim);
        let name = terms.next().unwrap_or_default().to_owned();
        let parameters = terms
            .filter(|term| !term.is_empty())
            .map(|term| {
                let (name, value) = term.split_once('=').unwrap_or((term, ""));
                (name.trim().to_owned(), percent_decode_str(value.trim()).decode_utf8_lossy().into_owned())
            })
            .collect();
        Self { name, parameters }
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.parameters.iter().position(|(found, _)| found == name)?;
        Some(self.parameters.remove(index).1)
    }

    fn take_as<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> ParseResult<Option<T>> {
        match self.take(name) {
            None => Ok(None),
            Some(text) => match read(&text) {
                Some(value) => Ok(Some(value)),
                None => {
                    Err(FaultSyntaxError(format!("`{text}` is not a value of the fault parameter `{name}`")))
                }
            },
        }
    }

    /// Takes one of a table's names.
    fn take_named<T: Copy>(&mut self, name: &str, table: &[(&str, T)]) -> ParseResult<Option<T>> {
        self.take_as(name, |text| table.iter().find(|(known, _)| *known == text).map(|(_, value)| *value))
    }

    fn take_wait(&mut self, name: &str) -> ParseResult<Duration> {
        let time = self.take_as(name, wait)?;
        self.required(name, time)
    }

    fn take_close(&mut self) -> ParseResult<CloseMode> {
        let table = [("fin", CloseMode::Fin), ("reset", CloseMode::Reset)];
        Ok(self.take_named("close", &table)?.unwrap_or_default())
    }

    fn take_applied(&mut self) -> bool {
        self.take("applied").is_some_and(|value| value != "false")
    }

    fn take_number<T: FromStr>(&mut self, name: &str) -> ParseResult<Option<T>> {
        self.take_as(name, |text| text.parse().ok())
    }

    fn required<T>(&self, name: &str, value: Option<T>) -> ParseResult<T> {
        value.ok_or_else(|| {
            FaultSyntaxError(format!("the fault `{}` needs the parameter `{name}`", self.name))
        })
    }

    fn finish(self) -> ParseResult<()> {
        match self.parameters.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(FaultSyntaxError(format!("the fault `{}` has no parameter `{name}`", self.name)))
            }
        }
    }

    fn kind(&mut self) -> ParseResult<FaultKind> {
        let name = self.name.clone();
        if let Ok(status) = name.parse::<u16>() {
            return Ok(FaultKind::Response(self.status(status)?));
        }
        Ok(match name.as_str() {
            "canned" => FaultKind::Response(self.canned()?),
            "claims-challenge" => self.preset(401, FaultBody::ClaimsChallenge)?,
            "missing-route" => self.preset(400, FaultBody::MissingRoute)?,
            "segment-not-found" => self.preset(400, FaultBody::SegmentNotFound)?,
            "invalid-version" => self.preset(404, FaultBody::InvalidVersion)?,
            "gateway-timeout" => self.preset(504, FaultBody::DoubleWrapped)?,
            "bad-gateway" => self.preset(502, FaultBody::Html)?,
            "service-timeout" => {
                let mut response = self.response(StatusCode::SERVICE_UNAVAILABLE, FaultBody::Wrapped)?;
                response.code.get_or_insert_with(|| "CancelledOnServiceTimeout".to_owned());
                FaultKind::Response(response)
            }
            "drop-unread" => self.drop(DropPoint::BeforeBody)?,
            "drop-mid-answer" => {
                let bytes = self.take_number("bytes")?;
                self.drop(DropPoint::MidResponse(bytes))?
            }
            "drop-applied" => self.drop(DropPoint::AfterApplied)?,
            "slow-first-byte" => FaultKind::Slow(SlowFault::FirstByte(self.take_wait("wait")?)),
            "slow-body" => {
                let piece = self.take_number("piece")?.unwrap_or(64).max(1);
                FaultKind::Slow(SlowFault::Body { piece, pause: self.take_wait("pause")? })
            }
            "slow-accept" => FaultKind::Connection(ConnectionFault::SlowAccept(self.take_wait("wait")?)),
            "slow-handshake" => {
                FaultKind::Connection(ConnectionFault::SlowHandshake(self.take_wait("wait")?))
            }
            "drop-connection" => FaultKind::Connection(ConnectionFault::Drop(self.take_close()?)),
            "refuse-stream" => FaultKind::Stream(StreamFault::Refuse),
            "go-away" => FaultKind::Stream(StreamFault::GoAway),
            _ => return self.success_read_or_batch(&name),
        })
    }

    fn success_read_or_batch(&mut self, name: &str) -> ParseResult<FaultKind> {
        let success = |fault| Ok(FaultKind::Success(fault));
        let read = |fault| Ok(FaultKind::Read(fault));
        let batch = |fault| Ok(FaultKind::Batch(fault));
        match name {
            "created-200" => success(SuccessFault::Status200),
            "created-204" => {
                let header = match self.take("header").as_deref() {
                    None | Some("none") => None,
                    Some(given) => Some(
                        ADDRESS_HEADERS
                            .into_iter()
                            .find(|(known, _)| *known == given)
                            .map(|(_, header)| header)
                            .ok_or_else(|| FaultSyntaxError(format!("`{given}` names no address header")))?,
                    ),
                };
                let location = self.take("location");
                success(SuccessFault::NoContent { header, location })
            }
            "without" => success(SuccessFault::Without(self.members()?)),
            "only" => success(SuccessFault::Only(self.members()?)),
            "unknown-enum" => success(SuccessFault::UnknownEnum {
                property: self.take("property").unwrap_or_else(|| "status".to_owned()),
                member: self.take("member").unwrap_or_else(|| "notInvented".to_owned()),
            }),
            "wrong-type" => {
                let name = self.take("type").unwrap_or_else(|| "microsoft.graph.user".to_owned());
                success(SuccessFault::WrongType(name))
            }
            "with-error" => success(SuccessFault::WithError),
            "flawed" => {
                let flaw = self.flaw()?;
                success(SuccessFault::Flawed(self.required("flaw", flaw)?))
            }
            "not-json" => success(SuccessFault::NotJson),
            "empty-body" => success(SuccessFault::Empty),
            "truncated" => success(SuccessFault::Truncated),
            "filter-ignored" => read(ReadFault::FilterIgnored),
            "order-ignored" => read(ReadFault::OrderIgnored),
            "count-wrong" => read(ReadFault::CountWrong(self.take_number("count")?)),
            "empty-page" => read(ReadFault::EmptyPage),
            "page-size" => {
                let size = self.take_number("size")?;
                read(ReadFault::PageSize(self.required("size", size)?))
            }
            "link-without-options" => read(ReadFault::LinkWithoutOptions),
            "link-elsewhere" => {
                let found = LINK_PARTS.into_iter().find_map(|(name, part)| Some((part, self.take(name)?)));
                let (part, replacement) = self.required("origin", found)?;
                read(ReadFault::LinkElsewhere(part, replacement))
            }
            "row-repeated" => read(ReadFault::RowRepeated),
            "empty-unless-expanded" => read(ReadFault::EmptyUnlessExpanded),
            "option-refused" => {
                let option = self.take_named("option", &REFUSED_OPTIONS)?;
                let option = self.required("option", option)?;
                let status = self.take_number("status")?.unwrap_or(400);
                read(ReadFault::OptionRefused(option, self.status(status)?))
            }
            "list-short" => {
                let rows = self.take_number("rows")?;
                read(ReadFault::ListShort(self.required("rows", rows)?))
            }
            "batch-item" => {
                let item = self.item()?;
                let status = self.take_number("status")?;
                let status = self.required("status", status)?;
                batch(BatchFault::Item(item, self.status(status)?))
            }
            "batch-missing" => batch(BatchFault::Missing(self.item()?)),
            "batch-duplicate" => batch(BatchFault::DuplicateKey(self.item()?)),
            "batch-malformed" => {
                let form = self.take_named("form", &ITEM_FORMS)?.unwrap_or(ItemForm::NoStatus);
                batch(BatchFault::Malformed(self.item()?, form))
            }
            "batch-envelope" => {
                let status = status_code(self.take_number("status")?.unwrap_or(200))?;
                let body = self.take_named("body", &ENVELOPE_BODIES)?.unwrap_or(EnvelopeBody::Empty);
                let applied = self.take_applied();
                batch(BatchFault::Envelope(EnvelopeFault { status, body, applied }))
            }
            "batch-surplus" => batch(BatchFault::Surplus),
            "batch-shuffled" => batch(BatchFault::Shuffled),
            _ => Err(FaultSyntaxError(format!("there is no fault `{name}`"))),
        }
    }

    fn flaw(&mut self) -> ParseResult<Option<Flaw>> {
        self.take_named("flaw", &FLAWS)
    }

    fn item(&mut self) -> ParseResult<usize> {
        let item = self.take_number("item")?;
        self.required("item", item)
    }

    fn members(&mut self) -> ParseResult<Vec<String>> {
        let members = self.take("members");
        let members = self.required("members", members)?;
        Ok(members.split(',').map(|name| name.trim().to_owned()).collect())
    }

    fn drop(&mut self, point: DropPoint) -> ParseResult<FaultKind> {
        Ok(FaultKind::Drop(DropFault { point, close: self.take_close()? }))
    }

    fn preset(&mut self, status: u16, body: FaultBody) -> ParseResult<FaultKind> {
        let status = status_code(status)?;
        Ok(FaultKind::Response(self.response(status, body)?))
    }

    fn status(&mut self, status: u16) -> ParseResult<FaultResponse> {
        let body = if status == 429 { FaultBody::Throttled } else { FaultBody::Plain };
        self.response(status_code(status)?, body)
    }

    fn canned(&mut self) -> ParseResult<FaultResponse> {
        let status = status_code(self.take_number("status")?.unwrap_or(200))?;
        let bytes = self.take_as("base64", |text| STANDARD.decode(text).ok().map(Bytes::from))?;
        let body = bytes.unwrap_or_else(|| Bytes::from(self.take("text").unwrap_or_default()));
        self.response(status, FaultBody::Custom(body))
    }

    fn response(&mut self, status: StatusCode, body: FaultBody) -> ParseResult<FaultResponse> {
        let given = self.take_as("body", |text| {
            BODIES.into_iter().find(|(name, _)| *name == text).map(|(_, body)| body)
        })?;
        let mut headers = Vec::new();
        if let Some(location) = self.take("location") {
            headers.push((LOCATION, header_value(&location)?));
        }
        while let Some(index) = self.parameters.iter().position(|(name, _)| name.starts_with("header.")) {
            let (name, value) = self.parameters.remove(index);
            let name = name.trim_start_matches("header.");
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| FaultSyntaxError(format!("`{name}` is not a header name")))?;
            headers.push((name, header_value(&value)?));
        }
        let retry_after = match self.take("retry-after") {
            None => None,
            Some(text) if text == "none" => None,
            Some(text) => Some(match text.strip_prefix("date:") {
                None => RetryAfter::Text(text),
                Some(ahead) => RetryAfter::Date(
                    wait(ahead).ok_or_else(|| FaultSyntaxError(format!("`{ahead}` is not a duration")))?,
                ),
            }),
        };
        Ok(FaultResponse {
            status,
            body: given.unwrap_or(body),
            code: self.take("code"),
            message: self.take("message"),
            headers,
            retry_after,
            flaw: self.flaw()?,
            applied: self.take_applied(),
        })
    }
}

/// A duration; without a unit, in seconds.
fn wait(text: &str) -> Option<Duration> {
    match text.parse::<u64>() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text).ok(),
    }
}

fn status_code(status: u16) -> ParseResult<StatusCode> {
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| FaultSyntaxError(format!("`{status}` is not a status of a response")))
}

fn header_value(text: &str) -> ParseResult<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| FaultSyntaxError(format!("`{text}` is not a header value")))
}

impl FromStr for Fault {
    type Err = FaultSyntaxError;

    fn from_str(text: &str) -> ParseResult<Self> {
        let mut parser = FaultParser::new(text);
        let kind = parser.kind()?;
        parser.finish()?;
        Ok(Self(kind))
    }
}

impl FromStr for FaultRule {
    type Err = FaultSyntaxError;

    fn from_str(text: &str) -> ParseResult<Self> {
        let mut parser = FaultParser::new(text);
        // `path` is also a part of a link; the fault takes its own first.
        let kind = parser.kind()?;
        // A connection has neither; as parameters that were not taken they are then refused.
        let is_of_requests = !matches!(kind, FaultKind::Connection(_));
        let (mut method, mut path_contains, mut page) = (None, None, None);
        if is_of_requests {
            method =
                parser.take_as("method", |text| Method::from_bytes(text.to_uppercase().as_bytes()).ok())?;
            path_contains = parser.take("path");
            page = parser.take_number("page")?;
        }
        let rule = Self {
            fault: Fault(kind),
            method,
            path_contains,
            page,
            skip: parser.take_number("skip")?.unwrap_or(0),
            times: parser.take_number("times")?,
            rate: parser
                .take_as("rate", |text| text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate)))?
                .unwrap_or(1.0),
        };
        parser.finish()?;
        Ok(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultRule};

    #[test]
    fn an_invalid_fault_has_an_error_that_names_the_problem() {
        for (text, part) in [
            ("nope", "no fault `nope`"),
            ("503;nope=1", "no parameter `nope`"),
            ("503;body=nope", "`nope` is not a value"),
            ("99", "is not a status"),
            ("page-size", "needs the parameter `size`"),
            ("slow-first-byte;wait=soon", "`soon`"),
            ("503;times=1", "no parameter `times`"),
            ("slow-handshake", "needs the parameter `wait`"),
            ("503;flaw=nope", "`nope` is not a value"),
            ("batch-envelope;body=nope", "`nope` is not a value"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!("503;rate=2".parse::<FaultRule>().is_err());
        let error = "slow-accept;wait=1s;path=x".parse::<FaultRule>().unwrap_err().to_string();
        assert_eq!(error, "the fault `slow-accept` has no parameter `path`");
    }
}
