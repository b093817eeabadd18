//! `Retry-After` in the forms that Graph sends: whole seconds, fractions of a second, zero, and an HTTP-date.

use std::time::{Duration, SystemTime};

/// Maximum wait. Longer ones are reduced to it.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses a `Retry-After` value (RFC 9110, section 10.2.3; fractions occur in batch items). `None`
/// if it is neither a number nor a date. A date counts from `now`; one in the past is zero.
#[must_use]
pub(super) fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if value.starts_with(|first: char| first.is_ascii_digit()) && !value.contains(':') {
        let seconds: f64 = value.parse().ok()?;
        Duration::try_from_secs_f64(seconds).unwrap_or(MAX_WAIT)
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        until.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::parse;

    #[test]
    fn every_form_is_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (value, wait) in [
            ("10", Some(10.0)),
            (" 7 ", Some(7.0)),
            ("0", Some(0.0)),
            ("0.249", Some(0.249)),
            ("Tue, 14 Nov 2023 22:13:22 GMT", Some(2.0)),
            ("Tue, 14 Nov 2023 22:13:18 GMT", Some(0.0)),
            ("99999999999999999999999", Some(86400.0)),
            ("", None),
            ("soon", None),
            ("-1", None),
            ("1,120", None),
            ("NaN", None),
        ] {
            assert_eq!(parse(value, now), wait.map(Duration::from_secs_f64), "{value:?}");
        }
    }
}
