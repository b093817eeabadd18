//! How values on the command line are read.

use std::time::Duration;

use http::HeaderValue;

/// A scheme, a host and perhaps a port, as browsers send it in `Origin`.
pub(super) fn origin(text: &str) -> Result<HeaderValue, String> {
    if text == "*" {
        return Err("`*` is not offered: any page that a user opens could then reach the gateway; name each origin, as in \
                    https://app.example.org"
            .to_owned());
    }
    let url = url::Url::parse(text).map_err(|error| format!("{error}; write https://app.example.org"))?;
    if !matches!(url.scheme(), "http" | "https") || url.origin().ascii_serialization() != text {
        return Err(format!(
            "an origin is a scheme, a host and perhaps a port, as in {}",
            url.origin().ascii_serialization()
        ));
    }
    HeaderValue::from_str(text).map_err(|error| error.to_string())
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "must be a number from 1 on".to_owned())
}

/// The system takes the number as a signed one.
pub(super) fn backlog(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_BACKLOG).contains(number));
    number.ok_or_else(|| format!("must be from 1 to {MAX_BACKLOG}"))
}

const MAX_BACKLOG: u32 = i32::MAX.unsigned_abs();

pub(super) fn page_size(text: &str) -> Result<usize, String> {
    up_to(1000, text)
}

pub(super) fn percent(text: &str) -> Result<usize, String> {
    up_to(100, text)
}

/// More would need more of the stack than a thread has.
pub(super) fn nesting(text: &str) -> Result<usize, String> {
    up_to(64, text)
}

fn up_to(most: usize, text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("must be from 1 to {most}"))
}

/// At least a second, since keys expire by the second.
pub(super) fn retention(text: &str) -> Result<Duration, String> {
    let retention = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, as in 30m or 24h"))?;
    if retention < Duration::from_secs(1) {
        return Err("must be at least one second".to_owned());
    }
    Ok(retention)
}

const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, as in 500ms or 30s"))?;
    match duration {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        // Far longer than any request; beyond some thousands of years, clocks overflow.
        _ if duration > LONGEST => Err("must not be longer than one day".to_owned()),
        _ => Ok(duration),
    }
}
