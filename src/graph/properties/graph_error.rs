//! An error of Graph's is passed on within bounds, on one line, and without the caller's token.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, StatusCode};

use super::super::body;
use super::super::body_limit::BodyLimit;
use super::super::error::{ApiError, Error, Outcome};
use super::super::response::GraphResponse;
use super::{REQUEST_LINE, TOKEN, caller};

/// The gateway's result for a response: a line with its status, a line for each header, an empty
/// line, and its body.
pub(crate) fn read_response(data: &[u8]) -> Result<(), Error> {
    let (head, body) = split_once(data, b"\n\n");
    let mut lines = head.split(|byte| *byte == b'\n');
    let status = lines.next().and_then(|line| StatusCode::from_bytes(line).ok());
    let mut response = http::Response::new(Bytes::copy_from_slice(body));
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for line in lines {
        let (name, value) = split_once(line, b":");
        let header = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()));
        if let (Ok(name), Ok(value)) = header {
            response.headers_mut().append(name, value);
        }
    }
    let status = response.status();

    let caller = caller();
    let read = GraphResponse::read(
        response.map(http_body_util::Full::new),
        BodyLimit::unshared(usize::MAX),
        REQUEST_LINE,
        &caller,
    );
    match read.now_or_never().expect("the body is there") {
        Ok(response) => {
            assert!(status.is_success() && response.status() == status);
            Ok(())
        }
        Err(error) => {
            let Error::Api(api) = &error else { panic!("{error:?} is no answer of Graph's") };
            assert!(!status.is_success() && api.status == status);
            check(api);
            let believed = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT
                || api.is_unavailable_until_later();
            assert_eq!(Outcome::of_write(&error) == Outcome::Rejected, believed);
            if believed && status == StatusCode::SERVICE_UNAVAILABLE {
                let text = self::body::text(body);
                let is_object =
                    || self::body::read(&text).is_ok_and(|read: serde_json::Value| read.is_object());
                assert!(text.is_empty() || is_object(), "{text:?}");
                assert!(!text.to_ascii_lowercase().contains("cancelledonservicetimeout"), "{text:?}");
            }
            Err(error)
        }
    }
}

/// The parts of an error that are returned to callers.
pub(super) fn check(api: &ApiError) {
    for (text, longest) in [(&api.code, 100), (&api.message, 1000), (&api.request_id, 100)] {
        let Some(text) = text else { continue };
        assert!(!text.is_empty() && text.chars().count() <= longest, "{text:?}");
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    let challenge = api.www_authenticate.as_deref().unwrap_or_default();
    assert!(challenge.is_empty() || api.status == StatusCode::UNAUTHORIZED);
    assert!(challenge.len() <= 8 * 1024 && !challenge.contains(['\r', '\n', '\0']), "{challenge:?}");
    assert!(api.retry_after.is_none_or(|wait| wait <= Duration::from_secs(24 * 60 * 60)));
    assert!(!format!("{api:?}").contains(TOKEN), "the token is passed on: {api:?}");
}

/// The parts before and after the first `separator`; without one, all and nothing.
fn split_once<'a>(data: &'a [u8], separator: &[u8]) -> (&'a [u8], &'a [u8]) {
    match data.windows(separator.len()).position(|window| window == separator) {
        Some(at) => (&data[..at], &data[at + separator.len()..]),
        None => (data, &[]),
    }
}
