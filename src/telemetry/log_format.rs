//! The form of a log line: text or JSON, with the ids of the request that the task works for.

use std::borrow::Cow;
use std::fmt::{self, Debug, Write as _};

use serde_json::{Map, Number, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::request;
use crate::printable::must_escape;

/// Form of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for log collectors.
    Json,
}

/// Formats each event as one line.
pub(super) struct LineFormat {
    pub(super) format: LogFormat,
    pub(super) has_color: bool,
}

/// An event's fields in the order of the call.
#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(request) = request::current() {
            fields.put("client_request_id", request.client_request_id().to_string().into());
            if let Some(trace) = request.trace_context() {
                fields.put("trace_id", trace.trace_id().into());
            }
        }
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let (level, target) = (event.metadata().level(), event.metadata().target());
        match self.format {
            LogFormat::Text => self.text(writer, &time, *level, target, &fields),
            LogFormat::Json => json(writer, &time, *level, target, fields),
        }
    }
}

impl LineFormat {
    fn text(
        &self,
        mut writer: Writer<'_>,
        time: &str,
        level: Level,
        target: &str,
        fields: &Fields,
    ) -> fmt::Result {
        let (dim, reset) = if self.has_color { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        let color = if self.has_color { color(level) } else { "" };
        write!(writer, "{dim}{time}{reset} {color}{level:>5}{reset} {dim}{target}:{reset} ")?;
        writer.write_str(&on_one_line(&fields.message))?;
        for (name, value) in &fields.values {
            match value {
                // Words stand alone; all other texts are quoted, and their line breaks escaped.
                Value::String(text) if is_word(text) => write!(writer, " {dim}{name}={reset}{text}")?,
                value => write!(writer, " {dim}{name}={reset}{}", on_one_line(&value.to_string()))?,
            }
        }
        writeln!(writer)
    }
}

fn json(mut writer: Writer<'_>, time: &str, level: Level, target: &str, fields: Fields) -> fmt::Result {
    let mut line = Map::with_capacity(fields.values.len() + 4);
    line.insert("timestamp".to_owned(), time.into());
    line.insert("level".to_owned(), level.as_str().into());
    line.insert("target".to_owned(), target.into());
    line.insert("message".to_owned(), fields.message.into());
    line.extend(fields.values);
    writeln!(writer, "{}", on_one_line(&Value::Object(line).to_string()))
}

fn is_word(text: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_graphic() && !matches!(char, '"' | '=' | '\\');
    !text.is_empty() && text.chars().all(is_plain)
}

/// Escapes line breaks and other controls as JSON does, also those that JSON allows in strings.
fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(must_escape) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        if must_escape(char) {
            // Writing to a string does not fail. All of them have four digits at most.
            let _ = write!(line, "\\u{:04x}", u32::from(char));
        } else {
            line.push(char);
        }
    }
    Cow::Owned(line)
}

fn color(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

impl Fields {
    fn put(&mut self, name: &str, value: Value) {
        self.values.insert(name.to_owned(), value);
    }

    fn put_number(&mut self, field: &Field, number: Option<Number>, text: impl fmt::Display) {
        // No JSON number: too large, or not finite.
        self.put(field.name(), number.map_or_else(|| text.to_string().into(), Value::Number));
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            self.put(field.name(), format!("{value:?}").into());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value)
        } else {
            self.put(field.name(), value.into())
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put_number(field, Number::from_i128(value), value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put_number(field, Number::from_u128(value), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put_number(field, Number::from_f64(value), value);
    }
}
