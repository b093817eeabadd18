//! The text form of faults and rules: `name;parameter=value;…`, both ways.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, LOCATION};
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use super::super::answer::Close;
use super::apply::{ADDRESS_HEADERS, wait};
use super::{
    BatchFault, Drop, Fault, FaultAnswer, FaultBody, FaultRule, Kind, LinkPart, Moment, ReadFault,
    RetryAfter, Slow, SuccessFault,
};

/// What a parameter's value cannot hold as it stands.
const ENCODED: &AsciiSet = &CONTROLS.add(b';').add(b'%').add(b'=');

/// A fault that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultSyntaxError(String);

const BODIES: [(&str, FaultBody); 13] = [
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

const LINK_PARTS: [(&str, LinkPart); 5] = [
    ("origin", LinkPart::Origin),
    ("scheme", LinkPart::Scheme),
    ("userinfo", LinkPart::UserInfo),
    ("path", LinkPart::Path),
    ("url", LinkPart::Url),
];

/// A name and parameters, each of which is to be taken once.
struct Terms {
    name: String,
    parameters: Vec<(String, String)>,
}

type Parsed<T> = Result<T, FaultSyntaxError>;

impl Terms {
    fn parse(text: &str) -> Self {
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

    fn take_as<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Parsed<Option<T>> {
        match self.take(name) {
            None => Ok(None),
            Some(text) => match read(&text) {
                Some(value) => Ok(Some(value)),
                None => {
                    Err(FaultSyntaxError(format!("`{text}` is no value of the fault parameter `{name}`")))
                }
            },
        }
    }

    fn take_number<T: FromStr>(&mut self, name: &str) -> Parsed<Option<T>> {
        self.take_as(name, |text| text.parse().ok())
    }

    fn needed<T>(&self, name: &str, value: Option<T>) -> Parsed<T> {
        value.ok_or_else(|| {
            FaultSyntaxError(format!("the fault `{}` needs the parameter `{name}`", self.name))
        })
    }

    fn finish(self) -> Parsed<()> {
        match self.parameters.first() {
            None => Ok(()),
            Some((name, _)) => {
                Err(FaultSyntaxError(format!("the fault `{}` has no parameter `{name}`", self.name)))
            }
        }
    }

    fn kind(&mut self) -> Parsed<Kind> {
        let name = self.name.clone();
        if let Ok(status) = name.parse::<u16>() {
            return Ok(Kind::Answer(self.status(status)?));
        }
        Ok(match name.as_str() {
            "canned" => Kind::Answer(self.canned()?),
            "claims-challenge" => self.preset(401, FaultBody::ClaimsChallenge)?,
            "missing-route" => self.preset(400, FaultBody::MissingRoute)?,
            "segment-not-found" => self.preset(400, FaultBody::SegmentNotFound)?,
            "invalid-version" => self.preset(404, FaultBody::InvalidVersion)?,
            "gateway-timeout" => self.preset(504, FaultBody::DoubleWrapped)?,
            "bad-gateway" => self.preset(502, FaultBody::Html)?,
            "service-timeout" => {
                let mut answer = self.answer(StatusCode::SERVICE_UNAVAILABLE, FaultBody::Wrapped)?;
                answer.code.get_or_insert_with(|| "CancelledOnServiceTimeout".to_owned());
                Kind::Answer(answer)
            }
            "drop-unread" => self.drop(Moment::Unread)?,
            "drop-mid-answer" => {
                let bytes = self.take_number("bytes")?;
                self.drop(Moment::MidAnswer(bytes))?
            }
            "drop-applied" => self.drop(Moment::Applied)?,
            "slow-first-byte" => {
                let time = self.take_as("wait", wait)?;
                Kind::Slow(Slow::FirstByte(self.needed("wait", time)?))
            }
            "slow-body" => {
                let piece = self.take_number("piece")?.unwrap_or(64).max(1);
                let pause = self.take_as("pause", wait)?;
                Kind::Slow(Slow::Body { piece, pause: self.needed("pause", pause)? })
            }
            _ => return self.success_read_or_batch(&name),
        })
    }

    fn success_read_or_batch(&mut self, name: &str) -> Parsed<Kind> {
        let success = |fault| Ok(Kind::Success(fault));
        let read = |fault| Ok(Kind::Read(fault));
        let batch = |fault| Ok(Kind::Batch(fault));
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
            "not-json" => success(SuccessFault::NotJson),
            "empty-body" => success(SuccessFault::Empty),
            "truncated" => success(SuccessFault::Truncated),
            "filter-ignored" => read(ReadFault::FilterIgnored),
            "order-ignored" => read(ReadFault::OrderIgnored),
            "count-wrong" => read(ReadFault::CountWrong(self.take_number("count")?)),
            "empty-page" => read(ReadFault::EmptyPage),
            "page-size" => {
                let size = self.take_number("size")?;
                read(ReadFault::PageSize(self.needed("size", size)?))
            }
            "link-without-options" => read(ReadFault::LinkWithoutOptions),
            "link-elsewhere" => {
                let found = LINK_PARTS.into_iter().find_map(|(name, part)| Some((part, self.take(name)?)));
                let (part, replacement) = self.needed("origin", found)?;
                read(ReadFault::LinkElsewhere(part, replacement))
            }
            "row-repeated" => read(ReadFault::RowRepeated),
            "empty-unless-expanded" => read(ReadFault::EmptyUnlessExpanded),
            "batch-item" => {
                let item = self.item()?;
                let status = self.take_number("status")?;
                let status = self.needed("status", status)?;
                batch(BatchFault::Item(item, self.status(status)?))
            }
            "batch-missing" => batch(BatchFault::Missing(self.item()?)),
            "batch-duplicate" => batch(BatchFault::Duplicate(self.item()?)),
            "batch-malformed" => batch(BatchFault::Malformed(self.item()?)),
            "batch-surplus" => batch(BatchFault::Surplus),
            "batch-shuffled" => batch(BatchFault::Shuffled),
            _ => Err(FaultSyntaxError(format!("there is no fault `{name}`"))),
        }
    }

    fn item(&mut self) -> Parsed<usize> {
        let item = self.take_number("item")?;
        self.needed("item", item)
    }

    fn members(&mut self) -> Parsed<Vec<String>> {
        let members = self.take("members");
        let members = self.needed("members", members)?;
        Ok(members.split(',').map(|name| name.trim().to_owned()).collect())
    }

    fn drop(&mut self, moment: Moment) -> Parsed<Kind> {
        let close = self.take_as("close", |text| match text {
            "fin" => Some(Close::Fin),
            "reset" => Some(Close::Reset),
            _ => None,
        })?;
        Ok(Kind::Drop(Drop { moment, close: close.unwrap_or_default() }))
    }

    fn preset(&mut self, status: u16, body: FaultBody) -> Parsed<Kind> {
        let status = status_code(status)?;
        Ok(Kind::Answer(self.answer(status, body)?))
    }

    fn status(&mut self, status: u16) -> Parsed<FaultAnswer> {
        let body = if status == 429 { FaultBody::Throttled } else { FaultBody::Plain };
        self.answer(status_code(status)?, body)
    }

    fn canned(&mut self) -> Parsed<FaultAnswer> {
        let status = status_code(self.take_number("status")?.unwrap_or(200))?;
        let text = self.take("text").unwrap_or_default();
        self.answer(status, FaultBody::Custom(Bytes::from(text)))
    }

    fn answer(&mut self, status: StatusCode, body: FaultBody) -> Parsed<FaultAnswer> {
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
                .map_err(|_| FaultSyntaxError(format!("`{name}` is no header name")))?;
            headers.push((name, header_value(&value)?));
        }
        let retry_after = match self.take("retry-after") {
            None => None,
            Some(text) if text == "none" => None,
            Some(text) => Some(match text.strip_prefix("date:") {
                None => RetryAfter::Text(text),
                Some(ahead) => RetryAfter::Date(
                    wait(ahead).ok_or_else(|| FaultSyntaxError(format!("`{ahead}` is no time")))?,
                ),
            }),
        };
        Ok(FaultAnswer {
            status,
            body: given.unwrap_or(body),
            code: self.take("code"),
            message: self.take("message"),
            headers,
            retry_after,
            applied: self.take("applied").is_some_and(|value| value != "false"),
        })
    }
}

