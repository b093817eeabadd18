//! Quality values of content negotiation headers (RFC 9110, section 12.4.2), in thousandths.

/// The quality value of a range that is not acceptable.
pub(super) const NOT_ACCEPTABLE: u16 = 0;
/// The quality value of a range without one.
pub(super) const MAX_QVALUE: u16 = 1000;

/// Parses a quality value from 0 to 1 into thousandths; `None` if it is not one. More than the three decimals of the grammar
/// are accepted and rounded up, so that a value other than 0 never becomes 0.
pub(super) fn parse_qvalue(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = match whole {
        "0" | "" => 0,
        "1" => 1000,
        _ => return None,
    };
    if text == "." || text.is_empty() || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (kept, rest) = decimals.split_at(decimals.len().min(3));
    let kept: u16 = format!("{kept:0<3}").parse().ok()?;
    let rest = u16::from(rest.bytes().any(|digit| digit != b'0'));
    Some(whole + kept + rest).filter(|qvalue| *qvalue <= MAX_QVALUE)
}

#[cfg(test)]
mod tests {
    use super::parse_qvalue;

    #[test]
    fn a_qvalue_is_from_0_to_1() {
        for (text, expected) in [
            ("0", Some(0)),
            ("0.", Some(0)),
            ("0.0", Some(0)),
            ("0.000", Some(0)),
            ("0.0000", Some(0)),
            (".5", Some(500)),
            ("0.001", Some(1)),
            ("0.0001", Some(1)),
            ("0.25", Some(250)),
            ("0.9999", Some(1000)),
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("1.001", None),
            ("2", None),
            ("-1", None),
            ("+1", None),
            ("1e-1", None),
            ("inf", None),
            ("nan", None),
            ("0.5.5", None),
            ("0,5", None),
            (".", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(parse_qvalue(text), expected, "{text:?}");
        }
    }
}
