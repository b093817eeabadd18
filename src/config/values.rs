//! How values on the command line are read.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use http::HeaderValue;

/// A scheme, a host and perhaps a port, as browsers and apps with a web view send it in `Origin`.
pub(super) fn origin(text: &str) -> Result<HeaderValue, String> {
    if text == "*" {
        return Err("`*` is not offered: any page that a user opens could then reach the gateway; name each origin, as in \
                    https://app.example.org"
            .to_owned());
    }
    if text.contains('*') {
        return Err("an origin has no wildcard; name each origin, as in https://app.example.org".to_owned());
    }
    let url = url::Url::parse(text).map_err(|error| format!("{error}; write https://app.example.org"))?;
    let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{}://{host}{port}", url.scheme());
    if host.is_empty() || origin != text {
        let example = if host.is_empty() { "https://app.example.org" } else { &origin };
        return Err(format!("an origin is a scheme, a host and perhaps a port, as in {example}"));
    }
    HeaderValue::from_str(text).map_err(|error| error.to_string())
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "must be a whole number, 1 or more".to_owned())
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

/// A share in percent, as a number from 0 to 1.
pub(super) fn sample(text: &str) -> Result<f64, String> {
    let percent = text.parse::<f64>().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
    percent.map(|percent| percent / 100.0).ok_or_else(|| "must be above 0, up to 100".to_owned())
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

const MAX_DURATION: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, as in 500ms or 30s"))?;
    match duration {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        // Far longer than any request; beyond some thousands of years, clocks overflow.
        _ if duration > MAX_DURATION => Err("must not be longer than one day".to_owned()),
        _ => Ok(duration),
    }
}

/// `true` or `false`, in the words that operators use.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("must be true or false (or 1, 0, yes, no, on, off)".to_owned()),
    }
}

/// An address to listen on: `127.0.0.1:4000`, `localhost:4000`, or `:4000` for all IPv4 addresses.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let host_and_port = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let addresses = host_and_port.to_socket_addrs().map(Iterator::collect::<Vec<_>>).unwrap_or_default();
    let found = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    found.copied().ok_or_else(|| "must be a host and a port, for example 127.0.0.1:4000".to_owned())
}

/// A filter of log lines: a level, or targets with levels.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    for directive in text.split(',').map(str::trim) {
        let level = directive.rsplit('=').next().unwrap_or_default();
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str()) {
            return Err(format!(
                "`{level}` is not a level; levels are {}, as in info or warn,intune_graphql=debug",
                LEVELS.join(", ")
            ));
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{address, boolean, log_filter, origin};

    #[test]
    fn an_origin_may_have_any_scheme_and_no_wildcard() {
        for text in [
            "https://app.example.org",
            "http://localhost:5173",
            "capacitor://localhost",
            "tauri://localhost:1",
        ] {
            assert_eq!(origin(text).unwrap(), text);
        }
        for (text, problem) in [
            ("*", "is not offered"),
            ("https://*.example.org", "no wildcard"),
            ("https://app.example.org/", "as in https://app.example.org"),
            ("HTTPS://App.example.org:443", "as in https://app.example.org"),
            ("https://user@app.example.org", "as in https://app.example.org"),
            ("null", "write https://app.example.org"),
            ("about:blank", "as in https://app.example.org"),
            ("file:///index.html", "as in https://app.example.org"),
        ] {
            let error = origin(text).unwrap_err();
            assert!(error.contains(problem), "{text}: {error}");
        }
    }

    #[test]
    fn booleans_are_read_in_any_case() {
        for (texts, value) in [(["true", "1", "YES", "On"], true), (["false", "0", "No", "OFF"], false)] {
            assert!(texts.iter().all(|text| boolean(text) == Ok(value)));
        }
        assert!(boolean("enabled").unwrap_err().contains("must be true or false"));
    }

    #[test]
    fn addresses_may_have_a_name_or_no_host() {
        for (text, expected) in [
            ("127.0.0.1:4000", "127.0.0.1:4000"),
            ("localhost:4000", "127.0.0.1:4000"),
            (":4000", "0.0.0.0:4000"),
            ("[::1]:0", "[::1]:0"),
        ] {
            assert_eq!(address(text).unwrap().to_string(), expected);
        }
        for text in ["4000", "localhost", "127.0.0.1:99999", ""] {
            assert!(address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_log_filter_has_known_levels() {
        for text in ["info", "WARN", "warn,intune_graphql=debug", "off", "info, hyper=off"] {
            assert!(log_filter(text).is_ok(), "{text}");
        }
        for text in ["inof", "warning", "intune_graphql", "info,hyper=verbose", ""] {
            assert!(log_filter(text).unwrap_err().contains("levels are off, error"), "{text}");
        }
    }
}