fn status_code(status: u16) -> Parsed<StatusCode> {
    StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| FaultSyntaxError(format!("`{status}` is no status that an answer can have")))
}

fn header_value(text: &str) -> Parsed<HeaderValue> {
    HeaderValue::from_str(text).map_err(|_| FaultSyntaxError(format!("`{text}` is no header value")))
}

impl FromStr for Fault {
    type Err = FaultSyntaxError;

    fn from_str(text: &str) -> Parsed<Self> {
        let mut terms = Terms::parse(text);
        let kind = terms.kind()?;
        terms.finish()?;
        Ok(Self(kind))
    }
}

impl FromStr for FaultRule {
    type Err = FaultSyntaxError;

    fn from_str(text: &str) -> Parsed<Self> {
        let mut terms = Terms::parse(text);
        // `path` is also a part of a link; the fault takes its own first.
        let kind = terms.kind()?;
        let rule = Self {
            fault: Fault(kind),
            method: terms
                .take_as("method", |text| Method::from_bytes(text.to_uppercase().as_bytes()).ok())?,
            path_contains: terms.take("path"),
            page: terms.take_number("page")?,
            skip: terms.take_number("skip")?.unwrap_or(0),
            times: terms.take_number("times")?,
            rate: terms
                .take_as("rate", |text| text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate)))?
                .unwrap_or(1.0),
        };
        terms.finish()?;
        Ok(rule)
    }
}

