//! `Edm.DateTimeOffset` to 100 ns, as the live service keeps it: any offset in, UTC out, trailing zeros dropped.

use std::fmt;

use time::{Date, Month, OffsetDateTime};

/// Ticks of 100 ns in a second.
const SECOND: i64 = 10_000_000;
/// Seconds in a day; the type has no leap seconds.
const DAY: i64 = 86_400;
/// Julian day of 0001-01-01.
const FIRST_DAY: i32 = 1_721_426;

/// A point in time: ticks of 100 ns since 0001-01-01T00:00:00Z, within the years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Instant(i64);

impl Instant {
    /// `0001-01-01T00:00:00Z`: a date that was never set.
    pub(crate) const MIN: Self = Self(0);
    /// `9999-12-31T23:59:59.9999999Z`: no end.
    pub(crate) const MAX: Self = Self(3_155_378_975_999_999_999);

    pub(crate) fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        let seconds = day_number(now.date()) * DAY + i64::from(now.time().as_hms().0) * 3600;
        let (_, minute, second, nanosecond) = now.time().as_hms_nano();
        Self((seconds + i64::from(minute) * 60 + i64::from(second)) * SECOND + i64::from(nanosecond / 100))
    }

    /// The point `ticks` after (or before) this one, kept within the type's range.
    pub(crate) fn plus(self, ticks: i64) -> Self {
        Self(self.0.saturating_add(ticks).clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Parses `YYYY-MM-DDThh:mm[:ss[.f]]` with 1 to 7 fractional digits and `Z` or an offset.
    /// `None` for everything else, including a value without offset, and if the UTC form is outside
    /// the years 0001 to 9999.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut rest = DateParser(text.as_bytes());
        let year = rest.digits(4)?;
        rest.one_of(b"-")?;
        let month = rest.digits(2)?;
        rest.one_of(b"-")?;
        let day = rest.digits(2)?;
        rest.one_of(b"Tt")?;
        let hour = rest.digits(2).filter(|hour| *hour < 24)?;
        rest.one_of(b":")?;
        let minute = rest.digits(2).filter(|minute| *minute < 60)?;
        let mut second = 0;
        let mut fraction = 0;
        if rest.one_of(b":").is_some() {
            second = rest.digits(2).filter(|second| *second < 60)?;
            if rest.one_of(b".").is_some() {
                fraction = rest.fraction()?;
            }
        }
        let offset_minutes = rest.offset()?;
        if !rest.0.is_empty() {
            return None;
        }
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        let date =
            Date::from_calendar_date(i32::try_from(year).ok()?, month, u8::try_from(day).ok()?).ok()?;
        let seconds = day_number(date) * DAY + (hour * 60 + minute - offset_minutes) * 60 + second;
        let instant = Self(seconds * SECOND + fraction);
        (Self::MIN..=Self::MAX).contains(&instant).then_some(instant)
    }
}

fn day_number(date: Date) -> i64 {
    i64::from(date.to_julian_day() - FIRST_DAY)
}

struct DateParser<'a>(&'a [u8]);

impl DateParser<'_> {
    fn one_of(&mut self, accepted: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        accepted.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    }

    /// 1 to 7 digits, as ticks.
    fn fraction(&mut self) -> Option<i64> {
        let count = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=7).contains(&count) {
            return None;
        }
        let scale = 10_i64.pow(7 - u32::try_from(count).ok()?);
        self.digits(count).map(|digits| digits * scale)
    }

    /// The offset in minutes, east positive.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.digits(2).filter(|hours| *hours <= 14)?;
        self.one_of(b":")?;
        let minutes = self.digits(2).filter(|minutes| *minutes < 60)?;
        Some(sign * (hours * 60 + minutes))
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / SECOND;
        let day = i32::try_from(seconds / DAY).unwrap_or(0);
        // Holds for every value that `parse` and `plus` let through.
        let date = Date::from_julian_day(FIRST_DAY + day).unwrap_or(Date::MIN);
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let fraction = self.0 % SECOND;
        if fraction != 0 {
            let digits = format!("{fraction:07}");
            write!(out, ".{}", digits.trim_end_matches('0'))?;
        }
        out.write_str("Z")
    }
}

#[cfg(test)]
mod tests {
    use super::Instant;

    fn utc(text: &str) -> Option<String> {
        Instant::parse(text).map(|instant| instant.to_string())
    }

    #[test]
    fn any_offset_comes_out_as_utc_with_all_digits_kept() {
        for (given, expected) in [
            ("2016-12-31T23:57:41.6559639+03:00", "2016-12-31T20:57:41.6559639Z"),
            ("2016-12-31T23:56:44.951111-08:00", "2017-01-01T07:56:44.951111Z"),
            ("2026-11-23T01:02:03+00:00", "2026-11-23T01:02:03Z"),
            ("2026-11-23T01:02:03.6300000Z", "2026-11-23T01:02:03.63Z"),
            ("2026-11-23T01:02Z", "2026-11-23T01:02:00Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ] {
            assert_eq!(utc(given).as_deref(), Some(expected), "{given}");
        }
    }

    #[test]
    fn the_sentinels_are_the_ends_of_the_range() {
        assert_eq!(Instant::parse("0001-01-01T00:00:00Z"), Some(Instant::MIN));
        assert_eq!(Instant::parse("9999-12-31T23:59:59.9999999Z"), Some(Instant::MAX));
        assert_eq!(Instant::MAX.to_string(), "9999-12-31T23:59:59.9999999Z");
        assert_eq!(Instant::MIN.to_string(), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn what_is_no_date_time_offset_is_refused() {
        for text in [
            "2016-12-31T23:57:41",
            "2016-12-31",
            "2016-12-31T23:57:41.Z",
            "2016-12-31T23:57:41.12345678Z",
            "2016-02-30T00:00:00Z",
            "2016-12-31T24:00:00Z",
            "2016-12-31T23:57:60Z",
            "2016-12-31 23:57:41Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "10000-01-01T00:00:00Z",
            "2016-12-31T23:57:41+15:00",
            "2016-12-31T23:57:41Zx",
            "",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn now_reads_back() {
        let now = Instant::now();
        assert_eq!(Instant::parse(&now.to_string()), Some(now));
    }
}
