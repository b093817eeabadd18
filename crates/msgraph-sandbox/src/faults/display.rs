//! Faults and rules as text that reads back.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderName;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::forms::{ENVELOPE_BODIES, FLAWS, ITEM_FORMS, REFUSED_OPTIONS, name_of};
use super::parse::{BODIES, LINK_PARTS};
use super::{
    BatchFault, ConnectionFault, DropPoint, Fault, FaultBody, FaultKind, FaultResponse, FaultRule, ReadFault,
    RetryAfter, SlowFault, StreamFault, SuccessFault,
};
use crate::response::CloseMode;

/// The characters that a parameter's value must percent-encode.
const ENCODED: &AsciiSet = &CONTROLS.add(b';').add(b'%').add(b'=');

/// Writes parameters in the form that the parser reads.
struct ParameterWriter<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl ParameterWriter<'_, '_> {
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

    fn close(&mut self, close: CloseMode) -> fmt::Result {
        self.write("close", if close == CloseMode::Reset { "reset" } else { "fin" })
    }

    fn response(&mut self, response: &FaultResponse) -> fmt::Result {
        match &response.body {
            FaultBody::Custom(body) => match std::str::from_utf8(body) {
                Ok(text) => self.write("text", text)?,
                Err(_) => self.write("base64", STANDARD.encode(body))?,
            },
            body => {
                self.write_some(
                    "body",
                    BODIES.iter().find(|(_, known)| known == body).map(|(name, _)| name),
                )?;
            }
        }
        self.write_some("code", response.code.as_ref())?;
        self.write_some("message", response.message.as_ref())?;
        for (name, value) in &response.headers {
            self.write(&format!("header.{name}"), String::from_utf8_lossy(value.as_bytes()))?;
        }
        match &response.retry_after {
            None => {}
            Some(RetryAfter::Text(text)) => self.write("retry-after", text)?,
            Some(RetryAfter::Date(ahead)) => {
                self.write("retry-after", format!("date:{}", humantime::format_duration(*ahead)))?;
            }
        }
        self.write_some("flaw", response.flaw.map(|flaw| name_of(&FLAWS, &flaw)))?;
        if response.applied { self.0.write_str(";applied") } else { Ok(()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            FaultKind::Response(response) => {
                match &response.body {
                    FaultBody::Custom(_) => write!(out, "canned;status={}", response.status.as_u16())?,
                    _ => write!(out, "{}", response.status.as_u16())?,
                }
                ParameterWriter(out).response(response)
            }
            FaultKind::Drop(drop) => {
                out.write_str(match drop.point {
                    DropPoint::BeforeBody => "drop-unread",
                    DropPoint::MidResponse(_) => "drop-mid-answer",
                    DropPoint::AfterApplied => "drop-applied",
                })?;
                let mut writer = ParameterWriter(out);
                if let DropPoint::MidResponse(bytes) = drop.point {
                    writer.write_some("bytes", bytes)?;
                }
                writer.close(drop.close)
            }
            FaultKind::Connection(fault) => fault.fmt(out),
            FaultKind::Stream(StreamFault::Refuse) => out.write_str("refuse-stream"),
            FaultKind::Stream(StreamFault::GoAway) => out.write_str("go-away"),
            FaultKind::Slow(SlowFault::FirstByte(time)) => {
                out.write_str("slow-first-byte")?;
                ParameterWriter(out).time("wait", *time)
            }
            FaultKind::Slow(SlowFault::Body { piece, pause }) => {
                out.write_str("slow-body")?;
                let mut writer = ParameterWriter(out);
                writer.write("piece", piece)?;
                writer.time("pause", *pause)
            }
            FaultKind::Success(fault) => fault.fmt(out),
            FaultKind::Read(fault) => fault.fmt(out),
            FaultKind::Batch(fault) => fault.fmt(out),
        }
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SlowAccept(wait) => {
                out.write_str("slow-accept")?;
                ParameterWriter(out).time("wait", *wait)
            }
            Self::SlowHandshake(wait) => {
                out.write_str("slow-handshake")?;
                ParameterWriter(out).time("wait", *wait)
            }
            Self::Drop(close) => {
                out.write_str("drop-connection")?;
                ParameterWriter(out).close(*close)
            }
        }
    }
}

