//! `Edm.DateTimeOffset` as unchanged text.

use serde::Serialize;
use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

use super::lenient::Property;

/// A date-time with an explicit offset, stored as the original text: neither offset nor precision
/// is normalised.
///
/// [`DateTimeOffset::parse`] checks input of callers. Values from Graph are returned unchanged,
/// even if they are invalid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct DateTimeOffset(String);

/// Why some text is not an `Edm.DateTimeOffset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDateTimeOffset {
    /// Another form than `2016-12-31T23:57:41.6559639+03:00`.
    #[error("must be an RFC 3339 date-time such as 2016-12-31T23:57:41.6559639+03:00")]
    Form,
    /// A time without offset.
    #[error("the offset is missing: end it with Z, or an offset such as +03:00")]
    NoOffset,
    /// Finer than 100 ns.
    #[error("at most 7 fractional digits (100 ns) are allowed")]
    TooPrecise,
    /// A month, day, hour, minute, second or offset that does not exist.
    #[error("there is no such date, time or offset")]
    Impossible,
    /// In UTC, it lies before year 0001 or after year 9999.
    #[error("must lie within the years 0001 to 9999 in UTC")]
    OutOfRange,
}

impl DateTimeOffset {
    /// Checks input of a caller: RFC 3339 (section 5.6), an explicit offset, years 0001 to 9999, up
    /// to 7 fractional digits.
    ///
    /// # Errors
    ///
    /// The error of the value, for the caller.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidDateTimeOffset> {
        let text = text.into();
        ticks(&text)?;
        Ok(Self(text))
    }

    /// The original text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant in 100 ns since 1970-01-01T00:00:00Z, for comparisons; `None` if Graph sent an
    /// invalid date-time.
    #[must_use]
    pub fn ticks(&self) -> Option<i128> {
        ticks(&self.0).ok()
    }
}

impl Property for DateTimeOffset {
    fn from_text(text: &str) -> Option<Self> {
        Some(Self(text.to_owned()))
    }
}

/// Parses `YYYY-MM-DDTHH:MM:SS[.f{1,7}](Z|±HH:MM)`. No date-time type keeps the text, and most
/// reject or shift the two sentinels of Intune (`0001-01-01T00:00:00Z`,
/// `9999-12-31T23:59:59.9999999Z`).
fn ticks(text: &str) -> Result<i128, InvalidDateTimeOffset> {
    use InvalidDateTimeOffset as Error;

    let bytes = text.as_bytes();
    let (date_time, rest) = bytes.split_at_checked(19).ok_or(Error::Form)?;
    let punctuated = date_time[4] == b'-'
        && date_time[7] == b'-'
        && matches!(date_time[10], b'T' | b't')
        && date_time[13] == b':'
        && date_time[16] == b':';
    if !punctuated {
        return Err(Error::Form);
    }
    let part = |from: usize, to: usize| number(&date_time[from..to]).ok_or(Error::Form);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);

    let (fraction, offset) = match rest.strip_prefix(b".") {
        Some(rest) => rest.split_at(rest.iter().take_while(|byte| byte.is_ascii_digit()).count()),
        None => (&b"0"[..], rest),
    };
    if fraction.is_empty() {
        return Err(Error::Form);
    }
    if fraction.len() > 7 {
        return Err(Error::TooPrecise);
    }
    let fraction =
        number(fraction).ok_or(Error::Form)? * 10_u32.pow(7 - u32::try_from(fraction.len()).unwrap_or(7));

    let offset_minutes = match offset {
        b"" => return Err(Error::NoOffset),
        b"Z" | b"z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let hours = number(&[*h1, *h2]).ok_or(Error::Form)?;
            let minutes = number(&[*m1, *m2]).ok_or(Error::Form)?;
            if hours > 23 || minutes > 59 {
                return Err(Error::Impossible);
            }
            let magnitude = i32::try_from(hours * 60 + minutes).unwrap_or_default();
            if *sign == b'-' { -magnitude } else { magnitude }
        }
        _ => return Err(Error::Form),
    };

    let year = i32::try_from(year).map_err(|_| Error::Form)?;
    if year == 0 {
        return Err(Error::OutOfRange);
    }
    let small = |number: u32| u8::try_from(number).map_err(|_| Error::Impossible);
    let month = Month::try_from(small(month)?).map_err(|_| Error::Impossible)?;
    let date = Date::from_calendar_date(year, month, small(day)?).map_err(|_| Error::Impossible)?;
    let time = Time::from_hms(small(hour)?, small(minute)?, small(second)?).map_err(|_| Error::Impossible)?;
    let local = PrimitiveDateTime::new(date, time).assume_offset(UtcOffset::UTC).unix_timestamp();

    let seconds = i128::from(local) - i128::from(offset_minutes) * 60;
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
        return Err(Error::OutOfRange);
    }
    Ok(seconds * 10_000_000 + i128::from(fraction))
}

