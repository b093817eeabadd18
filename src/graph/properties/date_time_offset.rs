//! A `DateTimeOffset` accepts what RFC 3339 defines, keeps its text, and has the instant that the
//! calendar defines.

use super::super::models::DateTimeOffset;

/// 1970-01-01 in days since 0001-01-01.
const UNIX_EPOCH: i128 = 719_162;
/// 10000-01-01 in days since 0001-01-01.
const END: i128 = 3_652_059;

/// Takes a text.
pub fn date_time_offset(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let instant = instant(&text);
    match DateTimeOffset::parse(text.as_ref()) {
        Ok(date) => {
            assert_eq!(date.as_str(), text);
            assert_eq!(date.ticks(), instant, "{text}");
            let json = serde_json::to_string(&date).expect("a text can be written");
            assert_eq!(json, format!("\"{text}\""));
        }
        Err(error) => assert_eq!(instant, None, "{text}: {error}"),
    }
}

/// The instant in 100 ns since 1970, taken apart from the separators inwards, by section 5.6 of RFC 3339 and the rule of
/// leap years.
fn instant(text: &str) -> Option<i128> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let (time, offset) = match rest.strip_suffix(['Z', 'z']) {
        Some(time) => (time, 0),
        None => {
            let (time, offset) = rest.split_at(rest.rfind(['+', '-'])?);
            let [hours, minutes] = numbers(&offset[1..], ':', [2, 2])?;
            let minutes = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
            (time, if offset.starts_with('-') { -minutes } else { minutes })
        }
    };
    let (time, fraction) = match time.split_once('.') {
        Some((time, fraction)) if fraction.len() <= 7 => {
            (time, number(fraction)? * 10_i128.pow(7 - u32::try_from(fraction.len()).ok()?))
        }
        Some(_) => return None,
        None => (time, 0),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;

    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if is_leap { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months_before = lengths.get(..usize::try_from(month).ok()?.checked_sub(1)?)?;
    let length = lengths.get(months_before.len())?;
    if year == 0 || !(1..=*length).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let years = year - 1;
    let days =
        years * 365 + years / 4 - years / 100 + years / 400 + months_before.iter().sum::<i128>() + day - 1;
    let seconds = days * 86_400 + (hour * 60 + minute - offset) * 60 + second;
    (0..END * 86_400).contains(&seconds).then_some((seconds - UNIX_EPOCH * 86_400) * 10_000_000 + fraction)
}

/// One number for each of `lengths`, with that many digits, separated by `separator`.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[i128; N]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let parts: [&str; N] = parts.try_into().ok()?;
    let mut numbers = [0; N];
    for ((value, part), length) in numbers.iter_mut().zip(parts).zip(lengths) {
        *value = (part.len() == length).then(|| number(part))??;
    }
    Some(numbers)
}

fn number(digits: &str) -> Option<i128> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}