impl fmt::Display for SuccessFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status200 => out.write_str("created-200"),
            Self::NoContent { header, location } => {
                out.write_str("created-204")?;
                let mut writer = ParameterWriter(out);
                writer.write("header", header.as_ref().map_or("none", HeaderName::as_str))?;
                writer.write_some("location", location.as_ref())
            }
            Self::Without(members) => write!(out, "without;members={}", members.join(",")),
            Self::Only(members) => write!(out, "only;members={}", members.join(",")),
            Self::UnknownEnum { property, member } => {
                write!(out, "unknown-enum;property={property};member={member}")
            }
            Self::WrongType(name) => {
                out.write_str("wrong-type")?;
                ParameterWriter(out).write("type", name)
            }
            Self::WithError => out.write_str("with-error"),
            Self::Flawed(flaw) => write!(out, "flawed;flaw={}", name_of(&FLAWS, flaw)),
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
                ParameterWriter(out).write_some("count", *count)
            }
            Self::EmptyPage => out.write_str("empty-page"),
            Self::PageSize(size) => write!(out, "page-size;size={size}"),
            Self::LinkWithoutOptions => out.write_str("link-without-options"),
            Self::LinkElsewhere(part, replacement) => {
                out.write_str("link-elsewhere")?;
                let name = LINK_PARTS.iter().find(|(_, known)| known == part).map_or("url", |(name, _)| name);
                ParameterWriter(out).write(name, replacement)
            }
            Self::RowRepeated => out.write_str("row-repeated"),
            Self::EmptyUnlessExpanded => out.write_str("empty-unless-expanded"),
            Self::OptionRefused(option, response) => {
                let (option, status) = (name_of(&REFUSED_OPTIONS, option), response.status.as_u16());
                write!(out, "option-refused;option={option};status={status}")?;
                ParameterWriter(out).response(response)
            }
            Self::ListShort(rows) => write!(out, "list-short;rows={rows}"),
        }
    }
}

impl fmt::Display for BatchFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(item, response) => {
                write!(out, "batch-item;item={item};status={}", response.status.as_u16())?;
                ParameterWriter(out).response(response)
            }
            Self::Missing(item) => write!(out, "batch-missing;item={item}"),
            Self::DuplicateKey(item) => write!(out, "batch-duplicate;item={item}"),
            Self::Malformed(item, form) => {
                write!(out, "batch-malformed;item={item};form={}", name_of(&ITEM_FORMS, form))
            }
            Self::Envelope(fault) => {
                let (status, body) = (fault.status.as_u16(), name_of(&ENVELOPE_BODIES, &fault.body));
                write!(out, "batch-envelope;status={status};body={body}")?;
                if fault.applied { out.write_str(";applied") } else { Ok(()) }
            }
            Self::Surplus => out.write_str("batch-surplus"),
            Self::Shuffled => out.write_str("batch-shuffled"),
        }
    }
}

impl fmt::Display for FaultRule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(out)?;
        let mut writer = ParameterWriter(out);
        writer.write_some("method", self.method.as_ref())?;
        writer.write_some("path", self.path_contains.as_ref())?;
        writer.write_some("page", self.page)?;
        writer.write_some("skip", (self.skip > 0).then_some(self.skip))?;
        writer.write_some("times", self.times)?;
        writer.write_some("rate", (self.rate < 1.0).then_some(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Fault, FaultRule};

    #[test]
    fn the_text_form_of_a_fault_parses_to_the_same_fault() {
        for text in [
            "503",
            "503;retry-after=1;applied",
            "429;retry-after=0.249;body=wrapped",
            "429;retry-after=date:5s",
            "418;code=Teapot;message=a%3Bb",
            "302;location=https://evil.example/?a%3Db",
            "canned;status=201;text={\"id\":1};header.content-type=application/json",
            "canned;base64=/wA%3D;header.content-encoding=gzip",
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
            "option-refused;option=filter;status=501",
            "option-refused;option=count;body=wrapped;message=no",
            "list-short;rows=51",
            "batch-item;item=2;status=429;retry-after=1;applied",
            "batch-missing;item=1",
            "batch-duplicate;item=1",
            "batch-malformed;item=1",
            "batch-malformed;item=1;form=null-headers",
            "batch-envelope",
            "batch-envelope;status=204;applied",
            "batch-envelope;body=no-items",
            "service-timeout;retry-after=1;flaw=bom;applied",
            "slow-accept;wait=1s",
            "slow-handshake;wait=2s",
            "drop-connection",
            "drop-connection;close=reset",
            "refuse-stream",
            "go-away",
            "wrong-type",
            "wrong-type;type=microsoft.graph.device",
            "with-error",
            "flawed;flaw=utf-16",
            "batch-surplus",
            "batch-shuffled",
        ] {
            let fault: Fault = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault, "{text} -> {fault}");
        }
    }

    #[test]
    fn the_text_form_of_a_rule_parses_to_the_same_rule() {
        for text in [
            "503;method=POST;path=deviceStatuses;skip=1;times=2;rate=0.5",
            "504;body=empty-message;page=2;times=1",
            "slow-handshake;wait=2s;skip=1;times=2;rate=0.5",
        ] {
            let rule: FaultRule = text.parse().unwrap();
            assert_eq!(rule.to_string().parse::<FaultRule>().unwrap(), rule, "{text} -> {rule}");
        }
    }
}
