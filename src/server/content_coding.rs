//! Content codings of responses, chosen by `Accept-Encoding` (RFC 9110, section 12.5.3).

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::qvalue::{MAX_QVALUE, NOT_ACCEPTABLE, parse_qvalue};

const IDENTITY: &str = "identity";

/// The codings that a client accepts, each with its quality value in thousandths.
#[derive(Debug)]
pub(super) struct AcceptedCodings(Vec<(String, u16)>);

impl AcceptedCodings {
    /// Reads every `Accept-Encoding` header. A coding whose quality value cannot be parsed is not acceptable.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let members = values.flat_map(|value| value.split(',')).filter(|member| !member.trim().is_empty());
        Self(members.map(member).collect())
    }

    /// The client's preferred one of `codings`; of equal ones, the first. `None` if the response is to be sent without a
    /// coding, because the client prefers that or accepts none of them.
    pub(super) fn best(&self, codings: &[&'static str]) -> Option<&'static str> {
        let mut best = None;
        let mut highest = self.named(IDENTITY).unwrap_or(NOT_ACCEPTABLE);
        for coding in codings {
            let qvalue = self.qvalue(coding);
            if qvalue > highest || (qvalue == highest && qvalue > NOT_ACCEPTABLE && best.is_none()) {
                (best, highest) = (Some(*coding), qvalue);
            }
        }
        best
    }

    /// Whether the client does not accept a response without a coding.
    pub(super) fn rejects_identity(&self) -> bool {
        self.named(IDENTITY).or_else(|| self.named("*")) == Some(NOT_ACCEPTABLE)
    }

    /// A coding that is neither named nor matched by `*` is not acceptable here: clients that name
    /// no coding often support none.
    fn qvalue(&self, coding: &str) -> u16 {
        self.named(coding).or_else(|| self.named("*")).unwrap_or(NOT_ACCEPTABLE)
    }

    /// The lowest quality value of a coding that is listed several times.
    fn named(&self, coding: &str) -> Option<u16> {
        self.0.iter().filter(|(name, _)| name == coding).map(|(_, qvalue)| *qvalue).min()
    }
}

/// Parses one member of the header: a coding with an optional quality value.
fn member(text: &str) -> (String, u16) {
    let mut parts = text.split(';');
    let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut qvalue = MAX_QVALUE;
    for parameter in parts.map(str::trim).filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if key.trim().eq_ignore_ascii_case("q") {
            qvalue = parse_qvalue(value.trim()).unwrap_or(NOT_ACCEPTABLE);
        }
    }
    // An old name that is still equivalent to the new one (RFC 9110, section 8.4.1.3).
    (if name == "x-gzip" { "gzip".to_owned() } else { name }, qvalue)
}

#[cfg(test)]
mod tests {
    use http::header::ACCEPT_ENCODING;
    use http::{HeaderMap, HeaderValue};

    use super::AcceptedCodings;

    fn accepting(values: &[&str]) -> AcceptedCodings {
        let header = |value: &&str| (ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        AcceptedCodings::of(&HeaderMap::from_iter(values.iter().map(header)))
    }

    #[test]
    fn the_best_coding_is_the_one_with_the_highest_weight() {
        for (header, expected) in [
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, br", Some("br")),
            ("GZIP;q=0.5", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("br;q=0.5, gzip;q=0.8", Some("gzip")),
            ("br;q=0.5, gzip ; q=0.50", Some("br")),
            ("br;q=0", None),
            ("br;Q=0", None),
            ("br ; Q=0.000", None),
            ("br;q = 0", None),
            ("br;q=0.0000", None),
            ("BR;Q=0, gzip", Some("gzip")),
            ("br;q=0, zstd;q=0.0, *", Some("gzip")),
            ("*", Some("zstd")),
            ("*;q=0", None),
            ("*;Q=0, gzip", Some("gzip")),
            ("gzip, gzip;q=0", None),
            ("identity", None),
            ("identity, gzip;q=0.5", None),
            ("identity;q=0.5, gzip", Some("gzip")),
            ("identity, gzip", Some("gzip")),
            ("identity;q=0, gzip;q=0.1", Some("gzip")),
            ("identity;q=0", None),
            ("br;q=x", None),
            ("br;q=2", None),
            ("br;q=", None),
            ("br;q", None),
            ("br;level=4;q=0", None),
            ("br;;q=0.5;", Some("br")),
            (",, ,", None),
            ("", None),
        ] {
            assert_eq!(accepting(&[header]).best(&["zstd", "br", "gzip"]), expected, "{header}");
        }
        assert_eq!(accepting(&[]).best(&["gzip"]), None);
        assert_eq!(accepting(&["br;q=0", "*"]).best(&["br", "gzip"]), Some("gzip"));
    }

    #[test]
    fn no_coding_is_refused_by_name_or_with_all_that_are_not_named() {
        for (header, expected) in [
            ("identity;q=0", true),
            ("gzip, Identity ; Q=0.0", true),
            ("gzip, *;q=0", true),
            ("*;q=0, identity", false),
            ("*", false),
            ("gzip", false),
            ("", false),
        ] {
            assert_eq!(accepting(&[header]).rejects_identity(), expected, "{header}");
        }
    }
}