/// Writes parameters as they are read.
struct Parameters<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Parameters<'_, '_> {
    fn write(&mut self, name: &str, value: impl fmt::Display) -> fmt::Result {
        let value = value.to_string();
        write!(self.0, ";{name}={}", utf8_percent_encode(&value, ENCODED))
    }

    fn write_some(&mut self, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.write(name, value))
    }

    fn time(&mut self, name: &str, time: Duration) -> fmt::Result {
        self.write(name, humantime::format_duration(time))
    }

    fn answer(&mut self, answer: &FaultAnswer) -> fmt::Result {
        match &answer.body {
            FaultBody::Custom(body) => self.write("text", String::from_utf8_lossy(body))?,
            body => {
                self.write_some(
                    "body",
                    BODIES.iter().find(|(_, known)| known == body).map(|(name, _)| name),
                )?;
            }
        }
        self.write_some("code", answer.code.as_ref())?;
        self.write_some("message", answer.message.as_ref())?;
        for (name, value) in &answer.headers {
            self.write(&format!("header.{name}"), String::from_utf8_lossy(value.as_bytes()))?;
        }
        match &answer.retry_after {
            None => {}
            Some(RetryAfter::Text(text)) => self.write("retry-after", text)?,
            Some(RetryAfter::Date(ahead)) => {
                self.write("retry-after", format!("date:{}", humantime::format_duration(*ahead)))?;
            }
        }
        if answer.applied { self.0.write_str(";applied") } else { Ok(()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Answer(answer) => {
                match &answer.body {
                    FaultBody::Custom(_) => write!(out, "canned;status={}", answer.status.as_u16())?,
                    _ => write!(out, "{}", answer.status.as_u16())?,
                }
                Parameters(out).answer(answer)
            }
            Kind::Drop(drop) => {
                out.write_str(match drop.moment {
                    Moment::Unread => "drop-unread",
                    Moment::MidAnswer(_) => "drop-mid-answer",
                    Moment::Applied => "drop-applied",
                })?;
                let mut parameters = Parameters(out);
                if let Moment::MidAnswer(bytes) = drop.moment {
                    parameters.write_some("bytes", bytes)?;
                }
                parameters.write("close", if drop.close == Close::Reset { "reset" } else { "fin" })
            }
            Kind::Slow(Slow::FirstByte(time)) => {
                out.write_str("slow-first-byte")?;
                Parameters(out).time("wait", *time)
            }
            Kind::Slow(Slow::Body { piece, pause }) => {
                out.write_str("slow-body")?;
                let mut parameters = Parameters(out);
                parameters.write("piece", piece)?;
                parameters.time("pause", *pause)
            }
            Kind::Success(fault) => fault.fmt(out),
            Kind::Read(fault) => fault.fmt(out),
            Kind::Batch(fault) => fault.fmt(out),
        }
    }
}

impl fmt::Display for SuccessFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status200 => out.write_str("created-200"),
            Self::NoContent { header, location } => {
                out.write_str("created-204")?;
                let mut parameters = Parameters(out);
                parameters.write("header", header.as_ref().map_or("none", HeaderName::as_str))?;
                parameters.write_some("location", location.as_ref())
            }
            Self::Without(members) => write!(out, "without;members={}", members.join(",")),
            Self::Only(members) => write!(out, "only;members={}", members.join(",")),
            Self::UnknownEnum { property, member } => {
                write!(out, "unknown-enum;property={property};member={member}")
            }
            Self::NotJson => out.write_str("not-json"),
            Self::Empty => out.write_str("empty-body"),
            Self::Truncated => out.write_str("truncated"),
        }
    }
}

