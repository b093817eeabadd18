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

pub(super) fn page_size(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|size| (1..=1000).contains(size))
        .ok_or_else(|| "must be from 1 to 1000".to_owned())
}

pub(super) fn percent(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|share| (1..=100).contains(share))
        .ok_or_else(|| "must be from 1 to 100".to_owned())
}

/// More would need more of the stack than a thread has.
pub(super) fn nesting(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|depth| (1..=64).contains(depth))
        .ok_or_else(|| "must be from 1 to 64".to_owned())
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