/// `0001-01-01T00:00:00Z` in seconds since 1970.
const FIRST_SECOND: i128 = -62_135_596_800;
/// `9999-12-31T23:59:59Z` in seconds since 1970.
const LAST_SECOND: i128 = 253_402_300_799;

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DateTimeOffset, InvalidDateTimeOffset as Error};

    #[test]
    fn what_is_valid_keeps_its_text() {
        for text in [
            "2016-12-31T23:57:41.6559639+03:00",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.9999999Z",
            "2024-02-29T00:00:00.1-00:00",
            "2016-12-31T23:56:44.9519127-08:00",
            "2016-12-31t23:56:44z",
            "2026-01-01T00:00:00+14:00",
        ] {
            assert_eq!(DateTimeOffset::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, error) in [
            ("", Error::Form),
            ("2016-12-31", Error::Form),
            ("2016-12-31T23:57", Error::Form),
            ("2016-12-31 23:57:41Z", Error::Form),
            ("2016-12-31T23:57:41.Z", Error::Form),
            ("2016-12-31T23:57:41Zx", Error::Form),
            ("2016-12-31T23:57:41+0300", Error::Form),
            ("2016-12-31T23:57:41+3:00", Error::Form),
            ("+016-12-31T23:57:41Z", Error::Form),
            ("2016-12-31T23:57:4éZ", Error::Form),
            ("2016-12-31T23:57:41", Error::NoOffset),
            ("2016-12-31T23:57:41.123", Error::NoOffset),
            ("2016-12-31T23:57:41.12345678Z", Error::TooPrecise),
            ("2023-02-29T00:00:00Z", Error::Impossible),
            ("2016-13-01T00:00:00Z", Error::Impossible),
            ("2016-12-31T24:00:00Z", Error::Impossible),
            ("2016-12-31T23:59:60Z", Error::Impossible),
            ("2016-12-31T23:59:00+24:00", Error::Impossible),
            ("0000-12-31T23:59:59Z", Error::OutOfRange),
            ("0001-01-01T00:00:00+00:01", Error::OutOfRange),
            ("9999-12-31T23:59:59-00:01", Error::OutOfRange),
        ] {
            assert_eq!(DateTimeOffset::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn instants_compare_across_offsets() {
        let ticks = |text: &str| DateTimeOffset::parse(text).unwrap().ticks().unwrap();
        assert_eq!(ticks("1970-01-01T00:00:00.0000001Z"), 1);
        assert_eq!(ticks("2016-12-31T23:57:41.6559639+03:00"), ticks("2016-12-31T20:57:41.6559639Z"));
        assert!(ticks("2016-12-31T23:57:41.65Z") > ticks("2016-12-31T23:57:41.6499999Z"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}|[0-9TZ:.+-]{0,40}") {
            let _ = DateTimeOffset::parse(text);
        }
    }
}