impl fmt::Display for ReadFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FilterIgnored => out.write_str("filter-ignored"),
            Self::OrderIgnored => out.write_str("order-ignored"),
            Self::CountWrong(count) => {
                out.write_str("count-wrong")?;
                Parameters(out).write_some("count", *count)
            }
            Self::EmptyPage => out.write_str("empty-page"),
            Self::PageSize(size) => write!(out, "page-size;size={size}"),
            Self::LinkWithoutOptions => out.write_str("link-without-options"),
            Self::LinkElsewhere(part, replacement) => {
                out.write_str("link-elsewhere")?;
                let name = LINK_PARTS.iter().find(|(_, known)| known == part).map_or("url", |(name, _)| name);
                Parameters(out).write(name, replacement)
            }
            Self::RowRepeated => out.write_str("row-repeated"),
            Self::EmptyUnlessExpanded => out.write_str("empty-unless-expanded"),
        }
    }
}

impl fmt::Display for BatchFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(item, answer) => {
                write!(out, "batch-item;item={item};status={}", answer.status.as_u16())?;
                Parameters(out).answer(answer)
            }
            Self::Missing(item) => write!(out, "batch-missing;item={item}"),
            Self::Duplicate(item) => write!(out, "batch-duplicate;item={item}"),
            Self::Malformed(item) => write!(out, "batch-malformed;item={item}"),
            Self::Surplus => out.write_str("batch-surplus"),
            Self::Shuffled => out.write_str("batch-shuffled"),
        }
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(out)?;
        let mut parameters = Parameters(out);
        parameters.write_some("method", self.method.as_ref())?;
        parameters.write_some("path", self.path_contains.as_ref())?;
        parameters.write_some("page", self.page)?;
        parameters.write_some("skip", (self.skip > 0).then_some(self.skip))?;
        parameters.write_some("times", self.times)?;
        parameters.write_some("rate", (self.rate < 1.0).then_some(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultRule};

    #[test]
    fn faults_read_back_as_they_are_written() {
        for text in [
            "503",
            "503;retry-after=1;applied",
            "429;retry-after=0.249;body=wrapped",
            "429;retry-after=date:5s",
            "418;code=Teapot;message=a%3Bb",
            "302;location=https://evil.example/?a%3Db",
            "canned;status=201;text={\"id\":1};header.content-type=application/json",
            "claims-challenge",
            "missing-route",
            "segment-not-found",
            "invalid-version",
            "service-timeout;retry-after=2",
            "gateway-timeout",
            "bad-gateway;applied",
            "drop-unread",
            "drop-mid-answer;bytes=10;close=reset",
            "drop-applied",
            "slow-first-byte;wait=2s",
            "slow-body;piece=16;pause=100ms",
            "created-200",
            "created-204;header=location;location=https://evil.example/x",
            "created-204;header=odata-entityid",
            "created-204",
            "without;members=id",
            "only;members=id,status",
            "unknown-enum;property=status;member=later",
            "not-json",
            "empty-body",
            "truncated",
            "filter-ignored",
            "order-ignored",
            "count-wrong;count=7",
            "count-wrong",
            "empty-page",
            "page-size;size=3",
            "link-without-options",
            "link-elsewhere;origin=https://evil.example",
            "link-elsewhere;path=/beta/users",
            "row-repeated",
            "empty-unless-expanded",
            "batch-item;item=2;status=429;retry-after=1;applied",
            "batch-missing;item=1",
            "batch-duplicate;item=1",
            "batch-malformed;item=1",
            "batch-surplus",
            "batch-shuffled",
        ] {
            let fault: Fault = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault, "{text} -> {fault}");
        }
    }

    #[test]
    fn rules_read_back_as_they_are_written() {
        for text in [
            "503;method=POST;path=deviceStatuses;skip=1;times=2;rate=0.5",
            "504;body=empty-message;page=2;times=1",
        ] {
            let rule: FaultRule = text.parse().unwrap();
            assert_eq!(rule.to_string().parse::<FaultRule>().unwrap(), rule, "{text} -> {rule}");
        }
    }

    #[test]
    fn what_is_no_fault_is_explained() {
        for (text, part) in [
            ("nope", "no fault `nope`"),
            ("503;nope=1", "no parameter `nope`"),
            ("503;body=nope", "`nope` is no value"),
            ("99", "no status"),
            ("page-size", "needs the parameter `size`"),
            ("slow-first-byte;wait=soon", "`soon`"),
            ("503;times=1", "no parameter `times`"),
        ] {
            let error = text.parse::<Fault>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!("503;rate=2".parse::<FaultRule>().is_err());
    }
}
